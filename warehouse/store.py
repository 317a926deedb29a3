"""Where the warehouse is, and how to read it: short-lived, read-only, never in the way of an ingest.

The reader attaches the file to a connection in memory, because a plain connection keeps seeing the old file after an
ingest has put a new one in its place. Attaching costs about 16 ms; keep results, not connections.
"""

import os
from importlib import metadata
from pathlib import Path

import duckdb

SCHEMA_VERSION = 3
VARIABLE = "PROMPT_JOULES_WAREHOUSE"
MEMORY_LIMIT = "2GB"
HERE = Path(__file__).parent


class WarehouseError(Exception):
    """Something is wrong with the warehouse file; the text says what, and what to run next."""


class NoWarehouse(WarehouseError):
    """There is no file at the path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"There is no warehouse at {path}. Make one: python -m ingest warehouse/data results --warehouse {path}")


class OldWarehouse(WarehouseError):
    """The file was made by another version of this project."""

    def __init__(self, path: str, found: int) -> None:
        super().__init__(
            f"{path} has schema version {found}, this project needs {SCHEMA_VERSION}. "
            f"Rebuild it from its files: python -m ingest warehouse/data results --warehouse {path} --rebuild"
        )


class BrokenWarehouse(WarehouseError):
    """The file is not a warehouse of this project, or is damaged."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"{path} cannot be read as a warehouse ({why}). "
            f"Rebuild it from its files: python -m ingest warehouse/data results --warehouse {path} --rebuild"
        )


def default_warehouse() -> str:
    """The path in PROMPT_JOULES_WAREHOUSE, or warehouse.duckdb in the current folder."""
    return os.environ.get(VARIABLE) or "warehouse.duckdb"


def version(path: str) -> tuple[int, int]:
    """Inode and modification time (ns): changes when an ingest swaps the file; the key of every cache.

    Raises:
        NoWarehouse: there is no file.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        raise NoWarehouse(path) from error
    return status.st_ino, status.st_mtime_ns


def connect(path: str) -> duckdb.DuckDBPyConnection:
    """A read-only view of the warehouse as it is now. Close it soon; do not share it between threads.

    Raises:
        NoWarehouse: there is no file.
        OldWarehouse: made by another version of the project.
        BrokenWarehouse: not a DuckDB file, or not one of ours.
    """
    version(path)
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": os.cpu_count() or 1})
    try:
        connection.execute("set timezone = 'UTC'")
        connection.execute("attach $path as results (read_only)", {"path": path})
        connection.execute("use results")
        found = connection.execute("select schema_version from meta").fetchall()
    except duckdb.Error as error:
        connection.close()
        raise BrokenWarehouse(path, str(error).splitlines()[0]) from error
    versions = [row[0] for row in found]
    if versions != [SCHEMA_VERSION]:
        connection.close()
        raise OldWarehouse(path, max(versions, default=0))
    return connection


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, views and macros of an empty warehouse on this connection."""
    connection.execute("begin")
    connection.execute((HERE / "schema.sql").read_text())
    connection.execute((HERE / "views.sql").read_text())
    connection.execute(
        "insert into meta (schema_version, project_version) values ($schema_version, $project_version)",
        {"schema_version": SCHEMA_VERSION, "project_version": project_version()},
    )
    connection.execute("commit")


def project_version() -> str:
    """The installed version of this project, or "source" when it runs from a folder that was never installed."""
    try:
        return metadata.version("prompt-joules")
    except metadata.PackageNotFoundError:
        return "source"
