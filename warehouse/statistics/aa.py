"""Does anything show a difference where there is none? Configurations against themselves: A/A checks of Compare, pairs and fits.

Two halves of one run differ by the choice of prompts alone; two runs of one setup also by their luck. Of intervals of 95 % one in twenty
may miss; more is a fault of the intervals, and so of every difference that they show. For a check of two runs the luck of runs is taken
from other setups only: the setup that is judged must not be evidence for itself, nor a setup that was answered in turns with it. Setups
of the same passes share order, card and luck, so their checks are not independent: `shares` says how many comparisons there are without
that.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, cost, pairs, runs
from prompt_joules.warehouse.statistics.estimates import runs_of
from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, SEED

HALVES, TWO_RUNS = "two halves of a run", "two runs of a setup"
COMPARE, PAIRS, COST = "Compare", "pairs", "cost of a token"
MEASURES = (Measure(), Measure(per="output token"), Measure(statistic="median"))
SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("check", "of", "number", "result_id"), pl.String),
    "sessions": pl.List(pl.String),
    **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
    "shown": pl.Boolean,
}


def telling(repetitions: pl.DataFrame, most: int = 60) -> pl.DataFrame:
    """The runs that say most, where there are too many to check all: those of setups that were run more than once, then those with most
    prompts.

    Args:
        repetitions: rows of the query `repetitions`.
    """
    again = pl.len().over("setup")
    return repetitions.filter("valid").sort(again > 1, "measured", "result_id", descending=[True, True, False]).head(most)


def checks(units: pl.DataFrame, cost_units: pl.DataFrame, repetitions: pl.DataFrame, splits: int = 1) -> pl.DataFrame:
    """Every configuration against itself.

    Args:
        units: rows of the query `units` of all runs, each by itself (`pooled` false).
        cost_units: rows of the query `cost_units`, likewise.
        repetitions: rows of the query `repetitions`.
        splits: how often each run is halved, each time anew.

    Returns:
        One row per check that has an interval: `check` (what was asked: Compare, pairs, cost of a token), `of` (two halves or two runs),
        `number`, `result_id` (of the first run), `sessions` (passes of the runs, or the runs themselves), `estimate`, `low`, `high` (of a
        ratio, a change less 1, or a difference over its mean), and `shown`, whether it shows a difference.
    """
    found = [*halves(units, cost_units, splits), *two_runs(units, cost_units, repetitions)]
    session = dict(repetitions.select("result_id", pl.coalesce("pass_id", "result_id").alias("session")).iter_rows())
    named = [row | {"sessions": [session.get(name, name) for name in row["sessions"]]} for row in found]
    return pl.DataFrame(named, schema=SCHEMA, orient="row")


def shares(found: pl.DataFrame) -> pl.DataFrame:
    """How many checks showed a difference.

    Returns:
        One row per `check` and `of`: `checks`, `shown` and `share_shown`, and `independent`, of how many comparisons the checks are that
        share neither run nor pass: the tasks of a pass, the numbers of a run and the halves of it are one, three runs two.
    """
    by = ["check", "of"]
    rows = found.group_by(by).agg(
        pl.len().alias("checks"), pl.col("shown").sum(), pl.col("shown").mean().alias("share_shown"), pl.col("sessions")
    )
    apart = [
        runs.independent(sessions) if of == TWO_RUNS else len({name for each in sessions for name in each})
        for of, sessions in rows.select("of", "sessions").iter_rows()
    ]
    return rows.drop("sessions").with_columns(pl.Series("independent", apart, dtype=pl.Int64)).sort(by)


def halves(units: pl.DataFrame, cost_units: pl.DataFrame, splits: int) -> Iterator[dict[str, Any]]:
    """Each run, halved by chance, against itself: within one run, so without the luck of runs."""
    for (result,), own in units.group_by("result_id", maintain_order=True):
        names = own["unit"].unique().sort()
        if len(names) < 2 * FEWEST_UNITS:
            continue
        fitted = cost_units.filter(pl.col("result_id") == result)
        for split in range(splits):
            first = _half(names, split)
            yield from _compared(_part(own, first, True), _part(own, first, False), [str(result)], HALVES, runs.NOTHING)
            yield from _costs(fitted, [str(result)], SEED + split)


def two_runs(units: pl.DataFrame, cost_units: pl.DataFrame, repetitions: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Each pair of runs of one setup on one card, with the luck that all other setups show."""
    again = repetitions.filter("valid").filter(pl.len().over("setup", "card") > 1)
    for (setup, _), group in again.group_by("setup", "card", maintain_order=True):
        known = runs.known(_of_others(repetitions, str(setup))).of(group["harness_version"])
        if known.alone is None:  # intervals that are about one run promise nothing of another
            continue
        for first, second in combinations(group["result_id"], 2):
            a, b = (units.filter(pl.col("result_id") == name) for name in (first, second))
            if not a.is_empty() and not b.is_empty():
                yield from _compared(a, b, [first, second], TWO_RUNS, known)
                yield from _paired(a, b, [first, second], known)
                sums = [cost_units.filter(pl.col("result_id") == name) for name in (first, second)]
                yield from _fitted([cost.fits(part, known) for part in sums], [first, second], TWO_RUNS)


def _of_others(repetitions: pl.DataFrame, setup: str) -> pl.DataFrame:
    """The runs of setups that share no pass with this one."""
    passes = repetitions.filter(pl.col("setup") == setup)["pass_id"].drop_nulls()
    beside = repetitions.filter(pl.col("pass_id").is_in(passes.implode()))["setup"]
    return repetitions.filter(pl.col("setup") != setup, ~pl.col("setup").is_in(beside.implode()))


def _half(names: pl.Series, seed: int) -> pl.Series:
    """Half of the units, by chance."""
    return names.gather(np.random.default_rng([SEED, seed]).permutation(len(names))[: len(names) // 2].tolist())


def _part(own: pl.DataFrame, first: pl.Series, is_in: bool) -> pl.DataFrame:
    """The units of one half, as a run of its own."""
    inside = pl.col("unit").is_in(first.implode())
    return own.filter(inside if is_in else ~inside).with_columns(
        pl.lit("first" if is_in else "second").alias("result_id"), pl.lit(0 if is_in else 1).alias("run_number")
    )


def _compared(a: pl.DataFrame, b: pl.DataFrame, results: list[str], of: str, known: runs.Known) -> Iterator[dict[str, Any]]:
    sides = pl.concat([a.with_columns(result_id=pl.lit("a")), b.with_columns(result_id=pl.lit("b"))])
    for measure in MEASURES:
        rows = pl.DataFrame({"result_id": ["a", "b"]}).with_columns(pl.lit(None, pl.Float64).alias(measure.key))
        row = comparison.compared(rows, sides, measure, known).row(1, named=True)
        yield from _judged(COMPARE, of, measure.words, results, row["ratio"], row["ratio_low"], row["ratio_high"], 1.0)


def _paired(a: pl.DataFrame, b: pl.DataFrame, results: list[str], known: runs.Known) -> Iterator[dict[str, Any]]:
    """Two runs as the two sides of pairs: the same prompts, answered twice."""
    if a["shared"].any() or a["answers"].max() != 1:
        return
    both = a.join(b, on=["unit", "repetition"], suffix="_b", nulls_equal=True).filter(pl.col("energy_j") > 0, pl.col("energy_j_b") > 0)
    if both.is_empty():
        return
    listed = both.select(
        (pl.col("unit") + 1).rank("dense").cast(pl.Int64).alias("prompt"),
        pl.col("energy_j").alias("energy_a_j"),
        pl.col("energy_j_b").alias("energy_b_j"),
        pl.lit(False).alias("cut_a"),
        pl.lit(False).alias("cut_b"),
    )
    sides = [
        {"is_b": is_b, "turn": "1", "is_pass": False, "ln": run.ln, "card": "one", "search": None, "calibration": 0.0, "weight": 1.0}
        for is_b, side in ((False, a), (True, b))
        for run in runs_of(side).values()
    ]
    contrast = pl.DataFrame(
        {"shared": [False], "harness_version": [None], "pair_list": [listed.to_dicts()], "windows": [None], "runs": [sides]}
    )
    row = pairs.paired(contrast, known).row(0, named=True)
    for name in ("median_change", "total_change"):
        yield from _judged(PAIRS, TWO_RUNS, name.replace("_", " "), results, row[name], row[f"{name}_low"], row[f"{name}_high"], 0.0)


def _costs(sums: pl.DataFrame, results: list[str], seed: int) -> Iterator[dict[str, Any]]:
    """The coefficients of two halves of a run."""
    inside = pl.col("unit").is_in(_half(sums["unit"].unique().sort(), seed).implode())
    yield from _fitted([cost.fits(sums.filter(part)) for part in (inside, ~inside)], results, HALVES)


def _fitted(fits: list[pl.DataFrame], results: list[str], of: str) -> Iterator[dict[str, Any]]:
    """The coefficients of two fits: their difference over their mean; nothing where either is not there."""
    if any(fit.is_empty() for fit in fits):
        return
    a, b = (fit.row(0, named=True) for fit in fits)
    for name in ("fixed_j", "output_token_j"):
        scale = max(abs(a[name] + b[name]) / 2, 1e-12)
        half = float(np.hypot(a[f"{name}_high"] - a[name], b[f"{name}_high"] - b[name])) / scale
        away = (b[name] - a[name]) / scale
        yield from _judged(COST, of, name, results, away, away - half, away + half, 0.0)


def _judged(
    check: str, of: str, number: str, results: list[str], estimate: float | None, low: float | None, high: float | None, nothing: float
) -> Iterator[dict[str, Any]]:
    """One row, where there is an interval."""
    if estimate is not None and (low is not None or high is not None):
        shown = (low is not None and low > nothing) or (high is not None and high < nothing)
        numbers = {"estimate": estimate, "low": low, "high": high, "shown": shown}
        yield {"check": check, "of": of, "number": number, "result_id": results[0], "sessions": results} | numbers
