"""The same prompts on two sides: as they were spent, whole, and bounded."""

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse.statistics import pairs, runs
from prompt_joules.warehouse.statistics.estimates import ACROSS_RUNS, ONE_RUN, ONE_SEARCH, WITH_SPREAD


def contrast(a: object, b: object, *, cut_a: object = False, cut_b: object = False, logs: int = 1, in_turns: bool = False) -> pl.DataFrame:
    """A row of `contrast_prompts`: one answer a prompt on each side."""
    of_a, of_b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    cuts = [np.broadcast_to(np.asarray(cut), of_a.shape) for cut in (cut_a, cut_b)]
    listed = [
        {"prompt": place + 1, "energy_a_j": x, "energy_b_j": y, "tokens_a": 10, "tokens_b": 10, "cut_a": bool(p), "cut_b": bool(q)}
        for place, (x, y, p, q) in enumerate(zip(of_a, of_b, *cuts, strict=True))
    ]
    sides = [
        {
            "is_b": is_b,
            "turn": str(turn),
            "is_pass": in_turns,
            "ln": float(np.log(side.sum()) + (0.1 * turn)),
            "card": "one",
            "search": None,
            "calibration": 0.0,
            "weight": 1.0,
        }
        for is_b, side in ((False, of_a), (True, of_b))
        for turn in range(logs)
    ]
    return pl.DataFrame(
        {"shared": [False], "harness_version": ["2.0"], "pairs": [len(of_a)], "pair_list": [listed], "windows": [None], "runs": [sides]}
    )


def test_every_pair_counts_as_it_was_spent() -> None:
    a = np.full(21, 100.0)
    b = 100 + np.arange(-10.0, 11)
    row = pairs.paired(contrast(a, b)).row(0, named=True)
    assert row["median_change"] == pytest.approx(0) and row["total_change"] == pytest.approx(0)
    assert (row["median_change_low"], row["median_change_high"]) == (pytest.approx(-0.05, rel=0.01), pytest.approx(0.05, rel=0.01)), (
        "the 6th and the 16th of 21"
    )
    assert (row["more"], row["more_share"], row["whole_pairs"], row["basis"]) == (10, 10 / 21, 21, ONE_RUN)
    assert row["least_change"] == row["most_change"] == pytest.approx(0), "nothing was cut"


def test_a_prompt_counts_once_in_the_share_that_costs_more() -> None:
    rows = contrast(np.full(9, 100.0), [50.0, 60, 70, 80, 90, 150, 160, 170, 180])
    listed = [{**pair, "prompt": max(pair["prompt"], 6)} for pair in rows["pair_list"][0]]  # the first six pairs are of one prompt
    row = pairs.paired(rows.with_columns(pair_list=pl.Series([listed]))).row(0, named=True)
    assert (row["pairs"], row["more"], row["more_share"]) == (9, 4, pytest.approx((1 / 6 + 3) / 4))


def test_cut_answers_bound_the_median() -> None:
    a, b = np.full(9, 100.0), np.array([50.0, 60, 70, 80, 90, 100, 110, 120, 130])
    cut_b = np.array([True, True] + [False] * 7)
    row = pairs.paired(contrast(a, b, cut_b=cut_b)).row(0, named=True)
    # The two smallest might have been the two largest.
    assert (row["median_change"], row["least_change"], row["most_change"]) == (pytest.approx(-0.1), pytest.approx(-0.1), pytest.approx(0.1))
    assert row["whole_pairs"] == 7 and row["whole_change"] == pytest.approx(0.0)
    every = pairs.paired(contrast(a, b, cut_a=True, cut_b=True)).row(0, named=True)
    assert (every["least_change"], every["most_change"], every["whole_pairs"], every["whole_change"]) == (None, None, 0, None)


def test_few_pairs_have_no_interval() -> None:
    row = pairs.paired(contrast([1.0, 2, 3, 4], [2.0, 3, 4, 5])).row(0, named=True)
    assert (
        row["median_change"] is not None and row["median_change_low"] is None and row["total_change_low"] is None and row["basis"] is None
    )


def test_runs_widen_and_passes_cancel() -> None:
    a = np.exp(np.random.default_rng(1).normal(4, 0.2, 60))
    known = runs.Known(runs.Spread(0.08, 4))
    one = pairs.paired(contrast(a, 0.8 * a), known).row(0, named=True)
    assert one["basis"] == WITH_SPREAD and one["median_change_within_low"] == pytest.approx(-0.2)
    assert one["median_change_low"] < -0.3 and one["median_change_high"] > -0.1
    turns = pairs.paired(contrast(a, 0.8 * a, logs=3, in_turns=True)).row(0, named=True)
    assert turns["basis"] == ACROSS_RUNS and turns["runs_a"] == 3
    assert (turns["median_change_low"], turns["median_change_high"]) == (pytest.approx(-0.2), pytest.approx(-0.2)), (
        "luck of a pass is of both"
    )
    sides = pl.col("runs").list.eval(pl.element().struct.with_fields(search=pl.lit("one")))
    searched = pairs.paired(contrast(a, 0.8 * a, logs=3, in_turns=True).with_columns(sides), known).row(0, named=True)
    assert searched["basis"] == ONE_SEARCH and searched["median_change_low"] < -0.3, "three passes of one search are as sure as one"
    alone = pairs.paired(contrast(a, 0.8 * a, logs=3)).row(0, named=True)
    assert alone["median_change_low"] < -0.3


def test_of_batches_only_the_totals_are_compared() -> None:
    windows = [
        {"is_b": is_b, "answered_together": place, "joules": joules * (1.1 if is_b else 1.0), "answers": 32, "tokens": 100}
        for is_b in (False, True)
        for place, joules in enumerate(np.random.default_rng(2).uniform(900, 1100, 12))
    ]
    run = {"turn": "newest 1", "is_pass": False, "ln": 0.0, "card": "one", "search": None, "calibration": 0.0, "weight": 1.0}
    sides = [run | {"is_b": is_b} for is_b in (False, True)]
    schema = {"pair_list": pl.List(pl.Struct({"prompt": pl.Int32}))}
    row = pl.DataFrame(
        {"shared": [True], "harness_version": ["2.0"], "pairs": [384], "pair_list": [None], "windows": [windows], "runs": [sides]},
        schema_overrides=schema,
    )
    found = pairs.paired(row).row(0, named=True)
    assert found["median_change"] is None and found["more"] is None
    assert found["total_change"] == pytest.approx(0.1), "every window takes a tenth more, and the same windows are drawn together"
    assert (found["total_change_low"], found["total_change_high"]) == (pytest.approx(0.1), pytest.approx(0.1))


def test_means_of_few_models_have_no_interval() -> None:
    one = {"source": "s", "gpu_model": "A40", "task": None, "engine": "e", "batch_size": 1, "a": "chat", "b": "chat-concise"}
    found = pairs.change_of_means(pl.DataFrame([one | {"change": change} for change in (-0.2, -0.1, 0.1, 0.2)]))
    assert found.select("count", "more", "median_change", "change_low").row(0) == (4, 2, pytest.approx(0), None)
    many = pairs.change_of_means(pl.DataFrame([one | {"change": change / 100} for change in range(-10, 11)]))
    assert (many["change_low"].item(), many["change_high"].item()) == (pytest.approx(-0.05), pytest.approx(0.05))


def test_what_a_meter_is_off_in_all_of_it_counts_between_two_cards_only() -> None:
    a = np.geomspace(10, 100, 40)
    same = contrast(a, 0.8 * a)
    halves = {}
    for name in ("one", "two"):
        sides = [{**side, "calibration": 0.1, "card": "x" if side["is_b"] and name == "two" else "one"} for side in same["runs"][0]]
        row = pairs.paired(same.with_columns(runs=pl.Series([sides]))).row(0, named=True)
        halves[name] = np.log((1 + row["total_change_high"]) / (1 + row["total_change"]))
    assert halves["one"] == pytest.approx(0.0, abs=1e-9), "every pair has the same ratio"
    assert halves["two"] == pytest.approx(np.hypot(0.1, 0.1), rel=0.02), "both meters"
