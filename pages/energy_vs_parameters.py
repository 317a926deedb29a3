"""Does a bigger model cost more?"""

import streamlit as st

from prompt_joules.pages.ui import charts, controls, draw, frame, pick, scope, shape, words
from prompt_joules.warehouse import stats

selection = frame.begin("Does a bigger model cost more?")
selection = frame.first_view(selection)
rows = frame.results(selection)
if rows.is_empty():
    scope.nothing_matches(selection)

rows = shape.with_formula(rows, controls.formula(rows.columns))
with st.container(horizontal=True, vertical_alignment="bottom"):
    x = controls.metric("Across", "x", controls.axes(rows, controls.SIZES))
    y = controls.metric("Up", "y", controls.axes(rows, (frame.measure().key, *controls.COSTS)))
    colour = controls.colour()
    log = controls.log(True)

frame.stated(rows)
points = charts.drawable(rows, x, y, log)
if points.is_empty():
    scope.nothing_matches(selection, "No row has both numbers: choose another metric.")

lines = stats.lines(shape.on_screen(points), x, y, shape.apart(colour), log)
st.markdown(words.lines(lines, x, y, log))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with lines of least squares"
chosen = pick.chart(draw.of(charts.scatter, shape.on_screen(points), x, y, colour, log, lines), points, alt, "scatter")
st.caption(f"{scope.missing(rows, points)} {scope.provenance(points, selection)}")
pick.behind(chosen, points, controls.behind(x, y), "The configurations in the chart", "energy-and-parameters")
