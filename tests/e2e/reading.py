"""What the browser tests read off a page: its filters, its address, and where the focus is."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from prompt_joules.pages.ui import site
from tests.e2e.conftest import Visitor

Visit = Callable[..., Visitor]
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
