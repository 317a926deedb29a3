"""Files of other tools that were once misread: what each holds, exactly."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.warehouse import query
from tests import warehouses

CASES = warehouses.DATA / "cases"
KWH = 3.6e6


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "w.duckdb"


def totals(warehouse: Path) -> list[dict[str, Any]]:
    return query.load("run_totals", None, str(warehouse)).sort("duration_s").to_dicts()


def test_codecarbon_counts_the_last_line_of_a_run(warehouse: Path) -> None:
    """Each `flush()` writes what the run has used until then."""
    assert warehouses.ingest(CASES / "cc-flush", into=warehouse).status == 0
    (row,) = totals(warehouse)
    assert (row["run_id"], row["duration_s"], row["gpu_energy_j"]) == ("r1", 20.4, pytest.approx(0.002 * KWH))


def test_codecarbon_counts_the_longest_of_two_files(tmp_path: Path, warehouse: Path) -> None:
    """A copy of the file that was taken during the run, in either order."""
    text = (CASES / "cc-flush" / "emissions.csv").read_text()
    (tmp_path / "early.csv").write_text("".join(text.splitlines(keepends=True)[:2]))
    (tmp_path / "late.csv").write_text(text)
    for first, second in (("early.csv", "late.csv"), ("late.csv", "early.csv")):
        warehouse.unlink(missing_ok=True)
        warehouses.ingest(tmp_path / first, into=warehouse)
        warehouses.ingest(tmp_path / second, into=warehouse)
        assert [row["duration_s"] for row in totals(warehouse)] == [20.4]


def test_codecarbon_tasks_are_each_their_own(warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "cc-tasks", into=warehouse).status == 0
    assert [(row["task"], row["duration_s"]) for row in totals(warehouse)] == [("load", 5.0), ("infer", 50.0)]
    assert [row["gpu_energy_j"] for row in totals(warehouse)] == pytest.approx([0.0001 * KWH, 0.001 * KWH])


def test_a_torn_line_of_codecarbon_is_no_run(warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "cc-trunc", into=warehouse).status == 1
    assert [row["run_id"] for row in totals(warehouse)] == ["r1"]
    ((row, column, reason),) = warehouses.rejects(warehouse)
    assert (row, column, reason[:34]) == (3, None, "has 12 cells, the header has 24: a")


@pytest.mark.parametrize("case", ["cc-gz", "cc-quotedheader"])
def test_codecarbon_in_other_forms(case: str, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / case, into=warehouse).status == 0
    assert [(row["run_id"], row["gpu_energy_j"]) for row in totals(warehouse)] == [("r1", pytest.approx(0.001 * KWH))]


def test_the_pue_is_taken_out_of_codecarbon(tmp_path: Path, warehouse: Path) -> None:
    """CodeCarbon multiplies every energy by it; a GPU's counter knows no PUE."""
    text = (CASES / "cc-quotedheader" / "emissions.csv").read_text()
    assert text.endswith(",1.0\n")
    (tmp_path / "emissions.csv").write_text(text.removesuffix(",1.0\n") + ",1.5\n")
    warehouses.ingest(tmp_path, into=warehouse)
    assert totals(warehouse)[0]["gpu_energy_j"] == pytest.approx(0.001 * KWH / 1.5)


def test_a_cut_off_json_is_unreadable_and_said(warehouse: Path) -> None:
    report = warehouses.ingest(CASES / "vllm-trunc", into=warehouse)
    assert (report.status, report.lines[0].state) == (1, "unreadable")
    assert report.lines[0].why == "is no whole JSON: it is cut off (line 1, byte 515)"
    assert warehouses.rejects(warehouse) == [(None, None, report.lines[0].why)]


def test_a_json_with_a_mark_is_read(tmp_path: Path, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "lmeval-bom", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select benchmark, score from quality").rows() == [("mmlu", 50.0)]
    text = json.loads((CASES / "lmeval-bom" / "results_b.json").read_text(encoding="utf-8-sig"))
    (tmp_path / "results_c.json").write_text(json.dumps(text), encoding="utf-16")
    assert warehouses.ingest(tmp_path / "results_c.json", into=warehouse).status == 0


def test_damaged_parquet_stops_nothing(tmp_path: Path, warehouse: Path) -> None:
    """A flipped bit in a footer: the file is named, the others load."""
    shutil.copytree(CASES / "damaged", tmp_path / "in")
    shutil.copytree(CASES / "cc-flush", tmp_path / "in" / "cc")
    report = warehouses.ingest(tmp_path / "in", into=warehouse)
    assert (report.status, report.changed) == (1, True)
    states = {Path(line.path).name: line.state for line in report.lines}
    assert states.pop("emissions.csv") == "loaded"
    assert set(states.values()) <= {"unreadable", "loaded"}
    assert sum(line.accepted for line in report.lines) >= 1
