"""Curves over the prompts of several series: frames in, Altair charts out. Pure: no Streamlit, no database, no state."""

import altair as alt
import numpy as np
import polars as pl

from prompt_joules.pages.ui import theme
from prompt_joules.pages.ui.axes import axis_of
from prompt_joules.pages.ui.theme import Chart
from prompt_joules.warehouse.metrics import Metric

# A chart of steps gets about so many: each costs the browser time, and two steps of one series are some two pixels high.
MOST_STEPS = 1000
# However many series there are, at most this many steps become one.
COARSEST = 9
# A share of the axis; a quarter of a pixel.
BESIDE = 0.001


def _few(steps: pl.DataFrame) -> pl.DataFrame:
    """All steps of up to four series; of more series every n-th step, the first and the last."""
    place, last = pl.int_range(pl.len()).over("shown_as"), pl.len().over("shown_as") - 1
    every = min(-(-steps.height // MOST_STEPS), COARSEST)
    return steps.filter((place % every == 0) | (place == last)) if every > 1 else steps


def _straightened(steps: pl.DataFrame) -> pl.DataFrame:
    """Curves without the points that lie, as far as an eye can tell, on the straight line between two others."""
    parts = steps.partition_by("shown_as", maintain_order=True)
    return pl.concat(part.filter(_corners(part)) for part in parts) if parts else steps


def _corners(curve: pl.DataFrame) -> pl.Series:
    """Whether each point of a curve is needed: none that is not lies farther than BESIDE above or below the line that passes it.

    Ramer and Douglas and Peucker's way: the point farthest from a line stays, and the line becomes two.
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


def ecdf(steps: pl.DataFrame, metric: Metric, log: bool, series: list[str]) -> Chart:
    """For every value, the share of the prompts at or below it.

    Args:
        steps: rows of `shape.steps_of` with `shown_as`, `value` in screen units.
        series: the names `shown_as`; the first ones have a colour of their own.
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
                axis=axis_of(log),
            ),
            y=alt.Y("share_of_prompts:Q", title="Share at or below", axis=alt.Axis(format="%")),
            color=theme.colour("shown_as", "Name", shown),
            detail=alt.Detail("shown_as:N"),
            tooltip=[
                alt.Tooltip("shown_as:N", title="Name"),
                alt.Tooltip("value:Q", title=metric.title, format=",.4~g"),
                alt.Tooltip("share_of_prompts:Q", title="At or below", format=".1%"),
            ],
        )
    )
    return theme.finish(theme.lit(lines), theme.SMALL_HEIGHT + theme.legend_height(shown))


def lorenz(steps: pl.DataFrame, series: list[str]) -> Chart:
    """Where the joules go: the cheapest share of the prompts against their share of the energy.

    The straight line is what equal prompts would give; the deeper a curve hangs, the more a few prompts use.

    Args:
        steps: rows of `shape.steps_of` for the energy, with `shown_as`.
        series: the names `shown_as`; the first ones have a colour of their own.
    """
    x = alt.X("share_of_prompts:Q", title="Share of the prompts, cheapest first", axis=alt.Axis(format="%"))
    y = alt.Y("share_of_total:Q", title="Share of the energy", axis=alt.Axis(format="%"))
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
            tooltip=[
                alt.Tooltip("shown_as:N", title="Name"),
                alt.Tooltip("share_of_prompts:Q", title="Cheapest share of the prompts", format=".0%"),
                alt.Tooltip("share_of_total:Q", title="Share of the energy", format=".1%"),
            ],
        )
    )
    equal = pl.DataFrame({"share_of_prompts": [0.0, 1.0], "share_of_total": [0.0, 1.0]})
    diagonal = alt.Chart(equal).mark_line(strokeDash=[4, 4], color="gray", strokeWidth=1).encode(x=x, y=y)
    return theme.finish(alt.layer(diagonal, theme.lit(curves)), theme.SMALL_HEIGHT + theme.legend_height(shown))
