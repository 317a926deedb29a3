"""Runs of one setup as one result: what they have together, and how far they lie apart.

A mean is that over all answers of the runs, J/token a ratio of sums. Percentiles of several runs are the mean of theirs: the answers
themselves are not read.
"""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from prompt_joules.warehouse.energy_shown import BY_KEY
from prompt_joules.warehouse.metrics import METRICS
from prompt_joules.warehouse.statistics import runs as luck
from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, student

# A ratio, and the column that weighs it: the pooled ratio is that of the weighted means.
RATIOS = {"energy_per_token_j": "output_tokens", "throughput_tps": "latency_s", "power_w": "latency_s"}
LEVELS = 7
VALUE_ENDS, TOKEN_ENDS = ("value_low", "value_high"), ("token_low_j", "token_high_j")


def pooled(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per setup of ours; published results stay as they are.

    Args:
        rows: rows of `results`, with any energy of `energy_shown`.

    Returns:
        The rows in the order of the first of each setup, with `runs`, how many runs are in it (null where it was published), and
        `between_runs`, the standard deviation of ln(J/token) between them (null for one run). Names are of the first run; `prompts` is
        the sum. Rows that are pooled already stay as they are.
    """
    if {"runs", "between_runs"} <= set(rows.columns):
        return rows
    known = rows.with_columns(pl.coalesce("setup", "result_id").alias("together"), pl.int_range(pl.len()).alias("place"))
    numbers = [name for name in rows.columns if name in (METRICS.keys() | BY_KEY.keys()) and name != "prompts"]
    others = [name for name in rows.columns if name not in (*numbers, "prompts", "reasons")]
    weight = pl.col("prompts").fill_null(1).cast(pl.Float64)
    means = [_mean(pl.col(name), weight * _divisor(name, rows.columns)).cast(rows.schema[name]).alias(name) for name in numbers]
    each = known.group_by("together").agg(
        pl.col(others).sort_by("place").first(),
        *means,
        pl.when(pl.col("prompts").count() > 0).then(pl.col("prompts").sum()).alias("prompts"),
        pl.col("reasons").list.explode(keep_nulls=False, empty_as_null=False).unique().sort().alias("reasons"),
        pl.when(pl.col("origin").first() == "measured").then(pl.len()).cast(pl.Int64).alias("runs"),
        pl.col("energy_per_token_j").filter(pl.col("energy_per_token_j") > 0).log().std().alias("between_runs"),
        pl.col("place").min().alias("first_place"),
    )
    return each.sort("first_place").select(*rows.columns, "runs", "between_runs")


def _mean(value: pl.Expr, weight: pl.Expr) -> pl.Expr:
    """The weighted mean over the rows that have the value; a single row's as it is, null where none has it."""
    total = pl.when(value.is_not_null()).then(weight).sum()
    return pl.when(value.count() == 1).then(value.drop_nulls().first()).when(total > 0).then((value * weight).sum() / total)


def _divisor(name: str, columns: Sequence[str]) -> pl.Expr:
    over = RATIOS.get(name)
    return pl.col(over).cast(pl.Float64) if over in columns and over is not None else pl.lit(1.0)


def spreads(each: pl.DataFrame) -> pl.DataFrame:
    """The spread over answers of each setup, out of that of its runs.

    Args:
        each: rows of the query `spreads`.

    Returns:
        One row per setup: `setup`, `divided`, `answers`, `answers_per_prompt` (over all its runs), `mean`, `stddev`, `spread`.
    """
    weight = pl.col("answers")
    levels = [((pl.col("spread").list.get(place) * weight).sum() / weight.sum()).alias(f"level_{place}") for place in range(LEVELS)]
    mean = (pl.col("mean") * weight).sum() / weight.sum()
    squares = ((weight - 1) * pl.col("stddev").fill_null(0) ** 2 + weight * pl.col("mean") ** 2).sum()
    found = each.group_by("setup").agg(
        pl.col("divided").any(), weight.sum(), pl.col("answers_per_prompt").sum(), mean.alias("mean"), squares.alias("squares"), *levels
    )
    variance = (pl.col("squares") - pl.col("answers") * pl.col("mean") ** 2) / (pl.col("answers") - 1)
    spread = pl.concat_list(f"level_{place}" for place in range(LEVELS))
    return found.select(
        "setup",
        "divided",
        "answers",
        "answers_per_prompt",
        "mean",
        pl.when(pl.col("answers") > 1).then(variance.clip(lower_bound=0).sqrt()).alias("stddev"),
        spread.alias("spread"),
    ).sort("setup")


def with_intervals(
    rows: pl.DataFrame, spread: pl.DataFrame, key: str, repetitions: pl.DataFrame, known: luck.Known | None = None
) -> pl.DataFrame:
    """Adds `spread`, `answers`, and two 95 % intervals: `value_low`, `value_high` of a mean energy per answer, and `token_low_j`,
    `token_high_j` of J/token.

    Student's t over answers, answers to one prompt counted once, what the runs add (`statistics.runs`), and the calibration of the meter,
    as a factor. Neither is there
    for published averages and for fewer than five prompts; of energy that a rule divided only J/token has one, over windows.

    Args:
        rows: of `pooled`.
        spread: of `spreads`.
        key: the column of the mean.
        repetitions: rows of the query `repetitions`.
        known: what `runs.known` makes of them; made here if None.
    """
    known, each = known or luck.known(repetitions), _of_runs(repetitions)
    joined = rows.join(spread, on="setup", how="left", maintain_order="left").join(each, on="setup", how="left", maintain_order="left")
    ends = [_ends(row, row[key], known) | _token_ends(row, known) for row in joined.iter_rows(named=True)]
    drop = ("logs", "divided", "answers_per_prompt", "mean", "stddev", "error", "units", "calibration")
    return joined.drop(*drop).hstack(pl.DataFrame(ends, schema=dict.fromkeys((*VALUE_ENDS, *TOKEN_ENDS), pl.Float64), orient="row"))


def _of_runs(repetitions: pl.DataFrame) -> pl.DataFrame:
    """One row per setup: `logs`, ln(J/token), card and answers of its valid runs; `error`, the standard error of their mean within
    the runs; `units`.

    The same prompts are in every run, so more runs leave the error of the choice of prompts as it is.
    """
    counted = repetitions.filter("valid", pl.col("energy_per_token_j") > 0)
    return counted.group_by("setup").agg(
        pl.struct(pl.col("energy_per_token_j").log().alias("ln"), "card", weight=pl.col("measured").cast(pl.Float64)).alias("logs"),
        pl.col("token_log_error").mean().alias("error"),
        pl.col("token_units").min().alias("units"),
        pl.col("calibration").max(),
    )


def _ends(row: dict[str, Any], value: float | None, known: luck.Known) -> dict[str, float | None]:
    nothing: dict[str, float | None] = dict.fromkeys(VALUE_ENDS)
    if not value or value <= 0 or row["divided"] or row["divided"] is None or row["stddev"] is None:
        return nothing
    prompts = row["answers"] // max(row["answers_per_prompt"], 1)
    if prompts < FEWEST_UNITS:
        return nothing
    reach = student(prompts - 1) * row["stddev"] / row["mean"] / math.sqrt(prompts)
    return _around(value, reach, row, known, VALUE_ENDS)


def _token_ends(row: dict[str, Any], known: luck.Known) -> dict[str, float | None]:
    value, error, units = row["energy_per_token_j"], row["error"], row["units"]
    if row["origin"] != "measured" or not value or value <= 0 or error is None or (units or 0) < FEWEST_UNITS:
        return dict.fromkeys(TOKEN_ENDS)
    return _around(value, student(units - 1) * error, row, known, TOKEN_ENDS)


def _around(value: float, reach: float, row: dict[str, Any], known: luck.Known, names: tuple[str, str]) -> dict[str, float | None]:
    """The ends around a value, wider by what its runs add and the meter is off in all of it.

    Args:
        reach: half the width over prompts, as a logarithm.
    """
    side = [luck.Run(**run) for run in row["logs"] or ()]
    of_runs = luck.of_mean(side, known.of([row["harness_version"]])) if side else None
    half = math.hypot(reach, of_runs.reach if of_runs is not None else 0.0, row["calibration"] or 0.0)
    return dict(zip(names, (value * math.exp(-half), value * math.exp(half)), strict=True))
