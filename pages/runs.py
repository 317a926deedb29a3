"""Can I trust these numbers?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from pages.ui import data, downloads, frame, pick, scope, sections, tables, titles, words

selection = frame.begin("Can I trust these numbers?")
selection = frame.narrowed(replace(selection.with_random_weights(), only_valid=False))
st.markdown("Every run of ours with its verdict. Runs and rows that failed a check stay here, marked; they are in no average.")
runs = data.load("runs", selection)
if runs.is_empty():
    st.info(scope.NEEDS_PROMPTS, icon=":material/info:")
else:
    st.markdown(words.verdicts(runs))
    chosen = pick.table(runs.with_columns(pl.col("gpu").alias("gpu_model")), titles.RUNS, "Runs with their verdict, newest first", "run")
    st.caption(f"Click at the left of a run for its machine, temperatures and errors. {scope.hidden_words(selection)} {scope.SCOPE}")
    downloads.offer(runs, "runs")
    sections.run_detail(selection, chosen)

st.subheader("What the remarks mean", anchor=False)
tables.show(data.load("reason_codes", selection), titles.REMARKS, alt="Remarks and their meaning")

st.subheader("Files loaded", anchor=False)
tables.show(data.load("ingested_files", selection), titles.FILES, alt="Files in the warehouse, newest first")
rejects = data.load("rejects", selection)
if not rejects.is_empty():
    st.subheader("Rows refused", anchor=False)
    tables.show(rejects, titles.REJECTS, alt="Rows that the ingest refused, with the reason")
