"""How was it measured?"""

import streamlit as st

from prompt_joules.pages.ui import data, frame, site, tables
from prompt_joules.pages.ui.of import methods as room
from prompt_joules.pages.ui.pure.words import plain


def head(anchor: str) -> None:
    """The heading of a section, with the address that links lead to."""
    st.header(room.SECTIONS[anchor], anchor=anchor)


view = frame.begin("How was it measured?")
st.html(site.links([(f"#{anchor}", title) for anchor, title in room.SECTIONS.items()]))
st.caption("The filters of the sidebar do not act on this page.")
head("setup")
st.markdown(room.text("setup"))

head("questions")
for question, answer in room.QUESTIONS.items():
    with st.expander(question):
        st.markdown(answer)

head("tasks")
st.markdown("A task of ours is a system prompt. Each concise task has a wordy twin that differs in its last sentence only.")
for task, prompt in data.load("tasks", view.selection).select("task", "system_prompt").iter_rows():
    st.markdown(f"**{plain(task)}**")
    tables.verbatim(prompt)
st.markdown(room.text("tasks"))

head("numbers")
st.caption("Click on the head of a column to sort; the magnifier above the table searches.")
alt = "Every number with its meaning, which way is better, formula, column and source"
tables.show(room.numbers(), room.numbers().columns, alt=alt, lines=3)

head("limits")
st.markdown(room.text("limits"))
head("licences")
st.markdown(room.text("licences"))
head("citation")
st.markdown(room.text("citation"))
