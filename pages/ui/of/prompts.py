"""Prompts: the list, the answers to one prompt, and its sentences."""

from dataclasses import replace
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.words import figure
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
ONE_PROMPT = "The bar is how far the energy can be off, from the step of the GPU's counter; the address of this page leads to this prompt."


def with_measure(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with `shown_j`, the energy that the switches ask for, least first; as they are where that is `energy_j`."""
    if (measure.per, measure.above_idle) == (DEFAULT.per, DEFAULT.above_idle):
        return answers
    return answers.with_columns(per_prompt(measure).alias("shown_j")).sort("shown_j", nulls_last=True, maintain_order=True)


def with_error(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with energy as labelled values with an interval: `label`, `value`, `value_low`, `value_high`; the first twenty."""
    shown_j = per_prompt(measure)
    half = pl.col("energy_error_j") * per_prompt(replace(measure, above_idle=False)) / pl.col("energy_j")
    named = naming.with_label(answers.filter(shown_j.is_not_null()).head(20))
    values = (shown_j.alias("value"), (shown_j - half).alias("value_low"), (shown_j + half).alias("value_high"))
    return naming.in_short(named.select("label", *values))


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
    joules = "energy not measured" if row["energy_j"] is None else f"{figure(row['energy_j'], 4)} J"
    return f"{joules}, {row['output_tokens']} tokens"
