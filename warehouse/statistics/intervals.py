"""How far a ratio of sums can be off: its bootstrap distribution over the units that were measured.

A unit is what was measured by itself: a prompt alone on the GPU, or the window of a batch, whose energy only a rule divides among its
prompts. Resampled are units; of several configurations that answered the same units all at once, so that the choice of units falls out of
their ratio. Knows nothing of runs.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SEED = 20260101
RESAMPLES = 2000
# Below so many units there is no interval.
FEWEST_UNITS = 5
# Prompts whose energies lie further apart than this (standard deviation of the logarithm) need so many: the mean of fewer rests on the
# longest answers, and a sample that has none of them does not show it. `enough_units` of warehouse/definitions/metrics.sql has the same.
NEEDED = ((0.3, 20), (1.25, 50))
# Above this spread even the longest answers of a large sample are few: it must count like so many of one length.
HEAVY, NEEDED_ALIKE = 1.75, 100
# How many values of a distribution are drawn for each that is used.
FINER = 100
LEVELS = (0.025, 0.975)
# The 97.5 % quantile of the normal distribution.
NORMAL = 1.959963984540054
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sums:
    """The two sums of one configuration, unit by unit; 0 and 0 where it does not have the unit."""

    upper: Floats  # energy (J) of each unit
    lower: Floats  # what it is divided by: answers, tokens, words
    windows: bool = False  # units are windows of several answers, which are alike; else prompts, one of which may be most of the energy

    @property
    def value(self) -> float:
        """Sum over sum; NaN when there is nothing to divide by."""
        below = float(self.lower.sum())
        return float(self.upper.sum()) / below if below > 0 else math.nan

    @property
    def units(self) -> int:
        """How many units the configuration has."""
        return int(np.count_nonzero((self.upper != 0) | (self.lower != 0)))

    @property
    def alike(self) -> float:
        """How many units of the same energy would lean on one as little: all of them where they are alike, about one where a single unit is
        most of the energy."""
        return float(self.upper.sum()) ** 2 / float(self.upper @ self.upper)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough units for an interval: the further their energies lie apart, the more it takes."""
        if self.units < FEWEST_UNITS or not self.value > 0:
            return False
        energies = self.upper[self.upper > 0]
        if self.windows or len(energies) < FEWEST_UNITS:
            return True
        spread = float(np.log(energies).std(ddof=1))
        fewest = max((needed for least, needed in NEEDED if spread > least), default=FEWEST_UNITS)
        return self.units >= fewest and (spread <= HEAVY or self.alike >= NEEDED_ALIKE)


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t: exact for one and two degrees of freedom, else by the expansion of Cornish and Fisher, right to
    0.3 %; between one, two and three on a straight line.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    if freedom < 3:
        ends = (math.tan(0.475 * math.pi), 0.95 * math.sqrt(2 / (1 - 0.95**2)))
        low, high = ends if freedom < 2 else (ends[1], student(3.0))
        return low + (high - low) * (freedom % 1)
    z = NORMAL
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


@lru_cache(maxsize=8)
def resamples(strata: tuple[int, ...]) -> Floats:
    """How often each unit is in each of RESAMPLES resamples; every stratum keeps its size. The same for everybody: drawn once.

    Args:
        strata: how many units each stratum has.

    Returns:
        RESAMPLES × units.
    """
    chance = np.random.default_rng(SEED)
    return np.hstack([chance.multinomial(size, np.full(size, 1 / size), RESAMPLES) for size in strata]).astype(np.float64)


def log_draws(drawn: Floats, sums: Sums, against: Sums | None = None) -> Floats | None:
    """Draws of the logarithm of the true value, or of its ratio to another configuration on the same units.

    A studentised bootstrap: each resample's distance from the sample is divided by the resample's own standard error, because that of few
    or skewed units varies with their mean. The draws are never narrower than Student's t, and as much wider as Student's t is for so many
    units as would be `alike`: a standard error to which few units give most of the digits is known no better than one of few units.

    Args:
        drawn: of `resamples`, for the units in their order.

    Returns:
        RESAMPLES draws; None where a side has too few units (`Sums.is_enough`), and where a value is not positive and has no logarithm.
    """
    sides = [sums] if against is None else [sums, against]
    if not all(side.is_enough for side in sides):
        return None
    fewest = min(side.units for side in sides)
    parts = [_Resampled(drawn, side) for side in sides]
    if not all(bool((part.upper > 0).all() and (part.lower > 0).all()) for part in parts):
        return None
    away, centre = parts[0].log_away, math.log(sums.value)
    squares, error = parts[0].with_itself(), parts[0].influence
    if against is not None:
        away, centre = away - parts[1].log_away, centre - math.log(against.value)
        squares, error = squares + parts[1].with_itself() - 2 * parts[0].with_other(parts[1]), error - parts[1].influence
    small = fewest / (fewest - 1)
    own = math.sqrt(small * float(error @ error))
    uneven = max(student(max(side.alike - 1, 1)) / student(side.units - 1) for side in sides)
    return centre - own * max(uneven, 1.0) * _studentised(away, np.sqrt(small * np.maximum(squares, 0)), student(fewest - 1))


def _studentised(away: Floats, errors: Floats, at_least: float) -> Floats:
    """Distances in standard errors, each tail widened to Student's where it is narrower; 0 where the units do not differ at all."""
    if float(np.abs(away).max()) < 1e-12:
        return np.zeros_like(away)
    found = np.divide(away, errors, out=np.where(away > 0, np.inf, np.where(away < 0, -np.inf, 0.0)), where=errors > 1e-12)
    low, high = np.quantile(found, LEVELS, method="nearest")
    wider_low, wider_high = (max(1.0, at_least / max(abs(float(end)), 1e-9)) for end in (low, high))
    return np.where(found < 0, found * wider_low, found * wider_high)


class _Resampled:
    """Sums of one configuration in every resample, and its influence: how far each unit moves the logarithm of its value.

    In a resample with the sums U* and L* the influence of a unit is e / U* + l · g, where e = u − θ l, θ is the value of the sample, and g
    = θ / U* − 1 / L*. So the sum of their squares follows from sums of e · e, e · l and l · l, without loss of digits.
    """

    def __init__(self, drawn: Floats, sums: Sums) -> None:
        self.drawn, self.lower_of_unit = drawn, sums.lower
        self.rest = sums.upper - sums.value * sums.lower
        # All sums of a resample in one product: what takes time is to read `drawn`.
        self.upper, self.lower, *self.own = _summed(
            drawn, sums.upper, sums.lower, self.rest * self.rest, self.rest * sums.lower, sums.lower * sums.lower
        )
        self.log_away = np.log(np.where(self.upper > 0, self.upper, 1) / np.where(self.lower > 0, self.lower, 1)) - math.log(sums.value)
        self.tilt = np.divide(sums.value, self.upper, where=self.upper > 0, out=np.zeros_like(self.upper)) - np.divide(
            1, self.lower, where=self.lower > 0, out=np.zeros_like(self.lower)
        )
        self.influence = self.rest / float(sums.upper.sum())

    def with_itself(self) -> Floats:
        """The sum of the squares of the influences, resample by resample."""
        rests, mixed, lowers = self.own
        return self._products(self, rests, mixed, mixed, lowers)

    def with_other(self, other: "_Resampled") -> Floats:
        """The sum of the products of the influences of two configurations, resample by resample."""
        here, there = (self.rest, self.lower_of_unit), (other.rest, other.lower_of_unit)
        return self._products(other, *_summed(self.drawn, *(mine * others for mine in here for others in there)))

    def _products(self, other: "_Resampled", rests: Floats, mixed: Floats, mixed_back: Floats, lowers: Floats) -> Floats:
        found: Floats = (
            rests / (self.upper * other.upper)
            + other.tilt * mixed / self.upper
            + self.tilt * mixed_back / other.upper
            + self.tilt * other.tilt * lowers
        )
        return found


def _summed(drawn: Floats, *of_units: Floats) -> Floats:
    """Sums over the units of each resample, one row for each of these."""
    found: Floats = np.ascontiguousarray((drawn @ np.column_stack(of_units)).T)
    return found


def ends(draws: Floats) -> tuple[float, float]:
    """The low and the high end of the middle 95 % of draws; a draw that may lie anywhere (NaN) is beyond either end."""
    ordered = [np.sort(np.where(np.isnan(draws), beyond, draws)) for beyond in (-np.inf, np.inf)]
    low, high = (side[round(level * (len(draws) - 1))] for side, level in zip(ordered, LEVELS, strict=True))
    return float(low), float(high)


@lru_cache(maxsize=32)
def evenly(freedom: int) -> Floats:
    """RESAMPLES values spread over Student's distribution as evenly as its quantiles, so that its tails do not depend on luck.

    Args:
        freedom: degrees of freedom; 0 for the normal distribution.
    """
    chance, count = np.random.default_rng([SEED, freedom]), RESAMPLES * FINER
    fine: Floats = np.sort(chance.standard_t(freedom, count) if freedom else chance.standard_normal(count))
    chosen: Floats = fine[FINER // 2 :: FINER]
    return chosen
