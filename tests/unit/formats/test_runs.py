"""Files of other tools whose runs become figures: units, lengths, what is left null, and that no run is lost or counted twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.formats import aiperf_summary, fields, llama_bench, vllm_offline, vllm_runs
from tests import warehouses
from tests.together import Loaded, Part, Together

DATA = warehouses.DATA
CASES = DATA / "cases"
GENAI = DATA / "genai_perf" / "profile_export_genai_perf.json"
TOGETHER = Together()
for there in (
    (CASES / "vllm-nodetail",),
    (DATA / "vllm_offline",),
    (CASES / "llamabench",),
    (GENAI,),
):
    TOGETHER.file(*there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("runs"))


def figures(warehouse: Path | Part, columns: str = "*") -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, f"select {columns} from published order by task, throughput_tps, result_id").to_dicts()


def test_vllm_without_details(tmp_path: Path, warehouse: Path) -> None:
    (path,) = (DATA / "vllm_runs").glob("vllm-*.json")
    assert warehouses.ingest(path, into=warehouse).status == 0
    (figure,) = figures(warehouse)
    assert (figure["published_model_id"], figure["engine"], figure["concurrency"], figure["prompts"]) == ("acme/tiny-1B", "vllm", 8, 40)
    assert (figure["output_tokens"], figure["input_tokens"], figure["throughput_tps"]) == (50.0, 100.0, 100.0)
    times = [figure[name] for name in ("latency_s", "ttft_s", "tpot_s", "itl_p50_s", "itl_p99_s")]
    assert times == pytest.approx([0.54, 0.05, 0.01, 0.009, 0.02])
    assert (figure["energy_j"], figure["energy_per_token_j"], figure["gpu_model"]) == (None, None, "unknown")
    reason = warehouses.rows(warehouse, "select energy_reason from results").item()
    assert reason == "the source gives no energy of a response"


def test_a_short_vllm_result_is_read_as_far_as_it_goes(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "vllm-nodetail"]
    assert warehouse.status == 0
    (figure,) = figures(warehouse)
    assert (figure["output_tokens"], figure["throughput_tps"], figure["latency_s"], figure["ttft_s"]) == (3.0, 6.0, None, None)


def test_the_three_files_of_a_sweep_hold_the_same_runs(tmp_path: Path, warehouse: Path) -> None:
    """Two runs of one setup are both kept; a run that stands in several files counts once, in any order."""
    assert warehouses.ingest(DATA / "vllm_runs", into=warehouse).status == 0
    assert [(figure["concurrency"], figure["throughput_tps"]) for figure in figures(warehouse)] == [(8, 100.0), (8, 101.5), (16, 160.0)]
    warehouses.ingest(DATA / "vllm_runs" / "summary.csv", into=tmp_path / "csv.duckdb")
    assert [figure["throughput_tps"] for figure in figures(tmp_path / "csv.duckdb")] == [100.0, 101.5, 160.0]


@TOGETHER.of
def the_warm_up_of_a_sweep_is_no_figure(folder: Path) -> None:
    run = json.loads((DATA / "vllm_runs" / "summary.json").read_text())[0]
    (folder / "warmup.json").write_text(json.dumps(run | {"run_number": -1}))


def test_the_warm_up_of_a_sweep_is_no_figure(loaded: Loaded) -> None:
    report = loaded[the_warm_up_of_a_sweep_is_no_figure]
    assert (report.status, report.lines[0].state) == (0, "foreign")


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mean_ttft_ms": 0.0}, {"ttft_s": None}),
        ({"max_concurrency": None, "request_rate": 0.5}, {"concurrency": None, "harness_version": "vllm-bench-serve, 0.5 requests/s"}),
        ({"tensor_parallel_size": "4"}, {"parallelism": "tp4"}),
        ({"mean_e2el_ms": "slow"}, {"latency_s": "slow"}),
    ],
)
def test_figures_of_vllm(changes: dict[str, Any], found: dict[str, Any]) -> None:
    run = json.loads((DATA / "vllm_runs" / "summary.json").read_text())[0]
    figure = vllm_runs.figure_of(run | changes)
    assert isinstance(figure, dict)
    assert {name: figure[name] for name in found} == found


@TOGETHER.of
def what_is_no_figure_of_vllm_is_refused_with_its_place(folder: Path) -> None:
    good, *_ = json.loads((DATA / "vllm_runs" / "summary.json").read_text())
    runs = [
        good,
        good | {"completed": 0},
        good | {"model_id": None},
        good | {"mean_e2el_ms": -1},
        good | {key: [] for key in vllm_runs.LISTS},
    ]
    (folder / "summary.json").write_text(json.dumps(runs))


def test_what_is_no_figure_of_vllm_is_refused_with_its_place(loaded: Loaded) -> None:
    warehouse = loaded[what_is_no_figure_of_vllm_is_refused_with_its_place]
    assert warehouse.status == 1
    assert len(figures(warehouse)) == 1
    assert warehouses.rejects(warehouse) == [
        (2, None, "has no answered request"),
        (3, None, "names no model"),
        (4, "latency_s", "is negative or not a finite number"),
        (5, None, "holds its requests, which are read out of the run's own file (run=N.json)"),
    ]


def test_vllm_latency_and_throughput(loaded: Loaded) -> None:
    warehouse = loaded[DATA / "vllm_offline"]
    assert warehouse.status == 0
    latency, throughput = figures(warehouse)
    assert (latency["task"], latency["batch_size"], latency["prompts"]) == ("vllm-bench-latency", 8, 24)
    assert (latency["latency_s"], latency["throughput_tps"], latency["output_tokens"]) == (2.0, 512.0, 128.0)
    assert (throughput["prompts"], throughput["throughput_tps"], throughput["input_tokens"]) == (200, 1000.0, 100.0)
    assert (throughput["latency_s"], throughput["energy_j"], throughput["dtype"]) == (None, None, "float16")


@TOGETHER.of
def vllm_throughput_of_answers_of_many_lengths_is_no_figure(folder: Path) -> None:
    records = json.loads((DATA / "vllm_offline" / "throughput.pytorch.json").read_text())
    records[0]["metric"]["extra_info"]["total_num_tokens"] -= 1
    (folder / "throughput.pytorch.json").write_text(json.dumps(records))


def test_vllm_throughput_of_answers_of_many_lengths_is_no_figure(loaded: Loaded) -> None:
    warehouse = loaded[vllm_throughput_of_answers_of_many_lengths_is_no_figure]
    assert warehouse.status == 1
    assert warehouses.rejects(warehouse) == [(1, None, vllm_offline.VARIES)]


@TOGETHER.of
def a_plain_vllm_latency_names_no_model_and_says_what_to_do(folder: Path) -> None:
    plain = {"avg_latency": 2.0, "std_latency": 0.1, "latencies": [2.0], "percentiles": {"50": 2.0}}
    (folder / "latency.json").write_text(json.dumps(plain))


def test_a_plain_vllm_latency_names_no_model_and_says_what_to_do(loaded: Loaded) -> None:
    report = loaded[a_plain_vllm_latency_names_no_model_and_says_what_to_do]
    assert report.status == 1
    assert "SAVE_TO_PYTORCH_BENCHMARK_FORMAT=1" in report.lines[0].why


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv"])
def test_llama_bench(ending: str, warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "llama_bench" / f"lb.{ending}", into=warehouse).status == 0
    prompt, both, generated = figures(warehouse)
    tasks = [figure["task"] for figure in (prompt, both, generated)]
    assert tasks == ["llama-bench pp512", "llama-bench pp512+tg128 @ d4096", "llama-bench tg128"]
    assert (generated["throughput_tps"], generated["output_tokens"], generated["latency_s"]) == (124.3, 128.0, pytest.approx(1.03))
    assert generated["tpot_s"] == pytest.approx(1.03 / 128)
    assert [prompt[name] for name in ("throughput_tps", "input_tokens", "output_tokens")] == [None, 512.0, None]
    assert prompt["latency_s"] == pytest.approx(0.07)
    assert (both["throughput_tps"], both["latency_s"]) == (None, pytest.approx(1.1))
    assert (generated["published_model_id"], generated["dtype"]) == ("Qwen2.5-7B-Instruct-Q4_K_M", "Q4_K - Medium")
    assert (generated["published_gpu_model"], generated["num_gpus"], generated["energy_j"]) == ("NVIDIA GeForce RTX 4080", 1, None)
    assert (generated["engine"], generated["harness_version"]) == ("llama.cpp CUDA", "llama-bench 5163 (8cf427ff)")
    assert generated["prompts"] == (None if ending == "csv" else 2)


def test_the_short_files_of_llama_bench(loaded: Loaded) -> None:
    warehouse = loaded[CASES / "llamabench"]
    assert warehouse.status == 0
    first, second = sorted(figures(warehouse), key=lambda figure: str(figure["published_gpu_model"]))
    assert (first["published_gpu_model"], first["dtype"]) == ("NVIDIA RTX 4090", "Q4_K - Medium")
    assert (second["published_gpu_model"], second["latency_s"]) == ("unknown", pytest.approx(0.07))


@pytest.mark.parametrize(
    ("changes", "gpu", "engine"),
    [
        ({"gpu_info": "NVIDIA A100, NVIDIA A100"}, ("NVIDIA A100", 2), "llama.cpp CUDA"),
        ({"gpu_info": "NVIDIA A100, NVIDIA A100", "split_mode": "none"}, ("NVIDIA A100", 1), "llama.cpp CUDA"),
        ({"gpu_info": "", "backends": "CPU"}, ("CPU", 0), "llama.cpp CPU"),
        ({"gpu_info": "", "backends": None, "cuda": "0", "metal": "1"}, ("unknown", 0), "llama.cpp metal"),
        ({"gpu_info": "", "backends": None, "cuda": "0"}, ("CPU", 0), "llama.cpp"),
        ({"n_gpu_layers": "20"}, ("NVIDIA GeForce RTX 4080", 1), "llama.cpp CUDA, 20 layers on the GPU"),
    ],
)
def test_gpus_of_llama_bench(changes: dict[str, Any], gpu: tuple[str, int], engine: str) -> None:
    run = json.loads((DATA / "llama_bench" / "lb.json").read_text())[0] | changes
    assert (llama_bench.gpus_of(run), llama_bench.engine_of(run)) == (gpu, engine)


@TOGETHER.of
def a_torn_llama_bench_gives_its_whole_tests(folder: Path) -> None:
    text = (DATA / "llama_bench" / "lb.json").read_text()
    (folder / "lb.json").write_text(text[: text.rindex('"n_prompt"')])


def test_a_torn_llama_bench_gives_its_whole_tests(loaded: Loaded) -> None:
    warehouse = loaded[a_torn_llama_bench_gives_its_whole_tests]
    assert warehouse.status == 1
    assert len(figures(warehouse)) == 2
    assert warehouses.rejects(warehouse) == [(3, None, "is no whole JSON object")]


def test_genai_perf(loaded: Loaded) -> None:
    """Means in ms and tokens. Its telemetry is a mean of counters, so no energy comes of it."""
    warehouse = loaded[GENAI]
    assert warehouse.status == 0
    (figure,) = figures(warehouse)
    setup = [figure[name] for name in ("source", "published_model_id", "engine", "concurrency")]
    assert setup == ["genai-perf", "acme/tiny-1B", "openai-chat", 8]
    assert [figure[name] for name in ("prompts", "throughput_tps", "output_tokens", "input_tokens")] == [40, 200.0, 51.0, 128.0]
    assert [figure[name] for name in ("latency_s", "ttft_s", "tpot_s")] == pytest.approx([0.5, 0.05, 0.009])
    assert [figure[name] for name in ("energy_j", "energy_per_token_j", "power_w", "num_gpus")] == [None, None, None, 0]


@TOGETHER.of
def genai_perf_of_2024_wrote_its_arguments_flat(folder: Path) -> None:
    content = json.loads(GENAI.read_text())
    content["input_config"] = {"model": ["acme/tiny-1B"], "concurrency": 4, "endpoint_type": "completions", "request_rate": None}
    (folder / GENAI.name).write_text(json.dumps(content))


def test_genai_perf_of_2024_wrote_its_arguments_flat(loaded: Loaded) -> None:
    warehouse = loaded[genai_perf_of_2024_wrote_its_arguments_flat]
    assert warehouse.status == 0
    (figure,) = figures(warehouse)
    assert [figure[name] for name in ("published_model_id", "engine", "concurrency")] == ["acme/tiny-1B", "openai-completions", 4]


@TOGETHER.of
def genai_perf_in_an_unknown_unit_or_without_a_model_is_no_figure(folder: Path) -> None:
    content = json.loads(GENAI.read_text())
    content["request_latency"]["unit"] = "fortnights"
    (folder / "unit.json").write_text(json.dumps(content))
    del content["input_config"]["model_names"]
    (folder / "nameless.json").write_text(json.dumps(content))


def test_genai_perf_in_an_unknown_unit_or_without_a_model_is_no_figure(loaded: Loaded) -> None:
    report = warehouse = loaded[genai_perf_in_an_unknown_unit_or_without_a_model_is_no_figure]
    assert {line.path: line.state for line in report.lines} == {"nameless.json": "foreign", "unit.json": "loaded"}
    assert (figures(warehouse), warehouses.rejects(warehouse)) == ([], [(1, "latency_s", "is not a number")])


@pytest.mark.parametrize(("count", "prompts"), [(40.0, 40), (float("nan"), None), (-1, None), ("many", None)])
def test_counts_that_are_none_break_nothing(count: object, prompts: int | None) -> None:
    assert aiperf_summary.times_of({"request_count": {"unit": "count", "avg": count}})["prompts"] == prompts


def test_a_unit_that_is_no_text_is_no_unit() -> None:
    assert fields.in_base({"unit": ["ms"], "avg": 5.0}) == "5.0 ['ms']"
