"""The shared filters: their widgets, and the Selection that they stand for.

Each widget is bound to the URL under its public key, so a link restores the view. Only what differs from the default
is in the URL.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import polars as pl
import streamlit as st

from prompt_joules.pages.ui.pure import models, words
from prompt_joules.warehouse import called, named
from prompt_joules.warehouse.energy_shown import DEFAULT, IDLE, PER, STATISTICS, Measure
from prompt_joules.warehouse.selection import Selection

# URL key → label, help. The order is that of the sidebar.
MANY: dict[str, tuple[str, str]] = {
    "model": ("Model", "All models when empty. Type a name, a family or a size; spaces, hyphens and case do not matter."),
    "gpu": ("GPU", "All GPUs when empty; CPU stands for runs without a GPU."),
    "task": ("Task", "All tasks when empty; Methods has the system prompts."),
    "source": ("Source", "Who measured; all when empty."),
    "engine": ("Engine", "The software that ran the model; all when empty."),
    "batch": ("Batch size", "Prompts answered together; all when empty."),
}
WEIGHTS = tuple(named.WEIGHTS)
WEIGHTS_NAMES = ("pretrained", "random", "both")
ABOUT_WEIGHTS = "The energy of random weights is real, and their text is not."
VALID = ("only", "all")
# How energy is stated, on every page: URL key → its values, the default first.
ENERGY: dict[str, tuple[str, ...]] = {"statistic": STATISTICS, "per": PER, "idle": IDLE}
# The widgets that show models, engines and weights by name.
NAMED = "{}_named"
# Filters whose values have names: id → name.
BY_NAME: dict[str, Callable[[pl.DataFrame], Mapping[str, str]]] = {
    "model": models.names,
    "engine": lambda options: {name: called.engine(name) for name in values_of("engine", options)},
}
# Widgets with one value: what stands for no choice.
DEFAULTS = {"weights": WEIGHTS[0], "valid": VALID[0], **{key: values[0] for key, values in ENERGY.items()}}
NAMES = {"statistic": "the statistic", "per": "the denominator", "idle": "idle power"}


def sidebar(options: pl.DataFrame) -> tuple[Selection, list[str]]:
    """Draw the filters.

    Args:
        options: rows (kind, value, label, count) of what each filter can be set to.

    Returns:
        The Selection, and a sentence for each value in the URL that was ignored.
    """
    query = {key: st.query_params.get_all(key) for key in (*MANY, "weights", "valid", *ENERGY)}
    notes = ignored(query, options)
    with st.sidebar:
        chosen: dict[str, Sequence[str]] = {key: _many(key, options) for key in MANY if key not in ("engine", "batch")}
        with _frame("More filters", "more-filters", ("engine", "batch", "weights", "valid")) as is_open:
            if is_open:
                chosen |= {key: _many(key, options) for key in ("engine", "batch")}
                chosen["weights"] = [_weights()]
                chosen["valid"] = [_one("valid", "Valid rows", VALID, "only: leave out rows and runs that failed a check.")]
    selection, _ = Selection.from_query(chosen)
    random = options.filter(pl.col("is_random"))["value"]
    # Whoever chooses a model whose weights are all random wants to see it.
    return (selection.with_random_weights() if random.is_in(selection.models).any() else selection), notes


@contextmanager
def _frame(label: str, key: str, widgets: Iterable[str]) -> Iterator[bool]:
    """A frame whose widgets are made only while it is open or one of them acts: a widget that is not on the page costs no time.

    Args:
        widgets: their keys. The frame is open at first where the link has a value for one of them.
    """
    acts = any(st.query_params.get_all(name) or st.session_state.get(name) not in (None, [], DEFAULTS.get(name)) for name in widgets)
    # `expanded` is part of the identity of a frame: a frame that started open would close when its value is set back.
    if acts:
        st.session_state.setdefault(f"{key}-frame", True)
    frame = st.expander(label, key=f"{key}-frame", on_change="rerun")
    with frame:
        yield acts or bool(frame.open)


def energy(acting: Collection[str], why: str) -> Measure:
    """Draw the switches of how energy is stated: the statistic over prompts, per what, gross or above an idle power.

    Args:
        acting: the keys of ENERGY that the page follows; the others are switched off, and their values have no effect.
        why: why they are, or what else to know.
    """
    off = {key: key not in acting for key in ENERGY}
    with st.sidebar, _frame("How energy is shown", "energy", ENERGY) as is_open:
        if not is_open:
            return DEFAULT
        about = "Published tables have the mean only." if acting else ""
        about = f"Over the prompts of a run. {about}"
        statistic = st.selectbox("Statistic", STATISTICS, key="statistic", bind="query-params", help=about, disabled=off["statistic"])
        about = "Published tables have the energy per response and token."
        per = st.selectbox("Energy per", PER, key="per", bind="query-params", help=about, disabled=off["per"])
        about = (
            "above idle: less what the GPU drew before the model was loaded. above active idle: less what it drew loaded and waiting. "
            "Each where it was recorded."
        )
        idle = _one("idle", "Idle power", ENERGY["idle"], about, disabled=off["idle"])
        if any(off.values()) or why:
            st.caption(words.ignored([name for key, name in NAMES.items() if off[key]], why))
    chosen = {"statistic": statistic, "per": per, "idle": idle}
    return Measure(**{key: values[0] if off[key] else chosen[key] or values[0] for key, values in ENERGY.items()})


def ignored(query: Mapping[str, Sequence[str]], options: pl.DataFrame) -> list[str]:
    """One sentence for each value of the URL that no filter has."""
    notes = []
    for key, values in ((key, values) for key, values in query.items() if values):
        known = {"weights": WEIGHTS, "valid": VALID, **ENERGY}.get(key) or tuple(values_of(key, options))
        unknown = [value for value in values if value and value not in known]
        notes += [f"{key}={value[:60]} in the link is not known here and was ignored. {named.there_are(value, known)}" for value in unknown]
    return notes


def values_of(kind: str, options: pl.DataFrame) -> list[str]:
    """The values of one filter, most frequent first; models by family and size, batch sizes by size."""
    if kind == "model":
        return list(models.names(options))
    rows = options.filter(pl.col("kind") == kind)
    values: list[str] = rows["value"].drop_nulls().unique(maintain_order=True).to_list()
    return sorted(values, key=int) if kind == "batch" else values


def _many(key: str, options: pl.DataFrame) -> list[str]:
    label, explanation = MANY[key]
    about: dict[str, Any] = {"help": explanation, "placeholder": "All", "wrap": True}
    values = values_of(key, options)
    if key in BY_NAME:
        return _by_name(key, values, BY_NAME[key](options), about)
    chosen: list[str] = st.multiselect(label, values, key=key, bind="query-params", **about)
    return chosen


def _by_name(key: str, ids: list[str], names: Mapping[str, str], about: Mapping[str, Any]) -> list[str]:
    """Models and engines are chosen by name and stand in the address by id. A widget writes into the address what it shows, so a hidden
    widget writes the ids."""
    label, shown = MANY[key][0], NAMED.format(key)
    with st.container(key=f"unseen-{key}"):
        chosen: list[str] = st.multiselect(f"{label}s by id", ids, key=key, bind="query-params", label_visibility="collapsed")
    st.session_state[shown] = chosen
    take: dict[str, Any] = {"on_change": _take_names, "args": (key,)}
    named: list[str] = st.multiselect(label, ids, key=shown, format_func=names.__getitem__, **take, **about)
    return named


def _weights() -> str:
    """Pretrained, random or both weights, by name; as of models and engines a hidden widget has the address."""
    with st.container(key="unseen-weights"):
        chosen = st.selectbox("Weights by id", WEIGHTS, key="weights", bind="query-params", label_visibility="collapsed")
    st.session_state[NAMED.format("weights")] = chosen or WEIGHTS[0]
    take: dict[str, Any] = {"on_change": _take_names, "args": ("weights",)}
    names = dict(zip(WEIGHTS, WEIGHTS_NAMES, strict=True))
    st.selectbox("Weights", WEIGHTS, key=NAMED.format("weights"), format_func=names.__getitem__, help=ABOUT_WEIGHTS, **take)
    return chosen or WEIGHTS[0]


def _take_names(key: str) -> None:
    st.session_state[key] = st.session_state[NAMED.format(key)]


def _one(key: str, label: str, choices: tuple[str, ...], explanation: str, disabled: bool = False) -> str:
    chosen = st.segmented_control(
        label, choices, default=choices[0], required=True, key=key, help=explanation, bind="query-params", disabled=disabled
    )
    return chosen or choices[0]
