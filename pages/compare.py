"""Is A really better than B?"""

import streamlit as st

from pages.ui import charts, controls, frame, sections, tables, words
from warehouse import stats

selection = frame.begin("Is A really better than B?")
rows = tables.labelled(frame.load("leaderboard", selection))
if rows.height < 2:
    frame.nothing_matches(selection, "A comparison needs two results with energy.")

chosen = controls.some_of(rows, most=4)
unit = controls.denominator()
if chosen.height < 2:
    st.info("Choose at least two results.", icon=":material/info:")
    st.stop()

blocks = frame.load("blocks", selection, results="\n".join(chosen["result_id"]))
found = chosen.select("result_id", "label").join(stats.compared(chosen, blocks, unit), on="result_id", maintain_order="left")
st.markdown(words.compared(found, unit))
sections.comparable(selection, chosen)
st.altair_chart(charts.intervals(found, unit), alt=f"Energy per {unit} of each result with its 95 % interval")
tables.show(found, tables.COMPARED, alt=f"Energy per {unit}, ratio to the first result and rank, with intervals")
tables.downloads(found, "compare")
st.caption(f"{words.BOOTSTRAP} {frame.provenance(chosen, selection)}")
