"""Configurations side by side: energy of each against the first, with intervals and ranks, and what is not alike in their setups.

A difference can be luck in two ways: by the prompts that were asked, and by the run that it was. The first is drawn from the units of the
runs (`intervals`), the second from what is known of runs alike (`runs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.energy_shown import DEFAULT, Measure
from prompt_joules.warehouse.statistics import intervals, percentiles, runs
from prompt_joules.warehouse.statistics.estimates import (
    ENDS,
    Estimate,
    Meter,
    behind,
    calibration_of_ratio,
    luck_of_ratio,
    luck_of_value,
    meter_of,
    runs_of,
)
from prompt_joules.warehouse.statistics.intervals import Floats, Sums

LEVELS = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
# What energy is divided by: the name on screen → the sum in `units`.
DENOMINATORS = {
    "response": "prompts",
    "output token": "output_tokens",
    "total token": "total_tokens",
    "word": "output_words",
    "character": "output_chars",
}


@dataclass(frozen=True)
class Side:
    """One configuration as its units give it."""

    value: float | None  # its energy by the measure (J); None where it is not known
    runs: Mapping[str, runs.Run]  # its runs, by pass, or by run where it was measured alone; empty for a published average
    units: int  # how many units it has
    sums: Sums | None = None  # for a mean, its sums unit by unit
    draws: Floats | None = None  # for a percentile, draws of its logarithm
    meter: Meter = field(default_factory=Meter)  # what measured it


def compared(rows: pl.DataFrame, units: pl.DataFrame, measure: Measure = DEFAULT, known: runs.Known = runs.NOTHING) -> pl.DataFrame:
    """Energy per response (or token, word, ...) of a few configurations, each against the first, with intervals and ranks.

    All configurations are drawn together, so that the choice of units falls out of a ratio of two that answered the same ones. The spread
    between runs is their own where there are several, with what is known of others; where configurations took turns in the same passes, it
    is that of their ratio. A published average has no interval, nor has anything of fewer than five units.

    Args:
        rows: rows of `results`, the first is what the others are compared with; needs `result_id` and the column of the measure.
        units: rows of the query `units`, of the idle power of the measure. A percentile has an interval where every unit is one prompt.
        measure: which energy.
        known: the luck of the runs of all setups that were repeated.

    Returns:
        `result_id`; `value` (J) and `ratio` to the first, both with `_low` and `_high`, and with `_within_low` and `_within_high`, the
        interval over units alone; `rank_low`, `rank_high`, `runs`, `units`, and `basis`, what the interval of the ratio (of the first: of
        the value) is about; in the order of `rows`. Ranks follow the ratios of all
        pairs: where a ratio may be 1, neither of the two is first for certain. Numbers that are not known are null.
    """
    every = strata(units)
    drawn = intervals.resamples(tuple(every["stratum"].rle().struct["len"])) if every.height else np.zeros((intervals.RESAMPLES, 0))
    sides = [
        _side(value, units.filter(pl.col("result_id") == name), every, measure, place)
        for place, (name, value) in enumerate(rows.select("result_id", measure.key).iter_rows())
    ]
    values = [_value(side, drawn, known) for side in sides]
    between = {(first, second): _ratio(sides[first], sides[second], drawn, known) for first, second in combinations(range(len(sides)), 2)}
    ratios = [Estimate(1.0 if sides[0].value else None)] + [between[0, place] for place in range(1, len(sides))]
    unsure = [bool(side.runs) and value.draws is None for side, value in zip(sides, values, strict=True)]
    ranks = _ranks(between, [side.value for side in sides], unsure)
    schema: dict[str, pl.DataType] = {"result_id": pl.String()} | dict.fromkeys(
        [f"{name}{end}" for name in ("value", "ratio") for end in ENDS], pl.Float64()
    )
    schema |= dict.fromkeys(("rank_low", "rank_high", "runs", "units"), pl.Int64()) | {"basis": pl.String()}
    found = [
        dict.fromkeys(schema)
        | {"result_id": name, "runs": len(sides[place].runs), "units": sides[place].units}
        | values[place].row("value", place)
        | ratios[place].row("ratio", len(sides) + place)
        | {"basis": (ratios if place else values)[place].basis}
        | ranks[place]
        for place, name in enumerate(rows["result_id"])
    ]
    return pl.DataFrame(found, schema=schema, orient="row")


def strata(units: pl.DataFrame) -> pl.DataFrame:
    """`unit` and `stratum`, by stratum: the units that the same configurations have. Each stratum is drawn from on its own.

    So a resample of a configuration always has as many units as it has, and what several have is drawn for all of them at once.
    """
    names = pl.col("result_id").unique().sort().str.join("\n").alias("stratum")
    return units.group_by("unit").agg(names).sort("stratum", "unit")


def _side(value: float | None, own: pl.DataFrame, every: pl.DataFrame, measure: Measure, place: int) -> Side:
    """A configuration out of its rows of `units`."""
    parts = DENOMINATORS[measure.per]
    counted = own.filter(pl.col(parts) > 0)
    if counted.is_empty():
        return Side(value, {}, 0)
    own_runs, count, meter = runs_of(own), int(own["unit"].n_unique()), meter_of(own)
    if measure.statistic == "mean":
        sums = every.join(own.group_by("unit").agg(pl.col("energy_j", parts).sum()), on="unit", how="left", maintain_order="left")
        upper, lower = (sums[name].fill_null(0).to_numpy().astype(float) for name in ("energy_j", parts))
        totals = Sums(upper, lower, bool(own["shared"].any()))
        return Side(totals.value, own_runs, count, sums=totals, meter=meter)
    if counted["answers"].max() != 1 or counted["shared"].any():
        return Side(value, own_runs, count, meter=meter)
    each = (counted["energy_j"] / counted[parts]).to_numpy().astype(float)
    prompts = counted["unit"].to_numpy()
    middle, low, high = percentiles.clustered(each, LEVELS[measure.statistic], prompts, percentiles.once(prompts))
    draws = None if low is None and high is None else percentiles.log_draws(middle, low, high, place)
    return Side(middle, own_runs, count, draws=draws, meter=meter)


def _value(side: Side, drawn: Floats, known: runs.Known) -> Estimate:
    draws = side.draws if side.sums is None else intervals.log_draws(drawn, side.sums)
    luck, cards = luck_of_value(side.runs, known)
    return Estimate(side.value, draws, luck, *behind(side.runs.values()), side.meter.calibration, cards)


def _ratio(first: Side, side: Side, drawn: Floats, known: runs.Known) -> Estimate:
    if not first.value or side.value is None:
        return Estimate(None)
    draws = None
    if first.sums is not None and side.sums is not None:
        draws = intervals.log_draws(drawn, side.sums, first.sums)
    elif first.draws is not None and side.draws is not None:
        with np.errstate(invalid="ignore"):  # neither has an upper limit: their ratio may be anything
            draws = side.draws - first.draws
    luck, cards = luck_of_ratio(first.runs, side.runs, known)
    of_both = behind(first.runs.values(), side.runs.values())
    return Estimate(side.value / first.value, draws, luck, *of_both, calibration_of_ratio(first.meter, side.meter), cards)


def _ranks(
    between: Mapping[tuple[int, int], Estimate], values: Sequence[float | None], unsure: Sequence[bool]
) -> list[dict[str, int | None]]:
    """The interval of the rank of each configuration, from the ratios of all pairs; one without a value has none.

    Args:
        between: the ratio of the second to the first of each pair.
        values: of the configurations.
        unsure: whether a configuration was measured too seldom for an interval: it may be before or behind any other. A published average,
            which has none either, stands where its value does.
    """
    count = len(values)
    behind = [np.zeros(intervals.RESAMPLES, dtype=int) for _ in values]
    for (first, second), ratio in between.items():
        draws = ratio.whole(count + second + count * first)
        if unsure[first] or unsure[second]:
            draws = np.where(np.arange(intervals.RESAMPLES) % 2 == unsure[second], 1.0, -1.0)
        if draws is not None:
            behind[first] += draws < 0
            behind[second] += draws > 0
    ends = [np.quantile(1 + below, intervals.LEVELS, method="nearest") for below in behind]
    return [
        {"rank_low": int(low), "rank_high": int(high)} if value else {"rank_low": None, "rank_high": None}
        for value, (low, high) in zip(values, ends, strict=True)
    ]


def differing(setups: pl.DataFrame) -> pl.DataFrame:
    """The keys on which configurations do not agree.

    Args:
        setups: rows of the query `setups`, one per configuration, in order; or those that are different, without `result_id`.

    Returns:
        One row per key: `key`, and `value_1`, `value_2`, ... of the configurations.
    """
    found = [
        {"key": key} | {f"value_{place}": value or "not stated" for place, value in enumerate(setups[key], 1)}
        for key in setups.columns
        if key != "result_id" and setups[key].n_unique() > 1
    ]
    return pl.DataFrame(found, schema=["key", *(f"value_{place}" for place in range(1, setups.height + 1))], orient="row")


def band(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Value, low and high end of a row of `compared`; without an interval the value three times."""
    value = row["value"]
    low, high = (value if row[end] is None else row[end] for end in ("value_low", "value_high"))
    return value, low, high
