"""Configurations side by side: what is drawn together, what runs add, and what has no interval."""

import math

import numpy as np
import polars as pl
import pytest

from prompt_joules.pages.ui.pure import certainty
from prompt_joules.warehouse.energy_shown import DEFAULT, Measure
from prompt_joules.warehouse.statistics import comparison, estimates, intervals, runs
from prompt_joules.warehouse.statistics.estimates import (
    ACROSS_CARDS,
    ACROSS_RUNS,
    ONE_RUN,
    ONE_SEARCH,
    OTHER_CARDS,
    WITH_CARDS,
    WITH_SPREAD,
)


def units(
    name: str,
    energy: object,
    first: int = 0,
    run: int = 0,
    in_pass: str | None = None,
    tokens: int = 10,
    card: str | None = None,
    calibration: float = 0.0,
) -> pl.DataFrame:
    """Rows of the query `units`: prompts alone on the GPU."""
    values = np.atleast_1d(np.asarray(energy, dtype=float))
    return pl.DataFrame(
        {
            "result_id": name,
            "run_number": run,
            "unit": range(first, first + len(values)),
            "shared": False,
            "answers": 1,
            "prompts": 1,
            "energy_j": values,
            "output_tokens": tokens,
            "output_words": [None] * len(values),
        }
    ).with_columns(
        pl.lit(in_pass, pl.String).alias("pass_id"),
        pl.lit(None, pl.String).alias("search"),
        pl.lit(card, pl.String).alias("card"),
        pl.lit(calibration).alias("calibration"),
    )


def rows(measure: Measure = DEFAULT, **values: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"result_id": list(values), measure.key: list(values.values())}, schema={"result_id": pl.String, measure.key: pl.Float64}
    )


def test_a_ratio_has_an_interval_and_a_published_average_none() -> None:
    chance = np.random.default_rng(5)
    a, b = 10.0 + chance.normal(size=200), 30.0 + chance.normal(size=200)
    found = comparison.compared(rows(a=10.0, b=30.0, c=15.0), pl.concat([units("a", a), units("b", b, 200)]))
    second, published = found.row(1, named=True), found.row(2, named=True)
    assert second["ratio"] == pytest.approx(b.mean() / a.mean())
    assert second["ratio_low"] < second["ratio"] < second["ratio_high"]
    assert (second["value_high"] - second["value_low"]) / 2 == pytest.approx(1.96 * b.std() / 200**0.5, rel=0.1)
    assert (published["value"], published["value_low"], published["ratio_low"], published["basis"]) == (15.0, None, None, None)
    assert published["ratio"] == pytest.approx(15 / a.mean())
    assert found.select("rank_low", "rank_high").rows() == [(1, 1), (3, 3), (2, 2)]
    words = comparison.compared(
        rows(Measure(per="word"), a=None, b=None), pl.concat([units("a", a), units("b", b, 200)]), Measure(per="word")
    )
    assert words["value"].null_count() == 2


def test_results_on_the_same_prompts_are_drawn_together() -> None:
    """Prompts differ a hundredfold; on each of them b takes a fifth more than a. Only a paired comparison sees it."""
    energy = np.exp(np.random.default_rng(6).uniform(0, np.log(100), 300))

    def interval(first_of_b: int) -> tuple[float, float, float]:
        parts = pl.concat([units("a", energy), units("b", 1.2 * energy, first_of_b)])
        found = comparison.compared(rows(a=1.0, b=1.2), parts).row(1, named=True)
        return found["ratio"], found["ratio_low"], found["ratio_high"]

    assert interval(0) == pytest.approx((1.2, 1.2, 1.2))
    ratio, low, high = interval(300)
    assert ratio == pytest.approx(1.2) and low < 1.05 and high > 1.35


def test_percentiles_have_the_interval_of_their_order_and_none_above_the_largest() -> None:
    energy = np.arange(1.0, 21)
    measure = Measure(statistic="p99")
    found = comparison.compared(rows(measure, a=1.0, b=1.0), pl.concat([units("a", energy), units("b", 2 * energy)]), measure)
    first, second = found.row(0, named=True), found.row(1, named=True)
    assert first["value"] == pytest.approx(np.quantile(energy, 0.99)) and first["value_high"] is None
    assert (second["ratio"], second["ratio_low"], second["ratio_high"]) == (pytest.approx(2.0), None, None)
    batches = pl.concat([units("a", energy), units("b", energy)]).with_columns(shared=pl.lit(True))
    assert comparison.compared(rows(measure, a=1.0, b=1.0), batches, measure)["value_low"].null_count() == 2


def test_the_spread_of_other_setups_widens_what_one_run_says() -> None:
    energy = np.random.default_rng(7).normal(100, 5, 100)
    parts = pl.concat([units("a", energy), units("b", energy, run=1)])
    alone = comparison.compared(rows(a=1.0, b=1.0), parts).row(0, named=True)
    assert alone["basis"] == ONE_RUN and alone["value_low"] == alone["value_within_low"]
    known = runs.Known(runs.Spread(0.08, 4))
    found = comparison.compared(rows(a=1.0, b=1.0), parts, Measure(), known)
    value, ratio = found.row(0, named=True), found.row(1, named=True)
    assert value["basis"] == ratio["basis"] == WITH_SPREAD
    assert (value["value_within_low"], value["value_within_high"]) == (alone["value_low"], alone["value_high"])
    assert math.log(value["value_high"] / value["value"]) == pytest.approx(known.alone.reach, rel=0.03)  # type: ignore[union-attr]
    assert (ratio["ratio_within_low"], ratio["ratio_within_high"]) == pytest.approx((1, 1))
    assert math.log(ratio["ratio_high"]) == pytest.approx(2.78 * math.sqrt(2) * 0.08, rel=0.04)


def test_runs_in_turns_share_their_luck() -> None:
    energy, luck = np.random.default_rng(8).normal(100, 5, 100), (1.0, 1.3, 0.8)

    def ratio_high(in_turns: bool, card: str | None = "x") -> float:
        parts = [
            units(name, energy * factor * of_pass, run=10 * place + turn, in_pass=f"pass {turn}" if in_turns else None, card=card)
            for place, (name, factor) in enumerate((("a", 1.0), ("b", 0.7)))
            for turn, of_pass in enumerate(luck)
        ]
        row = comparison.compared(rows(a=1.0, b=1.0), pl.concat(parts)).row(1, named=True)
        assert row["basis"] == ACROSS_RUNS and row["runs"] == 3 and row["ratio"] == pytest.approx(0.7)
        return float(row["ratio_high"])

    assert ratio_high(in_turns=True) == pytest.approx(0.7)
    assert ratio_high(in_turns=False) > 0.9
    assert ratio_high(in_turns=True, card=None) == pytest.approx(0.7), "a pass is on one card, recorded or not"


def test_passes_cancel_as_far_as_both_sides_answered_in_them() -> None:
    luck = {"pass 1": 0.0, "pass 2": 0.2, "pass 3": -0.1}
    known = runs.Known(runs.Spread(0.1, 4), runs.Spread(0.001, 4))

    def added(*weights: float) -> float:
        sides = [dict(zip(luck, map(runs.Run, luck.values(), "xxx", of), strict=True)) for of in (weights, (1, 1, 1))]
        spread, cards = estimates.luck_of_ratio(*sides, known)
        assert spread is not None and cards is estimates.Cards.MEASURED
        return spread.sd

    assert added(1, 1, 1) < 0.002
    assert added(1.05, 1, 0.95) < 0.002, "answers of random length"
    assert added(10, 1, 1) > 0.05
    alone = {"pass 1": runs.Run(0.0, "x")}
    every = {name: runs.Run(ln, "x") for name, ln in luck.items()}
    spread, _ = estimates.luck_of_ratio(alone, every, known)
    assert spread is not None and spread.sd > 0.07, "two passes of three are on one side alone"


def test_an_end_that_no_number_holds_is_none() -> None:
    draws = np.linspace(-2000.0, 2000.0, intervals.RESAMPLES)
    row = estimates.Estimate(3.0, draws).row("value", 0)
    assert row == {"value": 3.0} | dict.fromkeys(("value_low", "value_high", "value_within_low", "value_within_high"))


@pytest.mark.parametrize(
    ("cards", "known", "basis", "said"),
    [
        (("x", "x", "x", "x"), None, ACROSS_RUNS, "The difference holds across runs."),
        (("x", "y", "y", "x"), None, ACROSS_RUNS, "The difference holds across runs."),
        (("x", "x", "y", "y"), None, OTHER_CARDS, "how much of it is of the cards is not known"),
        (("x", "x", "x", "y"), None, OTHER_CARDS, "how much of it is of the cards is not known"),
        ((None, None, None, None), None, OTHER_CARDS, "how much of it is of the cards is not known"),
        (("x", "x", "y", "y"), runs.Spread(0.01, 1), OTHER_CARDS, "how much of it is of the cards is not known"),
        (("x", "x", "y", "y"), runs.Spread(0.01, 2), ACROSS_CARDS, "The difference holds across runs and cards."),
        (("x", "x", "y", "y"), runs.Spread(0.2, 2), ACROSS_CARDS, "No difference is shown"),
        (("x", "y"), runs.Spread(0.01, 2), WITH_CARDS, "larger than the spread between runs and cards explains"),
        (("x", "y"), runs.Spread(0.2, 2), WITH_CARDS, "which the spread between runs and cards may explain"),
        (("x", "y"), None, WITH_SPREAD, "only several runs of each, on the same cards, can show it for good"),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_difference_of_two_cards_does_not_hold_across_runs(
    cards: tuple[str | None, ...], known: runs.Spread | None, basis: str, said: str
) -> None:
    energy, half = np.random.default_rng(8).normal(100, 5, 100), len(cards) // 2
    parts = [
        units(name, energy * factor * luck, run=10 * place + turn, card=card)
        for place, (name, factor) in enumerate((("a", 1.0), ("b", 0.7)))
        for turn, (luck, card) in enumerate(zip((1.0, 1.01), cards[half * place : half * (place + 1)], strict=False))
    ]
    luck = runs.Known(runs.Spread(0.01, 4), cards=known)
    row = comparison.compared(rows(a=1.0, b=1.0), pl.concat(parts), known=luck).row(1, named=True)
    assert row["basis"] == basis
    assert said in certainty.verdict(row, "ratio", nothing=1)
    assert ("holds" in certainty.verdict(row, "ratio", nothing=1)) == said.startswith("The difference")


@pytest.mark.parametrize(("spread", "said"), [(0.01, "only runs that search kernels of their own"), (0.2, "may explain")])
def test_runs_with_the_kernels_of_one_search_do_not_show_a_difference_for_good(spread: float, said: str) -> None:
    energy = np.random.default_rng(8).normal(100, 5, 100)
    parts = [
        units(name, energy * factor * luck, run=10 * place + turn, card="x").with_columns(search=pl.lit(f"kernels of {name}"))
        for place, (name, factor) in enumerate((("a", 1.0), ("b", 0.7)))
        for turn, luck in enumerate((1.0, 1.001, 0.999))
    ]
    value, ratio = comparison.compared(rows(a=1.0, b=1.0), pl.concat(parts), known=runs.Known(runs.Spread(spread, 4))).iter_rows(named=True)
    assert value["basis"] == ratio["basis"] == ONE_SEARCH
    assert "within runs with one set of kernels" in certainty.interval(value, "value", str)
    assert said in certainty.verdict(ratio, "ratio", nothing=1)
    apart = [part.with_columns(search=pl.concat_str("search", "run_number")) for part in parts]
    assert comparison.compared(rows(a=1.0, b=1.0), pl.concat(apart))["basis"].to_list() == [ACROSS_RUNS] * 2


def test_the_calibration_of_the_meter_falls_out_of_a_ratio_on_one_card() -> None:
    energy = np.full(50, 100.0)

    def compared(*cards: str | None) -> dict[str, float]:
        parts = [
            units(name, energy, run=place, card=card, calibration=0.003) for place, (name, card) in enumerate(zip("ab", cards, strict=True))
        ]
        return comparison.compared(rows(a=1.0, b=1.0), pl.concat(parts)).row(1, named=True)

    one, two, unknown = compared("x", "x"), compared("x", "y"), compared(None, None)
    for found in (one, two, unknown):
        assert math.log(found["value_high"] / 100) == pytest.approx(0.003, rel=0.01), "a value has all of it"
        assert found["value_within_high"] == pytest.approx(100)
    assert one["ratio_high"] == pytest.approx(1)
    assert math.log(two["ratio_high"]) == math.log(unknown["ratio_high"]) == pytest.approx(0.003 * math.sqrt(2), rel=0.01)


def test_a_result_of_few_prompts_has_them_in_every_resample() -> None:
    """Six prompts beside a thousand others, one of them in common: a resample without any of the six would have no mean."""
    parts = pl.concat([units("many", np.full(1000, 5.0)), units("few", [1.8, 2.0, 2.2, 2.0, 2.2, 1.8], 999)])
    found = comparison.compared(rows(many=5.0, few=2.0), parts).row(1, named=True)
    assert found["value"] == pytest.approx(2.0) and found["ratio"] == pytest.approx(0.4) and found["units"] == 6
    assert 0.5 < found["value_low"] < 2 < found["value_high"] < 4
    four = pl.concat([units("many", np.full(1000, 5.0)), units("few", [1.8, 2.0, 2.2, 2.0], 999)])
    assert comparison.compared(rows(many=5.0, few=2.0), four)["value_low"][1] is None, "four prompts have no interval"


def test_a_band_without_an_interval_is_the_value_and_an_end_of_zero_is_an_end() -> None:
    assert comparison.band({"value": 5.0, "value_low": None, "value_high": None}) == (5.0, 5.0, 5.0)
    assert comparison.band({"value": 5.0, "value_low": 0.0, "value_high": 9.0}) == (5.0, 0.0, 9.0)


def test_keys_that_differ_are_named() -> None:
    setups = pl.DataFrame({"result_id": ["a", "b"], "task": ["chat", "chat"], "engine": ["vllm", ""]})
    assert comparison.differing(setups).rows() == [("engine", "vllm", "not stated")]
    several = pl.concat([setups, setups]).drop("result_id").unique()
    assert comparison.differing(several)["key"].to_list() == ["engine"] and several.height == 2


def test_a_result_of_too_few_prompts_has_no_rank_of_its_own() -> None:
    chance = np.random.default_rng(5)
    a, b = 10.0 + chance.normal(size=50), 30.0 + chance.normal(size=50)
    one_prompt = pl.concat([units("few", 11.0 + chance.normal(size=1), run=10 + place) for place in range(6)])
    found = comparison.compared(rows(a=10.0, b=30.0, few=11.0, published=15.0), pl.concat([units("a", a), units("b", b, 200), one_prompt]))
    few = found.row(2, named=True)
    assert (few["units"], few["ratio_low"], few["rank_low"], few["rank_high"]) == (1, None, 1, 4)
    others = found.filter(pl.col("result_id") != "few").select("rank_low", "rank_high").rows()
    assert others == [(1, 2), (3, 4), (2, 3)], "it may be before or behind each of them"


def test_ranks_are_no_surer_than_ratios() -> None:
    chance, sure, known = np.random.default_rng(7), 0, runs.Known(runs.Spread(0.05, 4, 2, 6))
    for times in np.geomspace(0.4, 2.5, 60):
        sides = [
            units(name, much * chance.lognormal(0, 0.8, 24), run=place) for place, (name, much) in enumerate((("a", 10), ("b", 10 * times)))
        ]
        found = comparison.compared(rows(a=10.0, b=10.0), pl.concat(sides), known=known)
        row = found.row(1, named=True)
        differ = not row["ratio_low"] < 1 < row["ratio_high"]
        expected = ((1, 2), (1, 2)) if not differ else ((1, 1), (2, 2)) if row["ratio"] > 1 else ((2, 2), (1, 1))
        assert tuple(found.select("rank_low", "rank_high").rows()) == expected
        sure += differ
    assert 5 < sure < 55
