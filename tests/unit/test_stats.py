"""Intervals and fits against what is known of them."""

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse import comparison, stats
from prompt_joules.warehouse.energy_shown import Measure


@pytest.mark.parametrize(("freedom", "quantile"), [(2, 4.3027), (3, 3.1824), (5, 2.5706), (20, 2.0860), (1000, 1.9623)])
def test_student(freedom: int, quantile: float) -> None:
    assert stats.student(freedom) == pytest.approx(quantile, rel=0.01)


def test_a_power_law_is_found_with_its_exponent() -> None:
    points = pl.DataFrame({"x": [1.0, 2.0, 4.0, 8.0], "y": [3.0, 12.0, 48.0, 192.0], "gpu": ["A40"] * 4})
    line = stats.lines(points, "x", "y", ["gpu"], log=True).row(0, named=True)
    assert line["slope"] == pytest.approx(2)
    assert (line["slope_low"], line["slope_high"]) == (pytest.approx(2), pytest.approx(2))
    assert (line["y_low"], line["y_high"]) == (pytest.approx(3), pytest.approx(192))


def test_the_interval_of_a_slope_covers_the_truth_19_times_in_20() -> None:
    chance = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        x = np.arange(6.0)
        points = pl.DataFrame({"x": x, "y": 2 * x + chance.normal(size=6), "g": ["a"] * 6})
        line = stats.lines(points, "x", "y", ["g"], log=False).row(0, named=True)
        covered += line["slope_low"] <= 2 <= line["slope_high"]
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize("log", [False, True])
def test_the_band_of_a_line_is_what_a_bootstrap_of_its_errors_gives(log: bool) -> None:
    chance = np.random.default_rng(4)
    across = np.linspace(1.0, 3.0, 40)
    points = pl.DataFrame({"x": across, "y": across + chance.normal(size=40)})
    points = points.select(pl.all().exp()) if log else points
    line = stats.lines(points.with_columns(g=pl.lit("a")), "x", "y", ["g"], log=log).row(0, named=True)
    fits = [np.polynomial.polynomial.polyfit(across, across + chance.normal(size=40), 1) for _ in range(4000)]
    for place in (line["band"][0], line["band"][12], line["band"][-1]):
        at, low, high = (np.log(place[end]) if log else place[end] for end in ("x", "low", "high"))
        width = 2 * 1.96 * np.std([a + b * at for a, b in fits])
        assert high - low == pytest.approx(width, rel=0.25)
    assert line["band"][0]["low"] < line["y_low"] < line["band"][0]["high"]


def test_groups_with_few_points_have_no_line() -> None:
    points = pl.DataFrame({"x": [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0], "y": [1.0] * 7, "g": ["a"] * 4 + ["b"] * 3})
    found = stats.lines(points, "x", "y", ["g"], log=False)
    assert found.is_empty()
    assert "slope" in found.columns


def test_the_interval_of_a_median_is_that_of_a_bootstrap() -> None:
    values = np.random.default_rng(2).lognormal(size=101)
    median, low, high = stats.median_interval(values)
    resamples = np.median(np.random.default_rng(3).choice(values, (4000, 101)), axis=1)
    assert median == np.median(values)
    assert (low, high) == pytest.approx(tuple(np.quantile(resamples, [0.025, 0.975])), rel=0.05)
    assert stats.median_interval(values) == (median, low, high), "the same rows give the same interval"
    assert stats.median_interval(np.array([3.0])) == (3.0, 3.0, 3.0)


def test_along_a_curve_the_energy_is_the_same() -> None:
    rows = pl.DataFrame({"output_tokens": [60.0, 430.0], "energy_per_token_j": [6.0, 9.0]})
    curves = stats.iso_energy(rows)
    assert (curves["output_tokens"] * curves["energy_per_token_j"]).to_list() == pytest.approx(curves["energy_j"].to_list())
    assert {500.0, 1000.0, 2000.0} < set(curves["energy_j"])


def test_the_frontier_is_what_nobody_beats() -> None:
    chance = np.random.default_rng(4)
    rows = pl.DataFrame({"x": chance.integers(1, 12, 60).astype(float), "y": chance.integers(1, 12, 60).astype(float)})
    for x_is_good in (True, False):
        marked = stats.frontier(rows, "x", "y", x_is_good)
        signed = [(-x if x_is_good else x, y) for x, y in rows.iter_rows()]
        unbeaten = {point for point in signed if not any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in signed)}
        found = [(-x if x_is_good else x, y) for x, y in marked.filter("frontier").select("x", "y").iter_rows()]
        assert len(found) == len(set(found)), "identical points are kept once"
        assert set(found) == unbeaten


def test_steps_enclose_the_values() -> None:
    found = stats.steps(0.013, 870)
    assert found[0] <= 0.013 and found[-1] >= 870 and found == sorted(found)
    assert stats.steps(2, 2) == [2.0]


def test_a_ratio_has_an_interval_and_a_published_average_none() -> None:
    chance = np.random.default_rng(5)
    rows = pl.DataFrame({"result_id": ["a", "b", "c"], "energy_j": [10.0, 30.0, 15.0], "energy_per_token_j": [1.0, 3.0, 1.5]})
    parts = [
        pl.DataFrame(
            {
                "result_id": name,
                "block": range(start, start + 200),
                "prompts": 1,
                "energy_j": mean + chance.normal(size=200),
                "output_tokens": 10,
                "output_words": [None] * 200,
            }
        )
        for name, mean, start in (("a", 10.0, 0), ("b", 30.0, 200))
    ]
    found = comparison.compared(rows, pl.concat(parts))
    b, c = found.row(1, named=True), found.row(2, named=True)
    assert b["ratio"] == pytest.approx(parts[1]["energy_j"].mean() / parts[0]["energy_j"].mean())
    assert b["ratio_low"] < b["ratio"] < b["ratio_high"]
    assert (b["value_high"] - b["value_low"]) / 2 == pytest.approx(1.96 * parts[1]["energy_j"].std() / 200**0.5, rel=0.1)
    assert (c["value"], c["value_low"]) == (15.0, None)
    assert found.select("rank_low", "rank_high").rows() == [(1, 1), (3, 3), (2, 2)]
    assert (
        comparison.compared(rows.with_columns(pl.lit(None).alias(Measure(per="word").key)), pl.concat(parts), Measure(per="word"))[
            "value"
        ].null_count()
        == 3
    )


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_results_on_the_same_prompts_are_drawn_together(statistic: str) -> None:
    """Prompts differ a hundredfold; on each of them b takes a fifth more than a. Only who pairs them sees it."""
    energy = np.exp(np.random.default_rng(6).uniform(0, np.log(100), 300))

    def interval(first_block_of_b: int) -> tuple[float, float, float]:
        parts = [
            pl.DataFrame({"result_id": name, "block": range(start, start + 300), "prompts": 1, "energy_j": times * energy})
            for name, times, start in (("a", 1.0, 0), ("b", 1.2, first_block_of_b))
        ]
        measure = Measure(statistic=statistic)
        rows = pl.DataFrame({"result_id": ["a", "b"], measure.key: [1.0, 1.2]})
        found = comparison.compared(rows, pl.concat(parts), measure).row(1, named=True)
        return found["ratio"], found["ratio_low"], found["ratio_high"]

    assert interval(0) == pytest.approx((1.2, 1.2, 1.2))
    ratio, low, high = interval(300)
    assert ratio == pytest.approx(1.2) and low < 1.05 and high > 1.35


def test_a_result_of_few_prompts_has_them_in_every_resample() -> None:
    """Three prompts beside a thousand others, one of them in common: a resample without any of the three would have no mean."""
    many = pl.DataFrame({"result_id": "many", "block": range(1000), "prompts": 1, "energy_j": 5.0})
    few = pl.DataFrame({"result_id": "few", "block": [999, 1000, 1001], "prompts": 1, "energy_j": [1.0, 2.0, 3.0]})
    rows = pl.DataFrame({"result_id": ["many", "few"], "energy_j": [5.0, 2.0]})
    found = comparison.compared(rows, pl.concat([many, few])).row(1, named=True)
    assert found["value"] == pytest.approx(2.0) and found["ratio"] == pytest.approx(0.4)
    # 1 always, and twice 2 or 3: from (1 + 2 + 2) / 3 to (1 + 3 + 3) / 3.
    assert (found["value_low"], found["value_high"]) == (pytest.approx(5 / 3), pytest.approx(7 / 3))


def test_a_workload_in_kilowatt_hours() -> None:
    plan = stats.workload((3600.0, 1800.0, 7200.0), requests=1000, overhead=1.5, price=0.2, intensity=400)
    day = plan.row(0, named=True)
    assert (day["kwh"], day["kwh_low"], day["kwh_high"]) == (1.5, 0.75, 3.0)
    assert day["money"] == pytest.approx(0.3)
    assert day["co2_kg"] == pytest.approx(0.6)
    assert plan["kwh"][2] == pytest.approx(1.5 * 365.25)


def test_a_band_without_an_interval_is_the_value_and_an_end_of_zero_is_an_end() -> None:
    assert comparison.band({"value": 5.0, "value_low": None, "value_high": None}) == (5.0, 5.0, 5.0)
    assert comparison.band({"value": 5.0, "value_low": 0.0, "value_high": 9.0}) == (5.0, 0.0, 9.0)


def test_keys_that_differ_are_named() -> None:
    setups = pl.DataFrame({"result_id": ["a", "b"], "task": ["chat", "chat"], "engine": ["vllm", ""]})
    assert comparison.differing(setups).rows() == [("engine", "vllm", "not stated")]
