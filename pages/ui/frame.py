"""The frame around every page: navigation, shared filters, data, and the words about what is shown."""

import shlex
from dataclasses import replace
from html import escape
from typing import Literal
from urllib.parse import urlencode

import polars as pl
import streamlit as st
from streamlit.navigation.page import Page

from pages.ui import controls, filters, prompt_charts, shape, tables, theme, words
from warehouse import measure as measures
from warehouse import query, sqlbox, store
from warehouse.measure import Measure
from warehouse.metrics import Metric
from warehouse.selection import Selection

plain = words.plain

# Section → pages (file, title, question). A new page is one line here and one file. No icons: the browser would fetch the
# icon of the open page from Google.
SECTIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Results": (
        ("leaderboard", "Leaderboard", "Which model answers for the least energy?"),
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
HOME = "leaderboard"
SCOPE = "Energy is that of the GPU only, as read by software from the GPU's own counter; CPU, memory and cooling are not in it."

NO_PAIRS = (
    "No run of ours has both sides with all else alike: the same prompts, model, GPU, engine and sampling. Answers that were cut short are "
    "left out unless the switch above counts them."
)
NEEDS_PROMPTS = (
    "Only our own runs keep single prompts; published tables have averages. "
    "Measure some with “make demo”, or see the Leaderboard for the averages."
)
# What tells engines apart, by the titles of the column picker.
ENGINES_COLUMNS = ["Engine", "Energy per token (J/token)", "Throughput (token/s)", "Task", "Batch", "Weights"]
# Views worth a first look: page, label, icon, the filters of the link.
PRESETS: tuple[tuple[str, str, dict[str, str | list[str]]], ...] = (
    ("leaderboard", "All models on A40, chat", {"gpu": "A40", "task": "chat"}),
    ("leaderboard", "Cheapest 7B", {"gpu": "A40", "task": "chat", "search": "7b"}),
    ("verbosity", "Concise or verbose on A40", {"gpu": "A40"}),
    ("verbosity", "Why does one 7B model use five times another?", {"gpu": "A40", "task": "chat"}),
    (
        "leaderboard",
        "H100: eager against compiled",
        {"gpu": "H100", "source": "Prompt Joules", "weights": "both", "show": "Everything", "columns": ENGINES_COLUMNS},
    ),
    ("distributions", "One prompt and the next", {"source": "Prompt Joules"}),
    ("methods", "How it was measured", {}),
)


def navigation(position: Literal["sidebar", "hidden"] = "sidebar") -> Page:
    """All pages, in their sections; sections without a page yet are left out.

    The first page is served at the root, and once more, unlisted, under its own name: an address that people type.
    """
    pages = {section: [_page(*entry) for entry in entries] for section, entries in SECTIONS.items() if entries}
    pages["Results"].append(st.Page(f"pages/{HOME}.py", title="Leaderboard", url_path=HOME, visibility="hidden"))
    return st.navigation(pages, position=position, expanded=True)


def _page(file: str, title: str, question: str) -> Page:
    root = file == HOME
    path = "home" if root else file
    return st.Page(f"pages/{file}.py", title=title, url_path=path, default=root, help=question)


def run(page: Page) -> None:
    """Draw the filters and run the page; without a readable warehouse, say what to run instead."""
    st.html(theme.TAGS_STYLE)
    try:
        selection, notes = filters.sidebar(_options(*_warehouse()))
        st.session_state["measure"] = filters.energy()
    except store.WarehouseError as error:
        no_warehouse(error)
        return
    st.session_state["selection"] = selection
    st.session_state["notes"] = notes
    st.session_state["in_frame"] = True
    try:
        page.run()
    except store.WarehouseError as error:
        no_warehouse(error)


def begin(title: str) -> Selection:
    """First call of every page: its question as the title, and the filters in force.

    On a fresh server Streamlit runs a deep-linked page file alone, without `streamlit_app.py`. The flag tells: it is
    set just before the page runs and taken away here; a page without it registers the navigation and starts again.
    """
    if not st.session_state.pop("in_frame", False):
        navigation("hidden")
        st.rerun()
    st.title(title, anchor=False)
    for note in st.session_state.get("notes", []):
        st.info(plain(note), icon=":material/link_off:")
    selection: Selection = st.session_state["selection"]
    st.session_state["shown"] = selection
    return selection


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
    rows = load("leaderboard", selection)
    if not chosen.is_kept:
        rows = measures.joined(rows, load("energies", selection, **chosen.parameters()), chosen)
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


def only_per_response(statistic: bool = True) -> None:
    """On a page that cannot follow the switches: say that it shows whole responses."""
    chosen = measure()
    if chosen.per != measures.DEFAULT.per or (statistic and chosen != measures.DEFAULT):
        st.caption(words.ONLY_PER_RESPONSE)


def welcome() -> None:
    """What this is and where to start, in one line, and links to views worth a first look."""
    st.markdown(
        "**Prompt Joules** shows what one answer of a language model costs in energy: published averages and "
        "our own prompt-by-prompt measurements. Start with one of these, or use the filters in the sidebar."
    )
    st.html(links([(_address(page, query), label) for page, label, query in PRESETS]))


def first_view(selection: Selection) -> Selection:
    """One prompt at a time, of the task chat if none is chosen, unless the visitor asks for everything or filters by batch size.

    A GPU that answers many prompts at once, or completes code, uses far less for each: such rows beside single chat answers mislead.
    """
    narrow = selection.one_prompt_at_a_time()
    everything = load("leaderboard", selection)
    shown = load("leaderboard", narrow)
    if narrow == selection or shown.is_empty():
        return selection
    all_of_it = controls.show_everything()
    others = everything.height - shown.height
    if others:
        st.caption(words.first_view(narrow.tasks, others, all_of_it))
    st.session_state["shown"] = selection if all_of_it else narrow
    return selection if all_of_it else narrow


def links(targets: list[tuple[str, str]]) -> str:
    """HTML of links to views of this app, as a row of chips.

    Plain links, since `st.page_link` does not set filters that are on screen, and Markdown links open a new tab.

    Args:
        targets: address and label of each; both are escaped.
    """
    anchors = (f'<a href="{escape(address)}">{escape(label)}</a>' for address, label in targets)
    return f'{theme.LINKS_STYLE}<nav class="views" aria-label="Views">{" ".join(anchors)}</nav>'


def _address(page: str, link: dict[str, str | list[str]]) -> str:
    return ("./" if page == HOME else page) + ("?" + urlencode(link, doseq=True) if link else "")


def load(name: str, selection: Selection, **parameters: str | bool | float) -> pl.DataFrame:
    """The rows of a named query, from the cache while filters and warehouse stay the same."""
    return _load(name, selection, tuple(sorted(parameters.items())), *_warehouse())


def ask(sql: str) -> sqlbox.Answer:
    """The answer to a visitor's SQL, from the cache while text and warehouse stay the same. Raises sqlbox.RefusedSql."""
    return _ask(sql, *_warehouse())


def nothing_matches(selection: Selection, hint: str = "") -> None:
    """Say which filters leave nothing, offer the way back, and end the page."""
    st.warning(f"Nothing matches: {plain(selection.words())}. {hint}", icon=":material/filter_alt_off:")
    st.html(links([("?", "Show this page without filters"), ("./", "Go to the Leaderboard")]))
    st.stop()


def provenance(rows: pl.DataFrame, selection: Selection) -> str:
    """What is shown, what is not, and what the numbers cover, in words."""
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
    ]
    return f"{'; '.join(shown)}. {hidden_words(selection)} {SCOPE}"


def missing(rows: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """How many configurations are not in a chart because a number is missing."""
    left_out = rows.height - drawn.height
    return f"{_count(left_out, 'configuration')} without both numbers left out." if left_out else ""


def options() -> pl.DataFrame:
    """What the filters can be set to: rows (kind, value, label, count)."""
    return _options(*_warehouse())


def own(selection: Selection) -> pl.DataFrame:
    """The configurations of our own runs: those that single prompts come from."""
    return load("leaderboard", selection).filter(pl.col("origin") == "measured")


def not_measured(summary: pl.DataFrame, metric: Metric, selection: Selection) -> None:
    """End the page: no prompt of the selection has this number. Say how many lack it, and why if it needs energy."""
    reasons = own(selection)["energy_reason"].drop_nulls().unique().sort()
    why = f" Reason: {'; '.join(reasons)}." if metric.key.startswith(("energy", "power")) and len(reasons) else ""
    count = _count(int(summary["unmeasured"].sum()), "prompt")
    st.info(plain(f"{metric.label}: not measured in {count} of this selection.{why}"), icon=":material/help:")
    st.markdown("Response length, latency and throughput are known without an energy counter: choose one of them above.")
    st.caption(provenance(own(selection), selection))
    st.stop()


def where_the_joules_go(selection: Selection, by: str) -> None:
    """Lorenz curve and the share of the costliest prompts, where energy was measured."""
    steps = load("lorenz", selection, by=by, prompt_set="")
    if steps.is_empty():
        return
    st.subheader("Where the joules go", anchor=False)
    st.markdown("If every prompt cost the same, the curve would be the straight line. The deeper it hangs, the more a few prompts use.")
    chart, table = st.columns([3, 2])
    with chart:
        st.altair_chart(prompt_charts.lorenz(steps), alt="Share of the energy that the cheapest share of the prompts used")
    with table:
        tables.show(shape.costliest(steps), ("series", "top5_share"), alt="Share of the energy that the costliest 5 % used")


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
    rebuild = "" if isinstance(error, store.NoWarehouse) else " --rebuild"
    st.markdown("Load the results that come with the project, then reload this page:")
    st.code(f"python -m ingest warehouse/data --warehouse {shlex.quote(store.default_warehouse())}{rebuild}", language="bash")
    st.markdown("To add measurements of your own, name their folder too: `python -m ingest warehouse/data results`.")


def _warehouse() -> tuple[str, tuple[int, int]]:
    path = store.default_warehouse()
    return path, store.version(path)


@st.cache_data(max_entries=256, show_spinner="Reading the warehouse …")
def _load(
    name: str,
    selection: Selection,
    parameters: tuple[tuple[str, str | bool | float], ...],
    path: str,
    version: tuple[int, int],
) -> pl.DataFrame:
    """The only cache: keyed by question, filters and version of the file."""
    return query.load(name, selection, path, **dict(parameters))


@st.cache_data(max_entries=32, show_spinner="Asking the warehouse …")
def _ask(sql: str, path: str, version: tuple[int, int]) -> sqlbox.Answer:
    return sqlbox.run(sql, path)


@st.cache_data(max_entries=8, show_spinner=False)
def _options(path: str, version: tuple[int, int]) -> pl.DataFrame:
    return query.options(path)


def _listed(values: pl.Series, most: int = 6) -> str:
    """Distinct values as a list in words, the first few of many."""
    names = [str(value) for value in values.drop_nulls().unique().sort()]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "not known"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
