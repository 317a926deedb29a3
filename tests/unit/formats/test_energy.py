"""The AI Energy Score: its leaderboard, its benchmark, and the scenario of optimum-benchmark with which it measures."""

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import ai_energy_score
from tests import warehouses
from tests.together import Loaded, Part, Together

DATA = warehouses.DATA
CASES = DATA / "cases"
SCORE = DATA / "ai_energy_score"
TOGETHER = Together()
for there in (
    (DATA / "energy_star",),
    (SCORE / "text_generation.csv",),
    (SCORE / "master_results.csv",),
    (DATA / "zeus_log",),
    (DATA / "nvidia_smi",),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("energy"))


def figures(warehouse: Path | Part) -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, "from published order by all").to_dicts()


def energy_star(folder: Path, **scenario: Any) -> Path:
    """A result of the scenario with which the AI Energy Score measures, with some of its settings changed."""
    content = json.loads((DATA / "energy_star" / "benchmark.json").read_text())
    content["config"]["scenario"] |= scenario
    (folder / "benchmark.json").write_text(json.dumps(content))
    return folder / "benchmark.json"


def test_energy_star_of_optimum_benchmark_is_of_all_samples(loaded: Loaded) -> None:
    """Its kWh are those of 1,000 samples together: 720 J a response, not 720 kJ."""
    warehouse = loaded[DATA / "energy_star"]
    assert warehouse.status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert figure["energy_j"] == pytest.approx((0.075 + 0.125) * 3.6e6 / 1000)
    assert (figure["prompts"], figure["batch_size"], figure["output_tokens"]) == (1000, 1, 100.0)
    assert (figure["task"], figure["gpu_model"], figure["latency_s"]) == ("text-generation of EnergyStarAI/text_generation", "H100", None)


def test_latencies_of_energy_star_are_of_all_calls(tmp_path: Path, warehouse: Path) -> None:
    """1,000 samples in batches of 16 are 63 calls."""
    path = energy_star(tmp_path, input_shapes={"batch_size": 16}, name="energy-star")
    content = json.loads(path.read_text())
    for part, seconds in (("prefill", 6.3), ("decode", 63.0)):
        content["report"][part] |= {"latency": {"unit": "s", "mean": seconds}, "throughput": {"unit": "tokens/s", "value": 900.0}}
    path.write_text(json.dumps(content))
    assert warehouses.ingest(path, into=warehouse).status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert (figure["ttft_s"], figure["latency_s"], figure["throughput_tps"]) == pytest.approx((0.1, 1.1, 900.0))
    assert figure["energy_j"] == pytest.approx(720.0)


SAMPLES = [-1, None, "all", True]
for number, asked in enumerate(SAMPLES):
    TOGETHER.add(f"samples {number}", partial(energy_star, num_samples=asked))


@pytest.mark.parametrize("samples", SAMPLES)
def test_energy_star_without_its_number_of_samples_is_refused(samples: Any, loaded: Loaded) -> None:
    (line,) = loaded[f"samples {SAMPLES.index(samples)}"].lines
    assert line.state == "unreadable" and "scenario.num_samples" in line.why


@pytest.mark.parametrize(
    ("asked", "tokens"),
    [
        ({}, 100.0),
        ({"max_new_tokens": 64}, 64.0),
        ({"max_new_tokens": 1000, "min_new_tokens": 1}, None),
        ({"min_new_tokens": 20}, None),
        ({"max_new_tokens": 30, "min_new_tokens": 30}, 30.0),
    ],
)
def test_a_length_that_optimum_benchmark_did_not_count_is_null(
    asked: dict[str, int], tokens: float | None, tmp_path: Path, warehouse: Path
) -> None:
    """A response that may stop before its limit has no known length, and its tokens per s are those of the limit."""
    content = json.loads((CASES / "optimum-8gpu-1used" / "benchmark.json").read_text())
    content["config"]["scenario"]["generate_kwargs"] = asked
    content["report"]["decode"]["throughput"] = {"unit": "tokens/s", "value": 50.0}
    (tmp_path / "benchmark.json").write_text(json.dumps(content))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    found = warehouses.rows(warehouse, "select output_tokens, throughput_tps from published").row(0)
    assert found == (tokens, None if tokens is None else 50.0)


def test_a_table_of_the_ai_energy_score(loaded: Loaded) -> None:
    """kWh of 1,000 queries: 0.25 kWh are 900 J a query. The number of GPUs is known of models that fit on one."""
    warehouse = loaded[SCORE / "text_generation.csv"]
    assert warehouse.status == 1
    small, large = sorted(figures(warehouse), key=lambda figure: figure["energy_j"])
    assert (small["published_model_id"], small["energy_j"], small["num_gpus"]) == ("acme/tiny-1B", 900.0, 1)
    assert (large["energy_j"], large["num_gpus"]) == (45_000.0, 0)
    assert (small["task"], small["gpu_model"], small["prompts"]) == ("AI Energy Score, text_generation", "H100", 1000)
    assert (small["batch_size"], small["output_tokens"], small["energy_per_token_j"]) == (1, None, None)
    assert warehouses.rejects(warehouse) == [(4, "energy_j", "is negative or not a finite number")]


TABLES = {"Reasoning (Dec 2025).csv": "reasoning", "text-generation.csv": "text_generation", "image_generation.csv": None, "a.csv": None}


def table(folder: Path, name: str) -> None:
    """A table of this name, of a model of its own."""
    (folder / name).write_text(f"model,total_gpu_energy,energy_score\nacme/{list(TABLES).index(name)}-1B,0.25,5\n")


for called in TABLES:
    TOGETHER.add(called, partial(table, name=called))


@pytest.mark.parametrize(("name", "task"), TABLES.items())
def test_the_task_of_a_table_is_in_its_name(name: str, task: str | None, loaded: Loaded) -> None:
    warehouse = loaded[name]
    assert warehouse.status == (task is None)
    assert [figure["task"] for figure in figures(warehouse)] == ([f"AI Energy Score, {task}"] if task else [])
    if task is None:
        assert "by the file's name" in warehouses.rejects(warehouse)[0][2]


def test_runs_of_its_benchmark(loaded: Loaded) -> None:
    """10 Wh over 40 answers of 100 tokens; tokens per s are those of answers alone. Too many failed: the energy cannot be told apart."""
    warehouse = loaded[SCORE / "master_results.csv"]
    assert warehouse.status == 1
    with_failed, whole = sorted(figures(warehouse), key=lambda figure: figure["prompts"])
    assert (whole["energy_j"], whole["energy_per_token_j"], whole["output_tokens"], whole["input_tokens"]) == (900.0, 9.0, 100.0, 50.0)
    assert (whole["latency_s"], whole["ttft_s"], whole["throughput_tps"], whole["gpu_model"]) == (2.0, 0.05, 50.0, "unknown")
    assert whole["task"] == "AI Energy Score, text_gen, reasoning On (High)"
    assert with_failed["energy_j"] == pytest.approx(5 * 3600 / 39)
    assert with_failed["harness_version"] == "ai_energy_benchmarks, with the energy of 1 that failed"
    assert [(row, reason[:35]) for row, _, reason in warehouses.rejects(warehouse)] == [
        (4, "has 10 prompts of 40 that failed: t"),
        (5, "has no answered prompt: Model not f"),
    ]


def test_a_report_of_its_benchmark_and_the_csv_of_it_are_one_figure(tmp_path: Path, warehouse: Path) -> None:
    report = json.loads((SCORE / "benchmark_report.json").read_text())
    flat = ai_energy_score.flat(report) | {"timestamp": "2025-10-09T12:00:00+00:00"}
    with (tmp_path / "benchmark_results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=flat)
        writer.writeheader()
        writer.writerow(flat)
    assert warehouses.ingest(SCORE / "benchmark_report.json", tmp_path / "benchmark_results.csv", into=warehouse).status == 0
    (figure,) = figures(warehouse)
    assert (figure["energy_j"], figure["output_tokens"], figure["num_gpus"], figure["engine"]) == (900.0, 100.0, 2, "pytorch")
    assert (figure["task"], figure["prompts"]) == ("AI Energy Score, of AIEnergyScore/text_generation", 20)


@pytest.mark.parametrize("lost", ["summary", "energy"])
def test_a_torn_report_of_its_benchmark_is_refused(lost: str, tmp_path: Path, warehouse: Path) -> None:
    report = json.loads((SCORE / "benchmark_report.json").read_text()) | {lost: {}}
    (tmp_path / "benchmark_report.json").write_text(json.dumps(report))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 1
    assert warehouses.rejects(warehouse) == [(1, None, "is no whole report of ai_energy_benchmarks")]


def test_a_log_of_zeus(loaded: Loaded) -> None:
    """J and s of windows of one name over both GPUs; a line with an energy below 0 is refused."""
    warehouse = loaded[DATA / "zeus_log"]
    assert warehouse.status == 1
    columns = "source, task, duration_s, gpu_energy_j, num_gpus, cpu_energy_j, harness_version, ended_at::varchar as ended"
    assert warehouses.rows(warehouse, f"select {columns} from run_totals order by task").rows() == [
        ("Zeus", "generate", 3.5, 1500.75, 2, None, "zeus, windows: 2", "2026-01-05 12:00:04.5"),
        ("Zeus", "whole", 7.25, 2400.5, 2, None, "zeus, windows: 1", "2026-01-05 12:00:06.25"),
    ]
    assert warehouses.rejects(warehouse) == [(5, "gpu0_energy", "is negative or not a finite number")]


def test_power_that_nvidia_smi_sampled(loaded: Loaded) -> None:
    """Trapezoids of each GPU: 200 J, 800 J over the 2 s around a gap, 400 J; 50 and 60 J. Five minutes without a sample are left out."""
    warehouse = loaded[DATA / "nvidia_smi"]
    assert warehouse.status == 1
    columns = "source, duration_s, gpu_energy_j, num_gpus, gpu_model, harness_version, ended_at::varchar as ended"
    assert warehouses.rows(warehouse, f"select {columns} from run_totals").rows() == [
        (
            "nvidia-smi",
            4.0,
            pytest.approx(200 + 800 + 400 + 50 + 60),
            2,
            "NVIDIA H200",
            "nvidia-smi, sampled power every 1 s, pauses left out: 1",
            "2026-01-05 12:05:04",
        )
    ]
    assert warehouses.rejects(warehouse) == [(6, "power_w", "is not a number")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "timestamp, power.draw [W]\n2026/01/05 12:00:00.000, 100.00 W\n2026/01/05 12:00:00.000, 90.00 W\n",
            "does not say of which GPU a line is: add index or uuid to --query-gpu",
        ),
        ("timestamp, power.draw [W]\n2026/01/05 12:00:00.000, 100.00 W\n", "has no two samples of one GPU: it gives no energy"),
        ("timestamp, power.draw [W]\nyesterday, 100.00 W\n", "has no two samples of one GPU: it gives no energy"),
    ],
)
def test_a_log_of_nvidia_smi_that_gives_no_energy(text: str, sentence: str, tmp_path: Path, warehouse: Path) -> None:
    (tmp_path / "power.csv").write_text(text)
    (line,) = warehouses.ingest(tmp_path / "power.csv", into=warehouse).lines
    assert (line.state, line.why) == ("unreadable", sentence)


@TOGETHER.of
def a_log_of_one_gpu_without_units(folder: Path) -> None:
    lines = [f"2026/01/05 12:00:0{second}.500, 200.0" for second in range(5)]
    (folder / "power.csv").write_text("\n".join(["timestamp, power.draw.instant [W]", *lines]) + "\n")


def test_a_log_of_one_gpu_without_units(loaded: Loaded) -> None:
    """`--format=csv,nounits`, of one GPU, with the power of an instant."""
    warehouse = loaded[a_log_of_one_gpu_without_units]
    assert warehouse.status == 0
    assert warehouses.rows(warehouse, "select duration_s, gpu_energy_j, num_gpus, gpu_model from run_totals").rows() == [
        (4.0, 800.0, 1, None)
    ]
