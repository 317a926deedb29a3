"""What a page covers, in words: the rows shown, those left out and why, and the ways out where nothing is left."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import data, filters, site
from prompt_joules.pages.ui.pure import models, words
from prompt_joules.pages.ui.pure.narrowings import Way, Within
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import commands, connect, errors
from prompt_joules.warehouse.selection import DEFAULT_WEIGHTS, VALID_WORDS, WEIGHTS_WORDS, parts_of

USUAL = (WEIGHTS_WORDS[DEFAULT_WEIGHTS], VALID_WORDS[True])


def end_without_rows(
    view: View, hint: str = "", count: Callable[[View], int] = lambda view: data.results(view).height, *, of_energy: bool = False
) -> NoReturn:
    """Say which filters leave nothing, offer to end each that is in the way alone, and end the page.

    Args:
        hint: what the page needs, in words.
        count: how many rows the page would have with another view.
        of_energy: whether the page shows energy alone: then rows that are there and have none are said to have none, and why.
    """
    unknown = without_energy(view) if of_energy else ""
    start, why = ("No energy", unknown) if unknown else ("Nothing matches", hint)
    st.warning(f"{start}: {plain(_on_screen(view.asked()))}. {why}", icon=":material/filter_alt_off:")
    ways = [(words_, way, found) for words_, other, way in ways_out(view) if (found := count(other))]
    with st.container(horizontal=True):
        for words_, way, found in ways:
            label = f"Without {plain(words_.removeprefix('with '))}: {words.count(found, 'result')}"
            st.button(label, key=f"without-{way[0][0]}", on_click=st.session_state.update, args=(way,))
    st.html(site.links([("?", "Show this page without filters"), ("leaderboard", "Go to the Leaderboard")]))
    st.stop()


def without_energy(view: View) -> str:
    """Why the rows of the filters have no energy, where there are some and none has one; else empty."""
    rows = data.load("leaderboard", view.selection)
    if rows.is_empty() or any(rows[name].null_count() < rows.height for name in ("energy_j", "energy_per_token_j", "estimated_energy_j")):
        return ""
    why = "; ".join(rows["energy_reason"].drop_nulls().unique().sort()) or "no reason is given"
    have = f"{words.count(rows.height, 'result')} of these filters {'has' if rows.height == 1 else 'have'} none"
    return plain(f"{have}: {why}. Lengths and times are on the Leaderboard and on Distributions.")


def ways_out(view: View) -> list[tuple[str, View, Way]]:
    """Each filter of the link and each narrowing that can be ended: in words, the view without it, and how to end it."""
    found: list[tuple[str, View, Way]] = []
    for key, without in view.selection.without_each().items():
        if key in st.query_params:
            words_ = _named(view).selection.words_of(key)
            found.append((words_, view.over(without), ((key, filters.DEFAULTS.get(key, [])),)))
    for narrowing in view.narrowings:
        if narrowing.without:
            others = tuple(other for other in view.narrowings if other is not narrowing)
            found.append((narrowing.words(), replace(view, narrowings=others), narrowing.without))
    return found


def _named(view: View) -> View:
    """The view with names of models, as their filter has them, in place of ids: for people to read alone; weights are said beside."""
    if not view.selection.models:
        return view
    names, random = models.names(data.options()), f" · {models.RANDOM}"
    return view.over(replace(view.selection, models=tuple(names.get(model, model).removesuffix(random) for model in view.selection.models)))


def _on_screen(view: View) -> str:
    return _named(view).on_screen()


def say_footer(drawn: pl.DataFrame, view: View, noun: str = "configuration", more: str = "") -> None:
    """The last line of a page: what is drawn, what is not, and what the numbers cover; what is usual is not said, and the sign at its end
    tells the rest.

    Args:
        drawn: the rows that the page shows, with what they have of `model_name`, `origin`, `source`, `gpu_model` and `batch_size`.
        noun: what a row is.
        more: what comes first.
    """
    ours = drawn.is_empty() or any((drawn[name] == value).any() for name, value in words.OURS.items() if name in drawn.columns)
    # Which of the runs with failed prompts are of the sizes that a page narrows to is not known: nothing is said of them there.
    in_range = any(isinstance(narrowing, Within) for narrowing in view.narrowings)
    hidden = data.load("hidden", view.selection) if ours and not in_range else pl.DataFrame()
    chosen = ", ".join(part for part in parts_of(_on_screen(view.asked())) if part not in USUAL) or "all"
    shown = f"{words.drawn(drawn, noun)}; shown: {plain(chosen)}."
    why = "failed" if hidden.height == 1 and hidden["reason"][0] == "failed" else "left out"
    left_out = f"{words.count(int(hidden['count'].sum()), 'prompt')} {why}." if hidden.height else ""
    asides = [narrowing.words() for narrowing in view.narrowings if narrowing not in view.asked().narrowings]
    about = [words.places(drawn), f"Rows: {plain(', '.join(asides))}." if asides else "", _reasons(hidden), words.SCOPE]
    line = " ".join(part for part in (more, shown, left_out, "GPU energy only.") if part)
    st.caption(line, help=" ".join(part for part in about if part))
    whole = _on_screen(view)
    st.html(site.copies(words.source_line(whole, drawn), words.citation(whole, drawn)))


def missing(rows: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """How many configurations are not in a chart because a number is missing."""
    left_out = rows.height - drawn.height
    return f"{words.count(left_out, 'configuration')} without both numbers left out." if left_out else ""


def _reasons(hidden: pl.DataFrame) -> str:
    """How many prompts are hidden, and why.

    Args:
        hidden: rows of the query `hidden`, or none.
    """
    if hidden.is_empty():
        return ""
    reasons = "; ".join(f"{count:,} {plain(reason)}" for reason, count in hidden.select("reason", "count").iter_rows())
    return f"Left out: {words.count(int(hidden['count'].sum()), 'prompt')} ({reasons})."


def show_no_warehouse(error: errors.WarehouseError) -> None:
    """In place of the page: what is wrong with the warehouse and the command that makes one."""
    path = connect.default_warehouse()
    misnamed = isinstance(error, errors.NoWarehouse) and connect.is_named() and not connect.place_of(path).shared
    none = "There is no file of that name" if misnamed else "No results yet"
    titles = {errors.NoWarehouse: none, errors.OldWarehouse: "The results are from another version"}
    st.title(titles.get(type(error), "The results cannot be read"), anchor=False)
    st.error(plain(str(error).split(" Make one:")[0].split(" Rebuild it")[0]), icon=":material/database_off:")
    if not isinstance(error, errors.NoWarehouse | errors.OldWarehouse | errors.BrokenWarehouse):
        return  # a new one would be no remedy
    command = f"{commands.INGEST} {commands.SHIPPED_NAME}"
    rebuild = "" if isinstance(error, errors.NoWarehouse) else " --rebuild"
    if misnamed:
        st.markdown(f"If another file was meant, set `{connect.VARIABLE}` (or `--warehouse`) to it and start the server again.")
    st.markdown(f"{'If not, load' if misnamed else 'Load'} the results that come with the project, then reload this page:")
    st.code(f"{command} --warehouse {shlex.quote(path)}{rebuild}", language="bash")
    st.markdown(f"To add measurements of your own, name their folder too: `{command} results`.")
