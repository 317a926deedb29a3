"""Trade-offs: limits, the best of each model, the chart, and what it says."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, naming, theme
from prompt_joules.pages.ui.pure.view import Within
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import NUMBERS

TRADE_OFFS = (
    "The more prompts a GPU answers at once, the less energy each token takes and the longer each reader waits for it. One point is one "
    "model on one GPU at one batch size; small points miss a limit. ITL p50 is the usual time between two tokens of an answer."
)
BEST = ("model_name", "frontier", "gpu_model", "engine", "batch_size", "task", "params_total_b", "source")
SPEEDS = ("itl_p50_s", "tpot_s", "ttft_s", "latency_s", "throughput_tps")
NO_LIMIT = "no limit"
# The limits that a first visitor finds: 50 ms between two tokens is faster than people read.
FIRST_LIMITS = {"itl_p50_s": "50"}


def ends(limits: Mapping[str, Within | None]) -> dict[str, float | None]:
    """Where the rules of the limits stand, in screen units."""
    return {key: None if limit is None else limit.high if limit.low is None else limit.low for key, limit in limits.items()}


def tradeoff(rows: pl.DataFrame, x: str, y: str, limits: dict[str, float | None]) -> theme.Chart:
    """Energy against speed; the frontier as a line, the limits as dashed rules, what breaks a limit small.

    Args:
        rows: rows of `results` in screen units with `frontier` and `inside`.
        limits: `x` and `y` in screen units, or None.
    """
    scale = alt.Scale(type="log", nice=False, padding=12)
    across = alt.X(f"{x}:Q", title=NUMBERS[x].title, scale=scale, axis=axes.axis_of(True))
    up = alt.Y(f"{y}:Q", title=NUMBERS[y].title, scale=scale, axis=axes.axis_of(True))
    columns = list(dict.fromkeys((*axes.TEXTS, "colour", x, y, "frontier", "inside")))
    points = theme.coloured(axes.with_texts(rows, y, x), "gpu_model", theme.own_colours(rows["gpu_model"]))
    base = alt.Chart(points.select(columns))
    dots = theme.dots(base, points, "gpu_model", "GPU", 80).encode(
        x=across,
        y=up,
        size=alt.Size("inside:O", scale=alt.Scale(domain=[True, False], range=[80, 14]), legend=None),
        tooltip=axes.tooltip(x, y),
    )
    best = base.transform_filter("datum.frontier").mark_line(color="gray", strokeWidth=1.5, interpolate="linear").encode(x=across, y=up)
    layers = [best, theme.pickable(dots, box=("x", "y"))]
    for key, value in limits.items():
        if value is not None:
            at = {"x": alt.X(f"{key}:Q", scale=scale)} if key == x else {"y": alt.Y(f"{key}:Q", scale=scale)}
            layers.append(alt.Chart(pl.DataFrame({key: [value]})).mark_rule(strokeDash=[4, 4], color="gray").encode(**at))
    return theme.finish(alt.layer(*layers), theme.HEIGHT + theme.legend_height(points))


def summary(passing: int, shown: int, best: pl.DataFrame, x: str, y: str) -> str:
    """How many configurations meet the limits, and which of them costs least."""
    if best.is_empty():
        return f"**None** of {shown:,} configurations is within the limits: raise one of them."
    row = best.row(0, named=True)
    numbers = " and ".join(f"{figure(row[key] * NUMBERS[key].display_factor, 3)} {NUMBERS[key].display_unit}" for key in (y, x))
    place = f"{plain(naming.gpu_of(row))}, {plain(row['engine'])}, batch size {row['batch_size']}"
    least = f"Least: **{plain(row['model_name'])}** ({place}) with {numbers}."
    return f"**{passing:,}** of {shown:,} configurations are within the limits. {least}"
