"""Can I have the rows?"""

from functools import partial

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, scope, tables
from prompt_joules.pages.ui.of import export_sql as room
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import connect, visitor_sql
from prompt_joules.warehouse import export as exports
from prompt_joules.warehouse.selection import Selection


def offer_files(selection: Selection, name: str) -> None:
    """One button per format; the file is made when it is asked for. Results can have a column by the visitor's formula."""
    own = controls.formula(data.load("leaderboard", selection).columns) if name == "Results" else None
    with st.container(horizontal=True):
        for kind in exports.KINDS:
            st.download_button(
                kind.upper() if kind in ("csv", "json") else kind.capitalize(),
                data=partial(room.file_of, selection, name, kind, connect.default_warehouse(), own, downloads.address()),
                file_name=f"prompt-joules-{name.lower()}.{kind}",
                on_click="ignore",
                key=f"export-{kind}",
            )


def ask(sql: str) -> visitor_sql.Answer:
    """The answer to a visitor's SQL; what is wrong with it ends the page."""
    try:
        return data.ask(sql)
    except visitor_sql.RefusedSql as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()


def sql_text() -> str:
    """The visitor's SQL; an example at the start."""
    return st.text_area("SQL (DuckDB)", room.EXAMPLE, key="sql", bind="query-params", height=150) or room.EXAMPLE


def chart_of(rows: pl.DataFrame) -> None:
    """A chart of any rows, where there is a number to draw."""
    drawn = room.two_columns(rows)
    if drawn is None:
        st.info("Nothing to draw: the second or a later column must be a number.", icon=":material/info:")
        return
    draw.show(draw.of(room.anything, drawn), alt=f"{rows.columns[0]} against the first number of the answer")


selection = frame.begin("Can I have the rows?")
st.subheader("The rows of the filters", anchor=False)
st.markdown(room.EXPORT)
offer_files(selection, controls.one_of("Rows", "rows", list(room.EXPORTS), 260))
st.caption(scope.provenance(data.load("leaderboard", selection), selection))

st.subheader("Ask in SQL", anchor=False)
st.markdown(room.SQL)
sql = sql_text()
with st.expander("Tables and columns"):
    tables.show(data.load("columns", selection), room.COLUMNS, alt="Tables and views with their columns, types and meaning")
answer = ask(sql)
st.caption(room.answer(answer))
if st.toggle("Chart", key="chart", bind="query-params", help="First column across, first number up."):
    chart_of(answer.rows)
st.dataframe(room.printable(answer.rows), hide_index=True, alt="The answer to the SQL")
downloads.offer(room.printable(answer.rows), "sql")
