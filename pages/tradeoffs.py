"""What is the cheapest configuration that is fast enough?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import charts, controls, downloads, draw, frame, pick, scope, shape, tables, titles, words
from prompt_joules.warehouse import stats
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import Selection

selection = frame.begin("What is the cheapest configuration that is fast enough?")
selection = frame.narrowed(replace(selection, tasks=selection.tasks or titles.CHAT))
measure = frame.measure(per="output token")
rows = frame.results(selection, measure)
frame.stated(rows, measure)
st.markdown(words.TRADE_OFFS)
with st.container(horizontal=True, vertical_alignment="bottom"):
    y = controls.metric("Energy", "y", controls.axes(rows, (measure.key, "energy_per_token_j", "energy_j")))
    x = controls.metric("Speed", "x", controls.SPEEDS)
with st.container(horizontal=True, vertical_alignment="bottom"):
    limits = {key: controls.limit(frame.results(Selection()), key) for key in (x, y)}

rows = controls.of_size(rows, default="3 to 10")
points = charts.drawable(rows, x, y, log=True)
if points.is_empty():
    scope.nothing_matches(selection, "No row has both numbers: choose others.")
inside = shape.within(points, limits)
marked = stats.frontier(points, x, y, NUMBERS[x].better == "higher").with_columns(
    pl.col("result_id").is_in(inside["result_id"].to_list()).alias("inside")
)
best = shape.best_of_each_model(marked.filter("inside"), y)
st.markdown(words.within(inside.height, points.height, best, x, y))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with the frontier and the limits"
chosen = pick.chart(draw.of(charts.tradeoff, shape.on_screen(marked), x, y, shape.bounds_on_screen(limits)), marked, alt, "tradeoff")
st.caption(f"The line joins the frontier: no other configuration is as good on both and better on one. {scope.missing(rows, points)}")
st.subheader("The best configuration of each model within the limits", anchor=False)
tables.show(best, dict.fromkeys(("model_name", "frontier", y, x, *titles.BEST)), alt="Best configuration of each model within the limits")
downloads.offer(best, "trade-offs")
pick.behind(chosen, marked, controls.behind(x, y), "The configurations in the chart", "trade-offs-rows")
st.caption(scope.provenance(points, selection))
