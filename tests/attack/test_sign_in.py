"""With signing in switched on, nothing of the warehouse is shown or read before it."""

from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.pages.ui import sign_in, site
from prompt_joules.warehouse import connect, query, switches
from tests.app import warehouse
from tests.app.conftest import ENTRY, text
from tests.made_once import MakeOnce

PAGES = [file for entries in site.SECTIONS.values() for file, *_ in entries]


@pytest.fixture
def some_warehouse(make_once: MakeOnce) -> Path:
    return make_once("app", warehouse.make) / "warehouse.duckdb"


def opened(page: str, **user: object) -> AppTest:
    app = AppTest.from_file(ENTRY, default_timeout=180)
    app.user = user
    app.query_params.update({"sql": "select 1 as x"})
    app.run()
    return app.run() if page == site.HOME else app.switch_page(f"pages/{page}.py").run()


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_read_before(some_warehouse: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setenv(connect.VARIABLE, str(some_warehouse))
    monkeypatch.setenv(switches.SIGN_IN, "on")
    asked: list[str] = []
    monkeypatch.setattr(query, "load", lambda name, *_, **__: asked.append(name) or pl.DataFrame())
    app = opened(page, is_logged_in=False)
    assert not app.exception and asked == []
    assert [title.value for title in app.title] == [sign_in.TITLE]
    assert not app.dataframe and not app.text_area and not app.multiselect and [button.label for button in app.button] == ["Sign in"]


def test_who_is_signed_in_sees_the_pages(some_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connect.VARIABLE, str(some_warehouse))
    monkeypatch.setenv(switches.SIGN_IN, "on")
    app = opened("runs", is_logged_in=True, email="**alice**@example.org")
    assert not app.exception and app.dataframe
    assert "**alice**" not in text(app) + str([caption.value for caption in app.sidebar.caption])
    assert "Sign out" in [button.label for button in app.sidebar.button]


def test_nobody_signs_in_where_it_is_not_switched_on(some_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connect.VARIABLE, str(some_warehouse))
    app = opened("runs")
    assert app.dataframe and "Sign in" not in [button.label for button in app.button]
