"""The charts of Three years: matched pairs over batch sizes, and all results by edition and GPU. Frames hold storage units."""

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, naming, theme
from prompt_joules.pages.ui.pure.words import signed
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.metrics import Metric

# The golden ratio spreads any number of points evenly.
SPREAD = 0.618033988749895


def pairs(matched: pl.DataFrame, metric: Metric) -> theme.Chart:
    """The same model on the same GPU in two editions: a curve over batch sizes for each, joined where they are a pair.

    Each model is named at its first point; the smallest and the largest change of a model stand at theirs.

    Args:
        matched: of `editions.matched`.
    """
    rows = _with_names(matched, metric)
    ends = [rows.select(*NAMED, pl.col(f"edition_{side}").alias("edition"), pl.col(f"value_{side}").alias("value")) for side in ("a", "b")]
    points = theme.coloured(pl.concat(ends), "edition", sorted({*rows["edition_a"], *rows["edition_b"]}))
    sizes = alt.Axis(values=rows["batch_size"].unique().sort().to_list(), format="d", labelOverlap="greedy")
    x = alt.X("batch_size:Q", title="Batch size", scale=alt.Scale(type="log", nice=False, padding=24), axis=sizes)
    y, above, below = (
        alt.Y(
            f"{name}:Q", title=metric.title, scale=alt.Scale(type="log", nice=False, padding=26), axis=axes.axis_of(True, points["value"])
        )
        for name in ("value", "value_a", "value_b")
    )
    numbers = {"batch_size": ("Batch size", ""), "value": (metric.title, ",.3~g")}
    tips = axes.tips({"named": "Model", "edition": "Edition", **numbers, "said": "Change"})
    base = alt.Chart(points)
    colour = theme.colour("edition", "Edition", points)
    curve = base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, detail=alt.Detail("curve:N"))
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x=x, y=y, color=colour, tooltip=tips)
    joined = alt.Chart(rows).mark_rule(strokeWidth=1, color="gray", strokeDash=[3, 3]).encode(x=x, y=above, y2=alt.Y2("value_b"))
    # Two that are neighbours lean apart: on a phone they would touch.
    changes = [
        alt.Chart(rows.filter("is_end", leans)).mark_text(dy=14, dx=aside, fontSize=11, color=theme.INK).encode(x=x, y=below, text="said:N")
        for leans, aside in ((pl.col("is_last_end"), 8), (~pl.col("is_last_end"), -8))
    ]
    names = (
        alt.Chart(rows.filter("is_first"))
        .mark_text(dy=-13, align="left", fontSize=12, color=theme.INK)
        .encode(x=x, y=above, text=alt.Text("named:N"))
    )
    return theme.finish(alt.layer(joined, curve, dots, *changes, names), theme.SMALL_HEIGHT + theme.legend_height(points))


NAMED = ("named", "curve", "batch_size", "change", "said")


def _with_names(matched: pl.DataFrame, metric: Metric) -> pl.DataFrame:
    """Values in screen units, what a curve is called, the change in words, and which points have words."""
    values = [pl.col(f"value_{side}") * metric.display_factor for side in ("a", "b")]
    rows = matched.with_columns(*values, pl.format("{} on {}", "model_name", naming.gpu(matched.columns)).alias("named"))
    rows = rows.with_columns(pl.format("{} {} {}", "named", "edition_a", "edition_b").alias("curve"))
    said = [f"{signed(100 * change)} %" for change in rows["change"].to_list()]
    change, batch = pl.col("change"), pl.col("batch_size")
    ends = (change == change.min().over("curve")) | (change == change.max().over("curve"))
    first, last_end = batch == batch.min().over("curve"), batch == batch.filter(ends).max().over("curve")
    marks = (ends.alias("is_end"), first.alias("is_first"), last_end.alias("is_last_end"))
    return rows.with_columns(pl.Series("said", said, dtype=pl.String), *marks)


def over_time(rows: pl.DataFrame, key: str) -> theme.Chart:
    """The energy of every result, one column of points per edition and GPU with its median; larger points for larger batches.

    Args:
        rows: rows of `results` with `edition`.
        key: of NUMBERS, the energy.
    """
    gpus = theme.coloured(axes.with_texts(rows, key), "gpu_model", theme.own_colours(rows["gpu_model"]))
    gpus = _in_columns(gpus)
    metric = NUMBERS[key]
    order = gpus.select("column", "edition", "gpu_model").unique().sort("edition", "gpu_model")["column"].to_list()
    labels = alt.Axis(labelAngle=0, labelExpr=axes.IN_LINES, labelOverlap=False, labelFontSize=11, labelLimit=90)
    x = alt.X("column:N", title=None, sort=order, axis=labels, scale=alt.Scale(domain=order, paddingInner=0.1))
    y = alt.Y(f"{key}:Q", title=metric.title, scale=alt.Scale(type="log", nice=False, padding=12), axis=axes.axis_of(True, rows[key]))
    drawn = gpus.select(*axes.TEXTS, "gpu_model", "colour", "edition", "params_total_b", key, "column", "aside", "drawn_batch")
    known = sorted(batch for batch in (1, 8, 64, 512, 4096) if gpus["drawn_batch"].min() <= batch <= gpus["drawn_batch"].max())  # type: ignore[operator]
    size = alt.Size(
        "drawn_batch:Q",
        title="Batch size",
        scale=alt.Scale(type="log", domain=[1, 4096], range=[18, 150]),
        legend=alt.Legend(orient="top", values=known, symbolStrokeColor="gray", symbolFillColor="transparent") if len(known) > 1 else None,
    )
    points = theme.dots(alt.Chart(drawn), gpus, "gpu_model", "GPU", 55).encode(
        x=x, xOffset=alt.XOffset("aside:Q", scale=alt.Scale(domain=[0, 1])), y=y, size=size, tooltip=axes.tooltip("params_total_b", key)
    )
    ticks = alt.Chart(_medians(gpus, key)).mark_tick(thickness=3, size=34, color=theme.INK, opacity=0.9)
    tips = axes.tips({"column": "Edition and GPU", "median": (f"Median, {metric.title}", ",.3~g"), "count": ("Results", "")})
    medians = ticks.encode(
        x=x,
        xOffset=alt.XOffset("aside:Q", scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("median:Q", title=metric.title, scale=alt.Scale(type="log", nice=False, padding=12)),
        tooltip=tips,
    )
    layers = alt.layer(theme.pickable(points, box=("y",)), medians)
    return theme.finish(layers, theme.HEIGHT + theme.legend_height(gpus))


def _in_columns(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `column`, GPU and edition below one another, `aside`, where in it a point stands (0 to 1), `drawn_batch`."""
    column = pl.format("{} · {}", "gpu_model", pl.col("edition").str.replace("own runs", "own · runs", literal=True))
    placed = rows.with_columns(column.alias("column"), pl.col("batch_size").fill_null(1).alias("drawn_batch"))
    return placed.with_columns(((pl.int_range(pl.len()).over("column") * SPREAD) % 1).alias("aside"))


def _medians(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per column of points: `median` of the number, `count`, and the middle of the column, `aside`."""
    numbers = (pl.col(key).median().alias("median"), pl.len().cast(pl.Int64).alias("count"), pl.lit(0.5).alias("aside"))
    return rows.group_by("column", maintain_order=True).agg(*numbers)
