"""Three years: editions, batch sizes, the chart over time, and what changed on each GPU."""

from collections.abc import Iterable
from typing import Any

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, theme
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric

OVER_TIME = (
    "One point per result, of all batch sizes unless a filter chooses: later editions serve many prompts at once, which alone lowers "
    "J/token. Compare within one colour, and look at the batch sizes in the table. v2 and v3 have other, often larger models than v1."
)
RANDOM = " Results with random weights are among them: their energy per token is real, their text is not."
COLUMNS = ("edition", "gpu_model", "engine", "batches", "count", "p50", "minimum", "maximum")
EDITIONS = {"v1": "2023 · v1", "v2": "2024 · v2", "v3": "2026 · v3", "own": "own runs"}


def with_edition(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `edition`, the year and name of the edition of rows of a generation of EDITIONS."""
    return rows.with_columns(pl.col("generation").replace_strict(EDITIONS).alias("edition"))


def batches(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """One row per group: the columns `by` and `batches`, the smallest and the largest batch size in words."""
    low, high = pl.col("batch_size").min(), pl.col("batch_size").max()
    words = pl.when(low == high).then(low.cast(pl.String)).otherwise(pl.format("{} to {}", low, high))
    return rows.group_by(*by).agg(words.alias("batches"))


def over_time(rows: pl.DataFrame, key: str) -> theme.Chart:
    """The energy of every result, by edition; one column of points per GPU.

    Args:
        rows: rows of `results` with `edition`.
        key: of NUMBERS, the energy.
    """
    gpus = theme.coloured(axes.with_texts(rows, key), "gpu_model", theme.own_colours(rows["gpu_model"]))
    drawn = alt.Chart(gpus.select(*axes.TEXTS, "gpu_model", "colour", "edition", "params_total_b", key))
    points = theme.dots(drawn, gpus, "gpu_model", "GPU", 55).encode(
        x=alt.X("edition:N", title=None, axis=alt.Axis(labelAngle=0), scale=alt.Scale(paddingInner=0.15)),
        xOffset=alt.XOffset("gpu_model:N"),
        y=alt.Y(f"{key}:Q", title=NUMBERS[key].title, scale=alt.Scale(type="log", nice=False, padding=12), axis=axes.axis_of(True)),
        tooltip=axes.tooltip("params_total_b", key),
    )
    return theme.finish(theme.pickable(points, box=("y",)), theme.HEIGHT + theme.legend_height(gpus))


def editions(steps: pl.DataFrame, metric: Metric) -> str:
    """From which median to which one GPU has come, one item for each GPU of several editions.

    Args:
        steps: one row per GPU and edition, in order: `gpu_model`, `edition`, `p50`, `count`, `batches`.
    """
    items = [
        _step(gpu, group.row(0, named=True), group.row(-1, named=True), metric)
        for (gpu,), group in steps.group_by("gpu_model", maintain_order=True)
        if group.height > 1
    ]
    return "\n".join(items) or "No GPU is in two editions: a median of each edition is in the table."


def _step(gpu: object, first: dict[str, Any], last: dict[str, Any], metric: Metric) -> str:
    times = first["p50"] / last["p50"]
    change = (
        "about the same" if 0.95 < times < 1.05 else f"**{figure(times, 2)}× less**" if times > 1 else f"**{figure(1 / times, 2)}× more**"
    )
    ends = " to ".join(
        f"{figure(row['p50'], 3)} {metric.display_unit} ({plain(row['edition'])}, {row['count']} results, batch {row['batches']})"
        for row in (first, last)
    )
    return f"- **{plain(str(gpu))}**: from a median of {ends}, {change}."


def alone(levels: pl.DataFrame, metric: Metric) -> str:
    """What one prompt at a time costs, like for like over the editions; nothing where only one edition has it.

    Args:
        levels: one row per edition, GPU and engine at batch size 1, in order: `edition`, `gpu_model`, `engine`, `p50`.
    """
    if levels["edition"].n_unique() < 2:
        return ""
    parts = [
        f"{figure(row['p50'], 3)} on {plain(row['gpu_model'])} ({plain(row['edition'])}, {plain(row['engine'])})"
        for row in levels.iter_rows(named=True)
    ]
    return f"\n- **One prompt at a time**, median in {metric.display_unit}: {'; '.join(parts)}."
