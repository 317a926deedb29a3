"""Charts of configurations: frames in, Altair charts out. Pure: no Streamlit, no database, no state.

Every frame holds screen units already; every axis is titled with its unit.
"""

import math

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui import theme
from prompt_joules.pages.ui.axes import axis_of, rows_high, tip
from prompt_joules.pages.ui.theme import Chart
from prompt_joules.warehouse.energy_shown import NUMBERS


def scatter(rows: pl.DataFrame, x: str, y: str, colour: str, log: bool, lines: pl.DataFrame) -> Chart:
    """One point per configuration, with lines of least squares.

    Args:
        rows: rows of `results` in screen units.
        x, y: keys of NUMBERS.
        colour: column that colours the points.
        log: logarithmic axes.
        lines: from `stats.lines`, one row per line.
    """
    names = theme.own_colours(rows[colour])
    points = theme.coloured(rows, colour, names)
    base = alt.Chart(_columns(points, x, y, "colour"))
    scale = alt.Scale(type="log", nice=False, padding=12) if log else alt.Scale(zero=False, padding=12)
    dots = base.mark_point(filled=True, size=75, strokeWidth=1).encode(
        x=alt.X(f"{x}:Q", title=NUMBERS[x].title, scale=scale, axis=axis_of(log)),
        y=alt.Y(f"{y}:Q", title=NUMBERS[y].title, scale=scale, axis=axis_of(log)),
        color=theme.colour(colour, LABELS.get(colour, colour), points),
        shape=alt.Shape(
            "origin:N",
            title="Kind",
            scale=alt.Scale(domain=["published", "measured"], range=["circle", "diamond"]),
            legend=alt.Legend(orient="top", symbolFillColor="gray", symbolStrokeColor="gray") if points["origin"].n_unique() > 1 else None,
        ),
        tooltip=_tooltip(x, y),
    )
    clicked = theme.pickable(dots, box=("x", "y"))
    fitted = theme.coloured(lines, colour, names)
    layers = [_band(fitted, x, y, dots.encoding.color), clicked, _trend(fitted, x, y, dots.encoding.color)]
    return theme.finish(clicked if lines.is_empty() else alt.layer(*layers), theme.HEIGHT + theme.legend_height(points))


def drawable(rows: pl.DataFrame, x: str, y: str, log: bool) -> pl.DataFrame:
    """The rows that have both numbers; on logarithmic axes, both positive."""
    points = rows.filter(pl.col(x).is_not_null(), pl.col(y).is_not_null())
    return points.filter(pl.col(x) > 0, pl.col(y) > 0) if log else points


LABELS = {
    "gpu_model": "GPU",
    "source": "Source",
    "generation": "Generation",
    "task": "Task",
    "engine": "Engine",
    "family": "Family",
    "weights": "Weights",
}
TEXTS = ("result_id", "model_name", "gpu_model", "task", "source", "engine", "weights", "origin")


def _columns(rows: pl.DataFrame, x: str, y: str, colour: str) -> pl.DataFrame:
    """Only what the chart draws: less for the browser to fetch."""
    return rows.select(list(dict.fromkeys((*TEXTS, colour, x, y))))


def _tooltip(x: str, y: str) -> list[alt.Tooltip]:
    texts = [alt.Tooltip(f"{name}:N", title=LABELS.get(name, {"model_name": "Model"}.get(name, "Kind"))) for name in TEXTS[1:]]
    numbers = [alt.Tooltip(f"{key}:Q", title=NUMBERS[key].title, format=f",.{NUMBERS[key].decimals}f") for key in (x, y)]
    return [*texts[:3], *numbers, *texts[3:]]


# A usual size of the chart in px, to tell whether names would touch.
WIDE, HIGH, LETTER, LINE = 880.0, 420.0, 6.5, 14.0


def _places(rows: pl.DataFrame) -> list[tuple[float, float]]:
    """Where the points of the chart of equal energy stand, in px from its lower left corner."""
    found = []
    for key, size in (("output_tokens", WIDE), ("energy_per_token_j", HIGH)):
        values = [math.log(value) for value in rows[key]]
        low, high = min(values) - math.log(1.25), max(values) + math.log(1.25)
        found.append([(value - low) / (high - low) * size for value in values])
    return list(zip(*found, strict=True))


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose names touch no other point and no other name, with `left` where the name has room on the left only.

    The least and the most energy come first: they are what the chart is about.
    """
    order = rows.with_columns(pl.col("energy_j").rank("ordinal").alias("place")).with_columns(
        pl.min_horizontal("place", pl.len() + 1 - pl.col("place")).alias("from_end")
    )
    rows = order.sort("from_end", "place").drop("place", "from_end")
    places = _places(rows)
    across, up = np.array(places).reshape(-1, 2).T
    taken: list[tuple[float, float, float]] = []
    kept = []
    for row, (x, y) in zip(rows.iter_rows(named=True), places, strict=True):
        wide = LETTER * len(row["model_name"]) + 8
        left = x + wide > WIDE
        start, level = (x - wide if left else x), y + LINE / 2
        touched = (across > start - 4) & (across < start + wide + 4) & (np.abs(level - up) < LINE) & ((across != x) | (up != y))
        covered = any(start - 4 < end and begin < start + wide + 4 and abs(level - height) < LINE for begin, end, height in taken)
        if not touched.any() and not covered:
            taken.append((start, start + wide, level))
            kept.append(row | {"left": left})
    return pl.DataFrame(kept, schema=rows.schema | {"left": pl.Boolean}, orient="row")


def _band(lines: pl.DataFrame, x: str, y: str, scale: alt.Color) -> alt.Chart:
    """Where each fitted line may lie: a pale band in the colour of its points."""
    places = lines.select("colour", "line", "band").explode("band").unnest("band").rename({"x": x, "low": y})
    drawn: alt.Chart = (
        alt.Chart(places)
        .mark_area(opacity=0.1)
        .encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"), y2=alt.Y2("high"), color=scale, detail=alt.Detail("line:N"))
    )
    return drawn


def _trend(lines: pl.DataFrame, x: str, y: str, scale: alt.Color) -> alt.Chart:
    """The fitted lines from end to end, each in the colour of its points."""
    ends = pl.concat(
        lines.select("colour", pl.col("line"), pl.col(f"x_{end}").alias(x), pl.col(f"y_{end}").alias(y)) for end in ("low", "high")
    )
    drawn: alt.Chart = (
        alt.Chart(ends)
        .mark_line(strokeDash=[6, 4], strokeWidth=1.5)
        .encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"), color=scale, detail=alt.Detail("line:N"))
    )
    return drawn


# A signed number without a sign at zero.
SIGNED = "datum.value ? format(datum.value, '+.0f') : '0'"


def dumbbells(rows: pl.DataFrame, name: str) -> Chart:
    """Energy on side A and side B, one line per model, the largest saving on top.

    Args:
        rows: rows of `contrast_published`, one per `name`.
        name: the column that names a row.
    """
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list())
    x = alt.X("energy_j:Q", title=NUMBERS["energy_j"].title, axis=axis_of(False), scale=alt.Scale(zero=True))
    a, b = rows["a"][0], rows["b"][0]
    ends = pl.concat(
        rows.select(name, "change", pl.lit(side).alias("side"), pl.col(f"energy_{arm}_j").alias("energy_j"))
        for side, arm in ((a, "a"), (b, "b"))
    )
    tips = [
        alt.Tooltip(f"{name}:N", title="Model"),
        alt.Tooltip("side:N", title="Side"),
        alt.Tooltip("energy_j:Q", title=NUMBERS["energy_j"].title, format=",.1f"),
        alt.Tooltip("change:Q", title="Change from A to B", format="+.1%"),
    ]
    bars = (
        alt.Chart(rows.select(name, "energy_a_j", "energy_b_j"))
        .mark_rule(strokeWidth=2, color="gray")
        .encode(y=y, x=alt.X("energy_a_j:Q", title=""), x2=alt.X2("energy_b_j"))
    )
    dots = (
        alt.Chart(ends)
        .mark_point(filled=True, size=80)
        .encode(
            y=y,
            x=x,
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=[a, b]),
                legend=alt.Legend(orient="top", columns=theme.columns([a, b]), labelLimit=260),
            ),
            tooltip=tips,
        )
    )
    return theme.finish(alt.layer(bars, theme.pickable(dots, name)), rows_high(rows[name]))


def split(rows: pl.DataFrame, name: str) -> Chart:
    """The change of energy as a sum of two effects: more or fewer tokens, and a different energy per token.

    Args:
        rows: rows of `contrast_published` or `contrast_prompts`, one per `name`.
        name: the column that names a row.
    """
    effects = {"length_effect_log": "response length", "token_effect_log": "J/token"}
    long = rows.unpivot(list(effects), index=[name, "energy_effect_log"], variable_name="effect", value_name="value").with_columns(
        pl.col("effect").replace(effects), pl.col("value") * 100, pl.col("energy_effect_log") * 100
    )
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list())
    bars = (
        alt.Chart(long)
        .mark_bar(opacity=0.85)
        .encode(
            y=y,
            x=alt.X("value:Q", title="Effect on energy (100 × ln)", axis=alt.Axis(labelExpr=SIGNED, tickCount=6)),
            color=alt.Color(
                "effect:N", title=None, scale=alt.Scale(domain=list(effects.values())), legend=alt.Legend(orient="top", columns=1)
            ),
            tooltip=[
                alt.Tooltip(f"{name}:N", title="Model"),
                alt.Tooltip("effect:N", title="Effect of"),
                alt.Tooltip("value:Q", title="100 × ln ratio", format="+.2f"),
                alt.Tooltip("energy_effect_log:Q", title="Both effects", format="+.2f"),
            ],
        )
    )
    total = alt.Chart(long).mark_tick(color="gray", thickness=3, size=18).encode(y=y, x=alt.X("energy_effect_log:Q"))
    return theme.finish(alt.layer(bars, total), rows_high(rows[name]))


def iso(rows: pl.DataFrame, curves: pl.DataFrame) -> Chart:
    """J/token against response length; along a grey line every response costs the same energy.

    Args:
        rows: rows of `results` with length and J/token.
        curves: from `stats.iso_energy`.
    """
    scale = alt.Scale(type="log", nice=False)
    across, up = (axis_of(True, rows[key]) for key in ("output_tokens", "energy_per_token_j"))
    x = alt.X("output_tokens:Q", title=NUMBERS["output_tokens"].title, scale=scale, axis=across)
    y = alt.Y("energy_per_token_j:Q", title=NUMBERS["energy_per_token_j"].title, scale=scale, axis=up)
    lines = alt.Chart(curves).mark_line(color="gray", strokeWidth=1, opacity=0.6).encode(x=x, y=y, detail=alt.Detail("energy_j:N"))
    labels = (
        alt.Chart(curves.filter("end").with_columns(pl.format("{} J", pl.col("energy_j").cast(pl.Int64)).alias("label")))
        .mark_text(align="right", dx=-2, dy=-6, color="gray", fontSize=11)
        .encode(x=x, y=y, text=alt.Text("label:N"))
    )
    families = theme.coloured(rows, "family", theme.own_colours(rows["family"]))
    points = alt.Chart(families.select(*TEXTS, "family", "colour", "energy_j", "output_tokens", "energy_per_token_j"))
    dots = points.mark_point(filled=True, size=90).encode(
        x=x,
        y=y,
        color=theme.colour("family", "Architecture", families),
        tooltip=[
            alt.Tooltip("model_name:N", title="Model"),
            alt.Tooltip("family:N", title="Architecture"),
            *(
                alt.Tooltip(f"{key}:Q", title=NUMBERS[key].title, format=",.4~g")
                for key in ("energy_j", "output_tokens", "energy_per_token_j")
            ),
        ],
    )
    layers = [lines, labels, theme.pickable(dots, box=("x", "y"))]
    named = alt.Chart(_named(rows).select("model_name", "output_tokens", "energy_per_token_j", "left"))
    for left in (False, True):
        aside = named.transform_filter("datum.left" if left else "!datum.left")
        text = aside.mark_text(align="right" if left else "left", dx=-8 if left else 8, dy=-8, fontSize=11, color="gray")
        layers.append(text.encode(x=x, y=y, text=alt.Text("model_name:N")))
    return theme.finish(alt.layer(*layers), 500 + theme.legend_height(families))


def tradeoff(rows: pl.DataFrame, x: str, y: str, limits: dict[str, float | None]) -> Chart:
    """Energy against speed; the frontier as a line, the limits as dashed rules, what breaks a limit small.

    Args:
        rows: rows of `results` in screen units with `frontier` and `inside`.
        limits: `x` and `y` in screen units, or None.
    """
    scale = alt.Scale(type="log", nice=False, padding=12)
    across = alt.X(f"{x}:Q", title=NUMBERS[x].title, scale=scale, axis=axis_of(True))
    up = alt.Y(f"{y}:Q", title=NUMBERS[y].title, scale=scale, axis=axis_of(True))
    columns = list(dict.fromkeys((*TEXTS, "colour", "batch_size", x, y, "frontier", "inside")))
    points = theme.coloured(rows, "gpu_model", theme.own_colours(rows["gpu_model"]))
    base = alt.Chart(points.select(columns))
    dots = base.mark_point(filled=True).encode(
        x=across,
        y=up,
        color=theme.colour("gpu_model", "GPU", points),
        size=alt.Size("inside:O", scale=alt.Scale(domain=[True, False], range=[80, 14]), legend=None),
        tooltip=[*_tooltip(x, y), alt.Tooltip("batch_size:Q", title="Batch size")],
    )
    best = base.transform_filter("datum.frontier").mark_line(color="gray", strokeWidth=1.5, interpolate="linear").encode(x=across, y=up)
    layers = [best, theme.pickable(dots, box=("x", "y"))]
    for key, value in limits.items():
        if value is not None:
            at = {"x": alt.X(f"{key}:Q", scale=scale)} if key == x else {"y": alt.Y(f"{key}:Q", scale=scale)}
            layers.append(alt.Chart(pl.DataFrame({key: [value]})).mark_rule(strokeDash=[4, 4], color="gray").encode(**at))
    return theme.finish(alt.layer(*layers), theme.HEIGHT + theme.legend_height(points))


def over_time(rows: pl.DataFrame, key: str) -> Chart:
    """The energy of every result, by edition; one column of points per GPU.

    Args:
        rows: rows of `results` with `edition`.
        key: of NUMBERS, the energy.
    """
    gpus = theme.coloured(rows, "gpu_model", theme.own_colours(rows["gpu_model"]))
    points = (
        alt.Chart(gpus.select(*TEXTS, "colour", "edition", "batch_size", "params_total_b", key))
        .mark_point(filled=True, size=55)
        .encode(
            x=alt.X("edition:N", title=None, axis=alt.Axis(labelAngle=0), scale=alt.Scale(paddingInner=0.15)),
            xOffset=alt.XOffset("gpu_model:N"),
            y=alt.Y(f"{key}:Q", title=NUMBERS[key].title, scale=alt.Scale(type="log", nice=False, padding=12), axis=axis_of(True)),
            color=theme.colour("gpu_model", "GPU", gpus),
            tooltip=[
                *(alt.Tooltip(f"{name}:N", title=LABELS.get(name, "Model")) for name in ("model_name", "weights", "gpu_model")),
                *(alt.Tooltip(f"{name}:N", title=LABELS[name]) for name in ("task", "engine")),
                alt.Tooltip("batch_size:Q", title="Batch size"),
                tip("params_total_b"),
                tip(key),
            ],
        )
    )
    return theme.finish(theme.pickable(points, box=("y",)), theme.HEIGHT + theme.legend_height(gpus))
