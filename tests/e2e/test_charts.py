"""What can be clicked: points, boxes, rows, names in a legend, and the menu that saves a chart."""

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import polars as pl
import pytest

from tests.e2e.conftest import Visitor
from tests.e2e.reading import QUESTIONS, Visit, tab_to

pytestmark = pytest.mark.e2e


def test_a_click_on_a_point_shows_its_rows_only(server: str, visit: Visit) -> None:
    visitor = visit(server).open("energy_vs_parameters?gpu=A40&task=chat")
    chart = visitor.page.locator("[data-testid=stVegaLiteChart]").first
    chart.scroll_into_view_if_needed()
    chart.locator("svg.marks .mark-symbol.role-mark path").first.click(force=True)
    visitor.page.get_by_text("1 of 23 rows chosen").wait_for()
    visitor.settle()
    assert visitor.page.get_by_role("button", name="Download CSV").count() == 1
    visitor.assert_sound()


@pytest.mark.parametrize("page", ["energy_vs_parameters?", "tradeoffs?x=Latency (s)&", "verbosity?view=Models of one size&"])
def test_a_box_around_points_leads_to_their_rows_and_to_a_file_of_them(server: str, visit: Visit, tmp_path: Path, page: str) -> None:
    visitor = visit(server).open(f"{page}gpu=A40&task=chat&band=All+sizes")
    chart = visitor.page.locator("[data-testid=stVegaLiteChart]").last
    chart.scroll_into_view_if_needed()
    frame = chart.locator("svg.marks .mark-group.role-frame > g > path.background").first.bounding_box()
    assert frame
    across, up = frame["x"] + frame["width"], frame["y"] + frame["height"]
    mouse = visitor.page.mouse
    mouse.move(across - frame["width"] * 0.45, frame["y"] + 3)
    mouse.down()
    mouse.move(across - frame["width"] * 0.2, up - 40, steps=4)
    mouse.move(across - 3, up - 3, steps=4)
    mouse.up()
    told = visitor.page.get_by_text(re.compile(r"^\d+ of \d+ rows chosen")).last
    told.wait_for()
    visitor.settle()
    kept, every = map(int, re.findall(r"\d+", told.inner_text())[:2])
    assert 0 < kept < every
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("button", name="Download CSV").last.click()
    waiting.value.save_as(tmp_path / "rows.csv")
    assert pl.read_csv(tmp_path / "rows.csv", comment_prefix="#").height == kept
    visitor.assert_sound()


def test_points_can_be_chosen_with_the_keyboard(server: str, visit: Visit) -> None:
    visitor = visit(server).open("energy_vs_parameters?gpu=A40&task=chat")
    tab_to(visitor, "Choose rows by name")
    visitor.page.keyboard.type("vicuna-7B")
    visitor.page.keyboard.press("ArrowDown")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_text("1 of 23 rows chosen").wait_for()
    visitor.assert_sound()


@pytest.mark.parametrize(
    ("page", "name", "where"),
    [("leaderboard?gpu=A40&task=chat", "llama-7B on A40 · FP16, chat", 300), ("runs?model=org/big-1B", "big-1B on H100, chat", 18)],
)
def test_a_click_on_a_row_shows_its_detail_the_link_names_it_and_back_closes_it(
    server: str, visit: Visit, page: str, name: str, where: int
) -> None:
    visitor = visit(server).open(page)
    address, dialog = visitor.page.url, visitor.page.get_by_role("dialog")
    visitor.page.locator("[data-testid=stDataFrame]").first.click(position={"x": where, "y": 52})
    dialog.get_by_text(name).first.wait_for()
    visitor.settle()
    linked = visitor.page.url
    assert re.search("[?&](row|run)=", linked)
    visitor.page.go_back()
    dialog.wait_for(state="detached")
    assert visitor.page.url == address
    visitor.page.go_forward()
    dialog.get_by_text(name).first.wait_for()
    visitor.settle()
    visitor.page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    visitor.settle()
    assert unquote(visitor.page.url) == address, "a dialog that is closed is in no link"
    visitor.page.locator("[data-testid=stDataFrame]").first.click(position={"x": where, "y": 52})
    dialog.get_by_text(name).first.wait_for()  # one click opens the same row again
    other = visit(server).open(linked.removeprefix(f"{server}/"))
    other.page.get_by_role("dialog").get_by_text(name).first.wait_for()
    visitor.assert_sound()
    other.assert_sound()


def test_ticked_rows_of_the_leaderboard_are_compared(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard?source=Prompt+Joules")
    table = visitor.page.locator("[data-testid=stDataFrame]").first
    for row in range(2):
        table.click(position={"x": 18, "y": 52 + 35 * row})
        visitor.settle()
    assert visitor.page.get_by_role("dialog").count() == 0, "a tick is no click on the row"
    link = visitor.page.get_by_role("link", name="Compare the 2 ticked")
    results = parse_qs(urlsplit(str(link.get_attribute("href"))).query)["results"]
    link.click()
    visitor.page.get_by_role("heading", name=QUESTIONS["compare"]).wait_for()
    visitor.settle()
    chosen = visitor.page.locator("[data-testid=stMain] [data-tag]").all()
    assert [tag.get_attribute("aria-label") for tag in chosen] == results and len(results) == 2
    visitor.assert_sound()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_chart_is_saved_as_png_and_as_svg_from_its_menu(reader: Visitor, tmp_path: Path, dark: bool) -> None:
    visitor = reader.starts(dark=dark).go("energy_vs_parameters?gpu=A40&y=Energy+%28J%29")
    made = {}
    for kind in ("PNG", "SVG"):
        visitor.page.locator("[data-testid=stVegaLiteChart]").first.hover()
        with visitor.page.expect_download() as saved:
            visitor.page.get_by_role("button", name=f"Download as {kind}").first.click()
        assert saved.value.suggested_filename.endswith(f".{kind.lower()}")
        made[kind] = Path(saved.value.path()).read_bytes()
    assert made["PNG"].startswith(b"\x89PNG")
    drawing = ElementTree.fromstring(made["SVG"])
    words = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert drawing.tag.endswith("svg") and {"Energy (J)", "Parameters (billion)", "A40"} <= words
    assert QUESTIONS["energy_vs_parameters"] in words, "a picture says which question it answers"
    told = " ".join(text for text in words if text)
    assert "Shown: GPU A40" in told and "Source: ML.ENERGY v1" in told and visitor.address in told
    assert drawing[0].get("fill") == ("rgb(18, 23, 29)" if dark else "rgb(255, 255, 255)"), "the ground of the theme"
    visitor.assert_sound()


@pytest.mark.parametrize(
    ("page", "chart", "marks"),
    [("energy_vs_parameters", 0, "symbol"), ("distributions?by=task&form=Share+at+or+below+a+value", 0, "line")],
)
def test_a_click_on_a_name_in_the_legend_makes_the_others_pale(reader: Visitor, page: str, chart: int, marks: str) -> None:
    visitor = reader.starts().go(page)
    drawn = visitor.page.locator("[data-testid=stVegaLiteChart]").nth(chart)

    def opacities() -> set[str | None]:
        return {mark.get_attribute("opacity") for mark in drawn.locator(f".mark-{marks}.role-mark path").all()}

    assert opacities() == {"0.8"}
    drawn.locator(".role-legend-label text").first.click(force=True)
    visitor.settle()
    assert opacities() == {"0.8", "0.15"}
    visitor.assert_sound()
