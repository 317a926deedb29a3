"""A number and how far it can be off, for two reasons: the units that it was measured on, and the runs that these are from."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import intervals, runs
from prompt_joules.warehouse.statistics.intervals import Floats

ENDS = ("", "_low", "_high", "_within_low", "_within_high")
NORMAL = 1.959963984540054
# What an interval is about.
ACROSS_RUNS, WITH_SPREAD, ONE_RUN = "across runs", "one run, with the spread known between runs", "within one run"


@dataclass(frozen=True)
class Estimate:
    """A positive number and what can put it off.

    Attributes:
        value: the number; None where it is not known.
        draws: draws of its logarithm over units; None without an interval.
        luck: what the runs add; None where nothing is known.
        calibration: how far the meter can be off in all of it alike, relative, half-width.
        runs: how many runs are behind it, of the side that has fewest.
    """

    value: float | None
    draws: Floats | None = None
    luck: runs.Spread | None = None
    runs: int = 0
    calibration: float = 0.0

    @property
    def basis(self) -> str | None:
        """What the interval is about; None without one."""
        if self.draws is None:
            return None
        if self.luck is None:
            return ONE_RUN
        return ACROSS_RUNS if self.runs > 1 else WITH_SPREAD

    def whole(self, place: int) -> Floats | None:
        """Draws of the logarithm with the luck of the runs; the number itself where it has no interval, None where it has no logarithm.

        Args:
            place: keeps the luck of different numbers apart.
        """
        if self.draws is not None:
            return self.draws + runs.draws(self.luck, place) + calibrations(self.calibration, place)
        return np.full(intervals.RESAMPLES, math.log(self.value)) if self.value is not None and self.value > 0 else None

    def row(self, name: str, place: int, less: float = 0) -> dict[str, float | None]:
        """The number and the ends of its two intervals, named `name`, `name_low`, `name_high`, `name_within_low`, `name_within_high`.

        Args:
            less: is taken off each, 1 for a change out of a ratio.
        """
        if self.value is None:
            return dict.fromkeys(f"{name}{end}" for end in ENDS)
        numbers: list[float | None] = [self.value - less, None, None, None, None]
        if self.draws is not None:
            both = [end for drawn in (self.whole(place), self.draws) if drawn is not None for end in intervals.ends(drawn)]
            numbers[1:] = [math.exp(end) - less if math.isfinite(end) else None for end in both]
        return dict(zip((f"{name}{end}" for end in ENDS), numbers, strict=True))


def calibrations(half: float, place: int) -> Floats:
    """Draws of how far the meter is off in all of a number alike, as logarithms: normal, with this half-width of 95 %.

    Args:
        place: other numbers give independent draws.
    """
    return half / NORMAL * np.random.default_rng([intervals.SEED, 3, place]).permutation(intervals.evenly(0))


def calibration_of_ratio(first: "Meter", second: "Meter") -> float:
    """How far the meters put a ratio off: not at all on one and the same card, where their error is common; else by the error of either."""
    if first.cards == second.cards and None not in first.cards:
        return 0.0
    return math.hypot(first.calibration, second.calibration)


@dataclass(frozen=True)
class Meter:
    """What measured a configuration.

    Attributes:
        cards: the GPUs of its runs; None is one that nobody recorded.
        calibration: how far the meter can be off in all of it alike, relative, half-width.
    """

    cards: frozenset[str | None] = frozenset()
    calibration: float = 0.0


def meter_of(rows: pl.DataFrame) -> Meter:
    """The meter behind rows of `units`."""
    worst = rows["calibration"].max()
    return Meter(frozenset(rows["card"].unique()), float(worst) if isinstance(worst, int | float) else 0.0)


def logs_of(rows: pl.DataFrame) -> dict[str, float]:
    """ln(J/token) of each run, by the pass that it shares with others, else by itself.

    Args:
        rows: any number of rows per run: `run_number`, `pass_id`, `energy_j`, `output_tokens`.
    """
    token = pl.col("energy_j").sum() / pl.col("output_tokens").sum()
    each = rows.group_by("run_number").agg(pl.col("pass_id").first(), token.alias("value")).sort("run_number")
    return {
        name or f"run {number}": math.log(value) for number, name, value in each.iter_rows() if value is not None and 0 < value < math.inf
    }


def luck_of_ratio(first: Mapping[str, float], second: Mapping[str, float], known: runs.Known) -> runs.Spread | None:
    """What the runs add to a ratio of two configurations: passes that both have cancel, other runs do not.

    Args:
        first, second: ln(J/token) of their runs, by pass.
        known: the luck of other setups.
    """
    if shared := sorted(first.keys() & second.keys()):
        return runs.of_mean([second[name] - first[name] for name in shared], known.of_difference(len(shared)))
    if not first or not second:
        return None
    return runs.together(runs.of_mean(list(first.values()), known.alone), runs.of_mean(list(second.values()), known.alone))
