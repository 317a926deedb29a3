"""Files that other tools wrote on a GPU (tests/data/real/README.md): every figure, held to the file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import vllm_bench
from tests import warehouses
from tests.together import Loaded, Part, Together
from tests.unit.formats.conftest import requests

REAL = warehouses.DATA / "real"
VLLM, SGLANG, LLAMA = REAL / "vllm_0_22", REAL / "sglang_bench", REAL / "llama_bench"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"


TOGETHER = Together()
for kind_of_file in ("json", "jsonl", "csv", "sql", "md"):
    TOGETHER.file(LLAMA / f"llama-bench.{kind_of_file}")
for there in (
    VLLM / "serve-random.json",
    VLLM / "serve-rate.json",
    VLLM / "serve-chat.json",
    REAL / "lm_eval_0_4_13",
    REAL / "lighteval_0_13",
):
    TOGETHER.file(there)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Files of which only the rows are looked at."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("real"))


def load(warehouse: Path, *paths: Path, model: str | None = None) -> int:
    return main([*map(str, paths), *(("--model", model) if model else ()), "--warehouse", str(warehouse), "--quiet"])


def figures(warehouse: Path | Part) -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, "from published order by task, throughput_tps").to_dicts()


def test_requests_of_vllm_on_a_gpu(loaded: Loaded) -> None:
    """A chat's role comes 14 µs before its first token: that gap is none. Where a chunk held two tokens no gap is kept."""
    warehouse = loaded[VLLM / "serve-chat.json"]
    assert warehouse.status == 0
    run = json.loads((VLLM / "serve-chat.json").read_text())
    rows = requests(warehouse)
    assert [row["input_tokens"] for row in rows] == run["input_lens"] and [row["output_tokens"] for row in rows] == [256] * 4
    assert [row["ttft_s"] for row in rows] == run["ttfts"]
    assert [row["latency_s"] for row in rows] == pytest.approx(
        [ttft + sum(gaps) for ttft, gaps in zip(run["ttfts"], run["itls"], strict=True)]
    )
    assert [row["itl_s"] and len(row["itl_s"]) for row in rows] == [255, 255, 255, None]
    assert rows[0]["itl_s"] == pytest.approx(run["itls"][0][1:], rel=1e-6)
    assert rows[0]["model_id"] == "smollm2-135m" and rows[0]["concurrency"] == 8
    (found,) = warehouses.rows(warehouse, "select clock, started_at::varchar as began from runs").rows()
    assert found == ("local, zone unknown", "2026-11-29 10:42:02.379516+00")


@pytest.mark.parametrize(
    ("chat", "gaps", "tokens", "kept"),
    [
        (True, [1e-5, 0.002, 0.002, 0.002], 4, [0.002] * 3),
        (True, [0.002, 0.002, 0.002], 4, [0.002] * 3),
        (True, [1e-5, 0.002, 0.002], 4, None),
        (False, [1e-5, 0.002, 0.002], 4, [1e-5, 0.002, 0.002]),
        (True, [1e-5], 2, [1e-5]),
    ],
)
def test_the_gap_behind_a_role_is_none_between_tokens(chat: bool, gaps: list[float], tokens: int, kept: list[float] | None) -> None:
    assert vllm_bench.times_of(0.05, gaps, tokens, chat)["itl_s"] == kept


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "serve-random",
            {
                "published_gpu_model": "H200",
                "concurrency": 16,
                "prompts": 64,
                "output_tokens": 64.0,
                "input_tokens": 64.0,
                "throughput_tps": 5187.176950066854,
                "ttft_s": 0.06084247945312171,
                "tpot_s": 0.0021438197351191515,
                "itl_p50_s": 0.0021151040000404464,
                "itl_p99_s": 0.004332981900051867,
                "latency_s": None,
                "energy_j": None,
                "harness_version": "vllm-bench-serve",
            },
        ),
        (
            "serve-rate",
            {
                "published_gpu_model": "unknown",
                "concurrency": None,
                "prompts": 40,
                "throughput_tps": 501.3409154942672,
                "ttft_s": 0.022214691599970138,
                "itl_p99_s": 0.0029262462398764977,
                "harness_version": "vllm-bench-serve, 8 requests/s",
            },
        ),
    ],
)
def test_means_of_vllm_on_a_gpu(name: str, wanted: dict[str, Any], loaded: Loaded) -> None:
    warehouse = loaded[VLLM / f"{name}.json"]
    assert warehouse.status == 0
    (figure,) = figures(warehouse)
    for key, value in wanted.items():
        assert figure[key] == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value), key


def test_vllm_without_a_server_needs_to_be_told_the_model(warehouse: Path) -> None:
    """Refused with what to do; told the model, the same file is read. A throughput counts prompts and answers together: never."""
    assert load(warehouse, VLLM / "latency.json", VLLM / "throughput.json") == 1
    second, first = (reason for *_, reason in warehouses.rejects(warehouse))
    assert "names no model: load it with --model" in first and "NAME.pytorch.json" in second
    assert load(warehouse, VLLM / "latency.json", model=MODEL) == 0
    (figure,) = figures(warehouse)
    assert (figure["model_id"], figure["latency_s"], figure["batch_size"]) == (MODEL, 0.8037411826000607, None)
    assert load(warehouse, VLLM / "throughput.json", model=MODEL) == 1


def test_requests_of_sglang_on_a_gpu(warehouse: Path) -> None:
    """Of a server that is not SGLang's own no model is written. 55 tokens without text have no time: no answer of 0 s."""
    assert load(warehouse, SGLANG / "detail.jsonl") == 1
    assert "load it with --model" in warehouses.rejects(warehouse)[0][2]
    assert load(warehouse, SGLANG / "detail.jsonl", model=MODEL) == 0
    run = json.loads((SGLANG / "detail.jsonl").read_text())
    rows = requests(warehouse)
    assert [row["output_tokens"] for row in rows] == run["output_lens"]
    silent = rows[2]
    assert (silent["status"], silent["output_tokens"], silent["latency_s"], silent["ttft_s"]) == ("failed", 55, None, None)
    assert silent["reason"] == vllm_bench.SILENT
    told = [row for row in rows if row["status"] == "ok"]
    assert [row["ttft_s"] for row in told] == [ttft for ttft in run["ttfts"] if ttft]
    assert [row["itl_s"] and len(row["itl_s"]) for row in told] == [61, 61, 51, None, 46]
    assert {row["model_id"] for row in rows} == {MODEL} and {row["concurrency"] for row in rows} == {8}


def test_means_of_sglang_on_a_gpu(warehouse: Path) -> None:
    assert load(warehouse, SGLANG / "plain.jsonl", model=MODEL) == 0
    (figure,) = figures(warehouse)
    assert (figure["prompts"], figure["concurrency"], figure["engine"]) == (48, None, "vllm-chat")
    names = (
        "output_tokens",
        "input_tokens",
        "throughput_tps",
        "latency_s",
        "ttft_s",
        "tpot_s",
        "itl_p50_s",
        "itl_p99_s",
        "mean_batch_size",
    )
    wanted = (1684 / 48, 1647 / 48, 588.9934660195631, 0.08928852189583836, 0.0261854984583465)
    wanted += (0.001855424148888687, 0.0016637179999179352, 0.012229398680119608, 1.4990125222002895)
    assert [figure[name] for name in names] == pytest.approx(wanted, rel=1e-12)
    assert figure["harness_version"] == "sglang-bench-serving, 16 requests/s"


@pytest.mark.parametrize(
    ("kind", "latency", "rate", "prompts"),
    [
        ("json", 0.06803273, 941.23314, 2),
        ("jsonl", 0.07007614, 914.191551, 2),
        ("csv", 0.070603377, 908.019475, None),
        ("sql", 0.068348923, 936.859187, None),
        ("md", None, 901.35, None),
    ],
)
def test_llama_bench_on_a_gpu(kind: str, latency: float | None, rate: float, prompts: int | None, loaded: Loaded) -> None:
    warehouse = loaded[LLAMA / f"llama-bench.{kind}"]
    assert warehouse.status == 0
    tests = {figure["task"]: figure for figure in figures(warehouse)}
    generated = tests["llama-bench tg64"]
    assert generated["throughput_tps"] == pytest.approx(rate) and generated["output_tokens"] == 64.0
    assert generated["latency_s"] == (None if latency is None else pytest.approx(latency))
    assert (generated["dtype"], generated["engine"], generated["prompts"]) == ("Q4_1", "llama.cpp CUDA", prompts)
    table = kind == "md"
    assert (generated["gpu_model"], generated["num_gpus"]) == (("unknown", 0) if table else ("H200", 1))
    assert generated["published_model_id"] == ("llama 256M Q4_1" if table else "SmolLM2-135M-Instruct.Q4_1")
    assert generated["harness_version"].startswith("llama-bench unknown (unknown)")
    assert set(tests) == {"llama-bench tg64"} | (set() if table else {"llama-bench pp128"})


def test_damaged_statements_of_llama_bench_are_refused_and_never_run(tmp_path: Path, warehouse: Path) -> None:
    text = (LLAMA / "llama-bench.sql").read_text()
    torn = text.replace("'Q4_1', ", "", 1) + "\nDROP TABLE llama_bench;\nINSERT INTO llama_bench (n_gen) VALUES ('1');\n"
    (tmp_path / "a.sql").write_text(torn.replace("VALUES ('unknown', '0',", "VALUES ('unknown',", 1))
    assert load(warehouse, tmp_path / "a.sql") == 1
    assert [reason for *_, reason in warehouses.rejects(warehouse)] == ["is no whole statement of llama-bench"] * 2
    assert [figure["task"] for figure in figures(warehouse)] == ["llama-bench tg64"]


def test_a_torn_line_of_the_table_is_refused(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(LLAMA / "llama-bench.md", tmp_path / "a.md")
    with (tmp_path / "a.md").open("a") as file:
        file.write("| llama 256M Q4_1 | 92.10 MiB |\n")
    assert load(warehouse, tmp_path / "a.md") == 1
    assert warehouses.rejects(warehouse) == [(7, None, "has 2 cells, the header has 7")]


def test_scores_of_lm_eval(loaded: Loaded) -> None:
    """A choice, words, perplexities, and a group, whose score stands beside those of its tasks."""
    warehouse = loaded[REAL / "lm_eval_0_4_13"]
    assert warehouse.status == 0
    rows = warehouses.rows(warehouse, "select benchmark, metric, score, stderr, fewshot, version, source from quality order by all").rows()
    third, error = pytest.approx(100 / 3), pytest.approx(21.0818510677892)
    assert rows == [
        ("made", "acc", third, error, 0, "1.0", "lm-eval 0.4.13"),
        ("made_choice", "acc", third, error, 0, "1.0", "lm-eval 0.4.13"),
        ("made_choice", "acc_norm", third, error, 0, "1.0", "lm-eval 0.4.13"),
        ("made_perplexity", "bits_per_byte", 8.007375908077409, None, 0, "1.0", "lm-eval 0.4.13"),
        ("made_perplexity", "byte_perplexity", 257.31217445804526, None, 0, "1.0", "lm-eval 0.4.13"),
        ("made_perplexity", "word_perplexity", 11810837249.28063, None, 0, "1.0", "lm-eval 0.4.13"),
        ("made_words", "exact_match", 0.0, 0.0, 0, "2.0", "lm-eval 0.4.13"),
    ]


def test_scores_of_lighteval(loaded: Loaded) -> None:
    """Since 0.13 `versions` is empty, and the version of a task stands in its configuration; a mean of tasks has none."""
    warehouse = loaded[REAL / "lighteval_0_13"]
    assert warehouse.status == 0
    rows = warehouses.rows(warehouse, "select benchmark, metric, score, stderr, fewshot, version, source from quality order by all").rows()
    assert rows == [
        ("made:_average", "em", 0.0, None, 0, None, "lighteval"),
        ("made:choice", "acc", pytest.approx(100 / 3), pytest.approx(21.0818510677892), 0, "1", "lighteval"),
        ("made:choice", "em", 0.0, 0.0, 0, "1", "lighteval"),
        ("made:words", "em", 0.0, 0.0, 0, "1", "lighteval"),
    ]
    assert warehouses.rows(warehouse, "select distinct model_id from quality").rows() == [("tiny-random",)]
