"""Names at the ends of curves: none covers another, all stay in order and in the chart, and none moves farther than it must."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_joules.pages.ui.pure import ends

HIGH = 400.0
places = st.lists(st.floats(-50, 450), max_size=20)


@given(wanted=places)
def test_names_are_apart_in_order_and_in_the_chart(wanted: list[float]) -> None:
    found = ends.spread(wanted, ends.LINE, 0, HIGH)
    ordered = found[np.argsort(wanted, kind="stable")]
    assert np.all(np.diff(ordered) >= ends.LINE - 1e-6)
    assert np.all((found >= -1e-6) & (found <= HIGH + 1e-6))


@given(wanted=places, shift=st.lists(st.floats(0, 60), min_size=20, max_size=20))
def test_no_other_places_are_nearer_to_where_names_should_be(wanted: list[float], shift: list[float]) -> None:
    found = ends.spread(wanted, ends.LINE, 0, HIGH)
    others = np.sort(wanted) + ends.LINE * np.arange(len(wanted)) + np.cumsum(shift[: len(wanted)])
    others = others - max(0.0, float(others[-1]) - HIGH) if len(others) else others
    if len(others) and others[0] < 0:
        return
    assert ((found - wanted) ** 2).sum() <= ((others - np.sort(wanted)) ** 2).sum() + 1e-6


def test_names_with_room_stay_where_their_curves_end() -> None:
    assert ends.spread([300.0, 20.0, 100.0], ends.LINE, 0, HIGH).tolist() == [300.0, 20.0, 100.0]


def test_two_names_at_one_place_move_half_a_line_each() -> None:
    assert ends.spread([200.0, 200.0], 14, 0, HIGH).tolist() == [193.0, 207.0]


def test_more_names_than_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="no room for 30 names"):
        ends.spread([0.0] * 30, 14, 0, HIGH)


def test_of_many_curves_the_first_have_names_and_long_ones_are_cut() -> None:
    named = pl.DataFrame({"name": [f"{number} {'x' * 60}" for number in range(60)], "y": [1.0 + number for number in range(60)]})
    found = ends.with_places(named, named, "y", 460)
    assert 20 <= found.height < 30
    assert found["name"][0].startswith("0 ")
    assert set(found["name"].str.len_chars()) == {ends.LONGEST}
    assert (found["name_at"].min(), found["name_at"].max()) >= (1.0, 1.0)
    assert found["name_at"].max() <= 60.0


def test_curves_that_end_at_one_number_have_names() -> None:
    named = pl.DataFrame({"name": ["a"], "y": [2.0]})
    assert ends.with_places(named, named, "y", 460)["name_at"].to_list() == [2.0]


@pytest.mark.parametrize("rest", ["", "H200 · vLLM · protocol 2.1", "2×H100 · transformers-compiled:searched · chat-concise · FP16"])
def test_a_long_name_keeps_its_gpu_and_its_engine(rest: str) -> None:
    model = "A-model-with-a-name-that-is-very-very-long-indeed-Instruct (random)"
    found = ends.shortened(" · ".join(part for part in (model, rest) if part))
    short, _, kept = found.partition(" · ")
    assert kept == rest
    assert short.startswith("A-model-wit") and short.endswith("…(random)")
    assert len(found) <= max(ends.LONGEST, ends.SHORTEST_MODEL + 3 + len(rest))
    assert ends.shortened("Qwen 3 8B · H100") == "Qwen 3 8B · H100"
