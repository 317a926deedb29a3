"""What software saves: J/token of each engine over how many answers it gives at once. Frames in, sentences and charts out."""

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, ends, naming, shape, software, theme
from prompt_joules.pages.ui.pure.words import exact, figure, plain

TITLE = "How many at once?"
ABOUT = (
    "Each curve is an engine: a loop that answers static batches, or a server with so many requests at once. Each point is a setup "
    "with all its runs. A server counts in its steady state where that was recorded, else over its whole window. The energy of all "
    "answers is divided by all their output tokens."
)
HIGH = 380
COLUMNS = (
    *("size_name", "engine", "batch_size", "energy_per_token_j", "throughput_tps"),
    *("itl_p50_s", "answers", "runs", "between_runs", "measured_on"),
    *("model_name", "weights", "dtype", "task", "prompt_set", "harness_version"),
)


def complete(curves: pl.DataFrame) -> pl.DataFrame:
    """Adds `size_name` and `name`, the engine as people call it; only engines with two numbers of answers at once, which make a curve.

    Args:
        curves: rows of the query `software_curves`.
    """
    several = curves.filter(pl.col("batch_size").n_unique().over("gpu_model", "size", "engine", pl.col("precision").fill_null("")) > 1)
    size_names = shape.each(several["size"], lambda size: f"{figure(size, 2)}B", pl.String).alias("size_name")
    return several.with_columns(size_names, naming.joined(naming.engine(), naming.precision("precision")).alias("name"))


def sizes(rows: pl.DataFrame) -> list[str]:
    """The sizes that have curves, by name, small ones first."""
    names: list[str] = rows.sort("size")["size_name"].unique(maintain_order=True).to_list()
    return names


def richest(rows: pl.DataFrame) -> str:
    """The size with most engines, of several that with most points: what a first visitor sees."""
    counts = rows.group_by("size_name", "size").agg(pl.col("name").n_unique().alias("engines"), pl.len().alias("points"))
    return str(counts.sort("engines", "points", "size", descending=[True, True, False])["size_name"][0])


def headline(rows: pl.DataFrame) -> str:
    """The least J/token of each engine and what it saves against one answer at a time.

    Args:
        rows: of one GPU and size, from `complete`.
    """
    least = rows.sort("energy_per_token_j").unique("name", keep="first", maintain_order=True)
    return "; ".join(_least(row, rows, place == 0) for place, row in enumerate(least.iter_rows(named=True))) + "."


def _least(row: dict[str, object], rows: pl.DataFrame, is_first: bool) -> str:
    joules = float(str(row["energy_per_token_j"]))
    number = f"{exact(joules, 2)} J/token at {row['batch_size']}"
    said = f"**{plain(str(row['name']))}**: **{number}**" if is_first else f"{plain(str(row['name']))}: {number}"
    alone = rows.filter(pl.col("name") == row["name"], pl.col("batch_size") == 1)["energy_per_token_j"]
    if alone.is_empty() or row["batch_size"] == 1:
        return said
    return f"{said} ({software.share(1 - joules / float(alone[0]))} less than one at a time)"


def curves(rows: pl.DataFrame) -> theme.Chart:
    """A line an engine, J/token over answers at once, with the engine's name at the end.

    Args:
        rows: of one GPU and size, from `complete`.
    """
    drawn = theme.coloured(rows, "name", theme.enough(rows["name"].unique(maintain_order=True).to_list()))
    places = sorted(rows["batch_size"].unique().to_list())
    last = drawn.sort("batch_size").unique("name", keep="last", maintain_order=True).sort("energy_per_token_j")
    named = ends.with_places(last, drawn, "energy_per_token_j", HIGH)
    right = ends.room_at_the_right(named, places[0], places[-1])
    x = alt.X(
        "batch_size:Q",
        title="Answers at once",
        scale=alt.Scale(type="log", base=2, nice=False, domainMin=places[0] / 1.1, domainMax=right),
        axis=alt.Axis(values=places, format="d", labelOverlap=True),
    )
    joules = alt.Scale(type="log", nice=False, padding=ends.PADDING)
    y = alt.Y("energy_per_token_j:Q", title="J per output token", scale=joules, axis=axes.axis_of(True, rows["energy_per_token_j"]))
    texts = {"name": "Engine", "model_name": "Model", "measured_on": "Measured on", "weights": "Weights", "harness_version": "Protocol"}
    numbers = {"batch_size": "At once", "energy_per_token_j": "J/token", "throughput_tps": "token/s", "answers": "Answers", "runs": "Runs"}
    tips = axes.tips({**texts, **{name: (title, ",.3~g") for name, title in numbers.items()}})
    base = alt.Chart(drawn.select("colour", *dict.fromkeys((*texts, *numbers))))
    line = base.mark_line(strokeWidth=2, opacity=0.8).encode(x=x, y=y, color=theme.colour("name", "Engine", drawn))
    dots = theme.dots(base, drawn, "name", "Engine", 75).encode(x=x, y=y, tooltip=tips)
    beside = ends.drawn(named, x, "energy_per_token_j", joules, theme.colour("name", "Engine", drawn))
    return theme.finish(alt.layer(line, *beside, dots), HIGH + theme.legend_height(drawn))
