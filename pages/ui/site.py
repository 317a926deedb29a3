"""The map of the app: its pages in sections, links to views, and what a first visitor sees."""

from html import escape
from typing import Literal
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page

from prompt_joules.warehouse import switches

LINKS_STYLE = """<style>
.views { display: flex; flex-wrap: wrap; gap: 8px; }
.views a {
  border: 1px solid rgba(128, 128, 128, 0.45); border-radius: 6px; padding: 3px 10px;
  font-size: 0.9rem; text-decoration: none; color: inherit;
}
.views a:hover, .views a:focus-visible { border-color: currentColor; }
</style>"""
SENTENCES_STYLE = """<style>
.found ul { margin: 0; padding-left: 1.1rem; }
.found li { margin: 6px 0; line-height: 1.45; }
.found a { color: inherit; text-decoration: underline; text-decoration-color: rgba(128, 128, 128, 0.7); text-underline-offset: 3px; }
.found a:hover, .found a:focus-visible { text-decoration-color: currentColor; }
</style>"""
COPIES_STYLE = """<style>
.copies button {
  border: 1px solid rgba(128, 128, 128, 0.45); border-radius: 6px; padding: 3px 10px; margin-right: 6px;
  font: inherit; font-size: 0.85rem; background: none; color: inherit; cursor: pointer;
}
.copies button:hover, .copies button:focus-visible { border-color: currentColor; }
@media print { .copies { display: none; } }
</style>"""
# Section → pages (file, title, question). A new page is one line here and one file. No icons: the browser would fetch the
# icon of the open page from Google.
SECTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Results": (
        ("home", "Home", "What does one answer cost in energy?"),
        ("leaderboard", "Leaderboard", "Which model answers for the least energy?"),
        ("what_software_saves", "What software saves", "What does software save?"),
        ("energy_vs_parameters", "Energy and parameters", "Does a bigger model cost more?"),
        ("tradeoffs", "Trade-offs", "What is the cheapest configuration that is fast enough?"),
        ("three_years", "Three years", "How far has the energy of a token come?"),
    ),
    "Prompts": (
        ("distributions", "Distributions", "How does one prompt differ from the next?"),
        ("verbosity", "Concise or verbose?", "Does asking for a short answer save energy?"),
        ("prompts", "Prompts", "What happened on this prompt?"),
        ("cost_of_a_token", "Cost of a token", "What does an answer of any length cost?"),
    ),
    "Decide": (
        ("compare", "Compare", "Is A really better than B?"),
        ("planner", "Planner", "What will my workload use?"),
    ),
    "Data": (
        ("runs", "Runs", "Can I trust these numbers?"),
        ("export_sql", "Export and SQL", "Can I have the rows?"),
        ("methods", "Methods", "How was it measured?"),
    ),
}
HOME = "home"
# Shown only where servers are configured.
LIVE = ("live", "Live", "What does my own question cost?")
# Old links to the root mean the table of results: the parameters they had besides filters. Those of ranges begin with the last.
OF_THE_LEADERBOARD = ("show", "search", "columns", "formula")
RANGE = "range_"
# Pages that do not follow every switch of how energy is stated as it stands: the switches that act, and what to know about the others.
PER_TOKEN = "While “response” is chosen, this page shows the energy per output token: lengths differ from edition to edition."
SWITCHES: dict[str, tuple[tuple[str, ...], str]] = {
    "tradeoffs": (("statistic", "per", "idle"), PER_TOKEN),
    "three_years": (("statistic", "per", "idle"), PER_TOKEN),
    "home": ((), "The mean energy of a whole answer is shown: it is what all sources give."),
    "what_software_saves": ((), "Energy per output token is compared, as a mean: energy of all answers over their tokens."),
    "distributions": (("per", "idle"), "Single prompts are shown: every statistic is in the table of percentiles."),
    "verbosity": (("idle",), "Whole answers are compared; the split into length and J/token shows what energy per token would."),
    "prompts": (("per", "idle"), "Single answers are shown: there is nothing to average."),
    "cost_of_a_token": (("idle",), "Whole answers are fitted; the coefficients are the energy per token."),
    "planner": (("idle",), "A total is the number of answers times their mean."),
    "runs": ((), "Runs are listed with their totals, whether they are valid or not."),
    "export_sql": ((), "The files hold every statistic as a column of its own."),
    "methods": ((), "This page defines the numbers."),
    "live": ((), "Two answers are measured here; nothing is read from the warehouse."),
}


def navigation(position: Literal["sidebar", "hidden"] = "sidebar") -> Page:
    """All pages, in their sections; sections without a page yet are left out.

    The first page is served at the root, and once more, unlisted, under its own name: an address that people type.
    """
    pages = {section: [_page(*entry) for entry in entries] for section, entries in SECTIONS.items() if entries}
    if switches.servers():
        pages["Decide"].append(_page(*LIVE))
    pages["Results"].append(st.Page(f"pages/{HOME}.py", title="Home", url_path=HOME, visibility="hidden"))
    return st.navigation(pages, position=position, expanded=True)


def _page(file: str, title: str, question: str) -> Page:
    root = file == HOME
    return st.Page(f"pages/{file}.py", title=title, url_path="start" if root else file, default=root, help=question)


def follow_old_links(page: Page) -> None:
    """Lead links to a view of the table of results from the root, where it stood, to where it is. Comes before any widget."""
    if page.url_path in ("", HOME) and any(key in OF_THE_LEADERBOARD or key.startswith(RANGE) for key in st.query_params):
        st.switch_page("pages/leaderboard.py", query_params={key: st.query_params.get_all(key) for key in st.query_params})


def links(targets: list[tuple[str, str]]) -> str:
    """HTML of links to views of this app, as a row of chips.

    Plain links, since `st.page_link` does not set filters that are on screen, and Markdown links open a new tab.

    Args:
        targets: address and label of each; both are escaped.
    """
    anchors = (f'<a href="{escape(address)}">{escape(label)}</a>' for address, label in targets)
    return f'{LINKS_STYLE}<nav class="views" aria-label="Views">{" ".join(anchors)}</nav>'


def sentences(targets: list[tuple[str, str]]) -> str:
    """HTML of sentences that are links to views of this app, one below the other.

    Args:
        targets: address and sentence of each; both are escaped.
    """
    items = (f'<li><a href="{escape(address)}">{escape(sentence)}</a></li>' for address, sentence in targets)
    return f'{SENTENCES_STYLE}<nav class="found" aria-label="What we found"><ul>{"".join(items)}</ul></nav>'


def copies(said: str, cite: str) -> str:
    """HTML of two buttons that copy the address of the view and how to cite it, and of what a picture of a chart says below it.

    Args:
        said: the words below a picture; `pictures.js` reads them.
        cite: a citation without question, address and date.
    """
    buttons = '<button data-copy="link">Copy link</button> <button data-copy="cite">Copy citation</button>'
    return f'{COPIES_STYLE}<div class="copies" data-said="{escape(said)}" data-cite="{escape(cite)}">{buttons}</div>'


def address(page: str, link: dict[str, str | list[str]]) -> str:
    return ("./" if page == HOME else page) + ("?" + urlencode(link, doseq=True) if link else "")
