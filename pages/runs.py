"""Can I trust these numbers?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import data, downloads, frame, pick, prompt_words, scope, sections, tables, titles, words
from prompt_joules.warehouse import commands

selection = frame.begin("Can I trust these numbers?")
selection = frame.narrowed(replace(selection.with_random_weights(), only_valid=False))
st.markdown("Every run of ours with its verdict. Runs and rows that failed a check stay here, marked; they are in no average.")
runs = data.load("runs", selection)
if runs.is_empty():
    st.info(scope.NEEDS_PROMPTS, icon=":material/info:")
else:
    st.markdown(words.verdicts(runs))
    listed = runs.head(tables.MOST_LISTED).with_columns(pl.col("gpu").alias("gpu_model"))
    chosen = pick.table(listed, titles.RUNS, "Runs with their verdict, newest first", "run")
    cut = prompt_words.first_of(runs.height, tables.MOST_LISTED, "runs")
    st.caption(f"Click at the left of a run for its machine, temperatures and errors. {cut} {scope.hidden_words(selection)} {scope.SCOPE}")
    downloads.offer(runs, "runs")
    sections.run_detail(selection, chosen)

st.subheader("What the remarks mean", anchor=False)
tables.show(data.load("reason_codes", selection), titles.REMARKS, alt="Remarks and their meaning")

st.subheader("Files loaded", anchor=False)
files = data.load("ingested_files", selection)
sections.first_of(files, titles.FILES, "Files in the warehouse, newest first", "files", "the table `ingested_files` has all")
rejects = data.load("rejects", selection)
if not rejects.is_empty():
    st.subheader("Rows refused", anchor=False)
    alt = "Rows that the ingest refused, with the reason"
    sections.first_of(rejects, titles.REJECTS, alt, "rows", f"`{commands.INGEST} rejects` lists all")
