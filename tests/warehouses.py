"""Real warehouses for tests, made by the real ingest."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from prompt_joules.ingest import derive, loading
from prompt_joules.ingest.report import Report
from prompt_joules.warehouse import connect

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


def rows(warehouse: Path, sql: str) -> pl.DataFrame:
    """What a statement gives on a warehouse, read as a page reads it."""
    connection = connect.once(str(warehouse))
    try:
        found: pl.DataFrame = connection.sql(sql).pl()
        return found
    finally:
        connection.close()


def rejects(warehouse: Path) -> list[tuple[int | None, str | None, str]]:
    """Row, column and reason of everything that was refused."""
    return rows(warehouse, 'select "row", "column", reason from rejects order by all').rows()


def content(warehouse: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a person could see, without numbers of files and runs and times of loading; for comparing warehouses."""
    tables = ("requests", "runs", *derive.SUMMARIES, "results", "published", "quality", "models", "run_notes")
    numbers = ("file_id", "run_number")
    connection = duckdb.connect(str(warehouse), read_only=True)
    try:
        found = {}
        for table in tables:
            columns = [name for (name, *_) in connection.execute(f"describe {table}").fetchall() if name not in numbers]
            listed = ", ".join(f'"{name}"' for name in columns)
            found[table] = connection.execute(f"select {listed} from {table} order by all").fetchall()
        return found
    finally:
        connection.close()
