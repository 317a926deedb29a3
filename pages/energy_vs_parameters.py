"""Does a bigger model cost more?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope
from prompt_joules.pages.ui.of import energy_vs_parameters as room
from prompt_joules.pages.ui.pure import naming, shape, words
from prompt_joules.pages.ui.pure.narrowings import Known, Pooled
from prompt_joules.warehouse.energy_shown import DEFAULT
from prompt_joules.warehouse.statistics import lines as fitted

view = frame.begin("Does a bigger model cost more?").narrowed(Pooled())
with glance.choices():
    view, left_out = frame.ask_what_to_show(view)
    axes, more = glance.choices(), glance.more()
if data.results(view).is_empty():
    scope.end_without_rows(view)

told = st.container()
with more:
    view = controls.formula(view, data.results(view).columns, told)
    colour = room.COLOURS[controls.one_of("Colour", "colour", list(room.COLOURS), 150)]
    log = st.toggle("Logarithmic", value=True, key="log", bind="query-params", help="Equal steps are equal ratios.")
rows = data.results(view)
with axes:
    x = controls.metric("Across", "x", controls.axes(rows, room.SIZES))
    # J/token comes first, since answers of larger models differ in length too; else the energy that the switches ask for.
    first = room.TOKEN if view.measure == DEFAULT else view.measure.key
    y = controls.metric("Up", "y", controls.axes(rows, (first, *room.COSTS)))
# What a token costs by size is that of models with random weights too, and they have all sizes.
if x.startswith("params") and y == room.TOKEN:
    view = view.over(view.selection.with_random_weights())
    rows = data.results(view)

asked = view
view = view.narrowed(Known((x, y), positive=log))
points = data.with_intervals(data.results(view), view)
if points.is_empty():
    frame.say_measure(rows, asked, drawn=y)
    scope.end_without_rows(view, "No row has both numbers: choose another metric.", of_energy=y.startswith("energy"))

drawn = points.with_columns(naming.engine())
alone = room.of_themselves(drawn, (x, y))
lines = fitted.lines(shape.on_screen(alone), x, y, room.apart(colour), log)
per_token = fitted.lines(shape.on_screen(alone.filter(pl.col(room.TOKEN) > 0)), x, room.TOKEN, room.apart(colour), log)
glance.headline(room.headline(lines, x, y, log) + room.of_a_token(lines, per_token, x, y, log))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per setup, with lines of least squares"
chosen = pick.show_chart(draw.of(room.scatter, shape.on_screen(drawn), x, y, colour, log, lines), points, alt, "scatter")
if shape.has_random_weights(points):
    st.caption(words.RANDOM_POINTS)
frame.say_measure(rows, asked, drawn=y)
glance.explained(left_out, room.lines(lines, x, y, log), room.divided(points.height - alone.height), words.ONE_POINT)
scope.say_footer(points, view, more=scope.missing(rows, points))
pick.show_behind(chosen, points, controls.behind(x, y), "The configurations in the chart", "energy-and-parameters", view)
