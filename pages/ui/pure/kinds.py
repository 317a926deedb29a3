"""The three kinds of number that the energy of an answer can be, and the one mark that each has everywhere."""

from typing import Any

from prompt_joules.pages.ui.pure.words import figure
from prompt_joules.warehouse import energy_shown

# Best known first: the kind as the query `answers` calls it → what it is.
_SAID = {
    "measured": (energy_shown.MEASURED, "measured, one answer alone"),
    "divided": (energy_shown.DIVIDED, "divided by a rule among answers given together"),
    "estimated": (energy_shown.ESTIMATED, "estimated by the source from J/token"),
}
SIGNS = {kind: f"{mark} " if (mark := energy_shown.MARKS[name]) else "" for kind, (name, _) in _SAID.items()}
KINDS = {kind: SIGNS[kind] + words for kind, (_, words) in _SAID.items()}


def joules(row: dict[str, Any]) -> str:
    """J of an answer as it is written everywhere: ≈ where it is estimated, ÷ where it is divided.

    Args:
        row: with `answer_j` (J) and `kind`.
    """
    return f"{SIGNS[row['kind']]}{figure(row['answer_j'], 3)} J"
