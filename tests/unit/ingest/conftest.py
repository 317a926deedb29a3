"""The path of a warehouse and a run to load, for every test of the ingest."""

from pathlib import Path

import pytest

from tests import factories


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Where a warehouse will be."""
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A run of thirty prompts whose balance is even."""
    folder = tmp_path / "results"
    factories.write(factories.records(30, "run-1"), folder / "run-1" / "part-0.parquet")
    factories.run_json(folder / "run-1" / "run.json", "run-1")
    return folder
