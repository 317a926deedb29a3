"""Reports of other forms, made of results: BoAmps, SCI, model cards and LaTeX."""

import json
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import query, reports
from prompt_joules.warehouse.selection import Selection
from tests import factories


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_boamps_reports_what_was_measured(warehouse: Path, tmp_path: Path) -> None:
    assert run("export", tmp_path / "reports", "--as", "boamps", "--country", "France", "--gpu", "H100", "--warehouse", warehouse) == 0
    (report,) = [
        found
        for path in (tmp_path / "reports").iterdir()
        if "task chat of" in (found := json.loads(path.read_text()))["task"]["taskDescription"]
    ]
    rows = factories.records(25)
    assert report["task"]["nbRequest"] == 25
    assert report["measures"][0]["powerConsumption"] == pytest.approx(rows["energy_j"].sum() / 3.6e6)
    assert report["measures"][0]["measurementDuration"] == pytest.approx(rows["latency_s"].sum())
    assert report["infrastructure"]["components"][0] == {"componentName": "H100", "componentType": "gpu", "nbComponent": 1}
    assert report["environment"] == {"country": "France"}
    # What the schema of BoAmps requires.
    assert {"task", "measures", "infrastructure"} <= set(report)
    assert {"taskStage", "taskFamily", "algorithms", "dataset"} <= set(report["task"])


def test_boamps_reports_the_answers_that_have_energy(tmp_path: Path) -> None:
    """Ten of 25 answers lost theirs: a report of 25 would multiply the mean of 15."""
    gone = {"energy_j": None, "energy_error_j": None, "energy_error_edge_j": None, "energy_reason": "the counter did not answer"}
    rows = factories.frame([factories.record(index=index, **(gone if index < 10 else {})) for index in range(25)])
    factories.write(rows, tmp_path / "in" / "part-1.parquet")
    warehouse = tmp_path / "w.duckdb"
    assert run(tmp_path / "in", "--warehouse", warehouse) == 0
    assert run("export", tmp_path / "reports", "--as", "boamps", "--warehouse", warehouse) == 0
    (path,) = (tmp_path / "reports").iterdir()
    report, kept = json.loads(path.read_text()), rows.filter(pl.col("energy_j").is_not_null())
    assert report["task"]["nbRequest"] == 15
    assert report["measures"][0]["powerConsumption"] == pytest.approx(kept["energy_j"].sum() / 3.6e6)
    assert report["measures"][0]["measurementDuration"] == pytest.approx(kept["latency_s"].sum())
    tokens = {part["dataUsage"]: part["dataQuantity"] for part in report["task"]["dataset"]}
    assert tokens == pytest.approx({"input": kept["input_tokens"].sum(), "output": kept["output_tokens"].sum()})


def test_boamps_says_of_other_peoples_figures_only_what_they_say() -> None:
    names = (
        "model_name model_url params_total_b engine dtype input_tokens output_tokens harness_version started_at clock licence num_gpus "
        "prompts"
    )
    row = dict.fromkeys(names.split()) | {
        "result_id": "published:x",
        "origin": "published",
        "source": "X",
        "task": "chat",
        "gpu_model": "H100",
    }
    report = reports.boamps(row | {"energy_j": 3.6e6, "latency_s": 2.0, "batch_size": 1}, None, "0.2.0")
    assert "licensing" not in report["header"] and "gpuTrackingMode" not in report["measures"][0]
    assert (report["task"]["nbRequest"], report["measures"][0]["powerConsumption"]) == (1, 1.0)
    assert "mean answer" in report["task"]["taskDescription"]
    assert report["infrastructure"]["components"] == [{"componentName": "H100", "componentType": "gpu"}]


def test_the_time_of_a_file_is_no_time_of_a_measurement(warehouse: Path) -> None:
    row = query.load("leaderboard", Selection(), str(warehouse)).filter(pl.col("started_at").is_not_null()).row(0, named=True)
    assert reports.boamps(row, None, "0.2.0")["measures"][0]["measurementDateTime"] == f"{row['started_at']:%Y-%m-%d %H:%M:%S}"
    report = reports.boamps(row | {"clock": "time of the file"}, None, "0.2.0")
    assert "measurementDateTime" not in report["measures"][0] and "reportDatetime" not in report["header"]


def test_the_carbon_intensity_is_known_or_null_with_the_reason(warehouse: Path, tmp_path: Path) -> None:
    words = ("export", tmp_path / "sci.json", "--as", "sci", "--gpu", "H100", "--task", "chat", "--warehouse", warehouse)
    assert run(*words, "--carbon-intensity", 50) == 0
    (row,) = json.loads((tmp_path / "sci.json").read_text())
    assert row["sci_g"] is None and "--embodied" in row["reason"] and "--carbon" not in row["reason"]
    assert run(*words, "--carbon-intensity", 50, "--embodied", 0.25) == 0
    (row,) = json.loads((tmp_path / "sci.json").read_text())
    assert row["sci_g"] == pytest.approx(factories.records(25)["energy_j"].mean() / 3.6e6 * 50 + 0.25)
    assert (row["reason"], row["energy_boundary"]) == (None, "GPU")


def test_a_modelled_energy_is_marked_in_tables() -> None:
    row = {"model_name": "a_b|c", "gpu_model": "H100", "num_gpus": 2, "task": "chat", "engine": "vllm", "batch_size": 8, "energy_j": None}
    row |= {"estimated_energy_j": 12.5, "energy_per_token_j": 0.1, "output_tokens": 125.0, "prompts": None}
    rows = pl.DataFrame([row])
    assert r"| a_b\|c | 2×H100 | chat | vllm | 8 | ≈ 12.5 | 0.1 | 125 |  |" in reports.model_card(rows, "cited")
    assert r"a\_b|c & 2$\times$H100 & chat & vllm & 8 & $\approx$ 12.5 & 0.1 & 125 \\" in reports.latex(rows, "cited")
    assert reports.sci({**row, "result_id": "x"}, 1.0, 1.0)["reason"] == "the energy was not measured"
