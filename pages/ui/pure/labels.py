"""Which points of a chart with logarithmic axes have room for a name, so that names touch neither each other nor, where asked, a point."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics.intervals import Floats

# A usual size of a chart in px, to tell whether names would touch; of a letter and a line.
WIDE, HIGH, LETTER, LINE = 880.0, 420.0, 6.5, 14.0
# How the names are drawn: clipped, or a long one would take the width of a phone from the chart; where there is no room, not at all.
MARK: dict[str, Any] = {"clip": True, "opacity": alt.ExprRef("width > 480 ? 1 : 0"), "fontSize": 11}


def with_room(
    rows: pl.DataFrame, every: pl.DataFrame, keys: Sequence[str], name: str, margin: float, on_points: bool = False
) -> pl.DataFrame:
    """The rows whose names have room, with `left` where a name has it on the left only.

    Args:
        rows: those with a name, the most important first; at most some tens.
        every: all points that are drawn.
        keys: the columns across and up, above 0.
        name: the column with the names.
        margin: how many times the axes go beyond the points.
        on_points: whether a name may lie on other points.
    """
    ends = [(float(np.log(every[key].to_numpy()).min()), float(np.log(every[key].to_numpy()).max())) for key in keys]
    points, places = (_places(frame, keys, ends, margin) for frame in (every, rows))
    taken: list[Floats] = []
    kept = []
    for row, place in zip(rows.iter_rows(named=True), places, strict=True):
        wide = LETTER * len(row[name]) + 8
        sides = [left for left in (False, True) if (place[0] > wide if left else place[0] + wide < WIDE)]
        others = points[(points != place).any(axis=1)] + (0, -LINE / 2)
        free = [left for left in sides if not _touch(place, wide, left, np.array(taken).reshape(-1, 3))]
        clear = [left for left in free if not _touch(place, wide, left, np.column_stack([others[:, 0], others[:, 0], others[:, 1]]))]
        if not (chosen := clear or (free if on_points else [])):
            continue
        start = place[0] - wide if chosen[0] else place[0]
        taken.append(np.array([start, start + wide, place[1]]))
        kept.append(row | {"left": chosen[0]})
    return pl.DataFrame(kept, schema=rows.schema | {"left": pl.Boolean}, orient="row")


def _touch(place: Floats, wide: float, left: bool, taken: Floats) -> bool:
    """Whether a name at a place would touch what is taken: rows of left end, right end and height."""
    start = place[0] - wide if left else place[0]
    beside = (start - 4 < taken[:, 1]) & (taken[:, 0] < start + wide + 4)
    return bool((beside & (np.abs(place[1] - taken[:, 2]) < LINE)).any())


def _places(rows: pl.DataFrame, keys: Sequence[str], ends: list[tuple[float, float]], margin: float) -> Floats:
    """Where points stand, in px from the lower left corner."""
    found = []
    edge = math.log(margin)
    for key, (low, high), size in zip(keys, ends, (WIDE, HIGH), strict=True):
        found.append((np.log(rows[key].to_numpy().astype(float)) - low + edge) / (high - low + 2 * edge) * size)
    return np.column_stack(found)
