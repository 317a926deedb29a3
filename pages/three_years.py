"""How far has the energy of a token come?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from pages.ui import charts, controls, frame, tables, words
from warehouse import stats
from warehouse.metrics import METRICS

selection = frame.begin("How far has the energy of a token come?")
selection = replace(selection, tasks=selection.tasks or tables.CHAT)
rows = tables.with_edition(frame.load("leaderboard", selection)).filter(pl.col("energy_per_token_j") > 0)
if rows.is_empty():
    frame.nothing_matches(selection)
rows = controls.of_size(rows)
st.markdown(words.OVER_TIME)
st.altair_chart(charts.over_time(rows), alt="J per token of every result, by edition of the benchmark, one column of points per GPU")

metric = METRICS["energy_per_token_j"]
groups = ["edition", "gpu_model", "engine"]
summary = stats.levels(rows, metric.key, groups).join(tables.batches(rows), on=groups).sort(groups)
st.subheader(f"{metric.title} by edition, GPU and engine", anchor=False)
tables.show(summary, tables.OVER_TIME, "Smallest, median and largest J per token by edition, GPU and engine", metric)
tables.downloads(summary, "three-years")
st.caption(frame.provenance(rows, selection))
