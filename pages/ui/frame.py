"""The frame around every page: shared filters, how energy is stated, and the view that a page starts with."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import streamlit as st
from altair.utils import schemapi
from streamlit.navigation.page import Page

from prompt_joules.pages.ui import data, filters, glance, scope, sign_in, site, watched
from prompt_joules.pages.ui.pure import shape, words
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import connect, energy_shown, errors
from prompt_joules.warehouse.energy_shown import DEFAULT, TOKENS, UNITS, Measure
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import editions

# Streamlit writes white on the primary colour; in the dark theme that colour is too pale for white words.
# The words of its charts are paler than what can be read by everybody (4.5:1), and a page on paper needs no sidebar.
TAGS_STYLE = """<style>
[data-tag], button[kind^="primary"] { color: light-dark(#FFFFFF, #10171D) !important; }
[class*="st-key-unseen"] { display: none !important; }
svg.marks :is(.role-axis-label, .role-axis-title, .role-legend-label, .role-legend-title) text { fill: light-dark(#4F5761, #B9C1CA); }
@media (max-width: 640px) {
  [data-testid="stButtonGroup"] :has(> button) { flex-wrap: wrap !important; overflow: visible !important; }
  [data-testid="stExpandSidebarButton"] { width: auto !important; padding: 0 0.5rem; border: 1px solid rgba(128, 128, 128, 0.45); }
  [data-testid="stExpandSidebarButton"]::after { content: "Pages and filters"; margin-left: 0.35rem; font-size: 0.9rem; }
}
@media print { [data-testid="stSidebar"], [data-testid="stToolbar"], [data-testid="stExpandSidebarButton"] { display: none !important; } }
</style>"""

# What Streamlit's own pages lack: pictures of charts with words, addresses and citations to copy, filters in the browser's history,
# models found however they are typed.
SCRIPTS = "".join(f"<script>{(Path(__file__).parent / name).read_text(encoding='utf-8')}</script>" for name in ("pictures.js", "typing.js"))
PER_TOKEN = Measure(per="output token")
# px: a button fits beside the words.
FORCED_WIDTH = 560
# Altair checks a chart as a whole before it is drawn. Checking each of its parts as well takes longer than the rest of a page.
schemapi.disable_debug_mode()


def run(page: Page) -> None:
    """Draw the filters and run the page, all of one version of the warehouse; without a readable one, say what to run instead.

    A page that reads no rows runs without a warehouse too, and without filters then.
    """
    site.follow_old_links(page)
    site.follow_old_names(page)
    st.html(TAGS_STYLE + glance.STYLE)
    if sign_in.is_needed():
        sign_in.show()
        return
    with watched.page(page.url_path or site.HOME) as run:
        try:
            with connect.pinned(connect.default_warehouse()):
                _draw(page)
        except errors.WarehouseError as error:
            if page.url_path == site.LIVE[0]:
                _run(page, View(Selection()), (), [])
                return
            run.outcome = "no-warehouse"
            scope.show_no_warehouse(error)


def _draw(page: Page) -> None:
    selection, notes = filters.sidebar(data.options())
    acting, why = site.SWITCHES.get(page.url_path or site.HOME, (tuple(filters.ENERGY), ""))
    measure = filters.energy(acting, why)
    _run(page, View(selection, measure=measure), acting, notes)


def _run(page: Page, view: View, acting: tuple[str, ...], notes: list[str]) -> None:
    """Run the page for a view, whose filters have been drawn."""
    sign_in.show_who()
    st.sidebar.html(SCRIPTS, unsafe_allow_javascript=True)
    st.session_state.update(asked_for=view, acting=acting, notes=notes, in_frame=True)
    page.run()


def begin(title: str) -> View:
    """First call of every page: its question as the title, and what is asked for: the filters in force and the energy of the switches.

    On a fresh server Streamlit runs a deep-linked page file alone, without `streamlit_app.py`. The flag tells: it is
    set just before the page runs and taken away here; a page without it registers the navigation and starts again.
    """
    if not st.session_state.pop("in_frame", False):
        site.navigation("hidden")
        st.rerun()
    st.title(title, anchor=False)
    for note in st.session_state.get("notes", []):
        st.info(plain(note), icon=":material/link_off:")
    st.session_state["told"] = st.container()  # for what the choices of the page do not know (`controls.tell_unknown`)
    view: View = st.session_state["asked_for"]
    return view


def begin_per_token(title: str) -> View:
    """As `begin`: chat of all editions, unless the filters choose tasks, and the energy of a token, which random weights have too, unless
    the switches ask for another.
    """
    view = begin(title).per(PER_TOKEN.per)
    selection = view.selection if view.selection.tasks else replace(view.selection, tasks=editions.CHAT)
    return view.over(selection.with_random_weights() if view.measure.per in TOKENS else selection)


def say_measure(rows: pl.DataFrame, view: View, usual: Measure = DEFAULT, drawn: str | None = None) -> None:
    """Say which energy is shown when it is not the usual one of the page, and why results lack it; warn where none has it.

    Args:
        drawn: of NUMBERS, what the visitor has the page show in place of the energy of the view.
    """
    _say_what_is_forced(rows, drawn or view.measure.key)
    if view.measure == usual or rows.is_empty():
        return
    sentence = words.stated(view.measure, rows)
    if rows[view.measure.key].null_count() == rows.height:
        st.warning(sentence, icon=":material/block:")
    else:
        st.caption(sentence)


def _say_what_is_forced(rows: pl.DataFrame, key: str) -> None:
    """Say why the energy of answers is not shown where random weights are among the rows, and offer the energy of a token.

    Args:
        key: of NUMBERS, what is shown.
    """
    if not energy_shown.of_answers(key) or not shape.has_random_weights(rows):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/casino: {words.FORCED}", width=FORCED_WIDTH)
        if "per" in st.session_state["acting"]:
            st.button("Show the energy per output token", key="per-token", on_click=_divide, args=("output token",))


def _divide(per: str) -> None:
    """Set the switch of what energy is divided by, which is in a closed frame: a widget that is not there takes its value from the link."""
    if "per" in st.session_state:
        st.session_state["per"] = per
    else:
        st.query_params["per"] = per


def say_measure_of_prompts(view: View) -> None:
    """Say which energy of a prompt comes first, when it is not the usual one."""
    measure = view.measure
    if measure != DEFAULT:
        st.caption(f"The switches of the sidebar ask for the {measure.energy} per {measure.per} ({UNITS[measure.per]}).")


def ask_what_to_show(view: View) -> tuple[View, str]:
    """One prompt at a time, of the task chat if none is chosen, unless the visitor asks for everything or filters by batch size.

    A GPU that answers many prompts at once, or completes code, uses far less for each: such rows beside single chat answers mislead.

    Returns:
        The view, and a sentence on what is left out or mixed; empty where nothing is.
    """
    narrow = view.over(view.selection.one_prompt_at_a_time())
    everything = data.load("leaderboard", view.selection)
    shown = data.load("leaderboard", narrow.selection)
    if narrow == view or shown.is_empty():
        return view, ""
    choices = ("One prompt at a time", "Everything")
    chosen = st.segmented_control("What to show", choices, default=choices[0], required=True, key="show", bind="query-params")
    others, every = everything.height - shown.height, chosen == choices[1]
    return view if every else narrow, words.first_view(narrow.selection.tasks, others, every) if others else ""
