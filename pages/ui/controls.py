"""The small choices on a page: which number, which colour, which axis. Each is bound to the URL."""

from collections.abc import Sequence
from typing import Literal, TypeVar

import polars as pl
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prompt_joules.pages.ui import tables
from prompt_joules.pages.ui.pure import shape, words
from prompt_joules.pages.ui.pure.narrowings import Computed, Within
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import visitor_formula as formulas
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.named import MOST_NAMED, there_are

Width = int | Literal["stretch"]
Default = TypeVar("Default", float, None)
ALL_SIZES = "All sizes"
BANDS = {ALL_SIZES: (None, None), **shape.BANDS}
LONGEST_SEARCH = 200
# Characters of a value of the link that are said again, and of a name that is listed among others.
LONGEST_NAMED, LONGEST_LISTED = 120, 60


def title(key: str) -> str:
    """Label and unit of a metric, e.g. "Energy (J)"."""
    return NUMBERS[key].title


def tell_unknown(key: str, choices: Sequence[str]) -> None:
    """Say below the title which values of the link a choice does not have: the page shows something else. Comes before the widget is made.

    It is said where the link is opened; who changes a filter later sees what the widget shows then.

    Args:
        key: of the widget.
        choices: as they stand in the link.
    """
    if key in st.session_state:
        return
    for value in st.query_params.get_all(key):
        if value and value not in choices:
            few = len(choices) <= MOST_NAMED and max(map(len, choices), default=0) <= LONGEST_LISTED
            hint = there_are(value, choices) if few else "A filter leaves it out, or it is not in this warehouse."
            said = f"{key}={value[:LONGEST_NAMED]} in the link is not known here and was ignored. {hint}"
            st.session_state.get("told", st).info(plain(said), icon=":material/link_off:")


def metric(label: str, key: str, choices: Sequence[str], width: int = 230) -> str:
    """One of several metrics, by its key in NUMBERS; the first is the default. `width` is in px."""
    titles = {title(choice): choice for choice in choices}
    return titles[one_of(label, key, list(titles), width)]


def axes(rows: pl.DataFrame, choices: Sequence[str]) -> tuple[str, ...]:
    """What an axis can show: the choices, and the visitor's own formula where there is one."""
    return tuple(dict.fromkeys((*choices, *(["formula"] if "formula" in rows.columns else []))))


def behind(x: str, y: str) -> tuple[str, ...]:
    """The columns of the table behind a scatter."""
    named = ("model_name", "model_url", x, y, "energy_j", "params_total_b", "origin", "gpu_model", "task", "engine", "runs")
    return tuple(dict.fromkeys(named))


def band(view: View, rows: pl.DataFrame, default: str = ALL_SIZES) -> View:
    """The view of models of one band of sizes; of a band without rows all are shown, and said so.

    Args:
        rows: those of the view.
    """
    tell_unknown("band", [words.label(name) for name in BANDS])
    chosen = st.segmented_control("Parameters (billion)", list(BANDS), default=default, required=True, key="band", bind="query-params")
    low, high = BANDS[chosen or default]
    if low is None and high is None:
        return view
    narrowing = Within("params_total_b", low, high, above=True, without=(("band", ALL_SIZES),))
    if narrowing.apply(rows).is_empty() and not rows.is_empty():
        st.caption("No model of these filters has this size: all sizes are shown.")
        return view
    return view.narrowed(narrowing)


def view(key: str, choices: Sequence[str], default: str | None = None, label: str = "Show", is_labelled: bool = True) -> str:
    """The view that the visitor chose: the page asks for, sends and draws that one only.

    Args:
        key: of the widget; each page has its own, because the view of one page must not stay in the address of the next.
        choices: the views, in the order of the page.
        default: the first one shown; the first of the choices if None.
        label: what is chosen.
        is_labelled: whether that is written above the choices; screen readers say it anyway.
    """
    first = default or choices[0]
    tell_unknown(key, [words.label(choice) for choice in choices])
    chosen = st.segmented_control(
        label,
        choices,
        default=first,
        required=True,
        key=key,
        bind="query-params",
        format_func=words.label,
        label_visibility="visible" if is_labelled else "collapsed",
    )
    return chosen or first


def search(label: str, hint: str, explanation: str | None = None, width: Width = "stretch") -> str:
    """Words to look for, without the space around them."""
    given = st.text_input(label, key="search", bind="query-params", placeholder=hint, help=explanation, width=width)
    return given.strip()[:LONGEST_SEARCH]


def formula(view: View, columns: Sequence[str], told: DeltaGenerator | None = None) -> View:
    """The view with a column of the visitor's own, where there is one. A wrong formula says where it is wrong.

    Args:
        told: where that is said; below the field if None.
    """
    text = st.text_input(
        "Formula column",
        key="formula",
        bind="query-params",
        placeholder="energy_j / params_total_b",
        help=f"Columns: {', '.join(key for key in NUMBERS if key in columns)}. Functions: {', '.join(formulas.FUNCTIONS)}.",
    )
    if not text.strip():
        return view
    try:
        formulas.parse(text, [key for key in NUMBERS if key in columns])
    except formulas.WrongFormula as error:
        (told or st).error(plain(str(error)), icon=":material/error:")
        return view
    return view.narrowed(Computed(text.strip()))


def one_of(label: str, key: str, choices: Sequence[str], width: Width = 420, about: str | None = None) -> str:
    """One of several; the first is the default."""
    tell_unknown(key, choices)
    return st.selectbox(label, choices, key=key, bind="query-params", width=width, help=about) or choices[0]


def listed(labels: pl.Series, key: str, first: Sequence[str] = ()) -> tuple[list[str], str | None]:
    """The names of a list: as many as it can have, and those that the link or the start asks for; where it is cut, else None.

    Args:
        key: of the widget.
        first: what it has at the start.
    """
    listed = labels.head(tables.MOST_LISTED)
    asked = [*first, *st.query_params.get_all(key)]
    cut = words.first_of(labels.len(), tables.MOST_LISTED, "results", "filters lead to the others")
    return pl.concat([listed, labels.filter(labels.is_in(asked) & ~labels.is_in(listed.implode()))]).to_list(), cut or None


def number(label: str, key: str, default: Default, low: float, high: float, about: str, empty: str | None = None) -> float | Default:
    """A number between two ends; the default where the field is empty, which then says `empty`."""
    given = st.number_input(
        label, low, high, default, key=key, bind="query-params", help=about, width=190, format="%.10g", placeholder=empty
    )
    return default if given is None else float(given)
