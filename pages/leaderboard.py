"""Which model answers for the least energy?"""

import streamlit as st

from pages.ui import frame, tables

selection = frame.begin("Which model answers for the least energy?")
frame.welcome()
selection = frame.first_view(selection)

rows = frame.load("leaderboard", selection)
if rows.is_empty():
    frame.nothing_matches(selection)

wanted = st.text_input(
    "Search",
    key="search",
    bind="query-params",
    placeholder="Model, GPU, task or engine, e.g. vicuna 7B",
    help="Rows that contain every word.",
)
found = tables.search(rows, wanted)
if found.is_empty():
    frame.nothing_matches(selection, f"No row contains “{frame.plain(wanted)}”.")

tables.show(found, tables.LEADERBOARD, alt="Configurations by energy per response, least energy first")
st.caption(frame.provenance(found, selection))
tables.downloads(found, "leaderboard")
