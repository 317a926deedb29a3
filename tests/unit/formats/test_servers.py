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


def throughputs(folder: Path, tmp_path: Path) -> list[float | None]:
    """Tokens a second of each run of a folder."""
    warehouse = tmp_path / "throughput.duckdb"
    warehouse.unlink(missing_ok=True)
    assert warehouses.ingest(folder, into=warehouse).status == 0
    return warehouses.rows(warehouse, "select throughput_tps from results where origin = 'measured' order by result_id")[
        "throughput_tps"
    ].to_list()


def test_the_time_of_requests_in_flight_together_counts_once(tmp_path: Path) -> None:
    """Three requests at once: their latencies sum to 0.53 s, and the server answered for 0.18 s."""
    lines = [json.loads(line) for line in (REAL / "aiperf_0_5" / "profile_export.jsonl").read_text().splitlines()]
    answered = [line for line in lines if not line.get("error")]
    began = [line["metadata"]["request_start_ns"] / 1e9 for line in answered]
    ended = [start + line["metrics"]["request_latency"]["value"] / 1e3 for start, line in zip(began, answered, strict=True)]
    assert sum(end - start for start, end in zip(began, ended, strict=True)) > 2 * (max(ended) - min(began))
    assert throughputs(REAL / "aiperf_0_5", tmp_path) == pytest.approx([8 * 3 / (max(ended) - min(began))], rel=1e-4)


def test_pauses_between_requests_do_not_count(tmp_path: Path) -> None:
    """Two pairs that overlap, half a second of pause between the pairs: 0.3 s of answering each."""
    run = json.loads((REAL / "vllm_0_22" / "serve-chat.json").read_text())
    run |= {"start_times": [10.0, 10.1, 10.8, 10.9], "ttfts": [0.1] * 4, "itls": [[0.1]] * 4, "output_lens": [30] * 4, "duration": 2.0}
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "r.json").write_text(json.dumps(run))
    assert throughputs(tmp_path / "in", tmp_path) == pytest.approx([120 / 0.6])


def test_without_starts_the_tool_says_how_long_its_run_took(tmp_path: Path) -> None:
    """SGLang writes no time of a request; vLLM wrote none either. Without a duration nobody knows the throughput."""
    lines = (warehouses.DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()
    (tmp_path / "sglang").mkdir()
    (tmp_path / "sglang" / "r.jsonl").write_text("\n".join(lines))
    assert throughputs(tmp_path / "sglang", tmp_path) == [json.loads(line)["output_throughput"] for line in lines]
    run = json.loads((REAL / "vllm_0_22" / "serve-chat.json").read_text())
    del run["start_times"]
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "r.json").write_text(json.dumps(run))
    assert throughputs(tmp_path / "vllm", tmp_path) == [sum(run["output_lens"]) / run["duration"]]
    (tmp_path / "vllm" / "r.json").write_text(json.dumps(run | {"duration": None}))
    assert throughputs(tmp_path / "vllm", tmp_path) == [None]
