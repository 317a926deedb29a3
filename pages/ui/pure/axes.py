"""Axes, tooltips and heights that charts share."""

import altair as alt
import polars as pl

from prompt_joules.warehouse.energy_shown import NUMBERS

MANY_SERIES = 12
# The height of a row (px).
PER_MODEL = 26
# The parts of a name below one another.
IN_LINES = "split(datum.label, ' · ')"
FIELDS = {
    "gpu_model": "GPU",
    "source": "Source",
    "generation": "Generation",
    "task": "Task",
    "engine": "Engine",
    "family": "Family",
    "weights": "Weights",
}
TEXTS = ("result_id", "model_name", "gpu_model", "task", "source", "engine", "weights", "origin")
# On a logarithmic axis only 1, 2 and 5 and their tenfolds have labels.
ROUND_LABELS = "indexof('125', format(datum.value, '.0e')[0]) >= 0 ? format(datum.value, datum.value < 1000 ? '~g' : '~s') : ''"
TOP = alt.Legend(orient="top", labelLimit=260)


def tip(key: str) -> alt.Tooltip:
    return alt.Tooltip(f"{key}:Q", title=NUMBERS[key].title, format=",.4~g")


def axis_of(log: bool, values: pl.Series | None = None) -> alt.Axis:
    """Plain numbers; thousands as k where a logarithmic axis has room for few digits.

    Args:
        log: whether the axis is logarithmic.
        values: what is drawn. Where they lie within a factor of 4, every tick has a label: round ones alone would be too few.
    """
    if not log or (values is not None and _narrow(values)):
        return alt.Axis(format=",.6~g", tickCount=6)
    return alt.Axis(labelExpr=ROUND_LABELS, tickCount=6)


def _narrow(values: pl.Series) -> bool:
    low, high = values.min(), values.max()
    return isinstance(low, int | float) and isinstance(high, int | float) and low > 0 and high < 4 * low


def rows_high(names: pl.Series) -> int:
    return max(120, PER_MODEL * names.n_unique() + 60)


def lines_of(names: pl.Series) -> int:
    """How many lines the longest name takes."""
    return max((name.count(" · ") + 1 for name in names), default=1)


def names_axis(names: pl.Series) -> alt.Axis:
    """An axis of names, their parts below one another around the middle of the row; of many names each on one line."""
    if len(names) > MANY_SERIES:
        return alt.Axis(labelLimit=240)
    return alt.Axis(labelExpr=IN_LINES, labelLimit=170, labelOffset=-7 * (lines_of(names) - 1))


def names_high(names: pl.Series, least: int) -> int:
    """The height (px) of a chart with a row for each of these names, a row at least so high."""
    row = 24 if len(names) > MANY_SERIES else max(least, 14 + 15 * lines_of(names))
    return 70 + row * len(names)


def tooltip(x: str, y: str) -> list[alt.Tooltip]:
    texts = [alt.Tooltip(f"{name}:N", title=FIELDS.get(name, {"model_name": "Model"}.get(name, "Kind"))) for name in TEXTS[1:]]
    numbers = [alt.Tooltip(f"{key}:Q", title=NUMBERS[key].title, format=f",.{NUMBERS[key].decimals}f") for key in (x, y)]
    return [*texts[:3], *numbers, *texts[3:]]
