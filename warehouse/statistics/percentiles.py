"""Percentiles and how far they can be off, by the order of the values alone."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, NORMAL, SEED, Floats, evenly

TAIL = 0.025
# Above this many values the normal distribution gives the same ranks.
MOST_EXACT = 20_000
# The percentiles of a distribution that have an interval, and its ends.
INTERVALS = {"p50": 0.5, "p95": 0.95}
ENDS = tuple(f"{name}_{end}" for name in INTERVALS for end in ("low", "high"))
# The percentiles that the ingest keeps of a run and of a setup.
KEPT = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
# A distribution is kept in about so many steps.
STEPS = 200


def interval(values: Floats, level: float) -> tuple[float, float | None, float | None]:
    """A percentile and its interval: two of the values themselves, whatever their distribution.

    How many of n values lie below the true percentile is binomial; the ends are the values at its 2.5 % and 97.5 % points. Where that is
    beyond the smallest or
    the largest value there is no such end: the largest of 20 values is below the true p99 more often than not.

    Args:
        values: at least one number, in any order.
        level: 0.5 for the median.

    Returns:
        The percentile (between two values on a straight line), its low and its high end; None for an end that the values do not reach.
    """
    ordered = np.sort(values)
    value = float(np.quantile(ordered, level))
    if len(ordered) < FEWEST_UNITS:
        return value, None, None
    low, high = ranks(len(ordered), level)
    return value, float(ordered[low - 1]) if low >= 1 else None, float(ordered[high - 1]) if high <= len(ordered) else None


def ranks(count: int, level: float) -> tuple[int, int]:
    """The ranks, from 1, of the values between which the true percentile lies 95 times in 100; 0 or count + 1 where there is no such
    value."""
    if count > MOST_EXACT:
        reach = NORMAL * math.sqrt(count * level * (1 - level))
        return max(0, math.floor(count * level - reach)), min(count + 1, math.ceil(count * level + reach) + 1)
    up_to = np.cumsum(np.exp(_log_binomial(count, level)))
    low = int(np.searchsorted(up_to, TAIL, side="right"))
    high = int(np.searchsorted(up_to, 1 - TAIL, side="left")) + 1
    return low, high


def _log_binomial(count: int, level: float) -> Floats:
    """The logarithm of the chance of 0, 1, ... count successes."""
    steps = np.arange(1, count + 1)
    ratios = np.log((count - steps + 1) / steps) + math.log(level / (1 - level))
    return count * math.log(1 - level) + np.concatenate([[0.0], np.cumsum(ratios)])


def quantile(values: Floats, weights: Floats, level: float) -> float:
    """The percentile of values that count differently, between two of them on a straight line; with equal weights that of numpy."""
    return quantiles(values, weights, (level,))[0]


def quantiles(values: Floats, weights: Floats, levels: Sequence[float]) -> list[float]:
    """As `quantile`, several of them. Of equal values those that count less come first: the order of rows moves nothing."""
    order = np.sort(values + 1j * weights)  # by the value, then by the weight
    ordered, each = order.real, order.imag
    places = np.concatenate([[0.0], np.cumsum((each[1:] + each[:-1]) / 2)])
    return [_at(ordered, places, level * places[-1]) for level in levels]


def _at(ordered: Floats, places: Floats, asked: float) -> float:
    above = min(int(np.searchsorted(places, asked * (1 - 1e-12))), len(ordered) - 1)
    below = max(above - 1, 0)
    if ordered[below] == ordered[above] or places[above] <= asked * (1 + 1e-12):
        return float(ordered[above])
    return float(ordered[below] + (ordered[above] - ordered[below]) * (asked - places[below]) / (places[above] - places[below]))


def once(clusters: Floats) -> Floats:
    """Weights with which every cluster counts once, however many values it has."""
    _, places, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    return 1 / counts[places].astype(float)


def clustered(values: Floats, level: float, clusters: Floats, weights: Floats | None = None) -> tuple[float, float | None, float | None]:
    """As `interval`, of values that come in clusters: several answers to one prompt count for less than as many prompts.

    By how much follows from the share of the values at or below the percentile, cluster by cluster (the design effect of Kish).

    Args:
        weights: how much each value counts; all alike if None.
    """
    names, places = np.unique(clusters, return_inverse=True)
    if len(names) == len(values):
        return interval(values, level)
    weights = np.ones(len(values)) if weights is None else weights
    order, whole = np.argsort(values, kind="stable"), float(weights.sum())
    ordered, up_to = values[order], np.cumsum(weights[order]) / whole
    value = quantile(values, weights, level)
    inside = np.bincount(places, weights * ((values <= value) - level))
    spread = float(((inside - inside.mean()) ** 2).sum()) * len(names) / max(len(names) - 1, 1)
    count = max(1, math.floor(min(len(values), whole**2 * level * (1 - level) / spread if spread > 0 else math.inf)))
    if min(count, len(names)) < FEWEST_UNITS:
        return value, None, None
    low, high = ranks(count, level)
    at_low, at_high = (min(int(np.searchsorted(up_to, rank / count - 1e-9)), len(ordered) - 1) for rank in (low, high))
    return value, float(ordered[at_low]) if low >= 1 else None, float(ordered[at_high]) if high <= count else None


def of_steps(shares: Floats, values: Floats, level: float, count: int, of_a_prompt: int = 1) -> tuple[float | None, float | None]:
    """The interval of a percentile out of the steps of a distribution, without the values themselves.

    Of up to STEPS values the steps are the values, and the interval is that of `interval`; of more its low end may lie one step lower and
    its high end one step higher, which is half a percent of the values.

    Args:
        shares: the share of the values at or below each step, ascending, the last is 1.
        values: the largest value of each step.
        count: how many values there are.
        of_a_prompt: how many of them may be answers to one prompt, which count as one: they are alike, nobody knows how much.

    Returns:
        The low and the high end; None for an end that the values do not reach.
    """
    alone = count // of_a_prompt
    if alone < FEWEST_UNITS:
        return None, None
    low, high = ranks(alone, level)
    slack = 0.0 if count <= STEPS else 1 / STEPS
    at_low, at_high = (int(np.searchsorted(shares, share - 1e-9)) for share in (max(low / alone - slack, 1 / count), high / alone))
    return float(values[at_low]) if low >= 1 else None, float(values[at_high]) if high <= alone else None


def with_intervals(found: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Adds ENDS, the 95 % intervals of the median and the p95 over prompts.

    There is none below five prompts, nor of energy that a rule divided; an end that the values do not reach is null.

    Args:
        found: rows of the query `distribution`.
        metric: its number.
    """
    of_energy = metric.startswith(("energy", "power"))
    ends = [_intervals(row) if row["prompts"] and not (of_energy and row["divided"]) else {} for row in found.iter_rows(named=True)]
    rows = [dict.fromkeys(ENDS) | one for one in ends]
    return found.hstack(pl.DataFrame(rows, schema=dict.fromkeys(ENDS, pl.Float64), orient="row"))


def _intervals(row: dict[str, Any]) -> dict[str, float | None]:
    shares, values = (np.array([step[name] for step in row["steps"]]) for name in ("share_of_prompts", "value"))
    of = {name: of_steps(shares, values, level, row["prompts"], row["answers_per_prompt"]) for name, level in INTERVALS.items()}
    return {f"{name}_{end}": value for name, pair in of.items() for end, value in zip(("low", "high"), pair, strict=True)}


def log_draws(value: float, low: float | None, high: float | None, place: int) -> Floats | None:
    """Draws of the logarithm of a percentile that has this interval: normal on either side, without bound where there is no end.

    Args:
        place: other numbers give independent draws.

    Returns:
        RESAMPLES draws; None where the percentile is not positive.
    """
    if value <= 0 or (low is not None and low <= 0):
        return None
    normal = np.random.default_rng([SEED, 2, place]).permutation(evenly(0))
    down = math.inf if low is None else math.log(value / low) / NORMAL
    up = math.inf if high is None else math.log(high / value) / NORMAL
    return math.log(value) + normal * np.where(normal < 0, down, up)
