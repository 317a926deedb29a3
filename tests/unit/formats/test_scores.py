"""LLM-Perf and InferenceX, which measured energy; lighteval and HELM, which give scores."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import helm, inferencex, lighteval, llm_perf
from prompt_joules.ingest.formats.base import Unreadable
from tests import warehouses
from tests.together import Loaded, Part, Together

DATA = warehouses.DATA
KWH = 3.6e6
TOGETHER = Together()
for there in (
    (DATA / "inferencex",),
    (DATA / "lighteval",),
    (DATA / "helm" / "stats.json",),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("scores"))


def figures(warehouse: Path | Part) -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, "from published order by published_model_id, concurrency").to_dicts()


def scores(warehouse: Path) -> list[tuple[Any, ...]]:
    columns = "benchmark, metric, score, stderr, fewshot, source"
    return warehouses.rows(warehouse, f"select {columns} from quality order by all").rows()


def llm_perf_csv(path: Path, changes: dict[str, str], rows: slice = slice(None)) -> Path:
    """Reports as LLM-Perf writes them: a row each, names joined by dots (`pandas.json_normalize`); cells changed in all rows."""
    reports = json.loads((DATA / "llm_perf" / "reports.json").read_text())[rows]
    found = [_flat(report) | changes for report in reports]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0])
        writer.writeheader()
        writer.writerows(found)
    return path


def _flat(report: dict[str, Any], above: str = "") -> dict[str, str]:
    names = {f"{above}{name}": value for name, value in report.items()}
    return {
        k: v for name, value in names.items() for k, v in (_flat(value, f"{name}.") if isinstance(value, dict) else {name: value}).items()
    }


def test_llm_perf(tmp_path: Path, warehouse: Path) -> None:
    """kWh of the GPU alone, of prefill and decode; a run that failed is refused with what broke it."""
    csv_file = llm_perf_csv(tmp_path / "perf-df-pytorch-cuda-unquantized-1xA10.csv", {})
    assert warehouses.ingest(csv_file, into=warehouse).status == 1
    plain, quantised = figures(warehouse)
    assert (plain["source"], plain["published_gpu_model"], plain["num_gpus"]) == ("LLM-Perf", "NVIDIA A10G", 1)
    assert (plain["energy_j"], plain["latency_s"], plain["ttft_s"]) == pytest.approx((4.1e-5 * KWH, 2.0, 0.05))
    assert [plain[name] for name in ("batch_size", "input_tokens", "output_tokens", "throughput_tps", "dtype")] == [
        1,
        256.0,
        64.0,
        32.3,
        "float16",
    ]
    assert (quantised["dtype"], quantised["energy_j"], quantised["latency_s"]) == ("awq 4-bit", None, pytest.approx(2.0))
    assert warehouses.rejects(warehouse) == [(3, None, "is a run that failed: torch.cuda.OutOfMemoryError: CUDA out of memory.")]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1.0", 1),
        ("0.5", 0.5),
        ("nan", None),
        ("", None),
        ("True", True),
        ("['A', 'B']", ["A", "B"]),
        ("[broken", "[broken"),
        ("float16", "float16"),
    ],
)
def test_cells_of_pandas(cell: str, value: Any) -> None:
    assert llm_perf.value_of(cell) == value


@TOGETHER.of
def a_row_of_llm_perf_without_figures_is_refused(folder: Path) -> None:
    for name, empty in (("a", "report.decode.latency.mean"), ("b", "config.backend.model")):
        llm_perf_csv(folder / f"{name}.csv", {empty: "", "report.decode.energy.gpu": ""}, rows=slice(1))


def test_a_row_of_llm_perf_without_figures_is_refused(loaded: Loaded) -> None:
    warehouse = loaded[a_row_of_llm_perf_without_figures_is_refused]
    assert warehouse.status == 1
    assert [reason[:34] for *_, reason in warehouses.rejects(warehouse)] == [
        "has neither a latency nor an energy"[:34],
        "names no backend.model or no scena",
    ]


def test_inferencex(loaded: Loaded) -> None:
    """J a request over all GPUs; the mean lengths are those by which InferenceX divided, not those that were asked for."""
    warehouse = loaded[DATA / "inferencex"]
    assert warehouse.status == 0
    old, single, unmeasured, split, sessions = figures(warehouse)
    assert (single["energy_j"], single["energy_per_token_j"], single["power_w"]) == (552.0, 0.6, 2400.0)
    assert (single["output_tokens"], single["input_tokens"]) == pytest.approx((920.0, 920.0))
    assert (single["published_gpu_model"], single["num_gpus"], single["parallelism"], single["throughput_tps"]) == (
        "H200",
        4,
        "tp4",
        4000.0,
    )
    assert [single[name] for name in ("latency_s", "ttft_s", "tpot_s", "itl_p99_s")] == [14.0, 0.2, 0.015, 0.03]
    assert (single["task"], single["engine"], single["dtype"]) == ("inferencex 1024/1024", "vllm", "fp8")
    assert single["harness_version"] == "inferencex, sampled board power, integrated"
    assert [unmeasured[name] for name in ("energy_j", "energy_per_token_j", "power_w", "output_tokens")] == [None] * 4
    assert unmeasured["harness_version"] == "inferencex"
    assert (split["num_gpus"], split["published_gpu_model"], split["throughput_tps"]) == (28, "GB200 + H100", 8000.0)
    assert (split["engine"], split["parallelism"]) == (
        "dynamo-trt, mtp, disaggregated",
        "prefill tp4 ep4 dp-attention, decode tp8 ep8 dp-attention",
    )
    assert (old["energy_j"], old["energy_per_token_j"], old["power_w"]) == (None, 0.9, 2000.0)
    assert old["harness_version"] == "inferencex, mean of sampled board power"
    assert [sessions[name] for name in ("task", "published_gpu_model", "gpu_model", "prompts")] == [
        "inferencex agentic-coding",
        "H100-DGXC",
        "H100",
        112,
    ]
    assert [sessions[name] for name in ("energy_j", "energy_per_token_j", "output_tokens", "latency_s")] == [76000.0, 100.0, 760.0, 11.0]


@pytest.mark.parametrize("changes", [{"model": None}, {"tp": "4"}, {"tp": 0}])
def test_what_is_no_result_of_inferencex(changes: dict[str, Any]) -> None:
    run = json.loads((DATA / "inferencex" / "agg_bmk.json").read_text())[0]
    assert inferencex.figure_of(run | changes) == "is no result of InferenceX that names a model and its GPUs"


def test_lighteval(loaded: Loaded) -> None:
    """Shares are percent; the mean of a group has no error; the mean over all tasks is no score."""
    warehouse = loaded[DATA / "lighteval"]
    assert warehouse.status == 0
    source = "lighteval 203045a843"
    assert scores(warehouse) == [
        ("aime24", "pass@k:k=1&n=1", 10.0, 5.0, 0, source),
        ("arc:challenge", "acc", 25.0, 1.0, 25, source),
        ("arc:challenge", "acc_norm", 30.0, 2.0, 25, source),
        ("cnn_dm", "rouge1, scale not stated", 0.3, None, 0, source),
        ("mmlu:_average", "acc", 50.0, None, 5, source),
        ("mmlu:anatomy", "acc", 40.0, 4.0, 5, source),
        ("mmlu:law", "acc", 60.0, 4.0, 5, source),
    ]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("leaderboard|arc:challenge|25", ("arc:challenge", "25")),
        ("lighteval|gsm8k|5|0", ("gsm8k", "5")),
        ("boolq|0", ("boolq", "0")),
        ("x", ("x", None)),
    ],
)
def test_tasks_of_lighteval(name: str, task: tuple[str, str | None]) -> None:
    assert lighteval.task_of(name) == task


def test_models_of_lighteval() -> None:
    general = {"model_name": "acme/tiny-1B", "model_config": {"revision": "step10", "adapter_weights": True, "base_model": "acme/base"}}
    assert lighteval.model_of({"config_general": general}) == "acme/tiny-1B@step10 on acme/base"
    with pytest.raises(Unreadable, match="names no model"):
        lighteval.model_of({"config_general": {}})


@TOGETHER.of
def a_part_of_a_task_says_so_in_lighteval(folder: Path) -> None:
    (path,) = (DATA / "lighteval").glob("*.json")
    content = json.loads(path.read_text())
    content["config_general"] |= {"max_samples": 10, "lighteval_sha": "?"}
    content["results"] = {"boolq|0": {"acc": 0.5, "f1": "good"}}
    (folder / "results.json").write_text(json.dumps(content))


def test_a_part_of_a_task_says_so_in_lighteval(loaded: Loaded) -> None:
    warehouse = loaded[a_part_of_a_task_says_so_in_lighteval]
    assert warehouse.status == 1
    assert scores(warehouse) == [("boolq", "acc", 50.0, None, 0, "lighteval, limit 10")]
    assert warehouses.rejects(warehouse) == [(2, "score", "is not a number")]


def test_helm(loaded: Loaded) -> None:
    """Headline metrics of whole, unchanged inputs; the test split before the valid one."""
    warehouse = loaded[DATA / "helm" / "stats.json"]
    assert warehouse.status == 0
    benchmark, source = "mmlu:subject=anatomy,method=multiple_choice_joint", "HELM, at most 1000 instances"
    assert scores(warehouse) == [
        (benchmark, "exact_match", pytest.approx(55.0), None, 5, source),
        (benchmark, "f1_score", 70.0, None, 5, source),
        (benchmark, "quasi_exact_match", pytest.approx(56.0), None, 5, source),
    ]


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        ("mmlu:model=a_b,subject=law", "mmlu:subject=law"),
        ("boolq:model=a,model_deployment=c_b", "boolq"),
        ("gsm:", "gsm"),
        ("boolq", "boolq"),
    ],
)
def test_benchmarks_of_helm(name: str, benchmark: str) -> None:
    assert helm.benchmark_of({"name": name}) == benchmark


@pytest.mark.parametrize("name", [["exact_match"], {}, None, 5])
def test_a_name_of_helm_that_is_no_text_is_no_headline(name: object) -> None:
    stats = [{"name": {"name": name, "split": "test"}, "mean": 0.5}, {"name": {"name": "exact_match", "split": ["test"]}, "mean": 0.5}]
    assert list(helm.scores_of(stats, {"name": "mmlu"}, "org/M")) == []


def test_helm_needs_its_run_spec_and_a_headline(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(DATA / "helm" / "stats.json", tmp_path)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert report.lines[0].why == "needs run_spec.json beside it, which says the model and the scenario"
    shutil.copy(DATA / "helm" / "run_spec.json", tmp_path)
    stats = json.loads((tmp_path / "stats.json").read_text())
    (tmp_path / "stats.json").write_text(json.dumps([stat for stat in stats if stat["name"]["name"] == "logprob"]))
    assert warehouses.ingest(tmp_path / "stats.json", into=warehouse).status == 1
    assert warehouses.rejects(warehouse) == [(None, None, "holds no headline metric")]
