"""Distributions: its views and choices, the rows behind its charts, and its sentences."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import certainty, naming, words
from prompt_joules.pages.ui.pure.narrowings import Among
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import TOKENS, Measure
from prompt_joules.warehouse.metrics import METRICS, PROMPT_METRICS, Metric
from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS

# What Distributions can show.
SPREADS = OF_BARS, OF_PERCENTILES, OF_SHARES, OF_JOULES = "Histogram", "Percentiles", "Share at or below a value", "Where the joules go"
GROUPS = ("result", "model", "task", "gpu", "engine", "batch size", "prompt set")
MOST_SERIES = 8
# The most prompts of clicked bars that are listed.
MOST_OF_BARS = 500
AXES = ("automatic", "linear", "logarithmic")
ALL_SETUPS = "All setups together"
# The keys on which runs of different series differ anyway.
SERIES_KEYS = {
    "result": ("task", "harness_version", "engine_version"),
    "model": (),
    "task": ("task",),
    "gpu": ("gpu_model",),
    "engine": ("engine", "engine_version"),
    "batch size": ("batch_size",),
    "prompt set": ("prompt_set",),
}
LEVELS = ("mean", "p5", "p25", "p50", "p50_low", "p50_high", "p75", "p90", "p95", "p95_low", "p95_high", "p99", "minimum", "maximum")
DIVIDED = (
    "Some of these prompts shared the GPU with others: their energy was measured for all of them at once and divided among them by a rule."
)
BOXES = (
    "A box is the middle half of the prompts, the tick in it the median, the line 5 to 95 %. Below it the 95 % intervals of the median and "
    "of the p95 over the prompts of these runs, without the spread between runs; → has no upper limit. Fewer than ten prompts are a hollow "
    "box, fewer than five have no interval."
)
# What no filter chooses: what several of one kind differ in is part of what is shown.
UNCHOSEN = {"card": "on several cards of one kind", "kernels": "of kernels that were compiled anew"}
IN_WORDS = "How far apart, series by series"
OFF_BY = (
    "Percentiles are off by at most 0.5 % of their value, with few prompts by far less: prompts are counted in narrow buckets, not sorted. "
    "Every answer counts alike here; on Leaderboard and Compare every prompt does, however often it was asked."
)
BEHIND_BARS = ("prompt_id", "energy_j", "output_tokens", "input_tokens", "latency_s", "model_name", "gpu_model", "task", "engine", "run_id")


def of_prompts(measure: Measure, forced: bool) -> tuple[str, ...]:
    """The numbers that a prompt has; the energy of the sidebar first.

    Args:
        forced: whether random weights are among the rows: then nothing is offered that stands and falls with the length of an answer.
    """
    if forced:
        per = measure.per if measure.per in TOKENS else "output token"
        first = replace(measure, statistic="mean", per=per).key
        return tuple(dict.fromkeys((first, *(key for key in PROMPT_METRICS if not METRICS[key].follows_length))))
    return tuple(dict.fromkeys((replace(measure, statistic="mean").key, *PROMPT_METRICS)))


def in_setups(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `setup`, what must be alike for prompts to be comparable. Setups with energy come first, then those of one prompt at a
    time, then those of most prompts.

    Args:
        rows: rows of `results` of our own runs.
    """
    setup = naming.joined("gpu_model", naming.engine(), naming.BATCH, naming.prompts_of(), naming.RANDOM)
    first = (pl.col("energy_j").is_null().all(), (pl.col("batch_size") != 1).all(), -pl.col("prompts").sum().cast(pl.Int64), pl.len())
    named = rows.with_columns(setup.alias("setup"))
    ranked = named.group_by("setup").agg(place.alias(f"place_{n}") for n, place in enumerate(first)).sort(r"^place_.*$", "setup")
    return ranked.select("setup").join(named, on="setup", maintain_order="left_right")


def prompt_set_of(view: View) -> str:
    """The prompt set that the view is of; empty where it is of all."""
    found = [narrowing.values[0] for narrowing in view.narrowings if isinstance(narrowing, Among) and narrowing.column == "prompt_set"]
    return found[0] if found else ""


def drawn(measured: pl.DataFrame) -> str:
    """How many prompts are drawn, and how many lack the number."""
    lacking = int(measured["unmeasured"].sum())
    without = f"; {words.count(lacking, 'prompt')} of them without the number" if lacking else ""
    return f"Drawn: {words.count(int(measured['prompts'].sum()), 'prompt')} in {words.count(measured.height, 'group')}{without}."


def answers(rows: pl.DataFrame) -> list[str]:
    """A name for each answer: the run and its place in it, since a run can answer a prompt more than once.

    Args:
        rows: with `run_id` and `sequence`.
    """
    names: list[str] = rows.select(pl.format("{} {}", "run_id", "sequence").alias("answer"))["answer"].to_list()
    return names


def in_units_of(rows: pl.DataFrame, metric: Metric, columns: Iterable[str]) -> pl.DataFrame:
    """The named columns all hold values of one metric: to its screen unit."""
    return rows.with_columns(pl.col(column) * metric.display_factor for column in columns if column in rows.columns)


def is_wide(summary: pl.DataFrame) -> bool:
    """Whether a linear axis would squeeze the typical prompt of some series into its first tenth.

    Args:
        summary: rows of `distribution`, with prompts.
    """
    smallest, typical, largest = summary["minimum"].min(), summary["p50"].min(), summary["maximum"].max()
    numbers = [value for value in (smallest, typical, largest) if isinstance(value, int | float)]
    return len(numbers) == 3 and numbers[0] > 0 and numbers[2] > 10 * numbers[1]


def without_steps(found: pl.DataFrame) -> pl.DataFrame:
    """The percentiles of each series, without the whole distribution.

    Args:
        found: rows of the query `distribution`.
    """
    return found.drop("steps", "top5_share", "least_positive", "answers_per_prompt", "runs", "divided")


def counted(names: Mapping[str, str], found: pl.DataFrame) -> dict[str, str]:
    """The short names of series, each with how many answers are behind it, and of how many runs where there are several.

    Args:
        names: of series.
        found: rows of the query `distribution`.
    """
    known = {series: (prompts, runs) for series, prompts, runs in found.select("series", "prompts", "runs").iter_rows()}
    said = {series: f"n = {prompts:,}" + (f" of {runs} runs" if runs > 1 else "") for series, (prompts, runs) in known.items()}
    return {series: f"{name} · {said[series]}" for series, name in names.items()}


def steps_of(found: pl.DataFrame) -> pl.DataFrame:
    """One row per series and step of its distribution: `series`, `top5_share`, `share_of_prompts`, `value`, `share_of_total`.

    Args:
        found: rows of the query `distribution`; a series without a value has no step.
    """
    return found.filter(pl.col("prompts") > 0).select("series", "top5_share", "steps").explode("steps").unnest("steps")


def span(found: pl.DataFrame, log: bool) -> dict[str, float]:
    """The ends of the bins of a histogram in storage units: `low` and `high`, of values above 0 where the axis is logarithmic.

    Args:
        found: rows of the query `distribution`; without a value that can be drawn `low` is above `high`, and no bin is found.
    """
    low, high = found["least_positive" if log else "minimum"].min(), found["maximum"].max()
    return {"low": low, "high": high} if isinstance(low, float) and isinstance(high, float) else {"low": 1.0, "high": 0.0}


def with_prompts(summary: pl.DataFrame) -> pl.DataFrame:
    """The series in which at least one prompt has the number."""
    return summary.filter(pl.col("prompts") > 0)


def ends_of(bins: pl.DataFrame) -> list[tuple[str, float, float]]:
    """Series, smallest and largest value of each bin: a value on the edge of two belongs to the upper one; the last has both its ends."""
    last = bins["bin_high"].max()
    return [
        (series, low, high if high == last else math.nextafter(high, low))
        for series, low, high in bins.select("series", "bin_low", "bin_high").iter_rows()
    ]


def costliest(steps: pl.DataFrame) -> pl.DataFrame:
    """One row per series of a Lorenz curve: the share of the energy of the costliest 5 % of the prompts."""
    return (
        steps.group_by("series", "shown_as", maintain_order=True)
        .agg(pl.col("top5_share").first())
        .sort("top5_share", "series", descending=[True, False])
    )


def headline(table: pl.DataFrame, metric: Metric) -> str:
    """How far prompts are apart, in one sentence about the series that lies farthest apart; empty where none has two different values.

    Args:
        table: rows of `distribution` in screen units, with `shown_as`.
    """
    apart = table.filter(pl.col("p5") > 0, pl.col("p95") > pl.col("p5")).sort(pl.col("p95") / pl.col("p5"), descending=True)
    if apart.is_empty():
        return ""
    row = apart.row(0, named=True)
    where = "" if table.height == 1 else f" ({plain(row['shown_as'])})"
    return (
        f"One answer in twenty has at least {figure(row['p95'], 3)} {words.unit(metric)}, one in twenty at most {figure(row['p5'], 3)}: "
        f"**{figure(row['p95'] / row['p5'], 2)}×** apart{where}."
    )


def spreads(table: pl.DataFrame, metric: Metric) -> str:
    """How far apart prompts are, and how sure their median and p95 are, one item per series.

    Args:
        table: rows of `distribution` in screen units, with `shown_as`.
    """
    return words.first_lines(table, lambda row: _spread(row, metric))


def _spread(row: dict[str, Any], metric: Metric) -> str:
    times = f", **{figure(row['p95'] / row['p5'], 2)}×** as much" if row["p5"] > 0 else ""
    low, middle_low, middle_high, high = (figure(row[level], 3) for level in ("p5", "p25", "p75", "p95"))
    return (
        f"- **{plain(row['shown_as'])}**: half of the {row['prompts']:,} answers lie between {middle_low} and {middle_high} "
        f"{words.unit(metric)}; one in twenty is at most {low}, one in twenty at least {high} {words.unit(metric)}{times}.{_sure(row)}"
    )


def _sure(row: dict[str, Any]) -> str:
    """The intervals of the median and the p95; why there is none."""
    said = [_interval(row, name, title) for name, title in (("p50", "median"), ("p95", "p95"))]
    if any(said):
        return f" 95 % intervals: {'; '.join(part for part in said if part)}."
    return "" if row["prompts"] >= FEWEST_UNITS else " Too few answers for an interval."


def _interval(row: dict[str, Any], name: str, title: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None and high is None:
        return ""
    if high is None:
        return f"{title} at least {figure(low, 3)}, no upper limit with {row['prompts']:,} answers"
    return f"{title} {figure(row[name], 3)} ({certainty.span(low, high, lambda end: figure(end, 3))})"


def axis(log: bool) -> str:
    """What the axis of a histogram is."""
    kind = "logarithmic: equal steps are equal ratios, and so are the widths of the bars" if log else "linear"
    return f"Each bar is the share of the prompts of its group. The axis is {kind}."


def cut(rows: pl.DataFrame) -> str:
    """How many answers of runs of ours were cut short, which bounds what they can cost; empty where none were, or it is not known."""
    counted = rows.filter(pl.col("truncated_share").is_not_null())
    answers = int(counted["prompts"].sum())
    share = float((counted["truncated_share"] * counted["prompts"]).sum()) / answers if answers else None
    return f"{100 * share:.0f} % of these answers reached the length limit and were cut there." if share else ""


def mixed(keys: pl.DataFrame) -> str:
    """On what the runs of a chart differ."""
    if are_usual(keys):
        said = " and ".join(UNCHOSEN[key] for key in keys["key"])
        return f"The runs shown were {said}: what sets these apart is part of the spread."
    return f"The runs shown are not alike in {words.listed(keys)}: choose one setup, or one task, for a fair comparison."


def are_usual(keys: pl.DataFrame) -> bool:
    """Whether runs differ only in what nobody chooses: that is no fault of a chart."""
    return set(keys["key"]) <= UNCHOSEN.keys()


def some_series(shown: int, known: int, usual: bool) -> str:
    """How many of the series of a distribution are drawn."""
    return f"{shown} of {known} series are shown{', those with the most prompts' if usual else ''}. Choose others under Series."
