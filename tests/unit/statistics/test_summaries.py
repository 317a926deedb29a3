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
