"""Frames that are kept for all visitors."""

import polars as pl
import pytest

from prompt_joules.pages.ui import data
from prompt_joules.pages.ui.pure.kept import Kept
from prompt_joules.warehouse.selection import Selection
from tests.perf import queries


def frame(rows: int = 1000) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.int_range(rows, eager=True)})


def test_what_was_asked_last_is_kept_up_to_so_many_bytes() -> None:
    kept, made = Kept(int(3.5 * frame().estimated_size())), []
    for asked in (1, 2, 3, 1, 4, 1, 2):
        kept.get(asked, lambda asked=asked: made.append(asked) or frame())  # type: ignore[misc]
    assert made == [1, 2, 3, 4, 2], "two made room for four: one was asked since"
    assert list(kept.rows) == [4, 1, 2] and kept.bytes == 3 * frame().estimated_size() <= kept.most_bytes
    assert kept.get(5, lambda: frame(10_000)).height == 10_000 and not kept.rows, "one that is too large is given and not kept"
    kept.clear()
    assert kept.bytes == 0


def test_nobody_changes_what_others_get() -> None:
    kept = Kept(10**6)
    for _ in range(3):
        rows = kept.get("rows", frame)
        assert rows.columns == ["x"] and rows["x"][0] == 0
        rows.insert_column(0, pl.Series("y", [0] * rows.height))
        rows[0, "x"] = 7


def test_what_went_wrong_is_asked_again() -> None:
    kept = Kept(10**6)
    with pytest.raises(ZeroDivisionError):
        kept.get("rows", lambda: pl.DataFrame({"x": [1 / 0]}))
    assert kept.get("rows", frame).height == 1000 and not kept._turns


def test_a_sign_says_what_reads_every_prompt() -> None:
    over_prompts = queries._over_prompts(["run"], {"a": "model"}, Selection()).keys()
    few = {"hidden", "run_windows"}  # what they read of all prompts is kept for each run
    assert few < over_prompts and over_prompts - few == data.SLOW
