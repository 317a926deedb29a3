"""How to read the warehouse: read-only, never in the way of an ingest, and not for long.

A file is attached to an instance of DuckDB in memory, because a plain connection keeps seeing the old file after an ingest has put
a new one in its place. `once` makes an instance for one caller. `reading` is for those who ask many questions: opening and closing
an instance costs about 20 ms, more than a leaderboard, so one instance of the file is kept from question to question, and each
question has a cursor of it. The cursors share its memory limit, so that many visitors at once need no more than one. When an ingest
has put a new file in the place of the old one, the next question opens a new instance; questions that are under way end on the old
one. Of a lake, every question is of one snapshot. `pinned` holds several questions, such as those of a page, to one version.

Nothing that may wait for a disk is done while a lock is held that all questions need: a mount that hangs holds up those who ask it.
"""

import os
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import duckdb

from prompt_joules.warehouse import create, errors, places, switches
from prompt_joules.warehouse.errors import (
    BrokenWarehouse,
    ForbiddenWarehouse,
    NotAWarehouse,
    NoWarehouse,
    OldWarehouse,
    UnreachableWarehouse,
    WarehouseError,
)
from prompt_joules.warehouse.places import Place

VARIABLE = switches.WAREHOUSE
MEMORY_LIMIT = "2GB"
# The memory limit of all questions together, cached parts of the file included. At ten million prompts no named
# question needs more; one that does goes on through a temporary file.
SHARED_LIMIT = "700MB"
# The bytes at offset 8 of every DuckDB file.
MAGIC = b"DUCK"
MOST_SWAPS = 10
# How long a question waits for another that is opening the same file.
LONGEST_OPENING = 30.0
Version = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Held:
    """One version of a warehouse, and the instance of DuckDB that has it attached; a lake is attached for each question."""

    path: str
    version: Version
    instance: duckdb.DuckDBPyConnection | None


_LOCK = threading.Lock()
_HELD: dict[str, Held] = {}
"""At most one: the file asked last."""
_STILL: weakref.WeakValueDictionary[tuple[str, Version], Held] = weakref.WeakValueDictionary()
"""All that somebody still reads."""
_OPENING: dict[tuple[str, Version], threading.Lock] = {}
_PINNED: ContextVar[Held | None] = ContextVar("pinned", default=None)


def default_warehouse() -> str:
    """The path in PROMPT_JOULES_WAREHOUSE, or warehouse.duckdb in the current folder."""
    return os.environ.get(VARIABLE) or "warehouse.duckdb"


def is_named() -> bool:
    """Whether somebody named the warehouse: PROMPT_JOULES_WAREHOUSE is set."""
    return bool(os.environ.get(VARIABLE))


def place_of(path: str) -> Place:
    """What kind of warehouse a path or address names. Raises UnreachableWarehouse: it names none."""
    try:
        return places.parse(path)
    except places.BadPlace as error:
        raise UnreachableWarehouse(str(error)) from error


def version(path: str) -> Version:
    """Changes when an ingest changed the warehouse; the key of every cache. Inside `pinned` it is the one that is pinned.

    Returns:
        Of a file: inode and modification time (ns). Of a lake: its number (0) and its snapshot. MotherDuck does not say: the minute.

    Raises:
        NoWarehouse: there is no file or lake.
        NotAWarehouse: a folder, a pipe or a device, of which nobody knows how long reading it takes.
        ForbiddenWarehouse: this user may not look into its folder.
        UnreachableWarehouse: the lake cannot be attached.
    """
    pinned_now = _PINNED.get()
    if pinned_now is not None and pinned_now.path == path:
        return pinned_now.version
    return version_now(path)


def version_now(path: str) -> Version:
    """As `version`, whatever is pinned."""
    place = place_of(path)
    if place.kind == "lake":
        with _memory(place) as connection:
            attach(connection, path, place, read_only=True)
            return 0, snapshot(connection)
    if place.kind == "cloud":
        return 1, int(time.time() // 60)
    try:
        status = Path(path).stat()
    except PermissionError as error:
        raise ForbiddenWarehouse(path) from error
    except OSError as error:
        raise NoWarehouse(path) from error
    if not stat.S_ISREG(status.st_mode):
        raise NotAWarehouse(path)
    return status.st_ino, status.st_mtime_ns


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
        ForbiddenWarehouse: this user may not read it.
        BrokenWarehouse: a DuckDB file that is damaged or not one of ours.
        UnreachableWarehouse: a shared warehouse that cannot be attached.
    """
    place = place_of(path)
    if not place.shared:
        version_now(path)
        refuse_others(Path(path))
    return _once(path, place, None)


def _once(path: str, place: Place, snapshot_version: int | None) -> duckdb.DuckDBPyConnection:
    connection = _memory(place)
    try:
        if place.shared:
            attach(connection, path, place, read_only=True, snapshot_version=snapshot_version)
            connection.execute("begin")
        else:
            places.attach(connection, place, read_only=True)
        check_version(connection, path)
    except duckdb.Error as error:
        connection.close()
        raise errors.broken(path, error) from error
    except WarehouseError:
        connection.close()
        raise
    return connection


@contextmanager
def reading(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only view of the warehouse as it is now, for one question; closed at the end. Of a lake, one snapshot.

    Do not change the instance's settings: others read through it. Raises WarehouseError: as `once`.
    """
    held = _PINNED.get()
    if held is not None and held.path == path:
        connection = _cursor(held)
    else:
        connection = _limited(once(path)) if place_of(path).shared else _cursor(_held(path))
    try:
        yield connection
    except (duckdb.FatalException, duckdb.InternalException):
        forget()
        raise
    finally:
        connection.close()


@contextmanager
def pinned(path: str) -> Iterator[None]:
    """Until the block ends, whatever this thread asks of the warehouse is of one version. MotherDuck cannot be held: it is as it is now.

    Raises:
        WarehouseError: as `once`.
    """
    token = _PINNED.set(_held(path))
    try:
        yield
    finally:
        _PINNED.reset(token)


def attach(connection: duckdb.DuckDBPyConnection, path: str, place: Place, *, read_only: bool, snapshot_version: int | None = None) -> None:
    """Attach a shared warehouse, as it is now or as it was at a snapshot, and make it the connection's database.

    Raises:
        NoWarehouse: nobody has made the lake yet (only when read_only).
        UnreachableWarehouse: no server, wrong password, no bucket, an extension that is missing.
    """
    try:
        places.attach(connection, place, read_only=read_only, snapshot_version=snapshot_version)
    except (places.BadPlace, duckdb.Error) as error:
        if any(words in str(error) for words in ("creating a new DuckLake is explicitly disabled", "database does not exist")):
            raise NoWarehouse(path) from error
        raise UnreachableWarehouse(f"{path} cannot be reached: {places.sentence(error)}.") from error


def check_version(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Raise OldWarehouse unless the attached warehouse is of this version of the project.

    Raises:
        duckdb.Error: it is no warehouse.
        BrokenWarehouse: it says no version, or several.
    """
    versions = [row[0] for row in connection.execute("select schema_version from meta").fetchall()]
    if len(versions) != 1:
        raise BrokenWarehouse(path, f"its table meta has {len(versions)} rows instead of one")
    if versions != [create.SCHEMA_VERSION]:
        raise OldWarehouse(path, versions[0], create.SCHEMA_VERSION)


def refuse_others(path: Path) -> None:
    """Raise NotAWarehouse unless the path is a DuckDB file or an empty one, ForbiddenWarehouse or BrokenWarehouse if it cannot be read."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NotAWarehouse(str(path))
            head = file.read(12)
    except IsADirectoryError as error:
        raise NotAWarehouse(str(path)) from error
    except PermissionError as error:
        raise ForbiddenWarehouse(str(path)) from error
    except OSError as error:
        raise BrokenWarehouse(str(path), error.strerror or str(error)) from error
    if head and head[8:] != MAGIC:
        raise NotAWarehouse(str(path))


def forget() -> None:
    """Let go of the file that is held; questions under way keep it until they end."""
    with _LOCK:
        _HELD.clear()
        _STILL.clear()


def _cursor(held: Held) -> duckdb.DuckDBPyConnection:
    """A connection for one question. Raises WarehouseError."""
    if held.instance is None:
        place = place_of(held.path)
        return _limited(_once(held.path, place, held.version[1] if place.kind == "lake" else None))
    try:
        cursor = held.instance.cursor()
        cursor.execute(f"use {places.ALIAS}")
        cursor.execute("set timezone = 'UTC'")
    except duckdb.Error as error:
        forget()
        raise errors.broken(held.path, error) from error
    return cursor


def _held(path: str) -> Held:
    """The warehouse as it is now. Raises WarehouseError."""
    now = version_now(path)
    if place_of(path).shared:
        return Held(path, now, None)
    if found := _known(path, now):
        return found
    with _opening(path, now):
        if found := _known(path, now):
            return found
        made = _opened(path, now)
        with _LOCK:
            _HELD.clear()
            _HELD[path] = _STILL[path, made.version] = made
    return made


def _opened(path: str, now: Version) -> Held:
    """The file and its version: where an ingest put another one in its place meanwhile, that one."""
    for _ in range(MOST_SWAPS):
        instance = _limited(once(path))
        before, now = now, version_now(path)
        if now == before:
            return Held(path, now, instance)
        instance.close()
    raise BrokenWarehouse(path, "it is replaced faster than it can be read")


def _known(path: str, now: Version) -> Held | None:
    with _LOCK:
        return _STILL.get((path, now))


@contextmanager
def _opening(path: str, now: Version) -> Iterator[None]:
    """Only one opens each version of a file; a question that waits finds it open. Raises BrokenWarehouse: the one before does not come
    back."""
    with _LOCK:
        turn = _OPENING.setdefault((path, now), threading.Lock())
    if not turn.acquire(timeout=LONGEST_OPENING):
        raise BrokenWarehouse(path, f"it did not open within {LONGEST_OPENING:g} s")
    try:
        yield
    finally:
        turn.release()
        with _LOCK:
            _OPENING.pop((path, now), None)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe without a writer does not hold it up."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _limited(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same connection; its instance holds no more than SHARED_LIMIT."""
    connection.execute("set memory_limit = $limit", {"limit": SHARED_LIMIT})
    return connection


def _memory(place: Place) -> duckdb.DuckDBPyConnection:
    """An instance without a database, for a warehouse that `places.attach` is about to attach."""
    more = places.UNCHECKED if place.shared else {}
    connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "threads": os.cpu_count() or 1, **more})
    connection.execute("set timezone = 'UTC'")
    return connection
