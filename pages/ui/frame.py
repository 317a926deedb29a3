"""The frame around every page: shared filters, how energy is stated, and the view that a page starts with."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import streamlit as st
from altair.utils import schemapi
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page

from prompt_joules.pages.ui import data, filters, scope, site
from prompt_joules.pages.ui.pure import words
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import energy_shown as measures
from prompt_joules.warehouse import errors
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.selection import Selection

# Streamlit writes white on the primary colour, which in the dark theme is too pale for it.
TAGS_STYLE = "<style>[data-tag] { color: light-dark(#FFFFFF, #10171D) !important; }</style>"

# What adds SVG to the toolbar of a chart: Streamlit has PNG only.
SAVE_SVG = f"<script>{(Path(__file__).parent / 'save_svg.js').read_text()}</script>"
CHAT = ("chat", "lm-arena-chat")
# Altair checks a chart as a whole before it is drawn. Checking each of its parts as well takes longer than the rest of a page.
schemapi.disable_debug_mode()


def run(page: Page) -> None:
    """Draw the filters and run the page; without a readable warehouse, say what to run instead."""
    st.html(TAGS_STYLE)
    try:
        selection, notes = filters.sidebar(data.options())
        st.session_state["measure"] = filters.energy(*site.SWITCHES.get(page.url_path, ()))
        st.sidebar.html(SAVE_SVG, unsafe_allow_javascript=True)
    except errors.WarehouseError as error:
        scope.no_warehouse(error)
        return
    st.session_state["selection"] = selection
    st.session_state["notes"] = notes
    st.session_state["in_frame"] = True
    try:
        page.run()
    except errors.WarehouseError as error:
        scope.no_warehouse(error)


def begin(title: str) -> Selection:
    """First call of every page: its question as the title, and the filters in force.

    On a fresh server Streamlit runs a deep-linked page file alone, without `streamlit_app.py`. The flag tells: it is
    set just before the page runs and taken away here; a page without it registers the navigation and starts again.
    """
    if not st.session_state.pop("in_frame", False):
        site.navigation("hidden")
        st.rerun()
    st.title(title, anchor=False)
    for note in st.session_state.get("notes", []):
        st.info(plain(note), icon=":material/link_off:")
    selection: Selection = st.session_state["selection"]
    return narrowed(selection)


def measure(per: str | None = None) -> Measure:
    """How energy is stated: the switches of the sidebar.

    Args:
        per: what the page divides by where the switch stands at the response.
    """
    chosen: Measure = st.session_state["measure"]
    return replace(chosen, per=per) if per and chosen.per == measures.DEFAULT.per else chosen


def results(selection: Selection, chosen: Measure | None = None) -> pl.DataFrame:
    """The configurations with the energy that the switches ask for, least first; those that lack it stay, last."""
    chosen = chosen or measure()
    rows = data.load("leaderboard", selection)
    if not chosen.is_kept:
        rows = measures.joined(rows, data.load("energies", selection, **chosen.parameters()), chosen)
    return rows if chosen == measures.DEFAULT else rows.sort(chosen.key, nulls_last=True, maintain_order=True)


def stated(rows: pl.DataFrame, chosen: Measure | None = None) -> None:
    """Say which energy is shown when it is not the usual one, and why results lack it; refuse where none has it."""
    chosen = chosen or measure()
    if measure() == measures.DEFAULT or rows.is_empty():
        return
    sentence = words.stated(chosen, rows)
    if rows[chosen.key].null_count() == rows.height:
        st.warning(sentence, icon=":material/block:")
    else:
        st.caption(sentence)


def stated_of_prompts() -> None:
    """Say which energy of a prompt comes first, when it is not the usual one."""
    chosen = measure()
    if chosen != measures.DEFAULT:
        st.caption(words.stated_of_prompts(chosen))


def narrowed(selection: Selection) -> Selection:
    """The filters with what the page adds of its own: downloads name them."""
    st.session_state["shown"] = selection
    return selection


def first_view(selection: Selection, where: DeltaGenerator | None = None) -> Selection:
    """One prompt at a time, of the task chat if none is chosen, unless the visitor asks for everything or filters by batch size.

    A GPU that answers many prompts at once, or completes code, uses far less for each: such rows beside single chat answers mislead.

    Args:
        where: the container of the switch, where other things stand beside it.
    """
    narrow = selection.one_prompt_at_a_time()
    everything = data.load("leaderboard", selection)
    shown = data.load("leaderboard", narrow)
    if narrow == selection or shown.is_empty():
        return selection
    with where or st.container():
        all_of_it = show_everything()
    others = everything.height - shown.height
    if others:
        st.caption(words.first_view(narrow.tasks, others, all_of_it))
    return narrowed(selection if all_of_it else narrow)


def show_everything() -> bool:
    """Whether to show all tasks and batch sizes, or one prompt at a time."""
    choices = ("One prompt at a time", "Everything")
    chosen = st.segmented_control("What to show", choices, default=choices[0], required=True, key="show", bind="query-params")
    return chosen == choices[1]
