"""The path of a warehouse and a run to load, for every test of the ingest."""

import shutil
from pathlib import Path

import pytest

from tests import factories, warehouses
from tests.made_once import MakeOnce


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Where a warehouse will be."""
    return tmp_path / "warehouse.duckdb"


def a_run(folder: Path) -> None:
    """A run of thirty prompts whose balance is even, and a warehouse of it."""
    factories.write(factories.records(30, "run-1"), folder / "results" / "run-1" / "part-0.parquet")
    factories.run_json(folder / "results" / "run-1" / "run.json", "run-1")
    assert warehouses.ingest(folder / "results", into=folder / "warehouse.duckdb").status == 0


@pytest.fixture
def results(make_once: MakeOnce, tmp_path: Path) -> Path:
    """A run of thirty prompts whose balance is even."""
    shutil.copytree(make_once("a-run", a_run) / "results", tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def ingested(make_once: MakeOnce, warehouse: Path, results: Path) -> Path:
    """A warehouse into which `results` were loaded."""
    shutil.copyfile(make_once("a-run", a_run) / warehouse.name, warehouse)
    return warehouse
