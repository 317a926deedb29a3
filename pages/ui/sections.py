"""Parts of pages that are too long for a page: each loads rows, says them in words, draws and lists them."""

from dataclasses import replace

import polars as pl
import streamlit as st

from pages.ui import charts, controls, tables, words
from pages.ui.frame import load, options
from warehouse import stats
from warehouse.selection import Selection

MOST_TABLES = 6


def contrast(selection: Selection, kind: str, a: str, b: str, cut: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Published means and our own pairs of prompts on two sides; the filter of what differs keeps pairs in which one side passes it.

    Args:
        kind: what differs: task, model, engine or gpu.
        a, b: the sides; empty for every task and its concise twin.
        cut: whether pairs with an answer that was cut short count.
    """
    wanted = {"task": selection.tasks, "model": selection.models, "engine": selection.engines, "gpu": selection.gpus}[kind]
    free = replace(
        selection,
        models=() if kind == "model" else selection.models,
        gpus=() if kind == "gpu" else selection.gpus,
        tasks=() if kind == "task" else selection.tasks,
        engines=() if kind == "engine" else selection.engines,
    )
    published = load("contrast_published", free, contrast=kind, a=a, b=b)
    prompts = load("contrast_prompts", free, contrast=kind, a=a, b=b, finished=not cut)
    labels = options().filter(pl.col("kind") == kind, pl.col("value").is_in(list(wanted)))["label"].to_list()
    one_side = pl.col("a").is_in(labels) | pl.col("b").is_in(labels) if wanted else pl.lit(True)
    return published.filter(one_side), prompts.filter(one_side)


def change_of_means(published: pl.DataFrame, kind: str) -> None:
    """Published averages on two sides: the change over all models, energy of each, and the split into two effects."""
    if published.is_empty():
        return
    st.markdown(words.changes(stats.change_of_means(published).head(MOST_TABLES), kind))
    sets = tables.in_sets(published, ("source", "gpu_model", "task", "a", "b"))
    rows = sets.filter(pl.col("set") == controls.one_of("Table", "table", tables.names(sets, "set")))
    name = "model_name" if kind != "model" else "engine"
    st.subheader("Energy of a response", anchor=False)
    st.altair_chart(charts.dumbbells(rows, name), alt="Mean energy of a response on both sides, one line per model, largest saving on top")
    st.subheader("Shorter answers, or cheaper tokens?", anchor=False)
    st.markdown(words.SPLIT)
    st.altair_chart(charts.split(rows, name), alt="Change in energy as effects of length and of J/token, one bar per model")
    with st.expander("The rows behind the charts"):
        tables.show(rows, tables.MEANS, alt="Energy, length and J/token on both sides, per model")
        tables.downloads(rows, "concise-or-verbose")


def why_models_of_one_size_differ(selection: Selection) -> None:
    """J/token against response length for the models of one size, GPU and task."""
    rows = tables.in_sizes(load("leaderboard", selection.one_prompt_at_a_time()))
    if rows.is_empty():
        return
    st.subheader("Models of one size: why does one use five times the energy of another?", anchor=False)
    sets = tables.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = sets.filter(pl.col("set") == controls.one_of("Results", "iso", tables.names(sets, "set")))
        size = controls.one_of("Size", "size", tables.names(tables.in_sizes(group), "size"), 230)
    models = group.filter(pl.col("size") == size)
    st.markdown(words.same_size(stats.spread(models), size))
    st.altair_chart(
        charts.iso(models, stats.iso_energy(models)), alt=f"J/token against response length, models of {size}, with lines of equal energy"
    )
    st.caption(words.ISO)


def comparable(selection: Selection, chosen: pl.DataFrame) -> None:
    """Whether the chosen results may be compared: the keys on which they differ."""
    setups = chosen.select("result_id").join(load("setups", selection), on="result_id", maintain_order="left")
    keys = stats.differing(setups)
    if keys.is_empty():
        st.success(
            "Comparable: task, GPU, engine, batch size, harness, sampling, prompts and power limit are alike.", icon=":material/check:"
        )
        return
    st.warning(
        f"Not alike in {words.listed(keys)}. The ratio holds for these setups; it is not only about the model.", icon=":material/rule:"
    )
    with st.expander("Where they differ"):
        tables.show(keys, keys.columns, alt="Keys on which the results differ")


def plan(rows: pl.DataFrame) -> None:
    """The year in three numbers."""
    year = rows.filter(pl.col("period") == "year").row(0, named=True)
    with st.container(horizontal=True):
        st.metric("Energy a year (kWh)", words.amount(year["kwh"]), border=True)
        st.metric("Money a year", words.amount(year["money"]), border=True)
        st.metric("CO₂e a year (kg)", words.amount(year["co2_kg"]), border=True)
