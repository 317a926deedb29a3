"""How far has the energy of a token come?"""

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, pick, scope, tables
from prompt_joules.pages.ui.of import three_years as room
from prompt_joules.pages.ui.pure import shape
from prompt_joules.pages.ui.pure.view import Known, among
from prompt_joules.warehouse.energy_shown import NUMBERS, TOKENS, Measure
from prompt_joules.warehouse.statistics import summaries

USUAL = Measure(per="output token")
view = frame.of_chat(frame.begin("How far has the energy of a token come?")).per(USUAL.per)
view = view.over(view.selection.with_random_weights()) if view.measure.per in TOKENS else view
view = view.narrowed(among("generation", room.EDITIONS))
frame.say_measure(data.results(view), view, USUAL)
view = view.narrowed(Known((view.measure.key,), positive=True))
rows = data.results(view)
if rows.is_empty():
    scope.end_without_rows(view)
view = controls.band(view, rows, default="3 to 10")
rows = room.with_edition(data.results(view))
metric = NUMBERS[view.measure.key]
by = ["gpu_model", "edition"]
published = rows.filter(pl.col("origin") == "published")
steps = summaries.levels(published, metric.key, by).join(room.batches(published, by), on=by).sort(by)
alone = summaries.levels(rows.filter(pl.col("batch_size") == 1), metric.key, ["edition", "gpu_model", "engine"])
st.markdown(room.editions(steps, metric) + room.alone(alone, metric))
st.caption(room.OVER_TIME + (room.RANDOM if shape.has_random_weights(rows) else ""))
alt = f"{metric.title} of every result, by edition of the benchmark, one column of points per GPU"
chosen = pick.show_chart(draw.of(room.over_time, rows, metric.key), rows, alt, "editions")

groups = ["edition", "gpu_model", "engine"]
summary = summaries.levels(chosen, metric.key, groups).join(room.batches(chosen, groups), on=groups).sort(groups)
st.subheader(f"{metric.title} by edition, GPU and engine", anchor=False)
tables.show(summary, room.COLUMNS, f"Smallest, median and largest {metric.label} by edition, GPU and engine", metric)
downloads.offer(summary, "three-years", view if chosen.height == rows.height else view.narrowed(among("result_id", chosen["result_id"])))
pick.show_behind(chosen, rows, controls.behind("batch_size", metric.key), "The results in the chart", "three-years-rows", view)
scope.say_footer(rows, view)
