"""The charts of Home: a bar a model, in groups by size, and what the bars mean. Frames in, charts out."""

from typing import Any

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, certainty, naming, shape, theme
from prompt_joules.pages.ui.pure.words import figure
from prompt_joules.warehouse import energy_shown

# The height of a bar (px) and of the axis.
ROW, AROUND = 21, 66
# A hollow or pale bar of at least this share of the longest one has its words inside.
LONG = 0.6
# Whether the chart is so wide that there is room for n beside the numbers (Vega expression).
WIDE = "width > 480"
PLACES: tuple[tuple[str, dict[str, Any]], ...] = (("== false", {"align": "left", "dx": 6}), ("== true", {"align": "right", "dx": -6}))
# A character without width that begins the name of each group's heading.
HEAD = "\u2063"
# Best known first: the kind as the query `answers` calls it → what it is.
_SAID = {
    "measured": (energy_shown.MEASURED, "measured, one answer alone"),
    "divided": (energy_shown.DIVIDED, "divided by a rule among answers given together"),
    "estimated": (energy_shown.ESTIMATED, "estimated by the source from J/token"),
}
SIGNS = {kind: f"{mark} " if (mark := energy_shown.MARKS[name]) else "" for kind, (name, _) in _SAID.items()}
KINDS = {kind: SIGNS[kind] + words for kind, (_, words) in _SAID.items()}


def joules(row: dict[str, Any]) -> str:
    """J of an answer as it is written everywhere: ≈ where it is estimated, ÷ where it is divided.

    Args:
        row: with `answer_j` (J) and `kind`.
    """
    return f"{SIGNS[row['kind']]}{figure(row['answer_j'], 3)} J"


def legend(rows: pl.DataFrame) -> str:
    """HTML: what the bars mean, only the kinds that are drawn."""
    box = "display: inline-block; width: 22px; height: 11px; margin-right: 6px; box-sizing: border-box"
    looks = {"measured": f"background: {theme.FIRST_COLOUR}", "divided": f"background: {theme.FIRST_COLOUR}; opacity: 0.45"}
    other = f"border: 1.5px dashed {theme.FIRST_COLOUR}"
    meant = [(looks.get(kind, other), words) for kind, words in KINDS.items() if kind in rows["kind"].to_list()]
    if rows.select((axes.by_itself(rows.columns) < certainty.FEW).any()).item():
        meant.append((f"border: 1.5px solid {theme.FIRST_COLOUR}", f"fewer than {certainty.FEW} measurements"))
    items = [f'<span style="margin-right: 18px"><span style="{box}; {look}"></span>{words}</span>' for look, words in meant]
    return f'<div style="font-size: 0.85rem; display: flex; flex-wrap: wrap">{"".join(items)}</div>'


def bars(rows: pl.DataFrame) -> theme.Chart:
    """One bar a model, in groups by size; in a group measured numbers first, then the least.

    Args:
        rows: of one task and GPU, from `complete`.
    """
    listed = with_heads(rows)
    most, end = (float(listed[name].drop_nulls().to_numpy().max()) for name in ("answer_j", "words_at"))
    # Words stand beside the longest bar where it is solid, else in it.
    is_solid = bool((rows.filter(pl.col("answer_j") == most)["kind"] == "measured").any())
    labels = alt.Axis(
        labelExpr=f"substring(datum.label, 0, 1) === '{HEAD}' ? '' : datum.label",
        labelLimit=alt.ExprRef(f"{WIDE} ? 260 : 190"),
        title=None,
        ticks=False,
        labelOverlap=False,
    )
    y = alt.Y("row:N", sort=listed["row"].to_list(), axis=labels, scale=alt.Scale(paddingInner=0.25))
    x = alt.X(
        "answer_j:Q",
        title="J per answer",
        scale=alt.Scale(domain=[0, max(most * 1.2, end * (1.35 if is_solid else 1.0))]),
        axis=alt.Axis(format=",.6~g", tickCount=5, orient="top", titlePadding=4),
    )
    base = alt.Chart(listed).encode(y=y)
    models = base.transform_filter("isValid(datum.answer_j)")
    drawn = models.transform_calculate(bar="'bar'").mark_bar(strokeWidth=1.2).encode(x=x, tooltip=_tips(), **_look_of_kinds())
    words = [
        models.transform_calculate(said=f"{WIDE} ? datum.words : datum.short")
        .transform_filter(f"datum.inside {test}")
        .transform_filter(f"datum.kind {kind} 'estimated'")
        .mark_text(fontSize=12, fontStyle=style, color=theme.INK, **place)
        .encode(x=alt.X("words_at:Q"), text=alt.Text("said:N"))
        for test, place in PLACES
        for kind, style in (("!==", "normal"), ("===", "italic"))
    ]
    heads = base.transform_filter("!isValid(datum.answer_j)").mark_text(
        align="left", baseline="middle", fontWeight="bold", fontSize=12, color=theme.INK
    )
    if listed["value_low"].null_count() < listed.height:
        ends = {"x": alt.X("value_low:Q"), "x2": alt.X2("value_high")}
        drawn = alt.layer(drawn, models.transform_filter("isValid(datum.value_low)").mark_rule(strokeWidth=2, opacity=0.8).encode(**ends))
    return theme.finish(alt.layer(drawn, *words, heads.encode(x=alt.datum(0), text=alt.Text("head:N"))), ROW * listed.height + AROUND)


def _look_of_kinds() -> dict[str, Any]:
    """Channels of a bar: solid where measured, pale where divided, hollow with few answers, dashed where estimated."""
    pale = {"test": "datum.kind === 'divided'", "value": 0.4}
    hollow = {"test": "datum.kind === 'estimated' || datum.few", "value": 0}
    dashed = {"test": "datum.kind === 'estimated'", "value": [4, 3]}
    colour = alt.Scale(domain=["bar"])
    return {
        "fillOpacity": alt.FillOpacityValue(0.9, condition=[hollow, pale]),
        "strokeDash": alt.StrokeDashValue([1, 0], condition=dashed),
        "fill": alt.Fill("bar:N", scale=colour, legend=None),
        "stroke": alt.Stroke("bar:N", scale=colour, legend=None),
    }


def with_heads(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of the chart, before each band a row for its head. `row` names each, no two alike; `words` stand at its bar,
    `short` where there is little room, `words_at` is where: the end of the bar, or of the interval that goes beyond it."""
    rank = pl.col("kind").replace_strict({kind: place for place, kind in enumerate(KINDS)}, return_dtype=pl.Int64)
    setup = pl.when(pl.col("setup") != "").then(pl.format(" · {}", "setup")).otherwise(pl.lit(""))
    rows = rows.with_columns(axes.n_and_few(rows.columns))
    of_ours = pl.when(pl.col("origin") == "measured").then(pl.format(" · n = {}", "n_is")).otherwise(pl.lit(""))
    words = shape.each(rows.select(pl.struct("kind", "answer_j")).to_series(), joules, pl.String) + setup
    # A long bar has room for its words; a solid one does not, and never needs it.
    inside = (pl.col("answer_j") > LONG * pl.col("answer_j").max()) & (pl.col("kind") != "measured")
    ends = [name for name in ("answer_j", "value_high") if name in rows.columns]
    beyond = pl.when(inside).then("answer_j").otherwise(pl.max_horizontal(ends))
    again = pl.int_range(pl.len()).over("row")
    # A name that occurs again gets characters without width, so that it is another name.
    rows = rows.with_columns(naming.engine()) if "engine" in rows.columns else rows
    said = words.alias("short"), (words + of_ours).alias("words")
    listed = rows.with_columns(pl.col("model_name").alias("row"), *said, inside.alias("inside"), beyond.alias("words_at"))
    listed = listed.with_columns((pl.col("row") + pl.lit("\u2060").repeat_by(again).list.join("")).alias("row"))
    parts = []
    for band in (*shape.BANDS, shape.UNKNOWN_SIZE):
        group = listed.filter(pl.col("band") == band).sort(rank, "answer_j", "model_id")
        if group.height:
            parts += [pl.DataFrame({"row": [HEAD + band], "head": [band if band == shape.UNKNOWN_SIZE else shape.said(band)]}), group]
    return pl.concat(parts, how="diagonal")


def _tips() -> list[alt.Tooltip]:
    texts = {
        "model_name": "Model",
        "words": "Energy of an answer",
        "kind": "Kind",
        "n_is": "n",
        "setup": "GPUs, precision",
        "engine": "Engine",
        "source": "Source",
    }
    numbers = {
        "params_total_b": "Parameters (B)",
        "batch_size": "Batch size",
        "output_tokens": "Length (token)",
        "energy_per_token_j": "J/token",
        "runs": "Runs",
        "value_low": "95 % interval from",
        "value_high": "to",
        "configurations": "Best of",
    }
    return axes.tips({**texts, **{name: (title, ",.3~g") for name, title in numbers.items()}})


def alternative(rows: pl.DataFrame) -> str:
    """The chart in words, for readers who cannot see it."""
    return "J of an answer by model: " + "; ".join(
        f"{row['model_name']} {joules(row)}" for row in rows.sort("answer_j").iter_rows(named=True)
    )
