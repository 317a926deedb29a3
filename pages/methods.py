"""How was it measured?"""

import streamlit as st

from prompt_joules.pages.ui import data, frame, tables
from prompt_joules.pages.ui.of import methods as room
from prompt_joules.pages.ui.pure.words import plain

view = frame.begin("How was it measured?")
st.markdown(room.SETUP)
st.caption("The filters of the sidebar do not act on this page.")

st.subheader("Tasks", anchor=False)
st.markdown("A task is a system prompt. Each concise task has a wordy twin that differs in its last sentence only.")
for task, prompt in data.load("tasks", view.selection).select("task", "system_prompt").iter_rows():
    st.markdown(f"**{plain(task)}**")
    tables.verbatim(prompt)

st.subheader("Numbers", anchor=False)
st.markdown(room.definitions())

st.subheader("What these numbers do not say", anchor=False)
st.markdown(room.LIMITS)
st.subheader("Licences", anchor=False)
st.markdown(room.LICENCES)
st.subheader("Citation", anchor=False)
st.markdown(room.citation())
