"""Which model answers for the least energy?"""

import streamlit as st

from prompt_joules.pages.ui import controls, downloads, frame, pick, scope, sections, shape, site, words
from prompt_joules.warehouse.selection import Selection

selection = frame.begin("Which model answers for the least energy?")
site.welcome()
top = st.container(horizontal=True, vertical_alignment="bottom")
selection = frame.first_view(selection, top)
energy = frame.measure().key

rows = frame.results(selection)
if rows.is_empty():
    scope.nothing_matches(selection)

with top:
    wanted = controls.search("Search", "Model, GPU, task or engine, e.g. vicuna 7B", "Rows that contain every word.")
with st.expander("Columns and formula", expanded="formula" in st.query_params):
    own = controls.formula(rows.columns)
    columns = controls.columns(rows)
found = shape.search(shape.with_formula(rows, own), wanted)
found = shape.in_ranges(found, controls.ranges(frame.results(Selection()), energy))
if found.is_empty():
    scope.nothing_matches(selection, f"No row contains “{words.plain(wanted)}” within the ranges.")

found = sections.marked(found, energy)
frame.stated(found)
st.markdown(words.least(found, energy))
chosen = pick.table(found, shape.leaderboard(found, energy, columns), "Configurations by energy, least first", key="rows")
st.caption(f"Click at the left of a row for its detail. {scope.provenance(found, selection)}")
downloads.offer(found, "leaderboard")
sections.result_detail(chosen)
