"""A table of a laboratory and its mapping: rows, what is refused and where, and mappings that cannot be used."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import mapped
from prompt_joules.ingest.formats.foreign import misfit
from prompt_joules.warehouse import query
from tests import warehouses
from tests.unit.formats.conftest import requests

DATA = warehouses.DATA


def test_mapped_csv(warehouse: Path, tmp_path: Path) -> None:
    arguments = [str(DATA / "mapped" / "lab.csv"), "--map", str(DATA / "mapped" / "lab.yaml"), "--warehouse", str(warehouse)]
    assert main(arguments) == 1
    assert warehouses.rejects(warehouse) == [(4, "output_tokens", "is not a whole number")]
    first, second = requests(warehouse)
    assert (first["prompt_id"], first["output_tokens"], first["latency_s"], first["energy_j"]) == ("q1", 10, 0.5, 60.0)
    assert (second["sequence"], second["run_id"], second["task"]) == (1, "lab-1", "chat")
    run = query.load("leaderboard", None, str(warehouse)).row(0, named=True)
    assert (run["source"], run["gpu_model"], run["energy_j"]) == ("mapped file", "H100 PCIe", pytest.approx(85.25))


def test_refused_rows_keep_their_number_in_the_file(tmp_path: Path, warehouse: Path) -> None:
    """One row does not fit its column and is refused before the checks, a later one by the checks; the number is that of the line."""
    lines = ["question,n_out,latency_ms,joules,when", "q1,many,500,60,2026-01-05", "q2,9,900,61,2026-01-05", "q3,9,-1,62,2026-01-05"]
    (tmp_path / "lab.csv").write_text("\n".join(lines) + "\n")
    assert main([str(tmp_path / "lab.csv"), "--map", str(DATA / "mapped" / "lab.yaml"), "--warehouse", str(warehouse)]) == 1
    assert warehouses.rejects(warehouse) == [(2, "output_tokens", "is not a whole number"), (4, "latency_s", "is negative")]


def test_mapped_parquet_is_the_same(tmp_path: Path, warehouse: Path) -> None:
    table = pl.read_csv(DATA / "mapped" / "lab.csv").head(2).with_columns(pl.col("n_out").cast(pl.Int64))
    table.write_parquet(tmp_path / "lab.parquet")
    arguments = [str(tmp_path / "lab.parquet"), "--map", str(DATA / "mapped" / "lab.yaml"), "--warehouse", str(warehouse)]
    assert main(arguments) == 0
    assert [row["latency_s"] for row in requests(warehouse)] == pytest.approx([0.5, 0.9])


def test_energy_in_a_mapped_file_needs_a_source(tmp_path: Path, warehouse: Path) -> None:
    text = (DATA / "mapped" / "lab.yaml").read_text().replace("  energy_source: nvml-counter\n", "")
    (tmp_path / "lab.yaml").write_text(text)
    main([str(DATA / "mapped" / "lab.csv"), "--map", str(tmp_path / "lab.yaml"), "--warehouse", str(warehouse)])
    assert (2, "energy_source", "is none although energy_j has a value") in warehouses.rejects(warehouse)
    assert requests(warehouse) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("columns: [", "cannot be read"),
        ("columns:\n  task: {t\n", r"cannot be read: expected ',' or '}', but got '<stream end>' \(line 3, column 1\)"),
        ("values: {task: chat}", "must have `columns`"),
        ("columns: {joules: e}", "columns that a record does not have: joules"),
        ("columns: {task: {column: t, times: 2}}", "must give task"),
        ("columns: {energy_j: 5}", "must give energy_j"),
        ("columns: {energy_j: e}\nlines: 3", "nothing else"),
    ],
)
def test_a_bad_mapping_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(mapped.BadMapping, match=sentence):
        mapped.read(str(tmp_path / "map.yaml"))


def test_a_mapping_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(mapped.BadMapping, match=r"none.yaml cannot be read: No such file or directory\.$"):
        mapped.read(str(tmp_path / "none.yaml"))


def test_a_mapping_that_names_an_absent_column(tmp_path: Path, warehouse: Path) -> None:
    (tmp_path / "map.yaml").write_text("columns: {energy_j: watts}\nvalues: {model_id: m, task: t}\n")
    assert main([str(DATA / "mapped" / "lab.csv"), "--map", str(tmp_path / "map.yaml"), "--warehouse", str(warehouse)]) == 1
    ((_, _, reason),) = warehouses.rejects(warehouse)
    assert reason.startswith("has no column watts, which the mapping names; it has ")
    assert "joules" in reason


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("output_tokens", True, "is not a whole number"),
        ("output_tokens", 2**31, "is too large"),
        ("output_tokens", 2**31 - 1, None),
        ("latency_s", "1", "is not a number"),
        ("latency_s", 10**400, "is not a number"),
        ("task", "\ud800", "is not text"),
        ("itl_s", [1, None], "is not a list of numbers"),
        ("joules", 1, "is no column of a record"),
    ],
)
def test_what_cannot_stand_in_a_column(column: str, value: object, reason: str | None) -> None:
    found = misfit(column, value)
    assert (found.reason if found else None) == reason
