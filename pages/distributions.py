"""How does one prompt differ from the next?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, glance, pick, scope, tables
from prompt_joules.pages.ui.of import distributions as room
from prompt_joules.pages.ui.of import distributions_charts as drawings
from prompt_joules.pages.ui.pure import certainty, naming, shape, words
from prompt_joules.pages.ui.pure.narrowings import Grouped, among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics import comparison, percentiles


def setup(names: Sequence[str]) -> str | None:
    """One setup; None for all of them together."""
    explanation = "What is alike for all prompts of the chart: GPU, engine, prompts answered together, prompt set."
    choices = [*names, *([room.ALL_SETUPS] if len(names) > 1 else [])]
    chosen = controls.one_of("Setup", "setup", choices, "stretch", explanation)
    return None if chosen == room.ALL_SETUPS else chosen


def axis(wide: bool) -> bool:
    """Whether the axis is logarithmic: as chosen, or where values lie far apart."""
    explanation = "automatic: logarithmic where a linear axis would squeeze the typical prompt into its first tenth."
    chosen = controls.one_of("Axis", "axis", room.AXES, 125, explanation)
    return wide if chosen == room.AXES[0] else chosen == room.AXES[2]


def some_series(rows: pl.DataFrame) -> str:
    """The series to draw, as a JSON list; empty for all.

    A chart has at most MOST_SERIES: those with the most prompts, unless the visitor chooses others.

    Args:
        rows: one row per series, most prompts first: `series`, `prompts`.
    """
    if rows.height <= room.MOST_SERIES or not rows["prompts"][0]:
        return ""
    series = {name: whole for whole, name in naming.short(rows["series"]).items()}
    first = list(series)[: room.MOST_SERIES]
    controls.tell_unknown("series", list(series))
    chosen = st.multiselect("Series", list(series), default=first, key="series", bind="query-params", wrap=True) or first
    st.caption(room.some_series(len(chosen), len(series), chosen == first))
    return json.dumps([series[name] for name in chosen])


def one_setup(view: View) -> View:
    """The view of one setup of our own runs whose prompts are comparable, as the visitor chooses, and of its prompt set.

    Returns:
        The view as it was where there is no run, or where all setups are wanted.
    """
    rows = room.in_setups(data.own(view.selection))
    chosen = None if rows.is_empty() else setup(shape.names(rows, "setup"))
    if chosen is None:
        return view
    row = rows.filter(pl.col("setup") == chosen).row(0, named=True)
    batches = () if row["batch_size"] is None else (row["batch_size"],)
    one = replace(view.selection, gpus=(row["gpu_model"],), engines=(row["engine"],), batch_sizes=batches, weights=(row["weights"],))
    prompts = (among("prompt_set", (row["prompt_set"],)),) if row["prompt_set"] else ()
    return view.over(one).narrowed(*prompts)


def say_what_differs(view: View, by: str) -> None:
    """Say on what the runs of the chart differ, besides what its series stand for."""
    setups = view.rows(data.load("setups", view.selection).filter(pl.col("result_id").str.starts_with("run:")))
    different = setups.drop("result_id").unique()
    keys = comparison.differing(different).filter(~pl.col("key").is_in(room.SERIES_KEYS[by])) if setups.height else setups.clear()
    if keys.is_empty():
        return
    if room.are_usual(keys):
        st.caption(room.mixed(keys))
    else:
        st.warning(room.mixed(keys), icon=":material/rule:")


def show_histogram(view: View, asked: Mapping[str, str], found: pl.DataFrame, names: Mapping[str, str], log: bool) -> None:
    """Bars of a number over prompts, one row per series, and the prompts behind the bars that were clicked.

    Args:
        asked: the parameters of `distribution`.
        found: its rows.
        names: the short name of each series.
        log: whether the axis is logarithmic.
    """
    metric = NUMBERS[asked["metric"]]
    bins = data.load("distribution_bins", view.selection, log=log, bins=40, **room.span(found, log), **asked)
    bins = bins.with_columns(pl.int_range(pl.len()).cast(pl.String).alias("bar"))
    few = pl.col("series").is_in(found.filter(pl.col("prompts") < certainty.FEW)["series"].to_list()).alias("few")
    edges = naming.with_short_names(room.in_units_of(bins.with_columns(few), metric, ("bin_low", "bin_high")), names)
    drawn = draw.of(drawings.histogram, edges, metric, log, [names[series] for series in room.with_prompts(found)["series"]])
    alt = f"Histogram of {metric.title} over prompts, by {asked['by']}"
    chosen = pick.show_chart(drawn, edges, alt, "histogram", field="bar", noun="bars")
    show_prompts_of_bars(view, bins, chosen, asked)


def show_prompts_of_bars(view: View, bins: pl.DataFrame, chosen: pl.DataFrame, asked: Mapping[str, str]) -> None:
    """The prompts behind the bars of a histogram that were clicked; nothing where none was.

    Args:
        bins: all bins in storage units, with `bar`.
        chosen: the bins that were clicked.
        asked: the parameters of the histogram: `metric`, `by`, `prompt_set`.
    """
    if chosen.height == bins.height:
        return
    clicked = chosen["bar"].to_list()
    found = [
        data.load("prompts_between", view.selection, series=series, low=low, high=high, **asked)
        for bar, (series, low, high) in zip(bins["bar"], room.ends_of(bins), strict=True)
        if bar in clicked
    ]
    rows = pl.concat(found).head(room.MOST_OF_BARS)
    st.header(f"The {rows.height:,} prompts of the bars", anchor=False)
    if cut := words.first_of(int(chosen["count"].sum()), room.MOST_OF_BARS, "prompts", "choose fewer bars for the others"):
        st.caption(cut)
    tables.show(rows, room.BEHIND_BARS, alt="The prompts behind the bars that were clicked")
    downloads.offer(rows, "prompts-of-bars", view.narrowed(Grouped(asked["by"]), among("answer", room.answers(rows))))


def show_where_the_joules_go(steps: pl.DataFrame) -> None:
    """Lorenz curve and the share of the costliest prompts.

    Args:
        steps: rows of `room.steps_of` for the energy, with `shown_as`.
    """
    st.markdown("If every prompt cost the same, the curve would be the straight line. The deeper it hangs, the more a few prompts use.")
    chart, table = st.columns([3, 2])
    with chart:
        draw.show(
            draw.of(drawings.lorenz, steps, shape.names(steps, "shown_as")),
            alt="Share of the energy that the cheapest share of the prompts used",
        )
    with table:
        tables.show(room.costliest(steps), ("shown_as", "top5_share"), alt="Share of the energy that the costliest 5 % used")


view = frame.begin("How does one prompt differ from the next?")
form = controls.view("form", room.SPREADS, is_labelled=False)
of_joules = form == room.OF_JOULES
choices = st.container(horizontal=True, vertical_alignment="bottom")
with choices:
    view = one_setup(view)
own = view.rows(data.own(view.selection))
forced = shape.has_random_weights(own)
if forced and of_joules:
    st.info(words.FORCED, icon=":material/casino:")
    scope.say_footer(own, view, "run")
    st.stop()
with choices:
    key = "energy_j" if of_joules else controls.metric("Number", "metric", room.of_prompts(view.measure, forced), width=225)
    by = controls.one_of("One series per", "by", room.GROUPS, 130)
# The chart starts high on the page: the choice among many series stands below it.
top, below = st.container(), st.container()
asked = {"metric": key, "by": by, "prompt_set": room.prompt_set_of(view)}
with below:
    asked["only_series"] = some_series(data.load("series", view.selection, **asked))
found = data.load("distribution", view.selection, **asked)
names = room.counted(naming.short(found["series"]), found)
summary = room.without_steps(percentiles.with_intervals(found, key))
with choices:
    log = not of_joules and axis(room.is_wide(summary))
metric = NUMBERS[key]
if summary.is_empty():
    scope.end_without_rows(view, words.NEEDS_PROMPTS, count=lambda view: data.own(view.selection).height)
measured = naming.with_short_names(room.with_prompts(summary), names)
if measured.is_empty():
    reasons = data.own(view.selection)["energy_reason"].drop_nulls().unique().sort()
    why = f" Reason: {'; '.join(reasons)}." if key.startswith(("energy", "power")) and len(reasons) else ""
    count = words.count(int(summary["unmeasured"].sum()), "prompt")
    st.info(plain(f"{metric.label}: not measured in {count} of this selection.{why}"), icon=":material/help:")
    st.markdown("Response length, latency and throughput are known without an energy counter: choose one of them above.")
    scope.say_footer(own, view, "run")
    st.stop()

table = room.in_units_of(measured, metric, room.LEVELS)
with top:
    glance.headline(room.headline(table, metric))
    if form == room.OF_BARS:
        show_histogram(view, asked, found, names, log)
        st.caption(f"{room.axis(log)} {room.cut(own)}")
    elif form == room.OF_PERCENTILES:
        alt = f"{metric.title}: middle half, median and 5 to 95 % of the prompts, with 95 % intervals of the median and the p95"
        draw.show(draw.of(drawings.boxes, table, metric, log), alt=alt)
        st.caption(room.BOXES)
    elif form == room.OF_SHARES:
        few = table.filter(pl.col("prompts") < certainty.FEW)["shown_as"].to_list()
        values = naming.with_short_names(room.in_units_of(room.steps_of(found), metric, ("value",)), names)
        drawn = draw.of(drawings.ecdf, values, metric, log, shape.names(table, "shown_as"), few)
        draw.show(drawn, alt=f"Cumulative share of the prompts by {metric.title}")
    else:
        show_where_the_joules_go(naming.with_short_names(room.steps_of(found), names))
if shared := words.alike(naming.alike(found["series"]) if found.height > 1 else found["series"].item()):
    st.caption(shared)
say_what_differs(view, by)
if forced:
    st.info(words.FORCED, icon=":material/casino:")
frame.say_measure_of_prompts(view)
if key.startswith(("energy", "power")) and own.select(energy_shown.shared(own.columns).any()).item():
    st.caption(room.DIVIDED)
glance.explained(room.spreads(table, metric), "" if of_joules else room.OFF_BY, label=room.IN_WORDS)
if not of_joules:
    columns = ("shown_as", "prompts", "unmeasured", *room.LEVELS)
    alt = f"Percentiles of {metric.title}"
    listed = view.narrowed(Grouped(by), among("series", measured["series"]))
    pick.show_framed(table, columns, alt, f"percentiles-{metric.key}", listed, "The percentiles as a table", metric=metric)
scope.say_footer(own, view, "run", more=room.drawn(measured))
