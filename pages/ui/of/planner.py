"""Planner: which result is planned with, what an answer takes, the assumptions, and what a plan is made of. Frames in, words out."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse import electricity, energy_shown
from prompt_joules.warehouse.energy_shown import ABOVE_ACTIVE_IDLE, ABOVE_IDLE, GROSS, Measure

AMOUNTS = ("kwh", "money", "co2_kg")
COUNTRIES = ("country", "grid_g_per_kwh", "grid_year", "price_per_kwh", "currency", "price_period", "price_source")
OWN = "My own numbers"
ABOVE = {
    GROSS: "",
    ABOVE_IDLE: ", above the power of the idle GPU",
    ABOVE_ACTIVE_IDLE: ", above the power of the GPU that is loaded and waits",
}
ABOUT_LENGTH = (
    "Leave it empty for answers as long as those that were measured. With a number, the energy is an estimate: J/token times that number."
)
ASSUMPTIONS = "Assumptions, not measurements"
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "CNY", "INR", "JPY", "KRW", "AUD", "CAD", "BRL", "SGD")
# Keys of the selects from which a result follows, in order, and the columns that they choose by.
CHOICES = {"plan_model": "planned_model", "plan_gpu": "planned_gpu", "plan_batch": "planned_batch", "plan_result": "rest"}


def plannable(rows: pl.DataFrame, key: str, names: Mapping[str, str]) -> pl.DataFrame:
    """Results that a plan can be made with, best known first: they have the energy of an answer or of a token.

    Args:
        rows: of results, with `key` and `token_j` (J/token).
        key: the column with the energy of an answer (J).
        names: of models by id.

    Returns:
        The rows with `label` and a column for each of CHOICES.
    """
    known = naming.newest_first(rows.filter((pl.col(key) > 0) | (pl.col("token_j") > 0))).sort(
        pl.col("task") != "chat", maintain_order=True
    )
    named = naming.with_label(known).with_columns(
        pl.col("model_id").replace(dict(names)).alias("planned_model"),
        naming.gpu(known.columns).alias("planned_gpu"),
        pl.col("batch_size").cast(pl.String).fill_null("not stated").alias("planned_batch"),
        naming.joined("task", naming.engine(), naming.prompt_set(), naming.PROTOCOL_OF_OURS, "source").alias("rest"),
    )
    again = pl.int_range(1, pl.len() + 1).over(*CHOICES.values())
    return named.with_columns(pl.when(again > 1).then(pl.format("{} · no. {}", "rest", again)).otherwise("rest").alias("rest"))


def answer(row: Mapping[str, Any], key: str, length: float | None) -> tuple[float, str]:
    """J of one answer and which of KINDS it is: that of the result, or J/token times a length (the source's own where none is given)."""
    if length is None and row[key]:
        shared = (row["batch_size"] or 1) > 1 or (row.get("concurrency") or 1) > 1
        return row[key], energy_shown.DIVIDED if shared else energy_shown.MEASURED
    return row["token_j"] * (length or row["output_tokens"]), energy_shown.ESTIMATED


def planned(row: Mapping[str, Any], joules: float, kind: str, band: str, requests: float, length: float | None, measure: Measure) -> str:
    """What a plan is made of, in words.

    Args:
        row: the result.
        joules, kind: of one answer, from `answer`.
        band: its interval in words; empty for none.
        requests: responses a day.
        length: tokens of an answer where they were given.
    """
    idle = ABOVE[measure.idle]
    how = {energy_shown.MEASURED: "measured", energy_shown.DIVIDED: "measured for many at once and divided by a rule"}.get(kind)
    if how is None:
        tokens = length or row["output_tokens"]
        whose = "" if length else ", the length forced on random weights" if row["weights"] == "dummy" else ", the mean of the source"
        how = f"estimated: {figure(row['token_j'], 3)} J a token × {figure(tokens, 4)} tokens{whose}"
    mark = f"{energy_shown.MARKS[kind]} " if energy_shown.MARKS[kind] else ""
    ends = band or "no band: a published average, or too few answers"
    return (
        f"{requests:,.0f} responses a day of **{plain(row['label'])}** at {mark}**{figure(joules, 3)} J** a response{idle} ({how}; {ends})."
    )


def assumptions(length: float | None, country: str | None) -> str:
    """What a plan takes for granted.

    Args:
        length: tokens of an answer where the visitor gave them.
        country: whose figures were chosen; OWN or None for the visitor's own.
    """
    alike = (
        "a token costs what it cost in the measured answers, whatever the length"
        if length
        else ("answers are like those that were measured in length and content")
    )
    whose = (
        "PUE, price and grid intensity are yours"
        if country in (None, OWN)
        else f"PUE is yours, grid and price are of {plain(country)} unless changed"
    )
    return (
        f"Every day has the same number of responses; {alike}; the GPU works at the measured batch size "
        f"and is not idle between; {whose}. CPU, memory, network and the making of the hardware are not in it. The band covers the choice "
        "of prompts, and the spread between runs where it is known; price, PUE and grid have none."
    )


def assumed(country: str) -> dict[str, Any]:
    """The row of a country; that of the visitor's own numbers has its name only."""
    own = {"country": OWN, "grid_g_per_kwh": 400.0, "price_per_kwh": 0.2, "currency": CURRENCIES[0]}
    rows = electricity.countries().filter(pl.col("country") == country)
    return rows.row(0, named=True) if rows.height else own


def sources(row: Mapping[str, Any]) -> str:
    """Where the figures of a country come from, in words."""
    if row["country"] == OWN:
        return (
            "Choose a country for the emissions of its grid and, in Europe and the United States, a price, each with its year and source."
        )
    grid = f"{row['country']}: {row['grid_g_per_kwh']:.0f} g in {row['grid_year']} ({electricity.INTENSITY_SOURCE})"
    if row["price_per_kwh"] is None:
        return f"{grid}. No price of this country is here: the price is yours."
    price = f"{row['price_per_kwh']:.3f} {row['currency']}/kWh in {row['price_period']} ({electricity.PRICE_SOURCES[row['price_source']]})"
    return f"{grid}; {price}."


def columns(joules: tuple[float, float, float]) -> tuple[str, ...]:
    """The columns of the table of a plan, with the ends of a band where there is one.

    Args:
        joules: of one answer: mean, low and high end.
    """
    band = ("", "_low", "_high") if joules[1] < joules[2] else ("",)
    return ("period", *(f"{name}{end}" for name in AMOUNTS for end in band))


def amount(value: float) -> str:
    """A number for a headline: whole from a hundred on."""
    return f"{value:,.0f}" if value >= 100 else figure(value, 3)


def ends(row: Mapping[str, Any], name: str) -> str | None:
    """The band of a headline in words; None where there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{amount(low)} to {amount(high)}" if low < row[name] < high else None
