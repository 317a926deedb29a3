"""`check` compares a warehouse with its files and its sums; `rejects` lists what was refused."""

import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest

from prompt_joules.ingest.__main__ import main
from tests import factories, warehouses


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_sound_warehouse_passes(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "--warehouse", warehouse) == 0
    assert "4 of 4 files" in " ".join(capsys.readouterr().out.split())


def test_a_shipped_warehouse_passes(tmp_path: Path, shipped_warehouse: Path) -> None:
    shutil.copyfile(shipped_warehouse, tmp_path / "w.duckdb")
    warehouses.ingest(warehouses.DATA, into=tmp_path / "w.duckdb")
    assert run("check", "--warehouse", tmp_path / "w.duckdb") == 0


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (lambda folder: (folder / "results" / "a.parquet").unlink(), "missing"),
        (lambda folder: factories.write(factories.records(24), folder / "results" / "a.parquet"), "changed"),
    ],
)
def test_a_file_that_is_not_what_it_was(warehouse: Path, damage: object, state: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(damage)
    damage(warehouse.parent)
    assert run("check", "--warehouse", warehouse) == 1
    shown = capsys.readouterr().out
    assert state in shown and "a.parquet" in shown and "b.parquet" not in shown


@pytest.mark.parametrize(
    "sql",
    [
        "delete from requests where sequence = 3 and run_id = 'run-1'",
        "insert into requests from requests limit 1",
        "insert into published from (select * replace (result_id || 'x' as result_id) from published limit 1)",
        "update requests set file_id = 99 where sequence = 3",
        "insert into rejects (file_id, path, reason, \"row\") select file_id, path, 'y', 1 from ingested_files limit 1",
    ],
)
def test_rows_that_do_not_add_up(warehouse: Path, sql: str) -> None:
    connection = duckdb.connect(str(warehouse))
    connection.execute(sql)
    connection.close()
    assert run("check", "--warehouse", warehouse) == 1


def test_rejects_are_counted_filtered_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    factories.write(factories.records(60, energy_j=-1.0), tmp_path / "in" / "bad.parquet")
    factories.write(factories.records(3, "run-2", latency_s=-1.0), tmp_path / "in" / "worse.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    warehouse = ["--warehouse", tmp_path / "w.duckdb"]
    assert run("rejects", *warehouse) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "│ 60 │" in shown and "… and 13 more" in shown
    assert run("rejects", "--file", "worse", *warehouse) == 1
    assert "bad.parquet" not in capsys.readouterr().out
    assert run("rejects", "--file", "none such", *warehouse) == 0
    assert run("rejects", "--out", tmp_path / "rejects.csv", *warehouse) == 1
    assert pl.read_csv(tmp_path / "rejects.csv").height == 63
