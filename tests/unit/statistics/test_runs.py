"""The luck of runs: what A/A data say, and what they add."""

import math

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse.statistics import intervals, runs


def repetitions(*rows: tuple[str, str | None, str | None, float]) -> pl.DataFrame:
    """Rows of the query `repetitions`: setup, card, pass, J/token."""
    schema = {"setup": pl.String, "card": pl.String, "pass_id": pl.String, "energy_per_token_j": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        valid=pl.lit(True),
        search=pl.lit(None, pl.String),
        measured=pl.lit(100),
        harness_version=pl.lit("2.0"),
        seed=pl.int_range(pl.len()),
        token_log_error=pl.lit(None, pl.Float64),
    )


def ran(*logs: float, cards: str = "") -> list[runs.Run]:
    """Runs on one card, or on the cards with these names of one letter."""
    return [runs.Run(ln, card) for ln, card in zip(logs, cards or "x" * len(logs), strict=True)]


def test_the_spread_is_pooled_over_setups_that_were_run_more_than_once() -> None:
    known = runs.known(
        repetitions(
            ("a", None, None, 0.2),
            ("a", None, None, 0.3),
            ("b", "x", None, 1.0),
            ("b", "x", None, 1.1),
            ("b", "x", None, 1.2),
            ("c", None, None, 9.0),
        )
    )
    parts = [np.var(np.log(values), ddof=1) * (len(values) - 1) for values in ([0.2, 0.3], [1.0, 1.1, 1.2])]
    assert known.of_protocols == {"2": runs.Known(known.alone)}
    assert known.alone == runs.Spread(pytest.approx(math.sqrt(sum(parts) / 3)), 3, 2, 5)
    assert known.in_turns is None


def test_runs_on_two_cards_and_runs_of_few_answers_say_nothing_of_luck() -> None:
    rows = repetitions(("a", "x", None, 0.2), ("a", "y", None, 0.3))
    assert runs.known(rows).alone is None
    same = repetitions(("a", "x", None, 0.2), ("a", "x", None, 0.3))
    assert runs.known(same).alone is not None
    assert runs.known(same.with_columns(measured=pl.lit(4))) == runs.NOTHING
    assert runs.known(same.with_columns(valid=pl.lit(False))) == runs.NOTHING


def test_what_a_pass_shares_falls_out_of_a_difference_measured_in_turns() -> None:
    luck = (0.0, 0.3, -0.2)
    rows = [
        (setup, "x", f"pass {place}", factor * math.exp(of_pass))
        for place, of_pass in enumerate(luck)
        for setup, factor in (("a", 1), ("b", 2))
    ]
    known = runs.known(repetitions(*rows))
    assert known.alone is not None and known.alone.sd == pytest.approx(np.std(luck, ddof=1))
    assert known.in_turns is not None and known.in_turns.sd == pytest.approx(0, abs=1e-12) and known.in_turns.freedom == 2


def test_own_runs_and_others_are_averaged_by_their_degrees_of_freedom() -> None:
    logs, others = [0.0, 0.1, 0.3], runs.Spread(0.05, 30)
    mean = runs.of_means([ran(*logs)], others)
    square = (2 * np.var(logs, ddof=1) + runs.MOST_FREEDOM * 0.05**2) / (2 + runs.MOST_FREEDOM)
    assert mean is not None and mean.sd == pytest.approx(math.sqrt(square / 3))
    own, lent = 2 * np.var(logs, ddof=1), runs.MOST_FREEDOM * 0.05**2
    assert mean.freedom == int((own + lent) ** 2 / (own**2 / 2 + lent**2 / runs.MOST_FREEDOM)), "Welch and Satterthwaite"
    assert runs.of_means([ran(0.0)], runs.Spread(0.08, 2)) == runs.Spread(pytest.approx(0.08), 2)
    assert runs.of_means([ran(0.0)], None) is None


def test_own_runs_are_not_taken_for_those_of_others() -> None:
    rows = repetitions(("a", "x", None, 0.2), ("a", "x", None, 0.3))
    side = [runs.Run(math.log(value), "x") for value in (0.2, 0.3)]
    alone = runs.of_mean(side, runs.known(rows))
    assert alone == runs.Spread(pytest.approx(np.std(np.log([0.2, 0.3]), ddof=1) / math.sqrt(2)), 1), "one pair is one degree of freedom"
    more = runs.known(pl.concat([rows, repetitions(("b", "x", None, 1.0), ("b", "x", None, 1.1))]))
    rest = more.alone.without(2 * np.var(np.log([0.2, 0.3])), 1)  # type: ignore[union-attr]
    assert rest is not None and rest.freedom == 1 and rest.sd == pytest.approx(np.std(np.log([1.0, 1.1]), ddof=1))


def test_what_two_sides_borrow_is_borrowed_once() -> None:
    others = runs.Spread(0.05, 3)
    assert runs.of_means([ran(0.0), ran(0.3)], others) == runs.Spread(pytest.approx(0.05 * math.sqrt(2)), 3)


def test_three_cards_are_a_level_and_two_are_what_was_measured() -> None:
    known = runs.Known(runs.Spread(0.01, 4))
    two, three = (runs.of_mean(ran(0.0, 0.1, 0.2, cards=cards), known) for cards in ("xxy", "xyz"))
    assert three == runs.Spread(pytest.approx(0.1 / math.sqrt(3)), 2)
    assert two is not None and two.sd == pytest.approx(math.sqrt((0.1**2 / 2 + 4 * 0.01**2) / 5 / 3)), "two runs on x, and others"


def test_a_run_of_few_answers_is_no_whole_run_more() -> None:
    known = runs.Known(runs.Spread(0.04, 4))
    even, uneven = ([runs.Run(0.0, "x", weight) for weight in weights] for weights in ((9.0, 9.0, 9.0), (100.0, 1.0, 1.0)))
    three, one = runs.of_mean(even, known), runs.of_mean(uneven, known)
    assert three is not None and one is not None
    assert one.sd / three.sd == pytest.approx(math.sqrt(3 * (100**2 + 1 + 1)) / 102)
    cards = [runs.Run(0.1 * place, card, weight) for place, (card, weight) in enumerate(zip("xyz", (100.0, 1.0, 1.0), strict=True))]
    level = runs.of_mean(cards, known)
    assert level is not None and level.sd == pytest.approx(0.1 * math.sqrt(100**2 + 1 + 1) / 102)
    assert runs.unlike_cards(cards[:2], [run._replace(weight=1.0) for run in cards[:2]]) > 0.4


def test_passes_that_several_setups_share_count_once() -> None:
    rows = [
        (setup, "x", f"pass {place}", factor * math.exp(luck))
        for place, luck in enumerate((0.0, 0.3, -0.2))
        for setup, factor in (("a", 1), ("b", 2), ("c", 3))
    ]
    known = runs.known(repetitions(*rows, ("d", "x", None, 0.2), ("d", "x", None, 0.3)))
    assert known.alone is not None and (known.alone.freedom, known.alone.setups, known.alone.runs) == (3, 4, 11)
    assert runs.independent([["1", "2"], ["1", "2", "3"], ["4"], ["5", "6"]]) == 3


def test_unlike_cards_are_those_that_do_not_cancel() -> None:
    weights = {("x", "x"): 0, ("x", "y"): 2, ("xy", "yx"): 0, ("xx", "xy"): 0.5, ("xyz", "xyz"): 0}
    for (first, second), expected in weights.items():
        sides = [ran(*[0.0] * len(cards), cards=cards) for cards in (first, second)]
        assert runs.unlike_cards(*sides) == pytest.approx(expected)
    assert runs.unlike_cards([runs.Run(0.0)], [runs.Run(0.0)]) == 2, "cards that nobody recorded"


def test_a_difference_in_turns_borrows_the_spread_of_runs_alone_until_its_passes_are_enough() -> None:
    known = runs.Known(alone=runs.Spread(0.08, 4))
    borrowed = known.of_difference(2)
    assert borrowed is not None and borrowed.sd == pytest.approx(math.sqrt(2) * 0.08)
    assert known.of_difference(runs.ENOUGH_PASSES) is None
    assert runs.Known(runs.Spread(0.08, 4), runs.Spread(0.01, 9)).of_difference(1) == runs.Spread(0.01, 9)
    assert runs.NOTHING.of_difference(1) is None


def test_the_difference_of_two_means_has_the_freedom_of_welch() -> None:
    both = runs.together(runs.Spread(0.03, 2), runs.Spread(0.03, 2))
    assert both == runs.Spread(pytest.approx(0.03 * math.sqrt(2)), 4)
    lopsided = runs.together(runs.Spread(0.1, 2), runs.Spread(0.001, 50))
    assert lopsided is not None and lopsided.freedom == 2
    assert runs.together(runs.Spread(0.1, 2), None) is None


def test_draws_of_luck_are_students_and_independent() -> None:
    first, second = runs.draws(runs.Spread(0.1, 2), 0), runs.draws(runs.Spread(0.1, 2), 1)
    assert np.quantile(first, 0.975) == pytest.approx(0.1 * intervals.student(2), rel=0.02)
    assert abs(np.corrcoef(np.clip(first, -1, 1), np.clip(second, -1, 1))[0, 1]) < 0.06
    assert not runs.draws(None, 0).any()


def test_runs_of_one_protocol_vouch_for_it_alone() -> None:
    rows = repetitions(
        ("a", None, None, 0.2), ("a", None, None, 0.3), ("b", None, None, 1.0), ("b", None, None, 1.01), ("c", None, None, 1.0)
    )
    known = runs.known(rows.with_columns(harness_version=pl.Series(["1.1", "1.1", "2.0", "2.1", "3.0"])))
    alone = {
        name: known.of(protocols).alone
        for name, protocols in {"1": ["1.1", "1.0"], "2": ["2.0"], "both": ["1.1", "2.0"], "3": ["3.0"]}.items()
    }
    assert alone["both"] == alone["3"] == known.alone
    assert alone["1"] is not None and alone["2"] is not None and known.alone is not None
    assert alone["1"].sd > known.alone.sd > alone["2"].sd == pytest.approx(math.log(1.01) / math.sqrt(2))


def test_runs_with_the_kernels_of_one_search_are_one_draw() -> None:
    known = runs.Known(alone=runs.Spread(0.04, 4))
    side = [run._replace(search="k") for run in ran(0.0, 0.01, 0.02)]
    (one,) = runs.of_searches(side)
    assert (one.ln, one.weight, one.card) == (pytest.approx(0.01), 3, "x")
    assert runs.of_mean(side, known) == runs.of_mean(ran(0.01), known), "as sure as one run"
    assert runs.of_one(side, known) == runs.of_one(ran(0.01), known)
    assert len(runs.of_searches([*side, runs.Run(0.05, "x", search="other")])) == 2
    assert len(runs.of_searches([side[0], side[1]._replace(card="y")])) == 2, "a search on two cards"
    assert len(runs.of_searches(ran(0.0, 0.0))) == 2, "kernels that nobody recorded, or none were searched"


def test_runs_with_the_kernels_of_one_search_say_nothing_of_luck() -> None:
    rows = repetitions(*(("a", "x", f"pass {place}", joules) for place, joules in enumerate((0.20, 0.21, 0.22))))
    assert runs.known(rows).alone is not None
    assert runs.known(rows.with_columns(search=pl.lit("k"))).alone is None
    searches = rows.with_columns(search=pl.Series(["k", "k", "l"]))
    alone = runs.known(searches).alone
    expected = math.log(0.22 / math.sqrt(0.20 * 0.21)) / math.sqrt(2)
    assert alone is not None and (alone.sd, alone.freedom, alone.runs) == (pytest.approx(expected), 1, 2)


def test_the_spread_between_cards_counts_a_search_once() -> None:
    """Three runs of one search on a card, and one on another: as one run each, of the mean of the three."""
    joules = (("x", 0.20), ("x", 0.21), ("x", 0.22), ("y", 0.30))
    own = repetitions(*(("a", card, f"pass {place}", value) for place, (card, value) in enumerate(joules)))
    own = own.with_columns(search=pl.Series(["k", "k", "k", "l"]))
    mean = math.exp(np.mean(np.log([0.20, 0.21, 0.22])))
    others = [("b", "x", None, 0.2), ("b", "x", None, 0.21)]
    found, expected = (
        runs.known(pl.concat([part, repetitions(*others)])) for part in (own, repetitions(("a", "x", None, mean), ("a", "y", None, 0.30)))
    )
    assert found.alone == expected.alone
    assert found.cards is not None and expected.cards is not None and found.cards.sd == pytest.approx(expected.cards.sd)
