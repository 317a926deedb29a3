"""How does one prompt differ from the next?"""

import streamlit as st

from pages.ui import controls, data, downloads, frame, pick, prompt_charts, scope, sections, shape, tables, titles
from warehouse.measure import NUMBERS

selection = frame.begin("How does one prompt differ from the next?")
with st.container(horizontal=True, vertical_alignment="bottom"):
    key = controls.metric("Number", "metric", controls.of_prompts(frame.measure()))
    by = controls.group()
    log = controls.log(False)
metric = NUMBERS[key]

summary = data.load("distribution_percentiles", selection, metric=key, by=by, prompt_set="")
if summary.is_empty():
    scope.nothing_matches(selection, scope.NEEDS_PROMPTS)
measured = shape.with_prompts(summary)
if measured.is_empty():
    scope.not_measured(summary, metric, selection)

bins = shape.with_bars(data.load("distribution_bins", selection, metric=key, by=by, prompt_set="", log=log, bins=40))
steps = data.load("distribution_ecdf", selection, metric=key, by=by, prompt_set="")
edges = shape.in_units_of(bins, metric, ("bin_low", "bin_high"))
values = shape.in_units_of(steps, metric, ("value",))
frame.stated_of_prompts()
alt = f"Histogram of {metric.title} over prompts, by {by}"
chosen = pick.chart(prompt_charts.histogram(edges, metric, log), edges, alt, "histogram", field="bar", noun="bars")
sections.prompts_of_bars(selection, bins, chosen, key, by)

st.subheader("Percentiles", anchor=False)
table = shape.in_units_of(summary, metric, titles.SPREAD)
st.altair_chart(prompt_charts.boxes(table, metric, log), alt=f"{metric.title}: middle half, median and 5 to 95 % of the prompts, by {by}")
tables.show(table, ("series", "prompts", "unmeasured", *titles.SPREAD), f"Percentiles of {metric.title}", metric)
downloads.offer(table, f"percentiles-{key}")
st.subheader("Share of the prompts at or below a value", anchor=False)
st.altair_chart(prompt_charts.ecdf(values, metric, log), alt=f"Cumulative share of the prompts by {metric.title}")

sections.where_the_joules_go(selection, by)
st.caption(scope.provenance(data.own(selection), selection))
