"""Axes, tooltips and heights that charts share. Pure: no Streamlit."""

import altair as alt
import polars as pl

from prompt_joules.warehouse.energy_shown import NUMBERS

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


PER_MODEL = 26


def rows_high(names: pl.Series) -> int:
    return max(120, PER_MODEL * names.n_unique() + 60)
