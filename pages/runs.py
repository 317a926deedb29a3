"""Can I trust these numbers?"""

import streamlit as st

from pages.ui import downloads, frame, tables, titles

selection = frame.begin("Can I trust these numbers?")
st.markdown("Every run of ours with its verdict. Rows that failed a check stay here, marked; they are in no average.")
runs = frame.load("runs", selection)
if runs.is_empty():
    st.info(frame.NEEDS_PROMPTS, icon=":material/info:")
else:
    tables.show(runs, titles.RUNS, alt="Runs with their verdict, newest first")
    st.caption(f"{frame.hidden_words(selection)} {frame.SCOPE}")
    downloads.offer(runs, "runs")

st.subheader("What the remarks mean", anchor=False)
tables.show(frame.load("reason_codes", selection), titles.REMARKS, alt="Remarks and their meaning")

st.subheader("Files loaded", anchor=False)
tables.show(frame.load("ingested_files", selection), titles.FILES, alt="Files in the warehouse, newest first")
rejects = frame.load("rejects", selection)
if not rejects.is_empty():
    st.subheader("Rows refused", anchor=False)
    tables.show(rejects, titles.REJECTS, alt="Rows that the ingest refused, with the reason")
