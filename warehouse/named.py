"""Names that a person gives: filters, options. An unknown name is an error that lists the known ones."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import polars as pl

from prompt_joules.warehouse.errors import ForPeople
from prompt_joules.warehouse.selection import DEFAULT_WEIGHTS, TEXT_FILTERS, Selection

MOST_NAMED = 12
# The choices of weights by the words of links and commands.
WEIGHTS: dict[str, tuple[str, ...]] = {"pretrained": DEFAULT_WEIGHTS, "dummy": ("dummy",), "both": ()}


class UnknownValue(ForPeople, ValueError):
    """A filter has a value that no result has, or an option has an unknown one; the text names the known ones."""


def known(key: str, asked: object, options: pl.DataFrame) -> tuple[str, ...]:
    """The values of a filter as the warehouse has them; a name may be given in any case. Raises UnknownValue."""
    values = [asked] if isinstance(asked, str | int) else list(asked)  # type: ignore[call-overload]
    there = options.filter(pl.col("kind") == key)
    names = {str(value).lower(): str(value) for value in there["value"].drop_nulls()}
    labels = {str(label).lower(): str(value) for value, label in there.select("value", "label").drop_nulls().iter_rows()}
    found = []
    for value in values:
        text = str(value).lower()
        if text not in names and text not in labels:
            raise UnknownValue(f"There are no results with {key} {value!r}. {there_are(str(value), there['label'].drop_nulls().unique())}")
        found.append(names.get(text) or labels[text])
    return tuple(dict.fromkeys(found))


def selection(asked: Mapping[str, Any], options: pl.DataFrame) -> Selection:
    """The filters that a person gives, by the keys of links, with names looked up. Raises UnknownValue.

    Args:
        asked: what is left out filters nothing; `weights` is one of WEIGHTS, `valid` false for rows and runs that are not valid too.
        options: rows of the query `options`.
    """
    texts = {field: known(key, asked.get(key, ()), options) for key, field in TEXT_FILTERS.items()}
    batches = tuple(map(int, known("batch", asked.get("batch", ()), options)))
    weights = WEIGHTS[one_of("weights", asked.get("weights", "pretrained"), WEIGHTS)]
    return Selection(**texts, batch_sizes=batches, weights=weights, only_valid=asked.get("valid", True))


def one_of(what: str, value: str, known: Iterable[str]) -> str:
    """The value, if it is known. Raises UnknownValue."""
    if value not in known:
        raise UnknownValue(f"There is no {what} {value!r}. {there_are(value, known)}")
    return value


def there_are(value: str, known: Iterable[str]) -> str:
    """What a person may have meant, and what there is."""
    names = sorted({str(name) for name in known}, key=lambda name: (int(name) if name.isdigit() else 0, name.lower()))
    close = [] if value.isdigit() else get_close_matches(value, names, 3)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}There are: {', '.join(names[:MOST_NAMED])}{more}." if names else "There are none."
