"""Does asking for a short answer save energy?"""

import polars as pl
import streamlit as st

from pages.ui import controls, data, downloads, draw, frame, naming, prompt_charts, prompt_words, scope, sections, tables, titles, words
from warehouse import stats

selection = frame.begin("Does asking for a short answer save energy?")
sizes_first = controls.sizes_first()
if sizes_first:
    sections.why_models_of_one_size_differ(selection)
with st.container(horizontal=True, vertical_alignment="bottom"):
    kind, a, b = controls.sides(data.options())
    cut = controls.cut_short()
above_idle = frame.measure().above_idle
published, pairs = sections.contrast(selection, kind, a, b, cut, above_idle)
if above_idle:
    st.caption(prompt_words.GROSS_ONLY)
if published.is_empty() and pairs.is_empty():
    scope.nothing_matches(selection, "No result has both sides with all else alike.")

sections.change_of_means(published, kind)

st.subheader("The same prompts, one by one", anchor=False)
if pairs.is_empty():
    st.info(scope.NO_PAIRS, icon=":material/info:")
else:
    changes = naming.pair_labels(stats.paired(pairs))
    st.markdown(prompt_words.pairs(changes, above_idle))
    st.caption(words.alike(naming.alike(changes["label"])))
    if changes.filter(pl.col("batch_size") > 1).height:
        st.caption(prompt_words.DIVIDED)
    draw.show(draw.of(prompt_charts.paired, changes), alt="Median change in energy of the same prompts from A to B with its interval")
    tables.show(changes, titles.PAIRS, alt="Change in energy of the same prompts from A to B, per model")
    downloads.offer(changes, "pairs")

if not sizes_first:
    sections.why_models_of_one_size_differ(selection)
st.caption(scope.provenance(data.load("leaderboard", selection), selection))
