"""What a page says of its rows, in words, is read back as the same view: from a sentence, and from the header of a file."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_joules.pages.ui import downloads
from prompt_joules.pages.ui.of import planner
from prompt_joules.pages.ui.pure.narrowings import (
    CALLED,
    Among,
    Computed,
    Contains,
    Grouped,
    Known,
    Least,
    Narrowing,
    Planned,
    Pooled,
    Sides,
    Within,
)
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.energy_shown import EVERY, NUMBERS
from prompt_joules.warehouse.selection import Selection
from tests.app.files import said_of
from tests.from_words import UnclearWords, view_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TRICKY = st.sampled_from(
    ["a, b", "a or b", "“a”", 'say "x"', "50 %", "a; b", " a", "a and b", "x\ty", "=1+1", "only valid rows", "task chat"]
)
# Ids that have names, and what bears the name of another.
ENGINES = ["transformers-eager", "transformers-compiled:searched", "transformers-compiled:a, b", "transformers-compiled:", "vllm", "vLLM"]
NAMED = st.sampled_from([*ENGINES, "Eager", "Compiled (x)", "Compiled (a or b)", "default", "built-in prompts", "ShareGPT", "%45ager"])
TEXTS = st.one_of(TEXT, TRICKY, NAMED)
SOME = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)
KEYS = st.sampled_from(sorted(NUMBERS))
POSITIVE = st.floats(min_value=0, max_value=1e12, allow_nan=False).map(lambda value: value + 0.0)
NUMBER = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False).map(lambda value: value + 0.0)


def narrowings() -> st.SearchStrategy[Narrowing]:
    within = st.tuples(KEYS, NUMBER, NUMBER, st.booleans(), st.sampled_from(["low", "high", "both"])).map(
        lambda drawn: Within(drawn[0], *_ends(*drawn[1:]))
    )
    sides = st.builds(Sides, st.sampled_from(["model", "engine", "gpu", "task"]), TEXTS, TEXTS, st.one_of(st.just(()), SOME))
    return st.one_of(
        TEXTS.map(Contains),
        st.just(Pooled()),
        st.builds(Planned, POSITIVE, POSITIVE, POSITIVE, st.sampled_from(planner.CURRENCIES), POSITIVE, st.none() | POSITIVE),
        TEXTS.map(Computed),
        KEYS.map(Least),
        TEXTS.map(Grouped),
        within,
        sides,
        st.builds(Sides, st.just("task"), some=st.one_of(st.just(()), SOME)),
        st.builds(Known, st.lists(KEYS, min_size=1, max_size=2, unique=True).map(tuple), st.booleans()),
        st.builds(Among, st.sampled_from(sorted(CALLED)), SOME),
    )


def _ends(low: float, high: float, above: bool, which: str) -> tuple[float | None, float | None, bool]:
    if which == "high":
        return None, high, False
    return low, high if which == "both" else None, above


def selections() -> st.SearchStrategy[Selection]:
    many = st.one_of(st.just(()), SOME)
    batches = st.lists(st.integers(1, 512), max_size=3, unique=True).map(tuple)
    weights = st.sampled_from([("pretrained",), ("dummy",), ()])
    return st.builds(Selection, many, many, many, many, many, batches, weights, st.booleans())


VIEWS = st.builds(View, selections(), st.lists(narrowings(), max_size=4).map(tuple), st.sampled_from(EVERY))


@given(VIEWS)
def test_a_view_is_read_back_from_its_words(view: View) -> None:
    assert view_of(view.words()) == view


@given(VIEWS)
def test_and_from_the_header_of_a_file_of_any_kind(view: View) -> None:
    rows = pl.DataFrame({"x": [1.0]})
    for kind in ("csv", "parquet"):
        words, _ = said_of(downloads.file_of(rows, "rows", kind, view, "http://x/"), kind)
        assert view_of(words) == view


def test_words_that_no_filter_says_are_refused() -> None:
    with pytest.raises(UnclearWords, match="full moon"):
        view_of("GPU A40, full moon")
