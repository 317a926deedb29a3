"""Does asking for a short answer save energy?"""

import streamlit as st

from prompt_joules.pages.ui import controls, data, frame, prompt_words, scope, sections

selection = frame.begin("Does asking for a short answer save energy?")
if data.load("leaderboard", selection).is_empty():
    scope.nothing_matches(selection)
view = controls.view("view", sections.CONTRASTS, sections.first_contrast(selection))
if view == sections.OF_ONE_SIZE:
    sections.why_models_of_one_size_differ(selection)
else:
    above_idle = frame.measure().above_idle
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind, a, b = controls.sides(data.options())
        cut = view == sections.OF_PAIRS and controls.cut_short()
    if view == sections.OF_PAIRS:
        sections.change_of_pairs(selection, above_idle, contrast=kind, a=a, b=b, finished=not cut)
    else:
        if above_idle:
            st.caption(prompt_words.GROSS_ONLY)
        sections.change_of_means(selection, contrast=kind, a=a, b=b)
st.caption(scope.provenance(data.load("leaderboard", selection), selection))
