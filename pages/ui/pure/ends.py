"""Names of curves in a column at the right of a chart, spread so that none covers another, each joined to the end of its curve."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import theme
from prompt_joules.warehouse.statistics.intervals import Floats

# px of a name: its font, a letter's width, the distance between two lines, the gap between a curve's end and the name.
FONT, LETTER, LINE, GAP = 11, 6.3, 14.0, 28
# What a logarithmic axis leaves free at both of its ends (px), and what its words and the edges take of the height of a chart.
PADDING, WORDS = 24, 95
# A long name is shortened to no fewer letters than this; a chart narrower than this (px), on a phone, has no names.
LONGEST, SHORTEST_MODEL, NARROW = 56, 20, 480
# What tells two models apart may stand at their ends, as "(random)" does: so many letters stay.
LAST = 8
IS_WIDE = f"width > {NARROW}"


def spread(wanted: Sequence[float] | Floats, gap: float, low: float, high: float) -> Floats:
    """Places nearest to where names should be (least squares), at least `gap` apart, in the same order, from `low` to `high`.

    Args:
        wanted: where each name should be, in any order; at most (high - low) / gap + 1 names have room.
        gap: the least distance of two names.
        low: the first place that a name may have.
        high: the last one.

    Raises:
        ValueError: there is no room for so many names.
    """
    places = np.asarray(wanted, dtype=float)
    steps = gap * np.arange(len(places))
    if len(places) and steps[-1] > high - low + 1e-9:
        raise ValueError(f"no room for {len(places)} names of {gap:g} px between {low:g} and {high:g} px: name fewer")
    order = np.argsort(places, kind="stable")
    free = np.clip(_rising(places[order] - steps), low, high - (steps[-1] if len(steps) else 0))
    found = np.empty(len(places))
    found[order] = free + steps
    return found


def _rising(values: Floats) -> Floats:
    """The nearest values (least squares) that never fall: neighbours that would are pooled into their mean."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        blocks.append((mean, count))
    return np.repeat([mean for mean, _ in blocks], [count for _, count in blocks]) if blocks else np.empty(0)


def with_places(named: pl.DataFrame, every: pl.DataFrame, y: str, height: int) -> pl.DataFrame:
    """The first names that have room, with `name_at`, where each stands on the logarithmic axis up.

    Args:
        named: the ends of the curves with `name`, the most important first.
        every: all points that are drawn.
        y: the column up, above 0.
        height: of the chart without its legend (px).
    """
    long = height - WORDS - 2 * PADDING
    named = named.head(int(long // LINE) + 1)
    values = np.log(every[y].to_numpy().astype(float))
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / long or 1.0
    wanted = (np.log(named[y].to_numpy().astype(float)) - low) / scale
    places = np.exp(low + spread(wanted, LINE, 0, long) * scale) if high > low else named[y].to_numpy().astype(float)
    names = pl.Series("name", [shortened(name) for name in named["name"]], dtype=pl.String)
    return named.with_columns(names, pl.Series("name_at", places, dtype=pl.Float64))


def shortened(name: str) -> str:
    """A name of at most LONGEST letters, where its model can be cut so far; what stands behind the model, GPU and engine, is never cut.

    Args:
        name: parts with " · " between them, the model first.
    """
    model, between, rest = name.partition(" · ")
    room = max(LONGEST - len(between) - len(rest), SHORTEST_MODEL)
    return name if len(model) <= room else f"{model[: room - LAST - 1].rstrip()}…{model[-LAST:]}{between}{rest}"


def room_at_the_right(named: pl.DataFrame, low: float, high: float) -> alt.ExprRef:
    """The end of a logarithmic axis across that leaves the names their room, where the chart is wide enough to have names.

    Args:
        named: of `with_places`.
        low: the least value across.
        high: the largest one.
    """
    share = f"min(0.6, {_wide(named):.0f} / width)"
    return alt.ExprRef(f"{IS_WIDE} ? {high:.12g} * pow({high / low:.12g}, {share} / (1 - {share})) : {high:.12g}")


def drawn(named: pl.DataFrame, x: alt.X, y: str, scale: alt.Scale, colour: alt.Color) -> list[alt.Chart]:
    """The names as layers of a chart, and a thin line from each to the end of its curve; none on a phone.

    Args:
        named: of `with_places`, with `colour` and the columns of both axes.
        x: the axis across.
        y: the column up.
        scale: of the axis up.
        colour: of the curves.
    """
    if named.is_empty():
        return []
    wide = _wide(named)
    seen: dict[str, Any] = {"opacity": alt.ExprRef(f"{IS_WIDE} ? 1 : 0")}
    base = alt.Chart(named.select("name", "colour", x.shorthand.split(":")[0], y, "name_at"))
    lines = base.mark_rule(strokeWidth=1, opacity=alt.ExprRef(f"{IS_WIDE} ? 0.55 : 0")).encode(
        x=x,
        x2=alt.value(alt.ExprRef(f"width - {wide - GAP + 4:.0f}")),
        y=alt.Y(f"{y}:Q", scale=scale),
        y2=alt.Y2("name_at:Q"),
        color=colour,
    )
    at = alt.value(alt.ExprRef(f"width - {wide - GAP:.0f}"))
    words = base.mark_text(align="left", baseline="middle", fontSize=FONT, color=theme.INK, **seen).encode(
        x=at, y=alt.Y("name_at:Q", scale=scale), text="name:N"
    )
    return [lines, words]


def _wide(named: pl.DataFrame) -> float:
    """The width that the names and their lines take (px)."""
    return GAP + LETTER * max((len(name) for name in named["name"]), default=0)
