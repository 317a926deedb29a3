"""A server that nobody has visited, and many who come at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prompt_joules.pages.ui import site
from tests.app import warehouse
from tests.made_once import MakeOnce
from tests.perf import crowd
from tests.servers import ROOT, served

VISITORS = 8
# In a process of its own: what pages import although the server has got ready.
PROGRAM = f"""
import sys
from prompt_joules.pages.ui import start
start.ready()
import gc
assert gc.get_freeze_count() > 100_000 and gc.get_threshold()[2] == start.FULL_COLLECTION
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash
AppTest.from_string("").run()
before, opened = set(sys.modules), set()
for page in {[file for entries in site.SECTIONS.values() for file, *_ in entries]!r}:
    app = AppTest.from_file("streamlit_app.py", default_timeout=180)
    app._page_hash = calc_hash(page)
    assert not app.run().exception, page
    opened.add(app.title[0].value)
assert len(opened) == {sum(map(len, site.SECTIONS.values()))}, opened
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}} - {{name.split(".")[0] for name in before}}))
"""


@pytest.fixture
def path(make_once: MakeOnce) -> Path:
    """The warehouse of the app tests."""
    return make_once("app", warehouse.make) / "warehouse.duckdb"


def test_eight_visitors_of_a_fresh_server_see_no_error(path: Path) -> None:
    pages = ["", "tradeoffs", "distributions", "three_years"]
    with served(path) as server:
        sessions = crowd.crowd(server.address, pages, VISITORS, thinking=False)
    assert [error for session in sessions for error in session.errors] == []
    assert [len(session.seconds) for session in sessions] == [len(pages)] * VISITORS


def test_no_page_imports_a_package_that_the_server_had_not_got_ready(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PROMPT_JOULES_WAREHOUSE": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [], "a first import races between visitors who come at once"
