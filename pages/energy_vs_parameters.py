"""Does a bigger model cost more?"""

import streamlit as st

from prompt_joules.pages.ui import controls, draw, frame, pick, scope
from prompt_joules.pages.ui.of import energy_vs_parameters as room
from prompt_joules.pages.ui.pure import shape
from prompt_joules.warehouse import stats


def colour_of_points() -> str:
    """The column that colours the points."""
    chosen = st.selectbox("Colour", list(room.COLOURS), key="colour", bind="query-params", width=150)
    return room.COLOURS[chosen or "GPU"]


def logarithmic(default: bool) -> bool:
    """Logarithmic axes or not."""
    return st.toggle("Logarithmic", value=default, key="log", bind="query-params", help="Equal steps are equal ratios.")


selection = frame.begin("Does a bigger model cost more?")
selection = frame.first_view(selection)
rows = frame.results(selection)
if rows.is_empty():
    scope.nothing_matches(selection)

rows = shape.with_formula(rows, controls.formula(rows.columns))
with st.container(horizontal=True, vertical_alignment="bottom"):
    x = controls.metric("Across", "x", controls.axes(rows, room.SIZES))
    y = controls.metric("Up", "y", controls.axes(rows, (frame.measure().key, *room.COSTS)))
    colour = colour_of_points()
    log = logarithmic(True)

frame.stated(rows)
points = shape.drawable(rows, x, y, log)
if points.is_empty():
    scope.nothing_matches(selection, "No row has both numbers: choose another metric.")

lines = stats.lines(shape.on_screen(points), x, y, room.apart(colour), log)
st.markdown(room.lines(lines, x, y, log))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with lines of least squares"
chosen = pick.chart(draw.of(room.scatter, shape.on_screen(points), x, y, colour, log, lines), points, alt, "scatter")
st.caption(f"{scope.missing(rows, points)} {scope.provenance(points, selection)}")
pick.behind(chosen, points, controls.behind(x, y), "The configurations in the chart", "energy-and-parameters")
