"""Live as a visitor sees it: two answers come, one after the other, and the pair comes down as rows."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.e2e.conftest import Visitor
from tests.fake_server import FakeServer, stream, whole

pytestmark = pytest.mark.e2e


def test_two_answers_stream_side_by_side_and_are_kept(
    live_server: str, asked: FakeServer, visit: Callable[..., Visitor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No answer goes beyond its half before that half was looked at."""
    looked = threading.Event()

    async def half(place: int) -> None:
        if place == 20:
            await asyncio.to_thread(looked.wait, 120)

    monkeypatch.setattr(asked, "behaviour", lambda body, n: stream(whole(40), 0.05, before=half))
    visitor = visit(live_server).open("live")
    assert visitor.title() == "What does my own question cost?"
    visitor.page.get_by_label("Question").fill("Why is the sky blue?")
    visitor.page.get_by_role("button", name="Ask both").click()
    visitor.page.get_by_text("word5").wait_for()
    assert visitor.page.get_by_text("word39").count() == 0, "the answer is drawn while it comes"
    looked.set()
    keep = visitor.page.get_by_role("button", name="Keep as rows")
    keep.wait_for()
    visitor.settle().assert_accessible()
    visitor.wears("dark").assert_accessible(colours_only=True)
    with visitor.page.expect_download() as waiting:
        keep.click()
    waiting.value.save_as(tmp_path / "pair.parquet")
    visitor.page.set_viewport_size({"width": 390, "height": 900})
    visitor.settle().assert_fits(390)
    visitor.assert_sound()
    rows = pl.read_parquet(tmp_path / "pair.parquet")
    assert rows["output_words"].to_list() == [40, 40] and rows["prompt_text"].unique().to_list() == ["Why is the sky blue?"]
    assert (rows["energy_j"].is_not_null() | rows["energy_reason"].is_not_null()).all(), "a joule or a reason"
