"""The charts of Distributions: histogram, boxes, share at or below a value, Lorenz curve. Frames hold screen units."""

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import axes, certainty, theme
from prompt_joules.warehouse.metrics import Metric

# The tallest bar of a series fills this much of its row.
ROW_FILL = 0.9
# A chart of steps gets about so many: each costs the browser time, and two steps of one series are some two pixels high.
MOST_STEPS = 1000
# At most this many steps become one, whatever the number of series.
COARSEST = 9
# A share of the axis; a quarter of a pixel.
BESIDE = 0.001


def histogram(bins: pl.DataFrame, metric: Metric, log: bool, series: list[str]) -> theme.Chart:
    """How many prompts fall into each bin: bars for one series, a row of bars each for a few, strips for many.

    Args:
        bins: rows (series, bin_low, bin_high, count, share) in screen units, with `bar`, `shown_as` and `few`: too few prompts for
            full marks.
        series: the names `shown_as`, from top to bottom.
    """
    axis = axes.axis_of(log, pl.concat([bins["bin_low"], bins["bin_high"]]))
    x = alt.X("bin_low:Q", title=metric.title, scale=alt.Scale(type="log" if log else "linear", nice=False), axis=axis)
    ends = {f"bin_{end}": (f"{title} ({metric.display_unit})", ",.4~g") for end, title in (("low", "From"), ("high", "To"))}
    tooltip = axes.tips({"shown_as": "Name", **ends, "count": ("Prompts", ","), "share": ("Share of the prompts", ".1%")})
    bins = bins.select("bar", "shown_as", "bin_low", "bin_high", "count", "share", "few")
    drawn = set(bins["shown_as"])
    series = [name for name in series if name in drawn]
    if len(series) > axes.MANY_SERIES:
        return _strips(bins, x, tooltip, len(series))
    return _rows(bins, x, tooltip, series) if len(series) > 1 else _bars(bins, x, tooltip)


def _bars(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip]) -> theme.Chart:
    """One series: bars on a common axis of shares."""
    y = alt.Y("share:Q", title="Share of the prompts", axis=alt.Axis(format="~%", tickCount=5), scale=alt.Scale(zero=True))
    bars = theme.pickable(alt.Chart(bins).mark_rect(), "bar").encode(x=x, x2=alt.X2("bin_high"), y=y, y2=alt.Y2Datum(0), tooltip=tooltip)
    return theme.finish(hollow(bars, bins), theme.SMALL_HEIGHT)


def _rows(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip], series: list[str]) -> theme.Chart:
    """A few series: one row of bars each, all to the same scale, so that none hides another."""
    foot = {name: float(len(series) - place) for place, name in enumerate(series, 1)}
    tallest = bins["share"].max()
    placed = theme.coloured(bins, "shown_as", theme.enough(series))
    placed = placed.with_columns(pl.col("shown_as").replace_strict(foot, return_dtype=pl.Float64).alias("foot"))
    placed = placed.with_columns((pl.col("foot") + pl.col("share") / tallest * ROW_FILL).alias("top"))
    # The name of a row stands at its middle: the axis is one of numbers, so the names are looked up.
    names = json.dumps([name for name, _ in sorted(foot.items(), key=lambda entry: entry[1])])
    middles = [at + 0.45 for at in sorted(foot.values())]
    lift = -7 * (axes.lines_of(bins["shown_as"]) - 1)
    ticks = alt.Axis(
        values=middles, labelExpr=f"split({names}[floor(datum.value)], ' · ')", grid=False, ticks=False, domain=False, labelOffset=lift
    )
    y = alt.Y("foot:Q", title=None, axis=ticks, scale=alt.Scale(domain=[0, len(series)], nice=False))
    colour = theme.colour("shown_as", "Name", placed)
    bars = theme.pickable(alt.Chart(placed).mark_rect(), "bar").encode(
        x=x, x2=alt.X2("bin_high"), y=y, y2=alt.Y2("top"), color=colour.copy().legend(None), tooltip=tooltip
    )
    bars = hollow(bars, placed, "shown_as")
    return theme.finish(bars, 60 + len(series) * max(70, 12 + 15 * axes.lines_of(bins["shown_as"])))


def hollow(bars: alt.Chart, rows: pl.DataFrame, field: str = "") -> alt.Chart:
    """Bars that are outlines where `few` says that too few prompts are behind them; as they were where none are.

    Args:
        field: what the colours of the bars stand for, as in `theme.domain`; empty where they have one colour.
    """
    if not rows["few"].any():
        return bars
    fills = alt.condition("datum.few", alt.value(0), alt.value(1))
    if not field:
        drawn: alt.Chart = bars.encode(fillOpacity=fills, stroke=alt.value("gray"), strokeWidth=alt.value(1))
        return drawn
    strokes = alt.Stroke("colour:N", scale=alt.Scale(domain=theme.domain(field, rows)[0]), legend=None)
    outlined: alt.Chart = bars.encode(fillOpacity=fills, stroke=strokes, strokeWidth=alt.value(1))
    return outlined


def _strips(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip], rows: int) -> theme.Chart:
    """Many series: one strip each, darker where more prompts are."""
    shades = alt.Color("share:Q", title="Share of the prompts", legend=alt.Legend(format="%", orient="bottom"))
    strips = theme.pickable(alt.Chart(bins).mark_rect(), "bar").encode(
        x=x, x2=alt.X2("bin_high"), y=alt.Y("shown_as:N", title=None), color=shades, tooltip=tooltip
    )
    return theme.finish(strips, max(theme.SMALL_HEIGHT, 24 * rows))


def boxes(table: pl.DataFrame, metric: Metric, log: bool) -> theme.Chart:
    """One box per series: the middle half of the prompts, a tick at the median, a line from 5 to 95 %, and below it the 95 % intervals of
    the median and the p95; → where the values reach no upper end. Boxes of fewer than ten prompts are hollow.

    Args:
        table: of `percentiles.with_intervals` in screen units, with `shown_as`.
    """
    rows = table.filter(pl.col("p5") > 0 if log else pl.col("p50").is_not_null())
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    y = alt.Y("shown_as:N", title=None, sort=rows["shown_as"].to_list(), axis=axes.names_axis(rows["shown_as"]))
    levels = ("p5", "p25", "p50", "p75", "p95", "p50_low", "p50_high", "p95_low", "p95_high")
    numbers = {name: (f"{name.replace('_', ', ')} ({metric.display_unit})", ",.4~g") for name in levels}
    tips = axes.tips({"shown_as": "Name", "prompts": ("Prompts", ","), **numbers})
    few = (pl.col("prompts") < certainty.FEW).alias("few")
    base = alt.Chart(rows.select("shown_as", "prompts", *levels, few)).encode(y=y, tooltip=tips)
    axis = axes.axis_of(log, pl.concat([rows["p5"], rows["p95"]]))
    ends = base.mark_rule(color="gray").encode(x=alt.X("p5:Q", title=metric.title, scale=scale, axis=axis), x2=alt.X2("p95"))
    middle = hollow(base.mark_bar(size=14, opacity=0.7).encode(x=alt.X("p25:Q"), x2=alt.X2("p75")), rows.select(few))
    median = base.mark_tick(color=theme.INK, thickness=3, size=18).encode(x=alt.X("p50:Q"))
    # A layer without rows would tell the axis of endless values.
    sure = [
        base.transform_filter(f"isValid(datum.{name}_low) && isValid(datum.{name}_high)")
        .mark_rule(strokeWidth=3, color=theme.INK, yOffset=13, opacity=opacity)
        .encode(x=alt.X(f"{name}_low:Q"), x2=alt.X2(f"{name}_high"))
        for name, opacity in (("p50", 0.9), ("p95", 0.5))
        if rows.filter(pl.col(f"{name}_low").is_not_null(), pl.col(f"{name}_high").is_not_null()).height
    ]
    if rows.filter(pl.col("p95_low").is_not_null(), pl.col("p95_high").is_null()).height:
        arrow = base.transform_filter("isValid(datum.p95_low) && !isValid(datum.p95_high)")
        arrow = arrow.mark_text(text="→", yOffset=13, align="left", color=theme.INK)
        sure.append(arrow.encode(x=alt.X("p95_low:Q")))
    return theme.finish(alt.layer(ends, middle, median, *sure), axes.names_high(rows["shown_as"], 46))


def ecdf(steps: pl.DataFrame, metric: Metric, log: bool, series: list[str], few: Sequence[str] = ()) -> theme.Chart:
    """For every value, the share of the prompts at or below it; the line of too few prompts is dashed.

    Args:
        steps: rows of `distributions.steps_of` with `shown_as`, `value` in screen units.
        series: the names `shown_as`; the first ones have a colour of their own.
        few: the names of those with fewer prompts than a full mark needs.
    """
    drawn = _few(steps.select("shown_as", "value", "share_of_prompts"))
    shown = drawn.filter(pl.col("value") > 0) if log else drawn
    shown = theme.coloured(shown, "shown_as", theme.enough(series))
    lines = (
        alt.Chart(shown)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X(
                "value:Q",
                title=metric.title,
                scale=alt.Scale(type="log" if log else "linear", nice=False),
                axis=axes.axis_of(log, shown["value"]),
            ),
            y=alt.Y("share_of_prompts:Q", title="Share at or below", axis=alt.Axis(format="%")),
            color=theme.colour("shown_as", "Name", shown),
            detail=alt.Detail("shown_as:N"),
            tooltip=axes.tips({"shown_as": "Name", "value": (metric.title, ",.4~g"), "share_of_prompts": ("At or below", ".1%")}),
        )
    )
    if few:
        dashes = alt.Scale(domain=[False, True], range=[[1, 0], [5, 4]])
        lines.data = shown.with_columns(pl.col("shown_as").is_in(few).alias("few"))
        lines = lines.encode(strokeDash=alt.StrokeDash("few:N", scale=dashes, legend=None))
    return theme.finish(theme.lit(lines), theme.SMALL_HEIGHT + theme.legend_height(shown))


def _few(steps: pl.DataFrame) -> pl.DataFrame:
    """All steps of up to four series; of more series every n-th step, the first and the last."""
    place, last = pl.int_range(pl.len()).over("shown_as"), pl.len().over("shown_as") - 1
    every = min(-(-steps.height // MOST_STEPS), COARSEST)
    return steps.filter((place % every == 0) | (place == last)) if every > 1 else steps


def lorenz(steps: pl.DataFrame, series: list[str]) -> theme.Chart:
    """Where the joules go: the cheapest share of the prompts against their share of the energy.

    The straight line is what equal prompts would give; the deeper a curve hangs, the more a few prompts use.

    Args:
        steps: rows of `distributions.steps_of` for the energy, with `shown_as`.
        series: the names `shown_as`; the first ones have a colour of their own.
    """
    x = alt.X("share_of_prompts:Q", title="Share of the prompts, cheapest first", axis=alt.Axis(format="%"))
    y = alt.Y("share_of_total:Q", title="Share of the energy", axis=alt.Axis(format="%"))
    shares = {"share_of_prompts": ("Cheapest share of the prompts", ".0%"), "share_of_total": ("Share of the energy", ".1%")}
    drawn = _straightened(steps.select("shown_as", "share_of_prompts", "share_of_total"))
    shown = theme.coloured(drawn, "shown_as", theme.enough(series))
    curves = (
        alt.Chart(shown)
        .mark_line()
        .encode(
            x=x,
            y=y,
            color=theme.colour("shown_as", "Name", shown),
            detail=alt.Detail("shown_as:N"),
            tooltip=axes.tips({"shown_as": "Name", **shares}),
        )
    )
    equal = pl.DataFrame({"share_of_prompts": [0.0, 1.0], "share_of_total": [0.0, 1.0]})
    diagonal = alt.Chart(equal).mark_line(strokeDash=[4, 4], color="gray", strokeWidth=1).encode(x=x, y=y)
    return theme.finish(alt.layer(diagonal, theme.lit(curves)), theme.SMALL_HEIGHT + theme.legend_height(shown))


def _straightened(steps: pl.DataFrame) -> pl.DataFrame:
    """Curves without the points that lie, as far as an eye can tell, on the straight line between two others."""
    parts = steps.partition_by("shown_as", maintain_order=True)
    return pl.concat(part.filter(_corners(part)) for part in parts) if parts else steps


def _corners(curve: pl.DataFrame) -> pl.Series:
    """Whether each point of a curve is needed: a point that is left out lies within BESIDE of the line that is drawn past it.

    The algorithm of Ramer, Douglas and Peucker: the point farthest from a line stays, and the line becomes two.
    """
    x, y = (curve[name].to_numpy() for name in ("share_of_prompts", "share_of_total"))
    needed = np.zeros(len(x), dtype=bool)
    needed[[0, -1]] = True
    lines = [(0, len(x) - 1)]
    while lines:
        first, last = lines.pop()
        inner = slice(first + 1, last)
        off = np.abs(y[inner] - np.interp(x[inner], x[[first, last]], y[[first, last]]))
        if off.size and off.max() > BESIDE:
            farthest = first + 1 + int(off.argmax())
            needed[farthest] = True
            lines += [(first, farthest), (farthest, last)]
    return pl.Series(needed)
