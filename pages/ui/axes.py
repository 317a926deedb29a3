"""Axes, tooltips and heights that charts share. Pure: no Streamlit."""

import altair as alt
import polars as pl

from warehouse.measure import NUMBERS

# On a logarithmic axis only 1, 2 and 5 and their tenfolds have labels.
ROUND_LABELS = "indexof('125', format(datum.value, '.0e')[0]) >= 0 ? format(datum.value, datum.value < 1000 ? '~g' : '~s') : ''"
TOP = alt.Legend(orient="top", labelLimit=260)


def tip(key: str) -> alt.Tooltip:
    return alt.Tooltip(f"{key}:Q", title=NUMBERS[key].title, format=",.4~g")


def axis_of(log: bool) -> alt.Axis:
    """Plain numbers; thousands as k where a logarithmic axis has room for few digits."""
    if not log:
        return alt.Axis(format=",.6~g", tickCount=6)
    return alt.Axis(labelExpr=ROUND_LABELS, tickCount=6)


PER_MODEL = 26


def rows_high(names: pl.Series) -> int:
    return max(120, PER_MODEL * names.n_unique() + 60)
