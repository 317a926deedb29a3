"""Tables and texts: how a column is shown, and a text as it is."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import streamlit as st
from streamlit.elements.arrow import SelectionMode
from streamlit.elements.lib.column_types import ColumnConfig

from prompt_joules.pages.ui import cards, opened
from prompt_joules.pages.ui.pure import headings, naming, shape
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric

# Characters of a text that is shown at once.
LONG_TEXT = 1_200
NOT_MEASURED = "not measured"
NOT_STATED = "not stated"
NOT_KNOWN = "not known"
# What the table of 2023 says of its prompts in words, not in its rows.
PROMPTS_OF_V1 = "ShareGPT (2,978)"
ROW_HEIGHT, LINE_HEIGHT = 35, 16
# px of a letter in a table and of what stands beside words; words of so many letters are never cut.
LETTER, BESIDE_WORDS, SHORT_WORDS = 7, 22, 36
TALLEST = 563
# The most rows of a list, which a browser can take at once. Downloads have all.
MOST_LISTED = 1000


def safe_links(rows: pl.DataFrame) -> pl.DataFrame:
    """Only web addresses stay links: anything else in `model_url` becomes empty."""
    web = pl.col("model_url").str.contains(r"^https?://")
    return rows.with_columns(pl.when(web).then("model_url").alias("model_url"))


def config(rows: pl.DataFrame, metric: Metric | None = None) -> dict[str, ColumnConfig]:
    """Label, help and number format of every column, from NUMBERS.

    Args:
        rows: the table.
        metric: what percentiles and values are of, where there are some.
    """
    configured: dict[str, ColumnConfig] = {}
    for name, kind in rows.schema.items():
        title, about = headings.LABELS.get(name, (name, ""))
        if name == "range_bar":
            configured[name] = st.column_config.ImageColumn(title, help=about, width=170)
        elif name == "model_url":
            configured[name] = st.column_config.LinkColumn("Card", help=about, display_text=":material/open_in_new:", width=50)
        elif name == "energy_mark":
            configured[name] = st.column_config.TextColumn(title, help=about, width=30)
        elif name in NUMBERS:
            title = headings.SHORT.get(name, NUMBERS[name].title)
            width = 150 if len(title) > 20 else 110 if rows[name].null_count() else None
            configured[name] = _number(title, _definition(NUMBERS[name]), 0 if kind.is_integer() else NUMBERS[name].decimals, width)
        elif metric and name in headings.MEASURED:
            configured[name] = _number(f"{title} ({metric.display_unit})", about, metric.decimals)
        elif name in (*headings.CHANGES, *headings.SHARES):
            sign = "+" if name in headings.CHANGES else ""
            configured[name] = st.column_config.NumberColumn(title, help=about, format=f"%{sign}.1f %%")
        elif kind.is_numeric():
            configured[name] = _number(title, about, 4 if name in headings.FOUR_DIGITS else 2 if kind.is_float() else 0)
        elif isinstance(kind, pl.Datetime):
            configured[name] = st.column_config.DatetimeColumn(title, help=about, format="YYYY-MM-DD HH:mm", timezone="UTC")
        elif name in headings.LABELS:
            pinned = True if name == "model_name" else None
            configured[name] = st.column_config.Column(title, help=about, pinned=pinned, width=_wide(title, rows[name]))
    return configured


def _wide(title: str, values: pl.Series) -> int | None:
    """The width (px) that short words need; None for long ones and what is no text. Streamlit measures the first rows alone, and cuts the
    others."""
    if values.dtype != pl.String:
        return None
    longest = max([len(title), *map(len, values.drop_nulls())])
    return BESIDE_WORDS + LETTER * longest if longest <= SHORT_WORDS else None


def _number(label: str, explanation: str, decimals: int, width: int | None = None) -> ColumnConfig:
    return st.column_config.NumberColumn(label, help=explanation, format=f"%,.{decimals}f", width=width)


def _definition(metric: Metric) -> str:
    """Column help: meaning, formula, which way is better, who defined it."""
    better = f" {metric.better.capitalize()} is better." if metric.better else ""
    return f"{metric.title}. {metric.meaning}{better}\n\nFormula: `{metric.formula}`\n\nSource: {metric.source}."


def show(
    rows: pl.DataFrame,
    columns: Iterable[str],
    alt: str,
    metric: Metric | None = None,
    key: str | None = None,
    modes: Iterable[SelectionMode] = ("single-row",),
    opens: tuple[str, str] | None = None,
    lines: int = 1,
    titles: Mapping[str, str] | None = None,
) -> Any:
    """A table: what is missing says so, links lead only to the web, names are shown as text. With a `key` one row can be clicked, or what
    the `modes` say. On a phone a wide table is a list of cards; where rows open something, their names are links to it.

    Args:
        lines: of words that a row has room for.
        opens: how the address names a row that is opened, and the column with its value; needed with a `key`.
        titles: of columns whose own would say too little here, e.g. money without its currency.
    """
    named = rows.with_columns(naming.gpu(rows.columns).alias("gpu_model")) if "gpu_model" in rows.columns else rows
    rows, listed_columns = shape.marked(named, shape.shown(rows, columns))
    listed = rows.select(listed_columns)
    listed = listed.with_columns(pl.col(name) * 100 for name in (*headings.CHANGES, *headings.SHARES) if name in listed.columns)
    if "model_url" in listed.columns:
        listed = safe_links(listed).with_columns(pl.col("model_url").fill_null(""))
    if "prompt_set" in listed.columns and "source" in rows.columns:
        of_v1 = (rows["source"] == "ML.ENERGY v1").fill_null(False) & rows["prompt_set"].is_null()
        listed = listed.with_columns(pl.when(of_v1).then(pl.lit(PROMPTS_OF_V1)).otherwise("prompt_set").alias("prompt_set"))
    unknown = {"prompt_set": NOT_STATED, "harness_version": NOT_STATED}
    listed = listed.with_columns(pl.col(name).fill_null(text) for name, text in unknown.items() if name in listed.columns)
    listed = listed.with_columns(naming.engine(name) for name in ("engine", "a", "b") if name in listed.columns)
    if "prompt_set" in listed.columns:
        listed = listed.with_columns(naming.prompt_set())
    if "weights" in listed.columns:
        listed = listed.with_columns(pl.col("weights").replace("dummy", "random"))
    missing = "–" if metric or shape.has_random_weights(rows) else _missing(listed, rows)
    if (key is None or opens) and cards.wanted(listed.columns):
        links = [opened.link(opens[0], value) for value in rows[opens[1]].head(cards.MOST_CARDS)] if opens else []
        called = {name: _title(name, metric) for name in listed.columns} | dict(titles or {})
        return cards.show(shape.on_screen(listed), called, missing, alt, links)
    high = ROW_HEIGHT + LINE_HEIGHT * (lines - 1)
    configured = config(listed, metric)
    for name, title in (titles or {}).items():
        configured[name]["label"] = title
    return st.dataframe(
        shape.on_screen(listed),
        column_config=configured,
        hide_index=True,
        key=key,
        on_select="rerun" if key else "ignore",
        selection_mode=modes,
        placeholder=missing,
        alt=alt,
        height=min(ROW_HEIGHT + high * listed.height + 3, TALLEST),
        row_height=high,
    )


def _missing(listed: pl.DataFrame, rows: pl.DataFrame) -> str:
    """What stands for a null: a published table does not state it, our own runs did not measure it, of both it is not known.

    Args:
        listed: columns of `rows`.
    """
    if "origin" not in rows.columns:
        return NOT_MEASURED
    kinds = set(rows["origin"].filter(listed.select(pl.any_horizontal(pl.all().is_null())).to_series()))
    return NOT_MEASURED if "published" not in kinds else NOT_STATED if kinds == {"published"} else NOT_KNOWN


def _title(name: str, metric: Metric | None) -> str:
    """What a column is called on a card.

    Args:
        metric: what percentiles and values are of, where there are some.
    """
    title = headings.SHORT.get(name, naming.title_of(name))
    if metric and name in headings.MEASURED:
        return f"{title} ({metric.display_unit})"
    return f"{title} (%)" if name in (*headings.CHANGES, *headings.SHARES) else title


def verbatim(text: str, label: str = "", is_open: bool = True) -> None:
    """A text as it is, in a frame. `st.code` would have the browser load 1.5 MB to colour it.

    Args:
        label: of a frame that a click opens, in Markdown; a long text without one has its length there.
        is_open: whether such a frame is open at first; a long text never is.
    """
    is_long = len(text) > LONG_TEXT
    folded = label or is_long
    title = label or f"Text of {len(text):,} characters"
    with st.expander(title, expanded=is_open and not is_long) if folded else st.container(border=True):
        st.text(text)
