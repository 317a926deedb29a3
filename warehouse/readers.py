"""Readers that ask many questions: one DuckDB instance for the file, kept from question to question, and a cursor each.

Opening and closing an instance costs about 20 ms, more than a leaderboard. The cursors of one instance also share its memory limit, so that
many visitors at once need no more than one. When an ingest has put a new file in the place of the old one, the next question opens a new
instance; questions that are under way end on the old one.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from prompt_joules.warehouse import places, store

# What DuckDB may hold for all questions together, parts of the file that it remembers included. At ten million prompts no named
# question needs more; one that does goes on through a temporary file.
MEMORY_LIMIT = "700MB"
_LOCK = threading.Lock()
_HELD: dict[Path, tuple[tuple[int, int], duckdb.DuckDBPyConnection]] = {}
"""At most one: the file asked last, its version, and the instance that has it attached."""


@contextmanager
def reading(path: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only view of the warehouse as it is now, for one question; closed at the end. Of a lake, one snapshot.

    Do not change the instance's settings: others read through it.

    Raises:
        store.WarehouseError: as `store.connect`.
    """
    connection = _limited(store.connect(path)) if store.place_of(path).shared else _cursor(path)
    try:
        yield connection
    except duckdb.FatalException:
        forget()
        raise
    finally:
        connection.close()


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
        version = store.version(path)
        known, held = _HELD.get(key, (None, None))
        if held is None or known != version:
            _HELD.clear()
            held = _limited(store.connect(path))
            _HELD[key] = version, held
        return held


def _limited(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The same connection; its instance holds no more than MEMORY_LIMIT."""
    connection.execute("set memory_limit = $limit", {"limit": MEMORY_LIMIT})
    return connection
