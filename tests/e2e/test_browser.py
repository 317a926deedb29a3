"""Every page as visitors see it: charts, both themes, desktop and phone."""

import re

import pytest

from tests.e2e.conftest import Theme, Visitor
from tests.e2e.reading import QUESTIONS, Visit

pytestmark = pytest.mark.e2e
CHARTS = {
    "home": 1,
    "energy_vs_parameters": 1,
    "distributions": 1,
    "tradeoffs": 1,
    "three_years": 2,
    "verbosity": 1,
    "prompts": 1,
    "cost_of_a_token": 1,
    "compare": 1,
}
# Views that their page does not start with, and how many charts each has.
VIEWS = {
    "distributions?form=Percentiles": 1,
    "distributions?form=Share+at+or+below+a+value": 1,
    "distributions?form=Where+the+joules+go": 1,
    "verbosity?view=Published+averages": 3,
    "verbosity?view=Models+of+one+size": 1,
}


# A page begins in the theme in which the page before has ended: changing the theme draws everything anew.
PAGES = [*QUESTIONS, *VIEWS]
THEMES: list[tuple[Theme, Theme]] = [("light", "dark"), ("dark", "light")]


@pytest.mark.parametrize(("page", "themes"), [(page, THEMES[place % 2]) for place, page in enumerate(PAGES)], ids=PAGES)
def test_every_page_on_a_desktop_and_on_a_phone_in_both_themes(reader: Visitor, page: str, themes: tuple[Theme, Theme]) -> None:
    first, second = themes
    reader.starts(dark=first == "dark").go(page)
    charts = reader.page.locator("[data-testid=stVegaLiteChart]")
    assert charts.count() == (CHARTS | VIEWS).get(page, 0)
    assert all(len(chart.get_attribute("aria-label") or "") > 20 for chart in charts.all())
    name = re.sub(r"\?\w+=", "-", page).replace("+", "-")
    reader.wears(first).shoot(f"{name}-wide-{first}")
    reader.assert_accessible()
    reader.page.set_viewport_size({"width": 390, "height": 900})
    for theme in themes:
        reader.wears(theme).shoot(f"{name}-phone-{theme}")
        reader.assert_fits(390)
    reader.page.set_viewport_size({"width": 1366, "height": 900})
    reader.wears(second).shoot(f"{name}-wide-{second}")
    reader.assert_accessible(colours_only=True)
    reader.assert_sound()


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
    choices = visitor.page.locator("[data-testid=stMain] [data-testid=stButtonGroup] button")
    assert max(choices.evaluate_all("all => all.map(one => one.getBoundingClientRect().right)")) <= 390, "every choice can be seen"
    visitor.assert_accessible()
    visitor.assert_sound()
