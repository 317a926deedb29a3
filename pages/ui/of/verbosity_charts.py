"""The charts of Concise or verbose?: changes of pairs, both sides, the split, lines of equal energy. Frames hold screen units."""

import json

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, charts, labels, naming, shape, theme
from prompt_joules.pages.ui.pure.words import percent
from prompt_joules.warehouse.energy_shown import NUMBERS

ENDS = {
    "": "Change",
    "_within_low": "from, in these runs",
    "_within_high": "to, in these runs",
    "_low": "from, with the spread between runs",
    "_high": "to, with the spread between runs",
}
TIPS: dict[str, tuple[str, str | None]] = {
    "label": ("Prompts", None),
    **{f"value{end}": (name, "+.1%") for end, name in ENDS.items()},
    "whole": ("Of whole pairs", "+.1%"),
    "pairs": ("Pairs", ","),
}
TIPS_OF_MEANS: dict[str, tuple[str, str | None]] = {
    "shown_as": ("Models of", None),
    "value": ("Change, median over models", "+.1%"),
    "value_low": ("from", "+.1%"),
    "value_high": ("to", "+.1%"),
    "count": ("Models", ","),
    "more": ("Use more", ","),
}
# Short: a title wider than a phone would take the width from the chart.
CHANGE = "Change in energy, 95 % interval"
# A signed number without a sign at zero.
SIGNED = "datum.value ? format(datum.value, '+.0f') : '0'"


def paired(changes: pl.DataFrame) -> theme.Chart:
    """The change of energy from side A to side B, with its interval over prompts (thick) and with the spread between runs (thin); left of
    the line B costs less.

    A hollow mark is the median of the pairs whose answers are both whole, a square the change of all batches together.

    Args:
        changes: rows of `pairs.paired` with `label` and `shown_as`; with several of `group`, each has a line of words above its rows.
    """
    values = {f"value{end}": pl.coalesce(f"median_change{end}", f"total_change{end}") for end in ENDS}
    heads = changes["group"].unique(maintain_order=True).to_list() if "group" in changes.columns else []
    more = ["group"] if len(heads) > 1 else []
    drawn = changes.select(
        *more, "label", "shown_as", "pairs", pl.col("whole_change").alias("whole"), pl.col("shared").alias("is_total"), **values
    )
    said = with_words(drawn)
    if more:
        parts = [part for head in heads for part in (_head(head), said.filter(pl.col("group") == head).drop("group"))]
        said = pl.concat(parts, how="diagonal_relaxed").with_columns(pl.col("is_head", "is_total").fill_null(False))
    return charts.forest(said, CHANGE, TIPS, nothing=0)


def _head(group: str) -> pl.DataFrame:
    """A row of words alone, above the rows of a group."""
    return pl.DataFrame({"shown_as": [group], "said": [""], "is_head": [True]})


def of_means(summary: pl.DataFrame) -> theme.Chart:
    """The change of the mean energy from side A to side B over the models of each published table, with its interval over models.

    Args:
        summary: rows of `pairs.change_of_means` with `shown_as`.
    """
    values = {"value": "median_change", "value_low": "change_low", "value_high": "change_high"}
    drawn = summary.select("shown_as", "count", "more", **values)
    return charts.forest(with_words(drawn), CHANGE, TIPS_OF_MEANS, nothing=0)


def with_words(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `said`, the `value` as a signed percentage."""
    return rows.with_columns(shape.each(rows["value"], percent, pl.String).alias("said"))


def dumbbells(rows: pl.DataFrame, name: str) -> theme.Chart:
    """Energy on side A and side B, one line per model, the largest saving on top.

    Args:
        rows: rows of `contrast_published`, one per `name`.
        name: the column that names a row.
    """
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list(), axis=_names_axis(rows[name]))
    x = alt.X("energy_j:Q", title=NUMBERS["energy_j"].title, axis=axes.axis_of(False), scale=alt.Scale(zero=True))
    a, b = rows["a"][0], rows["b"][0]
    ends = pl.concat(
        rows.select(name, "change", pl.lit(side).alias("side"), pl.col(f"energy_{arm}_j").alias("energy_j"))
        for side, arm in ((a, "a"), (b, "b"))
    )
    tips = [
        alt.Tooltip(f"{name}:N", title="Model"),
        alt.Tooltip("side:N", title="Side"),
        alt.Tooltip("energy_j:Q", title=NUMBERS["energy_j"].title, format=",.1f"),
        alt.Tooltip("change:Q", title="Change from A to B", format="+.1%"),
    ]
    bars = (
        alt.Chart(rows.select(name, "energy_a_j", "energy_b_j"))
        .mark_rule(strokeWidth=2, color="gray")
        .encode(y=y, x=alt.X("energy_a_j:Q", title=""), x2=alt.X2("energy_b_j"))
    )
    dots = (
        alt.Chart(ends)
        .mark_point(filled=True, size=80)
        .encode(
            y=y,
            x=x,
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=[a, b]),
                legend=alt.Legend(orient="top", columns=theme.columns([a, b]), labelLimit=260),
            ),
            tooltip=tips,
        )
    )
    return theme.finish(alt.layer(bars, theme.pickable(dots, name)), axes.rows_high(rows[name]))


def _names_axis(names: pl.Series) -> alt.Axis:
    """An axis of names, on which engines have those that people call them."""
    said = {name: naming.in_words(name) for name in names}
    return alt.Axis(labelExpr=f"{json.dumps(said)}[datum.label] || datum.label") if any(key != said[key] for key in said) else alt.Axis()


def split(rows: pl.DataFrame, name: str) -> theme.Chart:
    """The change of energy as a sum of two effects: more or fewer tokens, and a different energy per token.

    Args:
        rows: rows of `contrast_published` or `contrast_prompts`, one per `name`.
        name: the column that names a row.
    """
    effects = {"length_effect_log": "response length", "token_effect_log": "J/token"}
    long = rows.unpivot(list(effects), index=[name, "energy_effect_log"], variable_name="effect", value_name="value").with_columns(
        pl.col("effect").replace(effects), pl.col("value") * 100, pl.col("energy_effect_log") * 100
    )
    y = alt.Y(f"{name}:N", title=None, sort=rows[name].to_list(), axis=_names_axis(rows[name]))
    bars = (
        alt.Chart(long)
        .mark_bar(opacity=0.85)
        .encode(
            y=y,
            x=alt.X("value:Q", title="Effect on energy (100 × ln)", axis=alt.Axis(labelExpr=SIGNED, tickCount=6)),
            color=alt.Color(
                "effect:N", title=None, scale=alt.Scale(domain=list(effects.values())), legend=alt.Legend(orient="top", columns=1)
            ),
            tooltip=[
                alt.Tooltip(f"{name}:N", title="Model"),
                alt.Tooltip("effect:N", title="Effect of"),
                alt.Tooltip("value:Q", title="100 × ln ratio", format="+.2f"),
                alt.Tooltip("energy_effect_log:Q", title="Both effects", format="+.2f"),
            ],
        )
    )
    total = alt.Chart(long).mark_tick(color="gray", thickness=3, size=18).encode(y=y, x=alt.X("energy_effect_log:Q"))
    return theme.finish(alt.layer(bars, total), axes.rows_high(rows[name]))


def iso(rows: pl.DataFrame, curves: pl.DataFrame) -> theme.Chart:
    """J/token against response length; along a grey line every response costs the same energy.

    Args:
        rows: rows of `results` with length and J/token.
        curves: from `summaries.iso_energy`.
    """
    scale = alt.Scale(type="log", nice=False)
    across, up = (axes.axis_of(True, rows[key]) for key in ("output_tokens", "energy_per_token_j"))
    x = alt.X("output_tokens:Q", title=NUMBERS["output_tokens"].title, scale=scale, axis=across)
    y = alt.Y("energy_per_token_j:Q", title=NUMBERS["energy_per_token_j"].title, scale=scale, axis=up)
    lines = alt.Chart(curves).mark_line(color="gray", strokeWidth=1, opacity=0.6).encode(x=x, y=y, detail=alt.Detail("energy_j:N"))
    joules = (
        alt.Chart(curves.filter("end").with_columns(pl.format("{} J", pl.col("energy_j").cast(pl.Int64)).alias("label")))
        .mark_text(align="right", dx=-2, dy=-6, color="gray", fontSize=11)
        .encode(x=x, y=y, text=alt.Text("label:N"))
    )
    families = theme.coloured(axes.with_texts(rows, "energy_j"), "family", theme.own_colours(rows["family"]))
    points = alt.Chart(families.select(*axes.TEXTS, "family", "colour", "energy_j", "output_tokens", "energy_per_token_j"))
    dots = theme.dots(points, families, "family", "Architecture", 90).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("model_name:N", title="Model"),
            alt.Tooltip("family:N", title="Architecture"),
            alt.Tooltip("gpu:N", title="GPU"),
            *(axes.tip(key) for key in ("energy_j", "output_tokens", "energy_per_token_j")),
            alt.Tooltip("energy_is:N", title="Energy is"),
        ],
    )
    layers = [lines, joules, theme.pickable(dots, box=("x", "y"))]
    layers += labels.drawn(_named(rows).select("model_name", "output_tokens", "energy_per_token_j", "left", "shift"), x, y, "model_name")
    return theme.finish(alt.layer(*layers), 500 + theme.legend_height(families))


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose names have room. The least and the most energy come first: they are what the chart is about."""
    order = rows.with_columns(pl.col("energy_j").rank("ordinal").alias("place")).with_columns(
        pl.min_horizontal("place", pl.len() + 1 - pl.col("place")).alias("from_end")
    )
    first = order.sort("from_end", "place").drop("place", "from_end")
    return labels.with_room(first, rows, ("output_tokens", "energy_per_token_j"), "model_name", margin=1.25)
