"""Links and filters: deep links to a fresh server, what stands in the address, Back, downloads, the keyboard."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import polars as pl
import pytest

from tests.app import warehouse
from tests.e2e.conftest import Visitor
from tests.e2e.reading import QUESTIONS, Visit, query, tab_to, tags

pytestmark = pytest.mark.e2e
# The home page, one of the second section and one of the last, each of another server: later tests visit it too.
FIRST_ASKED = {"home": "server", "prompts": "shipped", "export_sql": "live_server"}


@pytest.mark.parametrize(("page", "fresh_server"), FIRST_ASKED.items(), ids=FIRST_ASKED, indirect=["fresh_server"])
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


def test_only_what_differs_from_the_default_is_in_the_url(reader: Visitor) -> None:
    visitor = reader.starts().go("leaderboard?weights=pretrained&valid=only&gpu=V100")
    visitor.page.get_by_role("button", name="Remove V100").click()
    visitor.settle()
    assert query(visitor) == {}
    visitor.assert_sound()


@pytest.mark.parametrize(
    ("button", "read"), [("Download CSV", partial(pl.read_csv, comment_prefix="#")), ("Download Parquet", pl.read_parquet)]
)
def test_a_download_holds_exactly_the_rows_shown(
    reader: Visitor, tmp_path: Path, button: str, read: Callable[[Path], pl.DataFrame]
) -> None:
    visitor = reader.starts().go("leaderboard?gpu=A40&task=chat&search=7b")
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
    table = visitor.go("runs").page.locator("[data-testid=stDataFrame]").first
    table.hover()
    assert visitor.page.get_by_label("Download as CSV").count() == 0, "Streamlit's CSV defends nothing"
    visitor.assert_sound()


def test_nothing_matches_has_a_way_out(reader: Visitor) -> None:
    visitor = reader.starts().go("distributions?gpu=CPU&task=instruct")
    assert visitor.page.get_by_text("Nothing matches").count() == 1
    visitor.page.get_by_role("link", name="Show this page without filters").click()
    visitor.page.get_by_text("Where the joules go").wait_for()
    assert visitor.title() == QUESTIONS["distributions"]
    assert query(visitor) == {}
    visitor.assert_sound()


def test_a_link_to_a_section_begins_with_its_heading(server: str, visit: Visit) -> None:
    visitor = visit(server).open("methods#questions")
    edge = "document.querySelector('[data-testid=stHeader]').getBoundingClientRect().bottom"
    there = f"document.getElementById('questions').getBoundingClientRect().top - {edge}"
    visitor.page.wait_for_function(f"Math.abs({there}) < 20", timeout=20_000)
    taller = "document.querySelector('[data-testid=stMainBlockContainer] h1').style.marginBottom = "
    visitor.page.evaluate(f"{taller}'400px'")  # as a chart that comes late
    visitor.page.wait_for_function(f"Math.abs({there}) < 20", timeout=20_000)
    visitor.page.mouse.move(900, 500)
    visitor.page.mouse.wheel(0, -300)
    visitor.page.wait_for_function(f"{there} > 100", timeout=20_000)
    visitor.page.evaluate(f"{taller}'500px'")
    visitor.page.wait_for_timeout(300)
    assert visitor.page.evaluate(there) > 100, "a visitor who has scrolled stays where they are"
    visitor.assert_sound()


def test_a_filter_set_by_hand_is_in_the_url_and_in_the_table(reader: Visitor) -> None:
    visitor = reader.starts().go("leaderboard")
    visitor.page.get_by_role("combobox", name="GPU").fill("V100")
    visitor.page.get_by_role("option", name="V100").click()
    visitor.page.keyboard.press("Escape")
    visitor.settle()
    assert query(visitor) == {"gpu": ["V100"]}
    assert visitor.page.get_by_text("shown: GPU V100").count() == 1
    visitor.assert_sound()


def test_models_are_found_by_name_and_stand_in_the_address_by_id_and_back_takes_a_filter_away(reader: Visitor) -> None:
    visitor = reader.starts().go("leaderboard")
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


def test_the_view_of_one_page_is_not_in_the_link_of_the_next(reader: Visitor) -> None:
    visitor = reader.starts().go("distributions?form=Percentiles")
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
