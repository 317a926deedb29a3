"""The map of the app: its pages in sections (`site.csv`), links to views, and what a first visitor sees."""

import csv
from html import escape
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page

from prompt_joules.pages.ui.pure import naming
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
with (Path(__file__).parent / "site.csv").open(encoding="utf-8", newline="") as lines:
    PAGES = tuple(csv.DictReader(lines))
HOME = "home"
# Section → pages (file, title, question). No icons: the browser would fetch the icon of the open page from Google.
SECTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    section: tuple((row["page"], row["title"], row["question"]) for row in PAGES if row["section"] == section)
    for section in dict.fromkeys(row["section"] for row in PAGES if row["section"])
}
# Shown only where servers are configured: it is in no section.
(LIVE,) = ((row["page"], row["title"], row["question"]) for row in PAGES if not row["section"])
# Page → the switches of how energy is stated that act on it, and what to know about the others.
SWITCHES: dict[str, tuple[tuple[str, ...], str]] = {row["page"]: (tuple(row["switches"].split()), row["about_switches"]) for row in PAGES}
# Old links to the root mean the table of results: the parameters they had besides filters. Those of ranges begin with the last.
OF_THE_LEADERBOARD = ("show", "search", "columns", "formula")
RANGE = "range_"
# Parameters whose value may be the name of an engine or a prompt set alone.
OF_ONE_PART = ("series", "a_engine", "b_engine")


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


def follow_old_names(page: Page) -> None:
    """Give names of results in a link, made when names held the ids of engines and prompt sets, the names of now. Before any widget."""
    asked = {key: st.query_params.get_all(key) for key in st.query_params}
    now = {
        key: [naming.in_words(value) if " · " in value or key in OF_ONE_PART else value for value in values]
        for key, values in asked.items()
    }
    if now != asked:
        st.switch_page(f"pages/{page.url_path or HOME}.py", query_params=now)


def links(targets: list[tuple[str, str]], name: str = "Views") -> str:
    """HTML of links to views of this app, as a row of chips.

    Plain links, since `st.page_link` does not set filters that are on screen, and Markdown links open a new tab.

    Args:
        targets: address and label of each; both are escaped.
        name: what readers of screens call them; no two on a page are alike.
    """
    anchors = " ".join(f'<a href="{escape(address)}">{escape(label)}</a>' for address, label in targets)
    one_of_many = f'<nav class="views" aria-label="{escape(name)}">{anchors}</nav>'
    return LINKS_STYLE + (one_of_many if len(targets) > 1 else f'<div class="views">{anchors}</div>')


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
