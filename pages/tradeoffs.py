"""What is the cheapest configuration that is fast enough?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope
from prompt_joules.pages.ui.of import tradeoffs as room
from prompt_joules.pages.ui.pure import axes, shape, words
from prompt_joules.pages.ui.pure.narrowings import Known, Least, Pooled, Within, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics import summaries


def limit(rows: pl.DataFrame, key: str) -> Within | None:
    """A slider over round values of one metric; None when there is no limit.

    Args:
        rows: all results, whatever the filters, so that the slider keeps its ends.
        key: of NUMBERS; a limit from below where more is better.
    """
    metric = NUMBERS[key]
    steps = shape.steps(rows, key)
    if not steps:
        return None
    at_least = metric.better == "higher"
    choices = [room.NO_LIMIT, *steps] if at_least else [*steps, room.NO_LIMIT]
    label = f"{metric.title}, {'at least' if at_least else 'at most'}"
    first = room.FIRST_LIMITS.get(key, room.NO_LIMIT)
    chosen = st.select_slider(
        label, choices, value=first if first in choices else room.NO_LIMIT, key=f"limit_{key}", bind="query-params", width=250
    )
    if chosen == room.NO_LIMIT:
        return None
    low, high = (float(chosen), None) if at_least else (None, float(chosen))
    return Within(key, low, high, without=((f"limit_{key}", room.NO_LIMIT),))


view = frame.begin_per_token("What is the cheapest configuration that is fast enough?").narrowed(Pooled())
rows = data.results(view)
with glance.choices():
    limits_place = glance.choices()
    only_optimal = st.toggle("Optimal only", key="optimal", bind="query-params", help=room.OPTIMAL)
    more = glance.more()
with more:
    y = controls.metric("Energy", "y", controls.axes(rows, (view.measure.key, "energy_per_token_j", "energy_j")))
    x = controls.metric("Speed", "x", room.SPEEDS)
with limits_place:
    every = data.results(View(measure=view.measure))
    limits = {key: limit(every, key) for key in (x, y)}
view = controls.band(view, rows, default="3 to 10")
frame.say_measure(rows, view, frame.PER_TOKEN)
of_size = data.results(view)
view = view.narrowed(Known((x, y), positive=True))
points = data.with_intervals(data.results(view), view)
if points.is_empty():
    scope.end_without_rows(view, "No row has both numbers: choose others.", of_energy=y.startswith("energy"))
within = view.narrowed(*(narrowing for narrowing in limits.values() if narrowing))
inside = data.results(within)
is_good = NUMBERS[x].better == "higher"
ends = axes.ends_columns(y) or (y, y)
marked = summaries.not_surely_beaten(summaries.frontier(points, x, y, is_good), x, y, is_good, ends).with_columns(
    pl.col("result_id").is_in(inside["result_id"].to_list()).alias("inside")
)
of_each = within.narrowed(Least(y))
best = of_each.rows(marked)
glance.headline(room.summary(inside.height, points.height, best, x, y))
if only_optimal:
    marked = marked.filter(pl.col("frontier") | pl.col("maybe"), "inside")
    view = view.narrowed(among("result_id", marked["result_id"]))
rules = {key: None if limit is None else limit.high if limit.low is None else limit.low for key, limit in limits.items()}
drawn = draw.of(room.tradeoff, shape.on_screen(marked), x, y, rules, only_optimal)
alt = f"{controls.title(y)} against {controls.title(x)}, one point per setup, with the frontier and the limits"
chosen = pick.show_chart(drawn, marked, alt, "tradeoff") if marked.height else marked
st.caption(f"{room.BOUNDARY} {words.RANDOM_POINTS if shape.has_random_weights(marked) else ''} {scope.missing(of_size, points)}")
glance.explained(room.along(marked, x, y), room.TRADE_OFFS, words.ONE_POINT)
columns = dict.fromkeys(("model_name", "frontier", "maybe", y, x, *room.BEST))
pick.show_framed(best, columns, room.OF_EACH, "trade-offs", of_each, room.OF_EACH)
pick.show_behind(chosen, marked, controls.behind(x, y), "The configurations in the chart", "trade-offs-rows", view)
scope.say_footer(marked, view)
