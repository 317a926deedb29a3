"""How sure a number is, in words: intervals, what they are about, and whether they show a difference."""

from collections.abc import Callable, Mapping
from typing import Any

from prompt_joules.pages.ui.pure.words import count, figure
from prompt_joules.warehouse.statistics.estimates import ACROSS_RUNS, ONE_RUN
from prompt_joules.warehouse.statistics.runs import Known

Say = Callable[[float], str]
NO_LUCK = (
    "How far two runs of one setup lie apart is not known here: no setup was run twice. Intervals are about the runs that were measured."
)
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
    if row["basis"] == ACROSS_RUNS:
        return f"95 % interval {whole}, across runs"
    if row["basis"] == ONE_RUN:
        return f"95 % interval {within}, within one run"
    return f"95 % interval {within} within one run, {whole} with the spread between runs"


def span(low: float | None, high: float | None, say: Say) -> str:
    """Both ends of an interval; an end that the values do not reach is said to be missing."""
    if low is None and high is None:
        return "without limits"
    if high is None:
        return f"from {say(low or 0.0)} without an upper limit"
    return f"up to {say(high)} without a lower limit" if low is None else f"{say(low)} to {say(high)}"


def verdict(row: Mapping[str, Any], name: str, nothing: float) -> str:
    """Whether a difference is shown, as a sentence; empty without an interval. That one is better than the other is said across runs only.

    Args:
        row: as in `interval`.
        nothing: the value of the number where there is no difference.
    """
    if row["basis"] is None:
        return ""
    shown, within = (_outside(row[f"{name}{ends}_low"], row[f"{name}{ends}_high"], nothing) for ends in ("", "_within"))
    if row["basis"] == ACROSS_RUNS:
        return "The difference holds across runs." if shown else "No difference is shown: the interval includes none."
    if not within:
        return "No difference is shown: the interval includes none."
    if row["basis"] == ONE_RUN:
        return "A difference of these runs; whether it would come again is not known."
    if shown:
        return "A difference of these runs, larger than the spread between runs explains; only several runs of each can show it for good."
    return "A difference of these runs, which the spread between runs may explain."


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
    return (
        f"{said} Between cards of one kind it is {figure(100 * cards.sd, 2)} % ({count(cards.runs, 'card')}), which is in no interval: "
        "each is about the cards that were measured."
    )
