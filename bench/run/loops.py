"""Answers that repeat themselves: the same six tokens again and again."""

from collections import Counter
from collections.abc import Hashable, Sequence

GRAM = 6
"""Tokens of a piece that may come again."""
AGAIN = 3
"""A piece that comes so often, or more often, is a loop: a phrase said twice is not."""


def loop_share(tokens: Sequence[Hashable]) -> float | None:
    """Share of an answer (0 to 1) that lies in pieces of six tokens which come at least three times; None for one shorter than a piece.

    Args:
        tokens: token ids, or words where tokens are not known.
    """
    places = range(len(tokens) - GRAM + 1)
    if not places:
        return None
    pieces = [tuple(tokens[place : place + GRAM]) for place in places]
    counts = Counter(pieces)
    looped: set[int] = set()
    for place, piece in zip(places, pieces, strict=True):
        if counts[piece] >= AGAIN:
            looped.update(range(place, place + GRAM))
    return len(looped) / len(tokens)
