"""A real server and a real browser. Skipped, with a reason, only where there is no Chromium.

CPU is what these tests take longest for: loading the app costs the browser 1 s, going to a page inside it 0.4 s.
"""

import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from tests.app import hostile, warehouse
from tests.fake_server import FakeServer, serving, stream, whole
from tests.made_once import MakeOnce
from tests.servers import ROOT, served

Theme = Literal["light", "dark"]
ARTIFACTS = ROOT / "test-artifacts"
# What Streamlit's own front end asks for and does not find: its analytics, a map token.
EXPECTED = ("streamlit.io", "snowflake", "fivetran")

# Streamlit puts the sections of its navigation into a list as elements that are no list items.
STREAMLITS_OWN = ("list", "listitem")
# Vega draws the box of a selection as two images without a name, of no size until somebody draws one.
VEGAS_OWN = [[".boxed_brush_bg"], [".boxed_brush"]]
# Kept by the page itself: when something last changed on it, and when it last asked the server and heard of it.
WATCH = """
window.changed = performance.now();
window.asked = window.heard = 0;
new MutationObserver(() => { window.changed = performance.now(); }).observe(document, {subtree: true, childList: true});
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (...words) {
  if (!this.isWatched) {
    this.isWatched = true;
    this.addEventListener('message', () => { window.heard = performance.now(); });
  }
  window.asked = performance.now();
  return send.apply(this, words);
};
"""
# ms between two looks at a page. At every picture that is drawn, as Playwright would look, they cost a tenth of the browser's CPU.
LOOKS = 100
# Each wait has a number and begins anew. A look counts for 130 ms at most: a machine that stood still since the last has not been quiet.
# What the server does not answer at all is not waited for longer than some seconds.
TURNS = itertools.count(1)
SETTLED = """turn => {
  const now = performance.now(), since = Math.min(now - (window.looked ?? now), 130);
  const done = document.querySelector('h1')
    && document.querySelector('[data-testid=stApp][data-test-script-state=notRunning]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && [...document.querySelectorAll('[data-testid=stVegaLiteChart]')].every(chart => chart.querySelector('svg.marks, canvas'))
    && (window.asked <= window.heard || now - window.asked > 8000);
  window.quiet = done && window.turn === turn && window.before === window.changed ? (window.quiet ?? 0) + since : 0;
  [window.turn, window.looked, window.before] = [turn, now, window.changed];
  return window.quiet > 500;
}"""

# Where a link inside the app leads, and Back and Forward: the app hears of an address without being loaded anew.
GO = "path => { history.pushState({}, '', path); dispatchEvent(new PopStateEvent('popstate', {state: {}})); }"
# The headless shell is Chromium without windows. Code that runs for a second is not worth compiling well, and drawing needs no process of
# its own: together a third of the CPU. All tabs share a process, and with it the app's code, which a new process takes 1.3 s to compile.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")
FLAGS = ["--no-sandbox", "--in-process-gpu", "--num-raster-threads=1", "--process-per-site", "--js-flags=--no-turbofan --no-maglev"]
VISITED: set[str] = set()
"""Addresses of servers that had a visitor."""

GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
THEMES: dict[Theme, str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}


def installed() -> str | None:
    """The Chromium of this machine; None for the one that Playwright has installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Visitor:
    """A browser page, made by `watched`, that remembers what went wrong."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.errors: list[str] = []
        self._listeners = {
            "console": lambda message: self._heard(message.type, message.text, message.location.get("url", "")),
            "pageerror": lambda error: self.errors.append(str(error)),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]

    def leave(self) -> None:
        """Make the tab ready for the next visitor, who finds nothing of this one in it."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self.page.evaluate("sessionStorage.clear()")
        self.page.goto("about:blank")

    def _heard(self, kind: str, text: str, source: str) -> None:
        if kind == "error" and not (text.startswith("Failed to load resource") and any(e in source for e in EXPECTED)):
            self.errors.append(f"{text} {source}")

    def open(self, path: str) -> "Visitor":
        """Go to a page and wait until it has settled."""
        VISITED.add(self.address)
        self.page.goto(f"{self.address}/{path}")
        return self.settle()

    def go(self, path: str) -> "Visitor":
        """Go to a page as by a link of the app, which stays loaded, and wait until it has settled.

        A page that is still answering, as to a download, would put its own address back: it ends first.
        """
        if not self.page.url.startswith(self.address):
            return self.open(path)
        self.settle()
        self.page.evaluate(GO, f"/{path}")
        return self.settle()

    def settle(self) -> "Visitor":
        """Wait until the script has ended, every chart is drawn, and nothing has changed for a while."""
        self.page.wait_for_function(SETTLED, arg=next(TURNS), timeout=90_000, polling=LOOKS)
        return self

    def wears(self, theme: Theme) -> "Visitor":
        """Let the system be of a theme, and wait until the page has its ground and has settled."""
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        self.page.wait_for_function(f"{GROUND} === '{THEMES[theme]}'")
        return self.settle()

    def starts(self, width: int = 1366, *, dark: bool = False) -> "Visitor":
        """Forget what went wrong in an earlier test, and sit before a desktop of the light theme, or of the dark one."""
        self.errors.clear()
        self.page.bring_to_front()
        self.page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        self.page.set_viewport_size({"width": width, "height": 900})
        return self

    def title(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").first.inner_text()

    def shoot(self, name: str) -> None:
        """Keep a picture: as JPEG it takes two thirds of the CPU of a PNG."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.jpg", full_page=True, type="jpeg", quality=80)

    def assert_accessible(self, *, colours_only: bool = False) -> None:
        """axe-core finds no violation, also none that it calls moderate or minor.

        Args:
            colours_only: another theme of a page that was looked at changes nothing else.
        """
        options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in STREAMLITS_OWN}}
        if colours_only:
            options |= {"runOnly": ["color-contrast", "link-in-text-block"], "rules": {}}
        is_there = self.page.evaluate("typeof axe !== 'undefined'")
        found = Axe("0" if is_there else AXE_SCRIPT).run(self.page, context={"exclude": VEGAS_OWN}, options=options)
        problems = found.response["violations"]
        lines = [f"{problem['id']}: {node['html'][:200]} {node['target']}" for problem in problems for node in problem["nodes"][:3]]
        assert not lines, "\n".join(lines)

    def assert_fits(self, width: int) -> None:
        """The page needs no sideways scrolling at this width (px)."""
        widths = "Math.max(document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth)"
        deadline = time.monotonic() + 30
        while (found := self.page.evaluate(widths)) > width and time.monotonic() < deadline:
            self.page.wait_for_timeout(100)
        assert found <= width

    def assert_sound(self) -> None:
        """No exception on the page, no error in the console."""
        assert self.page.locator("[data-testid=stException]").count() == 0
        assert self.errors == []


def watched(tab: Page) -> Page:
    """The tab, which from now on notes when something last changed in it."""
    tab.add_init_script(WATCH)
    return tab


@pytest.fixture(scope="package")
def context() -> Iterator[BrowserContext]:
    """Chromium: Debian's, or the one that Playwright has installed. One profile for all files: the app's code is fetched once.

    Playwright keeps an event loop open until it stops, and other tests start loops of their own: so it stops with the folder.
    """
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=installed(), args=FLAGS)
        except Error:
            pytest.skip("There is no Chromium: run `make test`, or tests/install_chromium.sh.")
        context = launched.new_context(accept_downloads=True)
        context.set_default_timeout(90_000)
        yield context
        launched.close()


@pytest.fixture(scope="session")
def e2e_warehouse(make_once: MakeOnce) -> Path:
    """Published tables and measured runs, ingested."""
    return make_once("app", warehouse.make) / "warehouse.duckdb"


@pytest.fixture
def fresh_server(request: pytest.FixtureRequest, e2e_warehouse: Path) -> Iterator[str]:
    """The address of a server that nobody has visited: the one that a fixture of this name starts for later tests, or one for this test."""
    address = str(request.getfixturevalue(request.param))
    if address not in VISITED:
        yield address
        return
    with served(e2e_warehouse) as started:
        yield started.address


@pytest.fixture(scope="session")
def server(e2e_warehouse: Path) -> Iterator[str]:
    """The address of a server for all tests that do not care who came before."""
    with served(e2e_warehouse) as started:
        yield started.address


@pytest.fixture(scope="session")
def hostile_server(make_once: MakeOnce) -> Iterator[str]:
    """The address of a server with nothing but hostile rows."""
    with served(make_once("hostile", hostile.make) / "hostile.duckdb") as started:
        yield started.address


@pytest.fixture(scope="session")
def shipped(shipped_warehouse: Path) -> Iterator[str]:
    """The address of a server of what ships."""
    with served(shipped_warehouse) as started:
        yield started.address


@pytest.fixture(scope="session")
def asked() -> Iterator[FakeServer]:
    """A server of two models' answers."""
    with serving(lambda body, n: stream(whole(40))) as started:
        yield started


@pytest.fixture(scope="session")
def live_server(e2e_warehouse: Path, asked: FakeServer) -> Iterator[str]:
    """The address of a server whose page Live asks `asked` by two names."""
    listed = f"one = fake-1b@{asked.url}; other = fake-1b@{asked.url}"
    with served(e2e_warehouse, more={"PROMPT_JOULES_SERVERS": listed}) as started:
        yield started.address


@pytest.fixture(scope="module")
def reader(context: BrowserContext, server: str) -> Iterator[Visitor]:
    """One visitor for all tests of a file that go from page to page; each begins by `starts`."""
    visitor = Visitor(watched(context.new_page()), server)
    yield visitor
    visitor.page.close()


@pytest.fixture(scope="package")
def tabs() -> list[Page]:
    """The tabs that tests use one after the other: in a new one the browser compiles the app's code again, 2 s of CPU."""
    return []


@pytest.fixture
def visit(context: BrowserContext, tabs: list[Page]) -> Iterator[Callable[..., Visitor]]:
    """Make visitors, those of one test each with a tab of its own: `visit(address, width=390, dark=True)`."""
    visitors: list[Visitor] = []

    def make(address: str, width: int = 1366, *, dark: bool = False) -> Visitor:
        if len(visitors) == len(tabs):
            tabs.append(watched(context.new_page()))
        tab = tabs[len(visitors)]
        tab.bring_to_front()  # a page that is opened behind another tab settles in 14 s, in front in 2
        tab.set_viewport_size({"width": width, "height": 900})
        # What moves while a page loads costs a fifth of the browser's CPU.
        tab.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        visitors.append(Visitor(tab, address))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.leave()
