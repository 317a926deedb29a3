"""How the command line is called here, and where the results that ship with the project lie: in a checkout, and installed as a package."""

from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = (HERE.parent / "pyproject.toml").exists()
INGEST = "python -m ingest" if CHECKOUT else "prompt-joules ingest"
SHIPPED = HERE / "data"
# What a command line calls them. The word `shipped` is understood everywhere.
SHIPPED_WORD = "shipped"
SHIPPED_NAME = "warehouse/data" if CHECKOUT else SHIPPED_WORD


def path_of(text: str) -> str:
    """A path of the command line; `shipped` is the folder of the shipped results, unless something of that name lies here."""
    return str(SHIPPED) if text == SHIPPED_WORD and not Path(text).exists() else text
