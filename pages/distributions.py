"""How does one prompt differ from the next?"""

import streamlit as st

from pages.ui import controls, curves, data, draw, frame, naming, pick, prompt_charts, prompt_words, scope, sections, shape, titles
from warehouse.measure import NUMBERS

selection, prompt_set = frame.one_setup(frame.begin("How does one prompt differ from the next?"))
choices = st.container(horizontal=True, vertical_alignment="bottom")
with choices:
    key = controls.metric("Number", "metric", controls.of_prompts(frame.measure()))
    by = controls.group()
asked = {"metric": key, "by": by, "prompt_set": prompt_set}
asked["only_series"] = controls.some_series(data.load("series", selection, **asked))
found = data.load("distribution", selection, **asked)
names = naming.short(found["series"])
summary = shape.without_steps(found)
with choices:
    log = controls.axis(shape.is_wide(summary))
metric = NUMBERS[key]
if summary.is_empty():
    scope.nothing_matches(selection, scope.NEEDS_PROMPTS)
measured = naming.with_short_names(shape.with_prompts(summary), names)
if measured.is_empty():
    scope.not_measured(summary, metric, selection)

bins = shape.with_bars(data.load("distribution_bins", selection, log=log, bins=40, **shape.span(found, log), **asked))
edges = naming.with_short_names(shape.in_units_of(bins, metric, ("bin_low", "bin_high")), names)
values = naming.with_short_names(shape.in_units_of(shape.steps_of(found), metric, ("value",)), names)
table = shape.in_units_of(measured, metric, titles.SPREAD)
series = shape.names(table, "shown_as")
st.markdown(prompt_words.spreads(table, metric))
sections.mixed(selection, prompt_set, by)
frame.stated_of_prompts()
alt = f"Histogram of {metric.title} over prompts, by {by}"
drawn = draw.of(prompt_charts.histogram, edges, metric, log, series)
chosen = pick.chart(drawn, edges, alt, "histogram", field="bar", noun="bars")
runs = scope.of_set(data.own(selection), prompt_set)
st.caption(f"{prompt_words.axis(log)} {prompt_words.cut(shape.cut_share(runs))}")
sections.prompts_of_bars(selection, bins, chosen, asked)

sections.percentiles(table, metric, log)
st.subheader("Share of the prompts at or below a value", anchor=False)
draw.show(draw.of(curves.ecdf, values, metric, log, series), alt=f"Cumulative share of the prompts by {metric.title}")
sections.where_the_joules_go(selection, asked, names)
st.caption(scope.provenance(runs, selection, prompt_set))
