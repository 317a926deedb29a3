"""Lines and costs of a token: least squares against other ways to them, and where nothing is said."""

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse.statistics import cost, least_squares, lines, runs
from prompt_joules.warehouse.statistics.intervals import student
from tests.simulations.fits import cost_units
from tests.simulations.measurements import World


def test_one_point_a_cluster_is_hc3() -> None:
    chance = np.random.default_rng(1)
    x = np.column_stack([np.ones(40), chance.exponential(size=40), chance.normal(size=40)])
    y = x @ [1.0, 2.0, 3.0] + x[:, 1] * chance.normal(size=40)
    fit = least_squares.clustered(x, y, np.arange(40))
    assert fit is not None
    bread = np.linalg.inv(x.T @ x)
    leverage = np.einsum("ij,jk,ik->i", x, bread, x)
    errors = (y - x @ fit.coefficients) / (1 - leverage)
    hc3 = bread @ (x.T * errors**2) @ x @ bread
    assert fit.coefficients == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[0])
    assert fit.covariance == pytest.approx(hc3 * 39 / 40, rel=1e-6)
    assert fit.left == pytest.approx(((y - x @ fit.coefficients) ** 2).sum())
    value, half = fit.at(np.array([1.0, 2.0, 0.0]))
    assert value == pytest.approx(fit.coefficients[:2] @ [1, 2])
    assert half == pytest.approx(student(37) * np.sqrt(np.array([1, 2, 0]) @ fit.covariance @ [1, 2, 0]))


def test_there_is_no_fit_that_hangs_on_one_cluster() -> None:
    x = np.column_stack([np.ones(9), [5.0] * 8 + [9.0]])
    assert least_squares.clustered(x, np.arange(9.0), np.arange(9)) is None


def points(x: list[float], y: list[float], **columns: object) -> pl.DataFrame:
    return pl.DataFrame({"x": x, "y": y, "gpu": "A40", "model_id": [f"model {place}" for place in range(len(x))], **columns})


def test_a_power_law_is_found_with_its_exponent() -> None:
    line = lines.lines(points([1, 2, 4, 8, 16], [3, 12, 48, 192, 768]), "x", "y", ["gpu"], log=True).row(0, named=True)
    assert (line["slope"], line["slope_low"], line["slope_high"]) == (pytest.approx(2), pytest.approx(2), pytest.approx(2))
    assert (line["y_low"], line["y_high"], line["grows"], line["explained"]) == (
        pytest.approx(3),
        pytest.approx(768),
        True,
        pytest.approx(1),
    )


def test_results_of_one_model_are_one_model() -> None:
    chance = np.random.default_rng(3)
    size = np.exp(chance.uniform(0, 4, 10))
    energy = size**0.5 * np.exp(0.4 * chance.normal(size=10))
    once = lines.lines(points(list(size), list(energy)), "x", "y", ["gpu"], log=True).row(0, named=True)
    often = pl.concat([points(list(size), list(energy))] * 4)
    again = lines.lines(often, "x", "y", ["gpu"], log=True).row(0, named=True)
    assert (again["slope_low"], again["slope_high"]) == (pytest.approx(once["slope_low"]), pytest.approx(once["slope_high"]))
    assert (again["points"], again["models"]) == (40, 10)


def test_a_cloud_shows_no_growth_and_few_points_no_line() -> None:
    chance = np.random.default_rng(4)
    cloud = points(list(np.arange(1.0, 21)), list(np.exp(chance.normal(size=20))))
    line = lines.lines(cloud, "x", "y", ["gpu"], log=True).row(0, named=True)
    assert line["slope_low"] < 0 < line["slope_high"] and line["grows"] is False
    assert lines.lines(cloud.head(4), "x", "y", ["gpu"], log=True).is_empty(), "four points"
    twice = points([1.0, 1.0, 2.0, 2.0, 3.0, 3.0], [1.0, 1.0, 2.0, 2.0, 3.0, 3.0])
    assert lines.lines(twice, "x", "y", ["gpu"], log=False).is_empty(), "three different points"
    upright = points([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = lines.lines(upright, "x", "y", ["gpu"], log=False)
    assert found.is_empty() and "slope" in found.columns, "two different x"


def test_the_band_is_the_interval_of_the_line() -> None:
    chance = np.random.default_rng(5)
    across = np.linspace(1, 3, 60)
    line = lines.lines(points(list(across), list(across + chance.normal(size=60))), "x", "y", ["gpu"], log=False).row(0, named=True)
    fits = [np.polynomial.polynomial.polyfit(across, across + chance.normal(size=60), 1) for _ in range(2000)]
    for place in (line["band"][0], line["band"][12], line["band"][-1]):
        width = 2 * 1.96 * np.std([a + b * place["x"] for a, b in fits])
        assert place["high"] - place["low"] == pytest.approx(width, rel=0.3)


def test_the_cost_of_a_token_is_that_of_least_squares_and_prompts_are_clusters() -> None:
    sums = cost_units(World(), 40, 3, np.random.default_rng(6))
    fit = cost.fits(sums).row(0, named=True)
    x = sums.select(pl.lit(1.0), "ins", "outs").to_numpy()
    direct = np.linalg.lstsq(x, sums["joules"].to_numpy(), rcond=None)[0]
    assert [fit[name] for name in cost.COEFFICIENTS] == pytest.approx(direct)
    assert (fit["units"], fit["answers"], fit["runs"], fit["grows"]) == (40, 120, 1, True)
    assert fit["residual_j"] == pytest.approx(np.sqrt(((sums["joules"].to_numpy() - x @ direct) ** 2).sum() / 117))
    value, low, high = cost.what_if(fit, 100, 300)
    assert value == pytest.approx(direct @ [1, 100, 300]) and low < value < high
    spread = runs.Known(runs.Spread(0.1, 4))
    lucky = cost.fits(sums, spread).row(0, named=True)
    assert lucky["output_token_j_high"] > fit["output_token_j_high"]
    assert cost.what_if(lucky, 100, 300)[2] == pytest.approx(value + np.hypot(high - value, spread.alone.reach * value))  # type: ignore[union-attr]


def test_answers_of_one_length_say_nothing_of_the_cost_of_a_token() -> None:
    sums = cost_units(World(), 40, 1, np.random.default_rng(7))
    forced = sums.with_columns(outs=pl.lit(256.0), in_out=256 * pl.col("ins"), out_out=pl.lit(65536.0), out_joules=256 * pl.col("joules"))
    assert cost.fits(forced).is_empty()
    assert cost.fits(sums.filter(pl.col("unit") < 7)).is_empty()


def test_a_cloud_of_answers_shows_no_growth_and_a_line_below_zero_says_so() -> None:
    sums = cost_units(World(), 40, 1, np.random.default_rng(8))
    noise = np.random.default_rng(9).normal(100, 30, 40)
    cloud = sums.with_columns(joules=noise, in_joules=pl.col("ins") * noise, out_joules=pl.col("outs") * noise, joules_joules=noise**2)
    assert cost.fits(cloud)["grows"].item() is False
    below = cost_units(World(start_j=-30.0, noise=0.01), 40, 1, np.random.default_rng(8))
    assert cost.fits(below)["below_zero"].item() is True and cost.fits(sums)["below_zero"].item() is False
