"""How every chart looks.

Categorical colours come from `.streamlit/config.toml`, which has one list for light and one for dark; this module only
fixes which name comes first in that list, so that a GPU or a source keeps its colour on every page.
"""

from typing import Literal

import altair as alt
import polars as pl

from prompt_joules.warehouse.energy_shown import KINDS, MEASURED

# The colour of words in a chart: dark on a light page, light on a dark one.
INK = alt.ExprRef("luminance(background) > 0.4 ? '#3A4550' : '#C3CDD6'")
Chart = alt.Chart | alt.LayerChart | alt.FacetChart
HEIGHT = 460
# The name of the selection of a chart whose points can be clicked.
PICKED = "picked"
# The name of the selection by a box, and the opacity of points inside and outside it.
BOXED = "boxed"
# The name of the selection by clicks in the legend.
LIT = "lit"
SEEN, PALE = 0.8, 0.15
SMALL_HEIGHT = 320
# Stands for a name in a scale so that its colour stays free; no data has it.
UNUSED = "\u2060"

# Known names keep their place, and so their colour; names that are not listed follow in alphabetical order.
FIXED_ORDER: dict[str, tuple[str, ...]] = {
    "gpu_model": ("A40", "A100", "V100", "H100", "B200", "H200", "CPU"),
    "source": ("ML.ENERGY v1", "Prompt Joules", "ML.ENERGY v2", "ML.ENERGY v3"),
    "generation": ("v1", "own", "v2", "v3"),
    "family": (
        *("LLaMA", "Llama 2", "RWKV", "BLOOM", "StableLM", "Pythia", "RedPajama", "T5"),
        *("Qwen", "Llama 3", "Gemma", "Mistral", "GPT-OSS", "SmolLM", "DeepSeek", "OpenLLaMA"),
        *("Nemotron", "Code Llama", "StarCoder", "Phi", "Llama 4"),
    ),
    "task": ("chat", "chat-concise", "instruct", "instruct-concise"),
}

# The colours of `.streamlit/config.toml`. Where there are more names than colours the last one, a grey, stands for all rare names.
COLOURS = 8
# The first of them, light and dark, for words beside a chart.
FIRST_COLOUR = "light-dark(#0072B2, #56B4E9)"
# A shape beside each colour: not everybody tells A100 from B200 by colour.
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
# How full a point is whose energy is measured, divided, estimated, and its outline.
FILLS = [1, 0.3, 0]
OUTLINES = [[1, 0], [4, 2], [1, 2]]
# Points of few measurements are hollow.
FEW = {"test": "datum.few", "value": 0}
IN_WORDS = "datum.label + (datum.label == 'measured' ? ' (full)' : datum.label == 'estimated' ? ' (hollow)' : ' (pale)')"
OTHER = "other"
LEGEND_LINE = 19
# The width (px) of a letter in a legend, and of a symbol with the space around it.
LETTER_WIDE, SYMBOL_WIDE = 8, 34


def own_colours(values: pl.Series) -> list[str]:
    """The names that get a colour of their own: all where there are enough colours, else the most frequent."""
    counts = values.drop_nulls().cast(pl.String).value_counts().sort("count", values.name, descending=[True, False])
    return enough(counts[values.name].to_list())


def enough(names: list[str]) -> list[str]:
    """All names where there is a colour for each, else the first ones: the last colour is for all others."""
    return names if len(names) <= COLOURS else names[: COLOURS - 1]


def coloured(rows: pl.DataFrame, field: str, names: list[str]) -> pl.DataFrame:
    """Adds `colour`: the name where it has a colour of its own, else "other"."""
    own = pl.col(field).cast(pl.String)
    return rows.with_columns(pl.when(own.is_null() | own.is_in(names)).then(own).otherwise(pl.lit(OTHER)).alias("colour"))


def slots(field: str, names: list[str], others: bool) -> list[str]:
    """Names in the order of the colours. Known names have fixed places; the others, and names whose place is taken, get free places.

    Args:
        others: whether the last place is that of "other".
    """
    places = COLOURS - 1 if others else COLOURS
    fixed = FIXED_ORDER.get(field, ())
    known = sorted((name for name in names if name in fixed), key=fixed.index)
    found: dict[int, str] = {}
    late = []
    for name in known:
        place = fixed.index(name) % places
        if place in found:
            late.append(name)
        else:
            found[place] = name
    free = (place for place in range(places) if place not in found)
    found |= dict(zip(free, [*late, *sorted(set(names) - set(known))], strict=False))
    return [found.get(place, UNUSED * (place + 1)) for place in range(places)] + ([OTHER] if others else [])


def domain(field: str, rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The names of a scale in which a name keeps its place, and those of them that are shown.

    Args:
        field: the column that `colour` of the rows was made from, with `coloured`.
    """
    shown = rows["colour"].drop_nulls().unique().to_list()
    every = slots(field, [name for name in shown if name != OTHER], OTHER in shown)
    return every, [name for name in every if name in shown]


def colour(field: str, title: str, rows: pl.DataFrame) -> alt.Color:
    """A colour scale in which a name keeps its colour; the legend lists only what is shown."""
    every, shown = domain(field, rows)
    return alt.Color("colour:N", title=title, scale=alt.Scale(domain=every), legend=legend(shown))


def all_measured(rows: pl.DataFrame) -> bool:
    """Whether no energy of the rows is divided or estimated."""
    return "energy_is" not in rows.columns or bool(rows["energy_is"].drop_nulls().is_in([MEASURED]).all())


def dots(chart: alt.Chart, rows: pl.DataFrame, field: str, title: str, size: int) -> alt.Chart:
    """Points with a colour and a shape for each name: full where the energy is measured, pale where divided, hollow where estimated or of
    `few` measurements; what is estimated has a dashed edge.

    Args:
        chart: its rows have `few` where some are to be hollow.
        rows: with `colour` and, where it can differ, `energy_is`.
        field: as in `domain`.
        title: of the legend.
        size: of a point, in square px.
    """
    every, shown = domain(field, rows)
    shapes = alt.Shape("colour:N", title=title, scale=alt.Scale(domain=every, range=SHAPES), legend=legend(shown))
    points: alt.Chart = chart.mark_point(filled=True, size=size, strokeWidth=1.5).encode(color=colour(field, title, rows), shape=shapes)
    # The same legend as that of the colours: Vega-Lite merges legends that are alike.
    strokes = alt.Stroke("colour:N", title=title, scale=alt.Scale(domain=every), legend=legend(shown))
    few = "few" in getattr(chart.data, "columns", ()) and bool(chart.data["few"].any())
    if all_measured(rows):
        return points.encode(stroke=strokes, fillOpacity=alt.FillOpacityValue(1, condition=FEW)) if few else points
    kinds = set(rows["energy_is"])
    scale, hollow = alt.Scale(type="ordinal", domain=list(KINDS), range=FILLS), FEW if few else alt.Undefined
    fills = alt.FillOpacity("energy_is:O", scale=scale, legend=None, condition=hollow)
    outline = alt.StrokeDash(
        "energy_is:O",
        title="Energy is",
        scale=alt.Scale(domain=list(KINDS), range=OUTLINES),
        legend=alt.Legend(
            orient="top",
            values=[kind for kind in KINDS if kind in kinds],
            labelExpr=IN_WORDS,
            symbolStrokeColor="gray",
            symbolFillColor="transparent",
            symbolType="circle",
        ),
    )
    drawn: alt.Chart = points.encode(stroke=strokes, fillOpacity=fills, strokeDash=outline)
    return drawn


def legend(names: list[str]) -> alt.Legend:
    """Below the chart: in one row where they have room, else in as many columns as on a phone."""
    wide = sum(LETTER_WIDE * len(name) + SYMBOL_WIDE for name in names)
    across = alt.ExprRef(f"width > {wide:.0f} ? {max(len(names), 1)} : {columns(names)}")
    return alt.Legend(values=names, orient="bottom", columns=across, labelLimit=320, symbolLimit=30, symbolOpacity=1)


def columns(names: list[str]) -> int:
    longest = max(map(len, names), default=0)
    return 4 if longest <= 8 else 2 if longest <= 18 else 1


def legend_height(rows: pl.DataFrame) -> int:
    """How much taller (px) a chart gets by the legend of its colours, and by that of kinds of energy."""
    names = rows["colour"].drop_nulls().unique().to_list()
    return 30 + LEGEND_LINE * -(-len(names) // columns(names)) + (0 if all_measured(rows) else 50)


def pickable(points: alt.Chart, field: str = "result_id", box: tuple[Literal["x", "y"], ...] = ()) -> alt.Chart:
    """Points that can be clicked and boxed, and named in the legend of their colours; where some are, the others are pale.

    Args:
        points: their data must have the field; without an encoding of opacity.
        field: what a clicked point tells.
        box: the axes along which a box can be drawn.
    """
    picked = alt.selection_point(name=PICKED, fields=[field], empty=True)
    if not box:
        return _pale_unless(points.add_params(picked), PICKED)
    # A finger scrolls the page: only a mouse or a pen draws a box.
    start = "[pointerdown[event.pointerType !== 'touch'], window:pointerup] > window:pointermove!"
    boxed = alt.selection_interval(name=BOXED, encodings=list(box), empty=True, on=start)
    if "colour" not in getattr(points.data, "columns", ()):
        return _pale_unless(points.add_params(picked, boxed), PICKED, BOXED)
    return _pale_unless(points.add_params(picked, boxed, _lit()), PICKED, BOXED, LIT)


def lit(lines: alt.Chart) -> alt.Chart:
    """Lines coloured with `colour`: a click on a name in the legend makes the others pale, Shift adds names."""
    return _pale_unless(lines.add_params(_lit()), LIT)


def _lit() -> alt.Parameter:
    return alt.selection_point(name=LIT, fields=["colour"], bind="legend", empty=True)


def _pale_unless(marks: alt.Chart, *chosen: str) -> alt.Chart:
    """Marks that are pale unless they are in all of these selections. `alt.when` does the same and takes many times as long."""
    seen = {"test": {"and": [{"param": name} for name in chosen]}, "value": SEEN}
    faded: alt.Chart = marks.encode(opacity=alt.OpacityValue(PALE, condition=seen))
    return faded


def selections(chart: Chart) -> list[str]:
    """The names of the selections that a chart has."""
    params = chart.params if isinstance(chart.params, list) else []
    return [str(param.name) for param in params if param.name in (PICKED, BOXED)]


# Altair's default theme would set a size; the page sets the size.
alt.theme.enable("none")
CONFIG = alt.Config(
    # Without this a screen reader would read a name for each of a thousand marks. The alt of the chart and the table behind it say more.
    mark=alt.MarkConfig(aria=False),
    axis=alt.AxisConfig(labelFontSize=12, titleFontSize=13, titlePadding=10, labelLimit=180, labelOverlap=True),
    axisY=alt.AxisConfig(labelFlush=False),
    legend=alt.LegendConfig(labelFontSize=12, titleFontSize=12),
)


def finish(chart: Chart, height: int = HEIGHT) -> Chart:
    """Set height, labels and grid of a chart, in place: each of Altair's own methods would copy the chart."""
    chart.height = height
    chart.config = CONFIG
    return chart
