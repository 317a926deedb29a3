"""What a page covers, in words: the rows shown, those left out and why, and the ways out where nothing is left."""

import shlex

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import data, site
from prompt_joules.pages.ui.pure import words
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import commands, connect, errors
from prompt_joules.warehouse.selection import Selection


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
        f"{words.count(rows['model_id'].n_unique(), 'model')} in {words.count(rows.height, 'configuration')}",
        " and ".join(kinds),
        f"filters: {plain(selection.words())}",
        f"GPU: {plain(words.several(rows['gpu_model']))}",
        f"batch size: {words.several(rows['batch_size'])}",
        *([f"prompts of {plain(prompt_set)}"] if prompt_set else []),
    ]
    return f"{'; '.join(shown)}. {hidden_words(selection)} {words.SCOPE}"


def missing(rows: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """How many configurations are not in a chart because a number is missing."""
    left_out = rows.height - drawn.height
    return f"{words.count(left_out, 'configuration')} without both numbers left out." if left_out else ""


def hidden_words(selection: Selection) -> str:
    """How many of our prompts the page leaves out, and why."""
    hidden = data.load("hidden", selection)
    if hidden.is_empty():
        return "No prompt is hidden."
    reasons = "; ".join(f"{count:,} {plain(reason)}" for reason, count in hidden.select("reason", "count").iter_rows())
    return f"Hidden: {words.count(int(hidden['count'].sum()), 'prompt')} ({reasons})."


def no_warehouse(error: errors.WarehouseError) -> None:
    """In place of the page: what is wrong with the warehouse and the command that makes one."""
    titles = {errors.NoWarehouse: "No results yet", errors.OldWarehouse: "The results are from another version"}
    st.title(titles.get(type(error), "The results cannot be read"), anchor=False)
    st.error(plain(str(error).split(" Make one:")[0].split(" Rebuild it")[0]), icon=":material/database_off:")
    if isinstance(error, errors.UnreachableWarehouse):
        return
    command = f"{commands.INGEST} {commands.SHIPPED_NAME}"
    rebuild = "" if isinstance(error, errors.NoWarehouse) else " --rebuild"
    st.markdown("Load the results that come with the project, then reload this page:")
    st.code(f"{command} --warehouse {shlex.quote(connect.default_warehouse())}{rebuild}", language="bash")
    st.markdown(f"To add measurements of your own, name their folder too: `{command} results`.")
