"""No page shows the id of an engine, a prompt set or a model where that has a name: in words, boxes, tables, charts, headers of files."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1.element_tree import Block

from prompt_joules.pages.ui import downloads, draw
from prompt_joules.pages.ui.site import SECTIONS
from prompt_joules.warehouse import called
from prompt_joules.warehouse.selection import parts_of
from tests.app.conftest import Open

PAGES = [page for entries in SECTIONS.values() for page, _, _ in entries]
QUERIES: list[dict[str, Any]] = [
    {},
    {"source": "Prompt Joules", "weights": "both", "per": "output token"},
    {"engine": ["vllm", "transformers-eager"], "model": "lmsys/vicuna-7B"},
    {"engine": "vllm", "gpu": "A40"},
]
MODEL = "lmsys/vicuna-7B"
IDS = re.compile(rf"\b({'|'.join(map(re.escape, called.ENGINES))}|(?:of|set) default|sharegpt(-200)?|dummy)\b|{MODEL}")
# What says what a column of a file holds names the values that it holds there.
OF_FILES = "columns of the warehouse"
# What headers of files have by id: models may share names; results and series as the rows of the file have them.
BY_ID = ("model ", "result ", "series ")
# Of a chart these are never read.
UNREAD = ("detail", "href", "key", "order", "url", "params")
# What is for a browser alone.
UNSEEN = "unseen"
HREF = re.compile(r'href="[^"]*"')


def _words(block: Block) -> Iterator[str]:
    """What a visitor reads of a block: texts, labels, choices, cells, and what HTML shows and copies."""
    for child in block.children.values():
        if isinstance(child, Block):
            if UNSEEN not in str(child.proto):
                yield str(getattr(child.proto, "label", ""))
                yield from _words(child)
        elif child.type == "arrow_data_frame":
            yield from (str(value) for row in child.value.itertuples() for value in row)
            yield child.proto.columns
        elif child.type == "html":
            yield HREF.sub("", child.proto.body)
        elif hasattr(child, "proto"):
            yield from (str(getattr(child.proto, name, "")) for name in ("body", "label", "help", "placeholder"))
            yield from map(str, getattr(child.proto, "options", ()))


def _of_chart(drawn: draw.Drawn) -> Iterator[str]:
    """The values of the columns that a chart shows, and its titles."""
    spec = json.loads(drawn.spec)
    fields = set(_fields(spec))
    for stream in drawn.data.values():
        rows = pl.read_ipc_stream(io.BytesIO(stream))
        for name in fields & set(rows.columns):
            yield from map(str, rows[name].unique())


def _fields(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("field"), str):
            yield part["field"]
        for name, inner in part.items():
            if name not in UNREAD:
                yield from _fields(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _fields(inner)


@pytest.mark.parametrize("query", QUERIES, ids=["first", "random", "filtered", "empty"])
@pytest.mark.parametrize("page", PAGES)
def test_what_is_read_has_names(open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str, query: dict[str, Any]) -> None:
    charts: list[draw.Drawn] = []
    headers: list[str] = []
    show, offer = draw.show, downloads.offer
    monkeypatch.setattr(draw, "show", lambda drawn, *rest, **more: charts.append(drawn) or show(drawn, *rest, **more))
    monkeypatch.setattr(downloads, "offer", lambda rows, name, view: headers.append(view.words()) or offer(rows, name, view))
    expander = st.expander
    monkeypatch.setattr(st, "expander", lambda label, expanded=False, **more: expander(label, expanded=True, **more))
    app = open_page(page, **query)
    assert not app.exception
    read = [*_words(app._tree), *(text for chart in charts for text in _of_chart(chart))]
    assert len(read) > 20
    found = [text for text in read if IDS.search(text) and OF_FILES not in text]
    assert found == []
    said = [part for words in headers for part in parts_of(words) if not part.startswith(BY_ID)]
    assert [part for part in said if IDS.search(part)] == [], "headers of files have names too"
