"""The usual gap between tokens; where a server sends them in bursts, their median is none."""

from pathlib import Path

import pytest

from tests import factories, warehouses


@pytest.mark.parametrize(
    ("gaps", "usual"),
    [([0.010, 0.011, 0.030], 0.011), ([0.00003, 0.00003, 0.00003, 0.05], None)],
    ids=["one by one", "in bursts"],
)
def test_the_usual_gap_is_known_where_tokens_come_one_by_one(
    tmp_path: Path, warehouse: Path, gaps: list[float], usual: float | None
) -> None:
    rows = [factories.record("run-1", index, itl_s=gaps, output_tokens=len(gaps) + 1) for index in range(3)]
    factories.write(factories.frame(rows), tmp_path / "part-0.parquet")
    warehouses.ingest(tmp_path / "part-0.parquet", into=warehouse)
    found, longest = warehouses.rows(warehouse, "select itl_p50_s, itl_p99_s from runs").row(0)
    assert (found is None) == (usual is None) and (usual is None or found == pytest.approx(usual, rel=1e-5))
    assert longest > 0.02, "the longest gaps are known all the same"
