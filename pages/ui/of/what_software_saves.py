"""What software saves: J/token of one model size from the eager loop of 2023 to a server. Frames in, sentences and charts out."""

import math
from typing import Any

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, ends, naming, shape, software, theme
from prompt_joules.pages.ui.pure.words import exact, plain

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")
# The height of a row (px), and of what stands above and below all rows.
ROW, AROUND = 46, 140
# Where a step runs, in words, by its number; the first of them is the loop that is compiled and no more.
PLACES = {2: "in a compiled loop", 3: "in batches of 8", 4: "in batches of 32", 5: "on a server"}
COMPILED = min(PLACES)
# How many times the axis goes below the least and above the largest number, for the words beside the marks and what a row saves.
ROOM = (14, 25)
# The step of a server, of which one window is measured: its mark has the engine's name before its n where it is the least.
SERVER = 5
# Marks this many times apart have room for words in the middle of both.
CLOSE = 1.9
# The same where one of the two says its number of runs.
CLOSE_WITH_RUNS = 2.6
# Marks nearer than this lie on each other: the n of the larger one begins below it, right of the words of the other.
TOUCHING = 1.2
# A number of runs in the middle of a mark reaches the n at the right of the largest one where that is nearer than this.
NEAR_LARGEST = 1.5
# Words at the right of a mark reach one that is so many times larger.
REACHED = 3.0
# Words that a phone has no room for.
WIDE_ONLY: dict[str, Any] = {"opacity": alt.ExprRef(f"{ends.IS_WIDE} ? 1 : 0")}
COLUMNS = (
    *("size_name", "model_name", "step_name", "energy_per_token_j", "token_low_j", "token_high_j", "token_within_low_j"),
    *("token_within_high_j", "saved", "saved_low", "saved_high", "runs", "units"),
    *("answers", "measured_on", "basis", "harness_version", "weights", "engine"),
    *("batch_size", "concurrency", "dtype", "task", "prompt_set"),
)
ABOUT = (
    "Energy is measured for whole answers, whole batches and the full window of a server, and divided by all output tokens of these: "
    "no energy of a single answer was made by a rule. A hollow mark stands for fewer than ten measurements; n is their "
    "number, in the run with fewest. Below five there is no interval, unless a setup was run several times; a server is measured as one "
    "window. Runs of one setup are one mark. The marks of a size are of one task and set of prompts where there is a choice. The thick "
    "bar is the 95 % interval within the runs, the thin one has the spread between runs too: that of the setup, or, where it was run "
    "once, what is known of others."
)
BOUNDARY = (
    "J of the GPU alone, without CPU, memory and cooling. A hollow mark is of fewer than ten measurements in a run; n says how many, of "
    "several runs in the one with fewest."
)
COLD = (
    "Protocol 1.x counts the cold first answer of the eager loop among few others, so there a step saves at most as much as is "
    "shown{sizes}."
)


def headline(rows: pl.DataFrame) -> str:
    """What the last step that was measured saves, from the size that gains least to the one that gains most, and what compiling alone does.

    Args:
        rows: of one GPU, from `software.complete`.
    """
    known = rows.filter(pl.col("saved").is_not_null())
    if known.is_empty():
        return "No size was measured in the eager loop, so it is not known what the steps save."
    last, gpu = int(known["step"].to_numpy().max()), plain(str(rows["gpu_model"][0]))
    said = f"{_saved(known, last)} less energy per token {PLACES[last]} than in the eager loop of 2023, on one {gpu}"
    if last > COMPILED and known.filter(pl.col("step") == COMPILED).height:
        said += f"; {_saved(known, COMPILED)} less with compiling alone"
    return f"{said[:1].upper()}{said[1:]}."


def _saved(known: pl.DataFrame, step: int) -> str:
    """What a step saves, from the size that gains least to the one that gains most: **88 % to 99.7 %**."""
    of_step = known.filter(pl.col("step") == step)
    low, high = (software.share(float(end)) for end in (of_step["saved"].to_numpy().min(), of_step["saved"].to_numpy().max()))
    most = "at most " if of_step["is_cold"].any() else ""
    return f"{most}**{low}**" if low == high else f"{most}**{low} to {high}**"


def each_step(rows: pl.DataFrame) -> str:
    """How much less energy a token takes at each step than in the eager loop, at the size that gains least and the one that gains most."""
    known = rows.filter(pl.col("saved").is_not_null())
    if known.is_empty():
        return ""
    parts = [f"{span(of_step)} {place}" for step, place in PLACES.items() if (of_step := known.filter(pl.col("step") == step)).height]
    gpu = plain(str(rows["gpu_model"][0]))
    most = ", at most" if known["is_cold"].any() else ":"
    return f"Against the eager loop of 2023 on one {gpu}, a token takes less energy{most} by {', '.join(parts)}.{sure(known)}"


def span(rows: pl.DataFrame) -> str:
    """What one step saves, with the sizes: the least and the most of several.

    Args:
        rows: of one step, with `saved`.
    """
    ordered = rows.sort("saved", "size")
    low, high = (
        f"**{software.share(row['saved'])}** ({row['size_name']})" for row in (ordered.row(0, named=True), ordered.row(-1, named=True))
    )
    return low if ordered.height == 1 else f"{low} to {high}"


def sure(known: pl.DataFrame) -> str:
    """What is known with an interval, of the first step that has one, at the size where it is closest, on the same cards where one is; it
    begins with a space.

    Args:
        known: rows of `software.complete` with `saved`.
    """
    with_ends = known.filter(pl.col("saved_low").is_not_null(), pl.col("saved_high").is_not_null())
    if with_ends.is_empty():
        return " No size has enough measurements for a 95 % interval."
    same, wide = pl.col("cards") == software.SAME_CARDS, pl.col("saved_high") - pl.col("saved_low")
    row = with_ends.sort("step", ~same, wide, "size").row(0, named=True)
    low, high = (software.share(row[end]) for end in ("saved_low", "saved_high"))
    named = f"{row['step_name'].lower()} at {row['size_name']}"
    on = "" if row["cards"] == software.SAME_CARDS else f", {row['cards']}: how much of it is of the cards is not known"
    return f" With a 95 % interval: {software.share(row['saved'])} ({low.removesuffix(' %')} to {high}), {named}{on}."


def unlike(rows: pl.DataFrame) -> str:
    """The sizes whose steps are not alike in protocol, and which weights a row has."""
    sentences = []
    mixed = rows.filter(pl.col("harness_version").n_unique().over("size_name") > 1)
    if sizes := mixed["size_name"].unique(maintain_order=True).to_list():
        sentences.append(f"Steps differ in protocol at {', '.join(sizes)}.")
    if rows["size_name"].str.contains(" ").any():
        sentences.append("Random weights have a row of their own where a size was measured with pretrained ones too.")
    versions = ", ".join(rows["harness_version"].unique().sort().to_list())
    sentences.append(f"Protocol {plain(versions)}; that of a point stands in its tooltip and in the table.")
    return " ".join(sentences)


def cold(rows: pl.DataFrame) -> str:
    """What is wrong with eager loops of protocol 1.x, and the sizes with one where not all have one; nothing where there is none."""
    sizes = rows.filter("is_cold")["size_name"].unique(maintain_order=True).to_list()
    if not sizes:
        return ""
    return COLD.format(sizes="" if rows["is_cold"].all() else f" ({', '.join(sizes)})")


def left_out(rows: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """The sizes of the GPU that have one step only."""
    alone = rows.join(drawn, on="result_id", how="anti")["size_name"].unique(maintain_order=True).to_list()
    return f"Not drawn, because only one step was measured: {', '.join(alone)}." if alone else ""


def staircase(rows: pl.DataFrame) -> theme.Chart:
    """One row a size, one mark a step, with what the row's last number saves at the right.

    Args:
        rows: of one GPU, from `complete`.
    """
    shown = _with_texts(rows)
    limits = (float(shown["energy_per_token_j"].to_numpy().min()), float(shown["energy_per_token_j"].to_numpy().max()))
    domain = [limits[0] / ROOM[0], limits[1] * ROOM[1]]
    sizes = rows.sort("size", "size_name")["size_name"].unique(maintain_order=True).to_list()
    y = alt.Y("size_name:N", title=None, sort=sizes, axis=alt.Axis(labelFontWeight=600, labelExpr="split(datum.label, ' ')"))
    x = alt.X(
        "energy_per_token_j:Q",
        title="J per output token, logarithmic",
        scale=alt.Scale(type="log", domain=domain, nice=False),
        axis=alt.Axis(orient="top", labelExpr=axes.ROUND_LABELS, values=_ticks(*limits), titlePadding=4, labelPadding=4),
    )
    base = alt.Chart(shown).encode(x=x, y=y)
    names = [software.STEPS[step] for step in sorted(set(rows["step"]))]
    legend = alt.Legend(values=names, orient="bottom", columns=alt.ExprRef(f"{ends.IS_WIDE} ? 5 : 2"), symbolOpacity=1)
    colour = alt.Color("step_name:N", title=None, scale=alt.Scale(domain=list(software.STEPS.values())), legend=legend)
    shape = alt.Shape("step_name:N", title=None, scale=alt.Scale(domain=list(software.STEPS.values()), range=list(SHAPES)), legend=legend)
    line = (
        alt.Chart(shown)
        .mark_line(color="gray", opacity=0.5, strokeWidth=1.5)
        .encode(x=x, y=y, detail=alt.Detail("size_name:N"), order=alt.Order("step:Q"))
    )
    bars = [
        base.transform_filter(f"isValid(datum.{low})")
        .mark_rule(strokeWidth=width, opacity=0.35)
        .encode(x=alt.X(f"{low}:Q"), x2=alt.X2(high), color=colour)
        for low, high, width in (("token_low_j", "token_high_j", 1.5), ("token_within_low_j", "token_within_high_j", 5))
    ]
    marks = [
        alt.Chart(rows)
        .mark_point(size=95, strokeWidth=2, opacity=1, filled=full)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=_tips())
        for full in (True, False)
        if (rows := shown.filter(pl.col("hollow") != full)).height
    ]
    layers = [line, *bars, *marks, *_words(base, domain[1])]
    return theme.finish(alt.layer(*layers), ROW * len(sizes) + AROUND)


def _words(base: alt.Chart, right: float) -> list[alt.Chart]:
    """The number of each mark, its n, and what a row saves. Words stand right of the first mark and left of the last,
    above where these have an interval and no other mark is near.

    On a phone only the first and the last mark have their numbers; the table has all.
    """
    places: dict[str, dict[str, Any]] = {
        "first": {"align": "left", "dx": 11},
        "last": {"align": "right", "dx": -11},
        "above": {"align": "center"},
        "between": {"align": "center"},
        "beside": {"align": "right", "dx": 6},
        "aside": {"align": "left", "dx": -3},
    }
    layers = []
    for place, how in places.items():
        there = base.transform_filter(f"datum.place == '{place}'")
        number, n = (-5, 8) if place in ("first", "last") else (-13, 14)
        seen = WIDE_ONLY if place in ("between", "beside", "aside") else {}
        layers.append(there.mark_text(dy=number, fontSize=12, color=theme.INK, **how, **seen).encode(text=alt.Text("number:N")))
        counts = there.mark_text(dy=n, fontSize=10, color=theme.INK, **how, **WIDE_ONLY)
        layers.append(counts.encode(text=alt.Text("n:N")))
    saves = base.transform_filter("datum.is_least").mark_text(
        align="right", fontWeight="bold", fontSize=alt.ExprRef(f"{ends.IS_WIDE} ? 13 : 11"), color=theme.INK
    )
    layers.append(saves.encode(x=alt.datum(right), text=alt.Text("saves:N")))
    head = alt.Chart(pl.DataFrame({"head": ["saved in all"]})).mark_text(align="right", fontSize=12, color=theme.INK)
    return [*layers, head.encode(x=alt.datum(right), y=alt.value(-10), text=alt.Text("head:N"))]


def _with_texts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the words beside their marks, `number`, `n` and `saves`, and where they stand: `place`, `is_least`."""
    least, most = (
        pl.col("energy_per_token_j") == end.over("size_name")
        for end in (pl.col("energy_per_token_j").min(), pl.col("energy_per_token_j").max())
    )
    # The next larger mark of its row, where words in the middle of both would touch; the largest has its words at its right.
    next_ = (pl.col("energy_per_token_j").shift(by).over("size_name").alias(name) for by, name in ((-1, "larger"), (1, "smaller")))
    most_runs = (
        pl.max_horizontal("runs", pl.col("runs").shift(by)).over("size_name").alias(name)
        for by, name in ((-1, "runs_up"), (1, "runs_down"))
    )
    rows = rows.sort("size", "size_name", "energy_per_token_j").with_columns(*next_, *most_runs)
    up, down = (pl.when(pl.col(name) > 1).then(CLOSE_WITH_RUNS).otherwise(CLOSE) for name in ("runs_up", "runs_down"))
    # A mark that lies on the next smaller one has its words at its right, and the one after it too, where these would reach it.
    touching = pl.col("energy_per_token_j") < TOUCHING * pl.col("smaller")
    rows = rows.with_columns(touching.shift(1).over("size_name").alias("after_touching"))
    rows = rows.sort("size", "size_name", "step", maintain_order=True)
    crowded = (least & (pl.col("larger") < up * pl.col("energy_per_token_j"))) | (
        most & (pl.col("energy_per_token_j") < down * pl.col("smaller"))
    )
    near_largest = (pl.col("runs") > 1) & (pl.col("larger") < NEAR_LARGEST * pl.col("energy_per_token_j"))
    is_close = near_largest | (
        (pl.col("larger") < CLOSE * pl.col("energy_per_token_j")) & (pl.col("larger") < pl.col("larger").max().over("size_name"))
    )
    reached = pl.col("after_touching").fill_null(False) & (pl.col("energy_per_token_j") < REACHED * pl.col("smaller"))
    part = shape.each(rows["saved"], lambda part: f"−{software.share(part)}" if part >= 0 else f"+{software.share(-part)}", pl.String)
    return rows.with_columns(
        shape.each(rows["energy_per_token_j"], lambda value: exact(value, 2), pl.String).alias("number"),
        pl.when((pl.col("step") == SERVER) & least)  # between two marks there is no room for its name: tooltip and table have it
        .then(pl.format("{}, {} at once, n = {}", naming.engine(), "batch_size", "units"))
        .when(pl.col("runs") > 1)
        .then(pl.format("{} runs, n ≥ {}", "runs", "units"))
        .otherwise(pl.format("n = {}", "units"))
        .alias("n"),
        pl.when((most | least) & ~crowded.fill_null(False) & pl.col("token_low_j").is_not_null())
        .then(pl.lit("above"))
        .when(most)
        .then(pl.lit("first"))
        .when(least)
        .then(pl.lit("last"))
        .when(touching | reached)
        .then(pl.lit("aside"))
        .when(is_close)
        .then(pl.lit("beside"))
        .otherwise(pl.lit("between"))
        .alias("place"),
        naming.engine(),
        least.alias("is_least"),
        pl.when(pl.col("eager_j").is_null()).then(pl.lit("no eager run")).otherwise(part.fill_null("nothing")).alias("saves"),
    )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 and their tenfolds where they are few, else tenfolds, within what is measured."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 2 else (1,)
    return [value for power in powers for step in steps if low / 1.6 <= (value := float(f"{step}e{power}")) <= high * 1.6]


def _tips() -> list[alt.Tooltip]:
    texts = ("model_name", "step_name", "engine", "measured_on", "harness_version", "weights")
    joules = {"energy_per_token_j": "J/token", "token_low_j": "from", "token_high_j": "to"}
    numbers = {name: (title, ",.3~g") for name, title in joules.items()} | {"saved": ("Saved", ".1%")}
    counts = {name: (naming.title_of(name), "") for name in ("units", "runs", "answers", "batch_size", "concurrency")}
    return axes.tips({**{name: naming.title_of(name) for name in texts}, "basis": "Interval", **numbers, **counts})


def alternative(rows: pl.DataFrame) -> str:
    """The chart in words, for readers who cannot see it."""

    def said(row: dict[str, Any]) -> str:
        return f"{row['size_name']} {row['step_name'].lower()} {exact(row['energy_per_token_j'], 2)}"

    return "Energy per output token (J) by size and step of software: " + "; ".join(said(row) for row in rows.iter_rows(named=True))
