"""Frontiers, curves, steps and plans against what is known of them."""

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse.statistics import summaries, workload


def test_along_a_curve_the_energy_is_the_same() -> None:
    rows = pl.DataFrame({"output_tokens": [60.0, 430.0], "energy_per_token_j": [6.0, 9.0]})
    curves = summaries.iso_energy(rows)
    assert (curves["output_tokens"] * curves["energy_per_token_j"]).to_list() == pytest.approx(curves["energy_j"].to_list())
    assert {500.0, 1000.0, 2000.0} < set(curves["energy_j"])


def test_the_frontier_is_what_nobody_beats() -> None:
    chance = np.random.default_rng(4)
    rows = pl.DataFrame({"x": chance.integers(1, 12, 60).astype(float), "y": chance.integers(1, 12, 60).astype(float)})
    for x_is_good in (True, False):
        marked = summaries.frontier(rows, "x", "y", x_is_good)
        signed = [(-x if x_is_good else x, y) for x, y in rows.iter_rows()]
        unbeaten = {point for point in signed if not any(a <= point[0] and b <= point[1] and (a, b) != point for a, b in signed)}
        found = [(-x if x_is_good else x, y) for x, y in marked.filter("frontier").select("x", "y").iter_rows()]
        assert len(found) == len(set(found)), "identical points are kept once"
        assert set(found) == unbeaten


def test_steps_enclose_the_values() -> None:
    found = summaries.steps(0.013, 870)
    assert found[0] <= 0.013 and found[-1] >= 870 and found == sorted(found)
    assert summaries.steps(2, 2) == [2.0]


def test_a_workload_in_kilowatt_hours() -> None:
    plan = workload.workload((3600.0, 1800.0, 7200.0), requests=1000, overhead=1.5, price=0.2, intensity=400)
    day = plan.row(0, named=True)
    assert (day["kwh"], day["kwh_low"], day["kwh_high"]) == (1.5, 0.75, 3.0)
    assert day["money"] == pytest.approx(0.3)
    assert day["co2_kg"] == pytest.approx(0.6)
    assert plan["kwh"][2] == pytest.approx(1.5 * 365.25)


def test_what_is_beaten_within_its_interval_only_is_not_surely_beaten() -> None:
    numbers = {
        "best": (1.0, 10.0, 9.0, 11.0),
        "meets": (2.0, 12.0, 10.9, 13.0),
        "beaten": (2.0, 15.0, 14.0, 16.0),
        "faster": (0.5, 14.0, None, None),
        "published": (3.0, 10.9, None, None),
        "behind": (3.0, 11.0, None, None),
        "twin": (1.0, 10.0, 9.0, 11.0),
    }
    rows = pl.DataFrame(
        [(name, *each) for name, each in numbers.items()], schema=["name", "x", "y", "value_low", "value_high"], orient="row"
    )
    for x_is_good in (False, True):
        turned = rows.with_columns(x=-pl.col("x")) if x_is_good else rows
        marked = summaries.not_surely_beaten(summaries.frontier(turned, "x", "y", x_is_good), "x", "y", x_is_good)
        assert set(marked.filter("frontier")["name"]) >= {"faster"} and not marked.filter("frontier", "maybe").height
        assert set(marked.filter(pl.col("frontier") | pl.col("maybe"))["name"]) == {"best", "twin", "meets", "faster", "published"}
    plain = rows.drop("value_low", "value_high").filter(pl.col("name") != "twin")
    marked = summaries.not_surely_beaten(summaries.frontier(plain, "x", "y", False), "x", "y", False)
    assert not marked["maybe"].any(), "without intervals numbers count as they are"
    assert not summaries.not_surely_beaten(summaries.frontier(plain.clear(), "x", "y", False), "x", "y", False).height
