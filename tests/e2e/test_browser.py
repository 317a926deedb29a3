"""The app as visitors see it: deep links to a fresh server, filters in the URL, downloads, phones, both themes."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree

import polars as pl
import pytest
from playwright.sync_api import BrowserContext

from prompt_joules.pages.ui import site
from tests.app import hostile, warehouse
from tests.e2e.conftest import THEMES, Visitor, watched

pytestmark = pytest.mark.e2e
Visit = Callable[..., Visitor]
CHARTS = {
    "home": 1,
    "energy_vs_parameters": 1,
    "distributions": 1,
    "tradeoffs": 1,
    "three_years": 2,
    "verbosity": 3,
    "prompts": 1,
    "cost_of_a_token": 1,
    "compare": 1,
}
# Views that their page does not start with, and how many charts each has.
VIEWS = {
    "distributions?form=Percentiles": 1,
    "distributions?form=Share+at+or+below+a+value": 1,
    "distributions?form=Where+the+joules+go": 1,
    "verbosity?view=The+same+prompts": 1,
    "verbosity?view=Models+of+one+size": 1,
}
# The home page, one of the second section and one of the last.
FIRST_ASKED = ("home", "prompts", "export_sql")
QUESTIONS = {entry[0]: entry[2] for entries in site.SECTIONS.values() for entry in entries}


def query(visitor: Visitor) -> dict[str, list[str]]:
    """The filters in the address bar."""
    return parse_qs(urlsplit(visitor.page.url).query)


def tags(visitor: Visitor) -> list[str]:
    """The values chosen in the multiselects of the sidebar."""
    found = visitor.page.locator("[data-testid=stSidebar] .react-aria-ComboBox [data-tag]:visible")
    return [str(tag.get_attribute("aria-label")) for tag in found.all()]


def tab_to(visitor: Visitor, name: str, *, backwards: bool = False) -> None:
    """Press Tab until what has the focus is called `name`."""
    # The text of a frame's name starts with that of its icon.
    called = """(e => e.tagName === 'SUMMARY' ? e.innerText.split('\\n').pop() : (e.getAttribute('aria-label') || e.innerText || '').trim())
      (document.activeElement)"""
    heard = []
    for _ in range(120):
        visitor.page.keyboard.press("Shift+Tab" if backwards else "Tab")
        heard.append(str(visitor.page.evaluate(called)))
        if heard[-1].startswith(name):
            return
    raise AssertionError(f"{name} cannot be reached with the keyboard; there are {sorted(set(heard))}")


@pytest.mark.parametrize("page", FIRST_ASKED)
def test_the_first_request_to_a_fresh_server_is_a_deep_link(fresh_server: str, visit: Visit, page: str) -> None:
    assert_a_link_opens(visit(fresh_server), page)


@pytest.mark.parametrize("page", [page for page in QUESTIONS if page not in FIRST_ASKED])
def test_a_deep_link_opens_its_page(server: str, visit: Visit, page: str) -> None:
    assert_a_link_opens(visit(server), page)


def assert_a_link_opens(visitor: Visitor, page: str) -> None:
    """The page of the link, with its filters, and nothing else."""
    visitor.open(f"{page}?gpu=A40&task=chat")
    assert visitor.title() == QUESTIONS[page]
    assert query(visitor) == {"gpu": ["A40"], "task": ["chat"]}
    assert tags(visitor) == ["A40", "chat"]
    assert visitor.page.get_by_text("Page not found").count() == 0
    visitor.assert_sound()


def test_filters_survive_navigation_and_reload(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard")
    visitor.page.get_by_role("link", name="All models on A40, chat").click()
    visitor.page.wait_for_url("**gpu=A40**")
    visitor.settle()
    assert tags(visitor) == ["A40", "chat"]
    visitor.page.locator("section[data-testid=stSidebar]").get_by_role("link", name="Energy and parameters").click()
    visitor.page.get_by_role("heading", name=QUESTIONS["energy_vs_parameters"]).wait_for()
    visitor.settle()
    assert query(visitor) == {"gpu": ["A40"], "task": ["chat"]}
    assert tags(visitor) == ["A40", "chat"]
    visitor.page.locator("[data-testid=stSidebar]").get_by_role("link", name="Leaderboard").click()
    visitor.page.get_by_role("heading", name=QUESTIONS["leaderboard"]).wait_for()
    visitor.settle()
    assert query(visitor) == {"gpu": ["A40"], "task": ["chat"]}
    visitor.page.reload()
    visitor.settle()
    assert tags(visitor) == ["A40", "chat"]
    assert visitor.page.get_by_text("23 models in 23 configurations").count() == 1
    visitor.assert_sound()


def test_links_to_the_table_at_its_old_address_lead_to_the_new_one_and_home_stays_home(server: str, visit: Visit) -> None:
    visitor = visit(server).open("?gpu=A40&task=chat&search=7b")
    visitor.page.get_by_role("heading", name=QUESTIONS["leaderboard"]).wait_for()
    visitor.settle()
    assert urlsplit(visitor.page.url).path == "/leaderboard"
    assert query(visitor) == {"gpu": ["A40"], "task": ["chat"], "search": ["7b"]}
    visitor.page.locator("[data-testid=stSidebar]").get_by_role("link", name="Home").click()
    visitor.page.get_by_role("heading", name=QUESTIONS["home"]).wait_for()
    visitor.settle()
    assert query(visitor) == {"gpu": ["A40"], "task": ["chat"]}
    visitor.page.get_by_role("link", name="The table of all results").click()
    visitor.page.get_by_role("heading", name=QUESTIONS["leaderboard"]).wait_for()
    visitor.settle()
    assert tags(visitor) == ["A40", "chat"]
    visitor.assert_sound()


def test_only_what_differs_from_the_default_is_in_the_url(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard?weights=pretrained&valid=only&gpu=V100")
    visitor.page.get_by_role("button", name="Remove V100").click()
    visitor.settle()
    assert query(visitor) == {}
    visitor.assert_sound()


@pytest.mark.parametrize(
    ("button", "read"), [("Download CSV", partial(pl.read_csv, comment_prefix="#")), ("Download Parquet", pl.read_parquet)]
)
def test_a_download_holds_exactly_the_rows_shown(
    server: str, visit: Visit, tmp_path: Path, button: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    visitor = visit(server).open("?gpu=A40&task=chat&search=7b")
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("button", name=button).click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    figures = pl.read_csv(warehouse.SHIPPED / "published" / "mlenergy_v1" / "figures.csv")
    expected = figures.filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    rows = read(file)
    assert rows["model_name"].str.to_lowercase().str.contains("7b").all()
    assert set(rows["energy_j"].round(6)) <= set(expected["energy_j"].round(6))
    count = visitor.page.get_by_text(f"{rows.height} models in {rows.height} configurations").count()
    assert count == 1, "the caption counts as many rows as the file has"
    visitor.assert_sound()


@pytest.mark.parametrize("page", [*QUESTIONS, *VIEWS])
def test_every_page_on_a_desktop_and_on_a_phone_in_both_themes(server: str, visit: Visit, page: str) -> None:
    visitor = visit(server).open(page)
    charts = visitor.page.locator("[data-testid=stVegaLiteChart]")
    assert charts.count() == (CHARTS | VIEWS).get(page, 0)
    assert all(len(chart.get_attribute("aria-label") or "") > 20 for chart in charts.all())
    name = re.sub(r"\?\w+=", "-", page).replace("+", "-")
    for width, form in ((1366, "wide"), (390, "phone")):
        visitor.page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            visitor.wears(theme)
            visitor.shoot(f"{name}-{form}-{theme}")
            if form == "wide":
                visitor.assert_accessible()
            else:
                visitor.assert_fits(width)
    visitor.assert_sound()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_of_the_system_holds_from_the_start(server: str, visit: Visit, theme: str) -> None:
    visitor = visit(server, dark=theme == "dark").open("cost_of_a_token")
    visitor.wears(theme).assert_accessible()
    visitor.assert_sound()


@pytest.mark.parametrize("page", ["leaderboard", "verbosity"])
def test_a_phone_from_the_start(server: str, visit: Visit, page: str) -> None:
    visitor = visit(server, 390).open(page)
    button = visitor.page.locator("[data-testid=stExpandSidebarButton]")
    assert button.evaluate("button => getComputedStyle(button, '::after').content") == '"Pages and filters"'
    visitor.assert_fits(390)
    visitor.assert_accessible()
    visitor.assert_sound()


def test_the_keyboard_alone_sets_a_filter_opens_a_page_and_downloads(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard")
    keys = visitor.page.keyboard
    tab_to(visitor, "GPU")
    keys.type("V100")
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.press("Escape")
    visitor.settle()
    assert query(visitor) == {"gpu": ["V100"]}
    tab_to(visitor, "Energy and parameters", backwards=True)
    keys.press("Enter")
    visitor.page.get_by_role("heading", name=QUESTIONS["energy_vs_parameters"]).wait_for()
    visitor.settle()
    assert query(visitor) == {"gpu": ["V100"]}
    tab_to(visitor, "The rows behind the chart")
    keys.press("Enter")
    visitor.page.get_by_role("button", name="Download CSV").wait_for()
    visitor.settle()
    with visitor.page.expect_download() as waiting:
        tab_to(visitor, "Download CSV")
        keys.press("Enter")
    assert waiting.value.suggested_filename == "prompt-joules-energy-and-parameters.csv"
    visitor.assert_sound()


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
    victim.open(f"{page}?gpu=%3Cscript%3Ealert(1)%3C/script%3E{more}")
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


def test_a_link_fills_the_box_and_only_a_click_runs_it(server: str, visit: Visit, tmp_path: Path) -> None:
    sql = """select '=1+1' as "=2+2", ['infinity'::date] as listed from range(2)"""
    visitor = visit(server).open(f"export_sql?sql={quote(sql)}")
    box = visitor.page.get_by_label("SQL (DuckDB)")
    assert box.input_value() == sql
    assert visitor.page.get_by_text("Nothing has been asked yet").count() == 1
    visitor.page.get_by_role("button", name="Run").click()
    visitor.page.get_by_text("2 rows.").wait_for()
    visitor.settle()
    with visitor.page.expect_download() as coming:
        visitor.page.get_by_role("button", name="Download CSV").click()
    coming.value.save_as(tmp_path / "sql.csv")
    assert pl.read_csv(tmp_path / "sql.csv", comment_prefix="#").rows() == [("'=1+1", "[infinity]")] * 2
    box.fill("from read_text('/etc/passwd')")
    box.press("Control+Enter")
    visitor.page.get_by_text("cannot be used here").wait_for()
    assert "sql=from+read_text" in visitor.page.url.replace("%20", "+") or "read_text" in visitor.page.url
    table = visitor.open("runs").page.locator("[data-testid=stDataFrame]").first
    table.hover()
    assert visitor.page.get_by_label("Download as CSV").count() == 0, "Streamlit's CSV defends nothing"
    visitor.assert_sound()


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


def test_nothing_matches_has_a_way_out(server: str, visit: Visit) -> None:
    visitor = visit(server).open("distributions?gpu=CPU&task=instruct")
    assert visitor.page.get_by_text("Nothing matches").count() == 1
    visitor.page.get_by_role("link", name="Show this page without filters").click()
    visitor.page.get_by_text("Where the joules go").wait_for()
    assert visitor.title() == QUESTIONS["distributions"]
    assert query(visitor) == {}
    visitor.assert_sound()


def test_a_filter_set_by_hand_is_in_the_url_and_in_the_table(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard")
    visitor.page.get_by_role("combobox", name="GPU").fill("V100")
    visitor.page.get_by_role("option", name="V100").click()
    visitor.page.keyboard.press("Escape")
    visitor.settle()
    assert query(visitor) == {"gpu": ["V100"]}
    assert visitor.page.get_by_text("shown: GPU V100").count() == 1
    visitor.assert_sound()


def test_models_are_found_by_name_and_stand_in_the_address_by_id_and_back_takes_a_filter_away(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard")
    box = visitor.page.get_by_role("combobox", name="Model", exact=True)
    for typed in ("vicuna 7B", "vicuna-7b"):
        box.click()
        box.press_sequentially(typed)
        assert visitor.page.get_by_role("option").all_inner_texts() == ["LLaMA · vicuna 7B"]
        box.fill("")
    box.press_sequentially("qwen 3 8b")
    visitor.page.get_by_role("option", name="Qwen 3 8B").click()
    visitor.page.keyboard.press("Escape")
    visitor.settle()
    assert query(visitor) == {"model": ["Qwen/Qwen3-8B"]}
    assert tags(visitor) == ["Qwen 3 8B"]
    visitor.page.go_back()
    visitor.page.get_by_role("button", name="Remove Qwen 3 8B").wait_for(state="detached")
    visitor.settle()
    assert query(visitor) == {} and visitor.title() == QUESTIONS["leaderboard"]
    visitor.page.go_forward()
    visitor.page.get_by_role("button", name="Remove Qwen 3 8B").wait_for()
    assert query(visitor) == {"model": ["Qwen/Qwen3-8B"]}
    visitor.assert_sound()


def test_the_view_of_one_page_is_not_in_the_link_of_the_next(server: str, visit: Visit) -> None:
    visitor = visit(server).open("distributions?form=Percentiles")
    assert query(visitor) == {"form": ["Percentiles"]}
    visitor.page.get_by_role("link", name="Concise or verbose?").click()
    visitor.page.get_by_role("heading", name=QUESTIONS["verbosity"]).wait_for()
    visitor.settle()
    assert query(visitor) == {}
    visitor.assert_sound()


def test_a_filter_of_a_closed_frame_stays_in_force_and_in_the_link(server: str, visit: Visit) -> None:
    visitor = visit(server).open("leaderboard")
    frame = visitor.page.locator("summary", has_text="More filters")
    engine = visitor.page.get_by_role("combobox", name="Engine")
    assert engine.count() == 0
    frame.click()
    visitor.settle()
    engine.fill("vllm")
    # By key: a list of choices closes when a click has to scroll to it.
    for key in ("ArrowDown", "Enter", "Escape"):
        visitor.page.keyboard.press(key)
    visitor.settle()
    frame.click()
    visitor.settle()
    assert query(visitor) == {"engine": ["vllm"]}
    assert visitor.page.get_by_text("shown: engine vllm").count() == 1
    visitor.page.reload()
    visitor.settle()
    assert visitor.page.get_by_text("shown: engine vllm").count() == 1
    assert engine.is_visible(), "a link with a value opens its frame"
    visitor.assert_sound()


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
def test_a_chart_is_saved_as_png_and_as_svg_from_its_menu(server: str, visit: Visit, tmp_path: Path, dark: bool) -> None:
    visitor = visit(server, dark=dark).open("energy_vs_parameters?gpu=A40")
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
def test_a_click_on_a_name_in_the_legend_makes_the_others_pale(server: str, visit: Visit, page: str, chart: int, marks: str) -> None:
    visitor = visit(server).open(page)
    drawn = visitor.page.locator("[data-testid=stVegaLiteChart]").nth(chart)

    def opacities() -> set[str | None]:
        return {mark.get_attribute("opacity") for mark in drawn.locator(f".mark-{marks}.role-mark path").all()}

    assert opacities() == {"0.8"}
    drawn.locator(".role-legend-label text").first.click(force=True)
    visitor.settle()
    assert opacities() == {"0.8", "0.15"}
    visitor.assert_sound()
