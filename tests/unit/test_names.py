"""What people call engines and prompt sets."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.narrowings import Contains
from prompt_joules.warehouse import called
from tests import warehouses


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("transformers-eager", "Eager"),
        ("transformers-compiled:searched", "Compiled (searched)"),
        ("vllm", "vLLM"),
        ("llama.cpp", "llama.cpp"),
        ("an engine of others", "an engine of others"),
    ],
)
def test_an_engine_has_one_name(engine: str, said: str) -> None:
    assert called.engine(engine) == said == called.engine(said)
    assert naming.in_words(f"chat · {engine} · batch 1") == f"chat · {said} · batch 1"
    rows = pl.DataFrame(
        {"model_name": ["m"], "model_id": ["m"], "gpu_model": ["H200"], "task": ["chat"], "engine": [engine], "source": ["a"]}
    )
    assert Contains(engine).apply(rows).height == Contains(said).apply(rows).height == 1, "found by either name"


def test_an_engine_that_is_not_known_stays_unknown() -> None:
    rows = pl.DataFrame({"engine": [None, "vllm"]}, schema={"engine": pl.String})
    assert rows.select(naming.engine())["engine"].to_list() == [None, "vLLM"]


def test_one_row_without_a_name_is_named_by_what_it_has() -> None:
    row = {
        "model_name": "m",
        "gpu_model": "A40",
        "num_gpus": 1,
        "dtype": None,
        "task": "chat",
        "engine": None,
        "batch_size": 1,
        "prompt_set": None,
    }
    row |= {"weights": None, "harness_version": None, "source": "ML.ENERGY v1"}
    rows = pl.DataFrame([row], infer_schema_length=None)
    assert rows.schema["prompt_set"] == pl.Null, "a row out of a dictionary has columns without a type"
    assert naming.with_label(rows)["label"].to_list() == ["m · A40 · chat · batch 1 · ML.ENERGY v1"]
    assert rows.select(naming.prompts_of())["prompt_set"].to_list() == [None]


def test_names_of_results_say_sets_in_words_and_of_old_links_too() -> None:
    assert naming.in_words("m · transformers-compiled:searched · sharegpt-200") == "m · Compiled (searched) · 200 of ShareGPT"
    assert naming.in_words("H100 · prompts of default") == "H100 · built-in prompts"
    assert naming.short(["a · vllm · x", "a · transformers-eager · x"]) == {"a · vllm · x": "vLLM", "a · transformers-eager · x": "Eager"}


def test_prompts_asked_from_a_file_of_their_own_count_to_their_set(shipped_warehouse: Path) -> None:
    asked = warehouses.rows(
        shipped_warehouse,
        "select runs.harness_version as protocol, requests.prompt_set_sha256 as file, runs.prompt_set_sha256 as of_set, prompt_id, "
        "runs.task, runs.seed from requests join runs using (run_number) where runs.prompt_set = 'sharegpt-200' and runs.gpu = 'H200'",
    )
    assert asked["of_set"].n_unique() == 1, "one set"
    in_parts = asked.filter(pl.col("protocol") == "2.1", pl.col("task").str.starts_with("instruct"), pl.col("seed") < 2)
    files = {file: set(rows["prompt_id"]) for (file,), rows in in_parts.group_by("file")}
    assert sorted(map(len, files.values())) == [70, 130] and not set.intersection(*files.values())
    whole = asked.filter(pl.col("task") == "chat", pl.col("seed") == 0)
    assert set.union(*files.values()) == set(whole["prompt_id"]), "the parts are the set"
