"""The one row of a table whose dialog is open: the link names it, so that it can be passed on, and the browser's Back closes it."""

from collections.abc import Callable, Hashable
from urllib.parse import urlencode

import polars as pl
import streamlit as st


def match(name: str, key: str, part: str) -> None:
    """Call it before a table is drawn: it makes the row that is clicked the row that the link opens. So one click opens a row again whose
    dialog was closed.

    A dialog that closes gives the focus back to its table, and a table that gets the focus with nothing clicked clicks its first cell by
    itself: where the browser's Forward opens a row again, its click comes back, too.

    Args:
        name: of the row in the link.
        key: of the table.
        part: what a click chooses, "rows" or "cells"; what else is chosen stays so.
    """
    state = st.session_state
    if key not in state:
        return
    is_open, clicked, last = name in st.query_params, state.get(f"{name}_clicked"), state.get(f"{name}_last")
    chosen = state[key]["selection"]
    if clicked is not None and not is_open:
        state[f"{name}_last"] = (clicked[0], list(chosen[part]))
        state[key] = {"selection": {**chosen, part: []}}
    elif last is not None and last[0] == st.query_params.get(name) and not chosen[part]:
        state[f"{name}_is_back"] = True
        state[key] = {"selection": {**chosen, part: last[1]}}


def follow(name: str, rows: pl.DataFrame, field: str, clicked: tuple[str, Hashable] | None, show: Callable[[pl.DataFrame], None]) -> None:
    """Open the row that was clicked just now, or else the one that the link names.

    Args:
        name: of the row in the link.
        rows: those that can be opened.
        field: the column that names one.
        clicked: the name of the row that a table says is chosen and where it was clicked; None where none is.
        show: opens a dialog about one row that calls `close` when it is dismissed.
    """
    is_back = st.session_state.pop(f"{name}_is_back", False)
    is_new = clicked is not None and not is_back and clicked != st.session_state.get(f"{name}_clicked")
    st.session_state[f"{name}_clicked"] = clicked
    if clicked is not None and is_new:
        st.query_params[name] = clicked[0]
    wanted = st.query_params.get(name)
    if wanted is None:
        return
    if (found := rows.filter(pl.col(field) == wanted).head(1)).height:
        show(found)
    else:
        st.info("The row that the link names is not among these: a filter leaves it out, or it is not in this warehouse.")


def close(name: str) -> None:
    """Take the row out of the link."""
    st.query_params.pop(name, None)


def link(name: str, value: str) -> str:
    """The address of this view with a row opened."""
    kept = {key: st.query_params.get_all(key) for key in st.query_params if key != name}
    return "?" + urlencode({**kept, name: value}, doseq=True)
