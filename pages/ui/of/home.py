"""Home: J of one answer of every model, for one task and GPU; what was found, in three sentences. Frames in, sentences out."""

import math
from typing import Any

import polars as pl

from prompt_joules.pages.ui.of import home_charts
from prompt_joules.pages.ui.pure import naming, shape, software
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.statistics import summaries

# Tasks in the order of the tabs; others follow by name.
TASKS = ("chat", "lm-arena-chat", "instruct", "chat-concise", "instruct-concise", "code", "sourcegraph-fim", "gpqa")
# Joules are compared with a lamp that everybody knows.
LAMP_W = 10.0
LAMP = "a 10 W lamp"
SIXTEEN_BITS = ("float16", "bfloat16")
# The band without an end holds models of very different sizes: it stands for all only where no other can.
OPEN = "over 40"
COLUMNS = (
    *("model_name", "band", "answer_j", "kind", "configurations", "params_total_b", "num_gpus", "dtype", "batch_size"),
    *("energy_per_token_j", "output_tokens", "engine", "prompts", "runs", "value_low", "value_high", "between_runs"),
    *("prompt_set", "harness_version", "source"),
)


def complete(answers: pl.DataFrame) -> pl.DataFrame:
    """Adds `band`, the band of sizes, and, in the place of what tells setups apart, `setup`, GPUs beyond one and precision beside 16 bits.

    Args:
        answers: rows of the query `answers`.
    """
    size = pl.col("params_total_b")
    ends = {name: (low or 0, high or math.inf) for name, (low, high) in shape.BANDS.items()}
    band = pl.coalesce(pl.when(size > low, size <= high).then(pl.lit(name)) for name, (low, high) in ends.items())
    gpus = pl.when(pl.col("num_gpus") > 1).then(pl.format("{}×", "num_gpus"))
    precision = pl.when(~pl.col("dtype").is_in(SIXTEEN_BITS)).then(pl.col("dtype").str.to_uppercase())
    return answers.with_columns(
        band.fill_null(shape.UNKNOWN_SIZE).alias("band"),
        naming.joined(gpus, precision).alias("setup"),
    )


def tasks(rows: pl.DataFrame) -> list[str]:
    """The tasks of the tabs: those with at least two models on a GPU, all where none has."""
    several = rows.filter(pl.len().over("task", "gpu_model") > 1)
    names = (several if several.height else rows)["task"].drop_nulls().unique().to_list()
    return sorted(names, key=lambda name: (TASKS.index(name) if name in TASKS else len(TASKS), name))


def gpus(rows: pl.DataFrame, task: str) -> list[str]:
    """The GPUs with answers to a task, the one with most numbers of one kind first."""
    counts = rows.filter(pl.col("task") == task).group_by("gpu_model", "kind").agg(pl.len().alias("models"))
    most = counts.group_by("gpu_model").agg(pl.col("models").max(), pl.col("models").sum().alias("all"))
    names: list[str] = most.sort("models", "all", "gpu_model", descending=[True, True, False])["gpu_model"].to_list()
    return names


def headline(rows: pl.DataFrame) -> str:
    """Least and most within the band and kind that has most models: models of one size, numbers of one kind."""
    bands = [band for band in shape.BANDS if band != OPEN] + [OPEN]
    counts = (
        rows.filter(pl.col("band") != shape.UNKNOWN_SIZE)
        .group_by("band", "kind")
        .agg(pl.len().alias("models"))
        .filter(pl.col("models") > 1)
    )
    place = pl.col("band").replace_strict({band: place for place, band in enumerate(bands)}, return_dtype=pl.Int64)
    groups = counts.sort(pl.col("band") == OPEN, "models", place, "kind", descending=[False, True, False, False])
    if groups.is_empty():
        row = rows.sort("answer_j").row(0, named=True)
        known = f"One answer of {plain(row['model_name'])} takes **{home_charts.joules(row)}**, as {LAMP} does in {_lit(row['answer_j'])}."
        return f"{known} No second model of its size is known here."
    band, kind, count = groups.row(0)
    alike = rows.filter(pl.col("band") == band, pl.col("kind") == kind).sort("answer_j", "model_name")
    low, high = alike.row(0, named=True), alike.row(-1, named=True)
    ends = f"**{home_charts.joules(low)}** ({plain(low['model_name'])}) to **{home_charts.joules(high)}** ({plain(high['model_name'])})"
    lamp = f"as {LAMP} does in {_lit(low['answer_j'], high['answer_j'])}"
    times = figure(high["answer_j"] / low["answer_j"], 2)
    among = f"among {count} models of {shape.said(band)} parameters"
    return f"One answer takes {ends} {among}, {lamp}. The last takes **{times}×** the first{_why(low, high)}."


def _lit(*joules: float) -> str:
    """How long the lamp takes for so many joules, in words: "53 seconds to 4.4 minutes", "4.3 to 6.1 seconds"."""
    said = [_time(value / LAMP_W) for value in joules]
    units = {unit for _, unit in said}
    return " to ".join(number for number, _ in said) + f" {units.pop()}" if len(units) == 1 else " to ".join(map(" ".join, said))


def _time(seconds: float) -> tuple[str, str]:
    """A number of two digits and its unit."""
    unit, size = next((unit, size) for unit, size in (("hours", 3600.0), ("minutes", 60.0), ("seconds", 0.0)) if seconds >= size)
    return figure(seconds / (size or 1.0), 2), unit


def _why(low: dict[str, Any], high: dict[str, Any]) -> str:
    """How much of a difference is length and how much the cost of a token, where both are known."""
    ratios = [high[name] / low[name] for name in ("output_tokens", "energy_per_token_j") if low[name] and high[name]]
    if len(ratios) < 2:
        return ""
    return f": {figure(ratios[0], 2)}× the tokens, each at {figure(ratios[1], 2)}× the energy"


def about(rows: pl.DataFrame) -> str:
    """Which of several results of a model its bar shows."""
    parts = []
    if "measured" in rows["kind"].to_list():
        parts.append("Measured numbers are those of one prompt at a time; all runs of a setup count together.")
    if rows.filter(pl.col("kind") != "measured").height:
        parts.append(
            "Where a GPU answers many prompts at once, each model is shown at the batch size at which an answer takes least; "
            "the tooltip names it."
        )
    if rows.filter(pl.col("num_gpus") > 1).height:
        parts.append("4× means that the energy of four GPUs is summed.")
    return " ".join(parts)


def found_in_software(steps: pl.DataFrame) -> str:
    """What compiling saves at both ends of the sizes, on the GPU with most of them; nothing where fewer than two have both loops.

    Args:
        steps: from `software.complete`.
    """
    names = software.gpus(steps)
    compiled = steps.filter(pl.col("gpu_model") == names[0], pl.col("step") == 2, pl.col("saved").is_not_null()) if names else steps.clear()
    if compiled.height < 2:
        return ""
    ends = [compiled.sort("size").row(place, named=True) for place in (0, -1)]
    at_most = "at most " if compiled["is_cold"].any() else ""
    saved = " and ".join(f"{at_most}{software.share(row['saved'])} at {row['size_name']}" for row in ends)
    return f"What software saves depends on the size: on one {names[0]}, a compiled loop saves {saved} of the energy of a token."


def found_in_lengths(rows: pl.DataFrame) -> str:
    """How far models of one size lie apart per answer and per token in the table of 2023; nothing without it.

    Args:
        rows: rows of `results` of one table.
    """
    same = rows.filter(pl.col("params_total_b") == 7, pl.col("energy_j") > 0, pl.col("output_tokens") > 0)
    if same.height < 2:
        return ""
    apart = summaries.spread(same)
    answer = f"{figure(apart['energy_j_low'], 3)} to {figure(apart['energy_j_high'], 3)} J"
    token = f"{apart['energy_per_token_j_low']:.1f} to {apart['energy_per_token_j_high']:.1f} J"
    why = ": most of the difference is length" if apart["output_tokens_ratio"] > apart["energy_per_token_j_ratio"] else ""
    return f"{same.height} chat models of 7 billion parameters on an A40 take {answer} an answer and {token} a token{why}."


def found_in_concise(changes: pl.DataFrame) -> str:
    """What asking for a concise answer changes over the models of the table of 2023; nothing without it.

    Args:
        changes: from `pairs.change_of_means`.
    """
    chat = changes.filter(pl.col("gpu_model") == "A40", pl.col("a") == "chat", pl.col("b") == "chat-concise")
    if chat.is_empty():
        return ""
    row = chat.row(0, named=True)
    change = f"{abs(100 * row['median_change']):.1f} % {'less' if row['median_change'] < 0 else 'more'}"
    return (
        f"Asked for a short answer, chat models on an A40 took a median of {change} energy in 2023, "
        f"and {row['more']} of {row['count']} models used more."
    )
