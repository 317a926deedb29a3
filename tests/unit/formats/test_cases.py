"""Files of other tools that were once misread: what each holds, exactly."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import scales
from prompt_joules.warehouse import query
from tests import warehouses
from tests.together import Loaded, Part, Together

CASES = warehouses.DATA / "cases"
KWH = 3.6e6
TOGETHER = Together()
for there in (
    (CASES / "vllm-trunc",),
    (CASES / "aiperf013-warmup-concurrency",),
    (CASES / "aiperf013-two-phases",),
    (CASES / "aiperf013-energy",),
    (CASES / "aiperf-2025",),
    (CASES / "lmeval-scales",),
    (CASES / "lmeval-args",),
    (CASES / "optimum-8gpu-1used",),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("cases"))


def totals(warehouse: Path) -> list[dict[str, Any]]:
    return query.load("run_totals", None, str(warehouse)).sort("duration_s").to_dicts()


def test_codecarbon_counts_the_last_line_of_a_run(warehouse: Path) -> None:
    """Each `flush()` writes what the run has used until then."""
    assert warehouses.ingest(CASES / "cc-flush", into=warehouse).status == 0
    (row,) = totals(warehouse)
    assert (row["run_id"], row["duration_s"], row["gpu_energy_j"]) == ("r1", 20.4, pytest.approx(0.002 * KWH))


def test_codecarbon_counts_the_longest_of_two_files(tmp_path: Path, warehouse: Path) -> None:
    """A copy of the file that was taken during the run, in either order."""
    text = (CASES / "cc-flush" / "emissions.csv").read_text()
    (tmp_path / "early.csv").write_text("".join(text.splitlines(keepends=True)[:2]))
    (tmp_path / "late.csv").write_text(text)
    for first, second in (("early.csv", "late.csv"), ("late.csv", "early.csv")):
        warehouse.unlink(missing_ok=True)
        warehouses.ingest(tmp_path / first, into=warehouse)
        warehouses.ingest(tmp_path / second, into=warehouse)
        assert [row["duration_s"] for row in totals(warehouse)] == [20.4]


def test_codecarbon_tasks_are_each_their_own(warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "cc-tasks", into=warehouse).status == 0
    assert [(row["task"], row["duration_s"]) for row in totals(warehouse)] == [("load", 5.0), ("infer", 50.0)]
    assert [row["gpu_energy_j"] for row in totals(warehouse)] == pytest.approx([0.0001 * KWH, 0.001 * KWH])


def test_a_torn_line_of_codecarbon_is_no_run(warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "cc-trunc", into=warehouse).status == 1
    assert [row["run_id"] for row in totals(warehouse)] == ["r1"]
    ((row, column, reason),) = warehouses.rejects(warehouse)
    assert (row, column, reason[:34]) == (3, None, "has 12 cells, the header has 24: a")


@pytest.mark.parametrize("case", ["cc-gz", "cc-quotedheader"])
def test_codecarbon_in_other_forms(case: str, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / case, into=warehouse).status == 0
    assert [(row["run_id"], row["gpu_energy_j"]) for row in totals(warehouse)] == [("r1", pytest.approx(0.001 * KWH))]


def test_the_pue_is_taken_out_of_codecarbon(tmp_path: Path, warehouse: Path) -> None:
    """CodeCarbon multiplies every energy by it; a GPU's counter knows no PUE."""
    text = (CASES / "cc-quotedheader" / "emissions.csv").read_text()
    assert text.endswith(",1.0\n")
    (tmp_path / "emissions.csv").write_text(text.removesuffix(",1.0\n") + ",1.5\n")
    warehouses.ingest(tmp_path, into=warehouse)
    assert totals(warehouse)[0]["gpu_energy_j"] == pytest.approx(0.001 * KWH / 1.5)


def test_a_cut_off_json_is_unreadable_and_said(loaded: Loaded) -> None:
    report = warehouse = loaded[CASES / "vllm-trunc"]
    assert (report.status, report.lines[0].state) == (1, "unreadable")
    assert report.lines[0].why == "is no whole JSON: it is cut off (line 1, byte 515)"
    assert warehouses.rejects(warehouse) == [(None, None, report.lines[0].why)]


def test_a_json_with_a_mark_is_read(tmp_path: Path, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "lmeval-bom", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select benchmark, score from quality").rows() == [("mmlu", 50.0)]
    text = json.loads((CASES / "lmeval-bom" / "results_b.json").read_text(encoding="utf-8-sig"))
    (tmp_path / "results_c.json").write_text(json.dumps(text), encoding="utf-16")
    assert warehouses.ingest(tmp_path / "results_c.json", into=warehouse).status == 0


def test_damaged_parquet_stops_nothing(tmp_path: Path, warehouse: Path) -> None:
    """A flipped bit in a footer: the file is named, the others load."""
    shutil.copytree(CASES / "damaged", tmp_path / "in")
    shutil.copytree(CASES / "cc-flush", tmp_path / "in" / "cc")
    report = warehouses.ingest(tmp_path / "in", into=warehouse)
    assert (report.status, report.changed) == (1, True)
    states = {Path(line.path).name: line.state for line in report.lines}
    assert states.pop("emissions.csv") == "loaded"
    assert set(states.values()) <= {"unreadable", "loaded"}
    assert sum(line.accepted for line in report.lines) >= 1


def requests(warehouse: Path | Part, columns: str = "*") -> list[tuple[Any, ...]]:
    return warehouses.rows(warehouse, f"select {columns} from requests order by run_id, sequence").rows()


def test_vllm_at_a_rate_has_no_concurrency_but_a_mean_in_flight(tmp_path: Path, warehouse: Path) -> None:
    assert warehouses.ingest(CASES / "vllm-rate", into=warehouse).status == 0
    asked = "select concurrency, batch_size from runs"
    assert warehouses.rows(warehouse, asked).rows() == [(None, 1)]
    (told,) = set(warehouses.rows(warehouse, "select environment from requests")["environment"])
    assert json.loads(told)["max_concurrent_requests"] == 1 and "at a rate without a limit" in json.loads(told)["concurrency_reason"]
    content = json.loads((CASES / "vllm-rate" / "r.json").read_text())

    def of(**changes: Any) -> list[tuple[Any, ...]]:
        (tmp_path / "r.json").write_text(json.dumps({name: value for name, value in (content | changes).items() if value != "gone"}))
        warehouses.ingest(tmp_path / "r.json", into=warehouse, rebuild=True)
        return warehouses.rows(warehouse, asked).rows()

    together = {"start_times": [0.0, 0.1, 0.2], "ttfts": [0.2] * 3, "itls": [[0.4, 0.4]] * 3, "max_concurrent_requests": 3}
    assert of(**together) == [(None, 3)], "3 s of latencies in 1.2 s: 2.5 at once, not the 3 that there were at most"
    assert of(**together, request_rate="inf") == [(3, 3)], "all were sent together"
    assert of(**together, max_concurrency=2) == [(2, 2)], "a limit is one"
    assert of(max_concurrent_requests="gone") == [(None, 1)]
    assert of(start_times="gone") == [(None, None)]
    assert query.load("leaderboard", None, str(warehouse))["batch_size"].to_list() == [None]


def test_aiperf_takes_the_concurrency_of_the_measured_phase(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "aiperf013-warmup-concurrency"]
    assert warehouse.status == 0
    runs = warehouses.rows(warehouse, "select run_id, prompts, ok, concurrency from runs order by run_id").rows()
    assert runs == [("aiperf:98d648f5ac55", 8, 6, 4), ("aiperf:98d648f5ac55:warmup", 3, 2, 1)]


def test_aiperf_phases_are_runs_and_lose_no_rows(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "aiperf013-two-phases"]
    assert warehouse.status == 0
    runs = warehouses.rows(warehouse, "select run_id, prompts, concurrency from runs order by run_id").rows()
    assert runs == [("aiperf:ff6ba890748d:high", 6, 5), ("aiperf:ff6ba890748d:low", 6, 1)]


def test_energy_of_aiperf_telemetry(loaded: Loaded) -> None:
    """6,034 J of two GPUs over 48 requests; AIPerf writes J a request and mJ a token."""
    report = warehouse = loaded[CASES / "aiperf013-energy"]
    assert report.status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert figure["energy_j"] == pytest.approx(6033.942 / 48)
    assert figure["energy_per_token_j"] == pytest.approx(2.1194036)
    assert (figure["published_gpu_model"], figure["num_gpus"]) == ("NVIDIA H100 80GB HBM3", 2)
    assert (figure["power_w"], figure["latency_s"]) == (pytest.approx(1064.709), pytest.approx(0.220052017))
    assert (figure["prompts"], figure["concurrency"]) == (48, 2)
    assert figure["harness_version"] == "aiperf-0.13.0, energy counters"
    assert set(requests(warehouse, "energy_j, energy_reason")) == {(None, "AIPerf does not measure the energy of a request")}


def test_energy_of_aiperf_by_mean_power_says_so(tmp_path: Path, warehouse: Path) -> None:
    content = json.loads((CASES / "aiperf013-energy" / "profile_export_aiperf.json").read_text())
    for gpu in content["telemetry_data"]["endpoints"]["127.0.0.1:18732"]["gpus"].values():
        del gpu["metrics"]["nvidia_energy_consumption"]
    content["nvidia_energy_per_output_token"]["unit"] = "kJ/token"
    (tmp_path / "profile_export_aiperf.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 1
    assert warehouses.rejects(warehouse) == [(1, "energy_per_token_j", "is not a number")]
    content["nvidia_energy_per_output_token"]["unit"] = "J/token"
    (tmp_path / "profile_export_aiperf.json").write_text(json.dumps(content))
    warehouses.ingest(tmp_path, into=warehouse)
    found = warehouses.rows(warehouse, "select harness_version, energy_per_token_j from published").row(0)
    assert found == ("aiperf-0.13.0, mean power × time", pytest.approx(2119.4036))


def test_aiperf_of_2025_is_read(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "aiperf-2025"]
    assert warehouse.status == 0
    columns = "model_id, concurrency, output_tokens, latency_s, ttft_s, harness_version"
    assert requests(warehouse, columns) == [("org/M", 4, 20, pytest.approx(0.15), pytest.approx(0.03), "aiperf-unknown")]


def test_aiperf_under_a_prefix_of_the_user(tmp_path: Path, warehouse: Path) -> None:
    for name, new in (("profile_export.jsonl", "mine.jsonl"), ("profile_export_aiperf.json", "mine.json")):
        shutil.copy(CASES / "aiperf013-two-phases" / name, tmp_path / new)
    raw = {"metadata": {"session_num": 0, "request_start_ns": 1}, "start_perf_ns": 1, "payload": {}, "responses": []}
    (tmp_path / "mine_raw.jsonl").write_text(json.dumps(raw) + "\n" + json.dumps(raw) + "\n")
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert {line.path: line.state for line in report.lines} == {"mine.json": "loaded", "mine.jsonl": "loaded", "mine_raw.jsonl": "foreign"}
    assert len(requests(warehouse)) == 12


@TOGETHER.of
def an_aiperf_summary_alone_is_a_figure_without_energy(folder: Path) -> None:
    summary = (CASES / "aiperf013-warmup-concurrency" / "profile_export_aiperf.json").read_text()
    (folder / "profile_export_aiperf.json").write_text(summary + "\n")  # other bytes than the same summary among its requests


def test_an_aiperf_summary_alone_is_a_figure_without_energy(loaded: Loaded) -> None:
    warehouse = loaded[an_aiperf_summary_alone_is_a_figure_without_energy]
    assert warehouse.status == 0
    figure = warehouses.rows(warehouse, "select energy_j, latency_s, concurrency, gpu_model, prompts from published").row(0)
    assert figure == (None, pytest.approx(0.2058511255), 4, "unknown", 6)


def test_scales_of_lm_eval_are_those_of_task_and_metric(loaded: Loaded) -> None:
    """36.6 of EQ-Bench stays, 0.33 of bleu_acc is 33 %, a Matthews coefficient may be negative, a length that was not run is no score."""
    warehouse = loaded[CASES / "lmeval-scales"]
    scores = warehouses.rows(warehouse, "select benchmark, metric, score from quality order by all").rows()
    assert scores == [
        ("cola", "mcc", -2.0),
        ("crows_pairs_english", "likelihood_diff", 3.5),
        ("crows_pairs_english", "pct_stereotype", 63.0),
        ("eq_bench", "eqbench", 36.6),
        ("eq_bench", "percent_parseable", 98.2),
        ("mmlu", "acc", 25.0),
        ("ruler_vt", "4096", 91.0),
        ("squadv2", "HasAns_f1", 60.0),
        ("squadv2", "exact", 41.2),
        ("squadv2", "f1", 55.0),
        ("truthfulqa_gen", "bleu_acc", 33.0),
        ("truthfulqa_gen", "bleu_diff", -7.9),
        ("truthfulqa_gen", "bleu_max", 25.1),
        ("truthfulqa_gen", "rouge1_acc", 30.0),
        ("wikitext", "bits_per_byte", 0.9),
    ]
    assert [(column, reason) for _, column, reason in warehouses.rejects(warehouse)] == [("score", "is negative or not a finite number")]


@pytest.mark.parametrize(
    ("task", "metric", "score", "stored"),
    [
        ("new_task", "quality_points", 7.5, ("quality_points, scale not stated", 7.5)),
        ("new_task", "f1", 36.6, ("f1, scale not stated", 36.6)),
        ("new_task", "f1", 0.366, ("f1", pytest.approx(36.6))),
        ("cnn_dailymail", "rouge1", 0.4, ("rouge1, scale not stated", 0.4)),
        ("humaneval", "pass@1", 0.5, ("pass@1", 50.0)),
        ("ifeval", "prompt_level_strict_acc", 0.5, ("prompt_level_strict_acc", 50.0)),
        ("wmt16", "bleu", 31.4, ("bleu", 31.4)),
    ],
)
def test_a_scale_that_nobody_knows_is_said(task: str, metric: str, score: float, stored: tuple[str, Any]) -> None:
    assert scales.scaled(task, metric, score, None)[:2] == stored


def test_an_adapter_and_a_revision_are_another_model(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "lmeval-args"]
    assert warehouse.status == 0
    scores = warehouses.rows(warehouse, "select model_id, score from quality order by all").rows()
    assert scores == [("org/M", 50.0), ("org/M@step1000 + org/adapter", 25.0)]


@TOGETHER.of
def lm_eval_of_2023(folder: Path) -> None:
    content = {
        "results": {
            "arc_challenge": {"acc": 0.25, "acc_stderr": 0.01, "acc_norm": 0.3, "acc_norm_stderr": 0.02},
            "wikitext": {"word_perplexity": 9.0},
        },
        "versions": {"arc_challenge": 0, "wikitext": 1},
        "config": {"model": "hf-causal", "model_args": "pretrained=org/M,load_in_8bit=True", "num_fewshot": 25, "limit": None},
    }
    (folder / "results.json").write_text(json.dumps(content))


def test_lm_eval_of_2023(loaded: Loaded) -> None:
    """0.3 wrote metrics without filters, and one number of shots for all tasks."""
    warehouse = loaded[lm_eval_of_2023]
    assert warehouse.status == 0
    columns = "model_id, benchmark, metric, score, stderr, fewshot, source"
    model = "org/M (load_in_8bit)"
    assert warehouses.rows(warehouse, f"select {columns} from quality order by all").rows() == [
        (model, "arc_challenge", "acc", 25.0, 1.0, 25, "lm-eval"),
        (model, "arc_challenge", "acc_norm", 30.0, 2.0, 25, "lm-eval"),
        (model, "wikitext", "word_perplexity", 9.0, None, 25, "lm-eval"),
    ]


def test_optimum_benchmark_counts_the_gpus_that_were_used(loaded: Loaded) -> None:
    """`device_ids: "0"` on a machine of eight."""
    warehouse = loaded[CASES / "optimum-8gpu-1used"]
    assert warehouse.status == 0
    found = warehouses.rows(warehouse, "select gpu_model, num_gpus, energy_j from published").row(0)
    assert found == ("A100", 1, pytest.approx(52e-6 * KWH))


DEVICES: list[tuple[dict[str, Any], int]] = [
    ({"device_ids": "0,3"}, 2),
    ({"device_ids": [1, 2]}, 2),
    ({"device_ids": None}, 8),
    ({"device_ids": 2}, 1),
]


def optimum(folder: Path, number: int) -> None:
    """A result of a model of its own, on these devices."""
    backend = DEVICES[number][0] | {"model": f"org/model-{number}"}
    content = json.loads((CASES / "optimum-8gpu-1used" / "benchmark.json").read_text())
    content["config"]["backend"] |= backend
    (folder / "benchmark.json").write_text(json.dumps(content))


for place in range(len(DEVICES)):
    TOGETHER.add(f"devices {place}", partial(optimum, number=place))


@pytest.mark.parametrize(("number", "gpus"), [(number, gpus) for number, (_, gpus) in enumerate(DEVICES)])
def test_devices_of_optimum_benchmark(number: int, gpus: int, loaded: Loaded) -> None:
    warehouse = loaded[f"devices {number}"]
    assert warehouse.status == 0
    assert warehouses.rows(warehouse, "select num_gpus from published").item() == gpus


@TOGETHER.of
def a_gpu_of_optimum_benchmark_without_a_name_keeps_its_energy(folder: Path) -> None:
    content = json.loads((CASES / "optimum-8gpu-1used" / "benchmark.json").read_text())
    del content["config"]["environment"]
    (folder / "benchmark.json").write_text(json.dumps(content))


def test_a_gpu_of_optimum_benchmark_without_a_name_keeps_its_energy(loaded: Loaded) -> None:
    """`device: cuda` without an environment is no CPU."""
    warehouse = loaded[a_gpu_of_optimum_benchmark_without_a_name_keeps_its_energy]
    assert warehouse.status == 0
    figure = warehouses.rows(warehouse, "select gpu_model, num_gpus, energy_j from published").row(0)
    assert figure == ("unknown", 1, pytest.approx(52e-6 * KWH))


def test_tasks_of_codecarbon_and_the_run_that_they_are_of(warehouse: Path) -> None:
    """Files of 2.8.4. Of a run with tasks CodeCarbon writes the energy of all of them and the duration of the last: that is no duration."""
    assert warehouses.ingest(warehouses.DATA / "real" / "codecarbon_2_8", into=warehouse).status == 0
    found = query.load("run_totals", None, str(warehouse))
    rows = {(row["run_id"][:8], row["task"]): row for row in found.to_dicts()}
    task_run = "74d161e7"
    whole, load, infer = (rows[task_run, task] for task in (None, "load", "infer"))
    flushed = rows["fea0f44d", None]
    assert whole["cpu_energy_j"] == pytest.approx(load["cpu_energy_j"] + infer["cpu_energy_j"], rel=0.01)
    assert (whole["duration_s"], whole["power_w"]) == (None, None)
    assert (load["duration_s"], infer["duration_s"]) == (2.00882730599551, 3.0136700740040396)
    assert flushed["duration_s"] == 6.080593163998856, "two lines of one run, the last counts"
    assert {row["gpu_energy_j"] for row in rows.values()} == {None}
    assert found["run_id"].to_list()[-1] == whole["run_id"], "what has no duration stands last"
