"""Cards in the place of wide tables on phones."""

import re
from html import unescape
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from prompt_joules.pages.ui import cards, tables
from tests.app.conftest import FIGURES, Open, htmls, opened, text

TITLES = {
    "model_name": "Model",
    "gpu_model": "GPU",
    "energy_mark": "",
    "energy_j": "Energy (J)",
    "a": "A",
    "b": "B",
    "c": "C",
    "d": "D",
    "valid": "Valid",
    "pareto": "★",
    "range_bar": "p5 to p95",
    "remarks": "Remarks",
}


def test_a_card_has_the_name_four_numbers_and_the_rest_behind_a_tap(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "model_name": "<b>m</b>",
        "gpu_model": "A40",
        "energy_mark": "÷",
        "energy_j": 1234.56,
        "a": None,
        "b": 7,
        "c": 0.5,
        "d": "x",
        "valid": True,
        "pareto": "★",
        "range_bar": "data:image/svg+xml;utf8,<svg/>",
        "remarks": ["cut short", "<i>"],
    }
    card = cards._card(row, TITLES, "not measured", None)
    assert "<strong>&lt;b&gt;m&lt;/b&gt;</strong> ★<p>A40</p>" in card, "names are text"
    assert '<img src="data:image/svg+xml;utf8,&lt;svg/&gt;" alt="p5 to p95">' in card and "<a " not in card
    linked = cards._card(row, TITLES, "not measured", '?row="x"&gpu=A40')
    assert '<a href="?row=&quot;x&quot;&amp;gpu=A40"><strong>&lt;b&gt;m&lt;/b&gt;</strong></a> ★' in linked
    first, rest = card.split("<details>")
    assert "<dt>Energy (J)</dt><dd>÷ 1,235</dd>" in first and "<dt>A</dt><dd>not measured</dd>" in first
    assert first.count("<dt>") == 4
    assert "3 more numbers" in rest and "<dt>Valid</dt><dd>yes</dd>" in rest and "<dd>cut short; &lt;i&gt;</dd>" in rest


def test_a_phone_gets_cards_and_a_desktop_the_table(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = opened(open_page("tradeoffs", gpu="A40", task="chat", x="Latency (s)", band="All sizes"), "trade-offs")
    assert len(wide.dataframe) == 1 and 'class="cards"' not in htmls(wide)
    monkeypatch.setattr(cards, "wanted", lambda columns: len(columns) >= cards.FEWEST_COLUMNS)
    phone = opened(open_page("tradeoffs", gpu="A40", task="chat", x="Latency (s)", band="All sizes"), "trade-offs")
    assert not phone.exception and not phone.dataframe
    shown = htmls(phone)
    assert shown.count("<article>") == cards.MOST_CARDS
    models = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").height
    assert f"And {models - cards.MOST_CARDS} more rows: filters lead to them, the download has all." in text(phone)
    assert "<dt>J/token</dt>" in shown


@pytest.mark.parametrize(("page", "name"), [("leaderboard", "row"), ("runs", "run"), ("prompts", "prompt")])
def test_on_a_phone_the_name_of_a_row_leads_to_what_a_click_opens(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str, name: str
) -> None:
    monkeypatch.setattr(cards, "on_phone", lambda: True)
    phone = open_page(page, gpu="H100", source="Prompt Joules", search="prompt" if page == "prompts" else "")
    links = [parse_qs(urlsplit(unescape(found)).query) for found in re.findall(r'<a href="([^"]*)"><strong>', htmls(phone))]
    assert 2 <= len(links) <= cards.MOST_CARDS
    assert all(link["gpu"] == ["H100"] and len(link[name]) == 1 for link in links), "the filters stay"
    opened = open_page(page, gpu="H100", source="Prompt Joules", **{name: links[1][name][0]})
    assert not opened.exception
    if page == "prompts":
        assert opened.text_input(key="prompt").value == links[1][name][0]
    else:
        assert len(opened.get("dialog")) == 1
        unknown = open_page(page, gpu="A40", source="ML.ENERGY v1", **{name: links[1][name][0]})
        assert page == "runs" or "The row that the link names is not among these" in "".join(info.value for info in unknown.info)


def test_only_browsers_of_phones_ask_for_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36"
    monkeypatch.setattr(cards.st, "context", SimpleNamespace(headers={"User-Agent": phone}))
    assert cards.wanted("abcde")
    assert not cards.wanted("abcd")
    for desktop in ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0 Safari/537.36"}, {}):
        monkeypatch.setattr(cards.st, "context", SimpleNamespace(headers=desktop))
        assert not cards.wanted("abcdefgh")


def test_a_number_that_is_not_there_says_why() -> None:
    ours, published = ({"origin": origin, "prompts": None} for origin in ("measured", "published"))

    def missing(*rows: dict[str, Any]) -> str:
        frame = pl.DataFrame(rows, schema={"origin": pl.String, "prompts": pl.Int64})
        return tables._missing(frame.select("prompts"), frame)

    assert missing(published, {"origin": "measured", "prompts": 3}) == "not stated", "by the source of the row without it"
    assert missing(ours) == "not measured"
    assert missing(ours, published) == "not known"


def test_a_card_says_the_unit_of_what_the_table_is_about(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "on_phone", lambda: True)
    assert "<dt>from (J)</dt>" in htmls(open_page("compare", gpu="A40", task="chat"))
