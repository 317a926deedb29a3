"""Files of other people's tools: what each becomes, what is refused, and that no energy appears that nobody measured."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.bench.tasks import TASKS
from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import mapped, vllm_bench
from prompt_joules.ingest.formats.foreign import misfit
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses

DATA = warehouses.DATA
REAL = DATA / "real"


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def requests(warehouse: Path) -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, "from requests order by run_id, sequence").to_dicts()


def rejects(warehouse: Path) -> list[tuple[int | None, str | None, str]]:
    return warehouses.rows(warehouse, 'select "row", "column", reason from rejects order by all').rows()


def test_lm_eval(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "lm_eval", into=warehouse).status == 0
    columns = "benchmark, metric, score, stderr, fewshot, version, source"
    assert warehouses.rows(warehouse, f"select {columns} from quality order by all").rows() == [
        ("arc_challenge", "acc", 25.0, 1.0, 25, "1.0", "lm-eval 0.4.13"),
        ("arc_challenge", "acc_norm", 30.0, None, 25, "1.0", "lm-eval 0.4.13"),
        ("gsm8k", "exact_match (flexible-extract)", 60.0, 5.0, 5, "3.0", "lm-eval 0.4.13"),
        ("gsm8k", "exact_match (strict-match)", 50.0, 5.0, 5, "3.0", "lm-eval 0.4.13"),
        ("wikitext", "word_perplexity", 12.5, None, 0, "2.0", "lm-eval 0.4.13"),
    ]
    assert warehouses.rows(warehouse, "select arc from model_quality").item() == 30.0


def test_a_score_of_lm_eval_that_is_no_number_is_refused(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "lm_eval" / "results_tiny.json").read_text())
    content["results"]["arc_challenge"]["acc,none"] = "good"
    (tmp_path / "results.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path / "results.json", into=warehouse).status == 1
    assert rejects(warehouse) == [(1, "score", "is not a number")]


def test_two_evaluations_with_other_scores_are_both_kept(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "lm_eval" / "results_tiny.json").read_text())
    for name, score in (("a", 0.3), ("b", 0.4)):
        content["results"] = {"arc_challenge": {"acc_norm,none": score}}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    warehouses.ingest(tmp_path, into=warehouse)
    assert warehouses.rows(warehouse, "select score from quality order by score")["score"].to_list() == [30.0, 40.0]


def test_aiperf(warehouse: Path) -> None:
    report = warehouses.ingest(DATA / "aiperf", into=warehouse)
    assert report.status == 1
    assert rejects(warehouse) == [(4, None, "is not a whole JSON object")]
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


def test_aiperf_needs_its_summary(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(DATA / "aiperf" / "profile_export.jsonl", tmp_path)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert report.status == 1
    assert report.lines[0].why == "needs profile_export_aiperf.json beside it, which says the model and the load"


def test_vllm_bench(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "vllm_bench", into=warehouse).status == 0
    first, second, failed = requests(warehouse)
    assert (first["latency_s"], second["latency_s"]) == pytest.approx((0.2, 0.3))
    assert (first["output_words"], first["input_tokens"], first["concurrency"], first["engine"]) == (3, 10, 2, "vllm")
    assert first["started_at"].isoformat() == "2026-01-05T12:00:00+00:00"
    assert (failed["status"], failed["reason"], failed["latency_s"]) == ("failed", "ValueError: too long", None)
    assert {row["energy_j"] for row in (first, second, failed)} == {None}


def test_what_vllm_bench_serve_really_wrote(warehouse: Path) -> None:
    """Three answers of six, then the server was killed. That server sends an empty chunk first, so no time to first token is known."""
    assert warehouses.ingest(REAL / "vllm_bench", into=warehouse).status == 0
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
    assert rejects(warehouse) == [(2, None, "is no whole run with details")]


@pytest.mark.parametrize(("gaps", "known"), [([0.5, 0.1, 0.1], False), ([0.0001, 0.1, 0.1], True), ([0.5, 0.1], True)])
def test_a_first_chunk_that_came_before_the_first_token(gaps: list[float], known: bool) -> None:
    times = vllm_bench.times_of(0.02, gaps, 3)
    assert times["latency_s"] == pytest.approx(0.02 + sum(gaps))
    assert times["ttft_s"] == (0.02 if known else None)


def test_vllm_lists_of_different_lengths(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    content["ttfts"].pop()
    (tmp_path / "bench.json").write_text(json.dumps(content))
    assert "different lengths (2 to 3)" in warehouses.ingest(tmp_path, into=warehouse).lines[0].why


def test_gaps_of_vllm_may_mix_whole_and_other_numbers(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((DATA / "vllm_bench" / "vllm-inf-qps.json").read_text())
    content["itls"][0][0] = 0
    assert len(content["itls"][0]) > 1
    (tmp_path / "bench.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    assert requests(warehouse)[0]["itl_s"][0] == 0.0


def test_v1_prompts_that_were_cut_off(warehouse: Path) -> None:
    folder = DATA / "mlenergy_v1_prompts"
    report = warehouses.ingest(folder, into=warehouse)
    assert report.status == 1
    torn = (4, None, "is no whole JSON object; where a list is cut off, nothing more is read")
    assert rejects(warehouse) == [(3, "output_tokens", "is negative"), torn]
    first, second = requests(warehouse)
    assert (first["energy_j"], first["latency_s"], first["output_tokens"], first["energy_source"]) == (50.0, 0.5, 5, "zeus")
    assert (first["task"], first["temperature"], first["repetition_penalty"], first["max_new_tokens"]) == ("chat", 0.7, 1.0, None)
    assert json.loads(first["environment"])["repetition_penalty_asked"] == 1.2
    assert (first["energy_attribution"], first["prompt_set"]) == ("exclusive", "sample.json")
    run = warehouses.rows(warehouse, "from runs").row(0, named=True)
    assert (run["model_id"], run["source"]) == ("lmsys/vicuna-7B", "ML.ENERGY v1")
    assert first["prompt_id"] != second["prompt_id"]


def test_v1_prompts_pair_across_tasks(tmp_path: Path, warehouse: Path) -> None:
    """The same question under the four system prompts of 2023 has one prompt_id; the closing bracket may be there or not."""
    systems = {task: TASKS[task].system for task in ("chat", "chat-concise", "instruct", "instruct-concise")}
    systems["chat-concise"] = systems["chat"] + " The assistnat's answers are concise but high-quality."
    systems["instruct-concise"] = systems["instruct"] + "The response should be concise but high-quality."
    for task, system in systems.items():
        answer = {"model": "a--b", "throughput": 1.0, "response_length": 2, "latency": 2.0, "energy": 3.0}
        answer |= {"input": f"{system} Human: Why? Assistant:", "output": "So."}
        folder = tmp_path / "data" / task / "a--b"
        folder.mkdir(parents=True)
        (folder / "benchmark.json").write_text("[\n" + json.dumps(answer) + ("\n]\n" if task == "chat" else ""))
    assert warehouses.ingest(tmp_path / "data", into=warehouse).status == 0
    rows = requests(warehouse)
    assert {row["task"] for row in rows} == set(systems)
    assert len({row["prompt_id"] for row in rows}) == 1


def test_v1_prompts_need_a_task(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(DATA / "mlenergy_v1_prompts" / "benchmark_batch_1.json", tmp_path)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert report.lines[0].why == "needs its config*.json beside it, which says the task"


def test_v3_run(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "mlenergy_v3_run", into=warehouse).status == 0
    first, second, failed = requests(warehouse)
    assert {row["energy_j"] for row in (first, second, failed)} == {None}
    assert first["energy_reason"].startswith("ML.ENERGY v3 models the energy")
    assert (first["itl_s"], second["itl_s"]) == (pytest.approx([0.1, 0.1]), None)
    assert (failed["status"], failed["reason"], first["task"]) == ("failed", "timed out", "gpqa")
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert (figure["energy_j"], figure["energy_per_token_j"], figure["estimated_energy_j"]) == (None, 2.0, 8.0)
    assert (figure["power_w"], figure["prompts"], figure["gpu_model"]) == (250.0, 2, "H100")


def test_optimum_benchmark(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "optimum_benchmark", into=warehouse).status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert figure["energy_j"] == pytest.approx((1e-6 + 9e-6) * 3.6e6 / 4)
    assert (figure["latency_s"], figure["ttft_s"], figure["batch_size"], figure["output_tokens"]) == (2.5, 0.5, 4, 20.0)
    assert (figure["gpu_model"], figure["num_gpus"], figure["engine"]) == ("A100 80GB", 1, "optimum-pytorch")


def test_optimum_benchmark_on_a_cpu_has_no_gpu_energy(tmp_path: Path, warehouse: Path) -> None:
    report = json.loads((DATA / "optimum_benchmark" / "benchmark_report.json").read_text())
    config = json.loads((DATA / "optimum_benchmark" / "benchmark_config.json").read_text())
    config["backend"]["device"] = "cpu"
    (tmp_path / "benchmark.json").write_text(json.dumps({"config": config, "report": report}))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    figure = warehouses.rows(warehouse, "select gpu_model, num_gpus, energy_j, latency_s from published").row(0)
    assert figure == ("CPU", 0, None, 2.5)


def test_what_optimum_benchmark_really_wrote(warehouse: Path) -> None:
    assert warehouses.ingest(REAL / "optimum_benchmark", into=warehouse).status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert (figure["gpu_model"], figure["num_gpus"], figure["energy_j"]) == ("CPU", 0, None)
    assert (figure["batch_size"], figure["input_tokens"], figure["output_tokens"], figure["dtype"]) == (2, 16.0, 12.0, "float32")
    assert (figure["ttft_s"], figure["latency_s"]) == pytest.approx((0.7732243, 0.7732243 + 4.8596197))
    assert (figure["throughput_tps"], figure["harness_version"]) == (pytest.approx(4.5271032), "optimum-benchmark-0.6.0")


def test_random_weights_of_optimum_benchmark_say_so(tmp_path: Path, warehouse: Path) -> None:
    config = json.loads((REAL / "optimum_benchmark" / "benchmark_config.json").read_text())
    config["backend"]["no_weights"] = True
    (tmp_path / "benchmark_config.json").write_text(json.dumps(config))
    shutil.copy(REAL / "optimum_benchmark" / "benchmark_report.json", tmp_path)
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select engine from published").item() == "optimum-pytorch, random weights"


def test_what_codecarbon_really_wrote(warehouse: Path) -> None:
    """No GPU: its energy is null, although CodeCarbon writes 0; the power of the CPU is CodeCarbon's guess."""
    assert warehouses.ingest(REAL / "codecarbon", into=warehouse).status == 0
    first, second = query.load("run_totals", None, str(warehouse)).sort("ended_at").to_dicts()
    assert (first["project"], second["project"]) == ("tiny-a", "tiny-b")
    assert (first["gpu_energy_j"], first["num_gpus"], first["harness_version"]) == (None, 0, "codecarbon-3.3.2")
    assert (first["cpu_energy_j"], first["dram_energy_j"]) == pytest.approx((32.0065, 80.0012), abs=1e-3)
    assert first["duration_s"] == pytest.approx(4.0061, abs=1e-4)


def test_codecarbon(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "codecarbon", into=warehouse).status == 1
    assert rejects(warehouse) == [(4, "duration", "is missing")]
    rows = query.load("run_totals", None, str(warehouse)).to_dicts()
    assert [row["run_id"] for row in rows] == ["run-1", "run-2"]
    assert [rows[0][key] for key in ("gpu_energy_j", "cpu_energy_j", "dram_energy_j")] == pytest.approx([18_000.0, 3600.0, 720.0])
    assert (rows[0]["power_w"], rows[0]["num_gpus"], rows[1]["gpu_energy_j"]) == (pytest.approx(180.0), 1, None)
    assert query.load("leaderboard", None, str(warehouse)).is_empty()


def test_mapped_csv(warehouse: Path, tmp_path: Path) -> None:
    arguments = [str(DATA / "mapped" / "lab.csv"), "--map", str(DATA / "mapped" / "lab.yaml"), "--warehouse", str(warehouse)]
    assert main(arguments) == 1
    assert rejects(warehouse) == [(4, "output_tokens", "is not a whole number")]
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
    assert rejects(warehouse) == [(2, "output_tokens", "is not a whole number"), (4, "latency_s", "is negative")]


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
    assert (2, "energy_source", "is none although energy_j has a value") in rejects(warehouse)
    assert requests(warehouse) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("columns: [", "cannot be read"),
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


def test_a_mapping_that_names_an_absent_column(tmp_path: Path, warehouse: Path) -> None:
    (tmp_path / "map.yaml").write_text("columns: {energy_j: watts}\nvalues: {model_id: m, task: t}\n")
    assert main([str(DATA / "mapped" / "lab.csv"), "--map", str(tmp_path / "map.yaml"), "--warehouse", str(warehouse)]) == 1


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


def test_the_real_lm_eval_results(warehouse: Path) -> None:
    assert warehouses.ingest(warehouses.shared("exports/lm_eval"), into=warehouse).status == 0
    scores = warehouses.rows(warehouse, "select model_id, metric, score, fewshot from quality order by metric").rows()
    model = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert scores == [(model, "acc", 75.0, 0), (model, "acc_norm", 50.0, 0)]


def test_a_whole_number_beyond_all_measure_is_refused_not_a_crash(tmp_path: Path) -> None:
    huge = "1" + "0" * 400
    path = tmp_path / "models.json"
    path.write_text(f'{{"a/b": {{"url": "https://example.org", "nickname": "b", "params": {huge}}}}}')
    report = warehouses.ingest(path, into=tmp_path / "w.duckdb")
    assert report.status == 1
    assert "params" in report.lines[0].why
