"""The bootstrap of a ratio of sums, against other ways to the same interval."""

import math

import duckdb
import numpy as np
import pytest

from prompt_joules.warehouse import create
from prompt_joules.warehouse.statistics import intervals
from prompt_joules.warehouse.statistics.intervals import Sums


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (8, 2.3060), (20, 2.0860), (1000, 1.9623)]
)
def test_student(freedom: int, quantile: float) -> None:
    assert intervals.student(freedom) == pytest.approx(quantile, rel=0.003)


def test_many_units_give_the_interval_of_the_normal_distribution() -> None:
    energy = 50 + np.random.default_rng(1).normal(size=400)
    drawn = intervals.log_draws(intervals.resamples((400,)), Sums(energy, np.ones(400)))
    assert drawn is not None
    low, high = (math.exp(end) for end in intervals.ends(drawn))
    half = 1.96 * energy.std(ddof=1) / 20
    assert (low, high) == (pytest.approx(energy.mean() - half, rel=2e-3), pytest.approx(energy.mean() + half, rel=2e-3))
    again = intervals.log_draws(intervals.resamples((400,)), Sums(energy, np.ones(400)))
    assert again is not None and np.array_equal(drawn, again), "the same rows give the same interval"


def test_few_units_have_at_least_the_width_of_students_t() -> None:
    energy = np.random.default_rng(2).normal(100, 5, 6)
    drawn = intervals.log_draws(intervals.resamples((6,)), Sums(energy, np.ones(6)))
    assert drawn is not None
    low, high = intervals.ends(drawn)
    reach = intervals.student(5) * energy.std(ddof=1) / math.sqrt(6) / energy.mean()
    assert high - math.log(energy.mean()) >= 0.999 * reach
    assert math.log(energy.mean()) - low >= 0.999 * reach


def test_the_errors_of_a_ratio_of_sums_are_those_of_its_influence() -> None:
    """Written out unit by unit for one resample."""
    chance = np.random.default_rng(3)
    tokens = chance.integers(5, 500, 30).astype(float)
    first, second = Sums(4 + 0.3 * tokens, tokens), Sums(3 + 0.2 * tokens[::-1], tokens[::-1])
    drawn = intervals.resamples((30,))[:1]
    a, b = intervals._Resampled(drawn, first), intervals._Resampled(drawn, second)
    each = np.repeat(np.arange(30), drawn[0].astype(int))
    influence = [side.upper / side.upper[each].sum() - side.lower / side.lower[each].sum() for side in (first, second)]
    assert a.with_itself()[0] == pytest.approx((influence[0][each] ** 2).sum())
    assert a.with_other(b)[0] == pytest.approx((influence[0][each] * influence[1][each]).sum())


@pytest.mark.parametrize(
    ("upper", "lower"), [([1.0] * 4, [1.0] * 4), ([-1.0] * 9, [1.0] * 9), ([0.0] * 9, [1.0] * 9), ([1.0] * 9, [0.0] * 9)]
)
def test_there_is_no_interval_of_few_units_and_of_what_has_no_logarithm(upper: list[float], lower: list[float]) -> None:
    drawn = intervals.resamples((len(upper),))
    assert intervals.log_draws(drawn, Sums(np.array(upper), np.array(lower))) is None


def test_units_that_do_not_differ_leave_nothing_to_luck() -> None:
    same = Sums(np.full(20, 3.0), np.full(20, 10.0))
    drawn = intervals.log_draws(intervals.resamples((20,)), same)
    assert drawn is not None and np.ptp(drawn) == 0 and drawn[0] == pytest.approx(math.log(0.3))
    twice = Sums(2 * np.arange(1.0, 21), np.ones(20))
    ratio = intervals.log_draws(intervals.resamples((20,)), twice, Sums(np.arange(1.0, 21), np.ones(20)))
    assert ratio is not None and ratio == pytest.approx(math.log(2))


def test_every_stratum_keeps_its_size() -> None:
    drawn = intervals.resamples((3, 7))
    assert drawn.shape == (intervals.RESAMPLES, 10)
    assert (drawn[:, :3].sum(axis=1) == 3).all() and (drawn[:, 3:].sum(axis=1) == 7).all()


def spread_evenly(count: int, spread: float) -> np.ndarray:
    """Energies of prompts, log-normal, whose logarithms have this standard deviation."""
    logs = np.random.default_rng(3).standard_normal(count)
    logs = (logs - logs.mean()) / logs.std(ddof=1)
    return np.asarray(np.exp(3 + spread * logs))


@pytest.mark.parametrize(
    ("count", "spread", "is_enough"),
    [
        *((4, 0.1, False), (5, 0.1, True), (5, 0.31, False), (19, 0.31, False), (20, 0.31, True), (20, 1.24, True)),
        *((49, 1.26, False), (50, 1.26, True), (100, 1.74, True), (100, 1.76, False), (390, 1.76, False)),
    ],
)
def test_prompts_whose_energies_lie_far_apart_need_more(count: int, spread: float, is_enough: bool) -> None:
    energies = spread_evenly(count, spread)
    sums = Sums(energies, np.ones(count))
    assert sums.is_enough == is_enough
    drawn = intervals.resamples((count,))
    assert (intervals.log_draws(drawn, sums) is not None) == is_enough
    alike = Sums(spread_evenly(count, 0.1), np.ones(count))
    assert (intervals.log_draws(drawn, alike, sums) is not None) == is_enough, "the side that has too few decides"
    if count >= 5:
        assert Sums(energies, np.ones(count), windows=True).is_enough, "windows of batches are alike but for the last"
    with duckdb.connect() as connection:
        connection.execute((create.SOURCES[0].parent / "definitions" / "metrics.sql").read_text().split("-- The standard error of the")[0])
        ask = "select enough_units($count, $spread, $alike)"
        found = connection.execute(ask, {"count": count, "spread": float(np.log(energies).std(ddof=1)), "alike": sums.alike}).fetchone()
    assert found == (is_enough,), "the ingest has the same rule"


def test_many_prompts_far_apart_are_enough_where_none_is_much_of_the_energy() -> None:
    halves = np.repeat([1.0, 50.0], 60)
    assert np.log(halves).std(ddof=1) > intervals.HEAVY
    assert not Sums(halves, np.ones(120)).is_enough and Sums(np.repeat([1.0, 50.0], 200), np.ones(400)).is_enough


def test_an_interval_is_wider_where_few_units_are_most_of_the_energy() -> None:
    assert Sums(np.ones(40), np.ones(40)).alike == pytest.approx(40)
    assert Sums(np.array([97.0, 1, 1, 1]), np.ones(4)).alike == pytest.approx(100**2 / (97**2 + 3))
    assert intervals.student(3.5) == pytest.approx(2.965, rel=0.01), "between 3.182 and 2.776"
    assert intervals.student(1.5) == pytest.approx((intervals.student(1) + intervals.student(2)) / 2)
