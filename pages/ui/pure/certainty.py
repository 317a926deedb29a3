"""How sure a number is, in words: intervals, what they are about, and whether they show a difference."""

from collections.abc import Callable, Mapping
from typing import Any

from prompt_joules.pages.ui.pure.words import count, figure
from prompt_joules.warehouse.statistics.estimates import (
    ACROSS_CARDS,
    ACROSS_RUNS,
    ONE_RUN,
    ONE_SEARCH,
    OTHER_CARDS,
    WITH_CARDS,
    WITH_SPREAD,
)
from prompt_joules.warehouse.statistics.runs import ENOUGH_CARDS, Known

Say = Callable[[float], str]
NO_LUCK = (
    "How far two runs of one setup lie apart is not known here: no setup was run twice. Intervals are about the runs that were measured."
)
SEVERAL = (ACROSS_RUNS, ACROSS_CARDS, OTHER_CARDS)
_LARGER = (
    "A difference of these runs, larger than the spread between {} explains; only several runs of each, on the same cards, can show it for "
    "good."
)
# What is said of a difference that an interval shows, by what it is about.
SHOWN = {
    ACROSS_RUNS: "The difference holds across runs.",
    ACROSS_CARDS: "The difference holds across runs and cards.",
    OTHER_CARDS: "A difference across these runs, which were not on the same cards: how much of it is of the cards is not known.",
    ONE_RUN: "A difference of these runs; whether it would come again is not known.",
    WITH_SPREAD: _LARGER.format("runs"),
    WITH_CARDS: _LARGER.format("runs and cards"),
    ONE_SEARCH: "A difference of runs with one set of kernels, larger than the spread between runs explains; only runs that search kernels "
    "of their own can show it for good.",
}
# The fewest values behind a number that is drawn as a full mark.
FEW = 10


def interval(row: Mapping[str, Any], name: str, say: Say) -> str:
    """The interval of a number and what it is about; empty where it has none.

    Args:
        row: `basis`, and the columns of the number that `Estimate.row` makes.
        name: of the number.
        say: how one end is written.
    """
    if row["basis"] is None or (row[f"{name}_low"] is None and row[f"{name}_high"] is None):
        return ""
    whole, within = (span(row[f"{name}{ends}_low"], row[f"{name}{ends}_high"], say) for ends in ("", "_within"))
    if row["basis"] in SEVERAL:
        return f"95 % interval {whole}, {row['basis']}"
    if row["basis"] == ONE_RUN:
        return f"95 % interval {within}, within one run"
    spread = "runs and cards" if row["basis"] == WITH_CARDS else "runs"
    alike = "runs with one set of kernels" if row["basis"] == ONE_SEARCH else "one run"
    return f"95 % interval {within} within {alike}, {whole} with the spread between {spread}"


def span(low: float | None, high: float | None, say: Say) -> str:
    """Both ends of an interval; an end that the values do not reach is said to be missing."""
    if low is None and high is None:
        return "without limits"
    if high is None:
        return f"from {say(low or 0.0)} without an upper limit"
    return f"up to {say(high)} without a lower limit" if low is None else f"{say(low)} to {say(high)}"


def verdict(row: Mapping[str, Any], name: str, nothing: float) -> str:
    """Whether a difference is shown, as a sentence; empty without an interval.

    It says that one side is better only across runs, and only where both were on the same cards or the interval has the spread between
    cards in it.

    Args:
        row: as in `interval`.
        nothing: the value of the number where there is no difference.
    """
    basis = row["basis"]
    if basis is None:
        return ""
    shown, within = (_outside(row[f"{name}{ends}_low"], row[f"{name}{ends}_high"], nothing) for ends in ("", "_within"))
    if not (shown if basis in SEVERAL else within):
        return "No difference is shown: the interval reaches from less to more."
    if basis in (WITH_SPREAD, WITH_CARDS, ONE_SEARCH) and not shown:
        return f"A difference of these runs, which the spread between {'runs and cards' if basis == WITH_CARDS else 'runs'} may explain."
    return SHOWN[basis]


def _outside(low: float | None, high: float | None, nothing: float) -> bool:
    return (low is not None and low > nothing) or (high is not None and high < nothing)


def of_runs(known: Known) -> str:
    """How far runs of one setup, and cards of one kind, lie apart, as far as it is known."""
    if known.alone is None:
        return NO_LUCK
    spread, cards = known.alone, known.cards
    said = (
        f"Two runs of one setup differ: J/token has a standard deviation of {figure(100 * spread.sd, 2)} % between runs "
        f"({count(spread.runs, 'run')} of {count(spread.setups, 'setup')} that were measured more than once)."
    )
    if cards is None:
        return said + " No setup ran on two cards of one kind: intervals are about the cards that were measured."
    said += f" Between cards of one kind it is {figure(100 * cards.sd, 2)} % ({count(cards.runs, 'card')})"
    if cards.freedom < ENOUGH_CARDS - 1:
        return f"{said}, which is in no interval: each is about the cards that were measured."
    return (
        f"{said}. That is in the intervals of setups that ran on {ENOUGH_CARDS} cards or more, and of differences between unlike cards; "
        "the others are about the cards that were measured."
    )
