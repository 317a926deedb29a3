"""From a figure to its rows: points of a chart that are clicked, boxed or named, and rows of a table that are clicked."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import downloads, draw, tables
from prompt_joules.pages.ui.pure import naming, shape, theme
from prompt_joules.pages.ui.pure.narrowings import among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.metrics import Metric

CLICK = "Click a point or bar to see its rows only; Shift adds more, a click beside them shows all again."
BOX = "Click a point, or draw a box around some, to see their rows only; a click beside them shows all again."


def show_chart(drawn: draw.Drawn, rows: pl.DataFrame, alt: str, key: str, field: str = "result_id", noun: str = "rows") -> pl.DataFrame:
    """Draw a chart whose points can be clicked, boxed where it has a box, or named, which works with the keyboard and on a phone.

    Args:
        drawn: a chart made with `theme.pickable`.
        rows: what the points stand for, in storage units; charts of single results need what `naming.with_label` needs.
        alt: what the chart shows, in words.
        field: the column of the rows that a point carries.
        noun: what a point is.

    Returns:
        The rows of the points that were chosen; all rows where none was.
    """
    event = draw.show(drawn, alt, key)
    kept = named(rows, field, key, noun)
    kept = chosen(event, rows, field) if kept.is_empty() else kept
    hint = BOX if theme.BOXED in drawn.selections else CLICK
    st.caption(f"{kept.height:,} of {rows.height:,} {noun} chosen." if kept.height < rows.height else hint)
    return kept


def show_behind(
    chosen: pl.DataFrame,
    rows: pl.DataFrame,
    columns: Iterable[str],
    alt: str,
    name: str,
    view: View,
    label: str = "The rows behind the chart",
    field: str = "result_id",
) -> None:
    """The rows of a chart and a file of them, in a frame that opens by a click or when some were chosen; then the browser gets them.

    Args:
        chosen: the rows to show; `rows` where none were chosen.
        columns: of the table.
        name: of the file.
        view: what `rows` are.
        label: of the frame.
        field: the column by which rows are chosen.
    """
    some = chosen.height < rows.height
    view = view.narrowed(among(field, chosen[field])) if some else view
    show_framed(chosen, columns, alt, name, view, label, f"{name}-{'some' if some else 'frame'}", is_open=some)


def show_framed(
    rows: pl.DataFrame | Callable[[], pl.DataFrame],
    columns: Iterable[str],
    alt: str,
    name: str,
    view: View,
    label: str,
    key: str | None = None,
    is_open: bool = False,
    metric: Metric | None = None,
    note: str = "",
) -> None:
    """A table of as many rows as a browser can take, and a file of all, in a frame; the browser gets them when it opens.

    Args:
        rows: the rows, or what makes them, where only an open frame needs them.
        name: of the file.
        view: what the rows are.
        label: of the frame.
        key: of the frame; by the name of the file if None.
        is_open: whether the frame is open at first.
        metric: what percentiles are of, where there are some.
        note: what to know of the table, in words.
    """
    frame = st.expander(label, expanded=is_open, key=key or f"{name}-frame", on_change="rerun")
    if frame.open:
        known = rows if isinstance(rows, pl.DataFrame) else rows()
        with frame:
            if note:
                st.caption(note)
            tables.show(known.head(tables.MOST_LISTED), columns, alt, metric)
            downloads.offer(known, name, view)


def named(rows: pl.DataFrame, field: str, key: str, noun: str) -> pl.DataFrame:
    """The rows whose names the visitor chose from a list; none at the start."""
    labels = naming.picked_by(rows, field)
    wanted = st.multiselect(
        f"Choose {noun} by name", labels.to_list(), key=f"{key}_names", placeholder=f"Choose {noun} by name", label_visibility="collapsed"
    )
    return rows.filter(labels.is_in(wanted))


def chosen(event: Any, rows: pl.DataFrame, field: str) -> pl.DataFrame:
    """The rows that a chart's selection names and whose numbers are in its box; all where there are none."""
    selection = event["selection"] if isinstance(event, Mapping) else {}
    picked, box = selection.get(theme.PICKED, []), selection.get(theme.BOXED, {})
    names = [point[field] for point in picked if field in point] if isinstance(picked, list) else []
    kept = rows.filter(pl.col(field).is_in(names)) if names else rows
    kept = boxed(kept, box) if isinstance(box, Mapping) else kept
    return rows if kept.is_empty() else kept


def boxed(rows: pl.DataFrame, box: Mapping[str, Any]) -> pl.DataFrame:
    """The rows whose numbers, in screen units, lie between the ends of a box.

    Args:
        box: the two ends of each axis by its column; columns that the rows lack do not count.
    """
    sides = {key: sorted(ends) for key, ends in box.items() if key in rows.columns and len(ends) == 2}
    within = shape.on_screen(rows, sides).select(pl.col(key).is_between(*ends) for key, ends in sides.items())
    return rows.filter(within.select(pl.all_horizontal(pl.all())).to_series().fill_null(False)) if sides else rows


def show_table(rows: pl.DataFrame, columns: tuple[str, ...], alt: str, key: str, opens: tuple[str, str]) -> pl.DataFrame:
    """A table whose rows can be clicked; returns the rows that were clicked, none at the start.

    Args:
        opens: as in `tables.show`.
    """
    event = tables.show(rows, columns, alt, key=key, opens=opens)
    places = event["selection"]["rows"] if isinstance(event, Mapping) else []
    return rows[[place for place in places if place < rows.height]]
