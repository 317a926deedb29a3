"""A real server and a real browser. Skipped, with a reason, only where there is no Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.app import warehouse

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "test-artifacts"
# What Streamlit's own front end asks for and does not find: its back end below the page's path, its analytics, a map token.
EXPECTED = ("_stcore/", "streamlit.io", "snowflake", "fivetran")


class Visitor:
    """A browser page that remembers what went wrong."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.errors: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text, message.location.get("url", "")))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, kind: str, text: str, source: str) -> None:
        if kind == "error" and not (text.startswith("Failed to load resource") and any(e in source for e in EXPECTED)):
            self.errors.append(f"{text} {source}")

    def open(self, path: str) -> "Visitor":
        """Go to a page and wait until it has settled."""
        self.page.goto(f"{self.address}/{path}")
        return self.settle()

    def settle(self) -> "Visitor":
        """Wait for the title and for the script to end."""
        self.page.wait_for_selector("h1", timeout=40_000)
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=40_000)
        self.page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton]')", timeout=40_000)
        self.page.wait_for_timeout(700)
        return self

    def title(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").first.inner_text()

    def shoot(self, name: str) -> None:
        """Keep a picture."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)

    def assert_sound(self) -> None:
        """No exception on the page, no error in the console."""
        assert self.page.locator("[data-testid=stException]").count() == 0
        assert self.errors == []


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium: Debian's, or the one that Playwright has installed."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        try:
            launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error:
            pytest.skip("There is no Chromium: run `make test`, or tests/install_chromium.sh.")
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def e2e_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published tables and measured runs, ingested."""
    return warehouse.make(tmp_path_factory.mktemp("e2e"))


@pytest.fixture
def fresh_server(e2e_warehouse: Path) -> Iterator[str]:
    """The address of a server that nobody has visited."""
    yield from _serve(e2e_warehouse)


@pytest.fixture(scope="session")
def server(e2e_warehouse: Path) -> Iterator[str]:
    """The address of a server for all tests that do not care who came before."""
    yield from _serve(e2e_warehouse)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Make visitors: `visit(address, width=390, dark=True)`."""
    contexts = []

    def make(address: str, width: int = 1366, *, dark: bool = False) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", accept_downloads=True
        )
        contexts.append(context)
        return Visitor(context.new_page(), address)

    yield make
    for context in contexts:
        context.close()


def _serve(path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    environment = os.environ | {"PROMPT_JOULES_WAREHOUSE": str(path)}
    process = subprocess.Popen([*command, "--server.address", "127.0.0.1"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/_stcore/health", process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it answered"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(url)
