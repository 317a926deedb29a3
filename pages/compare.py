"""Is A really better than B?"""

import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, naming, prompt_charts, scope, sections, tables, titles, words
from prompt_joules.warehouse import comparison

selection = frame.begin("Is A really better than B?")
measure = frame.measure()
results = frame.results(selection)
frame.stated(results)
rows = naming.labelled(results, measure.key)
if rows.height < 2:
    scope.nothing_matches(selection, "A comparison needs two results with energy.")

chosen = controls.some_of(rows, most=4)
metric = measure.metric()
if chosen.height < 2:
    st.info("Choose at least two results.", icon=":material/info:")
    st.stop()

blocks = data.load("blocks", selection, results="\n".join(chosen["result_id"]), above_idle=measure.above_idle)
found = naming.in_short(
    chosen.select("result_id", "label").join(comparison.compared(chosen, blocks, measure), on="result_id", maintain_order="left")
)
st.markdown(words.compared(found, measure))
st.caption(words.alike(naming.alike(found["label"])))
sections.comparable(selection, chosen)
draw.show(draw.of(prompt_charts.intervals, found, metric.title), alt=f"{metric.title} of each result with its 95 % interval")
tables.show(found, titles.COMPARED, f"{metric.title}, ratio to the first result and rank, with intervals", metric)
downloads.offer(found, "compare")
st.caption(f"{words.BOOTSTRAP} {scope.provenance(chosen, selection)}")
