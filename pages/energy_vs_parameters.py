"""Does a bigger model cost more?"""

import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, pick, scope
from prompt_joules.pages.ui.of import energy_vs_parameters as room
from prompt_joules.pages.ui.pure import shape
from prompt_joules.pages.ui.pure.view import Known
from prompt_joules.warehouse.statistics import lines as fitted


def colour_of_points() -> str:
    """The column that colours the points."""
    chosen = st.selectbox("Colour", list(room.COLOURS), key="colour", bind="query-params", width=150)
    return room.COLOURS[chosen or "GPU"]


def logarithmic(default: bool) -> bool:
    """Logarithmic axes or not."""
    return st.toggle("Logarithmic", value=default, key="log", bind="query-params", help="Equal steps are equal ratios.")


view = frame.begin("Does a bigger model cost more?")
view = frame.ask_first_view(view)
if data.results(view).is_empty():
    scope.end_without_rows(view)

view = controls.formula(view, data.results(view).columns)
rows = data.results(view)
with st.container(horizontal=True, vertical_alignment="bottom"):
    x = controls.metric("Across", "x", controls.axes(rows, room.SIZES))
    y = controls.metric("Up", "y", controls.axes(rows, (view.measure.key, *room.COSTS)))
    colour = colour_of_points()
    log = logarithmic(True)

frame.say_measure(rows, view)
view = view.narrowed(Known((x, y), positive=log))
points = data.results(view)
if points.is_empty():
    scope.end_without_rows(view, "No row has both numbers: choose another metric.")

lines = fitted.lines(shape.on_screen(points), x, y, room.apart(colour), log)
st.markdown(room.lines(lines, x, y, log))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with lines of least squares"
chosen = pick.show_chart(draw.of(room.scatter, shape.on_screen(points), x, y, colour, log, lines), points, alt, "scatter")
scope.say_footer(points, view, more=scope.missing(rows, points))
pick.show_behind(chosen, points, controls.behind(x, y), "The configurations in the chart", "energy-and-parameters", view)
