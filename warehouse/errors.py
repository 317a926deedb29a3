"""What can be wrong with a warehouse. Each error says what it is, where, and what to run next."""

import shlex

from prompt_joules.warehouse import commands, places


class WarehouseError(Exception):
    """Something is wrong with the warehouse; the text says what, and what to run next."""


class NoWarehouse(WarehouseError):
    """There is no file at the path, or no warehouse in the lake yet."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no warehouse at {path}. Make one: {commands.INGEST} {commands.SHIPPED_NAME} results --warehouse {shlex.quote(path)}"
        )


class OldWarehouse(WarehouseError):
    """The file was made by another version of this project."""

    def __init__(self, path: str, found: int, needed: int) -> None:
        super().__init__(f"{path} has schema version {found}, this project needs {needed}. {_remedy(path)}")


class BrokenWarehouse(WarehouseError):
    """The file is not a warehouse of this project, or is damaged."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path} cannot be read as a warehouse ({why}). {_remedy(path)}")


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
    return f"Rebuild it from its files: {commands.INGEST} {commands.SHIPPED_NAME} results --warehouse {path} --rebuild"
