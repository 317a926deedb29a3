"""Rows as cards, for phones: a table of twenty columns shows two of them there. A card has a name, the first numbers, and all at a tap."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

import polars as pl
import streamlit as st

from prompt_joules.pages.ui.pure.words import count, figure

# A table with fewer columns stays a table; with more rows than this the rest is in the download.
FEWEST_COLUMNS, MOST_CARDS = 5, 20
# What names a row, the first that there is; what stands below the name.
NAMES = ("model_name", "shown_as", "label", "size_name", "prompt_id", "series", "key", "number")
BELOW = ("gpu_model", "task", "engine", "step_name", "set", "edition")
FIRST_NUMBERS = 4
# What stands beside the name, and as a picture below it.
OF_THE_TITLE = ("pareto", "range_bar")
STYLE = """<style>
.cards article { border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 6px; padding: 8px 12px; margin-bottom: 8px; }
.cards article { overflow-wrap: anywhere; }
.cards a { color: inherit; text-underline-offset: 3px; }
.cards p { margin: 0 0 6px; font-size: 0.85rem; }
.cards img { display: block; width: 240px; max-width: 100%; margin-bottom: 4px; }
.cards dl { display: grid; grid-template-columns: auto 1fr; gap: 2px 12px; margin: 0; font-size: 0.9rem; }
.cards dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.cards summary { cursor: pointer; font-size: 0.85rem; padding: 6px 0; }
</style>"""


def on_phone() -> bool:
    """Whether the visitor's browser says that it is one of a phone."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def wanted(columns: Sequence[str]) -> bool:
    """Whether rows with these columns are better shown as cards."""
    return len(columns) >= FEWEST_COLUMNS and on_phone()


def show(rows: pl.DataFrame, titles: dict[str, str], missing: str, alt: str, links: Sequence[str] = ()) -> None:
    """Put the first rows on the page as cards.

    Args:
        rows: in screen units.
        titles: what each column is called, in order; others are left out.
        missing: what stands for a null.
        alt: what the rows are.
        links: where the name of each row leads; nowhere where there are none.
    """
    some = rows.head(MOST_CARDS).iter_rows(named=True)
    cards = "".join(_card(row, titles, missing, link) for row, link in zip_longest(some, links[:MOST_CARDS]))
    st.html(f'{STYLE}<section class="cards" aria-label="{escape(alt)}">{cards}</section>')
    if rows.height > MOST_CARDS:
        st.caption(f"And {count(rows.height - MOST_CARDS, 'more row')}: filters lead to them, the download has all.")


def _card(row: dict[str, Any], titles: dict[str, str], missing: str, link: str | None) -> str:
    name = next((key for key in NAMES if key in titles), next(iter(titles)))
    below = [key for key in BELOW if key in titles and row[key] is not None]
    about = f"<p>{' · '.join(escape(str(row[key])) for key in below)}</p>" if below else ""
    lines = list(_lines(row, {key: title for key, title in titles.items() if key not in (name, *below, *OF_THE_TITLE)}, missing))
    rest = lines[FIRST_NUMBERS:]
    more = f"<details><summary>{count(len(rest), 'more number')}</summary><dl>{''.join(rest)}</dl></details>" if rest else ""
    title = f"<strong>{escape(_text(row[name], missing))}</strong>"
    title = title if link is None else f'<a href="{escape(link)}">{title}</a>'
    star = f" {escape(row['pareto'])}" if isinstance(row.get("pareto"), str) else ""
    bar = f'<img src="{escape(row["range_bar"])}" alt="{escape(titles["range_bar"])}">' if row.get("range_bar") else ""
    return f"<article>{title}{star}{about}{bar}<dl>{''.join(lines[:FIRST_NUMBERS])}</dl>{more}</article>"


def _lines(row: dict[str, Any], titles: dict[str, str], missing: str) -> Iterator[str]:
    """A line for each number; a mark stands before the number that follows it."""
    mark = ""
    for key, title in titles.items():
        if key == "energy_mark":
            mark = f"{row[key]} " if row[key] else ""
        elif key != "model_url" and not (isinstance(row[key], list) and not all(isinstance(part, str) for part in row[key])):
            yield f"<dt>{escape(title)}</dt><dd>{escape(mark + _text(row[key], missing))}</dd>"
            mark = ""


def _text(value: Any, missing: str) -> str:
    if isinstance(value, list):
        return "; ".join(value) or "none"
    if value is None or value == "":
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value, 4) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
