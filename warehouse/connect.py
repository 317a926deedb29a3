"""How to read the warehouse: read-only, never in the way of an ingest, and not for long.

A file is attached to an instance of DuckDB in memory, because a plain connection keeps seeing the old file after an ingest has put
a new one in its place. `once` makes an instance for one caller. `reading` is for those who ask many questions: opening and closing
an instance costs about 20 ms, more than a leaderboard, so one instance of the file is kept from question to question, and each
question has a cursor of it. The cursors share its memory limit, so that many visitors at once need no more than one. When an ingest
has put a new file in the place of the old one, the next question opens a new instance; questions that are under way end on the old
one. Of a lake, every question is of one snapshot.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from prompt_joules.warehouse import create, places
from prompt_joules.warehouse.errors import (
    BrokenWarehouse,
    NotAWarehouse,
    NoWarehouse,
    OldWarehouse,
    UnreachableWarehouse,
    WarehouseError,
)
from prompt_joules.warehouse.places import Place

VARIABLE = "PROMPT_JOULES_WAREHOUSE"
MEMORY_LIMIT = "2GB"
# What DuckDB may hold for all questions together, parts of the file that it remembers included. At ten million prompts no named
# question needs more; one that does goes on through a temporary file.
SHARED_LIMIT = "700MB"
# What stands at byte 8 of every DuckDB file.
MAGIC = b"DUCK"
_LOCK = threading.Lock()
_HELD: dict[Path, tuple[tuple[int, int], duckdb.DuckDBPyConnection]] = {}
"""At most one: the file asked last, its version, and the instance that has it attached."""


def default_warehouse() -> str:
    """The path in PROMPT_JOULES_WAREHOUSE, or warehouse.duckdb in the current folder."""
    return os.environ.get(VARIABLE) or "warehouse.duckdb"


def place_of(path: str) -> Place:
    """What kind of warehouse a path or address names. Raises UnreachableWarehouse: it names none."""
    try:
        return places.parse(path)
    except places.BadPlace as error:
        raise UnreachableWarehouse(str(error)) from error


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


def once(path: str) -> duckdb.DuckDBPyConnection:
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


@contextmanager
def reading(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only view of the warehouse as it is now, for one question; closed at the end. Of a lake, one snapshot.

    Do not change the instance's settings: others read through it.

    Raises:
        WarehouseError: as `once`.
    """
    connection = _limited(once(path)) if place_of(path).shared else _cursor(path)
    try:
        yield connection
    except duckdb.FatalException:
        forget()
        raise
    finally:
        connection.close()


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


def check_version(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise OldWarehouse unless the attached warehouse is of this version of the project. Raises duckdb.Error when it is none."""
    versions = [row[0] for row in connection.execute("select schema_version from meta").fetchall()]
    if versions != [create.SCHEMA_VERSION]:
        raise OldWarehouse(path, max(versions, default=0), create.SCHEMA_VERSION)


def broken(path: str, error: Exception) -> WarehouseError:
    """The error of a warehouse that was attached but cannot be read: a shared one that nobody has filled is none yet."""
    if place_of(path).shared:
        if "Table with name meta does not exist" in str(error):
            return NoWarehouse(path)
        return UnreachableWarehouse(f"{path} cannot be read: {places.sentence(error)}.")
    return BrokenWarehouse(path, str(error).splitlines()[0])


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


def forget() -> None:
    """Let go of the file that is held; questions under way keep it until they end."""
    with _LOCK:
        _HELD.clear()


def _cursor(path: str) -> duckdb.DuckDBPyConnection:
    cursor = _instance(path).cursor()
    cursor.execute(f"use {places.ALIAS}")
    cursor.execute("set timezone = 'UTC'")
    return cursor


def _instance(path: str) -> duckdb.DuckDBPyConnection:
    key = Path(path).absolute()
    with _LOCK:
        now = version(path)
        known, held = _HELD.get(key, (None, None))
        if held is None or known != now:
            _HELD.clear()
            held = _limited(once(path))
            _HELD[key] = now, held
        return held


def _limited(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same connection; its instance holds no more than SHARED_LIMIT."""
    connection.execute("set memory_limit = $limit", {"limit": SHARED_LIMIT})
    return connection


def _memory() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": os.cpu_count() or 1})
    connection.execute("set timezone = 'UTC'")
    return connection
