"""What can be wrong with a warehouse, and which errors are for people. Each says what it is, where, and what to run next."""

import os
import shlex

import duckdb

from prompt_joules.warehouse import commands, places, switches

# Errors of a question that the warehouse is to blame for.
OF_THE_WAREHOUSE = (
    duckdb.IOException,
    duckdb.HTTPException,
    duckdb.CatalogException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.SerializationException,
    duckdb.OutOfMemoryException,
)
# DuckDB's words for a disk without room for the temporary files of a large question.
DISK_FULL = ("No space left on device", "Disk quota exceeded", "Read-only file system")
NO_ROOM = (*DISK_FULL, "Failed to create directory", "failed to offload data block")


class ForPeople(Exception):
    """The text is for the person at the keyboard: what is wrong, and what to do next. A command prints it and ends."""


class WarehouseError(ForPeople):
    """Something is wrong with the warehouse; the text says what, and what to run next."""


class NoWarehouse(WarehouseError):
    """There is no file at the path, or no warehouse in the lake yet."""

    def __init__(self, path: str) -> None:
        named = f", which {switches.WAREHOUSE} names" if path and os.environ.get(switches.WAREHOUSE) == path else ""
        make = f"{commands.load_all()} --warehouse {shlex.quote(path)}"
        super().__init__(f"There is no warehouse at {path}{named}. Make one: {make}")


class OldWarehouse(WarehouseError):
    """The file was made by another version of this project."""

    def __init__(self, path: str, found: int, needed: int) -> None:
        super().__init__(f"{path} has schema version {found}, this project needs {needed}. {_remedy(path)}")


class BrokenWarehouse(WarehouseError):
    """The file is not a warehouse of this project, or is damaged."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be read as a warehouse ({why}). {_remedy(path)}")


class ForbiddenWarehouse(WarehouseError):
    """The file is there, and the user who asks may not read it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} may not be read by this user. Let it be read, e.g. chmod a+r {shlex.quote(path)} (and a+x its folders), "
            "or start this as its owner."
        )


class NoRoom(WarehouseError):
    """A question needs more memory than it may have, and there is no room on disk for the rest."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"There is no room for this question ({why}). Choose fewer rows with the filters, or start the server in a folder with space."
        )


class NotAWarehouse(WarehouseError):
    """The path is a folder or a file of another kind; nobody meant it to be replaced."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is no DuckDB file, so it is left as it is. Name another one, e.g. --warehouse warehouse.duckdb.")


class UnreachableWarehouse(WarehouseError):
    """A shared warehouse cannot be attached: its address, its server, its bucket or a part of DuckDB."""


def _remedy(path: str) -> str:
    """What to run when a warehouse is of no use. Nobody rebuilds a team's lake from the files of one machine."""
    if path.startswith((places.LAKE, places.CLOUD)):
        return "Make a new one at another address and load the files of every machine into it (docs/scale.md)."
    return f"Rebuild it from its files, your own folders among them: {commands.load_all()} --warehouse {shlex.quote(path)} --rebuild"


def is_of_the_warehouse(error: duckdb.Error) -> bool:
    """Whether an error means that the warehouse cannot be read, not that a question is wrong. A checksum has no kind of its own."""
    return type(error) is duckdb.Error or isinstance(error, OF_THE_WAREHOUSE)


def is_disk_full(error: Exception) -> bool:
    """Whether an error means that nothing more can be written."""
    return any(words in str(error) for words in DISK_FULL)


def is_no_room(error: Exception) -> bool:
    """Whether an error means that memory and disk are used up."""
    return isinstance(error, duckdb.OutOfMemoryException) or any(words in str(error) for words in NO_ROOM)


def broken(path: str, error: Exception) -> WarehouseError:
    """The error of a warehouse that was attached but cannot be read: a shared one that nobody has filled is none yet."""
    if is_no_room(error):
        return NoRoom(str(error).splitlines()[0])
    if places.parse(path).shared:
        if "Table with name meta does not exist" in str(error):
            return NoWarehouse(path)
        return UnreachableWarehouse(f"{path} cannot be read: {places.sentence(error)}.")
    return BrokenWarehouse(path, str(error).splitlines()[0])
