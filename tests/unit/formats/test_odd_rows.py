"""One bad row costs one row, and what belongs to a file may be packed as it is: of several readers alike."""

import gzip
import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from prompt_joules.ingest.formats import foreign
from tests import warehouses
from tests.together import Loaded, Together

TOGETHER = Together()
MODEL = "org/M"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Runs that lack a name, of a model that the user names."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("odd"), model=MODEL)


PACKED = [
    ("aiperf", ("profile_export.jsonl", "profile_export_aiperf.json")),
    ("helm", ("stats.json", "run_spec.json")),
    ("mlenergy_v1_prompts", ("benchmark_batch_1.json", "config_batch_1.json")),
    ("optimum_benchmark", ("benchmark_report.json", "benchmark_config.json")),
]


@pytest.mark.parametrize(("folder", "names"), PACKED, ids=[folder for folder, _ in PACKED])
def test_what_belongs_to_a_file_may_be_packed_too(folder: str, names: tuple[str, str], tmp_path: Path, warehouse: Path) -> None:
    plain = warehouses.ingest(warehouses.DATA / folder / names[0], into=warehouse)
    for name in names:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((warehouses.DATA / folder / name).read_bytes()))
    packed = warehouses.ingest(tmp_path / f"{names[0]}.gz", into=warehouse, rebuild=True)
    assert packed.lines[0].accepted == plain.lines[0].accepted > 0


def test_blank_lines_change_no_request_of_aiperf(tmp_path: Path, warehouse: Path) -> None:
    """The number of a request is its place among the requests, a reject's that of its line."""
    for path in (warehouses.DATA / "aiperf").iterdir():
        (tmp_path / path.name).write_text("\n\n" + path.read_text().replace("\n", "\n\n") if path.suffix == ".jsonl" else path.read_text())
    warehouses.ingest(tmp_path / "profile_export.jsonl", into=warehouse)
    assert warehouses.rows(warehouse, "select sequence from requests order by all")["sequence"].to_list() == [0, 1, 2]
    assert [row for row, *_ in warehouses.rejects(warehouse)] == [9]


RUNS = ("llama_bench/lb.jsonl", "real/sglang_bench/plain.jsonl", "inferencex/agg_bmk.json", "vllm_runs/summary.json")


LACKS = {"llama": "build_commit", "real/": "backend", "infer": "hw", "vllm_": "completed"}


def lacking(folder: Path, sample: str) -> None:
    text = (warehouses.DATA / sample).read_text()
    runs = json.loads(text) if sample.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    less = {key: value for key, value in runs[0].items() if key != LACKS[sample[:5]]}
    (folder / "runs.jsonl").write_text("\n".join(json.dumps(run) for run in (runs[0], less, {}, runs[0])) + "\n")


for of_tool in RUNS:
    TOGETHER.add(of_tool, partial(lacking, sample=of_tool))


@pytest.mark.parametrize("sample", RUNS)
def test_a_run_without_a_name_that_every_run_has_costs_itself(sample: str, loaded: Loaded) -> None:
    """It once broke the readers of llama-bench and SGLang: their first run has the name, a later one has not."""
    report = warehouse = loaded[sample]
    assert (report.lines[0].accepted, report.lines[0].rejected) == (2, 2)
    (second, _, said), (third, *_) = warehouses.rejects(warehouse)
    assert (second, said, third) == (2, f"lacks {LACKS[sample[:5]]}", 3)


def test_a_bad_answer_in_the_middle_moves_no_number(tmp_path: Path, warehouse: Path) -> None:
    """Of a list of ML.ENERGY's script: what is refused is named by its place in the file."""
    answer = {"model": "org/M", "throughput": 1.0, "response_length": 10, "latency": 1.0, "energy": 5.0, "input": "a", "output": "b"}
    (tmp_path / "benchmark.json").write_text(json.dumps([answer, 3, answer | {"latency": -1.0}, answer | {"input": "c"}]))
    (tmp_path / "config.json").write_text('{"task": "chat"}')
    warehouses.ingest(tmp_path / "benchmark.json", into=warehouse)
    assert [(row, column) for row, column, _ in warehouses.rejects(warehouse)] == [(2, None), (3, "latency_s")]


@pytest.mark.parametrize(
    "sample", ["helm/stats.json", "vllm_offline/latency.pytorch.json", "llama_bench/lb.json", "inferencex/agg_bmk.json"]
)
def test_what_is_no_item_of_a_list_costs_itself(sample: str, tmp_path: Path, warehouse: Path) -> None:
    """Numbers, nulls and empty objects between the items: each is refused under its place, the items are read."""
    shutil.copytree((warehouses.DATA / sample).parent, tmp_path / "in")
    path = tmp_path / "in" / Path(sample).name
    plain = warehouses.ingest(path, into=warehouse).lines[0].accepted
    items = json.loads(path.read_text())
    path.write_text(json.dumps([items[0], 3, None, {}, [1], *items[1:]]))
    report = warehouses.ingest(path, into=warehouse, rebuild=True)
    assert report.lines[0].accepted == plain > 0
    assert [row for row, *_ in warehouses.rejects(warehouse)] == [2, 3, 4, 5]


def test_a_value_that_does_not_fit_its_column_is_told() -> None:
    for name, value, cell in (("output_tokens", "many", "many"), ("output_tokens", 2**40, str(2**40)), ("output_text", 5, None)):
        problem = foreign.misfit(name, value)
        assert problem is not None and problem.cell == cell
