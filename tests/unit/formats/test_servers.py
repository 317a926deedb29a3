"""Files that AIPerf and GuideLLM wrote about a stand-in for a server (tests/data/real/README.md): every request, held to the file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import warehouses

REAL = warehouses.DATA / "real"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


def requests(folder: str, tmp_path: Path) -> list[dict[str, Any]]:
    """The rows of a folder, in order; all of it was accepted."""
    warehouse = tmp_path / "w.duckdb"
    assert warehouses.ingest(REAL / folder, into=warehouse).status == 0
    return warehouses.rows(warehouse, "from requests order by sequence").to_dicts()


def test_requests_of_aiperf_of_early_2026(tmp_path: Path) -> None:
    """0.5 counts the tokens of the server and its own; the server's count."""
    rows = requests("aiperf_0_5", tmp_path)
    written = [json.loads(line) for line in (REAL / "aiperf_0_5" / "profile_export.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["failed"]
    for row, line in zip(rows[:3], written, strict=False):
        metrics = {name: metric["value"] for name, metric in line["metrics"].items()}
        assert row["latency_s"] == pytest.approx(metrics["request_latency"] / 1000)
        assert row["ttft_s"] == pytest.approx(metrics["time_to_first_token"] / 1000)
        assert (row["input_tokens"], row["output_tokens"]) == (metrics["usage_prompt_tokens"], 8)
        assert row["itl_s"] == pytest.approx([gap / 1000 for gap in metrics["inter_chunk_latency"]], rel=1e-6) and len(row["itl_s"]) == 7
        assert row["started_at"].timestamp() == pytest.approx(line["metadata"]["request_start_ns"] / 1e9, abs=1e-5)
    assert "engine is busy" in rows[3]["reason"] and rows[3]["latency_s"] is None
    assert {(row["model_id"], row["concurrency"], row["harness_version"]) for row in rows} == {(MODEL, 3, "aiperf-0.5.0")}


@pytest.mark.parametrize(("folder", "version"), [("guidellm_0_3", "guidellm-unknown"), ("guidellm_0_8", "guidellm-0.8.1")])
def test_requests_of_guidellm(folder: str, version: str, tmp_path: Path) -> None:
    """The mean of the rows is GuideLLM's own; 0.3 did not write its version."""
    rows = requests(folder, tmp_path)
    (benchmark,) = json.loads((REAL / folder / "benchmarks.json").read_text())["benchmarks"]
    answered = [row for row in rows if row["status"] == "ok"]
    assert (len(rows), len(answered)) == (8, 7)
    for name, key, factor in (("latency_s", "request_latency", 1.0), ("ttft_s", "time_to_first_token_ms", 1e-3)):
        mean = benchmark["metrics"][key]["successful"]["mean"] * factor
        assert sum(row[name] for row in answered) / 7 == pytest.approx(mean)
    assert {row["output_tokens"] for row in answered} == {8} and all(40 <= row["input_tokens"] <= 44 for row in answered)
    (failed,) = (row for row in rows if row["status"] == "failed")
    assert "503 Service Unavailable" in failed["reason"] and failed["latency_s"] is None
    assert {(row["model_id"], row["concurrency"], row["harness_version"]) for row in rows} == {(MODEL, 2, version)}
    assert len({row["run_id"] for row in rows}) == 1
