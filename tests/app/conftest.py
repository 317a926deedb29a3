"""One warehouse for all app tests, and the app itself on it."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, app_test, local_script_runner
from streamlit.util import calc_hash

from tests.app import warehouse
from tests.app.scripts import Scripts
from tests.made_once import MakeOnce

ENTRY = str(Path(__file__).parents[2] / "streamlit_app.py")
Open = Callable[..., AppTest]
FIGURES = warehouse.SHIPPED / "published" / "mlenergy_v1" / "figures.csv"


@pytest.fixture(scope="session", autouse=True)
def once_for_a_session() -> Iterator[None]:
    """Do once what a server does once and every AppTest anew: compile the pages, and look through all installed packages for components of
    Streamlit, 0.15 s of CPU."""
    scripts = functools.cache(Scripts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_test, "ScriptCache", scripts)
        patch.setattr(local_script_runner, "ScriptCache", scripts)
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def app_warehouse(make_once: MakeOnce) -> Path:
    """Published tables and measured runs, ingested."""
    return make_once("app", warehouse.make) / "warehouse.duckdb"


@pytest.fixture
def open_page(app_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open a page of the app with a query string given as keyword arguments."""
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(app_warehouse))
    return open_app


def open_app(page: str = "leaderboard", **query: str | list[str]) -> AppTest:
    """Run the app as a visitor who follows a link to a page: `AppTest.switch_page` would run the leaderboard before it."""
    app = AppTest.from_file(ENTRY, default_timeout=180)
    app.query_params.update(query)
    app._page_hash = calc_hash(page)
    return app.run()


def opened(app: AppTest, *names: str) -> AppTest:
    """The app after clicks on frames: of the rows behind charts, by the names of their files, or of filters."""
    for name in names:
        app.session_state[f"{name}-frame"] = True
    return app.run()


def text(app: AppTest) -> str:
    """All words on the page."""
    kinds = (app.title, app.markdown, app.caption, app.info, app.warning, app.error, app.code, app.text)
    return "\n".join(str(element.value) for kind in kinds for element in kind).replace("\u00a0", " ")


def htmls(app: AppTest) -> str:
    """All HTML on the page."""
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def table(app: AppTest, position: int = 0) -> pl.DataFrame:
    """What one table on the page holds."""
    return pl.from_pandas(app.dataframe[position].value)
