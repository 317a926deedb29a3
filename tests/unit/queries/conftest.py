"""One warehouse for all tests of the queries."""

import pytest

from tests import factories, warehouses
from tests.unit.queries.made import made_rows


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The published tables of 2023 and the made-up rows, one of them refused, ingested."""
    folder = tmp_path_factory.mktemp("queries")
    factories.write(made_rows(), folder / "results" / "part-0.parquet")
    factories.run_json(folder / "results" / "run.json", "run-b", ratio=1.5)
    bad = factories.frame([factories.record("run-d", 0, energy_j=-1.0), factories.record("run-d", 1)])
    factories.write(bad, folder / "results" / "part-1.parquet")
    path = folder / "warehouse.duckdb"
    assert warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v1", folder / "results", into=path).status == 1
    return str(path)
