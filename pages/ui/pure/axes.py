"""Axes, tooltips and heights that charts share."""

from collections.abc import Collection, Mapping

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import certainty, naming
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics import summaries

Tips = Mapping[str, str | tuple[str, str]]
"""Columns that a tooltip tells: of a text its title, of a number title and format; "" is the usual one."""
MANY_SERIES = 12
# The height of a row (px).
PER_MODEL = 26
# The parts of a name below one another.
IN_LINES = "split(datum.label, ' · ')"
NAMES = ("model_name", "gpu_model", "gpu", "origin", "energy_is", "source", "generation", "task", "engine", "family")
FIELDS = {name: naming.title_of(name) for name in NAMES}
FIELDS |= {"batch_size": "Batch size", "weights_are": "Weights", "runs_are": "Runs", "n_is": "n"}
# What a point tells of its result: columns of `with_texts`.
TEXTS = (
    *("result_id", "model_name", "gpu", "task", "source", "engine", "batch_size", "weights_are", "origin", "energy_is", "runs_are", "n_is"),
    "few",
)
# Of these, what no tooltip says.
UNSAID = ("result_id", "few")
# The columns with the interval of J/token; that of the energy that a page asks for is `value_low` to `value_high`.
ENDS = {"energy_per_token_j": ("token_low_j", "token_high_j")}
# On a logarithmic axis only 1, 2 and 5 and their tenfolds have labels.
ROUND_LABELS = "indexof('125', format(datum.value, '.0e')[0]) >= 0 ? format(datum.value, datum.value < 1000 ? '~g' : '~s') : ''"
TOP = alt.Legend(orient="top", labelLimit=260, columns=alt.ExprRef("width > 330 ? 0 : 1"))


def tips(told: Tips) -> list[alt.Tooltip]:
    """What a tooltip tells, in order."""
    return [
        alt.Tooltip(f"{name}:N", title=how)
        if isinstance(how, str)
        else alt.Tooltip(f"{name}:Q", title=how[0], format=how[1] or alt.Undefined)
        for name, how in told.items()
    ]


def axis_of(log: bool, values: pl.Series | None = None) -> alt.Axis:
    """Plain numbers; thousands as k where a logarithmic axis has room for few digits.

    Args:
        log: whether the axis is logarithmic.
        values: what is drawn. Where they lie within a factor of 4, every tick has a label: round ones alone would be too few. Elsewhere
            a logarithmic axis has grid lines at its labels only.
    """
    if not log or (values is not None and _narrow(values)):
        return alt.Axis(format=",.6~g", tickCount=6)
    if values is None:
        return alt.Axis(labelExpr=ROUND_LABELS, tickCount=6)
    return alt.Axis(labelExpr=ROUND_LABELS, values=round_ticks(values))  # with a count of ticks Vega would leave every second one out


def round_ticks(values: pl.Series) -> list[float]:
    """1, 2 and 5 and their tenfolds around what is drawn, one beyond each end; none where nothing above 0 is.

    A line and a label for each of nine ticks a decade are a third of what a browser draws of a chart, and most of them say nothing.
    """
    drawn = values.drop_nulls().cast(pl.Float64)
    drawn = drawn.filter((drawn > 0) & drawn.is_finite())
    if drawn.is_empty():
        return []
    return summaries.steps(*summaries.ends(drawn), (1, 2, 5))


def ending(axis: alt.Axis, last: float) -> alt.Axis:
    """The axis without ticks, labels and grid beyond a value: names stand there.

    Args:
        axis: of `axis_of`.
        last: the largest value that is drawn.
    """
    beyond = f"datum.value > {last * 1.001:.12g}"
    given = axis.to_dict()
    if "values" in given:
        return alt.Axis(**given | {"values": [tick for tick in given["values"] if tick <= last * 1.001]})
    label = given.pop("labelExpr", f"format(datum.value, '{given.get('format', '')}')")
    seen = {"condition": {"test": beyond, "value": 0}, "value": 1}
    return alt.Axis(**given, labelExpr=f"{beyond} ? '' : {label}", gridOpacity=seen, tickOpacity=seen)


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


def with_texts(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Adds `gpu`, the GPU in full, `weights_are`, what the weights were loaded from, `energy_is`, how the energy of the chart is known,
    `runs_are`, how many runs are behind it, `n_is`, how much of it was measured by itself, and `few`, whether that is less than ten.

    Args:
        rows: rows of `results`; of `pooled.pooled` where runs of one setup are one point.
        keys: the numbers of the chart; the first energy of single answers decides, "measured" where there is none.
    """
    key = next((key for key in keys if energy_shown.of_answers(key) or key == "estimated_energy_j"), None)
    kind = energy_shown.kind(key, rows.columns) if key else pl.lit(energy_shown.MEASURED)
    weights = naming.provenance(rows.columns).alias("weights_are")
    runs = pl.col("runs").cast(pl.String) if "runs" in rows.columns else pl.lit(None, pl.String)
    said = runs.fill_null("published average" if "runs" in rows.columns else "–").alias("runs_are")
    engines = [naming.engine()] if "engine" in rows.columns else []
    of_it = n_and_few(rows.columns)
    return rows.with_columns(naming.gpu(rows.columns).alias("gpu"), *engines, weights, kind.alias("energy_is"), said, *of_it)


def n_and_few(columns: Collection[str]) -> tuple[pl.Expr, pl.Expr]:
    """`n_is`, how much of a result was measured by itself, in words, and `few`, whether that is less than ten."""
    n = by_itself(columns)
    return n.cast(pl.String).fill_null("–").alias("n_is"), (n < certainty.FEW).fill_null(False).alias("few")


def by_itself(columns: Collection[str]) -> pl.Expr:
    """How much of a result was measured by itself: prompts, of ours whole batches, or the one window of each run of a server; else null."""
    if not {"origin", "prompts", "batch_size", "engine"} <= set(columns):
        return pl.lit(None, pl.Int64)
    runs = pl.col("runs").fill_null(1) if "runs" in columns else pl.lit(1)
    alone = pl.col("prompts") // pl.col("batch_size").fill_null(1).clip(lower_bound=1)
    n = pl.when(pl.col("engine").is_in(naming.SERVERS)).then(runs).otherwise(alone)
    return (
        pl.when(pl.col("origin") == "measured")
        .then(n.cast(pl.Int64))
        .when(pl.col("batch_size") == 1)
        .then(pl.col("prompts").cast(pl.Int64))
    )


def ends_columns(key: str) -> tuple[str, str] | None:
    """The columns with the ends of the interval of a number; None for one that has none."""
    return ENDS.get(key, ("value_low", "value_high") if key in energy_shown.BY_KEY else None)


def with_ends(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Adds `end_low` and `end_high`, the 95 % interval of a number over prompts and runs, in screen units; null where it has none.

    Args:
        rows: of `data.with_intervals`, in screen units.
        key: of the number; only a mean energy and J/token have an interval.
    """
    ends = ends_columns(key)
    factor = NUMBERS[key].display_factor
    found = [pl.col(name) * factor for name in ends] if ends and set(ends) <= set(rows.columns) else [pl.lit(None, pl.Float64)] * 2
    return rows.with_columns(found[0].alias("end_low"), found[1].alias("end_high"))


def heights(rows: pl.DataFrame, y: str) -> pl.DataFrame:
    """All that is drawn up a chart, one column: the points and the ends of their intervals.

    Args:
        rows: of `with_ends`.
        y: the column of the points.
    """
    return pl.concat([rows.select(pl.col(name).cast(pl.Float64).alias(y)) for name in (y, "end_low", "end_high")]).drop_nulls()


def ends_of(rows: pl.DataFrame) -> list[alt.Tooltip]:
    """What a tooltip says of the intervals of a chart; nothing where none is known.

    Args:
        rows: of `with_ends`.
    """
    if rows["end_low"].null_count() == rows.height:
        return []
    return tips({"end_low": ("95 % interval from", ",.3~g"), "end_high": ("to", ",.3~g")})


def bars(rows: pl.DataFrame, x: alt.X, y: str, colours: alt.Color) -> list[alt.Chart]:
    """The 95 % intervals of the points of a chart, behind them; none where no point has one, or a layer would have endless ends.

    Args:
        rows: of `with_ends`, with the column of `x` and `colour`.
        x: of the points.
        y: the column of the points that has the intervals.
        colours: of the points.
    """
    known = rows.filter(pl.col("end_low").is_not_null() & pl.col("end_high").is_not_null())
    if known.is_empty():
        return []
    across = str(x.shorthand).removesuffix(":Q")
    base = alt.Chart(known.select(across, "colour", pl.col("end_low").alias(y), "end_high"))
    rule: alt.Chart = base.mark_rule(strokeWidth=1.5, opacity=0.45).encode(x=x, y=alt.Y(f"{y}:Q"), y2=alt.Y2("end_high"), color=colours)
    return [rule]


def tooltip(*keys: str) -> list[alt.Tooltip]:
    """What a point of a chart of results tells: its names, and the numbers after the first three.

    Args:
        keys: of NUMBERS.
    """
    texts = tips({name: FIELDS[name] for name in TEXTS if name not in UNSAID})
    numbers = tips({key: (NUMBERS[key].title, f",.{NUMBERS[key].decimals}f") for key in keys})
    return [*texts[:3], *numbers, *texts[3:]]
