"""What models are called in the filter."""

import polars as pl
import pytest

from prompt_joules.pages.ui.pure import models
from prompt_joules.pages.ui.pure.narrowings import Contains

ROWS = pl.DataFrame(
    [
        ("model", "lmsys/vicuna-13B", "vicuna-13B", "LLaMA", 13.0, False),
        ("model", "lmsys/vicuna-7B", "vicuna-7B", "LLaMA", 7.0, False),
        ("model", "metaai/llama-7B", "llama-7B", "LLaMA", 7.0, False),
        ("model", "llama-3.1-8b", "llama-3.1-8b", "Llama 3", 8.0, True),
        ("model", "meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 8B Instruct", "Llama 3", 8.0, False),
        ("model", "org/same", "Same", "other", None, False),
        ("model", "us/same", "Same", "other", None, False),
        ("gpu", "A40", "A40", None, None, None),
    ],
    schema=["kind", "value", "label", "family", "params_total_b", "is_random"],
    orient="row",
)


def test_families_stand_together_and_small_models_come_first() -> None:
    assert list(models.names(ROWS).values()) == [
        "llama 7B",
        "LLaMA · vicuna 7B",
        "LLaMA · vicuna 13B",
        "Llama 3.1 8B Instruct",
        "llama 3.1 8B · random weights",
        "Same · org/same",
        "Same · us/same",
    ]


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("vicuna-7b", "vicuna 7B"),
        ("smollm2-135m", "smollm 2 135M"),
        ("gpt4all-13b-snoozy", "gpt4all 13B snoozy"),
        ("Mixtral 8x7B", "Mixtral 8x7B"),
    ],
)
def test_names_are_spelled_in_one_way(name: str, spelled: str) -> None:
    assert models.spelled(name) == spelled


@pytest.mark.parametrize("typed", ["vicuna 7B", "vicuna-7b", "VICUNA_7B", "lmsys 7b"])
def test_a_search_finds_a_model_however_it_is_spelled(typed: str) -> None:
    rows = pl.DataFrame({"model_name": ["vicuna-7B", "vicuna-13B"], "model_id": ["lmsys/vicuna-7B", "lmsys/vicuna-13B"]})
    assert Contains(typed).apply(rows)["model_name"].to_list() == ["vicuna-7B"]
