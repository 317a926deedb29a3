"""Files of SGLang and GuideLLM: what each request becomes, and which of its values nobody measured."""

import json
from pathlib import Path

import pytest

from prompt_joules.ingest.formats import foreign, sglang_bench
from prompt_joules.warehouse import query
from tests import warehouses
from tests.together import Loaded, Together
from tests.unit.formats.conftest import requests

DATA = warehouses.DATA
CASES = DATA / "cases"
TOGETHER = Together()
for there in (
    (DATA / "sglang_bench" / "means.jsonl",),
    (DATA / "guidellm" / "benchmarks-0.2.json",),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("requests"))


def test_sglang_with_details(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl", into=warehouse).status == 0
    first, divided, failed, *others = requests(warehouse)
    assert (first["model_id"], first["engine"], first["prompt_set"], first["concurrency"]) == ("acme/tiny-1B", "sglang", "random", 8)
    assert (first["input_tokens"], first["output_tokens"], first["output_words"]) == (64, 3, 3)
    assert (first["ttft_s"], first["latency_s"]) == (pytest.approx(0.1), pytest.approx(0.14))
    assert first["itl_s"] == pytest.approx([0.01, 0.03])
    assert (divided["itl_s"], divided["latency_s"]) == (None, pytest.approx(0.24))
    assert (failed["status"], failed["reason"], failed["latency_s"]) == ("failed", "ValueError: overloaded", None)
    assert {(row["energy_j"], row["energy_reason"]) for row in (first, divided)} == {(None, sglang_bench.REASON)}
    assert [row["concurrency"] for row in others] == [16] * 3
    rows = query.load("leaderboard", None, str(warehouse)).sort("concurrency")
    assert rows.select("source", "prompts", "harness_version").rows() == [("SGLang", 2, "sglang-bench-serving 0.5.6")] * 2


def test_an_empty_answer_of_sglang_without_an_error_is_a_failed_one() -> None:
    run = json.loads((DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()[0])
    run["errors"][2] = ""
    assert sglang_bench.row_of(run, 2) | {"status": "failed", "reason": "no answer"} == sglang_bench.row_of(run, 2)


def test_sglang_without_details(loaded: Loaded) -> None:
    warehouse = loaded[DATA / "sglang_bench" / "means.jsonl"]
    assert warehouse.status == 0
    limited, at_rate = warehouses.rows(warehouse, "from published order by concurrency").to_dicts()
    assert (limited["published_model_id"], limited["parallelism"], limited["dtype"], limited["prompts"]) == (
        "acme/tiny-1B",
        "tp2",
        "fp8",
        2,
    )
    assert [limited[name] for name in ("latency_s", "ttft_s", "tpot_s", "itl_p50_s", "itl_p99_s")] == pytest.approx(
        [0.2, 0.1, 0.02, 0.018, 0.04]
    )
    assert (limited["output_tokens"], limited["input_tokens"], limited["throughput_tps"], limited["energy_j"]) == (3.0, 64.0, 0.6, None)
    assert (at_rate["concurrency"], at_rate["mean_batch_size"]) == (None, 1.7)
    assert at_rate["harness_version"] == "sglang-bench-serving 0.5.6, 2 requests/s"


@TOGETHER.of
def sglang_without_a_stream_has_no_time_to_first_token(folder: Path) -> None:
    run = json.loads((DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()[0])
    run |= {"itls": [[], [], []], "ttfts": [0.14, 0.24, 0.0]}
    (folder / "r.jsonl").write_text(json.dumps(run) + "\n")


def test_sglang_without_a_stream_has_no_time_to_first_token(loaded: Loaded) -> None:
    """`--disable-stream`: the tool writes the latency as the time to first token."""
    warehouse = loaded[sglang_without_a_stream_has_no_time_to_first_token]
    assert warehouse.status == 0
    assert [(row["ttft_s"], row["latency_s"]) for row in requests(warehouse)] == [(None, 0.14), (None, 0.24), (None, None)]
    means = json.loads((DATA / "sglang_bench" / "means.jsonl").read_text().splitlines()[0])
    figure = sglang_bench.figure_of(means | {"mean_ttft_ms": means["mean_e2e_latency_ms"]})
    assert isinstance(figure, dict) and (figure["ttft_s"], figure["latency_s"]) == (None, pytest.approx(0.2))


def test_sglang_that_names_no_model_says_how_to_add_it(tmp_path: Path, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "sglang", into=warehouse).status == 1
    assert warehouses.rejects(warehouse) == [(1, None, sglang_bench.NAMELESS)]
    (path,) = (CASES / "sglang").glob("*.jsonl")
    (tmp_path / path.name).write_text(json.dumps(json.loads(path.read_text()) | {"model_id": "acme/tiny-1B"}) + "\n")
    assert warehouses.ingest(tmp_path / path.name, into=warehouse).status == 0
    assert [row["latency_s"] for row in requests(warehouse)] == pytest.approx([0.13, 0.23])


@TOGETHER.of
def what_is_no_run_of_sglang_is_refused_with_its_line(folder: Path) -> None:
    good = (DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()[0]
    means = (DATA / "sglang_bench" / "means.jsonl").read_text().splitlines()[0]
    (folder / "a.jsonl").write_text(f"{good}\n{means}\n{good[:-40]}\n")


def test_what_is_no_run_of_sglang_is_refused_with_its_line(loaded: Loaded) -> None:
    warehouse = loaded[what_is_no_run_of_sglang_is_refused_with_its_line]
    assert warehouse.status == 1
    assert warehouses.rejects(warehouse) == [(2, None, "is no whole run with details"), (3, None, "is no whole run with details")]
    assert len(requests(warehouse)) == 3


def test_guidellm(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "guidellm" / "benchmarks.json", into=warehouse).status == 0
    rows = requests(warehouse)
    assert [(row["run_id"], row["concurrency"]) for row in rows] == [("guidellm:bench-0", 1)] * 3 + [("guidellm:bench-1", 4)] * 2 + [
        ("guidellm:bench-2", 3)
    ]
    first, silent, failed, _, unfinished, _ = rows
    assert (first["model_id"], first["harness_version"], first["task"]) == ("acme/tiny-1B", "guidellm-0.7.3", "guidellm")
    assert (first["input_tokens"], first["cached_tokens"], first["output_tokens"], first["output_words"]) == (20, 4, 8, 2)
    assert (first["ttft_s"], first["latency_s"], first["itl_s"]) == (pytest.approx(0.1), pytest.approx(0.5), None)
    assert first["started_at"].isoformat() == "2026-01-05T12:00:00.500000+00:00"
    assert (silent["ttft_s"], silent["latency_s"]) == (None, pytest.approx(0.4))
    assert (failed["status"], failed["reason"]) == ("failed", "503 Service Unavailable")
    assert (unfinished["status"], unfinished["reason"]) == ("failed", "was not finished when the run ended")
    assert {row["energy_j"] for row in rows} == {None}
    assert set(query.load("leaderboard", None, str(warehouse))["source"]) == {"GuideLLM"}


@TOGETHER.of
def warm_up_and_cool_down_of_guidellm_are_runs_of_their_own(folder: Path) -> None:
    report = json.loads((DATA / "guidellm" / "benchmarks.json").read_text())
    report["benchmarks"] = report["benchmarks"][:1]
    report["benchmarks"][0]["scheduler_metrics"] |= {"measure_start_time": 1767614401.2, "measure_end_time": 1767614402.0}
    (folder / "benchmarks.json").write_text(json.dumps(report))


def test_warm_up_and_cool_down_of_guidellm_are_runs_of_their_own(loaded: Loaded) -> None:
    """A request counts when it overlaps the measured time, as in GuideLLM's own means."""
    warehouse = loaded[warm_up_and_cool_down_of_guidellm_are_runs_of_their_own]
    assert warehouse.status == 0
    assert [(row["run_id"], row["sequence"]) for row in requests(warehouse)] == [
        ("guidellm:bench-0", 1),
        ("guidellm:bench-0:cooldown", 2),
        ("guidellm:bench-0:warmup", 0),
    ]


def test_guidellm_of_2025(loaded: Loaded) -> None:
    warehouse = loaded[DATA / "guidellm" / "benchmarks-0.2.json"]
    assert warehouse.status == 0
    (row,) = requests(warehouse)
    assert (row["run_id"], row["model_id"], row["concurrency"], row["output_tokens"]) == ("guidellm:old-1", "acme/tiny-1B", 1, 8)
    assert (row["ttft_s"], row["latency_s"], row["harness_version"]) == (pytest.approx(0.1), 0.5, "guidellm-unknown")


def test_what_guidellm_does_not_keep_is_said(tmp_path: Path, warehouse: Path) -> None:
    report = json.loads((DATA / "guidellm" / "benchmarks.json").read_text())
    report["benchmarks"][1]["requests"] = {"successful": [], "incomplete": [], "errored": [], "total": None}
    del report["benchmarks"][2]["config"]["backend"]["model"]
    report["benchmarks"][0]["requests"]["successful"].append("torn")
    (tmp_path / "benchmarks.json").write_text(json.dumps(report))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 1
    assert len(requests(warehouse)) == 3
    assert warehouses.rejects(warehouse) == [
        (3, None, "is no request"),
        (None, "benchmarks", "holds no benchmark that names a model in place 3"),
        (None, "requests", "are not kept in the benchmark in place 2 (sample size 0)"),
    ]


def test_rows_of_a_file_are_loaded_in_parts(tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused rows keep their number, whichever part they are in, by their type (4) or by the checks (6)."""
    monkeypatch.setattr(foreign, "PART_ROWS", 2)
    run = json.loads((DATA / "sglang_bench" / "sglang_0105_3_64_3.jsonl").read_text().splitlines()[0])
    many = {name: run[name][:1] * 7 for name in ("input_lens", "output_lens", "ttfts", "itls", "generated_texts", "errors")}
    many["input_lens"][3], many["ttfts"][5] = "long", -1.0
    (tmp_path / "a.jsonl").write_text(json.dumps(run | many) + "\n")
    assert warehouses.ingest(tmp_path, into=warehouse).status == 1
    assert [row["sequence"] for row in requests(warehouse)] == [0, 1, 2, 4, 6]
    assert warehouses.rejects(warehouse) == [(4, "input_tokens", "is not a whole number"), (6, "ttft_s", "is negative")]
