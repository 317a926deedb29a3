"""Cost of a token: what is fitted, the chart of the fit, and its what-if."""

from typing import Any

import altair as alt
import polars as pl

from prompt_joules.pages.ui.pure import axes, naming, theme
from prompt_joules.pages.ui.pure.words import count, exact, figure, minus
from prompt_joules.warehouse.energy_shown import GROSS, NUMBERS, Measure

FITS = (
    *("shown_as", "units", "answers", "runs", "fixed_j", "fixed_j_low", "fixed_j_high", "input_token_j"),
    *("input_token_j_low", "input_token_j_high", "output_token_j", "output_token_j_low", "output_token_j_high", "grows"),
    *("below_zero", "residual_j", "explained"),
)
RESIDUALS = ("prompt_id", "energy_j", "fitted_j", "residual_j", "input_tokens", "output_tokens")
COST = (
    "For each setup {energy} of a response is fitted as **a + b · input tokens + c · output tokens** by least squares, with 95 % "
    "intervals that leave out each prompt in turn. Only prompts that were alone on the GPU are fitted: a divided energy would show the "
    "rule by which it was divided. The fit holds for the lengths that were measured; beyond them it is a guess."
)
NO_FIT = "No fit: the answers of this result have fewer than five different lengths, or vary too little to tell what a token costs."


def cost(measure: Measure) -> str:
    """What is fitted."""
    return COST.format(energy="the energy" if measure.idle == GROSS else f"the {measure.energy}")


def what_if(fit: dict[str, Any], energy: tuple[float, float, float], tokens_in: float, tokens_out: float) -> str:
    """What the fit gives for other lengths."""
    value, low, high = energy
    beyond = f" Longer than any measured answer ({fit['longest']:,} tokens): a guess." if tokens_out > fit["longest"] else ""
    if not fit["grows"]:
        return "**No clear growth**: the energy of one more output token may be 0, so the fit says nothing of other lengths."
    asked = f"A prompt of {tokens_in:,.0f} and an answer of {tokens_out:,.0f} tokens"
    if value <= 0:
        return f"{asked}: **not known**. The fitted line is below zero there, which no answer can take: it does not hold for short answers."
    return (
        f"{asked}: about **{exact(value, 3)} J** (fitted; 95 % interval of the mean {exact(max(low, 0), 3)} to {exact(high, 3)} J; "
        f"{count(fit['answers'], 'answer')}).{beyond}"
    )


def said(fit: dict[str, Any], points: int) -> str:
    """What is behind a fit, how many points of it are drawn, and where it does not hold."""
    drawn = f", of which {points:,} are drawn: the 100 farthest from it and others by chance" if points < fit["answers"] else ""
    below = (
        f" The line starts below zero (a = {minus(figure(fit['fixed_j'], 3))} J, {minus(figure(fit['fixed_j_low'], 3))} to "
        f"{minus(figure(fit['fixed_j_high'], 3))}), which no answer can take: the line does not hold for short answers."
        if fit["below_zero"]
        else ""
    )
    behind = f"{count(fit['answers'], 'answer')} to {count(fit['units'], 'prompt')} in {count(fit['runs'], 'run')}"
    return f"The fit is over {behind}{drawn}.{below}"


def _first_above_zero(fit: dict[str, Any], lengths: pl.Series) -> float:
    """Where the line starts: at the shortest answer (token), or where it comes to 0 J, below which no answer is."""
    shortest = float(lengths.min() or 0)  # type: ignore[arg-type]
    at_none = fit["fixed_j"] + fit["input_token_j"] * fit["mean_in"]
    return max(shortest, -at_none / fit["output_token_j"]) if fit["output_token_j"] > 0 else shortest


def measured_against_fit(prompts: pl.DataFrame, fit: dict[str, Any]) -> theme.Chart:
    """Measured energy of each prompt against its response length, and the line that the fit gives for the mean prompt length.

    Args:
        prompts: rows of `cost_prompts`, at most 400.
        fit: `fixed_j`, `input_token_j`, `output_token_j` and `mean_in`, and `grows`, as in a row of `cost.fits`.
    """
    kinds = ["measured", f"fit for a prompt of {fit['mean_in']:,.0f} tokens"]
    ends = [_first_above_zero(fit, prompts["output_tokens"]), prompts["output_tokens"].max()]
    at_mean = fit["fixed_j"] + fit["input_token_j"] * fit["mean_in"] + fit["output_token_j"] * pl.col("output_tokens")
    line = pl.DataFrame({"output_tokens": ends, "kind": kinds[1]}).with_columns(at_mean.alias("energy_j"))
    x = alt.X("output_tokens:Q", title=NUMBERS["output_tokens"].title, axis=axes.axis_of(False))
    y = alt.Y("energy_j:Q", title=NUMBERS["energy_j"].title, axis=axes.axis_of(False))
    colour = alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds), legend=axes.TOP)
    numbers = ("energy_j", "fitted_j", "input_tokens", "output_tokens")
    tips = axes.tips({"prompt_id": "Prompt", **{name: (naming.title_of(name), ",.4~g") for name in numbers}})
    base = alt.Chart(prompts.select("prompt_id", *numbers, pl.lit(kinds[0]).alias("kind")))
    points = base.mark_point(filled=True, size=35).encode(x=x, y=y, color=colour, tooltip=tips)
    fitted = alt.Chart(line).mark_line(strokeWidth=2).encode(x=x, y=y, color=colour)
    picked = theme.pickable(points, "prompt_id", box=("x",))
    return theme.finish(alt.layer(picked, fitted) if fit["grows"] else picked)
