"""Charts of prompts and of single values: frames in, Altair charts out. Pure: no Streamlit, no database, no state.

Every frame holds screen units already; every axis is titled with its unit.
"""

import json

import altair as alt
import polars as pl

from prompt_joules.pages.ui import theme
from prompt_joules.pages.ui.axes import TOP, axis_of, rows_high
from prompt_joules.pages.ui.theme import Chart
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric

MANY_SERIES = 12
# Values that are so many times apart are drawn on a logarithmic axis.
FAR_APART = 20
# The tallest bar of a series fills this much of its row.
ROW_FILL = 0.9
# The parts of a name below one another.
IN_LINES = "split(datum.label, ' · ')"


def histogram(bins: pl.DataFrame, metric: Metric, log: bool, series: list[str]) -> Chart:
    """How many prompts fall into each bin: bars for one series, a row of bars each for a few, strips for many.

    Args:
        bins: rows (series, bin_low, bin_high, count, share) in screen units, with `bar` and `shown_as`.
        series: the names `shown_as`, from top to bottom.
    """
    x = alt.X("bin_low:Q", title=metric.title, scale=alt.Scale(type="log" if log else "linear", nice=False), axis=axis_of(log))
    tooltip = [
        alt.Tooltip("shown_as:N", title="Name"),
        alt.Tooltip("bin_low:Q", title=f"From ({metric.display_unit})", format=",.4~g"),
        alt.Tooltip("bin_high:Q", title=f"To ({metric.display_unit})", format=",.4~g"),
        alt.Tooltip("count:Q", title="Prompts", format=","),
        alt.Tooltip("share:Q", title="Share of the prompts", format=".1%"),
    ]
    bins = bins.select("bar", "shown_as", "bin_low", "bin_high", "count", "share")
    drawn = set(bins["shown_as"])
    series = [name for name in series if name in drawn]
    if len(series) > MANY_SERIES:
        return _strips(bins, x, tooltip, len(series))
    return _rows(bins, x, tooltip, series) if len(series) > 1 else _bars(bins, x, tooltip)


def _lines(names: pl.Series) -> int:
    """How many lines the longest name takes."""
    return max((name.count(" · ") + 1 for name in names), default=1)


def _names(names: pl.Series) -> alt.Axis:
    """An axis of names, their parts below one another around the middle of the row; of many names each on one line."""
    if len(names) > MANY_SERIES:
        return alt.Axis(labelLimit=240)
    return alt.Axis(labelExpr=IN_LINES, labelLimit=170, labelOffset=-7 * (_lines(names) - 1))


def _rows_high(names: pl.Series, least: int) -> int:
    """The height (px) of a chart with a row for each of these names, a row at least so high."""
    row = 24 if len(names) > MANY_SERIES else max(least, 14 + 15 * _lines(names))
    return 70 + row * len(names)


def _bars(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip]) -> Chart:
    """One series: bars on a common axis of shares."""
    y = alt.Y("share:Q", title="Share of the prompts", axis=alt.Axis(format="~%", tickCount=5), scale=alt.Scale(zero=True))
    bars = theme.pickable(alt.Chart(bins).mark_rect(), "bar").encode(x=x, x2=alt.X2("bin_high"), y=y, y2=alt.Y2Datum(0), tooltip=tooltip)
    return theme.finish(bars, theme.SMALL_HEIGHT)


def _rows(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip], series: list[str]) -> Chart:
    """A few series: one row of bars each, all to the same scale, so that none hides another."""
    foot = {name: float(len(series) - place) for place, name in enumerate(series, 1)}
    tallest = bins["share"].max()
    placed = theme.coloured(bins, "shown_as", theme.enough(series))
    placed = placed.with_columns(pl.col("shown_as").replace_strict(foot, return_dtype=pl.Float64).alias("foot"))
    placed = placed.with_columns((pl.col("foot") + pl.col("share") / tallest * ROW_FILL).alias("top"))
    # The name of a row stands at its middle: the axis is one of numbers, so the names are looked up.
    names = json.dumps([name for name, _ in sorted(foot.items(), key=lambda entry: entry[1])])
    middles = [at + 0.45 for at in sorted(foot.values())]
    lift = -7 * (_lines(bins["shown_as"]) - 1)
    ticks = alt.Axis(
        values=middles, labelExpr=f"split({names}[floor(datum.value)], ' · ')", grid=False, ticks=False, domain=False, labelOffset=lift
    )
    y = alt.Y("foot:Q", title=None, axis=ticks, scale=alt.Scale(domain=[0, len(series)], nice=False))
    colour = theme.colour("shown_as", "Name", placed)
    bars = theme.pickable(alt.Chart(placed).mark_rect(), "bar").encode(
        x=x, x2=alt.X2("bin_high"), y=y, y2=alt.Y2("top"), color=colour.copy().legend(None), tooltip=tooltip
    )
    return theme.finish(bars, 60 + len(series) * max(70, 12 + 15 * _lines(bins["shown_as"])))


def _strips(bins: pl.DataFrame, x: alt.X, tooltip: list[alt.Tooltip], rows: int) -> Chart:
    """Many series: one strip each, darker where more prompts are."""
    shades = alt.Color("share:Q", title="Share of the prompts", legend=alt.Legend(format="%", orient="bottom"))
    strips = theme.pickable(alt.Chart(bins).mark_rect(), "bar").encode(
        x=x, x2=alt.X2("bin_high"), y=alt.Y("shown_as:N", title=None), color=shades, tooltip=tooltip
    )
    return theme.finish(strips, max(theme.SMALL_HEIGHT, 24 * rows))


def boxes(table: pl.DataFrame, metric: Metric, log: bool) -> Chart:
    """One box per series: the middle half of the prompts, a tick at the median, a line from 5 to 95 %.

    Args:
        table: rows of `distribution` in screen units.
    """
    rows = table.filter(pl.col("p5") > 0 if log else pl.col("p50").is_not_null())
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    y = alt.Y("shown_as:N", title=None, sort=rows["shown_as"].to_list(), axis=_names(rows["shown_as"]))
    tips = [alt.Tooltip("shown_as:N", title="Name"), alt.Tooltip("prompts:Q", title="Prompts", format=",")]
    levels = ("p5", "p25", "p50", "p75", "p95")
    tips += [alt.Tooltip(f"{level}:Q", title=f"{level} ({metric.display_unit})", format=",.4~g") for level in levels]
    base = alt.Chart(rows.select("shown_as", "prompts", *levels)).encode(y=y, tooltip=tips)
    ends = base.mark_rule(color="gray").encode(x=alt.X("p5:Q", title=metric.title, scale=scale, axis=axis_of(log)), x2=alt.X2("p95"))
    middle = base.mark_bar(size=14, opacity=0.7).encode(x=alt.X("p25:Q"), x2=alt.X2("p75"))
    median = base.mark_tick(color="gray", thickness=3, size=20).encode(x=alt.X("p50:Q"))
    return theme.finish(alt.layer(ends, middle, median), _rows_high(rows["shown_as"], 30))


def intervals(found: pl.DataFrame, title: str) -> Chart:
    """One value per result with its interval, where there is one.

    Args:
        found: rows with `label`, `shown_as`, `value`, `value_low`, `value_high`.
        title: what the value is, with its unit.
    """
    y = alt.Y("shown_as:N", title=None, sort=found["shown_as"].to_list(), axis=_names(found["shown_as"]))
    log = _far_apart(found)
    scale = alt.Scale(type="log", padding=12) if log else alt.Scale(zero=True)
    axis, title = axis_of(log, found["value"]), f"{title}, logarithmic" if log else title
    low, middle = (alt.X(f"{name}:Q", title=title, scale=scale, axis=axis) for name in ("value_low", "value"))
    numbers = [
        alt.Tooltip("label:N", title="Result"),
        *(alt.Tooltip(f"value{end}:Q", title=name, format=",.4~g") for end, name in {"": title, "_low": "from", "_high": "to"}.items()),
    ]
    base = alt.Chart(found.select("label", "shown_as", "value", "value_low", "value_high")).encode(y=y)
    bars = base.mark_rule(strokeWidth=3, color="gray").encode(x=low, x2=alt.X2("value_high"))
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(x=middle, tooltip=numbers)
    return theme.finish(alt.layer(bars, dots), _rows_high(found["shown_as"], 44))


def _far_apart(found: pl.DataFrame) -> bool:
    """Whether a linear axis would squeeze the smallest of the values into its first twentieth."""
    ends = found.select("value", "value_low", "value_high")
    least, most = ends.min_horizontal().min(), found["value"].max()
    return isinstance(least, float) and isinstance(most, float) and least > 0 and most > FAR_APART * least


def paired(changes: pl.DataFrame) -> Chart:
    """The median change of the same prompts from side A to side B, with its interval; left of the line B costs less.

    Args:
        changes: rows of `stats.paired` with `shown_as`.
    """
    y = alt.Y("shown_as:N", title=None, sort=changes["shown_as"].to_list(), axis=_names(changes["shown_as"]))
    axis = alt.Axis(labelExpr="datum.value ? format(datum.value, '+~%') : '0%'", tickCount=6)
    title = "Change in the energy of the same prompt, median and 95 % interval"
    across = {
        end: alt.X(f"{name}:Q", title=title, axis=axis, scale=alt.Scale(padding=12))
        for end, name in (("low", "change_low"), ("median", "median_change"))
    }
    tips = [
        alt.Tooltip("label:N", title="Prompts"),
        *(alt.Tooltip(f"{key}:Q", title=name, format="+.1%") for key, name in CHANGE_ENDS.items()),
        alt.Tooltip("pairs:Q", title="Pairs", format=","),
    ]
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color="gray", strokeDash=[4, 4]).encode(x=alt.X("zero:Q", title=title))
    base = alt.Chart(changes.select("label", "shown_as", "pairs", *CHANGE_ENDS))
    bars = base.mark_rule(strokeWidth=3, color="gray").encode(y=y, x=across["low"], x2=alt.X2("change_high"))
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(y=y, x=across["median"], tooltip=tips)
    return theme.finish(alt.layer(zero, bars, dots), _rows_high(changes["shown_as"], 36))


CHANGE_ENDS = {"median_change": "Median change", "change_low": "from", "change_high": "to"}


def printable(rows: pl.DataFrame) -> pl.DataFrame:
    """Any frame with columns that every browser can show: nested values as text."""
    nested = [name for name, kind in rows.schema.items() if kind.is_nested() or kind == pl.Object]
    return rows.with_columns(
        pl.Series(name, [None if value is None else str(value) for value in rows[name]], dtype=pl.String) for name in nested
    )


MOST_DRAWN = 2000


def two_columns(rows: pl.DataFrame) -> pl.DataFrame | None:
    """What `anything` draws: the first column and the first other column of numbers, not too many rows. None where there is neither."""
    numbers = [name for name in rows.columns[1:] if rows.schema[name].is_numeric()]
    return rows.select(rows.columns[0], numbers[0]).head(MOST_DRAWN) if numbers and not rows.is_empty() else None


def anything(rows: pl.DataFrame) -> Chart:
    """The second column against the first: one point per row.

    Args:
        rows: from `two_columns`.
    """
    first, second = rows.columns
    drawn = rows.select(pl.col(first).alias("x"), pl.col(second).alias("y"))
    base = alt.Chart(drawn)
    if rows.schema[first].is_numeric():
        points = base.mark_point(filled=True, size=50).encode(
            x=alt.X("x:Q", title=first), y=alt.Y("y:Q", title=second), tooltip=["x:Q", "y:Q"]
        )
        return theme.finish(points)
    names = alt.Y("x:N", title=first, sort=None)
    dots = base.mark_point(filled=True, size=60, opacity=0.8).encode(y=names, x=alt.X("y:Q", title=second), tooltip=["x:N", "y:Q"])
    return theme.finish(dots, rows_high(drawn["x"].head(60)))


def measured_against_fit(prompts: pl.DataFrame, fit: dict[str, float]) -> Chart:
    """Measured energy of each prompt against its response length, and the line that the fit gives for the mean prompt length.

    Args:
        prompts: rows of `cost_prompts`, at most a thousand.
        fit: `fixed_j`, `input_token_j`, `output_token_j` and `mean_in`, as in a row of `stats.cost_of_tokens`.
    """
    kinds = ["measured", f"fit for a prompt of {fit['mean_in']:,.0f} tokens"]
    ends = [prompts["output_tokens"].min(), prompts["output_tokens"].max()]
    at_mean = fit["fixed_j"] + fit["input_token_j"] * fit["mean_in"] + fit["output_token_j"] * pl.col("output_tokens")
    line = pl.DataFrame({"output_tokens": ends, "kind": kinds[1]}).with_columns(at_mean.alias("energy_j"))
    x = alt.X("output_tokens:Q", title=NUMBERS["output_tokens"].title, axis=axis_of(False))
    y = alt.Y("energy_j:Q", title=NUMBERS["energy_j"].title, axis=axis_of(False))
    colour = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds), legend=TOP)
    tips = {
        "energy_j": "Energy (J)",
        "fitted_j": "Fitted (J)",
        "input_tokens": "Prompt length (token)",
        "output_tokens": "Response length (token)",
    }
    points = (
        alt.Chart(prompts.select("prompt_id", *tips, pl.lit(kinds[0]).alias("kind")))
        .mark_point(filled=True, size=35)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("prompt_id:N", title="Prompt"),
                *(alt.Tooltip(f"{key}:Q", title=title, format=",.4~g") for key, title in tips.items()),
            ],
        )
    )
    fitted = alt.Chart(line).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour)
    return theme.finish(alt.layer(theme.pickable(points, "prompt_id", box=("x",)), fitted))
