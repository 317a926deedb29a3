"""The charts of Concise or verbose?: changes of pairs, both sides, the split, lines of equal energy. Frames hold screen units."""

import json
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import axes, charts, naming, shape, theme
from prompt_joules.pages.ui.pure.words import percent
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics.intervals import Floats

ENDS = {
    "": "Change",
    "_within_low": "from, in these runs",
    "_within_high": "to, in these runs",
    "_low": "from, with the spread between runs",
    "_high": "to, with the spread between runs",
}
TIPS: axes.Tips = {
    "label": "Prompts",
    **{f"value{end}": (name, "+.1%") for end, name in ENDS.items()},
    "whole": ("Of whole pairs", "+.1%"),
    "pairs": ("Pairs", ","),
}
TIPS_OF_MEANS: axes.Tips = {
    "shown_as": "Models of",
    "value": ("Change, median over models", "+.1%"),
    "value_low": ("from", "+.1%"),
    "value_high": ("to", "+.1%"),
    "count": ("Models", ","),
    "more": ("Use more", ","),
}
# Short: a title wider than a phone would take the width from the chart.
CHANGE = "Change in energy, 95 % interval"
# A signed number without a sign at zero.
SIGNED = "datum.value ? format(datum.value, '+.0f') : '0'"
# The usual width and height of a chart, the width of a letter and the height of a line (px), to tell whether names would touch.
WIDE, HIGH, LETTER, LINE = 880.0, 420.0, 6.5, 14.0
# How far below its point a name may be (px), nearest first; the other way round where the nearest point with a name is below it.
SHIFTS = (0.0, LINE, -LINE)
# How names are drawn: clipped, because a long one would squeeze the chart on a phone; left out where there is no room.
MARK: dict[str, Any] = {"clip": True, "opacity": alt.ExprRef("width > 480 ? 1 : 0"), "fontSize": 11}


def paired(changes: pl.DataFrame) -> theme.Chart:
    """The change of energy from side A to side B, with its interval over prompts (thick) and with the spread between runs (thin); left of
    the line B costs less.

    A hollow mark is the median of the pairs whose answers are both whole, a square the change of all batches together.

    Args:
        changes: rows of `pairs.paired` with `label` and `shown_as`; with several of `group`, each has a line of words above its rows.
    """
    values = {f"value{end}": pl.coalesce(f"median_change{end}", f"total_change{end}") for end in ENDS}
    heads = changes["group"].unique(maintain_order=True).to_list() if "group" in changes.columns else []
    more = ["group"] if len(heads) > 1 else []
    drawn = changes.select(
        *more, "label", "shown_as", "pairs", pl.col("whole_change").alias("whole"), pl.col("shared").alias("is_total"), **values
    )
    said = with_words(drawn)
    if more:
        words = {head: pl.DataFrame({"shown_as": [head], "said": [""], "is_head": [True]}) for head in heads}
        parts = [part for head in heads for part in (words[head], said.filter(pl.col("group") == head).drop("group"))]
        said = pl.concat(parts, how="diagonal_relaxed").with_columns(pl.col("is_head", "is_total").fill_null(False))
    return charts.forest(said, CHANGE, TIPS, nothing=0)


def of_means(summary: pl.DataFrame) -> theme.Chart:
    """The change of the mean energy from side A to side B over the models of each published table, with its interval over models.

    Args:
        summary: rows of `pairs.change_of_means` with `shown_as`.
    """
    values = {"value": "median_change", "value_low": "change_low", "value_high": "change_high"}
    drawn = summary.select("shown_as", "count", "more", **values)
    return charts.forest(with_words(drawn), CHANGE, TIPS_OF_MEANS, nothing=0)


def with_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `said`, the `value` as a signed percentage."""
    return rows.with_columns(shape.each(rows["value"], percent, pl.String).alias("said"))


def dumbbells(rows: pl.DataFrame, name: str) -> theme.Chart:
    """Energy on side A and side B, one line per model, the largest saving on top.

    Args:
        rows: rows of `contrast_published`, one per `name`.
        name: the column that names a row.
    """
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list(), axis=_names_axis(rows[name]))
    x = alt.X("energy_j:Q", title=NUMBERS["energy_j"].title, axis=axes.axis_of(False), scale=alt.Scale(zero=True))
    a, b = rows["a"][0], rows["b"][0]
    ends = pl.concat(
        rows.select(name, "change", pl.lit(side).alias("side"), pl.col(f"energy_{arm}_j").alias("energy_j"))
        for side, arm in ((a, "a"), (b, "b"))
    )
    numbers = {"energy_j": (NUMBERS["energy_j"].title, ",.1f"), "change": ("Change from A to B", "+.1%")}
    tips = axes.tips({name: "Model", "side": "Side", **numbers})
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
    return theme.finish(alt.layer(bars, theme.pickable(dots, name)), axes.rows_high(rows[name]))


def _names_axis(names: pl.Series) -> alt.Axis:
    """An axis of names, on which engines have those that people call them."""
    said = {name: naming.in_words(name) for name in names}
    return alt.Axis(labelExpr=f"{json.dumps(said)}[datum.label] || datum.label") if any(key != said[key] for key in said) else alt.Axis()


def split(rows: pl.DataFrame, name: str) -> theme.Chart:
    """The change of energy as a sum of two effects: more or fewer tokens, and a different energy per token.

    Args:
        rows: rows of `contrast_published` or `contrast_prompts`, one per `name`.
        name: the column that names a row.
    """
    effects = {"length_effect_log": "response length", "token_effect_log": "J/token"}
    numbers = {"value": ("100 × ln ratio", "+.2f"), "energy_effect_log": ("Both effects", "+.2f")}
    long = rows.unpivot(list(effects), index=[name, "energy_effect_log"], variable_name="effect", value_name="value").with_columns(
        pl.col("effect").replace(effects), pl.col("value") * 100, pl.col("energy_effect_log") * 100
    )
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list(), axis=_names_axis(rows[name]))
    bars = (
        alt.Chart(long)
        .mark_bar(opacity=0.85)
        .encode(
            y=y,
            x=alt.X("value:Q", title="Effect on energy (100 × ln)", axis=alt.Axis(labelExpr=SIGNED, tickCount=6)),
            color=alt.Color(
                "effect:N", title=None, scale=alt.Scale(domain=list(effects.values())), legend=alt.Legend(orient="top", columns=1)
            ),
            tooltip=axes.tips({name: "Model", "effect": "Effect of", **numbers}),
        )
    )
    total = alt.Chart(long).mark_tick(color="gray", thickness=3, size=18).encode(y=y, x=alt.X("energy_effect_log:Q"))
    return theme.finish(alt.layer(bars, total), axes.rows_high(rows[name]))


def iso(rows: pl.DataFrame, curves: pl.DataFrame) -> theme.Chart:
    """J/token against response length; along a grey line every response costs the same energy.

    Args:
        rows: rows of `results` with length and J/token.
        curves: from `summaries.iso_energy`.
    """
    scale = alt.Scale(type="log", nice=False)
    across, up = (axes.axis_of(True, rows[key]) for key in ("output_tokens", "energy_per_token_j"))
    x = alt.X("output_tokens:Q", title=NUMBERS["output_tokens"].title, scale=scale, axis=across)
    y = alt.Y("energy_per_token_j:Q", title=NUMBERS["energy_per_token_j"].title, scale=scale, axis=up)
    lines = alt.Chart(curves).mark_line(color="gray", strokeWidth=1, opacity=0.6).encode(x=x, y=y, detail=alt.Detail("energy_j:N"))
    joules = (
        alt.Chart(curves.filter("end").with_columns(pl.format("{} J", pl.col("energy_j").cast(pl.Int64)).alias("label")))
        .mark_text(align="right", dx=-2, dy=-6, color="gray", fontSize=11)
        .encode(x=x, y=y, text=alt.Text("label:N"))
    )
    families = theme.coloured(axes.with_texts(rows, "energy_j"), "family", theme.own_colours(rows["family"]))
    points = alt.Chart(families.select(*axes.TEXTS, "family", "colour", "energy_j", "output_tokens", "energy_per_token_j"))
    numbers = {key: (NUMBERS[key].title, ",.4~g") for key in ("energy_j", "output_tokens", "energy_per_token_j")}
    tips = axes.tips({"model_name": "Model", "family": "Architecture", "gpu": "GPU", **numbers, "energy_is": "Energy is"})
    dots = theme.dots(points, families, "family", "Architecture", 90).encode(x=x, y=y, tooltip=tips)
    layers = [lines, joules, theme.pickable(dots, box=("x", "y"))]
    layers += names_drawn(_named(rows).select("model_name", "output_tokens", "energy_per_token_j", "left", "shift"), x, y, "model_name")
    return theme.finish(alt.layer(*layers), 500 + theme.legend_height(families))


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose names have room. The least and the most energy come first: they are what the chart is about."""
    order = rows.with_columns(pl.col("energy_j").rank("ordinal").alias("place")).with_columns(
        pl.min_horizontal("place", pl.len() + 1 - pl.col("place")).alias("from_end")
    )
    first = order.sort("from_end", "place").drop("place", "from_end")
    return with_room(first, rows, ("output_tokens", "energy_per_token_j"), "model_name", margin=1.25)


def with_room(rows: pl.DataFrame, every: pl.DataFrame, keys: Sequence[str], name: str, margin: float) -> pl.DataFrame:
    """The rows whose names have room, with `left`, whether on the left, and `shift`, how far below their point (px).

    Args:
        rows: those with a name, the most important first; at most some tens.
        every: all points that are drawn.
        keys: the columns across and up, above 0.
        name: the column with the names.
        margin: how many times the axes go beyond the points.
    """
    ends = [(float(np.log(every[key].to_numpy()).min()), float(np.log(every[key].to_numpy()).max())) for key in keys]
    points, places = (_places(frame, keys, ends, margin) for frame in (every, rows))
    taken = np.empty((0, 3))
    kept = []
    for row, place in zip(rows.iter_rows(named=True), places, strict=True):
        wide = LETTER * len(row[name]) + 8
        others = points[(points != place).any(axis=1)]
        away = 1 if _is_below(place, places) else -1
        spots = [_spot(place, wide, left, away * shift) for shift in SHIFTS for left in (False, True)]
        free = [spot for spot in spots if spot[0] > 0 and spot[1] < WIDE and not _touch(spot, taken)]
        clear = [spot for spot in free if not _touch(spot, others[:, [0, 0, 1]])]
        for spot in clear[:1]:
            taken = np.vstack([taken, spot])
            kept.append(row | {"left": bool(spot[0] < place[0]), "shift": int(place[1] - spot[2])})
    return pl.DataFrame(kept, schema=rows.schema | {"left": pl.Boolean, "shift": pl.Int64}, orient="row")


def names_drawn(named: pl.DataFrame, x: alt.X, y: alt.Y, name: str) -> list[alt.Chart]:
    """The names as layers of a chart, dark on light and light on dark.

    Args:
        named: of `with_room`, with the columns of both axes.
    """
    layers = []
    for (left, shift), there in named.group_by("left", "shift", maintain_order=True):
        beside: dict[str, Any] = {"align": "right", "dx": -9} if left else {"align": "left", "dx": 9}
        text = alt.Chart(there.drop("left", "shift")).mark_text(dy=shift, color=theme.INK, **beside, **MARK)
        layers.append(text.encode(x=x, y=y, text=alt.Text(f"{name}:N")))
    return layers


def _is_below(place: Floats, places: Floats) -> bool:
    """Whether the nearest other place is above this one, or on its height."""
    others = places[(places != place).any(axis=1)]
    return len(others) == 0 or bool(others[np.argmin(((others - place) ** 2).sum(axis=1)), 1] >= place[1])


def _spot(place: Floats, wide: float, left: bool, shift: float) -> Floats:
    """Left end, right end and height of a name beside its point."""
    start = place[0] - wide if left else place[0]
    return np.array([start, start + wide, place[1] - shift])


def _touch(spot: Floats, taken: Floats) -> bool:
    """Whether a name would touch what is taken: rows of left end, right end and height."""
    beside = (spot[0] - 4 < taken[:, 1]) & (taken[:, 0] < spot[1] + 4)
    return bool((beside & (np.abs(spot[2] - taken[:, 2]) < LINE)).any())


def _places(rows: pl.DataFrame, keys: Sequence[str], ends: list[tuple[float, float]], margin: float) -> Floats:
    """Where points stand, in px from the lower left corner."""
    found = []
    edge = math.log(margin)
    for key, (low, high), size in zip(keys, ends, (WIDE, HIGH), strict=True):
        found.append((np.log(rows[key].to_numpy().astype(float)) - low + edge) / (high - low + 2 * edge) * size)
    return np.column_stack(found)
