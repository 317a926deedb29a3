"""How far two runs of one setup lie apart, and what that adds to an interval.

A run has its own luck: the card's temperature, its host's other work, kernels chosen by timing. It moves the energy of every token of the
run alike, so resampling prompts cannot see it. It is measured on J/token, which the length of the answers hardly moves, between runs that
are alike in everything but seed and time.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, RESAMPLES, SEED, Floats, evenly, student

# The most degrees of freedom for what is known of other setups: setups differ in how steady they are.
MOST_FREEDOM = 4
# With this many passes their own spread says how far a difference measured in turns can be off.
ENOUGH_PASSES = 3
# With at least this many cards an interval is about their kind; two would give 0.4 to 2.4 times the value.
ENOUGH_CARDS = 3


class Run(NamedTuple):
    """One run of a setup.

    Attributes:
        ln: ln(J/token).
        card: the card that it ran on; None is one that nobody recorded.
        weight: how much of a value taken over all runs is of this one, in a unit that all of them share (answers, J).
        search: which kernels it searched by timing; None of a loop that searches none, and where nobody recorded it.
    """

    ln: float
    card: str | None = None
    weight: float = 1.0
    search: str | None = None


@dataclass(frozen=True)
class Spread:
    """A standard deviation of ln(J/token) between runs, and how well it is known."""

    sd: float  # 0.05 is about 5 %
    freedom: int  # degrees of freedom behind it: setups whose prompts were answered in turns share the luck of their passes and count once
    setups: int = 0  # how many setups it was measured on
    runs: int = 0  # how many runs of these; 0 where it is of others than those that are asked about

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval of a value that is off by this spread, as a logarithm."""
        return student(self.freedom) * self.sd

    def scaled(self, factor: float) -> "Spread":
        """The spread of so many times the same."""
        return replace(self, sd=factor * self.sd)

    def without(self, squares: float, count: int) -> "Spread | None":
        """What is left of it without some of its runs, so that these are no evidence twice; None where nothing is left.

        Args:
            squares: the sum of the squares of their distances from the mean of their setup.
            count: their degrees of freedom.
        """
        weight = self.runs - self.setups
        if not self.runs or not count or squares > 1.001 * self.sd**2 * weight:  # they are not among its runs
            return self
        if self.freedom <= count or weight <= count:
            return None
        return replace(self, sd=math.sqrt(max(self.sd**2 * weight - squares, 0.0) / (weight - count)), freedom=self.freedom - count, runs=0)


@dataclass(frozen=True)
class Known:
    """What is known of the luck of runs from all setups that were run more than once: A/A data."""

    alone: Spread | None = None  # the spread between runs of one setup on one card
    # The spread of the difference between two setups whose prompts were answered in turns, from pass to pass.
    in_turns: Spread | None = None
    # The spread between cards of one kind, less that between runs; in an interval of two sides on unlike cards from ENOUGH_CARDS cards on,
    # else an interval is about the cards that were measured.
    cards: Spread | None = None
    # The same from the runs of one major version of the protocol: "1", "2".
    of_protocols: Mapping[str, "Known"] = field(default_factory=dict)

    def of(self, protocols: Iterable[str | None]) -> "Known":
        """What is known of runs of these protocols: from runs of the same major version where it has A/A data, else from all.

        Args:
            protocols: versions of the measuring protocol, e.g. "1.1".
        """
        majors = {_major(protocol) for protocol in protocols}
        own = self.of_protocols.get(majors.pop()) if len(majors) == 1 else None
        return own if own is not None and own.alone is not None else self

    def of_difference(self, passes: int) -> Spread | None:
        """The spread of a difference measured in turns; where only that of runs alone is known it stands in, unless the passes are enough
        to tell by themselves."""
        if self.in_turns is not None or self.alone is None or passes >= ENOUGH_PASSES:
            return self.in_turns
        return replace(self.alone, sd=math.sqrt(2) * self.alone.sd)


NOTHING = Known()


def known(runs: pl.DataFrame) -> Known:
    """What all runs say of luck.

    Args:
        runs: rows of the query `repetitions`; those that are not valid, or have the energy of fewer than five answers, say nothing.
    """
    counted = runs.filter("valid", pl.col("measured") >= FEWEST_UNITS, pl.col("energy_per_token_j") > 0)
    columns = counted.select("setup", "card", "pass_id", "search", "harness_version", pl.col("energy_per_token_j").log()).get_columns()
    logs = list(map(_Log, *columns))
    majors = {_major(log.protocol) for log in logs if log.protocol is not None}
    of_all = _known(logs)
    parts = {major: [log for log in logs if log.protocol is not None and _major(log.protocol) == major] for major in sorted(majors)}
    return replace(of_all, of_protocols={major: of_all if len(part) == len(logs) else _known(part) for major, part in parts.items()})


class _Log(NamedTuple):
    """ln(J/token) of one run; in plain Python, as these are hundreds of rows in groups of few."""

    setup: str
    card: str | None
    pass_id: str | None
    search: str | None
    protocol: str | None
    ln: float


def _major(protocol: str | None) -> str:
    return (protocol or "").partition(".")[0]


def _known(logs: Sequence[_Log]) -> Known:
    each = _of_searches((log.setup, log.card, log) for log in logs)
    alone = _pooled(each)
    in_turns = _pooled(_of_searches((log.setup, first, log) for first, log in _differences(logs)))
    return Known(alone, in_turns, _between_cards([log for *_, log in each], alone))


def _of_searches(logs: Iterable[tuple[str, str | None, _Log]]) -> list[tuple[str, str | None, _Log]]:
    """The same, with the runs that have the kernels of one search as one, their mean; by the names of their group."""
    found: dict[object, list[tuple[str, str | None, _Log]]] = {}
    for place, (one, other, log) in enumerate(logs):
        found.setdefault(place if log.search is None else (one, other, log.search), []).append((one, other, log))
    firsts = ((*own[0], statistics.fmean(log.ln for *_, log in own)) for own in found.values())
    return [(one, other, log._replace(ln=ln)) for one, other, log, ln in firsts]


def _between_cards(logs: Iterable[_Log], alone: Spread | None) -> Spread | None:
    """The spread between cards of one kind, without that between runs; None where no setup was run on two cards.

    `runs` counts the cards.
    """
    setups: dict[str, dict[str, list[float]]] = {}
    for log in logs:
        if log.card is not None:
            setups.setdefault(log.setup, {}).setdefault(log.card, []).append(log.ln)
    groups = [cards for cards in setups.values() if len(cards) > 1]
    if not groups:
        return None
    weight = sum(len(cards) - 1 for cards in groups)
    square = sum(_squares([statistics.fmean(own) for own in cards.values()]) for cards in groups) / weight
    per_run = sum((len(cards) - 1) * statistics.fmean(1 / len(own) for own in cards.values()) for cards in groups)
    of_runs = alone.sd**2 * per_run / weight if alone else 0.0
    measured = len({card for cards in groups for card in cards})
    return Spread(math.sqrt(max(square - of_runs, 0.0)), independent([list(cards) for cards in groups]), len(groups), measured)


def _squares(values: Sequence[float]) -> float:
    """The sum of the squares of values around their mean."""
    mean = statistics.fmean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def independent(sets: Iterable[Sequence[str]]) -> int:
    """How many independent comparisons groups of passes (or cards) allow: those that several groups have count once.

    Args:
        sets: a list of names per group.
    """
    leader: dict[str, str] = {}

    def led(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    joined = 0
    for names in sets:
        for first, second in pairwise(names):
            if led(first) != led(second):
                leader[led(second)], joined = led(first), joined + 1
    return joined


def _differences(logs: Sequence[_Log]) -> Iterator[tuple[str, _Log]]:
    """The first setup of each pass, with each run of the others; its `ln` is less that of the first."""
    first: dict[str, _Log] = {}
    for log in sorted((log for log in logs if log.pass_id is not None), key=lambda log: log.setup):
        first.setdefault(log.pass_id or "", log)
    for log in logs:
        leader = first.get(log.pass_id) if log.pass_id is not None else None
        if leader is not None and log.setup != leader.setup:
            yield leader.setup, log._replace(ln=log.ln - leader.ln)


def _pooled(logs: Iterable[tuple[str, str | None, _Log]]) -> Spread | None:
    """The standard deviation of `ln` within groups of two names; None where no group has two rows."""
    named: dict[tuple[str, str | None], list[tuple[str, float]]] = {}
    for place, (one, other, log) in enumerate(logs):
        name = log.search if log.search is not None else log.pass_id if log.pass_id is not None else f"{log.setup} {place}"
        named.setdefault((one, other), []).append((name, log.ln))
    groups = [group for group in named.values() if len(group) > 1]
    if not groups:
        return None
    count = sum(map(len, groups))
    square = math.fsum(_squares([ln for _, ln in group]) for group in groups) / (count - len(groups))
    return Spread(math.sqrt(square), independent([name for name, _ in group] for group in groups), len(groups), count)


def of_searches(side: Sequence[Run]) -> list[Run]:
    """The same, with the runs that have the kernels of one search, on one card, as one: they share its luck."""
    found: dict[object, list[Run]] = {}
    for place, run in enumerate(side):
        found.setdefault((run.card, run.search) if run.search is not None else place, []).append(run)
    return [own[0]._replace(ln=statistics.fmean(run.ln for run in own), weight=sum(run.weight for run in own)) for own in found.values()]


def of_mean(side: Sequence[Run], known: Known) -> Spread | None:
    """How far the mean over runs can be off because of the runs; of runs on three cards or more, because of the cards too.

    Args:
        side: the runs of a setup; the mean is over their answers, so that a run of few answers moves it little.
        known: the luck of all setups that were repeated.

    Returns:
        The standard error of the mean; None where there is one run and nothing is known of others.
    """
    cards = _of_cards(side)
    if len(cards) < ENOUGH_CARDS:
        return of_means([side], known.alone)
    means = [Run(float(np.dot(shares(own), [run.ln for run in own])), weight=sum(run.weight for run in own)) for own in cards.values()]
    return of_means([means], None)


def of_means(sides: Sequence[Sequence[Run]], others: Spread | None) -> Spread | None:
    """How far the sum or the difference of means over runs can be off, from the spread of each side's runs on one card and that of others.

    The variances are averaged by their degrees of freedom, of which that of others has at most MOST_FREEDOM; those of the result follow
    Welch and Satterthwaite, where what all sides borrow is borrowed once.

    Args:
        sides: the runs of each.
        others: what is known of runs alike; the runs of the sides are taken out of it.

    Returns:
        The standard error; None where it is not known of a side.
    """
    sides = [of_searches(side) for side in sides]
    own = [_within_cards(side) for side in sides]
    rest = others.without(sum(squares for squares, _ in own), sum(count for _, count in own)) if others is not None else None
    borrowed, lent = (min(rest.freedom, MOST_FREEDOM), rest.sd**2) if rest is not None else (0, 0.0)
    if not all(count + borrowed for _, count in own):
        return None
    scales = [float((shares(side) ** 2).sum()) / (count + borrowed) for (_, count), side in zip(own, sides, strict=True)]
    of_own = [squares * scale for (squares, _), scale in zip(own, scales, strict=True)]
    of_others = borrowed * lent * sum(scales)
    square = sum(of_own) + of_others
    parts = [(value, count) for value, (_, count) in zip(of_own, own, strict=True) if count] + ([(of_others, borrowed)] if borrowed else [])
    uncertain = sum(value**2 / count for value, count in parts)
    freedom = square**2 / uncertain if uncertain else min(count for _, count in parts)
    return Spread(math.sqrt(square), max(1, int(freedom + 1e-9)))


def shares(side: Sequence[Run]) -> Floats:
    """How much each run weighs in the mean of all: adds up to 1."""
    weights = np.array([run.weight for run in side], dtype=float)
    whole = float(weights.sum())
    return weights / whole if whole > 0 else np.full(len(side), 1 / max(len(side), 1))


def of_one(side: Sequence[Run], known: Known) -> Spread | None:
    """The spread of a single run of a setup, from its own runs and what is known of others; from runs on several cards, whose spread is
    then in it, where nothing else is known."""
    alike = [run._replace(weight=1.0) for run in of_searches(side)]
    mean = of_means([alike], known.alone) or of_means([[run._replace(card=None) for run in alike]], None)
    return mean.scaled(math.sqrt(len(alike))) if mean is not None else None


def _of_cards(side: Sequence[Run]) -> dict[str | None, list[Run]]:
    found: dict[str | None, list[Run]] = {}
    for run in side:
        found.setdefault(run.card, []).append(run)
    return found


def _within_cards(side: Sequence[Run]) -> tuple[float, int]:
    """The sum of the squares of runs around the mean of their card, and its degrees of freedom."""
    cards = _of_cards(side)
    squares = sum(float(np.var([run.ln for run in own])) * len(own) for own in cards.values())
    return squares, len(side) - len(cards)


def unlike_cards(first: Sequence[Run], second: Sequence[Run]) -> float:
    """How much of the spread between cards is in the difference of two means: the sum of squares of what their cards' weights differ by.

    0 where both have the same share of their answers on each card, 2 for one card each. A card that nobody recorded is like no other.
    """
    weights: dict[object, float] = {}
    for sign, side in ((1, first), (-1, second)):
        for place, (run, share) in enumerate(zip(side, shares(side), strict=True)):
            name = run.card if run.card is not None else (sign, place)
            weights[name] = weights.get(name, 0.0) + sign * float(share)
    return sum(weight**2 for weight in weights.values() if abs(weight) > 1e-9)


def together(first: Spread | None, second: Spread | None) -> Spread | None:
    """The spread of the difference of two independent means, with the degrees of freedom of Welch and Satterthwaite; None where one is not
    known."""
    if first is None or second is None:
        return None
    squares = (first.sd**2, second.sd**2)
    if not sum(squares):
        return Spread(0.0, min(first.freedom, second.freedom))
    freedom = sum(squares) ** 2 / sum(square**2 / side.freedom for square, side in zip(squares, (first, second), strict=True))
    return Spread(math.sqrt(sum(squares)), max(1, int(freedom)))


def draws(spread: Spread | None, place: int) -> Floats:
    """Draws of how far a mean is off because of its runs: Student's t times its standard error; zeros where nothing is known.

    Runs are too few to be resampled: three of them, drawn with replacement, are all the same one time in nine.

    Args:
        place: other numbers give independent draws.
    """
    if spread is None:
        return np.zeros(RESAMPLES)
    return spread.sd * np.random.default_rng([SEED, 1, place]).permutation(evenly(spread.freedom))
