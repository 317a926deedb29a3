"""A warehouse of two runs beside its files, for tests of what is written from it and checked against it."""

import shutil
from pathlib import Path

import pytest

from tests import factories, warehouses
from tests.made_once import MakeOnce


def two_runs(folder: Path) -> None:
    """Two runs of 25 prompts, and a warehouse of them and of the tables of 2023."""
    factories.write(factories.records(25), folder / "results" / "a.parquet")
    factories.write(factories.records(25, "run-2", task="chat-concise"), folder / "results" / "b.parquet")
    warehouses.ingest(folder / "results", warehouses.SHIPPED / "published" / "mlenergy_v1", into=folder / "w.duckdb")


@pytest.fixture
def warehouse(make_once: MakeOnce, tmp_path: Path) -> Path:
    """A copy of it, with its runs, in a folder of the test's own."""
    shutil.copytree(make_once("two-runs", two_runs), tmp_path, dirs_exist_ok=True)
    return tmp_path / "w.duckdb"
