"""Intervals hold the truth as often as they say: the scenarios of `python -m tests.simulations`, a few times each."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from tests.simulations.measurements import Scenario
from tests.simulations.scenarios import SCENARIOS

# After so many measurements an interval passes that has missed the truth so often at most. With fewer misses it passes early, which halves
# the measurements and leaves almost the same chance to find an interval that is too short as 120 of each: the last test computes it.
MOST_MISSES = {24: 0, 48: 2, 72: 4, 96: 6, 120: 12}


def misses(scenario: Scenario) -> Iterator[bool]:
    """Whether the interval of each measurement misses the truth. A standard error of 120 of them is 2 points at 95 %."""
    return (not scenario(np.random.default_rng([1, place])) for place in count())


def passes(missed: Iterator[bool]) -> bool:
    """Whether an interval with such misses is believed."""
    found = 0
    for asked, miss in enumerate(missed, 1):
        found += miss
        if found <= MOST_MISSES.get(asked, -1):
            return True
        if found > max(MOST_MISSES.values()) or asked == max(MOST_MISSES):
            return False
    raise ValueError("too few measurements")


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_interval_holds_the_truth(name: str) -> None:
    assert passes(misses(SCENARIOS[name]))


@pytest.mark.parametrize(("truth_held", "least", "most"), [(0.95, 0.99, 1), (0.9, 0, 0.6), (0.85, 0, 0.1), (0.8, 0, 0.01)])
def test_an_interval_that_is_too_short_is_found(truth_held: float, least: float, most: float) -> None:
    undecided, passed = {0: 1.0}, 0.0
    for asked in range(1, max(MOST_MISSES) + 1):
        after: dict[int, float] = {}
        for found, chance in undecided.items():
            for more, part in ((0, truth_held), (1, 1 - truth_held)):
                after[found + more] = after.get(found + more, 0) + chance * part
        enough = MOST_MISSES.get(asked, -1)
        passed += sum(chance for found, chance in after.items() if found <= enough)
        undecided = {found: chance for found, chance in after.items() if enough < found <= max(MOST_MISSES.values())}
    assert least <= passed <= most


@pytest.mark.parametrize(
    ("missed", "passed"), [(range(0), True), (range(23, 25), True), (range(12), True), (range(13), False), (range(108, 121), True)]
)
def test_misses_are_counted(missed: range, passed: bool) -> None:
    assert passes(place in missed for place in range(120)) == passed
