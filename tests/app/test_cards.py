"""Cards in the place of wide tables on phones."""

from types import SimpleNamespace

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from prompt_joules.pages.ui import cards
from tests.app.conftest import FIGURES, Open, text

TITLES = {
    "model_name": "Model",
    "gpu_model": "GPU",
    "energy_mark": "",
    "energy_j": "Energy (J)",
    "a": "A",
    "b": "B",
    "c": "C",
    "d": "D",
    "pareto": "Pareto",
}


def htmls(app: AppTest) -> str:
    """All HTML on the page."""
    return "\n".join(str(element.proto.body) for element in app.get("html"))


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
        "pareto": True,
    }
    card = cards._card(row, TITLES, "not measured")
    assert "<strong>&lt;b&gt;m&lt;/b&gt;</strong><p>A40</p>" in card, "names are text"
    first, rest = card.split("<details>")
    assert "<dt>Energy (J)</dt><dd>÷ 1,235</dd>" in first and "<dt>A</dt><dd>not measured</dd>" in first
    assert first.count("<dt>") == 4
    assert "2 more numbers" in rest and "<dt>Pareto</dt><dd>yes</dd>" in rest


def test_a_phone_gets_cards_and_a_desktop_the_table(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = open_page("tradeoffs", gpu="A40", task="chat", x="Latency (s)", band="All sizes")
    assert len(wide.dataframe) == 1 and 'class="cards"' not in htmls(wide)
    monkeypatch.setattr(cards, "wanted", lambda columns: len(columns) >= cards.FEWEST_COLUMNS)
    phone = open_page("tradeoffs", gpu="A40", task="chat", x="Latency (s)", band="All sizes")
    assert not phone.exception and not phone.dataframe
    shown = htmls(phone)
    assert shown.count("<article>") == cards.MOST_CARDS
    models = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").height
    assert f"And {models - cards.MOST_CARDS} more rows: the download has all." in text(phone)
    assert "<dt>J/token</dt>" in shown


def test_only_browsers_of_phones_ask_for_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    phone = "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36"
    monkeypatch.setattr(cards.st, "context", SimpleNamespace(headers={"User-Agent": phone}))
    assert cards.wanted("abcde")
    assert not cards.wanted("abcd")
    for desktop in ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0 Safari/537.36"}, {}):
        monkeypatch.setattr(cards.st, "context", SimpleNamespace(headers=desktop))
        assert not cards.wanted("abcdefgh")
