"""Planner: its assumptions and what a plan is made of."""

from typing import Any

from prompt_joules.pages.ui.pure import certainty
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import Measure

PLAN = ("period", "kwh", "kwh_low", "kwh_high", "money", "money_low", "money_high", "co2_kg", "co2_kg_low", "co2_kg_high")
ASSUMPTIONS = (
    "**Assumptions, not measurements**: every day has the same number of responses, like those that were measured in length and content; "
    "the GPU works at the measured batch size and is not idle between; PUE, price and grid intensity are yours. CPU, memory, network and "
    "the making of the hardware are not in it. The band covers the choice of prompts, and the spread between runs where it is known."
)


def planned(row: dict[str, Any], energy: dict[str, Any], requests: float, measure: Measure) -> str:
    """What a plan is made of, in words."""
    band = certainty.interval(energy, "value", lambda end: f"{figure(end, 4)} J") or "no band: a published average, or too few answers"
    idle = ", above the power of the idle GPU" if measure.above_idle else ""
    mean = figure(energy["value"], 4)
    return f"An estimate for {requests:,.0f} responses a day of **{plain(row['label'])}** at {mean} J a response{idle} ({band})."


def amount(value: float) -> str:
    """A number for a headline: whole from a hundred on."""
    return f"{value:,.0f}" if value >= 100 else figure(value, 3)
