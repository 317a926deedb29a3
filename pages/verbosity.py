"""Does asking for a short answer save energy?"""

from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, draw, frame, pick, scope
from prompt_joules.pages.ui.of import verbosity as room
from prompt_joules.pages.ui.of import verbosity_charts as drawings
from prompt_joules.pages.ui.pure import naming, shape, words
from prompt_joules.warehouse import stats
from prompt_joules.warehouse.selection import Selection


def sides(options: pl.DataFrame) -> tuple[str, str, str]:
    """What is compared with what: the kind of difference, side A and side B; both empty for every task and its concise twin.

    Args:
        options: rows (kind, value, label, count).
    """
    with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
        compared = st.selectbox("Compare", list(room.SIDES), key="compare", bind="query-params", width=280) or next(iter(room.SIDES))
        kind = room.SIDES[compared]
        if compared == next(iter(room.SIDES)):
            return kind, "", ""
        names = options.filter(pl.col("kind") == kind)["label"].drop_nulls().unique().sort().to_list()
        a = st.selectbox("A", names, key=f"a_{kind}", bind="query-params", width=260)
        b = st.selectbox("B", names, index=min(1, len(names) - 1), key=f"b_{kind}", bind="query-params", width=260)
    return kind, a or names[0], b or names[0]


def cut_short() -> bool:
    """Whether pairs in which an answer was cut short count."""
    return st.toggle(
        "Count answers that were cut short", key="cut", bind="query-params", help="An answer at the length limit hides what asking does."
    )


def first_contrast(selection: Selection) -> str:
    """What Concise or verbose? shows at first: published averages, or our own prompts where the filters leave none of these."""
    return room.OF_PAIRS if _contrast("contrast_published", selection, contrast="task", a="", b="").is_empty() else room.OF_MEANS


def _contrast(name: str, selection: Selection, **sides: str | bool) -> pl.DataFrame:
    """Rows of a query of two sides; the filter of what differs keeps rows in which one side passes it.

    Args:
        sides: the parameters of the query: `contrast`, what differs (task, model, engine or gpu), and the sides `a` and `b`, empty for
            every task and its concise twin.
    """
    kind = str(sides["contrast"])
    wanted = {"task": selection.tasks, "model": selection.models, "engine": selection.engines, "gpu": selection.gpus}[kind]
    free = replace(
        selection,
        models=() if kind == "model" else selection.models,
        gpus=() if kind == "gpu" else selection.gpus,
        tasks=() if kind == "task" else selection.tasks,
        engines=() if kind == "engine" else selection.engines,
    )
    rows = data.load(name, free, **sides)
    labels = data.options().filter(pl.col("kind") == kind, pl.col("value").is_in(list(wanted)))["label"].to_list()
    return rows.filter(pl.col("a").is_in(labels) | pl.col("b").is_in(labels)) if wanted else rows


def change_of_pairs(selection: Selection, above_idle: bool, **sides: str | bool) -> None:
    """Our own prompts, each on two sides: the median change in energy with its interval, in words, as a chart and as a table.

    Args:
        above_idle: whether the energy is that above the power of the idle GPU.
        sides: parameters of `contrast_prompts`.
    """
    found = _contrast("contrast_prompts", selection, above_idle=above_idle, **sides)
    if found.is_empty():
        st.info(room.NO_PAIRS, icon=":material/info:")
        return
    changes = room.pair_labels(stats.paired(found))
    st.markdown(room.pairs(changes, above_idle))
    st.caption(words.alike(naming.alike(changes["label"])))
    if changes.filter(pl.col("batch_size") > 1).height:
        st.caption(room.DIVIDED)
    draw.show(draw.of(drawings.paired, changes), alt="Median change in energy of the same prompts from A to B with its interval")
    pick.framed(changes, room.PAIRS, "Change in energy of the same prompts from A to B, per model", "pairs", "The rows behind the chart")


def change_of_means(selection: Selection, **sides: str | bool) -> None:
    """Published averages on two sides: the change over all models, energy of each, and the split into two effects.

    Args:
        sides: parameters of `contrast_published`.
    """
    published = _contrast("contrast_published", selection, **sides)
    if published.is_empty():
        st.info(room.NO_MEANS, icon=":material/info:")
        return
    kind = str(sides["contrast"])
    st.markdown(room.changes(stats.change_of_means(published).head(room.MOST_TABLES), kind))
    sets = room.in_sets(published, ("source", "gpu_model", "task", "a", "b"))
    rows = sets.filter(pl.col("set") == controls.one_of("Table", "table", shape.names(sets, "set")))
    name = "model_name" if kind != "model" else "engine"
    st.subheader("Energy of a response", anchor=False)
    alt = "Mean energy of a response on both sides, one line per model, largest saving on top"
    chosen = pick.chart(draw.of(drawings.dumbbells, rows, name), rows, alt, "dumbbells", field=name)
    st.subheader("Shorter answers, or cheaper tokens?", anchor=False)
    st.markdown(room.SPLIT)
    draw.show(draw.of(drawings.split, rows, name), alt="Change in energy as effects of length and of J/token, one bar per model")
    alt = "Energy, length and J/token on both sides, per model"
    pick.behind(chosen, rows, room.MEANS, alt, "concise-or-verbose", "The rows behind the charts")


def why_models_of_one_size_differ(selection: Selection) -> None:
    """J/token against response length for the models of one size, alike in all else: source, GPU, task, engine, batch size, prompts."""
    rows = room.in_sizes(data.load("leaderboard", selection))
    sets = room.of_several_models(room.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size", "prompt_set")))
    if sets.is_empty():
        st.info(room.NO_TWO_OF_ONE_SIZE, icon=":material/info:")
        return
    st.subheader("Models of one size: why does one use so much more energy than another?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = sets.filter(pl.col("set") == controls.one_of("Results", "iso", shape.names(sets, "set")))
        size = controls.one_of("Size", "size", shape.names(room.in_sizes(group), "size"), 230)
    models = group.filter(pl.col("size") == size)
    st.markdown(room.same_size(stats.spread(models), size))
    st.markdown(room.ISO)
    alt = f"J/token against response length, models of {size}, with lines of equal energy"
    chosen = pick.chart(draw.of(drawings.iso, models, stats.iso_energy(models)), models, alt, "iso_chart")
    columns = controls.behind("output_tokens", "energy_per_token_j")
    pick.behind(chosen, models, columns, "The models in the chart", "models-of-one-size")


selection = frame.begin("Does asking for a short answer save energy?")
if data.load("leaderboard", selection).is_empty():
    scope.nothing_matches(selection)
view = controls.view("view", room.CONTRASTS, first_contrast(selection))
if view == room.OF_ONE_SIZE:
    why_models_of_one_size_differ(selection)
else:
    above_idle = frame.measure().above_idle
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind, a, b = sides(data.options())
        cut = view == room.OF_PAIRS and cut_short()
    if view == room.OF_PAIRS:
        change_of_pairs(selection, above_idle, contrast=kind, a=a, b=b, finished=not cut)
    else:
        if above_idle:
            st.caption(room.GROSS_ONLY)
        change_of_means(selection, contrast=kind, a=a, b=b)
st.caption(scope.provenance(data.load("leaderboard", selection), selection))
