"""What a page covers, in words: the rows shown, those left out and why, and the ways out where nothing is left."""

import shlex

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import site
from prompt_joules.pages.ui.data import load, own
from prompt_joules.pages.ui.words import plain
from prompt_joules.warehouse import commands, store
from prompt_joules.warehouse.metrics import Metric
from prompt_joules.warehouse.selection import Selection

SCOPE = "Energy is that of the GPU only, as read by software from the GPU's own counter; CPU, memory and cooling are not in it."
NO_PAIRS = (
    "No run of ours has both sides with all else alike: the same prompts, model, GPU, engine and sampling. Answers that were cut short are "
    "left out unless the switch above counts them."
)
NO_MEANS = "No published average has both sides with all else alike. Our own runs, prompt by prompt, are under “The same prompts”."
NO_TWO_OF_ONE_SIZE = (
    "These filters leave no two models of one size that were measured alike: the same source, GPU, task, engine, batch size and prompts."
)
NEEDS_PROMPTS = (
    "Only our own runs keep single prompts; published tables have averages. "
    "Measure some with “make demo”, or see the Leaderboard for the averages."
)


def nothing_matches(selection: Selection, hint: str = "") -> None:
    """Say which filters leave nothing, offer the way back, and end the page."""
    st.warning(f"Nothing matches: {plain(selection.words())}. {hint}", icon=":material/filter_alt_off:")
    st.html(site.links([("?", "Show this page without filters"), ("./", "Go to the Leaderboard")]))
    st.stop()


def provenance(rows: pl.DataFrame, selection: Selection, prompt_set: str = "") -> str:
    """What is shown, what is not, and what the numbers cover, in words.

    Args:
        rows: rows of `results`.
        prompt_set: to what the page narrowed its rows, besides the filters.
    """
    kinds = [
        f"{count:,} {word}{'' if count == 1 else 's'}"
        for origin, word in (("published", "published average"), ("measured", "measured average"))
        if (count := rows.filter(pl.col("origin") == origin).height)
    ]
    shown = [
        f"{_count(rows['model_id'].n_unique(), 'model')} in {_count(rows.height, 'configuration')}",
        " and ".join(kinds),
        f"filters: {plain(selection.words())}",
        f"GPU: {plain(_listed(rows['gpu_model']))}",
        f"batch size: {_listed(rows['batch_size'])}",
        *([f"prompts of {plain(prompt_set)}"] if prompt_set else []),
    ]
    return f"{'; '.join(shown)}. {hidden_words(selection)} {SCOPE}"


def of_set(rows: pl.DataFrame, prompt_set: str) -> pl.DataFrame:
    """Rows of `results` that are of one prompt set; all where none is named."""
    return rows.filter(pl.col("prompt_set") == prompt_set) if prompt_set else rows


def missing(rows: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """How many configurations are not in a chart because a number is missing."""
    left_out = rows.height - drawn.height
    return f"{_count(left_out, 'configuration')} without both numbers left out." if left_out else ""


def not_measured(summary: pl.DataFrame, metric: Metric, selection: Selection) -> None:
    """End the page: no prompt of the selection has this number. Say how many lack it, and why if it needs energy."""
    reasons = own(selection)["energy_reason"].drop_nulls().unique().sort()
    why = f" Reason: {'; '.join(reasons)}." if metric.key.startswith(("energy", "power")) and len(reasons) else ""
    count = _count(int(summary["unmeasured"].sum()), "prompt")
    st.info(plain(f"{metric.label}: not measured in {count} of this selection.{why}"), icon=":material/help:")
    st.markdown("Response length, latency and throughput are known without an energy counter: choose one of them above.")
    st.caption(provenance(own(selection), selection))
    st.stop()


def hidden_words(selection: Selection) -> str:
    """How many of our prompts the page leaves out, and why."""
    hidden = load("hidden", selection)
    if hidden.is_empty():
        return "No prompt is hidden."
    reasons = "; ".join(f"{count:,} {plain(reason)}" for reason, count in hidden.select("reason", "count").iter_rows())
    return f"Hidden: {_count(int(hidden['count'].sum()), 'prompt')} ({reasons})."


def no_warehouse(error: store.WarehouseError) -> None:
    """In place of the page: what is wrong with the warehouse and the command that makes one."""
    titles = {store.NoWarehouse: "No results yet", store.OldWarehouse: "The results are from another version"}
    st.title(titles.get(type(error), "The results cannot be read"), anchor=False)
    st.error(plain(str(error).split(" Make one:")[0].split(" Rebuild it")[0]), icon=":material/database_off:")
    if isinstance(error, store.UnreachableWarehouse):
        return
    command = f"{commands.INGEST} {commands.SHIPPED_NAME}"
    rebuild = "" if isinstance(error, store.NoWarehouse) else " --rebuild"
    st.markdown("Load the results that come with the project, then reload this page:")
    st.code(f"{command} --warehouse {shlex.quote(store.default_warehouse())}{rebuild}", language="bash")
    st.markdown(f"To add measurements of your own, name their folder too: `{command} results`.")


def _listed(values: pl.Series, most: int = 6) -> str:
    """Distinct values as a list in words, the first few of many."""
    names = [str(value) for value in values.drop_nulls().unique().sort()]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "not known"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
