"""Formulas: what they give, and what they refuse and where."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_joules.warehouse import visitor_formula

ROWS = pl.DataFrame({"energy_j": [100.0, 0.0, None], "params_total_b": [7.0, 0.0, 13.0], "prompts": [4, 9, 16]})


def value(text: str) -> list[float | None]:
    return ROWS.select(visitor_formula.parse(text, ROWS.columns).alias("x"))["x"].to_list()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("energy_j / params_total_b", [100 / 7, None, None]),
        ("sqrt(prompts)", [2, 3, 4]),
        ("max(prompts, 5) - min(prompts, 10, 12)", [1, 0, 6]),
        ("-2 ** 2 + abs(-prompts)", [0, 5, 12]),
        ("round(log(prompts) * 10)", [14, 22, 28]),
        ("1", [1.0] * 3),
        ("sqrt(-1)", [None] * 3),
    ],
)
def test_values(text: str, expected: list[float | None]) -> None:
    found = value(text)
    found = found * 3 if len(found) == 1 else found
    assert found == [None if number is None else pytest.approx(number) for number in expected]


@pytest.mark.parametrize(
    ("text", "what", "place"),
    [
        ("energy_j / paramz", "no column paramz", 12),
        ("energy_j +", "not a formula", 11),
        ("exp(energy_j)", "no function exp", 1),
        ("__import__('os').system('x')", "Only numbers", 1),
        ("energy_j.__class__", "Only numbers", 1),
        ("[energy_j]", "Only numbers", 1),
        ("energy_j if 1 else 2", "Only numbers", 1),
        ("1 + 'x'", "Only numbers", 5),
        ("1 + True", "Only numbers", 5),
        ("sqrt(1, 2)", "takes one number", 1),
        ("energy_j % 2", "Only numbers", 1),
        ("lambda: 1", "Only numbers", 1),
        ("round(energy_j, ndigits=1)", "no function", 1),
        ("9" * 290 + "e9999", "", 1),
        ("(" * 100 + "1" + ")" * 100 + "+" + "-" * 60 + "1", "Too many", None),
        ("x" * 400, "longer", 300),
        ("", "not a formula", 1),
    ],
)
def test_refused_with_the_place(text: str, what: str, place: int | None) -> None:
    if text.endswith("e9999"):
        assert value(text)[0] is None
        return
    with pytest.raises(visitor_formula.WrongFormula, match=what) as caught:
        visitor_formula.parse(text, ROWS.columns)
    assert place is None or f"character {place}:" in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_gives_numbers_or_says_why(text: str) -> None:
    try:
        found = value(text)
    except visitor_formula.WrongFormula:
        return
    assert all(number is None or isinstance(number, float) for number in found)
