"""Does asking for a short answer save energy?"""

from dataclasses import replace
from typing import Any

import polars as pl
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from prompt_joules.pages.ui import controls, data, draw, frame, glance, pick, scope
from prompt_joules.pages.ui.of import verbosity as room
from prompt_joules.pages.ui.of import verbosity_charts as drawings
from prompt_joules.pages.ui.pure import certainty, naming, shape, words
from prompt_joules.pages.ui.pure.narrowings import Pooled, Sides, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import called
from prompt_joules.warehouse.energy_shown import GROSS
from prompt_joules.warehouse.selection import TEXT_FILTERS
from prompt_joules.warehouse.statistics import pairs, summaries

# Pairs of sides that are looked into for the one that the page starts with.
TRIED = 5


def ask_sides(form: str, view: View) -> Sides:
    """What is compared with what: the kind of difference, side A and side B; both empty for every task and its concise twin.

    It starts with two sides that were measured alike in all else, where there are two.

    Args:
        form: of CONTRASTS.
    """
    compared = controls.one_of("Compare", "compare", list(room.SIDES), 250)
    kind = room.SIDES[compared]
    if compared == next(iter(room.SIDES)):
        return Sides(kind)
    names = data.options().filter(pl.col("kind") == kind)["label"].drop_nulls().unique().sort().to_list()
    first = first_pair(form, view, kind, names)
    if kind == "engine":
        ids = {called.engine(name): name for name in names}
        names, first = list(ids), first and (called.engine(first[0]), called.engine(first[1]))
    a, b = (
        st.selectbox(label, names, index=names.index(side), key=f"{label.lower()}_{kind}", bind="query-params", width=230)
        for label, side in zip("AB", first or (names[0], names[min(1, len(names) - 1)]), strict=True)
    )
    a, b = a or names[0], b or names[0]
    return Sides(kind, ids[a], ids[b]) if kind == "engine" else Sides(kind, a, b)


def first_pair(form: str, view: View, kind: str, names: list[str]) -> tuple[str, str] | None:
    """The first of the pairs that most results have for which there is something to show; None where that is none of the likeliest.

    Args:
        names: sides that can be chosen.
    """
    rows = data.load("leaderboard", free_of(view, kind).selection)
    alike = [pair for pair in room.first_sides(rows, kind, form == room.OF_PAIRS) if set(pair) <= set(names)]
    name = "contrast_prompts" if form == room.OF_PAIRS else "contrast_published"
    asked = {"idle": GROSS} if form == room.OF_PAIRS else {}
    return next((pair for pair in alike[:TRIED] if contrast(name, view, Sides(kind, *pair), **asked)[1].height), None)


def free_of(view: View, kind: str) -> View:
    """The view without the filter of what differs."""
    free: dict[str, Any] = {TEXT_FILTERS[kind]: ()}
    return view.over(replace(view.selection, **free))


def contrast(name: str, view: View, sides: Sides, **parameters: str) -> tuple[View, pl.DataFrame]:
    """Rows of a query of two sides, and the view that they are; the filter of what differs keeps rows in which one side passes it.

    Args:
        sides: what is compared.
        parameters: of the query, besides the sides.
    """
    wanted = getattr(view.selection, TEXT_FILTERS[sides.kind])
    labels = data.options().filter(pl.col("kind") == sides.kind, pl.col("value").is_in(list(wanted)))["label"]
    view = free_of(view, sides.kind).narrowed(replace(sides, some=tuple(labels) or wanted))
    rows = data.load(name, view.selection, contrast=sides.kind, a=sides.a, b=sides.b, **parameters)
    return view, view.rows(rows)


def show_change_of_pairs(view: View, sides: Sides) -> None:
    """Our own prompts, each on two sides: the median change in energy with its interval, in words, as a chart and as a table."""
    view, found = contrast("contrast_prompts", view, sides, idle=view.measure.idle)
    if found.is_empty():
        st.info(scope.without_energy(view) or room.NO_PAIRS, icon=":material/info:")
        return
    changes = room.pair_labels(pairs.paired(found, data.luck()))
    changes = room.in_groups(changes)
    late, early = changes.filter(~pl.col("is_early")), changes.filter("is_early")
    alt = "Change in energy of the same prompts from A to B with its interval"
    glance.headline(room.said_of_pairs(late))
    draw.show(draw.of(drawings.paired, late), alt=alt)
    if early.height:
        frame_ = st.expander(f"{room.EARLY}: {words.count(early.height, 'setup')}", key="early-frame", on_change="rerun")
        if frame_.open:
            with frame_:
                st.caption(room.ABOUT_EARLY)
                draw.show(draw.of(drawings.paired, early), alt=f"{alt}, of protocol 1.x")
    glance.explained(
        room.headline_of_pairs(changes) if changes.height > 1 else "",
        room.pairs(changes, view.measure),
        words.alike(naming.alike(changes["label"])),
        "" if changes["shared"].all() else room.AS_SPENT,
        room.DIVIDED if changes["shared"].any() else "",
        certainty.of_runs(data.luck(changes["harness_version"])),
    )
    alt = "Change in energy of the same prompts from A to B, per model"
    pick.show_framed(changes, room.PAIRS, alt, "pairs", view, "The rows behind the chart")
    scope.say_footer(changes, view, "setup")


def show_change_of_means(view: View, sides: Sides) -> None:
    """Published averages on two sides: the change over all models, energy of each, and the split into two effects."""
    view, published = contrast("contrast_published", view, sides)
    if published.is_empty():
        st.info(room.NO_MEANS, icon=":material/info:")
        return
    summary = room.labels_of_means(pairs.change_of_means(published), sides.kind)
    glance.headline(room.headline_of_means(summary, sides.kind))
    alt = "Change in energy from A to B over the models of each published table, with its interval"
    draw.show(draw.of(drawings.of_means, summary.head(room.MOST_TABLES)), alt=alt)
    st.caption(words.first_of(summary.height, room.MOST_TABLES, "tables", "filters lead to the others"))
    glance.explained(room.changes(summary.head(room.MOST_TABLES), sides.kind), room.GROSS_ONLY if view.measure.idle != GROSS else "")
    st.header("Model by model", anchor=False)
    sets = room.in_sets(published, ("source", "gpu_model", "task", "a", "b"))
    view = view.narrowed(among("set", (controls.one_of("Table", "table", shape.names(sets, "set")),)))
    rows = view.rows(sets)
    name = "model_name" if sides.kind != "model" else "engine"
    alt = "Mean energy of a response on both sides, one line per model, largest saving on top"
    chosen = pick.show_chart(draw.of(drawings.dumbbells, rows, name), rows, alt, "dumbbells", field=name)
    st.header("Shorter answers, or cheaper tokens?", anchor=False)
    st.markdown(room.SPLIT)
    draw.show(draw.of(drawings.split, rows, name), alt="Change in energy as effects of length and of J/token, one bar per model")
    alt = "Energy, length and J/token on both sides, per model"
    pick.show_behind(chosen, rows, room.MEANS, alt, "concise-or-verbose", view, "The rows behind the charts", field=name)
    scope.say_footer(rows, view, "published comparison")


def show_why_models_of_one_size_differ(view: View, row: DeltaGenerator) -> None:
    """J/token against response length for the models of one size, alike in all else: source, GPU, task, engine, batch size, prompts."""
    view = view.narrowed(Pooled())
    rows = room.in_sizes(data.results(view))
    sets = room.of_several_models(room.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size", "prompt_set")))
    if sets.is_empty():
        st.info(room.NO_TWO_OF_ONE_SIZE, icon=":material/info:")
        return
    with row:
        view = view.narrowed(among("set", (controls.one_of("Results", "iso", shape.names(sets, "set"), 320),)))
        size = controls.one_of("Size", "size", shape.names(room.in_sizes(view.rows(sets)), "size"), 180)
    view = view.narrowed(among("size", (size,)))
    models = view.rows(sets)
    glance.headline(room.same_size(summaries.spread(models), size))
    alt = f"J/token against response length, models of {size}, with lines of equal energy"
    chosen = pick.show_chart(draw.of(drawings.iso, models, summaries.iso_energy(models)), models, alt, "iso_chart")
    st.caption(room.ISO)
    columns = controls.behind("output_tokens", "energy_per_token_j")
    pick.show_behind(chosen, models, columns, "The models in the chart", "models-of-one-size", view)
    scope.say_footer(models, view)


view = frame.begin("Does asking for a short answer save energy?")
results = data.load("leaderboard", view.selection)
if results.is_empty():
    scope.end_without_rows(view)
row = glance.choices()
with row:
    first = room.first_form(results)
    form = controls.view("view", room.CONTRASTS, first)
    sides = None if form == room.OF_ONE_SIZE else ask_sides(form, view)
if sides is None:
    show_why_models_of_one_size_differ(view, row)
elif form == room.OF_PAIRS:
    show_change_of_pairs(view, sides)
else:
    show_change_of_means(view, sides)
