"""What a column is: unit and meaning, of every frame and file that the project gives."""

from typing import Any

import polars as pl

from prompt_joules.bench.record import BY_NAME
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import NUMBERS

# Columns that are neither numbers of a result nor columns of a row: unit and meaning.
MEANINGS: dict[str, tuple[str, str]] = {
    "result_id": ("", "name of the configuration: run:… is ours, published:… is a row of a table"),
    "origin": ("", "published, or measured by us"),
    "source": ("", "who measured it"),
    "a": ("", "the task on side A"),
    "b": ("", "the task on side B"),
    "pairs": ("", "prompts that were answered on both sides"),
    "dropped": ("", "prompts that are in no pair"),
    "more": ("", "pairs that cost more on side B"),
    "more_share": ("1", "share of the pairs that cost more on side B"),
    "answers_per_prompt": ("", "how many answers to one prompt there can be: runs of one prompt set times repetitions"),
    "divided": ("", "whether energy of a run was divided by a rule among answers given together"),
    **{
        f"p{level}_{end}": (
            "",
            f"{end} end of the 95 % interval of the p{level} over prompts, in the unit of the metric; null for no such end",
        )
        for level in (50, 95)
        for end in ("low", "high")
    },
    "median_change": ("1", "median over the pairs of energy B / energy A − 1"),
    **{
        f"{name}{end}": ("1", meaning)
        for name in ("median_change", "whole_change", "total_change")
        for end, meaning in {
            "_low": "lower end of its 95 % interval, with the spread between runs where it is known",
            "_high": "upper end of its 95 % interval, with the spread between runs where it is known",
            "_within_low": "lower end of its 95 % interval over what was measured by itself, in these runs",
            "_within_high": "upper end of its 95 % interval over what was measured by itself, in these runs",
        }.items()
    },
    "whole_change": ("1", "median change over the pairs whose answers are both whole"),
    "total_change": ("1", "energy of all answers together on side B over that on side A, − 1"),
    "whole_pairs": ("", "pairs in which no answer was cut short"),
    "least_change": ("1", "what median_change would be at least, whatever the cut answers would have cost; null: no bound"),
    "most_change": ("1", "what median_change would be at most, whatever the cut answers would have cost; null: no bound"),
    "cut_a": ("", "pairs whose answer on side A was cut short"),
    "cut_b": ("", "pairs whose answer on side B was cut short"),
    "cut_either": ("", "pairs in which an answer was cut short"),
    "runs": ("", "runs behind it"),
    "runs_a": ("", "runs of side A"),
    "runs_b": ("", "runs of side B"),
    "basis": (
        "",
        "what the intervals are about: across runs (and cards, or on different cards), or one run, with or without the spread known",
    ),
    "shared": ("", "whether the energy was divided among the prompts of a window: then only the totals are compared"),
    "change": ("1", "energy of all pairs on side B / on side A − 1"),
    "length_change": ("1", "tokens of all pairs on side B / on side A − 1"),
    "energy_a_j": ("J", "mean energy of a response on side A"),
    "energy_b_j": ("J", "mean energy of a response on side B"),
    "output_tokens_a": ("token", "mean length of a response on side A"),
    "output_tokens_b": ("token", "mean length of a response on side B"),
    "energy_per_token_a_j": ("J/token", "energy over tokens on side A"),
    "energy_per_token_b_j": ("J/token", "energy over tokens on side B"),
    "energy_effect_log": ("1", "ln(energy of all pairs on side B / on side A): the sum of the next two"),
    "length_effect_log": ("1", "ln(tokens of all pairs on side B / on side A)"),
    "token_effect_log": ("1", "ln(J/token of all pairs on side B / on side A)"),
    "measure_reason": ("", "why the energy that was asked for is empty"),
    "series": ("", "what the prompts have in common"),
    "unmeasured": ("", "prompts that lack the number"),
    "least_positive": ("", "smallest above 0, in the metric's unit"),
    "steps": ("", "the whole distribution: share_of_prompts have at most value and share_of_total of the sum"),
    "top5_share": ("1", "share of the sum that the largest 5 % of the prompts have"),
}


def meaning_of(name: str, comments: dict[str, str]) -> tuple[str, str]:
    """Unit (base SI, "" for names and counts) and meaning of a column.

    Args:
        name: the column.
        comments: what the warehouse says of its columns.
    """
    if name in MEANINGS:
        return MEANINGS[name]
    if name in NUMBERS:
        return NUMBERS[name].unit, NUMBERS[name].meaning
    if name in BY_NAME:
        return BY_NAME[name].unit, BY_NAME[name].meaning
    return "", comments.get(name, "")


def columns(schema: pl.Schema, warehouse: str) -> list[dict[str, Any]]:
    """Name, type, unit and meaning of the columns of rows of a warehouse, for a file beside them. Raises WarehouseError."""
    known = query.load("columns", None, warehouse)
    comments = dict(known.filter(pl.col("meaning") != "").select("column", "meaning").iter_rows())
    found = []
    for name, kind in schema.items():
        unit, meaning = meaning_of(name, comments)
        found.append({"name": name, "type": str(kind), "unit": unit, "meaning": meaning})
    return found
