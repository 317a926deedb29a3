"""Where a warehouse will be, and what requests it has."""

from pathlib import Path
from typing import Any

import pytest

from tests import warehouses
from tests.together import Part


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """Where a warehouse will be."""
    return tmp_path / "w.duckdb"


def requests(warehouse: Path | Part) -> list[dict[str, Any]]:
    """All requests of a warehouse, in order."""
    return warehouses.rows(warehouse, "from requests order by run_id, sequence").to_dicts()
