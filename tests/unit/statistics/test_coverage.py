"""Intervals hold the truth as often as they say: the scenarios of `python -m tests.simulations`, a few times each."""

import pytest

from tests.simulations.scenarios import SCENARIOS, coverage

TIMES = 120
# 95 % of 120 are 114; by chance alone fewer than 108 come once in a hundred.
FEWEST = 108


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_interval_holds_the_truth(name: str) -> None:
    assert coverage(SCENARIOS[name], TIMES) >= FEWEST / TIMES
