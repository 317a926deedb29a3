"""Planner: its assumptions and what a plan is made of."""

from typing import Any

from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import Measure

PLAN = ("period", "kwh", "kwh_low", "kwh_high", "money", "money_low", "money_high", "co2_kg", "co2_kg_low", "co2_kg_high")
ASSUMPTIONS = (
    "**Assumptions, not measurements**: every day has the same number of responses, like those that were measured in length and content; "
    "the GPU works at the measured batch size and is not idle between; PUE, price and grid intensity are yours. CPU, memory, network and "
    "the making of the hardware are not in it. The band covers the choice of prompts only."
)


def planned(row: dict[str, Any], energy: dict[str, Any], requests: float, measure: Measure) -> str:
    """What a plan is made of, in words."""
    mean, low, high = (energy[f"value{end}"] for end in ("", "_low", "_high"))
    band = "a published average: no band" if low is None else f"95 % interval {figure(low, 4)} to {figure(high, 4)} J"
    idle = ", above the power of the idle GPU" if measure.above_idle else ""
    return f"An estimate for {requests:,.0f} responses a day of **{plain(row['label'])}** at {figure(mean, 4)} J a response{idle} ({band})."


def amount(value: float) -> str:
    """A number for a headline: whole from a hundred on."""
    return f"{value:,.0f}" if value >= 100 else figure(value, 3)
