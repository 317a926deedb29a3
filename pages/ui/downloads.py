"""Downloads: exactly the rows shown, with a header that says what they are."""

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
    about = f"The {rows.height:,} rows shown, all columns, in base units (J, s, W); a header says what they are and how to cite them."
    with st.container(horizontal=True):
        for kind, label, mime in (("csv", "CSV", "text/csv"), ("parquet", "Parquet", "application/octet-stream")):
            file, data = f"{name}.{kind}", partial(made, kind)
            st.download_button(f"Download {label}", data, f"prompt-joules-{file}", mime, f"download-{file}", about, "ignore")
