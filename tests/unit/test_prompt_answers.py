"""Answers to one prompt: those of one setup are one row, with their median, their ends and how far they can be off."""

import polars as pl
import pytest

from prompt_joules.pages.ui.of import prompts as room
from prompt_joules.warehouse.energy_shown import DEFAULT, DIVIDED, MEASURED, Measure


def answers(batch: int, joules: list[float | None], engine: str = "vllm") -> pl.DataFrame:
    """Answers of one setup with these energies, each off by 1 J at most."""
    alike = {
        "model_name": "m",
        "gpu_model": "H200",
        "num_gpus": 1,
        "dtype": "float16",
        "task": "chat",
        "engine": engine,
        "batch_size": batch,
    }
    alike |= {"prompt_set": "default", "weights": "pretrained", "source": "Prompt Joules", "harness_version": "2.1"}
    of_each = {"energy_j": joules, "energy_error_j": [None if value is None else 1.0 for value in joules]}
    lengths = {name: [10 * (place + 1) for place in range(len(joules))] for name in ("output_tokens", "input_tokens", "output_words")}
    texts = {"output_chars": [40] * len(joules), "energy_reason": [None] * len(joules), "energy_above_idle_j": [None] * len(joules)}
    texts |= {"energy_above_active_idle_j": [None] * len(joules)}
    return pl.DataFrame(of_each | lengths | texts).with_columns(pl.lit(value).alias(name) for name, value in alike.items())


def setups(*frames: pl.DataFrame, measure: Measure = DEFAULT) -> pl.DataFrame:
    return room.by_setup(room.with_error(room.named(pl.concat(frames, how="vertical_relaxed"), measure), measure))


def test_answers_of_a_setup_are_one_row_with_their_median() -> None:
    found = setups(answers(256, [3.0, 2.0, 9.0, None]), answers(1, [100.0], engine="transformers-eager"), answers(8, [5.0]))
    assert found.select("engine", "batch_size", "answers", "energy_is", "p50", "minimum", "maximum").rows() == [
        ("transformers-eager", 1, 1, MEASURED, 100.0, 100.0, 100.0),
        ("vllm", 256, 3, DIVIDED, 3.0, 2.0, 9.0),
        ("vllm", 8, 1, DIVIDED, 5.0, 5.0, 5.0),
    ]
    assert found.select("value_low", "value_high").rows() == [(99.0, 101.0), (1.0, 10.0), (4.0, 6.0)], "with what each can be off"
    assert found["output_tokens"].to_list() == [10.0, 20.0, 10.0]
    assert found["energy_mark"].to_list() == ["", "÷", "÷"]
    assert [name.endswith("median of 3") for name in found["shown_as"]] == [False, True, False]
    assert room.are_repeated(found) and not room.are_repeated(found.filter(pl.col("answers") == 1))


def test_per_token_the_median_is_that_of_each_answers_own_ratio() -> None:
    found = setups(answers(8, [10.0, 40.0, 90.0]), measure=Measure(per="output token"))
    assert found["p50"].to_list() == pytest.approx([2.0])
    assert (found["minimum"].item(), found["maximum"].item()) == pytest.approx((1.0, 3.0))


def test_without_energy_there_is_no_row() -> None:
    assert setups(answers(8, [None, None])).is_empty()
