"""Prompts: the list, the answers to one prompt, and its sentences."""

from dataclasses import replace
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import axes, charts, naming, theme, words
from prompt_joules.pages.ui.pure.words import count, figure, plain
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import DEFAULT, GROSS, UNITS, Measure, per_prompt

LISTED = ("prompt_id", "prompt_text", "times_run_mean", "energy_j", "answers", "models", "input_tokens", "output_tokens", "prompt_set")
NUMBERS_OF_SETUPS = ("p50", "minimum", "maximum")
ANSWERS = (
    *("model_name", "task", "gpu_model", "engine", "energy_j", "shown_j", "energy_error_j", "output_tokens"),
    *("energy_per_token_j", "power_w", "latency_s", "cut", "input_tokens", "reasons", "energy_reason", "prompt_set"),
)
SETUPS = ("model_name", "task", "gpu_model", "engine", "batch_size", "answers", "energy_mark", *NUMBERS_OF_SETUPS, "output_tokens")
MOST_DRAWN, MOST_TEXTS, MOST_PROMPTS = 20, 8, 3
LONGEST_START = 90
LIST = (
    "First come prompts whose texts were kept, and of them those that cost the most for their runs: 2 means that its answers took twice "
    "the mean of their runs. Energy is the mean of the answers that had the GPU for themselves, tokens that of all that the filters leave. "
    "Click a row to see its answers."
)
DIVIDED = (
    "Answers marked ÷ shared the GPU with others: their energy was measured for all of these at once and divided by a rule. They stand "
    "after the answers that had the GPU for themselves."
)
ONE_PROMPT = "The address of this page is a link to this prompt."
SINGLE = "The bar is how far the energy can be off, from the step of the GPU's counter."
REPEATED = (
    "Answers of one setup are one row: their median, and a bar over all of them and how far each can be off, from the step of the GPU's "
    "counter."
)


def named(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with `label` and `shown_as`, with `energy_is`, and `shown_j` where the switches ask for another energy than `energy_j`.

    What is measured comes first, least energy first; what was divided by a rule comes after it, and what has no energy last.

    Args:
        answers: rows of `prompt_answers`.
    """
    rows = naming.in_short(naming.with_label(energy_shown.without_forced(answers)))
    rows = rows.with_columns(energy_shown.kind("energy_j", rows.columns).alias("energy_is"))
    key = "energy_j"
    if (measure.per, measure.idle) != (DEFAULT.per, DEFAULT.idle):
        key = "shown_j"
        rows = rows.with_columns(per_prompt(measure).alias(key))
    order = pl.col("energy_is").cast(pl.Enum(list(energy_shown.KINDS)))
    return rows.sort(pl.col(key).is_null(), order, key, nulls_last=True, maintain_order=True)


def with_error(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with energy as values with how far they can be off: `value`, `value_low` (0 at least), `value_high`.

    Args:
        answers: of `named`.
    """
    shown_j = per_prompt(measure)
    half = pl.col("energy_error_j") * per_prompt(replace(measure, idle=GROSS)) / pl.col("energy_j")
    values = (shown_j.alias("value"), (shown_j - half).clip(0).alias("value_low"), (shown_j + half).alias("value_high"))
    return answers.filter(shown_j.is_not_null()).with_columns(values)


def by_setup(valued: pl.DataFrame) -> pl.DataFrame:
    """One row a setup: the median of its answers, measured before divided, least energy first.

    Args:
        valued: of `with_error`.

    Returns:
        `label`, `shown_as` (with the number of answers where there are several), `energy_is`, `energy_mark`, `answers`, `value` and `p50`
        (the median), `minimum` and `maximum` of the answers, `value_low` and `value_high` with what they can be off, `output_tokens`
        (the median), and what names the setup.
    """
    value, names = pl.col("value"), ("model_name", "task", "gpu_model", "num_gpus", "dtype", "engine", "batch_size", "weights")
    found = (
        naming.with_setup(valued)
        .group_by("label", "energy_is", maintain_order=True)
        .agg(
            pl.len().alias("answers"),
            value.median().alias("p50"),
            value.min().alias("minimum"),
            value.max().alias("maximum"),
            pl.col("value_low").min(),
            pl.col("value_high").max(),
            pl.col("output_tokens").median(),
            *(pl.col(name).first() for name in names),
        )
    )
    several = pl.format("{} · median of {}", "shown_as", "answers")
    order = pl.col("energy_is").cast(pl.Enum(list(energy_shown.KINDS)))
    return (
        naming.in_short(found)
        .with_columns(
            pl.when(pl.col("answers") > 1).then(several).otherwise("shown_as").alias("shown_as"),
            pl.col("p50").alias("value"),
            pl.col("energy_is").replace_strict(energy_shown.MARKS, default=None, return_dtype=pl.String).alias("energy_mark"),
        )
        .sort(order, "value", maintain_order=True)
    )


def are_repeated(setups: pl.DataFrame) -> bool:
    """Whether a setup answered more than once.

    Args:
        setups: of `by_setup`.
    """
    return bool((setups["answers"] > 1).any())


def headline(prompt: str, answers: pl.DataFrame, measure: Measure) -> str:
    """How many answers a prompt has, and from what to what they take: those that had the GPU for themselves, else the divided ones.

    Args:
        answers: of `named`.
    """
    asked = answers["prompt_text"].drop_nulls()
    text = f" “{plain(_start(asked[0]))}”" if len(asked) else ""
    known = answers.select("energy_is", value=per_prompt(measure)).drop_nulls()
    start = f"**{plain(prompt)}**{text}: {words.count(answers.height, 'answer')}"
    if known.is_empty():
        return f"{start}, none with energy."
    kind = known["energy_is"][0]
    said = "measured alone on the GPU" if kind == "measured" else kind
    values = known.filter(pl.col("energy_is") == kind)["value"].to_numpy()
    low, high, unit = figure(float(values.min()), 3), figure(float(values.max()), 3), UNITS[measure.per]
    mark = f"{energy_shown.MARKS[kind]} ".lstrip()
    if len(values) == 1:
        return f"{start}, one of them {said}: **{mark}{low} {unit}**."
    times = f", **{figure(float(values.max() / values.min()), 2)}×** apart" if values.min() > 0 else ""
    return f"{start}, of which {len(values)} {said}: **{mark}{low} to {high} {unit}**{times}."


def _start(text: str) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_START else f"{line[:LONGEST_START].rsplit(' ', 1)[0]} …"


def bars(drawn: pl.DataFrame, title: str) -> theme.Chart:
    """Each setup with the energy of its answers.

    Args:
        drawn: of `by_setup`.
        title: of the energy.
    """
    numbers = {"answers": ("Answers", ","), "value": (title, ",.4~g"), "value_low": ("from", ",.4~g"), "value_high": ("to", ",.4~g")}
    tips: axes.Tips = {"label": "Setup", "energy_is": "Energy is", **numbers, "output_tokens": ("Length (token)", ",")}
    return charts.forest(charts.with_numbers(drawn, title), title, tips)


def different(kept: pl.DataFrame) -> list[tuple[str, str]]:
    """Heading and text of each different answer, in the order of the answers: several setups may answer with the same words.

    Args:
        kept: of `named`, whose texts were kept.
    """
    found = []
    for (text,), rows in kept.group_by("output_text", maintain_order=True):
        first, others = rows.row(0, named=True), rows.height - 1
        same = f" The same words from {words.count(others, 'other answer')}." if others else ""
        found.append((f"**{plain(first['shown_as'])}**: {energy(first)}.{same}", str(text)))
    return found


def energy(row: dict[str, Any]) -> str:
    """Energy and length of one answer."""
    mark = energy_shown.MARKS.get(row["energy_is"], "")
    joules = "energy not measured" if row["energy_j"] is None else f"{mark} {figure(row['energy_j'], 4)} J".strip()
    return f"{joules}, {count(row['output_tokens'], 'token')}"
