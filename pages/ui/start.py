"""What the server does before its first visitor: it imports what pages are made of, and starts the process for a first SQL."""

import gc
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from prompt_joules.pages.ui import watched
from prompt_joules.warehouse import connect, errors, visitor_sql

HERE = Path(__file__).parent
# What Streamlit, Altair and PyArrow import when the first page needs it. Altair asks whether pandas has been imported, and uses it while
# the script of another visitor is still importing it.
EARLY = ("pandas", "pyarrow.pandas_compat", "PIL.Image", "_strptime")
# How many collections of the middle generation Python makes before it looks through the old one.
FULL_COLLECTION = 2


def ready() -> None:
    """Import all that any page does: its first visitor need not wait for it, and visitors who come at once do not race."""
    for name in (*EARLY, *modules()):
        import_module(name)
    watched.ready()
    lighten()
    with suppress(errors.WarehouseError):
        visitor_sql.warm(connect.place_of(connect.default_warehouse()).shared)


def lighten() -> None:
    """Have Python's collector skip what was imported, and run five times as often. The script of a page leaves its rows in a cycle that
    only the collector can free. It used to look through all objects of imported modules first, and so freed rows 50 MB too late.
    """
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_COLLECTION)


def modules() -> list[str]:
    """The modules below this folder."""
    files = (path.relative_to(HERE).with_suffix("") for path in sorted(HERE.rglob("*.py")))
    return [".".join(("prompt_joules.pages.ui", *file.parts)) for file in files if file.name != "__init__"]
