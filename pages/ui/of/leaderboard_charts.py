"""Drawings of the Leaderboard: the range bar of each row on one shared axis, and the two charts of a row. Frames hold storage units."""

import math
from collections.abc import Callable, Collection
from urllib.parse import quote

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, certainty, naming, theme
from prompt_joules.warehouse.energy_shown import DEFAULT, DIVIDED, MEASURED, NUMBERS
from prompt_joules.warehouse.metrics import Metric

# A range bar (px), and what it is drawn with: seen on a light and on a dark page.
WIDTH, HEIGHT, EDGE = 146, 30, 6
LINE, BOX, POINT = "#8794A1", "#3D8FC4", "#D9730D"
SPREAD = {"p5": 0, "p25": 1, "p50": 2, "p75": 3, "p95": 5}
# Characters that need no code in the address of an image.
SAFE = " <>='/:.-"
SHARES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def ends(rows: pl.DataFrame, key: str) -> tuple[float, float] | None:
    """The ends of the shared axis: the smallest and the largest of all p5, p95 and values above 0; None where there is none.

    Args:
        rows: with the number, and `spread`.
        key: of the number.
    """
    values = rows.select(_value(rows.columns, key)).to_series()
    known = [*values.drop_nulls(), *rows["spread"].list.get(0).drop_nulls(), *rows["spread"].list.get(SPREAD["p95"]).drop_nulls()]
    positive = [value for value in known if value > 0]
    return (min(positive), max(positive)) if positive else None


def _value(columns: Collection[str], key: str) -> pl.Expr:
    """The number of a row; its estimate where it has no other."""
    return pl.coalesce(key, "estimated_energy_j") if key == DEFAULT.key and "estimated_energy_j" in columns else pl.col(key)


def range_bars(rows: pl.DataFrame, key: str) -> list[str | None]:
    """A drawing of each row as the address of an image: the line is p5 to p95 of its answers, the box its middle half, the tick its median,
    the point its mean.

    A box of fewer than ten answers is hollow. A row without single answers has its point only: full where measured, pale where divided,
    hollow where estimated. All rows share one logarithmic axis, with a faint line at each power of ten.

    Args:
        rows: with the number, `spread`, `answers` and `energy_is`.
    """
    span = ends(rows, key)
    if span is None:
        return [None] * rows.height
    width = math.log(span[1] / span[0]) or 1.0

    def place(value: float) -> float:
        return round(EDGE + (WIDTH - 2 * EDGE) * math.log(max(value, span[0]) / span[0]) / width, 1)

    tens = [10.0**power for power in range(math.ceil(math.log10(span[0])), math.floor(math.log10(span[1])) + 1)]
    lines = "".join(f"M{place(ten)} 0V{HEIGHT}" for ten in tens)
    grid = f"<path d='{lines}' stroke='{LINE}' stroke-opacity='.3'/>"
    columns = rows.select(_value(rows.columns, key), "spread", "answers", "energy_is").iter_rows()
    return [
        _image(grid, _range(place, spread, answers or 0, kind) + _point(place, value, kind)) for value, spread, answers, kind in columns
    ]


def _range(place: Callable[[float], float], spread: list[float] | None, answers: int, kind: str | None) -> str:
    if not spread or min(spread) <= 0:
        return ""
    at = {name: place(spread[level]) for name, level in SPREAD.items()}
    full = 0 if answers < certainty.FEW else 0.2 if kind == DIVIDED else 0.55
    return (
        f"<path d='M{at['p5']} 15H{at['p95']}' stroke='{LINE}' stroke-width='2'/>"
        f"<rect x='{at['p25']}' y='8' width='{max(at['p75'] - at['p25'], 1):.1f}' height='14' fill='{BOX}' fill-opacity='{full}' "
        f"stroke='{BOX}'/><path d='M{at['p50']} 5V25' stroke='{BOX}' stroke-width='2'/>"
    )


def _point(place: Callable[[float], float], value: float | None, kind: str | None) -> str:
    if value is None or value <= 0:
        return ""
    full = {MEASURED: 1, DIVIDED: 0.35}.get(kind or "", 0)
    return f"<circle cx='{place(value)}' cy='15' r='4' fill='{POINT}' fill-opacity='{full}' stroke='{POINT}'/>"


def _image(grid: str, drawn: str) -> str | None:
    """The address of an image; short, since the browser gets one for each row."""
    if not drawn:
        return None
    image = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}'>{grid}{drawn}</svg>"
    return f"data:image/svg+xml;utf8,{quote(image, safe=SAFE)}"


def curve(rows: pl.DataFrame, metric: Metric) -> theme.Chart:
    """J/token of one model on one GPU over batch sizes, a line for each engine.

    Args:
        rows: of `leaderboard.curve_of`.
    """
    named = rows.with_columns(pl.col(metric.key) * metric.display_factor, naming.engine())
    drawn = theme.coloured(named, "engine", theme.own_colours(named["engine"]))
    ticks = alt.Axis(values=drawn["batch_size"].unique().sort().to_list(), format="d", labelOverlap="greedy", grid=False)
    x = alt.X("batch_size:Q", title="Batch size", scale=alt.Scale(type="log", nice=False, padding=16), axis=ticks)
    y = alt.Y(
        f"{metric.key}:Q",
        title=metric.title,
        scale=alt.Scale(type="log", nice=False, padding=16),
        axis=axes.axis_of(True, drawn[metric.key]),
    )
    tips = axes.tips({"engine": "Engine", "batch_size": ("Batch size", ""), metric.key: (metric.title, ",.4~g")})
    base = alt.Chart(drawn).encode(x=x, y=y, color=theme.colour("engine", "Engine", drawn))
    marks = [base.mark_line(strokeWidth=1.5), base.mark_point(filled=True, size=60, opacity=1).encode(tooltip=tips)]
    return theme.finish(alt.layer(*marks), 240 + theme.legend_height(drawn))


def quantiles(spread: list[float], metric: Metric) -> theme.Chart:
    """The share of the answers of a setup at or below a value, through its kept percentiles.

    Args:
        spread: p5, p25, p50, p75, p90, p95 and p99, in storage units.
    """
    drawn = pl.DataFrame({"value": spread, "share": SHARES}).with_columns(pl.col("value") * metric.display_factor)
    x = alt.X("value:Q", title=metric.title, scale=alt.Scale(zero=False), axis=axes.axis_of(False))
    y = alt.Y("share:Q", title="Share at or below", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    tips = axes.tips({"share": ("At or below", ".0%"), "value": (metric.title, ",.4~g")})
    base = alt.Chart(drawn).encode(x=x, y=y)
    return theme.finish(alt.layer(base.mark_line(), base.mark_point(filled=True, size=60, opacity=1).encode(tooltip=tips)), 200)


def scale_in_words(rows: pl.DataFrame, key: str) -> str:
    """What the range bars are; empty where there are none."""
    span = ends(rows, key)
    if span is None:
        return ""
    metric = NUMBERS[key]
    low, high = (f"{float(f'{value * metric.display_factor:.3g}'):,.12g}" for value in span)
    return (
        "Range: p5 to p95 of the answers, their middle half, median (tick) and mean (point); pale where divided, hollow where estimated; "
        f"all on one logarithmic axis from {low} to {high} {metric.display_unit}. Hollow boxes have fewer than ten answers."
    )
