"""Files that AIPerf and GuideLLM wrote about a stand-in for a server (tests/data/real/README.md): every request, held to the file."""

import json
from typing import Any

import pytest

from tests import warehouses
from tests.together import Loaded, Part, Together

REAL = warehouses.DATA / "real"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


VLLM = json.loads((REAL / "vllm_0_22" / "serve-chat.json").read_text())
SGLANG = (warehouses.DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()
IN_PAIRS = VLLM | {
    "start_times": [10.0, 10.1, 10.8, 10.9],
    "ttfts": [0.1] * 4,
    "itls": [[0.1]] * 4,
    "output_lens": [30] * 4,
    "duration": 2.0,
}
STARTLESS = {name: value for name, value in VLLM.items() if name != "start_times"}
TOGETHER = Together()
for there in ("aiperf_0_5", "guidellm_0_3", "guidellm_0_8"):
    TOGETHER.file(REAL / there)
TOGETHER.add("sglang", lambda folder: (folder / "r.jsonl").write_text("\n".join(SGLANG)))
for called, told in (("pairs", IN_PAIRS), ("without starts", STARTLESS), ("without a duration", STARTLESS | {"duration": None})):
    TOGETHER.add(called, lambda folder, told=told: (folder / "r.json").write_text(json.dumps(told)))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("servers"))


def requests(folder: str, loaded: Loaded) -> list[dict[str, Any]]:
    """The rows of a folder, in order; all of it was accepted."""
    part = loaded[REAL / folder]
    assert part.status == 0
    return warehouses.rows(part, "from requests order by sequence").to_dicts()


def test_requests_of_aiperf_of_early_2026(loaded: Loaded) -> None:
    """0.5 counts the tokens of the server and its own; the server's count."""
    rows = requests("aiperf_0_5", loaded)
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
def test_requests_of_guidellm(folder: str, version: str, loaded: Loaded) -> None:
    """The mean of the rows is GuideLLM's own; 0.3 did not write its version."""
    rows = requests(folder, loaded)
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


def throughputs(part: Part) -> list[float | None]:
    """Tokens a second of each run."""
    assert part.status == 0
    return warehouses.rows(part, "select throughput_tps from results where origin = 'measured' order by result_id")[
        "throughput_tps"
    ].to_list()


def test_the_time_of_requests_in_flight_together_counts_once(loaded: Loaded) -> None:
    """Three requests at once: their latencies sum to 0.53 s, and the server answered for 0.18 s."""
    lines = [json.loads(line) for line in (REAL / "aiperf_0_5" / "profile_export.jsonl").read_text().splitlines()]
    answered = [line for line in lines if not line.get("error")]
    began = [line["metadata"]["request_start_ns"] / 1e9 for line in answered]
    ended = [start + line["metrics"]["request_latency"]["value"] / 1e3 for start, line in zip(began, answered, strict=True)]
    assert sum(end - start for start, end in zip(began, ended, strict=True)) > 2 * (max(ended) - min(began))
    assert throughputs(loaded[REAL / "aiperf_0_5"]) == pytest.approx([8 * 3 / (max(ended) - min(began))], rel=1e-4)


def test_pauses_between_requests_do_not_count(loaded: Loaded) -> None:
    """Two pairs that overlap, half a second of pause between the pairs: 0.3 s of answering each."""
    assert throughputs(loaded["pairs"]) == pytest.approx([120 / 0.6])


def test_without_starts_the_tool_says_how_long_its_run_took(loaded: Loaded) -> None:
    """SGLang writes no time of a request; vLLM wrote none either. Without a duration nobody knows the throughput."""
    assert throughputs(loaded["sglang"]) == [json.loads(line)["output_throughput"] for line in SGLANG]
    assert throughputs(loaded["without starts"]) == [sum(VLLM["output_lens"]) / VLLM["duration"]]
    assert throughputs(loaded["without a duration"]) == [None]
