"""Runs of one setup as one result: what they have together, and how far they lie apart.

In a mean every prompt counts once, however often it was asked: answers to a prompt that several runs asked weigh together as much as the
one answer to another. J/token is a ratio of such sums, and the ingest keeps percentiles of all answers of a setup that are weighed so.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from prompt_joules.warehouse.energy_shown import BY_KEY, GROSS, Measure
from prompt_joules.warehouse.metrics import METRICS
from prompt_joules.warehouse.statistics import runs as luck
from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, student

# Means whose sums the query `evened` has, over what; `_evened` adds the energies.
EVENED = {
    "output_tokens": ("output_tokens", "answers"),
    "input_tokens": ("input_tokens", "answers"),
    "latency_s": ("latency_s", "answers"),
    "ttft_s": ("ttft_s", "ttfts"),
    "tpot_s": ("tpot_s", "tpots"),
    "throughput_tps": ("output_tokens", "busy_s"),
    "power_w": ("energy_j", "measured_latency_s"),
}
EVENED_PER = {
    "response": "measured",
    "output token": "measured_output_tokens",
    "total token": "measured_total_tokens",
    "word": "measured_words",
    "character": "measured_chars",
}
# The columns that weigh a run: the sums of the query `evened`, and what the energy of the query `energies` was divided by.
EVEN, PARTS = WEIGHTS = ("evened", "measure_parts")
# Columns of what is known of a whole setup: this and the name of the number.
OF_SETUP = "of_setup_"
# The columns of the query `setup_percentiles`, by the statistic that they are.
PERCENTILES = {"median": "p50", "p90": "p90", "p95": "p95", "p99": "p99"}
VALUE_ENDS, TOKEN_ENDS = ("value_low", "value_high"), ("token_low_j", "token_high_j")


def pooled(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per setup of ours; published results stay as they are.

    Args:
        rows: rows of `results`, with any energy of `energy_shown`; `evened` of that query for runs of setups whose prompts were asked
            unequally often, without which every answer counts once; `measure_parts`, the `parts` of the query `energies`; what
            `with_percentiles` adds, without which a percentile of several runs is null: theirs do not tell it.

    Returns:
        The rows in the order of the first of each setup, with `runs`, how many runs are in it (null where it was published), and
        `between_runs`, the standard deviation of ln(J/token) between them (null for one run). Names are of the first run; `prompts` is
        the sum. Rows that are pooled already stay as they are.
    """
    if {"runs", "between_runs"} <= set(rows.columns):
        return rows
    known = rows.with_columns(pl.coalesce("setup", "result_id").alias("together"), pl.int_range(pl.len()).alias("place"))
    kept = [name for name in rows.columns if name not in WEIGHTS and not name.startswith(OF_SETUP)]
    numbers = [name for name in kept if name in (METRICS.keys() | BY_KEY.keys()) and name != "prompts"]
    others = [name for name in kept if name not in (*numbers, "prompts", "reasons")]
    has_evened = EVEN in rows.columns and rows[EVEN].null_count() < rows.height
    together = [_together(name, rows.columns, has_evened).cast(rows.schema[name]).alias(name) for name in numbers]
    each = known.group_by("together").agg(
        pl.col(others).sort_by("place").first(),
        *together,
        pl.when(pl.col("prompts").count() > 0).then(pl.col("prompts").sum()).alias("prompts"),
        pl.col("reasons").list.explode(keep_nulls=False, empty_as_null=False).unique().sort().alias("reasons"),
        pl.when(pl.col("origin").first() == "measured").then(pl.len()).cast(pl.Int64).alias("runs"),
        pl.col("energy_per_token_j").filter(pl.col("energy_per_token_j") > 0).log().std().alias("between_runs"),
        pl.col("place").min().alias("first_place"),
    )
    return each.sort("first_place").select(*kept, "runs", "between_runs")


def with_percentiles(rows: pl.DataFrame, kept: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Rows of `results` with the percentiles of their setups, which `pooled` takes.

    Args:
        kept: rows of the query `setup_percentiles`, per and of the idle power of the measure.
    """
    names = {column: OF_SETUP + replace(measure, statistic=statistic).key for statistic, column in PERCENTILES.items()}
    return rows.join(kept.rename(names), on="setup", how="left", maintain_order="left")


def of_whole_setups(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of runs with the percentiles that `with_percentiles` added, where there are some, in place of their own."""
    known = [name.removeprefix(OF_SETUP) for name in rows.columns if name.startswith(OF_SETUP)]
    taken = [
        pl.when(pl.col(name).is_not_null()).then(pl.coalesce(OF_SETUP + name, name)).alias(name) for name in known if name in rows.columns
    ]
    return rows.with_columns(taken).drop(OF_SETUP + name for name in known)


def _together(name: str, columns: Sequence[str], has_evened: bool) -> pl.Expr:
    is_percentile = name in BY_KEY and BY_KEY[name].statistic in PERCENTILES
    return _percentile(name, columns) if is_percentile else _mean(name, columns, has_evened)


def _percentile(name: str, columns: Sequence[str]) -> pl.Expr:
    """That of the setup; a single row's as it is where the setup has none of its own; null where no row has it."""
    value = pl.col(name)
    alone = pl.when(value.count() == 1).then(value.drop_nulls().first())
    if OF_SETUP + name not in columns:
        return alone
    of_setup = pl.col(OF_SETUP + name).first()
    return pl.when(value.count() > 0).then(pl.coalesce(of_setup, alone))


def _mean(name: str, columns: Sequence[str], has_evened: bool) -> pl.Expr:
    """The mean of a number over the rows that have it; a single row's as it is, null where none has it.

    A row weighs by its prompts, or as `evened` says: its sum and what that is divided by.
    """
    value, weight = pl.col(name), pl.col("prompts").fill_null(1).cast(pl.Float64) * _divisor(name, columns)
    weight = pl.when(value.is_not_null()).then(weight)
    total, is_single = (value * weight), value.count() == 1
    if has_evened and (fields := _evened(name)) is not None:
        above, below = (pl.col(EVEN).struct.field(field) for field in fields)
        is_evened = value.is_not_null() & above.is_not_null() & (below > 0)
        total, weight = pl.when(is_evened).then(above).otherwise(total), pl.when(is_evened).then(below).otherwise(weight)
        is_single = is_single & ~is_evened.any()
    return pl.when(is_single).then(value.drop_nulls().first()).when(weight.sum() > 0).then(total.sum() / weight.sum())


def _evened(name: str) -> tuple[str, str] | None:
    """The fields of `evened` that a mean is the ratio of; None for a number that it does not have."""
    measure = BY_KEY.get(name)
    if measure is None or measure.statistic != "mean":
        return EVENED.get(name)
    energy = "energy_j" if measure.idle == GROSS else f"energy_{measure.idle.replace(' ', '_')}_j"
    return energy, EVENED_PER[measure.per]


def _divisor(name: str, columns: Sequence[str]) -> pl.Expr:
    measure = BY_KEY.get(name)
    if PARTS in columns and measure is not None and not measure.is_kept and measure.statistic == "mean":
        return pl.col(PARTS) / pl.col("prompts").fill_null(1)
    over = METRICS[name].divisor if name in METRICS else None
    return pl.col(over).cast(pl.Float64) if over in columns and over is not None else pl.lit(1.0)


def spreads(each: pl.DataFrame) -> pl.DataFrame:
    """The spread over answers of each setup, out of that of its runs.

    Args:
        each: rows of the query `spreads`.

    Returns:
        One row per setup: `setup`, `divided`, `answers`, `answers_per_prompt` (over all its runs), `mean`, `stddev`, `asked_prompts` and
        `prompt_stddev` (null where every prompt was asked as often), `spread`.
    """
    weight = pl.col("answers")
    mean = (pl.col("mean") * weight).sum() / weight.sum()
    squares = ((weight - 1) * pl.col("stddev").fill_null(0) ** 2 + weight * pl.col("mean") ** 2).sum()
    found = each.group_by("setup").agg(
        pl.col("divided").any(),
        weight.sum(),
        pl.col("answers_per_prompt").sum(),
        mean.alias("mean"),
        squares.alias("squares"),
        pl.col("asked_prompts", "prompt_stddev", "spread").first(),
    )
    variance = (pl.col("squares") - pl.col("answers") * pl.col("mean") ** 2) / (pl.col("answers") - 1)
    stddev = pl.when(pl.col("answers") > 1).then(variance.clip(lower_bound=0).sqrt())
    return found.with_columns(stddev.alias("squares")).rename({"squares": "stddev"}).sort("setup")


def with_intervals(
    rows: pl.DataFrame, spread: pl.DataFrame, key: str, repetitions: pl.DataFrame, known: luck.Known | None = None
) -> pl.DataFrame:
    """Adds `spread`, `answers`, and two 95 % intervals: `value_low`, `value_high` of a mean energy per answer, and `token_low_j`,
    `token_high_j` of J/token.

    Student's t over answers, answers to one prompt counted once (over the means of prompts that were asked unequally often), what the
    runs add (`statistics.runs`), and the calibration of the meter, as a factor. Neither is there for published averages and for too few
    prompts (`intervals.Sums.is_enough`; the ingest keeps no `token_log_error` of such a run); of energy that a rule divided only J/token
    has one, over windows.

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
    drop = ("logs", "divided", "answers_per_prompt", "mean", "stddev", "asked_prompts", "prompt_stddev", "error", "units", "calibration")
    return joined.drop(*drop).hstack(pl.DataFrame(ends, schema=dict.fromkeys((*VALUE_ENDS, *TOKEN_ENDS), pl.Float64), orient="row"))


def _of_runs(repetitions: pl.DataFrame) -> pl.DataFrame:
    """One row per setup: `logs`, ln(J/token), card and answers of its valid runs; `error`, the standard error of their mean within
    the runs; `units`.

    The same prompts are in every run, so more runs leave the error of the choice of prompts as it is.
    """
    counted = repetitions.filter("valid", pl.col("energy_per_token_j") > 0)
    return counted.group_by("setup").agg(
        pl.struct(pl.col("energy_per_token_j").log().alias("ln"), "card", "search", weight=pl.col("measured").cast(pl.Float64)).alias(
            "logs"
        ),
        pl.col("token_log_error").mean().alias("error"),
        pl.col("token_units").min().alias("units"),
        pl.col("calibration").max(),
    )


def _ends(row: dict[str, Any], value: float | None, known: luck.Known) -> dict[str, float | None]:
    nothing: dict[str, float | None] = dict.fromkeys(VALUE_ENDS)
    if not value or value <= 0 or row["divided"] or row["divided"] is None or row["stddev"] is None:
        return nothing
    uneven = row["prompt_stddev"] is not None
    prompts = row["asked_prompts"] if uneven else row["answers"] // max(row["answers_per_prompt"], 1)
    if prompts < FEWEST_UNITS or row["error"] is None:
        return nothing
    varies = row["prompt_stddev"] / value if uneven else row["stddev"] / row["mean"]
    reach = student(max(prompts / (1 + varies**2) - 1, 1)) * varies / math.sqrt(prompts)
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
