"""Does a bigger model cost more?"""

import streamlit as st

from pages.ui import charts, controls, frame, tables

selection = frame.begin("Does a bigger model cost more?")
rows = frame.load("leaderboard", selection)
if rows.is_empty():
    frame.nothing_matches(selection)

with st.container(horizontal=True, vertical_alignment="bottom"):
    x = controls.metric("Across", "x", controls.SIZES)
    y = controls.metric("Up", "y", controls.COSTS)
    colour = controls.colour()
    log = controls.log(True)

points = charts.drawable(rows, x, y, log)
if points.is_empty():
    frame.nothing_matches(selection, "No row has both numbers: choose another metric.")

st.altair_chart(
    charts.scatter(tables.on_screen(rows), x, y, colour, log),
    alt=f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with a line of least squares",
)
st.caption(controls.reading_the_line(log))
st.caption(f"{frame.missing(rows, points)} {frame.provenance(points, selection)}")
with st.expander("The rows behind the chart", expanded=True):
    tables.show(points, controls.behind(x, y), alt="The configurations in the chart")
    tables.downloads(points, "energy-and-parameters")
