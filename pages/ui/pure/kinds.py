"""The three kinds of number that the energy of an answer can be, and the one mark that each has everywhere."""

from typing import Any

from prompt_joules.pages.ui.pure.words import figure

# Best known first: the kind as the query `answers` calls it → what it is.
KINDS = {
    "measured": "measured, one answer alone",
    "divided": "÷ divided by a rule among answers given together",
    "estimated": "≈ estimated by the source from J/token",
}
SIGNS = {"divided": "÷ ", "estimated": "≈ "}


def joules(row: dict[str, Any]) -> str:
    """J of an answer as it is written everywhere: ≈ where it is estimated, ÷ where it is divided.

    Args:
        row: with `answer_j` (J) and `kind`.
    """
    return f"{SIGNS.get(row['kind'], '')}{figure(row['answer_j'], 3)} J"
