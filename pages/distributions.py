"""How does one prompt differ from the next?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import controls, data, downloads, draw, frame, pick, scope, tables
from prompt_joules.pages.ui.of import distributions as room
from prompt_joules.pages.ui.of import distributions_charts as drawings
from prompt_joules.pages.ui.pure import naming, shape, words
from prompt_joules.pages.ui.pure.words import plain
from prompt_joules.warehouse import comparison
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric
from prompt_joules.warehouse.selection import Selection


def group() -> str:
    """What one series of a distribution is."""
    return st.selectbox("One series per", room.GROUPS, key="by", bind="query-params", width=150) or room.GROUPS[0]


def setup(names: Sequence[str]) -> str | None:
    """One setup; None for all of them together."""
    explanation = "What is alike for all prompts of the chart: GPU, engine, prompts answered together, prompt set."
    choices = [*names, *([room.ALL_SETUPS] if len(names) > 1 else [])]
    chosen = st.selectbox("Setup", choices, key="setup", bind="query-params", width=620, help=explanation) or choices[0]
    return None if chosen == room.ALL_SETUPS else chosen


def axis(wide: bool) -> bool:
    """Whether the axis is logarithmic: as chosen, or where values lie far apart."""
    explanation = "automatic: logarithmic where a linear axis would squeeze the typical prompt into its first tenth."
    chosen = st.selectbox("Axis", room.AXES, key="axis", bind="query-params", width=150, help=explanation)
    return wide if chosen in (None, room.AXES[0]) else chosen == room.AXES[2]


def some_series(rows: pl.DataFrame) -> str:
    """The series to draw, as a JSON list; empty for all.

    Of more than a person can read those with the most prompts, unless the visitor chooses others.

    Args:
        rows: one row per series, most prompts first: `series`, `prompts`.
    """
    if rows.height <= room.MOST_SERIES or not rows["prompts"][0]:
        return ""
    series = {name: whole for whole, name in naming.short(rows["series"]).items()}
    first = list(series)[: room.MOST_SERIES]
    chosen = st.multiselect("Series", list(series), default=first, key="series", bind="query-params", wrap=True) or first
    st.caption(room.some_series(len(chosen), len(series), chosen == first))
    return json.dumps([series[name] for name in chosen])


def one_setup(selection: Selection) -> tuple[Selection, str]:
    """The filters narrowed to one setup of our own runs whose prompts are comparable, as the visitor chooses, and its prompt set.

    Returns:
        The filters as they were and an empty text where there is no run, or where all setups are wanted.
    """
    rows = room.in_setups(data.own(selection))
    chosen = None if rows.is_empty() else setup(shape.names(rows, "setup"))
    if chosen is None:
        return selection, ""
    row = rows.filter(pl.col("setup") == chosen).row(0, named=True)
    batches = () if row["batch_size"] is None else (row["batch_size"],)
    one = replace(selection, gpus=(row["gpu_model"],), engines=(row["engine"],), batch_sizes=batches, weights=(row["weights"],))
    return frame.narrowed(one), row["prompt_set"]


def say_what_differs(selection: Selection, prompt_set: str, by: str) -> None:
    """Say on what the runs differ whose prompts are shown together, besides what the series stand for."""
    setups = data.load("setups", selection).filter(pl.col("result_id").str.starts_with("run:"))
    setups = setups.filter(pl.col("prompt_set") == prompt_set) if prompt_set else setups
    keys = comparison.differing(setups).filter(~pl.col("key").is_in(room.SERIES_KEYS[by])) if setups.height else setups.clear()
    if not keys.is_empty():
        st.warning(room.mixed(keys), icon=":material/rule:")


def histogram(selection: Selection, asked: Mapping[str, str], found: pl.DataFrame, names: Mapping[str, str], log: bool) -> None:
    """Bars of a number over prompts, one row per series, and the prompts behind the bars that were clicked.

    Args:
        asked: the parameters of `distribution`.
        found: its rows.
        names: the short name of each series.
        log: whether the axis is logarithmic.
    """
    metric = NUMBERS[asked["metric"]]
    bins = room.with_bars(data.load("distribution_bins", selection, log=log, bins=40, **room.span(found, log), **asked))
    edges = naming.with_short_names(room.in_units_of(bins, metric, ("bin_low", "bin_high")), names)
    drawn = draw.of(drawings.histogram, edges, metric, log, [names[series] for series in room.with_prompts(found)["series"]])
    alt = f"Histogram of {metric.title} over prompts, by {asked['by']}"
    chosen = pick.chart(drawn, edges, alt, "histogram", field="bar", noun="bars")
    prompts_of_bars(selection, bins, chosen, asked)


def prompts_of_bars(selection: Selection, bins: pl.DataFrame, chosen: pl.DataFrame, asked: Mapping[str, str]) -> None:
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
        data.load("prompts_between", selection, series=series, low=low, high=high, **asked)
        for bar, (series, low, high) in zip(bins["bar"], room.ends_of(bins), strict=True)
        if bar in clicked
    ]
    rows = pl.concat(found).head(500)
    st.subheader(f"The {rows.height:,} prompts of the bars", anchor=False)
    tables.show(rows, room.BEHIND_BARS, alt="The prompts behind the bars that were clicked")
    downloads.offer(rows, "prompts-of-bars")


def where_the_joules_go(steps: pl.DataFrame) -> None:
    """Lorenz curve and the share of the costliest prompts.

    Args:
        steps: of `distributions.steps_of` the energy, with `shown_as`.
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


def not_measured(summary: pl.DataFrame, metric: Metric, selection: Selection) -> None:
    """End the page: no prompt of the selection has this number. Say how many lack it, and why if it needs energy."""
    reasons = data.own(selection)["energy_reason"].drop_nulls().unique().sort()
    why = f" Reason: {'; '.join(reasons)}." if metric.key.startswith(("energy", "power")) and len(reasons) else ""
    count = words.count(int(summary["unmeasured"].sum()), "prompt")
    st.info(plain(f"{metric.label}: not measured in {count} of this selection.{why}"), icon=":material/help:")
    st.markdown("Response length, latency and throughput are known without an energy counter: choose one of them above.")
    st.caption(scope.provenance(data.own(selection), selection))
    st.stop()


selection = frame.begin("How does one prompt differ from the next?")
view = controls.view("form", room.SPREADS)
of_joules = view == room.OF_JOULES
selection, prompt_set = one_setup(selection)
choices = st.container(horizontal=True, vertical_alignment="bottom")
with choices:
    key = "energy_j" if of_joules else controls.metric("Number", "metric", room.of_prompts(frame.measure()))
    by = group()
asked = {"metric": key, "by": by, "prompt_set": prompt_set}
asked["only_series"] = some_series(data.load("series", selection, **asked))
found = data.load("distribution", selection, **asked)
names = naming.short(found["series"])
summary = room.without_steps(found)
with choices:
    log = not of_joules and axis(room.is_wide(summary))
metric = NUMBERS[key]
if summary.is_empty():
    scope.nothing_matches(selection, words.NEEDS_PROMPTS)
measured = naming.with_short_names(room.with_prompts(summary), names)
if measured.is_empty():
    not_measured(summary, metric, selection)

table = room.in_units_of(measured, metric, room.LEVELS)
series = shape.names(table, "shown_as")
st.markdown(room.spreads(table, metric))
say_what_differs(selection, prompt_set, by)
frame.stated_of_prompts()
runs = room.of_set(data.own(selection), prompt_set)
if view == room.OF_BARS:
    histogram(selection, asked, found, names, log)
    st.caption(f"{room.axis(log)} {room.cut(room.cut_share(runs))}")
elif view == room.OF_PERCENTILES:
    alt = f"{metric.title}: middle half, median and 5 to 95 % of the prompts"
    draw.show(draw.of(drawings.boxes, table, metric, log), alt=alt)
elif view == room.OF_SHARES:
    values = naming.with_short_names(room.in_units_of(room.steps_of(found), metric, ("value",)), names)
    draw.show(draw.of(drawings.ecdf, values, metric, log, series), alt=f"Cumulative share of the prompts by {metric.title}")
else:
    where_the_joules_go(naming.with_short_names(room.steps_of(found), names))
if not of_joules:
    columns = ("shown_as", "prompts", "unmeasured", *room.LEVELS)
    alt = f"Percentiles of {metric.title}"
    pick.framed(table, columns, alt, f"percentiles-{metric.key}", "The percentiles as a table", metric=metric)
st.caption(scope.provenance(runs, selection, prompt_set))
