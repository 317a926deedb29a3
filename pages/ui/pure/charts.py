"""Charts that several pages draw: frames in screen units in, Altair charts out."""

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, shape, theme
from prompt_joules.pages.ui.pure.words import figure
from prompt_joules.warehouse.energy_shown import DIVIDED, ESTIMATED, MARKS

# Values that are so many times apart are drawn on a logarithmic axis.
FAR_APART = 20
# The height of a row (px), of one among many rows, and of what is below them; how far its name stands above its middle, and its mark below.
ROW, LOW_ROW, AROUND = 46, 38, 52
ABOVE, BELOW = 0, 9
# A chart that is narrower than this (px), on a phone, has room for so many characters of a name; of one on two lines the font and the
# height of a line (px).
NARROW, LONGEST, SMALL, LINE = 480, 50, 10, 11
# The share of the width that the numbers at the right take.
NUMBERS_WIDE = 0.17
PERCENT = alt.Axis(labelExpr="datum.value ? format(datum.value, '+~%') : '0%'", tickCount=6, labelFlush=False)
# A scale with one name, which gives a mark the first colour of the theme as outline and fill.
ONE_COLOUR = alt.Scale(domain=["mark"])
HEAVY = alt.ExprRef("datum.is_head ? 600 : 400")
# The marks of the kinds of number: full where measured, pale where divided, hollow with dots where estimated.
FILL = [{"test": f"datum.few || datum.energy_is === '{ESTIMATED}'", "value": 0}, {"test": f"datum.energy_is === '{DIVIDED}'", "value": 0.3}]


def forest(found: pl.DataFrame, title: str, tips: axes.Tips, nothing: float | None = None) -> theme.Chart:
    """One row a result: its name and number above, below them its value with the interval within the runs (thick) and with the spread
    between runs (thin). A name has the width of the chart, on a phone too.

    Args:
        found: `shown_as`, no two alike, `said` (the number in words), `value`, `value_low`, `value_high`; where they are known
            `value_within_low`, `value_within_high`, `energy_is`, `few` (hollow), `is_total` (a square), `whole` (a second, grey
            mark), `is_head` (words of a group, without a number).
        title: what the value is, with its unit.
        tips: of the tooltip.
        nothing: where there is no change: a dashed line. The axis is then one of percent, else logarithmic where values lie far apart.
    """
    known = {"value_within_low": None, "value_within_high": None, "energy_is": "", "few": False, "is_total": False, "whole": None}
    known |= {"is_head": False}
    rows = found.with_columns(pl.lit(value).alias(name) for name, value in known.items() if name not in found.columns)
    rows = rows.with_columns(pl.lit("mark").alias("mark"), *_ends(rows, "value"), *_ends(rows, "value_within"))
    is_long = any(in_two(name) for name in rows["shown_as"])
    two = (lambda name: in_two(name, 0)) if is_long else in_two
    rows = rows.with_columns(shape.each(rows["shown_as"], two, pl.String).alias("in_two"))
    log = nothing is None and far_apart(rows)
    scale = alt.Scale(type="log" if log else "linear", domain=_domain(rows, nothing, log), nice=False)
    axis = axes.axis_of(log, pl.concat([rows[name] for name in ("value", "value_low", "value_high")])) if nothing is None else PERCENT
    drawn = _rows_of(rows, f"{title}, logarithmic" if log else title, scale, axis, tips)
    if nothing is not None:
        line = alt.Chart(pl.DataFrame({"nothing": [nothing]})).mark_rule(color="gray", strokeDash=[4, 4])
        drawn.insert(0, line.encode(x=alt.X("nothing:Q", title=title)))
    high = LOW_ROW if rows.height > axes.MANY_SERIES else ROW
    return theme.finish(alt.layer(*drawn), high * rows.height + AROUND)


def _rows_of(rows: pl.DataFrame, title: str, scale: alt.Scale, axis: alt.Axis, tips: axes.Tips) -> list[alt.Chart]:
    """The layers of `forest`. A layer without rows would tell the axis of endless values: there is none."""
    y = alt.Y("shown_as:N", sort=rows["shown_as"].to_list(), axis=None)
    layers = []
    for name, width in (("value", 1.5), ("value_within", 5)):
        whole = rows.filter(pl.col(f"{name}_low").is_not_null() & pl.col(f"{name}_high").is_not_null())
        if whole.height:
            rule = alt.Chart(whole).mark_rule(strokeWidth=width, color="gray", yOffset=BELOW)
            across = alt.X(f"{name}_low:Q", title=title, scale=scale, axis=axis)
            layers.append(rule.encode(y=y, x=across, x2=alt.X2(f"{name}_high")))
    if (whole := rows.filter(pl.col("whole").is_not_null())).height:
        grey = alt.Chart(whole).mark_point(size=60, color="gray", yOffset=BELOW, filled=False)
        layers.append(grey.encode(y=y, x=alt.X("whole:Q", title=title, scale=scale, axis=axis)))
    base = alt.Chart(rows).encode(y=y)
    if (valued := rows.filter(pl.col("value").is_not_null())).height:
        marks = alt.Chart(valued).mark_point(size=95, strokeWidth=2, opacity=1, yOffset=BELOW)
        layers.append(
            marks.encode(
                y=y,
                x=alt.X("value:Q", title=title, scale=scale, axis=axis),
                stroke=alt.Stroke("mark:N", scale=ONE_COLOUR, legend=None),
                fill=alt.Fill("mark:N", scale=ONE_COLOUR, legend=None),
                fillOpacity=alt.FillOpacityValue(1, condition=FILL),
                strokeDash=alt.StrokeDashValue([1, 0], condition={"test": f"datum.energy_is === '{ESTIMATED}'", "value": [2, 2]}),
                shape=alt.ShapeValue("circle", condition={"test": "datum.is_total", "value": "square"}),
                tooltip=axes.tips(tips),
            )
        )
    # Names are clipped, because a long one would squeeze the chart on a phone; there it has two lines.
    two = f"width < {NARROW} && datum.in_two"
    size = alt.ExprRef(f"{two} ? {SMALL} : 12")
    lift = alt.ExprRef(f"datum.is_head ? {BELOW} : {two} ? {ABOVE + 2 - LINE} : {ABOVE}")
    name = base.mark_text(
        align="left", baseline="bottom", dy=lift, fontSize=size, lineHeight=LINE, lineBreak="\n", clip=True, fontWeight=HEAVY
    )
    number = base.mark_text(align="right", dy=BELOW, fontSize=12, fontWeight="bold", color=theme.INK)
    return [
        *layers,
        name.encode(x=alt.value(0), text=alt.value(alt.ExprRef(f"{two} || datum.shown_as")), color=alt.value(theme.INK)),
        number.encode(x=alt.value("width"), text=alt.Text("said:N")),
    ]


def in_two(name: str, longest: int = LONGEST) -> str | None:
    """A long name on two lines, parted where its parts are; None where it has room on one. Names of one chart are alike: where one is long,
    `forest` parts all.

    Args:
        name: parts joined by " · ".
        longest: letters that have room on one line.
    """
    if len(name) <= longest:
        return None
    parts = name.split(" · ")
    halves = [(" · ".join(parts[:count]), " · ".join(parts[count:])) for count in range(1, len(parts))]
    return "\n".join(min(halves, key=lambda pair: max(map(len, pair)))) if halves else None


def _domain(rows: pl.DataFrame, nothing: float | None, log: bool) -> list[float]:
    """The ends of the axis: all that is drawn, 0 on a linear one, and room for the numbers at the right."""
    drawn = ("value", "value_low", "value_high", "value_within_low", "value_within_high", "whole")
    values = pl.concat([rows[name].cast(pl.Float64) for name in drawn]).drop_nulls()
    ends = [0.0 if nothing is None else nothing, *(values.to_list() or [1.0])]
    if log:
        low, high = min(ends[1:]) / 1.2, max(ends) * 1.2
        return [low, high * (high / low) ** NUMBERS_WIDE]
    low, high = min(ends), max(ends)
    edge = 0.04 * (high - low or 1.0)
    return [low - edge if nothing is not None else min(low, 0.0), high + edge + NUMBERS_WIDE * (high - low or 1.0)]


def _ends(rows: pl.DataFrame, name: str) -> list[pl.Expr]:
    """An interval without one of its ends goes to the edge of what is drawn."""
    low, high = f"{name}_low", f"{name}_high"
    every = rows.select(pl.col(name) for name in ("value", "value_low", "value_high") if rows.schema[name].is_numeric())
    least, most = every.min_horizontal().min(), every.max_horizontal().max()
    one = pl.col(low).is_null() != pl.col(high).is_null()
    return [
        pl.when(one & pl.col(low).is_null()).then(pl.lit(least)).otherwise(pl.col(low)).alias(low),
        pl.when(one & pl.col(high).is_null()).then(pl.lit(most)).otherwise(pl.col(high)).alias(high),
    ]


def with_numbers(rows: pl.DataFrame, title: str) -> pl.DataFrame:
    """Adds `said`, the `value` of each row in words: three digits, its unit, and ÷ or ≈ before it where it is not measured.

    Args:
        rows: with `value` and `energy_is`.
        title: of the value, with its unit in brackets.
    """
    unit = f" {title.rpartition('(')[2].removesuffix(')')}" if title.endswith(")") else ""
    said = shape.each(rows["value"], lambda value: f"{figure(value, 3)}{unit}", pl.String)
    mark = pl.col("energy_is").replace_strict(
        {kind: f"{mark} ".lstrip() for kind, mark in MARKS.items()}, default="", return_dtype=pl.String
    )
    return rows.with_columns((mark.fill_null("") + said.fill_null("not known")).alias("said"))


def far_apart(found: pl.DataFrame) -> bool:
    """Whether a linear axis would squeeze the smallest of the values into its first twentieth."""
    ends = found.select("value", "value_low", "value_high")
    least, most = ends.min_horizontal().min(), found["value"].max()
    return isinstance(least, float) and isinstance(most, float) and least > 0 and most > FAR_APART * least
