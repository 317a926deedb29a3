"""How far has the energy of a token come?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, downloads, draw, frame, pick, scope, tables
from prompt_joules.pages.ui.of import three_years as room
from prompt_joules.pages.ui.pure import shape
from prompt_joules.warehouse import stats
from prompt_joules.warehouse.energy_shown import NUMBERS, TOKENS

selection = frame.begin("How far has the energy of a token come?")
measure = frame.measure(per="output token")
selection = selection.with_random_weights() if measure.per in TOKENS else selection
selection = frame.narrowed(replace(selection, tasks=selection.tasks or frame.CHAT))
rows = room.with_edition(frame.results(selection, measure))
frame.stated(rows, measure)
rows = rows.filter(pl.col(measure.key) > 0)
if rows.is_empty():
    scope.nothing_matches(selection)
rows = controls.of_size(rows, default="3 to 10")
metric = NUMBERS[measure.key]
by = ["gpu_model", "edition"]
published = rows.filter(pl.col("origin") == "published")
steps = stats.levels(published, measure.key, by).join(room.batches(published, by), on=by).sort(by)
alone = stats.levels(rows.filter(pl.col("batch_size") == 1), measure.key, ["edition", "gpu_model", "engine"])
st.markdown(room.editions(steps, metric) + room.alone(alone, metric))
st.caption(room.OVER_TIME + (room.RANDOM if shape.has_random_weights(rows) else ""))
alt = f"{metric.title} of every result, by edition of the benchmark, one column of points per GPU"
chosen = pick.chart(draw.of(room.over_time, rows, measure.key), rows, alt, "editions")

groups = ["edition", "gpu_model", "engine"]
summary = stats.levels(chosen, measure.key, groups).join(room.batches(chosen, groups), on=groups).sort(groups)
st.subheader(f"{metric.title} by edition, GPU and engine", anchor=False)
tables.show(summary, room.COLUMNS, f"Smallest, median and largest {metric.label} by edition, GPU and engine", metric)
downloads.offer(summary, "three-years")
pick.behind(chosen, rows, controls.behind("batch_size", measure.key), "The results in the chart", "three-years-rows")
st.caption(scope.provenance(rows, selection))
