"""Prompts that end the server. What it was answering when it went away stands in `run.json`, so that the same prompt cannot end every run.

A server that ends takes all that it had in hand with it, and one prompt of these may be the reason, or none. So what was in hand once is
asked again after everything else, one at a time; what ends the server a second time, now by itself, is not asked again.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prompt_joules.bench.engines.base import PromptFailed
from prompt_joules.bench.run.window import Item, Row, failed_columns

# A prompt and its repetition.
ItemKey = tuple[str, int]
MOST_DEATHS = 2
"""So often a prompt may be in hand when the server ends; then it is a failed row."""
ASKED_ALONE = "asked alone: the server had ended while it answered this and other prompts"


def deaths_of(sessions: Sequence[dict[str, Any]]) -> Counter[ItemKey]:
    """How often each prompt was in hand when the server went away.

    Args:
        sessions: of a run.json.
    """
    served = [session.get("books", {}).get("server", {}) for session in sessions]
    return Counter((str(prompt), int(repetition)) for one in served for prompt, repetition in one.get("in_hand", ()))


def divided(rest: Sequence[Item], deaths: Counter[ItemKey]) -> tuple[tuple[Item, ...], tuple[Item, ...], tuple[Item, ...]]:
    """What is left to ask: together, alone, and not again."""
    counts = [deaths[item[0].id, item[1]] for item in rest]
    together, alone, never = (
        tuple(item for item, count in zip(rest, counts, strict=True) if low <= count < high)
        for low, high in ((0, 1), (1, MOST_DEATHS), (MOST_DEATHS, float("inf")))
    )
    return together, alone, never


def failed_row(item: Item) -> Row:
    """The columns of a prompt that is not asked again."""
    prompt, repetition = item
    place = {"prompt_id": prompt.id, "repetition": repetition, "prompt_text": prompt.text, "started_at": datetime.now(UTC)}
    why = f"the server ended {MOST_DEATHS} times while it answered this prompt, so it was not asked again"
    return place | failed_columns(PromptFailed(why))
