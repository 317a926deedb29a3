"""Intervals hold the truth as often as they say: the scenarios of `python -m tests.simulations`, a few times each."""

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from tests.simulations.measurements import Scenario
from tests.simulations.scenarios import LIMITS, SCENARIOS

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


def test_the_table_of_the_documents_is_of_these_scenarios_and_none_is_below_93() -> None:
    """The tests measure few times and pass an interval of 90 % now and then; `python -m tests.simulations --times 400` made the table."""
    text = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text()
    found = re.findall(r"^\| (.+) \| ([\d.]+) % \|$", text, re.MULTILINE)
    assert [name for name, _ in found] == [*SCENARIOS, *LIMITS], "the table is made anew when a scenario comes or goes"
    low = {name: share for name, share in found if float(share) < 93}
    assert set(low) <= set(LIMITS), "an interval that is promised"
    assert all(float(share) < 93 for name, share in found if name in LIMITS), "what holds is a promise"


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
