"""From a figure to its rows: a click on a point of a chart or on a row of a table chooses rows."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import streamlit as st

from pages.ui import tables, theme
from pages.ui.theme import Chart

HINT = "Click a point to see its rows only; Shift adds points, a click beside them shows all again."


def chart(drawn: Chart, rows: pl.DataFrame, alt: str, key: str, field: str = "result_id", noun: str = "rows") -> pl.DataFrame:
    """Draw a chart whose points can be clicked.

    Args:
        drawn: made with `charts.pickable`.
        rows: what the points stand for.
        alt: what the chart shows, in words.
        field: the column of the rows that a point carries.
        noun: what a point is.

    Returns:
        The rows of the points that were clicked; all rows where none was.
    """
    event = st.altair_chart(drawn, alt=alt, key=key, on_select="rerun", selection_mode=theme.PICKED)
    kept = chosen(event, rows, field)
    st.caption(f"{kept.height:,} of {rows.height:,} {noun} chosen in the chart." if kept.height < rows.height else HINT)
    return kept


def chosen(event: Any, rows: pl.DataFrame, field: str) -> pl.DataFrame:
    """The rows that a chart's selection names; all where it names none of them."""
    picked = event["selection"].get(theme.PICKED, []) if isinstance(event, Mapping) else []
    names = [point[field] for point in picked if field in point] if isinstance(picked, list) else []
    kept = rows.filter(pl.col(field).is_in(names))
    return rows if kept.is_empty() else kept


def table(rows: pl.DataFrame, columns: tuple[str, ...], alt: str, key: str) -> pl.DataFrame:
    """A table whose rows can be clicked: the rows that were, none at the start."""
    event = tables.show(rows, columns, alt, key=key)
    places = event["selection"]["rows"] if isinstance(event, Mapping) else []
    return rows[[place for place in places if place < rows.height]]
