"""Rows as a page shows them: chosen, named, marked, in screen units. Frames in, frames out; no Streamlit."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl

from prompt_joules.pages.ui import naming
from prompt_joules.pages.ui.titles import LEADERBOARD
from prompt_joules.warehouse.energy_shown import DEFAULT, NUMBERS, Measure, per_prompt
from prompt_joules.warehouse.metrics import Metric

EDITIONS = {"v1": "2023 · v1", "v2": "2024 · v2", "v3": "2026 · v3", "own": "own runs"}


def on_screen(rows: pl.DataFrame, columns: Iterable[str] = NUMBERS) -> pl.DataFrame:
    """Storage units to screen units, e.g. seconds to milliseconds for TTFT. Columns of no metric stay."""
    factors = {key: NUMBERS[key].display_factor for key in columns if key in rows.columns}
    return rows.with_columns(pl.col(key) * factor for key, factor in factors.items() if factor != 1.0)


def in_units_of(rows: pl.DataFrame, metric: Metric, columns: Iterable[str]) -> pl.DataFrame:
    """The named columns all hold values of one metric: to its screen unit."""
    return rows.with_columns(pl.col(column) * metric.display_factor for column in columns if column in rows.columns)


def search(rows: pl.DataFrame, text: str) -> pl.DataFrame:
    """Rows whose model, GPU, task, engine or source contains every word of the text, whatever the case."""
    places = [name for name in ("model_name", "model_id", "gpu_model", "task", "engine", "source") if name in rows.columns]
    haystack = pl.concat_str([pl.col(name).fill_null("") for name in places], separator=" ").str.to_lowercase()
    for word in text.lower().split():
        rows = rows.filter(haystack.str.contains(word, literal=True))
    return rows


def shown(rows: pl.DataFrame, wanted: Iterable[str]) -> list[str]:
    """The columns of a table in order; reasons only where an energy is missing, no empty names, weights where some are random."""
    columns = [name for name in wanted if name in rows.columns]
    if has_random_weights(rows) and "model_name" in columns and "weights" not in columns:
        columns.insert(columns.index("model_name") + 1, "weights")
    if "energy_reason" in columns and rows["energy_reason"].null_count() == rows.height:
        columns.remove("energy_reason")
    return [name for name in columns if name not in ("task", "engine", "model_name") or rows[name].null_count() < rows.height]


def has_random_weights(rows: pl.DataFrame) -> bool:
    """Whether a row is of a model with random weights."""
    return "weights" in rows.columns and bool((rows["weights"] == "dummy").any())


def apart(colour: str) -> list[str]:
    """The columns that keep lines of least squares apart: editions and batch sizes are never one line."""
    return list(dict.fromkeys((colour, "generation", "batch_size")))


def within(rows: pl.DataFrame, limits: Mapping[str, float | None]) -> pl.DataFrame:
    """Rows that keep every limit: at least where more is better, else at most."""
    for key, bound in limits.items():
        if bound is not None:
            rows = rows.filter(pl.col(key) >= bound if NUMBERS[key].better == "higher" else pl.col(key) <= bound)
    return rows


def best_of_each_model(rows: pl.DataFrame, y: str) -> pl.DataFrame:
    """The row of each model with the least of `y`, least first."""
    return rows.sort(y, maintain_order=True).unique("model_id", keep="first", maintain_order=True)


def with_edition(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `edition`, the year and name of the edition; results of other tools have none and are left out."""
    return rows.with_columns(pl.col("generation").replace_strict(EDITIONS, default=None).alias("edition")).filter(
        pl.col("edition").is_not_null()
    )


def batches(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """One row per group: the columns `by` and `batches`, the smallest and the largest batch size in words."""
    low, high = pl.col("batch_size").min(), pl.col("batch_size").max()
    words = pl.when(low == high).then(low.cast(pl.String)).otherwise(pl.format("{} to {}", low, high))
    return rows.group_by(*by).agg(words.alias("batches"))


def bounds_on_screen(limits: Mapping[str, float | None]) -> dict[str, float | None]:
    """Limits from storage to screen units."""
    return {key: None if bound is None else bound * NUMBERS[key].display_factor for key, bound in limits.items()}


def with_formula(rows: pl.DataFrame, formula: pl.Expr | None) -> pl.DataFrame:
    """Adds `formula`, the visitor's own column, where there is one."""
    return rows if formula is None else rows.with_columns(formula.alias("formula"))


def leaderboard(rows: pl.DataFrame, energy: str, picked: Iterable[str]) -> tuple[str, ...]:
    """The columns of the leaderboard; the energy that ranks it, and the visitor's own column, come first.

    Args:
        picked: the columns that the visitor wants besides; empty columns are left out of the usual ones.
    """
    own = ("formula",) if "formula" in rows.columns else ()
    return tuple(dict.fromkeys((*LEADERBOARD[:2], energy, *own, *picked)))


def in_ranges(rows: pl.DataFrame, ranges: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """Rows inside every range; a row that lacks a number is not inside a range of it."""
    return rows.filter(pl.col(key).is_between(low, high) for key, (low, high) in ranges.items()) if ranges else rows


def in_sets(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Adds `set`, the name of the table that a row belongs to: its values of the columns `by`.

    One prompt at a time comes first, then the largest set.
    """
    texts = {"batch_size": pl.format("batch {}", "batch_size"), "prompt_set": pl.format("prompts of {}", "prompt_set")}
    named = rows.with_columns(
        pl.concat_str([texts.get(name, pl.col(name)) for name in by], separator=" · ", ignore_nulls=True).alias("set")
    )
    batched = (pl.col("batch_size") != 1).fill_null(True)
    return named.with_columns(pl.len().over("set").alias("set_size")).sort(
        batched, -pl.col("set_size").cast(pl.Int64), "set", maintain_order=True
    )


def of_several_models(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of sets and sizes that have more than one model: those that say something about models.

    Args:
        rows: with `set` and `size`.
    """
    return rows.filter(pl.col("model_id").n_unique().over("set", "size") > 1)


def in_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `size`, the parameters of the model in words; the size of most models first. Only rows with length and J/token."""
    sized = rows.filter(pl.col("energy_j") > 0, pl.col("output_tokens") > 0, pl.col("params_total_b").is_not_null())
    sized = sized.with_columns(
        pl.format("{} billion parameters", pl.col("params_total_b").round(1).cast(pl.String).str.strip_suffix(".0")).alias("size")
    )
    return sized.with_columns(pl.len().over("size").alias("size_count")).sort(
        "size_count", "size", descending=[True, False], maintain_order=True
    )


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """The distinct texts of a column, in order of appearance."""
    found: list[str] = rows[column].unique(maintain_order=True).to_list()
    return found


def in_setups(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `setup`, what must be alike for prompts to be comparable. First the setups with energy, one prompt at a time, most prompts.

    Args:
        rows: rows of `results` of our own runs.
    """
    batch, prompts = pl.format("batch {}", pl.col("batch_size")), pl.format("prompts of {}", pl.col("prompt_set"))
    setup = pl.concat_str("gpu_model", "engine", batch, prompts, naming.RANDOM, separator=" · ", ignore_nulls=True)
    first = (pl.col("energy_j").is_null().all(), (pl.col("batch_size") != 1).all(), -pl.col("prompts").sum().cast(pl.Int64), pl.len())
    named = rows.with_columns(setup.alias("setup"))
    ranked = named.group_by("setup").agg(place.alias(f"place_{n}") for n, place in enumerate(first)).sort(r"^place_.*$", "setup")
    return ranked.select("setup").join(named, on="setup", maintain_order="left_right")


def is_wide(summary: pl.DataFrame) -> bool:
    """Whether a linear axis would squeeze the typical prompt of some series into its first tenth.

    Args:
        summary: rows of `distribution`, with prompts.
    """
    smallest, typical, largest = summary["minimum"].min(), summary["p50"].min(), summary["maximum"].max()
    numbers = [value for value in (smallest, typical, largest) if isinstance(value, int | float)]
    return len(numbers) == 3 and numbers[0] > 0 and numbers[2] > 10 * numbers[1]


def without_steps(found: pl.DataFrame) -> pl.DataFrame:
    """The percentiles of each series, without the whole distribution.

    Args:
        found: rows of the query `distribution`.
    """
    return found.drop("steps", "top5_share", "least_positive")


def steps_of(found: pl.DataFrame) -> pl.DataFrame:
    """One row per series and step of its distribution: `series`, `top5_share`, `share_of_prompts`, `value`, `share_of_total`.

    Args:
        found: rows of the query `distribution`; a series without a value has no step.
    """
    return found.filter(pl.col("prompts") > 0).select("series", "top5_share", "steps").explode("steps").unnest("steps")


def span(found: pl.DataFrame, log: bool) -> dict[str, float]:
    """The ends of the bins of a histogram in storage units: `low` and `high`, of values above 0 where the axis is logarithmic.

    Args:
        found: rows of the query `distribution`; without a value that can be drawn `low` is above `high`, and no bin is found.
    """
    low, high = found["least_positive" if log else "minimum"].min(), found["maximum"].max()
    return {"low": low, "high": high} if isinstance(low, float) and isinstance(high, float) else {"low": 1.0, "high": 0.0}


def with_prompts(summary: pl.DataFrame) -> pl.DataFrame:
    """The series in which at least one prompt has the number."""
    return summary.filter(pl.col("prompts") > 0)


def with_bars(bins: pl.DataFrame) -> pl.DataFrame:
    """Adds `bar`, a name for each bin of each series."""
    return bins.with_columns(pl.int_range(pl.len()).cast(pl.String).alias("bar"))


def ends_of(bins: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Series, smallest and largest value of each bin: a value on the edge of two belongs to the upper one; the last has both its ends."""
    last = bins["bin_high"].max()
    return [
        (series, low, high if high == last else math.nextafter(high, low))
        for series, low, high in bins.select("series", "bin_low", "bin_high").iter_rows()
    ]


def cut_share(rows: pl.DataFrame) -> float | None:
    """The share of the answers of runs of ours that were cut short; None where it is not known."""
    counted = rows.filter(pl.col("truncated_share").is_not_null())
    answers = int(counted["prompts"].sum())
    return float((counted["truncated_share"] * counted["prompts"]).sum()) / answers if answers else None


def costliest(steps: pl.DataFrame) -> pl.DataFrame:
    """One row per series of a Lorenz curve: the share of the energy of the costliest 5 % of the prompts."""
    return (
        steps.group_by("series", "shown_as", maintain_order=True)
        .agg(pl.col("top5_share").first())
        .sort("top5_share", "series", descending=[True, False])
    )


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
