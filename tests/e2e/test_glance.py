"""Pages answer at a glance: the chart starts high on a desktop, also where choices or sentences are many; rare choices still act."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import ConsoleMessage, Page

from tests.e2e.conftest import Visitor

Visit = Callable[..., Visitor]
# px from the top of the window, on a small desktop of 1,280 × 800: of the first chart, or of the first table or number.
HIGHEST = 350
FIRST = "[data-testid=stMain] :is(svg.marks, [data-testid=stDataFrame], [data-testid=stMetric])"
TOP = f"Math.min(...[...document.querySelectorAll('{FIRST}')].map(drawn => drawn.getBoundingClientRect().top))"
HIDDEN = """document.querySelector('h1').getBoundingClientRect().top
  < document.querySelector('[data-testid=stHeader]').getBoundingClientRect().bottom"""
PAGES = ["energy_vs_parameters", "cost_of_a_token", "compare", "home", "prompts", "tradeoffs", "three_years"]
PAGES += ["verbosity", "verbosity?view=Published+averages", "verbosity?view=Models+of+one+size"]
SETUPS = "distributions?setup=All+setups+together"
PAGES += [f"{SETUPS}&by=result", f"{SETUPS}&weights=both", f"{SETUPS}&form=Where+the+joules+go"]
PAGES += ["tradeoffs?optimal=true", "compare?source=ML.ENERGY+v3"]
PAGES += ["leaderboard", "leaderboard?weights=both", "planner?country=Germany", "runs"]


@pytest.mark.parametrize("page", PAGES)
def test_the_chart_starts_high_on_a_desktop_and_vega_warns_of_nothing(reader: Visitor, page: str) -> None:
    with warnings_of(reader.starts(width=1280).page) as warnings:
        reader.go(page)
    assert reader.page.evaluate(TOP) <= HIGHEST
    assert reader.page.evaluate(HIDDEN) is False, "the bar at the top covers no part of the title"
    assert warnings == [], "Vega has nothing to complain about"
    reader.assert_sound()


@contextmanager
def warnings_of(page: Page) -> Iterator[list[str]]:
    """What the console is warned of while the block runs."""
    found: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.text.startswith("WARN"):
            found.append(message.text)

    page.on("console", heard)
    yield found
    page.remove_listener("console", heard)


def test_a_choice_of_the_closed_button_acts_from_a_link_and_stays_in_it(server: str, visit: Visit) -> None:
    visitor = visit(server).open("energy_vs_parameters?colour=source")
    legend = visitor.page.locator(".role-legend-title text")
    assert legend.all_text_contents() == ["Source"]
    visitor.page.get_by_role("button", name="More choices").click()
    visitor.page.get_by_role("combobox", name="Colour").wait_for()
    assert "colour=source" in visitor.page.url
    visitor.page.keyboard.press("Escape")
    visitor.settle()
    assert "colour=source" in visitor.page.url
    assert legend.all_text_contents() == ["Source"]
    visitor.assert_sound()


def test_the_address_and_a_citation_are_copied(server: str, visit: Visit) -> None:
    visitor = visit(server).open("cost_of_a_token?gpu=H100")
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    read = "navigator.clipboard.readText()"
    visitor.page.get_by_role("button", name="Copy link").click()
    visitor.page.get_by_role("button", name="Copied").wait_for()
    assert visitor.page.evaluate(read) == visitor.page.url
    visitor.page.get_by_role("button", name="Copy citation").click()
    visitor.page.wait_for_function(f"{read}.then(text => text.startsWith('What does an answer'))")
    cited = visitor.page.evaluate(read)
    assert "Prompt Joules" in cited and "GPU H100" in cited and visitor.page.url in cited
    visitor.assert_sound()
