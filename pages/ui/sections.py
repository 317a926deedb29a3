"""Parts of pages that are too long for a page: each loads rows, says them in words, draws and lists them."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import (
    charts,
    controls,
    curves,
    detail,
    downloads,
    draw,
    naming,
    pick,
    prompt_charts,
    prompt_words,
    scope,
    shape,
    tables,
    titles,
    words,
)
from prompt_joules.pages.ui.data import ask as answered
from prompt_joules.pages.ui.data import load, options
from prompt_joules.pages.ui.site import links
from prompt_joules.pages.ui.words import plain
from prompt_joules.warehouse import comparison, query, stats, store, visitor_sql
from prompt_joules.warehouse import export as exports
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import Selection

MOST_TABLES = 6
# What Concise or verbose? can show.
CONTRASTS = OF_MEANS, OF_PAIRS, OF_ONE_SIZE = "Published averages", "The same prompts", "Models of one size"
# What Distributions can show.
SPREADS = OF_BARS, OF_PERCENTILES, OF_SHARES, OF_JOULES = "Histogram", "Percentiles", "Share at or below a value", "Where the joules go"
# Characters of a text that is shown at once.
LONG_TEXT = 2_000
# On what runs differ when they are told apart by a series.
SERIES_KEYS = {
    "result": ("task", "harness_version", "engine_version"),
    "model": (),
    "task": ("task",),
    "gpu": ("gpu_model",),
    "engine": ("engine", "engine_version"),
    "batch size": ("batch_size",),
    "prompt set": ("prompt_set",),
}
# What can be exported: name on screen → query, what one row is.
EXPORTS = {
    "Results": ("leaderboard", "one row per configuration, published or measured"),
    "Prompts": ("prompts", "one row per prompt answered in a run of ours"),
    "Runs": ("runs", "one row per run of ours"),
}


def first_contrast(selection: Selection) -> str:
    """What Concise or verbose? shows at first: published averages, or our own prompts where the filters leave none of these."""
    return OF_PAIRS if _contrast("contrast_published", selection, contrast="task", a="", b="").is_empty() else OF_MEANS


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
    rows = load(name, free, **sides)
    labels = options().filter(pl.col("kind") == kind, pl.col("value").is_in(list(wanted)))["label"].to_list()
    return rows.filter(pl.col("a").is_in(labels) | pl.col("b").is_in(labels)) if wanted else rows


def change_of_pairs(selection: Selection, above_idle: bool, **sides: str | bool) -> None:
    """Our own prompts, each on two sides: the median change in energy with its interval, in words, as a chart and as a table.

    Args:
        above_idle: whether the energy is that above the power of the idle GPU.
        sides: parameters of `contrast_prompts`.
    """
    found = _contrast("contrast_prompts", selection, above_idle=above_idle, **sides)
    if found.is_empty():
        st.info(scope.NO_PAIRS, icon=":material/info:")
        return
    changes = naming.pair_labels(stats.paired(found))
    st.markdown(prompt_words.pairs(changes, above_idle))
    st.caption(words.alike(naming.alike(changes["label"])))
    if changes.filter(pl.col("batch_size") > 1).height:
        st.caption(prompt_words.DIVIDED)
    draw.show(draw.of(prompt_charts.paired, changes), alt="Median change in energy of the same prompts from A to B with its interval")
    pick.framed(changes, titles.PAIRS, "Change in energy of the same prompts from A to B, per model", "pairs", "The rows behind the chart")


def change_of_means(selection: Selection, **sides: str | bool) -> None:
    """Published averages on two sides: the change over all models, energy of each, and the split into two effects.

    Args:
        sides: parameters of `contrast_published`.
    """
    published = _contrast("contrast_published", selection, **sides)
    if published.is_empty():
        st.info(scope.NO_MEANS, icon=":material/info:")
        return
    kind = str(sides["contrast"])
    st.markdown(prompt_words.changes(stats.change_of_means(published).head(MOST_TABLES), kind))
    sets = shape.in_sets(published, ("source", "gpu_model", "task", "a", "b"))
    rows = sets.filter(pl.col("set") == controls.one_of("Table", "table", shape.names(sets, "set")))
    name = "model_name" if kind != "model" else "engine"
    st.subheader("Energy of a response", anchor=False)
    alt = "Mean energy of a response on both sides, one line per model, largest saving on top"
    chosen = pick.chart(draw.of(charts.dumbbells, rows, name), rows, alt, "dumbbells", field=name)
    st.subheader("Shorter answers, or cheaper tokens?", anchor=False)
    st.markdown(prompt_words.SPLIT)
    draw.show(draw.of(charts.split, rows, name), alt="Change in energy as effects of length and of J/token, one bar per model")
    alt = "Energy, length and J/token on both sides, per model"
    pick.behind(chosen, rows, titles.MEANS, alt, "concise-or-verbose", "The rows behind the charts")


def why_models_of_one_size_differ(selection: Selection) -> None:
    """J/token against response length for the models of one size, alike in all else: source, GPU, task, engine, batch size, prompts."""
    rows = shape.in_sizes(load("leaderboard", selection))
    sets = shape.of_several_models(shape.in_sets(rows, ("source", "gpu_model", "task", "engine", "batch_size", "prompt_set")))
    if sets.is_empty():
        st.info(scope.NO_TWO_OF_ONE_SIZE, icon=":material/info:")
        return
    st.subheader("Models of one size: why does one use so much more energy than another?", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        group = sets.filter(pl.col("set") == controls.one_of("Results", "iso", shape.names(sets, "set")))
        size = controls.one_of("Size", "size", shape.names(shape.in_sizes(group), "size"), 230)
    models = group.filter(pl.col("size") == size)
    st.markdown(prompt_words.same_size(stats.spread(models), size))
    st.markdown(prompt_words.ISO)
    alt = f"J/token against response length, models of {size}, with lines of equal energy"
    chosen = pick.chart(draw.of(charts.iso, models, stats.iso_energy(models)), models, alt, "iso_chart")
    columns = controls.behind("output_tokens", "energy_per_token_j")
    pick.behind(chosen, models, columns, "The models in the chart", "models-of-one-size")


def marked(rows: pl.DataFrame, energy: str) -> pl.DataFrame:
    """Rows of the leaderboard with `pareto` (no other is as fast and as cheap) and `spread` (their distribution over prompts)."""
    points = rows.filter(pl.col(energy).is_not_null(), pl.col("latency_s").is_not_null())
    best = stats.frontier(points, "latency_s", energy, False).filter("frontier")["result_id"].to_list()
    spreads = load("spreads", Selection())
    return rows.with_columns(pl.col("result_id").is_in(best).alias("pareto")).join(
        spreads, on="result_id", how="left", maintain_order="left"
    )


def result_detail(chosen: pl.DataFrame) -> None:
    """Everything that is known about the row that was clicked, and where its figures come from."""
    for row in chosen.iter_rows(named=True):
        st.subheader(f"{plain(row['model_name'])} on {plain(row['gpu_model'])}, {plain(row['task'] or '')}", anchor=False)
        if row["origin"] == "measured":
            view = {"model": row["model_id"], "gpu": row["gpu_model"], "task": row["task"], "engine": row["engine"], "weights": "both"}
            pages = {"distributions": "Its prompts", "cost_of_a_token": "Cost of a token", "runs": "Its verdict"}
            st.html(links([(f"{page}?{urlencode(view)}", label) for page, label in pages.items()]))
        elif row["url"]:
            st.html(links([(row["url"], "Where it was published")] if row["url"].startswith("https://") else []))
        tables.show(detail.upright(chosen), detail.UPRIGHT, alt="All numbers of the row that was clicked")


def run_detail(selection: Selection, chosen: pl.DataFrame) -> None:
    """Everything that is known about the run that was clicked: setup, totals, temperature, error, and the machine it ran on."""
    columns = load("columns", selection).filter(pl.col("table") == "runs")
    meanings = dict(columns.select("column", "meaning").iter_rows())
    for row in chosen.iter_rows(named=True):
        st.subheader(f"{plain(row['model_name'])} on {plain(row['gpu'] or '')}, {plain(row['task'] or '')}", anchor=False)
        windows = detail.upright(load("run_windows", selection, run=row["run_id"]))
        told = detail.upright(chosen.filter(pl.col("run_id") == row["run_id"]).drop("environment"), meanings)
        known = pl.concat([windows, detail.environment(row["environment"]), told])
        tables.show(known, detail.UPRIGHT, alt="All that is known about the run that was clicked")


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
        load("prompts_between", selection, series=series, low=low, high=high, **asked)
        for bar, (series, low, high) in zip(bins["bar"], shape.ends_of(bins), strict=True)
        if bar in clicked
    ]
    rows = pl.concat(found).head(500)
    st.subheader(f"The {rows.height:,} prompts of the bars", anchor=False)
    tables.show(rows, titles.BEHIND_BARS, alt="The prompts behind the bars that were clicked")
    downloads.offer(rows, "prompts-of-bars")


def first_of(rows: pl.DataFrame, columns: Iterable[str], alt: str, noun: str, where: str) -> None:
    """A table of as many rows as a browser can take; of more it says where they are.

    Args:
        noun: what a row is, in the plural.
        where: where all of them can be found, as half a sentence.
    """
    tables.show(rows.head(tables.MOST_LISTED), columns, alt=alt)
    if cut := prompt_words.first_of(rows.height, tables.MOST_LISTED, noun, where):
        st.caption(cut)


def histogram(selection: Selection, asked: Mapping[str, str], found: pl.DataFrame, names: Mapping[str, str], log: bool) -> None:
    """Bars of a number over prompts, one row per series, and the prompts behind the bars that were clicked.

    Args:
        asked: the parameters of `distribution`.
        found: its rows.
        names: the short name of each series.
        log: whether the axis is logarithmic.
    """
    metric = NUMBERS[asked["metric"]]
    bins = shape.with_bars(load("distribution_bins", selection, log=log, bins=40, **shape.span(found, log), **asked))
    edges = naming.with_short_names(shape.in_units_of(bins, metric, ("bin_low", "bin_high")), names)
    drawn = draw.of(prompt_charts.histogram, edges, metric, log, [names[series] for series in shape.with_prompts(found)["series"]])
    alt = f"Histogram of {metric.title} over prompts, by {asked['by']}"
    chosen = pick.chart(drawn, edges, alt, "histogram", field="bar", noun="bars")
    prompts_of_bars(selection, bins, chosen, asked)


def where_the_joules_go(steps: pl.DataFrame) -> None:
    """Lorenz curve and the share of the costliest prompts.

    Args:
        steps: of `shape.steps_of` the energy, with `shown_as`.
    """
    st.markdown("If every prompt cost the same, the curve would be the straight line. The deeper it hangs, the more a few prompts use.")
    chart, table = st.columns([3, 2])
    with chart:
        draw.show(
            draw.of(curves.lorenz, steps, shape.names(steps, "shown_as")),
            alt="Share of the energy that the cheapest share of the prompts used",
        )
    with table:
        tables.show(shape.costliest(steps), ("shown_as", "top5_share"), alt="Share of the energy that the costliest 5 % used")


def mixed(selection: Selection, prompt_set: str, by: str) -> None:
    """Say on what the runs differ whose prompts are shown together, besides what the series stand for."""
    setups = load("setups", selection).filter(pl.col("result_id").str.starts_with("run:"))
    setups = setups.filter(pl.col("prompt_set") == prompt_set) if prompt_set else setups
    keys = comparison.differing(setups).filter(~pl.col("key").is_in(SERIES_KEYS[by])) if setups.height else setups.clear()
    if not keys.is_empty():
        st.warning(prompt_words.mixed(keys), icon=":material/rule:")


def comparable(selection: Selection, chosen: pl.DataFrame) -> None:
    """Whether the chosen results may be compared: the keys on which they differ."""
    setups = chosen.select("result_id").join(load("setups", selection), on="result_id", maintain_order="left")
    keys = comparison.differing(setups)
    if keys.is_empty():
        st.success(
            "Comparable: task, GPU, engine, batch size, harness, sampling, prompts and power limit are alike.", icon=":material/check:"
        )
        return
    st.warning(
        f"Not alike in {words.listed(keys)}. The ratio holds for these setups; it is not only about the model.", icon=":material/rule:"
    )
    pick.framed(keys, keys.columns, "Keys on which the results differ", "differences", "Where they differ")


def plan(rows: pl.DataFrame) -> None:
    """The year in three numbers."""
    year = rows.filter(pl.col("period") == "year").row(0, named=True)
    with st.container(horizontal=True):
        st.metric("Energy a year (kWh)", words.amount(year["kwh"]), border=True)
        st.metric("Money a year", words.amount(year["money"]), border=True)
        st.metric("CO₂e a year (kg)", words.amount(year["co2_kg"]), border=True)


def export(selection: Selection, name: str) -> None:
    """One button per format; the file is made when it is asked for. Results can have a column by the visitor's formula."""
    own = controls.formula(load("leaderboard", selection).columns) if name == "Results" else None
    with st.container(horizontal=True):
        for kind in exports.KINDS:
            st.download_button(
                kind.upper() if kind in ("csv", "json") else kind.capitalize(),
                data=partial(_file, selection, name, kind, store.default_warehouse(), own, downloads.address()),
                file_name=f"prompt-joules-{name.lower()}.{kind}",
                on_click="ignore",
                key=f"export-{kind}",
            )


def _file(
    selection: Selection, name: str, kind: str, warehouse: str, formula: pl.Expr | None = None, link: str | None = None
) -> io.BufferedReader:
    question, what = EXPORTS[name]
    with query.stream(question, selection, warehouse, part_rows=exports.PART_ROWS) as parts:
        return exports.temporary((shape.with_formula(part, formula) for part in parts), kind, selection, what, link=link)


def ask(sql: str) -> visitor_sql.Answer:
    """The answer to a visitor's SQL; what is wrong with it ends the page."""
    try:
        return answered(sql)
    except visitor_sql.RefusedSql as error:
        st.error(plain(str(error)), icon=":material/error:")
        st.stop()


def chart_of(rows: pl.DataFrame) -> None:
    """A chart of any rows, where there is a number to draw."""
    drawn = prompt_charts.two_columns(rows)
    if drawn is None:
        st.info("Nothing to draw: the second or a later column must be a number.", icon=":material/info:")
        return
    draw.show(draw.of(prompt_charts.anything, drawn), alt=f"{rows.columns[0]} against the first number of the answer")


def texts(answers: pl.DataFrame) -> None:
    """The prompt and its answers, where their texts were kept."""
    kept = answers.filter(pl.col("prompt_text").is_not_null() | pl.col("output_text").is_not_null())
    if kept.is_empty():
        st.markdown("The texts of prompt and answers were not kept in these runs.")
        return
    st.subheader("Texts", anchor=False)
    for text in kept["prompt_text"].drop_nulls().unique(maintain_order=True).head(3):
        verbatim(text)
    for row in kept.filter(pl.col("output_text").is_not_null()).head(8).iter_rows(named=True):
        st.markdown(f"**{plain(row['model_name'])}**, {plain(row['task'])}, {plain(row['engine'])}: {prompt_words.energy(row)}")
        verbatim(row["output_text"])


def verbatim(text: str) -> None:
    """A text as it is, in a frame; a long one is opened by a click. `st.code` would have the browser load 1.5 MB to colour it."""
    with st.container(border=True) if len(text) <= LONG_TEXT else st.expander(f"Text of {len(text):,} characters"):
        st.text(text)
