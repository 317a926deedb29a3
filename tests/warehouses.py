"""Real warehouses for tests, made by the real ingest."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pytest

from prompt_joules.ingest import loading
from prompt_joules.ingest.report import Report
from prompt_joules.warehouse import connect, places
from tests.together import Part

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "warehouse" / "data"
DATA = ROOT / "tests" / "data"
SHARED = ROOT.parent / "shared" / "data"
# How many figures of each edition ship.
PUBLISHED = {"v1": 260, "v2": 314, "v3": 565}


def shared(name: str) -> Path:
    """Real files of other people's tools, which lie beside the repository on some machines; the test is skipped on the others."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real files are not here: {path} (a folder beside the repository)")
    return path


def ingest(*paths: Path, into: Path, rebuild: bool = False) -> Report:
    """Load files quietly."""
    texts = [str(path) for path in paths]
    return loading.ingest(texts, str(into), rebuild=rebuild)


_kept: dict[int, duckdb.DuckDBPyConnection] = {}
_one_at_a_time = threading.Lock()


@contextmanager
def reading(warehouse: Path | Part) -> Iterator[duckdb.DuckDBPyConnection]:
    """What `connect.once` gives, for the length of a block. Files are attached to one instance of DuckDB that the process keeps: attaching
    takes 5 ms of CPU, an instance of its own 25 more."""
    part = warehouse if isinstance(warehouse, Part) else None
    path = str(part.path if part else warehouse)
    place = connect.place_of(path)
    if place.shared:
        with connect.once(path) as connection:
            yield connection
        return
    connect.version_now(path)
    connect.refuse_others(Path(path))
    with _one_at_a_time:
        if os.getpid() not in _kept:
            _kept[os.getpid()] = connect._memory(place)
        connection = _kept[os.getpid()].cursor()
        connection.execute("set timezone = 'UTC'")
        places.attach(connection, place, read_only=True)
        try:
            connect.check_version(connection, path)
            if part:
                part.show(connection)
            yield connection
        finally:
            connection.execute(f"use memory; detach {place.catalog}")
            connection.close()


def rows(warehouse: Path | Part, sql: str) -> pl.DataFrame:
    """What a statement gives on a warehouse, read as a page reads it."""
    with reading(warehouse) as connection:
        found: pl.DataFrame = connection.sql(sql).pl()
        return found


def rejects(warehouse: Path | Part) -> list[tuple[int | None, str | None, str]]:
    """Row, column and reason of everything that was refused."""
    return rows(warehouse, 'select "row", "column", reason from rejects order by all').rows()


def content(warehouse: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a person could see, without numbers of files and runs and times of loading; for comparing warehouses."""
    tables = ("requests", "runs", "run_summary", "results", "published", "quality", "models", "run_notes")
    numbers = ("file_id", "run_number")
    with reading(warehouse) as connection:
        found = {}
        for table in tables:
            columns = [name for (name, *_) in connection.execute(f"describe {table}").fetchall() if name not in numbers]
            listed = ", ".join(f'"{name}"' for name in columns)
            found[table] = connection.execute(f"select {listed} from {table} order by all").fetchall()
        return found
