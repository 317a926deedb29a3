"""Downloads: exactly the rows shown, with a header that says what they are."""

from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

import polars as pl
import streamlit as st

from prompt_joules.warehouse import export as exports


def address() -> str:
    """The full address of the view, with what differs from the default."""
    query = urlencode([(key, value) for key in st.query_params for value in st.query_params.get_all(key)])
    return f"{(st.context.url or '').split('?')[0]}{'?' if query else ''}{query}"


def file_of(rows: pl.DataFrame, name: str, kind: str, view: exports.Said, link: str) -> bytes:
    """Rows with the header of an export: the view in words, full link, hash, sources, licences, citation.

    Args:
        kind: of `rows_as.KINDS`.
        link: the address of the view.
    """
    header = exports.header_of(rows, view, f"{name}, as shown")
    return exports.write(rows, header | {"link": link}, kind)


def offer(rows: pl.DataFrame, name: str, view: exports.Said) -> None:
    """Two buttons: exactly these rows, all their columns, in storage units, with a header. The file is made when asked for.

    Args:
        view: what they are, so that its words lead to the same rows.
    """
    made = partial(file_of, rows, name, view=view, link=address())
    with st.container(horizontal=True):
        _download("Download CSV", partial(made, "csv"), f"{name}.csv", "text/csv", rows.height)
        _download("Download Parquet", partial(made, "parquet"), f"{name}.parquet", "application/octet-stream", rows.height)


def _download(label: str, make: Callable[[], bytes], name: str, mime: str, height: int) -> None:
    st.download_button(
        label,
        data=make,
        file_name=f"prompt-joules-{name}",
        mime=mime,
        on_click="ignore",
        help=f"The {height:,} rows shown, all columns, in base units (J, s, W); a header says what they are and how to cite them.",
        key=f"download-{name}",
    )
