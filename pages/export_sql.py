"""Can I have the rows?"""

from functools import partial

import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, scope, tables
from prompt_joules.pages.ui.of import export_sql as room
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import connect, switches, visitor_sql


def offer_files(view: View, name: str) -> None:
    """One button per format; the file is made when it is asked for. Results can have a column by the visitor's formula."""
    view = controls.formula(view, data.results(view).columns) if name == "Results" else view
    with st.container(horizontal=True):
        # A sheet of Excel has no room for the prompts of a large warehouse.
        for kind in (kind for kind in room.KINDS if kind != "xlsx" or name != "Prompts"):
            st.download_button(
                room.KINDS[kind],
                data=partial(room.file_of, view, name, kind, connect.default_warehouse(), downloads.address()),
                file_name=f"prompt-joules-{name.lower()}.{kind}",
                on_click="ignore",
                key=f"export-{kind}",
            )


def ask_sql() -> str | None:
    """The visitor's SQL once “Run” has been pressed for this very text. An example stands in the box at first, or what a link brings."""
    with st.form("sql-box", border=False):
        text = st.text_area("SQL (DuckDB)", room.EXAMPLE, key="sql", bind="query-params", height=150)
        st.form_submit_button("Run", icon=":material/play_arrow:", help="Or Ctrl+Enter in the box", on_click=press)
    return (text or room.EXAMPLE) if st.session_state.get("sql-asked") == text else None


def press() -> None:
    """Remember which text “Run” was pressed for."""
    st.session_state["sql-asked"] = st.session_state["sql"]


def show_answer(sql: str) -> None:
    """The answer to a visitor's SQL: in words, as a chart, as a table and as files; or what is wrong with it."""
    try:
        answer = data.ask(sql)
    except visitor_sql.RefusedSql as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    st.caption(room.answer(answer))
    if st.toggle("Chart", key="chart", bind="query-params", help="The first column runs across, the first number upwards."):
        if (drawn := room.two_columns(answer.rows)) is None:
            st.info("Nothing to draw: the second or a later column must be a number.", icon=":material/info:")
        else:
            draw.show(draw.of(room.anything, drawn), alt=f"{answer.rows.columns[0]} against the first number of the answer")
    st.dataframe(answer.rows, hide_index=True, alt="The answer to the SQL")
    downloads.offer(answer.rows, "sql", room.Question(sql))


view = frame.begin("Can I have the rows?")
st.header("The rows of the filters", anchor=False)
st.markdown(room.EXPORT)
offer_files(view, controls.one_of("Rows", "rows", list(room.EXPORTS), 260))
scope.say_footer(data.results(view), view, "result")

st.header("Ask in SQL", anchor=False)
if switches.is_on(switches.SQL):
    st.markdown(room.SQL)
    sql = ask_sql()
    with st.expander("Tables and columns"):
        tables.show(data.load("columns", view.selection), room.COLUMNS, alt="Tables and views with their columns, types and meaning")
    if sql is None:
        st.caption(room.NOT_YET)
    else:
        show_answer(sql)
else:
    st.markdown(room.SWITCHED_OFF)
