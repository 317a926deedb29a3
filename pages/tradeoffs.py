"""What is the cheapest configuration that is fast enough?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, downloads, draw, frame, pick, scope, tables
from prompt_joules.pages.ui.of import tradeoffs as room
from prompt_joules.pages.ui.pure import shape
from prompt_joules.warehouse import stats
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import Selection


def limit(rows: pl.DataFrame, key: str) -> float | None:
    """A slider over round values of one metric; None when there is no limit.

    Args:
        rows: all results, whatever the filters, so that the slider keeps its ends.
        key: of NUMBERS; a limit from below where more is better.

    Returns:
        The limit in storage units.
    """
    metric = NUMBERS[key]
    values = rows[key].drop_nulls() * metric.display_factor
    values = values.filter(values > 0)
    if values.is_empty():
        return None
    ends = values.to_numpy()
    choices = [*(f"{step:g}" for step in stats.steps(float(ends.min()), float(ends.max()))), room.NO_LIMIT]
    at_least = metric.better == "higher"
    if at_least:
        choices = [room.NO_LIMIT, *choices[:-1]]
    label = f"{metric.title}, {'at least' if at_least else 'at most'}"
    first = room.FIRST_LIMITS.get(key, room.NO_LIMIT)
    chosen = st.select_slider(
        label, choices, value=first if first in choices else room.NO_LIMIT, key=f"limit_{key}", bind="query-params", width=330
    )
    return None if chosen == room.NO_LIMIT else float(chosen) / metric.display_factor


selection = frame.begin("What is the cheapest configuration that is fast enough?")
selection = frame.narrowed(replace(selection, tasks=selection.tasks or frame.CHAT))
measure = frame.measure(per="output token")
rows = frame.results(selection, measure)
frame.stated(rows, measure)
st.markdown(room.TRADE_OFFS)
with st.container(horizontal=True, vertical_alignment="bottom"):
    y = controls.metric("Energy", "y", controls.axes(rows, (measure.key, "energy_per_token_j", "energy_j")))
    x = controls.metric("Speed", "x", room.SPEEDS)
with st.container(horizontal=True, vertical_alignment="bottom"):
    limits = {key: limit(frame.results(Selection()), key) for key in (x, y)}

rows = controls.of_size(rows, default="3 to 10")
points = shape.drawable(rows, x, y, log=True)
if points.is_empty():
    scope.nothing_matches(selection, "No row has both numbers: choose others.")
inside = room.within(points, limits)
marked = stats.frontier(points, x, y, NUMBERS[x].better == "higher").with_columns(
    pl.col("result_id").is_in(inside["result_id"].to_list()).alias("inside")
)
best = room.best_of_each_model(marked.filter("inside"), y)
st.markdown(room.summary(inside.height, points.height, best, x, y))
alt = f"{controls.title(y)} against {controls.title(x)}, one point per configuration, with the frontier and the limits"
chosen = pick.chart(draw.of(room.tradeoff, shape.on_screen(marked), x, y, room.bounds_on_screen(limits)), marked, alt, "tradeoff")
st.caption(f"The line joins the frontier: no other configuration is as good on both and better on one. {scope.missing(rows, points)}")
st.subheader("The best configuration of each model within the limits", anchor=False)
tables.show(best, dict.fromkeys(("model_name", "frontier", y, x, *room.BEST)), alt="Best configuration of each model within the limits")
downloads.offer(best, "trade-offs")
pick.behind(chosen, marked, controls.behind(x, y), "The configurations in the chart", "trade-offs-rows")
st.caption(scope.provenance(points, selection))
