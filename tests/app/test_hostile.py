"""Hostile data shows as text on every page and is text in every file that is downloaded."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.pages.ui import site
from prompt_joules.pages.ui.of import export_sql
from prompt_joules.pages.ui.pure import words
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import query, rows_as
from prompt_joules.warehouse.selection import Selection
from tests.app import hostile
from tests.app.conftest import open_app
from tests.made_once import MakeOnce

PAGES = [file for entries in site.SECTIONS.values() for file, *_ in entries]
# Elements whose text Streamlit reads as Markdown.
MARKDOWN = ("markdown", "caption", "title", "header", "subheader", "info", "warning", "error", "success", "metric", "toggle", "expander")


@pytest.fixture(scope="module")
def hostile_warehouse(make_once: MakeOnce) -> Path:
    """Only hostile rows."""
    return make_once("hostile", hostile.make) / "hostile.duckdb"


def texts(app: AppTest) -> list[str]:
    """Everything on the page that is read as Markdown, or as HTML."""
    found = [getattr(element, name, "") or "" for kind in MARKDOWN for element in app.get(kind) for name in ("value", "label", "help")]
    return [str(text) for text in found]


@pytest.mark.parametrize("page", PAGES)
def test_hostile_names_are_text_on_every_page(hostile_warehouse: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(hostile_warehouse))
    filters = {"prompt": hostile.PROMPT_ID} if page == "prompts" else {}
    for query_ in (filters | {"model": hostile.MODEL_ID}, {"model": "hostile/blind", "show": "Everything"}):
        app = open_app(page, **query_)
        assert not app.exception
        assert texts(app), "the page says something"
        for text in texts(app):
            assert not [markup for markup in hostile.MARKUP if markup in text], text[:300]


def test_an_address_in_a_name_is_no_link() -> None:
    assert "http\\://h" not in words.plain("http://h.example")
    assert "www\\.h" not in words.plain("www.h.example")
    assert "a@h" not in words.plain("a@h.example")
    assert words.plain("v1.5 at 3://2") == "v1\\.5 at 3\\://2"


def test_the_hostile_rows_are_there(hostile_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(hostile_warehouse))
    app = open_app("leaderboard")
    assert hostile.NAME in app.dataframe[0].value["model_name"].to_list()
    app = open_app("prompts", prompt=hostile.PROMPT_ID)
    assert hostile.PROMPT in [text.value for text in app.text]


@pytest.mark.parametrize("name", export_sql.EXPORTS)
@pytest.mark.parametrize("kind", ["parquet", "arrow", "json", "csv"])
def test_hostile_rows_survive_every_export(hostile_warehouse: Path, name: str, kind: str) -> None:
    selection = Selection(weights=(), only_valid=False)
    with export_sql.file_of(View(selection), name, kind, str(hostile_warehouse)) as file:
        made = file.read()
    readers = {
        "parquet": lambda: pl.read_parquet(io.BytesIO(made)),
        "csv": lambda: pl.read_csv(io.BytesIO(made), comment_prefix="#"),
        "json": lambda: pl.DataFrame(json.loads(made)["rows"], infer_schema_length=None),
        "arrow": lambda: pl.read_ipc(io.BytesIO(made)),
    }
    rows = readers[kind]()
    assert rows.height == query.load(export_sql.EXPORTS[name][0], selection, str(hostile_warehouse)).height
    assert (f"'{hostile.NAME}" if kind == "csv" else hostile.NAME) in rows["model_name"].to_list()


def test_no_cell_of_a_csv_begins_a_formula(hostile_warehouse: Path) -> None:
    rows = query.load("prompt_answers", Selection(), str(hostile_warehouse), prompt=hostile.PROMPT_ID)
    cells = rows_as.harmless(rows).select(pl.col(pl.String)).unpivot()["value"].drop_nulls()
    assert cells.str.starts_with("'=").any()
    assert not cells.str.contains(r"^[=+@\t\r]").any()
