"""Percentiles by the order of the values."""

from math import comb

import numpy as np
import pytest

from prompt_joules.warehouse.statistics import intervals, percentiles


@pytest.mark.parametrize("count", [5, 20, 59, 100, 300])
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.99])
def test_the_ranks_hold_the_percentile_95_times_in_100(count: int, level: float) -> None:
    chances = [comb(count, below) * level**below * (1 - level) ** (count - below) for below in range(count + 1)]
    low, high = percentiles.ranks(count, level)
    # The percentile is above the value of a rank when at least so many values are below it.
    assert sum(chances[:low]) <= 0.025 < sum(chances[: low + 1])
    assert sum(chances[high:]) <= 0.025 + 1e-12 and (high == 0 or sum(chances[high - 1 :]) > 0.025)


def test_twenty_answers_have_no_upper_limit_of_the_p99() -> None:
    values = np.arange(1.0, 21)
    value, low, high = percentiles.interval(values, 0.99)
    assert (value, low, high) == (pytest.approx(19.81), 19.0, None)
    assert percentiles.interval(values, 0.01)[1] is None
    assert percentiles.interval(values, 0.5) == (10.5, 6.0, 15.0)
    assert percentiles.interval(np.arange(4.0), 0.5) == (1.5, None, None), "fewer than five have no interval"


@pytest.mark.parametrize("count", [5, 19, 60, 200])
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.99])
def test_of_few_values_the_steps_give_the_same_interval(count: int, level: float) -> None:
    values = np.sort(np.random.default_rng(count).lognormal(size=count))
    shares = np.arange(count + 1) / count
    assert percentiles.of_steps(shares, np.concatenate([values[:1], values]), level, count) == percentiles.interval(values, level)[1:]


@pytest.mark.parametrize("level", [0.05, 0.5, 0.95, 0.99])
def test_of_many_values_the_steps_give_no_narrower_interval(level: float) -> None:
    values = np.sort(np.random.default_rng(0).lognormal(size=3000))
    last = np.arange(15, 3001, 15)
    low, high = percentiles.of_steps(np.concatenate([[0], last / 3000]), np.concatenate([values[:1], values[last - 1]]), level, 3000)
    _, exact_low, exact_high = percentiles.interval(values, level)
    assert low is not None and high is not None and exact_low is not None and exact_high is not None
    places = np.searchsorted(values, [low, exact_low, exact_high, high])
    assert list(places) == sorted(places)
    assert places[1] - places[0] <= 30 and places[3] - places[2] <= 15


def test_many_equal_values_are_no_gap() -> None:
    """Two answers in five are as long as they may be: a step of 40 % of the values, none of which lies between its ends."""
    shares, values = np.array([0.0, 0.3, 0.6, 1.0]), np.array([5.0, 5.0, 10.0, 512.0])
    assert percentiles.of_steps(shares, values, 0.9, 100) == (512.0, 512.0)


def test_several_answers_to_a_prompt_count_as_one_in_steps() -> None:
    shares, values = np.arange(61) / 60, np.arange(61.0)
    low, high = percentiles.of_steps(shares, values, 0.5, 60, 3)
    alone = percentiles.of_steps(np.arange(21) / 20, 3 * np.arange(21.0), 0.5, 20)
    assert (low, high) == alone
    assert percentiles.of_steps(shares, values, 0.5, 60, 15) == (None, None), "four prompts have no interval"


def test_the_ranks_of_very_many_values_are_those_of_the_normal_distribution() -> None:
    before, after = (percentiles.ranks(count, 0.9) for count in (percentiles.MOST_EXACT, percentiles.MOST_EXACT + 1))
    assert after == (pytest.approx(before[0] + 1, abs=2), pytest.approx(before[1] + 1, abs=2))


def test_weights_that_are_equal_change_no_percentile() -> None:
    values = np.random.default_rng(3).lognormal(size=57)
    for level in (0.0, 0.1, 0.5, 0.95, 1.0):
        assert percentiles.quantile(values, np.full(57, 0.2), level) == pytest.approx(np.quantile(values, level))
    infinite = np.array([0.5, np.inf, np.inf])
    assert percentiles.quantile(infinite, np.ones(3), 0.5) == np.inf
    assert percentiles.quantile(infinite, np.array([9.0, 1.0, 1.0]), 0.5) == np.inf
    assert percentiles.quantile(np.array([0.5, 0.5, np.inf]), np.ones(3), 0.5) == 0.5


def test_a_prompt_that_was_asked_often_counts_once() -> None:
    prompts = np.concatenate([np.arange(40), np.repeat(np.arange(5), 30)])
    chance = np.random.default_rng(4)
    values = np.where(prompts < 5, 0.1, chance.normal(1, 0.1, len(prompts)))
    assert percentiles.clustered(values, 0.5, prompts)[0] == 0.1
    value, low, high = percentiles.clustered(values, 0.5, prompts, percentiles.once(prompts))
    assert low is not None and high is not None and 0.8 < low < value < high < 1.2
    assert percentiles.once(prompts).sum() == pytest.approx(40)


def test_answers_to_one_prompt_count_for_less_than_prompts() -> None:
    prompts = np.repeat(np.arange(60), 5)
    each = np.random.default_rng(1).normal(size=60)
    alike, mixed = each[prompts], np.random.default_rng(2).normal(size=300)
    _, low, high = percentiles.clustered(alike, 0.5, prompts)
    ordered = np.sort(each)
    assert low in ordered[20:23] and high in ordered[37:40], "five equal answers are one: about the 22nd and the 39th of 60 prompts"
    _, low, high = percentiles.clustered(mixed, 0.5, prompts)
    _, low_of_all, high_of_all = percentiles.interval(mixed, 0.5)
    assert low is not None and high is not None and low_of_all is not None and high_of_all is not None
    assert high - low == pytest.approx(high_of_all - low_of_all, rel=0.5)
    assert percentiles.clustered(each, 0.9, np.arange(60)) == percentiles.interval(each, 0.9)


def test_draws_of_a_percentile_have_its_interval() -> None:
    draws = percentiles.log_draws(10.0, 8.0, 15.0, 0)
    assert draws is not None
    assert np.exp(intervals.ends(draws)) == pytest.approx([8.0, 15.0], rel=0.01)
    unbounded = percentiles.log_draws(10.0, 8.0, None, 0)
    assert unbounded is not None and intervals.ends(unbounded)[1] == np.inf
    assert percentiles.log_draws(-1.0, -2.0, 1.0, 0) is None
