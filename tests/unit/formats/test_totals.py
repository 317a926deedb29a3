"""optimum-benchmark and CodeCarbon: energy of whole runs, and null where no GPU was measured."""

import json
import shutil
from pathlib import Path

import pytest

from prompt_joules.warehouse import query
from tests import warehouses
from tests.together import Loaded, Together

DATA = warehouses.DATA
REAL = DATA / "real"
TOGETHER = Together()
for there in ((DATA / "optimum_benchmark",),):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("totals"))


def test_optimum_benchmark(loaded: Loaded) -> None:
    warehouse = loaded[DATA / "optimum_benchmark"]
    assert warehouse.status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert figure["energy_j"] == pytest.approx((1e-6 + 9e-6) * 3.6e6 / 4)
    assert (figure["latency_s"], figure["ttft_s"], figure["batch_size"], figure["output_tokens"]) == (2.5, 0.5, 4, 20.0)
    assert (figure["gpu_model"], figure["num_gpus"], figure["engine"]) == ("A100 80GB", 1, "optimum-pytorch")


@TOGETHER.of
def optimum_benchmark_on_a_cpu_has_no_gpu_energy(folder: Path) -> None:
    report = json.loads((DATA / "optimum_benchmark" / "benchmark_report.json").read_text())
    config = json.loads((DATA / "optimum_benchmark" / "benchmark_config.json").read_text())
    config["backend"]["device"] = "cpu"
    (folder / "benchmark.json").write_text(json.dumps({"config": config, "report": report}))


def test_optimum_benchmark_on_a_cpu_has_no_gpu_energy(loaded: Loaded) -> None:
    warehouse = loaded[optimum_benchmark_on_a_cpu_has_no_gpu_energy]
    assert warehouse.status == 0
    figure = warehouses.rows(warehouse, "select gpu_model, num_gpus, energy_j, latency_s from published").row(0)
    assert figure == ("CPU", 0, None, 2.5)


def test_what_optimum_benchmark_really_wrote(warehouse: Path) -> None:
    assert warehouses.ingest(REAL / "optimum_benchmark", into=warehouse).status == 0
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert (figure["gpu_model"], figure["num_gpus"], figure["energy_j"]) == ("CPU", 0, None)
    assert (figure["batch_size"], figure["input_tokens"], figure["output_tokens"], figure["dtype"]) == (2, 16.0, 12.0, "float32")
    assert (figure["ttft_s"], figure["latency_s"]) == pytest.approx((0.7732243, 0.7732243 + 4.8596197))
    assert (figure["throughput_tps"], figure["harness_version"]) == (pytest.approx(4.5271032), "optimum-benchmark-0.6.0")


@TOGETHER.of
def random_weights_of_optimum_benchmark_say_so(folder: Path) -> None:
    config = json.loads((REAL / "optimum_benchmark" / "benchmark_config.json").read_text())
    config["backend"]["no_weights"] = True
    (folder / "benchmark_config.json").write_text(json.dumps(config))
    shutil.copy(REAL / "optimum_benchmark" / "benchmark_report.json", folder)


def test_random_weights_of_optimum_benchmark_say_so(loaded: Loaded) -> None:
    warehouse = loaded[random_weights_of_optimum_benchmark_say_so]
    assert warehouse.status == 0
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
    assert warehouses.rejects(warehouse) == [(4, "duration", "is missing")]
    rows = query.load("run_totals", None, str(warehouse)).to_dicts()
    assert [row["run_id"] for row in rows] == ["run-1", "run-2"]
    assert [rows[0][key] for key in ("gpu_energy_j", "cpu_energy_j", "dram_energy_j")] == pytest.approx([18_000.0, 3600.0, 720.0])
    assert (rows[0]["power_w"], rows[0]["num_gpus"], rows[1]["gpu_energy_j"]) == (pytest.approx(180.0), 1, None)
    assert query.load("leaderboard", None, str(warehouse)).is_empty()
