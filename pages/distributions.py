"""How does one prompt differ from the next?"""

import streamlit as st

from prompt_joules.pages.ui import (
    controls,
    curves,
    data,
    draw,
    frame,
    naming,
    pick,
    prompt_charts,
    prompt_words,
    scope,
    sections,
    shape,
    titles,
)
from prompt_joules.warehouse.energy_shown import NUMBERS

selection = frame.begin("How does one prompt differ from the next?")
view = controls.view("form", sections.SPREADS)
of_joules = view == sections.OF_JOULES
selection, prompt_set = frame.one_setup(selection)
choices = st.container(horizontal=True, vertical_alignment="bottom")
with choices:
    key = "energy_j" if of_joules else controls.metric("Number", "metric", controls.of_prompts(frame.measure()))
    by = controls.group()
asked = {"metric": key, "by": by, "prompt_set": prompt_set}
asked["only_series"] = controls.some_series(data.load("series", selection, **asked))
found = data.load("distribution", selection, **asked)
names = naming.short(found["series"])
summary = shape.without_steps(found)
with choices:
    log = not of_joules and controls.axis(shape.is_wide(summary))
metric = NUMBERS[key]
if summary.is_empty():
    scope.nothing_matches(selection, scope.NEEDS_PROMPTS)
measured = naming.with_short_names(shape.with_prompts(summary), names)
if measured.is_empty():
    scope.not_measured(summary, metric, selection)

table = shape.in_units_of(measured, metric, titles.SPREAD)
series = shape.names(table, "shown_as")
st.markdown(prompt_words.spreads(table, metric))
sections.mixed(selection, prompt_set, by)
frame.stated_of_prompts()
runs = scope.of_set(data.own(selection), prompt_set)
if view == sections.OF_BARS:
    sections.histogram(selection, asked, found, names, log)
    st.caption(f"{prompt_words.axis(log)} {prompt_words.cut(shape.cut_share(runs))}")
elif view == sections.OF_PERCENTILES:
    alt = f"{metric.title}: middle half, median and 5 to 95 % of the prompts"
    draw.show(draw.of(prompt_charts.boxes, table, metric, log), alt=alt)
elif view == sections.OF_SHARES:
    values = naming.with_short_names(shape.in_units_of(shape.steps_of(found), metric, ("value",)), names)
    draw.show(draw.of(curves.ecdf, values, metric, log, series), alt=f"Cumulative share of the prompts by {metric.title}")
else:
    sections.where_the_joules_go(naming.with_short_names(shape.steps_of(found), names))
if not of_joules:
    columns = ("shown_as", "prompts", "unmeasured", *titles.SPREAD)
    alt = f"Percentiles of {metric.title}"
    pick.framed(table, columns, alt, f"percentiles-{metric.key}", "The percentiles as a table", metric=metric)
st.caption(scope.provenance(runs, selection, prompt_set))
