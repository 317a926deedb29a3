"""How the command line is called here, and where the results that ship with the project lie: in a checkout, and installed as a package."""

from pathlib import Path

HERE = Path(__file__).parent
# `python -m ingest` is known in the checkout itself, and `prompt-joules` in every folder.
CHECKOUT = (HERE.parent / "pyproject.toml").exists() and Path().exists() and Path().samefile(HERE.parent)
INGEST = "python -m ingest" if CHECKOUT else "prompt-joules ingest"
SHIPPED = HERE / "data"
# What a command line calls them. The word `shipped` is understood everywhere.
SHIPPED_WORD = "shipped"
SHIPPED_NAME = "warehouse/data" if CHECKOUT else SHIPPED_WORD


def load_all() -> str:
    """The command that loads what ships and, where this folder has measurements, these: a path that is not there would be an error."""
    return f"{INGEST} {SHIPPED_NAME}{' results' if Path('results').is_dir() else ''}"


def path_of(text: str) -> str:
    """A path of the command line; `shipped` is the folder of the shipped results, unless something of that name lies here."""
    return str(SHIPPED) if text == SHIPPED_WORD and not Path(text).exists() else text
