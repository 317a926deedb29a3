"""What this project exports, it reads again: each configuration as a figure with the same numbers, and once."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.pages.ui import downloads
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pooled
from tests import factories, warehouses

EVERYTHING = Selection(weights=(), only_valid=False)
# What a figure says; all else of a result is dropped.
KEPT = [
    "source",
    "model_id",
    "gpu_model",
    "num_gpus",
    "task",
    "batch_size",
    "concurrency",
    "prompts",
    "energy_j",
    "estimated_energy_j",
    "energy_per_token_j",
    "throughput_tps",
    "output_tokens",
    "input_tokens",
    "latency_s",
    "ttft_s",
    "tpot_s",
    "itl_p50_s",
    "itl_p99_s",
    "power_w",
    "harness_version",
    "url",
]
FORMULA = "=1+1 engine"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published figures, a run, one with random weights, one that does not count, and a name that a spreadsheet would run."""
    folder = tmp_path_factory.mktemp("origin")
    factories.write(factories.records(25, "run-1"), folder / "in" / "one.parquet")
    factories.write(factories.records(25, "run-2", weights="dummy", engine=FORMULA), folder / "in" / "two.parquet")
    factories.write(factories.records(25, "run-3", throttled=True), folder / "in" / "three.parquet")
    warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v2", folder / "in", into=folder / "w.duckdb")
    return folder / "w.duckdb"


def export(origin: Path, out: Path, *more: str) -> Path:
    assert main(["export", str(out), "--weights", "both", *more, "--warehouse", str(origin), "--quiet"]) == 0
    return out


def results(warehouse: Path) -> pl.DataFrame:
    return query.load("leaderboard", EVERYTHING, str(warehouse))


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet", "arrow", "header", "datapackage", "croissant"])
def test_an_export_loads_with_the_same_numbers(kind: str, origin: Path, tmp_path: Path) -> None:
    given = results(origin).filter("valid")
    ways = {"header": (tmp_path / "a.csv", "--header")} | {
        name: (tmp_path / "folder", "--format", name) for name in ("datapackage", "croissant")
    }
    out, *more = ways.get(kind, (tmp_path / f"a.{kind}",))
    report = warehouses.ingest(export(origin, Path(out), *more), into=tmp_path / "w.duckdb")
    assert report.status == 0
    taken = results(tmp_path / "w.duckdb")
    order = pl.col("result_id").str.strip_prefix("exported:")
    assert taken.sort(order).select(KEPT).equals(given.sort("result_id").select(KEPT))
    assert taken["result_id"].str.starts_with("exported:").all()
    assert set(taken.filter(pl.col("engine") == f"{FORMULA}, random weights")["generation"]) == {"imported"}


@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_the_download_of_the_leaderboard_loads(kind: str, origin: Path, tmp_path: Path) -> None:
    """The app's rows are one a setup, with a header and more columns."""
    rows = pooled.pooled(query.load("leaderboard", Selection(), str(origin)))
    shown = downloads.file_of(rows, "leaderboard", kind, Selection(), "http://localhost:8501/leaderboard")
    (tmp_path / f"prompt-joules-leaderboard.{kind}").write_bytes(shown)
    assert warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb").status == 0
    order = pl.col("result_id").str.strip_prefix("exported:")
    assert results(tmp_path / "w.duckdb").sort(order).select(KEPT).equals(rows.sort("result_id").select(KEPT))


def test_a_result_and_its_copy_count_once(origin: Path, tmp_path: Path) -> None:
    """In either order; and the copy comes back when the result itself goes."""
    out = export(origin, tmp_path / "a.csv")
    there = results(origin)
    for first, second in ((origin.parent / "in", out), (out, origin.parent / "in")):
        warehouse = tmp_path / f"{first.name}.duckdb"
        for path in (first, second):
            warehouses.ingest(path, warehouses.SHIPPED / "published" / "mlenergy_v2", into=warehouse)
        assert sorted(results(warehouse)["result_id"]) == sorted(there["result_id"])
    again = export(warehouse, tmp_path / "again.csv")
    warehouses.ingest(again, into=tmp_path / "third.duckdb")
    assert results(tmp_path / "third.duckdb").height == there.filter("valid").height


def test_a_copy_of_a_copy_is_that_copy(origin: Path, tmp_path: Path) -> None:
    warehouses.ingest(export(origin, tmp_path / "a.csv"), into=tmp_path / "one.duckdb")
    warehouses.ingest(export(tmp_path / "one.duckdb", tmp_path / "b.json"), into=tmp_path / "two.duckdb")
    first, second = (results(tmp_path / f"{name}.duckdb") for name in ("one", "two"))
    assert sorted(first["result_id"]) == sorted(second["result_id"])


def test_what_did_not_count_is_refused(origin: Path, tmp_path: Path) -> None:
    out = export(origin, tmp_path / "a.csv", "--valid", "all", "--source", "Prompt Joules")
    assert warehouses.ingest(out, into=tmp_path / "w.duckdb").status == 1
    ((row, _, reason),) = warehouses.rejects(tmp_path / "w.duckdb")
    assert "does not count where it comes from" in reason and "throttled" in reason and row in (2, 3, 4)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet", "arrow"])
def test_exported_prompts_say_what_to_ask_for(kind: str, origin: Path, tmp_path: Path) -> None:
    report = warehouses.ingest(export(origin, tmp_path / f"a.{kind}", "--rows", "prompts"), into=tmp_path / "w.duckdb")
    said = [line.why for line in report.lines] + [reason for *_, reason in warehouses.rejects(tmp_path / "w.duckdb")]
    assert report.status == 1 and any("is an export of prompts" in why for why in said)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"result_id": None}, "is no whole configuration"), ({"energy_j": -1}, "is negative or not a finite number")],
)
def test_a_spoilt_row_of_an_export_is_refused(change: dict[str, Any], reason: str, origin: Path, tmp_path: Path) -> None:
    lines = export(origin, tmp_path / "a.jsonl", "--source", "Prompt Joules").read_text().splitlines()
    (tmp_path / "b.jsonl").write_text("\n".join([json.dumps(json.loads(lines[0]) | change), "[]", *lines[1:]]) + "\n")
    assert warehouses.ingest(tmp_path / "b.jsonl", into=tmp_path / "w.duckdb").status == 1
    assert [(row, why) for row, _, why in warehouses.rejects(tmp_path / "w.duckdb")] == [(1, reason), (2, "is no whole row")]


@pytest.mark.parametrize(("kind", "sentence"), [("xlsx", "is an Excel file"), ("duckdb", "is a DuckDB")])
def test_what_is_no_text_says_what_it_is(kind: str, sentence: str, origin: Path, tmp_path: Path) -> None:
    out = origin if kind == "duckdb" else export(origin, tmp_path / f"a.{kind}")
    (line,) = warehouses.ingest(out, into=tmp_path / "w.duckdb").lines
    assert line.state == "unreadable" and line.why.startswith(sentence)


def test_boamps_reports_of_ours_load_again(origin: Path, tmp_path: Path) -> None:
    """Energy, lengths and time of an answer; a whole machine's energy, a training, or several measures are refused."""
    reports = export(origin, tmp_path / "reports", "--as", "boamps", "--source", "Prompt Joules")
    assert warehouses.ingest(reports, into=tmp_path / "w.duckdb").status == 0
    given = results(origin).filter(pl.col("valid"), pl.col("source") == "Prompt Joules")
    taken = results(tmp_path / "w.duckdb")
    names = ("energy_j", "output_tokens", "input_tokens", "latency_s", "prompts", "num_gpus")
    for name in names:
        assert taken[name].to_list() == pytest.approx(given[name].to_list(), rel=1e-12), name
    assert set(taken["gpu_model"]) == set(given["gpu_model"]) and set(taken["model_id"]) == set(given["model_id"])


REPORTS: list[tuple[str, Any, str]] = [
    ("measures", [{"measurementMethod": "codecarbon", "cpuTrackingMode": "rapl", "powerConsumption": 0.1}], "a whole machine"),
    ("measures", [], "has not one measure"),
    ("infrastructure", {"components": [{"componentType": "cpu", "nbComponent": 1}]}, "a whole machine"),
    ("infrastructure", {}, "a whole machine"),
    ("task", {"taskStage": "training", "algorithms": [{"foundationModelName": "m"}]}, "is no report of inference"),
    ("task", {"taskStage": "inference", "nbRequest": 0, "algorithms": [{"foundationModelName": "m"}]}, "is no report of inference"),
]
"""A part of a report, what stands there instead, and why it is refused."""


@pytest.fixture(scope="module")
def refused(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Why each of `REPORTS` was refused, by its number."""
    folder = tmp_path_factory.mktemp("refused")
    written = export(origin, folder / "reports", "--as", "boamps", "--source", "Prompt Joules")
    whole = json.loads(next(written.iterdir()).read_text())
    (folder / "in").mkdir()
    for number, (part, change, _) in enumerate(REPORTS):
        (folder / "in" / f"{number}.json").write_text(json.dumps(whole | {part: change}))
    report = warehouses.ingest(folder / "in", into=folder / "w.duckdb")
    assert report.status == 1 and len(report.lines) == len(REPORTS)
    assert warehouses.rows(folder / "w.duckdb", "from published").is_empty(), "nothing of any of them is in the warehouse"
    return warehouses.rows(folder / "w.duckdb", "select reason from rejects order by path")["reason"].to_list()


@pytest.mark.parametrize("number", range(len(REPORTS)), ids=[f"{part}-{reason}" for part, _, reason in REPORTS])
def test_a_boamps_report_that_is_not_about_answers_on_gpus(number: int, refused: list[str]) -> None:
    assert len(refused) == len(REPORTS)
    assert REPORTS[number][2] in refused[number]


def test_an_arrow_export_of_a_version_before_loads(tmp_path: Path) -> None:
    """A file that this project wrote on 2026-11-29, as it is: readers must go on to take it."""
    assert warehouses.ingest(warehouses.DATA / "exported" / "leaderboard.arrow", into=tmp_path / "w.duckdb").status == 0
    rows = warehouses.rows(tmp_path / "w.duckdb", "select gpu_model, count(*) n, count(energy_j) e from published group by all").rows()
    assert rows == [("H100", 8, 8)]
