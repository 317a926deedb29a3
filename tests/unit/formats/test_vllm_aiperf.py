"""Requests that AIPerf and vLLM wrote: what each becomes, what is refused, and that no energy appears that nobody measured."""

import json
import shutil
from pathlib import Path

import pytest

from prompt_joules.ingest.formats import vllm_bench
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses
from tests.together import Loaded, Together
from tests.unit.formats.conftest import requests

DATA = warehouses.DATA
REAL = DATA / "real"
TOGETHER = Together()
for there in (
    (DATA / "vllm_bench",),
    (REAL / "vllm_bench",),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("vllm_aiperf"))


def test_aiperf(warehouse: Path) -> None:
    report = warehouses.ingest(DATA / "aiperf", into=warehouse)
    assert report.status == 1
    assert warehouses.rejects(warehouse) == [(4, None, "is not a whole JSON object")]
    good, _, failed = requests(warehouse)
    wanted = {"run_id": "aiperf:bench-1", "prompt_id": "session-0-turn-0", "input_tokens": 12, "output_tokens": 3, "concurrency": 4}
    assert {key: good[key] for key in wanted} == wanted
    assert (good["ttft_s"], good["latency_s"]) == pytest.approx((0.1, 0.3))
    assert good["itl_s"] == pytest.approx([0.12, 0.08])
    assert (good["energy_j"], good["energy_reason"]) == (None, "AIPerf does not measure the energy of a request")
    assert (failed["status"], failed["reason"], failed["output_tokens"]) == ("failed", "overloaded", None)
    run = query.load("leaderboard", None, str(warehouse)).row(0, named=True)
    assert (run["source"], run["gpu_model"], run["prompts"], run["energy_j"]) == ("AIPerf", "unknown", 2, None)
    assert query.load("leaderboard", Selection(sources=("Prompt Joules",)), str(warehouse)).is_empty()


@TOGETHER.of
def aiperf_needs_its_summary(folder: Path) -> None:
    shutil.copy(DATA / "aiperf" / "profile_export.jsonl", folder)


def test_aiperf_needs_its_summary(loaded: Loaded) -> None:
    report = loaded[aiperf_needs_its_summary]
    assert report.status == 1
    assert report.lines[0].why == "needs profile_export_aiperf.json beside it, which says the model and the load"


def test_vllm_bench(loaded: Loaded) -> None:
    warehouse = loaded[DATA / "vllm_bench"]
    assert warehouse.status == 0
    first, second, failed = requests(warehouse)
    assert (first["latency_s"], second["latency_s"]) == pytest.approx((0.2, 0.3))
    assert (first["output_words"], first["input_tokens"], first["concurrency"], first["engine"]) == (3, 10, 2, "vllm")
    assert first["started_at"].isoformat() == "2026-01-05T12:00:00+00:00"
    assert (failed["status"], failed["reason"], failed["latency_s"]) == ("failed", "ValueError: too long", None)
    assert {row["energy_j"] for row in (first, second, failed)} == {None}


def test_what_vllm_bench_serve_really_wrote(loaded: Loaded) -> None:
    """Three answers of six, then the server was killed. That server sends an empty chunk first, so no time to first token is known."""
    warehouse = loaded[REAL / "vllm_bench"]
    assert warehouse.status == 0
    rows = requests(warehouse)
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["failed"] * 3
    assert [row["output_tokens"] for row in rows] == [12, 12, 12, None, None, None]
    assert {(row["ttft_s"], row["itl_s"], row["energy_j"]) for row in rows} == {(None, None, None)}
    assert rows[0]["latency_s"] == pytest.approx(13.67, abs=0.01)
    assert [row["started_at"].strftime("%H:%M:%S.%f")[:10] for row in rows[:4]] == ["14:45:25.4", "14:45:25.4", "14:45:31.5", "14:45:39.1"]
    assert rows[3]["reason"].startswith("aiohttp.client_exceptions.ClientPayloadError: Response payload is not completed")
    assert "Connect call failed" in rows[5]["reason"]


def test_runs_that_vllm_appended_to_one_file(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    later = content | {"max_concurrency": 8}
    (tmp_path / "both.json").write_text(f"{json.dumps(content)}\n{json.dumps(later)}\n")
    assert warehouses.ingest(tmp_path, into=warehouse).lines[0].accepted == 6
    assert [(row["concurrency"], row["sequence"]) for row in requests(warehouse)] == [(c, s) for c in (2, 8) for s in range(3)]
    (tmp_path / "both.json").write_text(f"{json.dumps(content)}\n{json.dumps(later)[:-9]}")
    line = warehouses.ingest(tmp_path, into=warehouse).lines[0]
    assert (line.accepted, line.rejected) == (3, 1)
    assert warehouses.rejects(warehouse) == [(2, None, "is no whole run with details")]


@pytest.mark.parametrize(("gaps", "known"), [([0.5, 0.1, 0.1], False), ([0.0001, 0.1, 0.1], True), ([0.5, 0.1], True)])
def test_a_first_chunk_that_came_before_the_first_token(gaps: list[float], known: bool) -> None:
    times = vllm_bench.times_of(0.02, gaps, 3)
    assert times["latency_s"] == pytest.approx(0.02 + sum(gaps))
    assert times["ttft_s"] == (0.02 if known else None)


@TOGETHER.of
def vllm_lists_of_different_lengths(folder: Path) -> None:
    content = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    content["ttfts"].pop()
    (folder / "bench.json").write_text(json.dumps(content))


def test_vllm_lists_of_different_lengths(loaded: Loaded) -> None:
    warehouse = loaded[vllm_lists_of_different_lengths]
    assert "different lengths (2 to 3)" in warehouse.lines[0].why


@TOGETHER.of
def gaps_of_vllm_may_mix_whole_and_other_numbers(folder: Path) -> None:
    content = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    content["itls"][0][0] = 0
    assert len(content["itls"][0]) > 1
    (folder / "bench.json").write_text(json.dumps(content))


def test_gaps_of_vllm_may_mix_whole_and_other_numbers(loaded: Loaded) -> None:
    warehouse = loaded[gaps_of_vllm_may_mix_whole_and_other_numbers]
    assert warehouse.status == 0
    assert requests(warehouse)[0]["itl_s"][0] == 0.0


def test_the_real_aiperf_export(warehouse: Path) -> None:
    assert warehouses.ingest(warehouses.shared("exports/aiperf"), into=warehouse).status == 0
    run = query.load("leaderboard", None, str(warehouse)).row(0, named=True)
    summary = json.loads((warehouses.shared("exports/aiperf") / "profile_export_aiperf.json").read_text())
    assert run["prompts"] == 24
    assert run["model_id"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert 1000 * run["latency_s"] == pytest.approx(summary["request_latency"]["avg"])
    assert 1000 * run["ttft_s"] == pytest.approx(summary["time_to_first_token"]["avg"])
    # One answer has a token more by the server's count than by AIPerf's own.
    assert 1000 * run["tpot_s"] == pytest.approx(summary["inter_token_latency"]["avg"], rel=0.005)


def test_prompts_of_an_aiperf_summary_are_as_long_as_the_server_counted(tmp_path: Path, warehouse: Path) -> None:
    """With the template, as its requests are; an older summary gives AIPerf's own count alone."""
    summary = json.loads((DATA / "cases" / "aiperf013-energy" / "profile_export_aiperf.json").read_text())
    summary["input_sequence_length"] = {"unit": "tokens", "avg": 69.5}
    for usage, wanted in ((None, 69.5), (99.5, 99.5)):
        summary["usage_prompt_tokens"] = {"unit": "tokens", "avg": usage}
        (tmp_path / "profile_export_aiperf.json").write_text(json.dumps(summary))
        assert warehouses.ingest(tmp_path, into=warehouse).status == 0
        assert warehouses.rows(warehouse, "select input_tokens from published").row(0) == (wanted,)


@TOGETHER.of
def energy_of_some_gpus_alone_is_refused(folder: Path) -> None:
    summary = json.loads((DATA / "cases" / "aiperf013-energy" / "profile_export_aiperf.json").read_text())
    del summary["telemetry_data"]["endpoints"]["127.0.0.1:18732"]["gpus"]["gpu_1"]["metrics"]["nvidia_energy_consumption"]
    (folder / "profile_export_aiperf.json").write_text(json.dumps(summary))


def test_energy_of_some_gpus_alone_is_refused(loaded: Loaded) -> None:
    """AIPerf adds up the counters that it could read; one of two GPUs is not the machine's energy."""
    warehouse = loaded[energy_of_some_gpus_alone_is_refused]
    assert warehouse.status == 1
    ((row, column, reason),) = warehouses.rejects(warehouse)
    assert (row, column, reason[:41]) == (1, None, "gives the energy of some of its GPUs alon")
    assert warehouses.rows(warehouse, "from published").is_empty()


@TOGETHER.of
def energy_of_a_gpu_that_two_endpoints_report_is_refused(folder: Path) -> None:
    summary = json.loads((DATA / "cases" / "aiperf013-energy" / "profile_export_aiperf.json").read_text())
    endpoints = summary["telemetry_data"]["endpoints"]
    endpoints["127.0.0.1:9401"] = endpoints["127.0.0.1:18732"]
    (folder / "profile_export_aiperf.json").write_text(json.dumps(summary))


def test_energy_of_a_gpu_that_two_endpoints_report_is_refused(loaded: Loaded) -> None:
    warehouse = loaded[energy_of_a_gpu_that_two_endpoints_report_is_refused]
    assert warehouse.status == 1
    ((row, column, reason),) = warehouses.rejects(warehouse)
    assert (row, column, reason[:46]) == (1, None, "counts the energy of a GPU more than once: sev")
