"""Energy and parameters: the scatter with its lines of least squares, and what they say."""

from typing import Any

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, theme, words
from prompt_joules.pages.ui.pure.words import figure, minus, plain
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS

SIZES = ("params_total_b", "params_active_b", "output_tokens", "latency_s", "throughput_tps", "quality_mean")
COSTS = (
    *("energy_j", "energy_per_token_j", "energy_above_active_idle_j", "throughput_tps", "latency_s", "output_tokens"),
    *("power_w", "quality_mean", "arc", "hellaswag", "truthfulqa"),
)
NO_LINE = "No line is drawn: it needs five different points of one colour, edition, batch size, task and engine, at three different places."
TOKEN = "energy_per_token_j"
COLOURS = {"GPU": "gpu_model", "family": "family", "task": "task", "source": "source", "generation": "generation", "engine": "engine"}


def apart(colour: str) -> list[str]:
    """The columns that keep lines of least squares apart: editions, batch sizes, tasks and engines are never one line."""
    return list(dict.fromkeys((colour, "generation", "batch_size", "task", "engine")))


def of_themselves(rows: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """The rows whose numbers are no shares: what was divided among answers shows the rule by which it was divided.

    Args:
        rows: rows of `results`.
        keys: the numbers of both axes; a formula may hold the energy of an answer.
    """
    energies = ["energy_j" if key == "formula" else key for key in keys if key == "formula" or energy_shown.of_answers(key)]
    shares = (energy_shown.kind(key, rows.columns).eq_missing(energy_shown.DIVIDED) for key in energies)
    return rows.filter(~pl.any_horizontal(*shares)) if energies else rows


def divided(count: int) -> str:
    """How many points no line is fitted to, and why."""
    return f"{words.count(count, 'pale point')} not in any line: that energy was divided among answers by a rule." if count else ""


def scatter(rows: pl.DataFrame, x: str, y: str, colour: str, log: bool, lines: pl.DataFrame) -> theme.Chart:
    """One point per configuration, with lines of least squares.

    Args:
        rows: rows of `results` in screen units.
        x, y: keys of NUMBERS.
        colour: column that colours the points.
        log: logarithmic axes.
        lines: from `lines.lines`, one row per line; those that show no growth are not drawn.
    """
    names = theme.own_colours(rows[colour])
    points = theme.coloured(axes.with_ends(axes.with_texts(rows, y, x), y), colour, names)
    base = alt.Chart(points.select(list(dict.fromkeys((*axes.TEXTS, "colour", x, y, "end_low", "end_high")))))
    scale = alt.Scale(type="log", nice=False, padding=12) if log else alt.Scale(zero=False, padding=12)
    title = axes.FIELDS.get(colour, colour.capitalize())
    colours = theme.colour(colour, title, points)
    across = alt.X(f"{x}:Q", title=NUMBERS[x].title, scale=scale, axis=axes.axis_of(log, rows[x]))
    dots = theme.dots(base, points, colour, title, 75).encode(
        x=across,
        y=alt.Y(f"{y}:Q", title=NUMBERS[y].title, scale=scale, axis=axes.axis_of(log, axes.heights(points, y)[y])),
        tooltip=[*axes.tooltip(x, y), *axes.ends_of(points)],
    )
    clicked = theme.pickable(dots, box=("x", "y"))
    fitted = theme.coloured(lines.filter("grows"), colour, names)
    layers = axes.bars(points, across, y, colours)
    if fitted.height:
        layers = [_band(fitted.head(1), x, y, colours), *layers, clicked, _trend(fitted, x, y, colours)]
    else:
        layers.append(clicked)
    return theme.finish(alt.layer(*layers) if len(layers) > 1 else clicked, theme.HEIGHT + theme.legend_height(points))


def _band(lines: pl.DataFrame, x: str, y: str, scale: alt.Color) -> alt.Chart:
    """Where a fitted line may lie: a pale band in the colour of its points. Of several the first has one: bands hide bands."""
    places = lines.select("colour", "line", "band").explode("band").unnest("band").rename({"x": x, "low": y})
    drawn: alt.Chart = (
        alt.Chart(places)
        .mark_area(opacity=0.1)
        .encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"), y2=alt.Y2("high"), color=scale, detail=alt.Detail("line:N"))
    )
    return drawn


def _trend(lines: pl.DataFrame, x: str, y: str, scale: alt.Color) -> alt.Chart:
    """The fitted lines from end to end, each in the colour of its points."""
    ends = pl.concat(
        lines.select("colour", pl.col("line"), pl.col(f"x_{end}").alias(x), pl.col(f"y_{end}").alias(y)) for end in ("low", "high")
    )
    drawn: alt.Chart = (
        alt.Chart(ends)
        .mark_line(strokeDash=[6, 4], strokeWidth=1.5)
        .encode(x=alt.X(f"{x}:Q"), y=alt.Y(f"{y}:Q"), color=scale, detail=alt.Detail("line:N"))
    )
    return drawn


def headline(fits: pl.DataFrame, x: str, y: str, log: bool) -> str:
    """What the line of most points says, and whether the others say it too."""
    if fits.is_empty():
        return NO_LINE
    row, others = fits.row(0, named=True), fits.tail(-1)
    grows, across = NUMBERS[y].label.lower(), NUMBERS[x].label.lower()
    behind = f"{plain(row['line'])}; {_behind(row)}"
    if not row["grows"]:
        said = f"**No clear growth** of {grows} with {across}: the line may be flat ({behind})."
    elif log:
        said = f"Twice the {across}: **{figure(2 ** row['slope'], 2)}×** the {grows} ({_twice(row)}; {behind})."
    else:
        said = f"**{_per(row, x, y)}** ({minus(_span(row))}; {behind})."
    if others.is_empty():
        return said
    grown = int(others["grows"].sum())
    flat = others.height - grown
    which = "The other line" if others.height == 1 else f"The {others.height} other lines"
    if not flat or not grown:
        ends = ("grows", "is") if others.height == 1 else ("grow", "are")
        return f"{said} {which} {f'{ends[0]} too' if grown else f'may be flat and {ends[1]} not drawn'}."
    ends = ("grows" if grown == 1 else "grow", "is" if flat == 1 else "are")
    return f"{said} Of {others.height} other lines {grown} {ends[0]} too; {flat} may be flat and {ends[1]} not drawn."


def of_a_token(fits: pl.DataFrame, per_token: pl.DataFrame, x: str, y: str, log: bool) -> str:
    """What a token takes on the line of most points, where the energy of an answer shows no growth: answers differ in length too.

    Args:
        fits: of the energy of answers.
        per_token: of J/token, of the same rows.

    Returns:
        A sentence that begins with a space; nothing where the page does not ask for answers, or a token shows no growth either.
    """
    if not (log and x.startswith("params") and energy_shown.of_answers(y) and fits.height) or fits["grows"][0]:
        return ""
    same = per_token.filter(pl.col("line") == fits["line"][0], pl.col("grows"))
    if same.is_empty():
        return ""
    row = same.row(0, named=True)
    return (
        f" A token does cost more: **{figure(2 ** row['slope'], 2)}×** for twice the {NUMBERS[x].label.lower()} "
        f"({_twice(row)}; {_behind(row)}); answers differ in length."
    )


def lines(fits: pl.DataFrame, x: str, y: str, log: bool) -> str:
    """What the dashed lines say, one item a line."""
    if fits.is_empty():
        return NO_LINE
    kind = "power laws, fitted to the logarithms" if log else "fitted"
    start = (
        f"Dashed lines are {kind} by least squares, one for each colour, edition, batch size, task and engine that shows a growth. "
        "95 % intervals are over models; the pale band is that of the line of most points. R² is the share of the variance that a line "
        "explains:\n"
    )
    return f"{start}\n{words.first_lines(fits, lambda row: _line(row, x, y, log), 'more lines')}"


def _span(row: dict[str, Any]) -> str:
    return f"{figure(row['slope_low'], 2)} to {figure(row['slope_high'], 2)}"


def _twice(row: dict[str, Any]) -> str:
    """The interval of what twice as much takes."""
    return " to ".join(figure(2 ** row[end], 2) for end in ("slope_low", "slope_high"))


def _per(row: dict[str, Any], x: str, y: str) -> str:
    return f"{minus(figure(row['slope'], 3))} {NUMBERS[y].display_unit} per {NUMBERS[x].display_unit or 'unit'}"


def _behind(row: dict[str, Any]) -> str:
    """R², and how many points and models a line is fitted to."""
    explained = "" if row["explained"] is None else f"R² {row['explained']:.2f}; "
    return f"{explained}{row['points']} points" + (f" of {row['models']} models" if row["models"] < row["points"] else "")


def _line(row: dict[str, Any], x: str, y: str, log: bool) -> str:
    name, interval = plain(str(row["line"])), minus(_span(row))
    if not row["grows"]:
        return f"- {name}: no clear growth ({'exponent ' if log else ''}{interval}); {_behind(row)}"
    if log:
        exponent = minus(f"{row['slope']:.2f}")
        grows = f"{NUMBERS[y].label.lower()} grows as {NUMBERS[x].label.lower()} to the power **{exponent}** ({interval})"
        return f"- {name}: {grows}: twice as much takes **{figure(2 ** row['slope'], 2)}×** ({_twice(row)}); {_behind(row)}"
    return f"- {name}: **{_per(row, x, y)}** ({interval}); {_behind(row)}"
