"""Which points of a chart with logarithmic axes have room for a name, so that names touch neither each other nor a point."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import theme
from prompt_joules.warehouse.statistics.intervals import Floats

# The usual width and height of a chart, the width of a letter and the height of a line (px), to tell whether names would touch.
WIDE, HIGH, LETTER, LINE = 880.0, 420.0, 6.5, 14.0
# How far below its point a name may be (px), nearest first; the other way round where the nearest point with a name is below it.
SHIFTS = (0.0, LINE, -LINE)
# How names are drawn: clipped, because a long one would squeeze the chart on a phone; left out where there is no room.
MARK: dict[str, Any] = {"clip": True, "opacity": alt.ExprRef("width > 480 ? 1 : 0"), "fontSize": 11}


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


def drawn(named: pl.DataFrame, x: alt.X, y: alt.Y, name: str) -> list[alt.Chart]:
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
