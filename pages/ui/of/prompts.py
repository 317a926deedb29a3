"""Prompts: the list, the answers to one prompt, and its sentences."""

from dataclasses import replace
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming, words
from prompt_joules.pages.ui.pure.words import figure
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import DEFAULT, Measure, per_prompt

LISTED = ("prompt_id", "prompt_text", "times_run_mean", "energy_j", "answers", "models", "input_tokens", "output_tokens", "prompt_set")
ANSWERS = (
    "model_name",
    "task",
    "gpu_model",
    "engine",
    "energy_j",
    "shown_j",
    "energy_error_j",
    "output_tokens",
    "energy_per_token_j",
    "power_w",
    "latency_s",
    "cut",
    "input_tokens",
    "reasons",
    "energy_reason",
    "prompt_set",
)
MOST_DRAWN, MOST_TEXTS = 20, 8
DIVIDED = (
    "Answers marked ÷ shared the GPU with others: their energy was measured for all of these at once and divided by a rule. They stand "
    "after the answers that had the GPU for themselves."
)
ONE_PROMPT = "The bar is how far the energy can be off, from the step of the GPU's counter; the address of this page leads to this prompt."


def named(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with `label` and `shown_as`, with `energy_is`, and `shown_j` where the switches ask for another energy than `energy_j`.

    What is measured comes first, least energy first; what was divided by a rule comes after it, and what has no energy last.

    Args:
        answers: rows of `prompt_answers`.
    """
    rows = naming.in_short(naming.with_label(energy_shown.without_forced(answers)))
    rows = rows.with_columns(energy_shown.kind("energy_j", rows.columns).alias("energy_is"))
    key = "energy_j"
    if (measure.per, measure.above_idle) != (DEFAULT.per, DEFAULT.above_idle):
        key = "shown_j"
        rows = rows.with_columns(per_prompt(measure).alias(key))
    order = pl.col("energy_is").cast(pl.Enum(list(energy_shown.KINDS)))
    return rows.sort(pl.col(key).is_null(), order, key, nulls_last=True, maintain_order=True)


def with_error(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with energy as labelled values with an interval: `value`, `value_low`, `value_high`; the first MOST_DRAWN.

    Args:
        answers: of `named`.
    """
    shown_j = per_prompt(measure)
    half = pl.col("energy_error_j") * per_prompt(replace(measure, above_idle=False)) / pl.col("energy_j")
    values = (shown_j.alias("value"), (shown_j - half).alias("value_low"), (shown_j + half).alias("value_high"))
    return answers.filter(shown_j.is_not_null()).head(MOST_DRAWN).select("label", "shown_as", "energy_is", *values)


def with_texts(answers: pl.DataFrame) -> pl.DataFrame:
    """The answers whose texts were kept."""
    return answers.filter(pl.col("output_text").is_not_null())


def more(known: int, most: int, where: str) -> str:
    """How many more there are than are shown, and where; empty where all are shown."""
    return f"And {words.count(known - most, 'more answer')}, {where}." if known > most else ""


def prompt_list(height: int) -> str:
    """What the list of prompts is."""
    most = " (at most 200 are listed)" if height >= 200 else ""
    return (
        f"{height:,} prompts{most}. First come those whose texts were kept, and of them those that cost the most for their runs: 2 means "
        "that its answers took twice the mean of their runs. Energy and tokens are means over all answers that the filters leave. Click a "
        "row to see its answers."
    )


def energy(row: dict[str, Any]) -> str:
    """Energy and length of one answer."""
    mark = energy_shown.MARKS.get(row["energy_is"], "")
    joules = "energy not measured" if row["energy_j"] is None else f"{mark} {figure(row['energy_j'], 4)} J".strip()
    return f"{joules}, {row['output_tokens']} tokens"
