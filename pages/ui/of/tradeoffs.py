"""Trade-offs: limits, the best of each model, the chart, and what it says."""

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, ends, naming, theme
from prompt_joules.pages.ui.pure.words import figure, plain, unit
from prompt_joules.warehouse import called
from prompt_joules.warehouse.energy_shown import NUMBERS

TRADE_OFFS = (
    "One point is one model on one GPU at one batch size; a curve joins the batch sizes of what is alike in all else. Curves on the "
    "frontier and the cheapest one of each model have names, at the right; a tooltip names every point. Small points miss a limit, the "
    "ring is what costs least within them. Along the broad grey line no other configuration is as good on both and better on one. A "
    "point in a thin grey ring is beaten by one on the line, but their 95 % intervals meet, so that this may be luck. ITL p50 is the usual "
    "time between two tokens of an answer."
)
OPTIMAL = (
    "Keeps only configurations within the limits that no other one surely beats: none is as good on both numbers and better on one, or "
    "only within the 95 % intervals of the energy."
)
BOUNDARY = "J counts all GPUs that a configuration uses, without CPU, memory and cooling."
# What the points of one curve share, and how many sizes it needs; the most curves that can have a name.
ALIKE = (
    *("source", "model_id", "gpu_model", "num_gpus", "dtype", "task", "engine", "prompt_set", "weights", "harness_version"),
    "generation",
)
FEWEST_SIZES = 3
RANDOM_MODEL = pl.when(pl.col("weights") == "dummy").then(pl.format("{} (random)", "model_name")).otherwise("model_name")
ENGINE = naming.engine()
BEST = ("model_name", "frontier", "gpu_model", "engine", "batch_size", "task", "params_total_b", "source")
SPEEDS = ("itl_p50_s", "tpot_s", "ttft_s", "latency_s", "throughput_tps")
OF_EACH = "The best configuration of each model within the limits"
NO_LIMIT = "no limit"
# The limits that a first visitor finds: 50 ms between two tokens is faster than people read.
FIRST_LIMITS = {"itl_p50_s": "50"}


def with_curves(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `curve`, the name of what is alike in all but how many prompts are answered at once; null below three sizes.

    Args:
        rows: rows of `results`.
    """
    alike = [pl.col(name).cast(pl.String).fill_null("") for name in ALIKE]
    rows = rows.with_columns(pl.concat_str(alike, separator="\n").alias("group"))
    several = rows.filter(pl.col("batch_size").n_unique().over("group") >= FEWEST_SIZES)
    groups = several.unique("group", keep="first", maintain_order=True)
    names = naming.in_short(naming.numbered(_named(groups))).select("group", pl.col("shown_as").alias("curve"))
    return rows.join(names, on="group", how="left", maintain_order="left").drop("group")


def _named(groups: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`: model and GPU, and of the rest what tells curves apart that would have one name."""
    gpu = naming.gpu([name for name in groups.columns if name != "dtype"])
    groups = groups.with_columns(naming.joined(RANDOM_MODEL, gpu))
    for part in (ENGINE, pl.col("task"), naming.precision("dtype"), naming.prompt_set(), naming.PROTOCOL_OF_OURS):
        tells = part.n_unique().over("label") > 1
        groups = groups.with_columns(pl.when(tells).then(naming.joined("label", part)).otherwise("label").alias("label"))
    return groups


def tradeoff(rows: pl.DataFrame, x: str, y: str, limits: dict[str, float | None], is_best: bool = False) -> theme.Chart:
    """Energy against speed: a curve through the batch sizes of one model on one GPU, named at its end; the frontier, the limits as dashed
    rules, what breaks a limit small, a ring around what costs least within them.

    Args:
        rows: rows of `results` in screen units with `frontier` and `inside`, and `maybe` for what is not surely beaten.
        limits: `x` and `y` in screen units, or None.
        is_best: whether the rows are the frontier alone: then each point has a name at the right, and there are no curves.
    """
    points = theme.coloured(axes.with_ends(axes.with_texts(rows, y, x), y), "gpu_model", theme.own_colours(rows["gpu_model"]))
    points = points.with_columns(pl.lit(None, pl.String).alias("curve")) if is_best else with_curves(points)
    named = ends.with_places(with_names(points, y) if is_best else _ends(points, y), axes.heights(points, y), y, theme.HEIGHT)
    scale = alt.Scale(type="log", nice=False, padding=ends.PADDING)
    up = alt.Y(f"{y}:Q", title=NUMBERS[y].title, scale=scale, axis=axes.axis_of(True, axes.heights(points, y)[y]))
    speeds = _scale_across(named, rows[x], limits.get(x))
    last = max(float(rows[x].to_numpy().max()), limits.get(x) or 0.0)
    across = alt.X(f"{x}:Q", title=NUMBERS[x].title, scale=speeds, axis=axes.ending(axes.axis_of(True, rows[x]), last))
    points = points if "maybe" in points.columns else points.with_columns(pl.lit(False).alias("maybe"))
    columns = list(dict.fromkeys((*axes.TEXTS, "colour", x, y, "end_low", "end_high", "frontier", "maybe", "inside", "curve")))
    base = alt.Chart(points.select(columns))
    dots = theme.dots(base, points, "gpu_model", "GPU", 80).encode(
        x=across,
        y=up,
        size=alt.Size("inside:O", scale=alt.Scale(domain=[True, False], range=[80, 14]), legend=None),
        tooltip=[*axes.tooltip(x, y), *axes.ends_of(points)],
    )
    colour = theme.colour("gpu_model", "GPU", points)
    beside = ends.drawn(named, across, y, scale, colour)
    layers = [*_lines(points, x, y, across, up), *axes.bars(points, across, y, colour), *beside, theme.pickable(dots, box=("x", "y"))]
    if (unsure := points.filter("maybe", "inside").select(x, y)).height:
        around = alt.Chart(unsure).mark_point(size=190, filled=False, strokeWidth=1.2, color="gray", shape="circle")
        layers.append(around.encode(x=across, y=up))
    if (cheapest := points.filter("inside").sort(y, maintain_order=True).head(1)).height:
        ring = alt.Chart(cheapest.select(x, y)).mark_point(size=320, filled=False, strokeWidth=2.5, color=theme.INK)
        layers.append(ring.encode(x=across, y=up))
    for key, value in limits.items():
        if value is not None:
            at = {"x": alt.X(f"{key}:Q", scale=speeds)} if key == x else {"y": alt.Y(f"{key}:Q", scale=scale)}
            layers.append(alt.Chart(pl.DataFrame({key: [value]})).mark_rule(strokeDash=[4, 4], color="gray").encode(**at))
    return theme.finish(alt.layer(*layers), theme.HEIGHT + theme.legend_height(points))


def _lines(points: pl.DataFrame, x: str, y: str, across: alt.X, up: alt.Y) -> list[alt.Chart]:
    """The frontier, broad and grey, and a curve for each model on one GPU in the colour of its points."""
    best = points.filter("frontier").select(x, y)
    layers = [alt.Chart(best).mark_line(color="gray", strokeWidth=6, opacity=0.35, interpolate="linear").encode(x=across, y=up)]
    curves = points.filter(pl.col("curve").is_not_null())
    if curves.height:
        line = alt.Chart(curves.select("curve", "colour", "batch_size", x, y)).mark_line(strokeWidth=1.5, opacity=0.7)
        colour = theme.colour("gpu_model", "GPU", points)
        layers.append(line.encode(x=across, y=up, detail=alt.Detail("curve:N"), order=alt.Order("batch_size:Q"), color=colour))
    return layers


def with_names(points: pl.DataFrame, y: str) -> pl.DataFrame:
    """Points with `name`, model, GPU, engine and batch size, and the protocol where that tells two apart; the cheapest first."""
    gpu = naming.gpu([name for name in points.columns if name != "dtype"])
    named = points.with_columns(naming.joined(RANDOM_MODEL, gpu, ENGINE, naming.BATCH))
    longer = naming.joined("label", naming.PROTOCOL)
    named = named.with_columns(pl.when(pl.len().over("label") > 1).then(longer).otherwise("label").alias("label"))
    return naming.in_short(naming.numbered(named)).with_columns(pl.col("shown_as").alias("name")).sort(y, maintain_order=True)


def _ends(points: pl.DataFrame, y: str) -> pl.DataFrame:
    """The point with the most prompts at once of the curves that have a name, with `name`: those on the frontier, then of each model the
    one that gets cheapest. A name for each of many curves is a list beside the chart, whose lines cross; tooltips name the others."""
    curves = points.filter(pl.col("curve").is_not_null())
    order = curves.with_columns(pl.col("frontier").any().over("curve").alias("on"), pl.col(y).min().over("curve").alias("cheapest"))
    order = order.filter(pl.col("on") | (pl.col("cheapest") == pl.col("cheapest").min().over("model_id", "weights")))
    last = order.sort("batch_size", maintain_order=True).unique("curve", keep="last", maintain_order=True)
    return last.sort("on", "cheapest", "curve", descending=[True, False, False]).with_columns(pl.col("curve").alias("name"))


def _scale_across(named: pl.DataFrame, values: pl.Series, limit: float | None) -> alt.Scale:
    """The axis of speed, with room for the names at its right."""
    known = [*values.to_list(), *([] if limit is None else [limit])]
    end = {"domainMax": ends.room_at_the_right(named, min(known), max(known))} if named.height else {}
    return alt.Scale(type="log", nice=False, padding=ends.PADDING, **end)


def along(rows: pl.DataFrame, x: str, y: str) -> str:
    """How many curves end lower than they begin, and how many end farther across; empty without curves.

    Args:
        rows: rows of `results`.
    """
    curves = with_curves(rows).filter(pl.col("curve").is_not_null()).sort("batch_size", maintain_order=True)
    if curves.is_empty():
        return ""
    ends_ = curves.group_by("curve").agg((pl.col(key).last() / pl.col(key).first()).alias(key) for key in (x, y))
    down, right = (int(expr.sum()) for expr in (ends_[y] < 1, ends_[x] > 1))
    speed = NUMBERS[x].label
    speed = speed if speed[:2].isupper() else speed[:1].lower() + speed[1:]  # names in capitals stay
    return (
        f"From the fewest answers at once to the most, {NUMBERS[y].label.lower()} falls along {down} of {ends_.height} curves, and "
        f"{speed} rises along {right}."
    )


def summary(passing: int, shown: int, best: pl.DataFrame, x: str, y: str) -> str:
    """How many configurations meet the limits, and which of them costs least."""
    if best.is_empty():
        return f"**None** of {shown:,} configurations is within the limits: raise one of them."
    row = best.row(0, named=True)
    numbers = " and ".join(f"{figure(row[key] * NUMBERS[key].display_factor, 3)} {unit(NUMBERS[key])}" for key in (y, x))
    place = f"{plain(naming.gpu_of(row))}, {plain(called.engine(row['engine']))}, batch size {row['batch_size']}"
    random = ", random weights" if row.get("weights") == "dummy" else ""
    least = f"Least: **{plain(row['model_name'])}** ({place}{random}) with {numbers}."
    return f"**{passing:,}** of {shown:,} configurations are within the limits. {least}"
