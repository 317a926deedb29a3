"""How far two runs of one setup lie apart, and what that adds to an interval.

A run has its own luck: the card's temperature, its host's other work, kernels chosen by timing. It moves the energy of every token of the
run alike, so resampling prompts cannot see it. It is measured on J/token, which the length of the answers hardly moves, between runs that
are alike in everything but seed and time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS, RESAMPLES, SEED, Floats, evenly, student

# What is known of other setups counts for at most so many degrees of freedom: setups differ in how steady they are.
MOST_FREEDOM = 4
# So many passes tell by themselves how far a difference measured in turns can be off.
ENOUGH_PASSES = 3


@dataclass(frozen=True)
class Spread:
    """A standard deviation of ln(J/token) between runs, and how well it is known.

    Attributes:
        sd: 0.05 is about 5 %.
        freedom: degrees of freedom behind it.
        setups: how many setups it was measured on.
        runs: how many runs of these.
    """

    sd: float
    freedom: int
    setups: int = 0
    runs: int = 0

    @property
    def reach(self) -> float:
        """Half the width of the 95 % interval of a value that is off by this spread, as a logarithm."""
        return student(self.freedom) * self.sd


@dataclass(frozen=True)
class Known:
    """What is known of the luck of runs from all setups that were run more than once: A/A data.

    Attributes:
        alone: the spread between runs of one setup on one card.
        in_turns: the spread of the difference between two setups whose prompts were answered in turns, from pass to pass.
        cards: the spread between cards of one kind, less that between runs; in no interval, each is about the cards that were measured.
        of_protocols: the same from the runs of one major version of the protocol: "1", "2".
    """

    alone: Spread | None = None
    in_turns: Spread | None = None
    cards: Spread | None = None
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
    logs = counted.with_columns(pl.col("energy_per_token_j").log().alias("ln"))
    protocols = logs["harness_version"].unique().drop_nulls().to_list()
    majors = {major: [protocol for protocol in protocols if _major(protocol) == major] for major in map(_major, protocols)}
    return replace(
        _known(logs), of_protocols={major: _known(logs.filter(pl.col("harness_version").is_in(own))) for major, own in majors.items()}
    )


def _major(protocol: str | None) -> str:
    return (protocol or "").partition(".")[0]


def _known(logs: pl.DataFrame) -> Known:
    alone = _pooled(logs, ("setup", "card"))
    in_turns = _pooled(_differences(logs.filter(pl.col("pass_id").is_not_null())), ("setup", "first"))
    return Known(alone, in_turns, _between_cards(logs, alone))


def _between_cards(logs: pl.DataFrame, alone: Spread | None) -> Spread | None:
    """The spread between cards of one kind, without that between runs; None where no setup was run on two cards.

    Setups that ran on the same cards tell of the same cards: together they have the degrees of freedom of one. `runs` counts the cards.
    """
    cards = logs.drop_nulls("card").group_by("setup", "card").agg(pl.col("ln").mean(), pl.len().alias("runs"))
    groups = cards.group_by("setup").agg(
        pl.col("ln").var().alias("variance"),
        pl.len().alias("cards"),
        (1 / pl.col("runs")).mean().alias("per_run"),
        pl.col("card").sort().str.join(" ").alias("which"),
    )
    groups = groups.filter(pl.col("cards") > 1)
    if groups.is_empty():
        return None
    weight = groups["cards"] - 1
    square = float((groups["variance"] * weight).sum()) / float(weight.sum())
    of_runs = alone.sd**2 * float((groups["per_run"] * weight).sum()) / float(weight.sum()) if alone else 0.0
    sets = groups.unique("which")
    measured = cards.filter(pl.col("setup").is_in(groups["setup"].implode()))["card"].n_unique()
    return Spread(math.sqrt(max(square - of_runs, 0.0)), int((sets["cards"] - 1).sum()), groups.height, measured)


def _differences(logs: pl.DataFrame) -> pl.DataFrame:
    """`ln` of each run less that of the first setup of its pass: one row per run but the first of each pass."""
    first = (
        logs.sort("setup")
        .group_by("pass_id", maintain_order=True)
        .agg(pl.col("setup").first().alias("first"), pl.col("ln").first().alias("of_first"))
    )
    return logs.join(first, on="pass_id").filter(pl.col("setup") != pl.col("first")).with_columns(pl.col("ln") - pl.col("of_first"))


def _pooled(logs: pl.DataFrame, by: Sequence[str]) -> Spread | None:
    """The standard deviation of `ln` within groups; None where no group has two rows."""
    groups = logs.group_by(*by).agg(pl.col("ln").var().alias("variance"), pl.len().alias("runs")).filter(pl.col("runs") > 1)
    if groups.is_empty():
        return None
    freedom = int((groups["runs"] - 1).sum())
    square = float((groups["variance"] * (groups["runs"] - 1)).sum()) / freedom
    return Spread(math.sqrt(square), freedom, groups.height, int(groups["runs"].sum()))


def of_mean(logs: Sequence[float], others: Spread | None) -> Spread | None:
    """How far the mean over runs can be off because of the runs: from their own spread and that known of other setups.

    The two variances are averaged by their degrees of freedom, of which that of the others has at most MOST_FREEDOM.

    Args:
        logs: ln(J/token) of each run, or its difference between two sides of the run.

    Returns:
        The standard error of the mean; None where there is one run and nothing is known of others.
    """
    own = len(logs) - 1
    borrowed = min(others.freedom, MOST_FREEDOM) if others is not None else 0
    freedom = own + borrowed
    if not freedom:
        return None
    square = (own * (float(np.var(logs, ddof=1)) if own else 0.0) + borrowed * (others.sd**2 if others is not None else 0.0)) / freedom
    return Spread(math.sqrt(square / len(logs)), freedom)


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
