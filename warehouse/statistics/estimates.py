"""A number and how far it can be off, for two reasons: the units that it was measured on, and the runs that these are from."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import intervals, runs
from prompt_joules.warehouse.statistics.intervals import Floats
from prompt_joules.warehouse.statistics.runs import Run

# Answers of random length make the shares of a card or a pass uneven: so much of the square of a spread, a hundredth, counts as nothing.
LEAST_UNLIKE = LEAST_APART = 0.01
ENDS = ("", "_low", "_high", "_within_low", "_within_high")
# An end that is further away, as a logarithm, is none: nobody can use 10 to the 15th times a value.
MOST_LOG = 35.0
# What an interval is about.
ACROSS_RUNS, WITH_SPREAD, ONE_RUN = "across runs", "one run, with the spread known between runs", "within one run"
ACROSS_CARDS, WITH_CARDS = "across runs and cards", "one run, with the spread known between runs and cards"
OTHER_CARDS = "across runs, on different cards"
ONE_SEARCH = "runs with one set of kernels, with the spread known between runs"


class Cards(Enum):
    """What an interval has to do with the cards that its runs were on."""

    MEASURED = "it is about these cards, which two sides have in common"
    LEVEL = "the spread between cards is in it"
    UNLIKE = "two sides ran on different cards, whose spread is in their difference and not in the interval"


@dataclass(frozen=True)
class Estimate:
    """A positive number and what can put it off."""

    value: float | None  # the number; None where it is not known
    draws: Floats | None = None  # draws of its logarithm over units; None without an interval
    luck: runs.Spread | None = None  # what the runs add; None where nothing is known
    runs: int = 0  # how many runs are behind it, of the side that has fewest; those with the kernels of one search count once
    is_one_search: bool = False  # these are several runs of one search
    calibration: float = 0.0  # how far the meter can be off in all of it alike, relative, half-width
    cards: Cards = Cards.MEASURED  # what the interval has to do with their cards

    @property
    def basis(self) -> str | None:
        """What the interval is about; None without one."""
        if self.draws is None:
            return None
        if self.luck is None:
            return ONE_RUN
        return basis_of(self.runs, self.cards, self.is_one_search)

    def whole(self, place: int) -> Floats | None:
        """Draws of the logarithm with the luck of the runs; the number itself where it has no interval, None where it has no logarithm.

        Args:
            place: keeps the luck of different numbers apart.
        """
        if self.draws is not None:
            # How far the meter is off in all of it alike is normal; other numbers have independent draws.
            normal = np.random.default_rng([intervals.SEED, 3, place]).permutation(intervals.evenly(0))
            return self.draws + runs.draws(self.luck, place) + self.calibration / intervals.NORMAL * normal
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
            numbers[1:] = [math.exp(end) - less if abs(end) < MOST_LOG else None for end in both]
        return dict(zip((f"{name}{end}" for end in ENDS), numbers, strict=True))


def basis_of(count: int, cards: Cards, is_one_search: bool = False) -> str:
    """What an interval with the luck of runs is about.

    Args:
        count: as `Estimate.runs`.
        is_one_search: as there.
    """
    if is_one_search and cards is Cards.MEASURED:
        return ONE_SEARCH
    if count > 1:
        return {Cards.MEASURED: ACROSS_RUNS, Cards.LEVEL: ACROSS_CARDS, Cards.UNLIKE: OTHER_CARDS}[cards]
    return WITH_CARDS if cards is Cards.LEVEL else WITH_SPREAD


def behind(*sides: Collection[Run]) -> tuple[int, bool]:
    """`runs` and `is_one_search` of an Estimate of these sides."""
    searches, several = min((len(runs.of_searches(list(side))), len(side)) for side in sides)
    return searches, searches == 1 < several


def calibration_of_ratio(first: "Meter", second: "Meter") -> float:
    """How far the meters put a ratio off: not at all on one and the same card, where their error is common; else by the error of either."""
    if first.cards == second.cards and None not in first.cards:
        return 0.0
    return math.hypot(first.calibration, second.calibration)


@dataclass(frozen=True)
class Meter:
    """What measured a configuration."""

    cards: frozenset[str | None] = frozenset()  # the GPUs of its runs; None is one that nobody recorded
    calibration: float = 0.0  # how far the meter can be off in all of it alike, relative, half-width


def meter_of(rows: pl.DataFrame) -> Meter:
    """The meter behind rows of `units`."""
    worst = rows["calibration"].max()
    return Meter(frozenset(rows["card"].unique()), float(worst) if isinstance(worst, int | float) else 0.0)


def runs_of(rows: pl.DataFrame) -> dict[str, Run]:
    """Each run, by the pass that it shares with others, else by itself; it weighs as much as its share of the energy of all.

    Args:
        rows: any number of rows per run: `run_number`, `pass_id`, `card`, `search`, `energy_j`, `output_tokens`.
    """
    token = pl.col("energy_j").sum() / pl.col("output_tokens").sum()
    each = rows.group_by("run_number").agg(pl.col("pass_id", "card", "search").first(), token.alias("value"), pl.col("energy_j").sum())
    return {
        name or f"run {number}": Run(math.log(value), card, weight, search)
        for number, name, card, search, value, weight in each.sort("run_number").iter_rows()
        if value is not None and 0 < value < math.inf
    }


def luck_of_value(side: Mapping[str, Run], known: runs.Known) -> tuple[runs.Spread | None, Cards]:
    """What the runs add to the value of a configuration, and whether the spread between cards is in that."""
    if not side:
        return None, Cards.MEASURED
    several = len({run.card for run in side.values()}) >= runs.ENOUGH_CARDS
    return runs.of_mean(list(side.values()), known), Cards.LEVEL if several else Cards.MEASURED


def luck_of_ratio(first: Mapping[str, Run], second: Mapping[str, Run], known: runs.Known) -> tuple[runs.Spread | None, Cards]:
    """What the runs add to a ratio of two configurations: passes cancel as far as both have the same share of their answers in them, other
    runs do not, nor do cards that only one has.

    Args:
        first, second: their runs, by pass.
        known: the luck of other setups.
    """
    if not first or not second:
        return None, Cards.MEASURED
    shared = sorted(first.keys() & second.keys())
    luck = _of_passes(first, second, shared, known) if shared else runs.of_means([list(first.values()), list(second.values())], known.alone)
    # A pass ran on one card, whether that was recorded or not.
    on = [[run._replace(card=run.card or (name if name in shared else None)) for name, run in side.items()] for side in (first, second)]
    unlike = runs.unlike_cards(*on)
    if unlike <= LEAST_UNLIKE:
        return luck, Cards.MEASURED
    if luck is None or known.cards is None or known.cards.freedom < runs.ENOUGH_CARDS - 1:
        return luck, Cards.UNLIKE
    return runs.together(luck, known.cards.scaled(math.sqrt(unlike))), Cards.LEVEL


def _of_passes(first: Mapping[str, Run], second: Mapping[str, Run], shared: list[str], known: runs.Known) -> runs.Spread | None:
    """The luck of a ratio of two configurations that took turns in some passes.

    With the shares v and w of the answers of either side in a pass, what the sides do not share of its luck counts by v · w, and what they
    do share, which is about that of a run alone, by (v − w)².
    """
    shares = [dict(zip(side, runs.shares(list(side.values())).tolist(), strict=True)) for side in (first, second)]
    differences = [second[name]._replace(ln=second[name].ln - first[name].ln, card=None, weight=1.0) for name in shared]
    in_turns = runs.of_means([differences], known.of_difference(len(runs.of_searches(differences))))
    if in_turns is None:
        return None
    in_turns = in_turns.scaled(math.sqrt(len(shared) * sum(shares[0][name] * shares[1][name] for name in shared)))
    apart = sum((shares[0].get(name, 0.0) - shares[1].get(name, 0.0)) ** 2 for name in first.keys() | second.keys())
    if apart <= LEAST_APART:
        return in_turns
    alone = runs.of_one(list(max(first, second, key=len).values()), known)
    return runs.together(in_turns, alone.scaled(math.sqrt(apart)) if alone is not None else None)
