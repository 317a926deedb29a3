"""The two parts of the error of a meter, combined in means, sums, ratios and differences: made-up meters whose error is known."""

import duckdb
import numpy as np
import pytest

from prompt_joules.bench.meter.edges import ALIGNED_BIAS
from prompt_joules.warehouse.create import empty
from prompt_joules.warehouse.statistics.estimates import Meter, calibration_of_ratio
from prompt_joules.warehouse.statistics.intervals import NORMAL, Floats

ANSWERS, TIMES = 40, 4000


@pytest.fixture(scope="module")
def macros() -> duckdb.DuckDBPyConnection:
    """A warehouse without rows."""
    connection = duckdb.connect()
    empty(connection)
    return connection


def measured(energies: Floats, edge: float, calibration: float, window: int, chance: np.random.Generator, off: Floats) -> Floats:
    """What a meter reads of the same answers again and again, TIMES × answers (J): each window is off by itself, all alike by `off`.

    Args:
        edge: half-width of a window of an answer, relative.
        calibration: half-width of what is common, relative.
        window: answers of one window, which share its error in proportion to their energy.
        off: TIMES draws of the common part, standard normal.
    """
    own = np.repeat(chance.standard_normal((TIMES, len(energies) // window)), window, axis=1)
    return energies * (1 + edge / NORMAL * own + calibration / NORMAL * off[:, None])


@pytest.mark.parametrize(("edge", "calibration", "window"), [(0.1, 0.003, 1), (0.01, 0.03, 1), (0.05, 0.01, 8)])
def test_the_error_of_a_mean_holds_the_truth(macros: duckdb.DuckDBPyConnection, edge: float, calibration: float, window: int) -> None:
    chance = np.random.default_rng(1)
    energies = np.full(ANSWERS, 50.0) if window > 1 else 50 * np.exp(0.8 * chance.standard_normal(ANSWERS))
    errors = energies * np.hypot(edge, calibration)
    asked = [ANSWERS, energies.mean(), (energies**2).sum(), (errors**2).sum(), calibration, window]
    half = macros.execute("select error_of_mean($1, $2, $3, $4, $5, $6)", asked).fetchone()[0]  # type: ignore[index]
    read = measured(energies, edge, calibration, window, chance, chance.standard_normal(TIMES))
    away = np.abs(read.mean(axis=1) - energies.mean())
    assert 0.93 <= (away <= half).mean() <= 0.97, "neither too narrow nor too wide"
    assert 0.93 <= (np.abs(read.sum(axis=1) - energies.sum()) <= ANSWERS * half).mean() <= 0.97, "a sum is off by n times as much"


@pytest.mark.parametrize("cards", [("one", "one"), ("one", "two"), ("one", None)], ids=["one card", "two cards", "not known"])
def test_in_a_ratio_what_is_common_cancels_on_one_card_alone(cards: tuple[str, str | None]) -> None:
    chance, calibration, edge = np.random.default_rng(2), 0.03, 0.02
    energies = [50 * np.exp(0.8 * chance.standard_normal(ANSWERS)) * times for times in (1.0, 0.7)]
    common = chance.standard_normal((2, TIMES))
    is_one = cards[0] == cards[1]
    sides = [measured(side, edge, calibration, 1, chance, common[0 if is_one else place]) for place, side in enumerate(energies)]
    truth = energies[1].sum() / energies[0].sum()
    away = np.abs(np.log(sides[1].sum(axis=1) / sides[0].sum(axis=1) / truth))
    alone = [edge * np.sqrt((side**2).sum()) / side.sum() for side in energies]
    meters = [Meter(frozenset([card]), calibration) for card in cards]
    half = float(np.hypot(np.hypot(*alone), calibration_of_ratio(*meters)))
    assert 0.93 <= (away <= half).mean() <= 0.97
    assert (calibration_of_ratio(*meters) == 0) == is_one


def test_of_a_difference_on_one_card_the_part_of_the_difference_is_left() -> None:
    chance, calibration, edge = np.random.default_rng(3), 0.05, 0.01
    energies = [np.full(ANSWERS, value) for value in (50.0, 35.0)]
    common = chance.standard_normal(TIMES)
    sides = [measured(side, edge, calibration, 1, chance, common) for side in energies]
    truth = energies[1].mean() - energies[0].mean()
    edges = np.hypot(*(edge * side[0] / np.sqrt(ANSWERS) for side in energies))
    away = np.abs(sides[1].mean(axis=1) - sides[0].mean(axis=1) - truth)
    assert 0.93 <= (away <= np.hypot(edges, calibration * truth)).mean() <= 0.97, "docs/measurement.md: how errors combine"
    assert (away <= edges).mean() < 0.8, "edges alone are too little where both sides differ"


def test_rows_that_did_not_record_it_have_what_the_truth_test_found(macros: duckdb.DuckDBPyConnection) -> None:
    for given, edges, expected in ((None, "aligned", ALIGNED_BIAS), (None, "plain", 0), (0.01, "aligned", 0.01), (None, None, 0)):
        (found,) = macros.execute("select calibration_of($1::double, $2)", [given, edges]).fetchone()  # type: ignore[misc]
        assert float(found) == pytest.approx(expected)
