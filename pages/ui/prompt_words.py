"""Sentences of the pages about single prompts, and about two sides of them. Pure: no Streamlit, no arithmetic beyond rounding."""

from typing import Any

import polars as pl

from prompt_joules.pages.ui.words import figure, first_lines, listed, percent, plain
from prompt_joules.warehouse.energy_shown import UNITS, Measure
from prompt_joules.warehouse.metrics import Metric

SPLIT = (
    "The change in energy is exactly the sum of two effects: the length of the answers, and the energy of a token. The tick is the sum; "
    "small numbers are about percent (−5 is −4.9 %, −50 is −39 %)."
)
ONE_PROMPT = "The bar is how far the energy can be off, from the step of the GPU's counter; the address of this page leads to this prompt."
COST = (
    "For each run {energy} of a response is fitted as **a + b · input tokens + c · output tokens** by least squares, with 95 % "
    "intervals. The fit holds for the lengths that were measured; beyond them it is a guess."
)
GROSS_ONLY = "Published averages and the chart of models of one size show the gross energy: published tables record no idle power."
DIVIDED = (
    "Where several prompts are answered at once, the energy is divided among them by how long each was answered. What a short answer "
    "saves there is borne by the long ones beside it: the mean over all prompts says what the machine saved."
)
ENDS = ("energy_j", "output_tokens", "energy_per_token_j")
ISO = (
    "Along a grey line every response costs the same. Models at the same height pay the same for a token: the one further right says more."
)


def changes(summary: pl.DataFrame, kind: str) -> str:
    """One item per published table: what going from side A to side B does."""
    return "\n".join(f"- {_change(row, kind)}" for row in summary.iter_rows(named=True))


def _change(row: dict[str, Any], kind: str) -> str:
    """What going from side A to side B does, over the models of one published table."""
    noun = "models" if kind != "model" else "results"
    place = " · ".join(plain(str(row[name])) for name in ("source", "gpu_model", "task") if row[name] is not None)
    median, low, high = (percent(row[name]) for name in ("median_change", "change_low", "change_high"))
    change = f"**{place}**: going from {plain(row['a'])} to {plain(row['b'])}, the energy of a response changes by **{median}**"
    if row["count"] == 1:
        return f"{change}."
    return (
        f"{change} (median over {row['count']} {noun}, 95 % interval {low} to {high}). **{row['more']} of {row['count']}** {noun} use more."
    )


def pairs(changes: pl.DataFrame, above_idle: bool) -> str:
    """What going from side A to side B does to the same prompt, one item per setup.

    Args:
        changes: rows of `stats.paired` with `shown_as`.
    """
    energy = "the energy above idle" if above_idle else "the energy"
    return first_lines(changes, lambda row: _pair(row, energy))


def _pair(row: dict[str, Any], energy: str) -> str:
    median, low, high = (percent(row[name]) for name in ("median_change", "change_low", "change_high"))
    unclear = "; the interval includes no change" if row["change_low"] < 0 < row["change_high"] else ""
    return (
        f"- **{plain(row['shown_as'])}**: {energy} of the same prompt changes by **{median}** (median of {row['pairs']:,} pairs, 95 % "
        f"interval {low} to {high}{unclear}); {row['more']:,} of {row['pairs']:,} prompts cost more. {row['dropped']:,} prompts are in no "
        f"pair; in {row['truncated']:,} pairs an answer was cut short."
    )


def same_size(spread: dict[str, float], size: str) -> str:
    """Why models of one size differ in energy."""
    low, high, ratio = ({key: spread[f"{key}_{end}"] for key in ENDS} for end in ("low", "high", "ratio"))
    longer = ratio["output_tokens"] > ratio["energy_per_token_j"]
    why = "**because one says more than another**" if longer else "**because a token costs one more than another**"
    return (
        f"Mostly {why}. {int(spread['count'])} results of {size}: {low['energy_j']:,.1f} to {high['energy_j']:,.1f} J per response, "
        f"**{ratio['energy_j']:.1f}×** apart. Their responses are {low['output_tokens']:,.0f} to {high['output_tokens']:,.0f} tokens "
        f"long, **{ratio['output_tokens']:.1f}×** apart; a token costs {low['energy_per_token_j']:#.2g} to "
        f"{high['energy_per_token_j']:#.2g} J, **{ratio['energy_per_token_j']:.1f}×** apart."
    )


def stated_of_prompts(measure: Measure) -> str:
    """Which energy of a prompt is offered first."""
    idle = "energy above idle" if measure.above_idle else "gross energy"
    return f"The switches of the sidebar ask for the {idle} per {measure.per} ({UNITS[measure.per]})."


def spreads(table: pl.DataFrame, metric: Metric) -> str:
    """How far apart prompts are, one item per series.

    Args:
        table: rows of `distribution` in screen units, with `shown_as`.
    """
    return first_lines(table, lambda row: _spread(row, metric))


def _spread(row: dict[str, Any], metric: Metric) -> str:
    times = f", **{figure(row['p95'] / row['p5'], 2)}×** as much" if row["p5"] > 0 else ""
    low, middle_low, middle_high, high = (figure(row[level], 3) for level in ("p5", "p25", "p75", "p95"))
    return (
        f"- **{plain(row['shown_as'])}**: half of the {row['prompts']:,} answers lie between {middle_low} and {middle_high} "
        f"{metric.display_unit}; one in twenty is at most {low}, one in twenty at least {high} {metric.display_unit}{times}."
    )


def axis(log: bool) -> str:
    """What the axis of a histogram is."""
    kind = "logarithmic: equal steps are equal ratios, and so are the widths of the bars" if log else "linear"
    return f"Each bar is the share of the prompts of its group. The axis is {kind}."


def cut(share: float | None) -> str:
    """How many answers were cut short, which bounds what they can cost."""
    return f"{share:.0%} of these answers reached the length limit and were cut there." if share else ""


def mixed(keys: pl.DataFrame) -> str:
    """On what runs differ whose prompts are shown together."""
    return f"The runs shown are not alike in {listed(keys)}: choose one setup, or one task, for a fair comparison."


def prompt_list(height: int) -> str:
    """What the list of prompts is."""
    most = " (at most 200 are listed)" if height >= 200 else ""
    return (
        f"{height:,} prompts{most}. First come those whose texts were kept, and of them those that cost the most for their runs: 2 means "
        "that its answers took twice the mean of their runs. Energy and tokens are means over all answers that the filters leave. Click a "
        "row to see its answers."
    )


def first_of(known: int, most: int, noun: str, where: str = "the download has all") -> str:
    """That a list is cut, where it is, and where the rest can be found."""
    return f"The first {most:,} of {known:,} {noun} are listed; {where}." if known > most else ""


def some_series(shown: int, known: int, usual: bool) -> str:
    """How many of the series of a distribution are drawn."""
    return f"{shown} of {known} series are shown{', those with the most prompts' if usual else ''}. Choose others under Series."


def energy(row: dict[str, Any]) -> str:
    """Energy and length of one answer."""
    joules = "energy not measured" if row["energy_j"] is None else f"{figure(row['energy_j'], 4)} J"
    return f"{joules}, {row['output_tokens']} tokens"


def cost(above_idle: bool) -> str:
    """What is fitted."""
    return COST.format(energy="the energy above idle" if above_idle else "the energy")


def what_if(fit: dict[str, Any], energy: tuple[float, float, float], tokens_in: float, tokens_out: float) -> str:
    """What the fit gives for other lengths."""
    value, low, high = energy
    beyond = f" Longer than any measured answer ({fit['longest']:,} tokens): a guess." if tokens_out > fit["longest"] else ""
    return (
        f"A prompt of {tokens_in:,.0f} and an answer of {tokens_out:,.0f} tokens: about **{figure(value, 4)} J** (fitted; 95 % interval of "
        f"the mean {figure(low, 4)} to {figure(high, 4)} J).{beyond}"
    )
