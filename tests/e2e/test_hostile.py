"""Hostile rows in a real browser: text on every page, in tooltips and in every file."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import BrowserContext

from tests.app import hostile
from tests.e2e.conftest import Visitor, watched
from tests.e2e.reading import QUESTIONS, Visit

pytestmark = pytest.mark.e2e
# What hostile names and texts would make of themselves.
MADE = (
    "main img[src=x], main script, .katex, a[href*='hostile.example'], [class*=stMarkdownColoredText], "
    "[data-testid=stMain] :is(strong, b):text-is('hostilebold'), h1:has-text('hostile heading')"
)
# Pages that show a name or a text of the rows outside of tables, which draw on a canvas.
NAMED = ("distributions", "prompts", "cost_of_a_token", "compare", "planner", "verbosity")


@pytest.fixture(scope="module")
def victim(context: BrowserContext, hostile_server: str) -> Iterator[Visitor]:
    """One visitor for all pages of hostile rows."""
    visitor = Visitor(watched(context.new_page()), hostile_server)
    visitor.page.on("dialog", lambda dialog: visitor.errors.append(f"script ran: {dialog.message}"))
    yield visitor
    visitor.page.close()


@pytest.mark.parametrize("page", QUESTIONS)
def test_hostile_data_is_text(victim: Visitor, page: str) -> None:
    more = {"verbosity": "&show=Everything&view=The+same+prompts", "home": ""}.get(page, "&show=Everything")
    victim.starts().go(f"{page}?gpu=%3Cscript%3Ealert(1)%3C/script%3E{more}")
    assert victim.page.get_by_text("gpu=<script>alert(1)</script> in the link").count() == 1
    assert victim.page.locator(MADE).count() == 0
    if page in NAMED:
        assert "hostile" in victim.page.locator("[data-testid=stMain]").inner_text(), "the hostile rows are on the page"
    for width in (390, 1366):
        victim.page.set_viewport_size({"width": width, "height": 900})
        victim.assert_fits(width)
    victim.assert_sound()


def test_a_hostile_name_is_text_in_a_chart_and_in_its_tooltip(victim: Visitor) -> None:
    victim.open(f"compare?model={hostile.MODEL_ID.replace('<', '%3C').replace('=', '%3D')}")
    chart = victim.page.locator("[data-testid=stVegaLiteChart]").first
    chart.scroll_into_view_if_needed()
    chart.locator("svg.marks .mark-symbol.role-mark path").first.hover(force=True)
    tip = victim.page.locator("#vg-tooltip-element")
    tip.wait_for()
    assert "<img src=x" in tip.inner_text()
    assert victim.page.locator("#vg-tooltip-element img, #vg-tooltip-element script").count() == 0
    victim.assert_sound()


@pytest.mark.parametrize("rows", ["Results", "Prompts"])
def test_hostile_rows_come_down_as_text_in_every_format(hostile_server: str, visit: Visit, tmp_path: Path, rows: str) -> None:
    visitor = visit(hostile_server).open(f"export_sql?rows={rows}")
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        "Parquet": pl.read_parquet,
        "Arrow": pl.read_ipc,
        "JSON": lambda path: pl.DataFrame(json.loads(path.read_text())["rows"], infer_schema_length=None),
        "CSV": partial(pl.read_csv, comment_prefix="#"),
    }
    for kind, read in readers.items():
        with visitor.page.expect_download() as waiting:
            visitor.page.get_by_role("button", name=kind, exact=True).click()
        waiting.value.save_as(tmp_path / kind)
        found = read(tmp_path / kind)
        assert (f"'{hostile.NAME}" if kind == "CSV" else hostile.NAME) in found["model_name"].to_list()
        assert hostile.LONG in found["model_name"].to_list()
    visitor.assert_sound()
