"""Which model answers for the least energy?"""

import streamlit as st

from pages.ui import controls, frame, tables, words

selection = frame.begin("Which model answers for the least energy?")
frame.welcome()
selection = frame.first_view(selection)

rows = frame.load("leaderboard", selection)
if rows.is_empty():
    frame.nothing_matches(selection)

wanted = controls.search("Search", "Model, GPU, task or engine, e.g. vicuna 7B", "Rows that contain every word.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    energy = controls.statistic()
    own = controls.formula(rows.columns)
found = tables.by_energy(tables.search(rows, wanted), energy, own)
if found.is_empty():
    frame.nothing_matches(selection, f"No row contains “{frame.plain(wanted)}”.")

tables.show(found, tables.leaderboard(energy, own), alt="Configurations by energy per response, least energy first")
st.caption(f"{words.statistic(energy, found)} {frame.provenance(found, selection)}")
tables.downloads(found, "leaderboard")
