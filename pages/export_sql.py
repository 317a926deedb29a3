"""Can I have the rows?"""

import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, frame, prompt_charts, scope, sections, tables, titles, words

selection = frame.begin("Can I have the rows?")
st.subheader("The rows of the filters", anchor=False)
st.markdown(words.EXPORT)
sections.export(selection, controls.one_of("Rows", "rows", list(sections.EXPORTS), 260))
st.caption(scope.provenance(data.load("leaderboard", selection), selection))

st.subheader("Ask in SQL", anchor=False)
st.markdown(words.SQL)
sql = controls.sql_text()
with st.expander("Tables and columns"):
    tables.show(data.load("columns", selection), titles.COLUMNS, alt="Tables and views with their columns, types and meaning")
answer = sections.ask(sql)
st.caption(words.answer(answer))
if st.toggle("Chart", key="chart", bind="query-params", help="First column across, first number up."):
    sections.chart_of(answer.rows)
st.dataframe(prompt_charts.printable(answer.rows), hide_index=True, alt="The answer to the SQL")
downloads.offer(prompt_charts.printable(answer.rows), "sql")
