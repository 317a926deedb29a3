"""Where the warehouse is, and how to read it: short-lived, read-only, never in the way of an ingest.

The reader attaches the warehouse to a connection in memory, because a plain connection keeps seeing the old file after an
ingest has put a new one in its place. Who asks often reads through `readers.py`. What may be attached besides a file stands in
`places.py`.
"""

import os
import re
import shlex
import time
from importlib import metadata
from pathlib import Path

import duckdb

from prompt_joules.warehouse import commands, places
from prompt_joules.warehouse.places import Place

SCHEMA_VERSION = 11
VARIABLE = "PROMPT_JOULES_WAREHOUSE"
MEMORY_LIMIT = "2GB"
# What stands at byte 8 of every DuckDB file.
MAGIC = b"DUCK"
HERE = Path(__file__).parent
KEYS = re.compile(r",\s*primary key \([^)]*\)|( primary key| unique)(?=,|$)", re.MULTILINE)


class WarehouseError(Exception):
    """Something is wrong with the warehouse file; the text says what, and what to run next."""


class NoWarehouse(WarehouseError):
    """There is no file at the path, or no warehouse in the lake yet."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"There is no warehouse at {path}. Make one: {commands.INGEST} {commands.SHIPPED_NAME} results --warehouse {shlex.quote(path)}"
        )


class OldWarehouse(WarehouseError):
    """The file was made by another version of this project."""

    def __init__(self, path: str, found: int) -> None:
        super().__init__(f"{path} has schema version {found}, this project needs {SCHEMA_VERSION}. {_remedy(path)}")


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


def place_of(path: str) -> Place:
    """What kind of warehouse a path or address names. Raises UnreachableWarehouse: it names none."""
    try:
        return places.parse(path)
    except places.BadPlace as error:
        raise UnreachableWarehouse(str(error)) from error


def refuse_others(path: Path) -> None:
    """Raise NotAWarehouse unless the path is a DuckDB file or an empty one. Raises BrokenWarehouse: it may not be read."""
    if path.is_dir():
        raise NotAWarehouse(str(path))
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise BrokenWarehouse(str(path), error.strerror or str(error)) from error
    if head and head[8:] != MAGIC:
        raise NotAWarehouse(str(path))


def default_warehouse() -> str:
    """The path in PROMPT_JOULES_WAREHOUSE, or warehouse.duckdb in the current folder."""
    return os.environ.get(VARIABLE) or "warehouse.duckdb"


def version(path: str) -> tuple[int, int]:
    """Changes when an ingest changed the warehouse; the key of every cache.

    Returns:
        Of a file: inode and modification time (ns). Of a lake: its number (0) and its snapshot. MotherDuck does not say: the minute.

    Raises:
        NoWarehouse: there is no file or lake.
        UnreachableWarehouse: the lake cannot be attached.
    """
    place = place_of(path)
    if place.kind == "lake":
        return 0, _snapshot(path, place)
    if place.kind == "cloud":
        return 1, int(time.time() // 60)
    try:
        status = Path(path).stat()
    except OSError as error:
        raise NoWarehouse(path) from error
    return status.st_ino, status.st_mtime_ns


def _snapshot(path: str, place: Place) -> int:
    connection = _memory()
    try:
        attach(connection, path, place, read_only=True)
        return snapshot(connection)
    finally:
        connection.close()


def snapshot(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the state of a lake that this connection sees."""
    ((number,),) = connection.execute(f"from {places.ALIAS}.current_snapshot()").fetchall()
    return int(number)


def data_path(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Where the lake that is attached keeps its Parquet; None when it is no lake."""
    found = connection.execute(
        "select tags['data_path'] from duckdb_databases() where database_name = $name and type = 'ducklake'", {"name": places.ALIAS}
    ).fetchall()
    return str(found[0][0]) if found else None


def _memory() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": os.cpu_count() or 1})
    connection.execute("set timezone = 'UTC'")
    return connection


def attach(connection: duckdb.DuckDBPyConnection, path: str, place: Place, *, read_only: bool) -> None:
    """Attach a shared warehouse and make it the connection's database.

    Raises:
        NoWarehouse: nobody has made the lake yet (only when read_only).
        UnreachableWarehouse: no server, wrong password, no bucket, an extension that is missing.
    """
    try:
        places.attach(connection, place, read_only=read_only)
    except (places.BadPlace, duckdb.Error) as error:
        if any(words in str(error) for words in ("creating a new DuckLake is explicitly disabled", "database does not exist")):
            raise NoWarehouse(path) from error
        raise UnreachableWarehouse(f"{path} cannot be reached: {places.sentence(error)}.") from error


def connect(path: str) -> duckdb.DuckDBPyConnection:
    """A read-only view of the warehouse as it is now. Close it soon; do not share it between threads.

    Of a lake, everything that one connection reads is of one snapshot: the transaction stays open until the connection is closed.

    Raises:
        NoWarehouse: there is no file.
        OldWarehouse: made by another version of the project.
        NotAWarehouse: no DuckDB file.
        BrokenWarehouse: a DuckDB file that is damaged or not one of ours.
        UnreachableWarehouse: a shared warehouse that cannot be attached.
    """
    place = place_of(path)
    if not place.shared:
        version(path)
        refuse_others(Path(path))
    connection = _memory()
    try:
        if place.shared:
            attach(connection, path, place, read_only=True)
            connection.execute("begin")
        else:
            places.attach(connection, place, read_only=True)
        check_version(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise broken(path, error) from error
    except WarehouseError:
        connection.close()
        raise
    return connection


def check_version(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise OldWarehouse unless the attached warehouse is of this version of the project. Raises duckdb.Error when it is none."""
    versions = [row[0] for row in connection.execute("select schema_version from meta").fetchall()]
    if versions != [SCHEMA_VERSION]:
        raise OldWarehouse(path, max(versions, default=0))


def broken(path: str, error: Exception) -> WarehouseError:
    """The error of a warehouse that was attached but cannot be read: a shared one that nobody has filled is none yet."""
    if place_of(path).shared:
        if "Table with name meta does not exist" in str(error):
            return NoWarehouse(path)
        return UnreachableWarehouse(f"{path} cannot be read: {places.sentence(error)}.")
    return BrokenWarehouse(path, str(error).splitlines()[0])


def create(connection: duckdb.DuckDBPyConnection, *, keys: bool = True) -> None:
    """Make the tables, views and macros of an empty warehouse on this connection, in one transaction.

    Args:
        connection: its current database gets them.
        keys: with the primary and unique keys of schema.sql. A lake knows none; a load keeps them there (`ingest/lake.py`).
    """
    tables = (HERE / "schema.sql").read_text()
    connection.execute("begin")
    connection.execute(tables if keys else KEYS.sub("", tables))
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
