"""All that is known about one row, one line each: what a click on a row of a table shows. Frames in, frames out."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

import polars as pl

from prompt_joules.pages.ui.pure import headings, naming, shape
from prompt_joules.warehouse.energy_shown import NUMBERS

UPRIGHT = ("number", "is", "meaning")
# Columns of which the table itself makes a drawing or a link.
DRAWN = ("spread", "model_url")


def upright(row: pl.DataFrame, meanings: Mapping[str, str] = MappingProxyType({})) -> pl.DataFrame:
    """One row as a list of what is known: `number` (its title), `is` (its value on screen), `meaning`.

    Args:
        row: one row in storage units.
        meanings: of columns that are neither in NUMBERS nor in LABELS.
    """
    values = shape.on_screen(row.drop(*DRAWN, strict=False)).row(0, named=True)
    known = {key: value for key, value in values.items() if value is not None and value != []}
    named = {key: NUMBERS[key].meaning if key in NUMBERS else headings.LABELS.get(key, ("", ""))[1] for key in known}
    return _lines((naming.title_of(key), _text(value), named[key] or meanings.get(key, "")) for key, value in known.items())


def environment(text: str | None) -> pl.DataFrame:
    """What a run wrote down of its machine, as lines like those of `upright`; what is no JSON object stays as it is.

    Args:
        text: the column `environment` of `runs`.
    """
    try:
        told = json.loads(text or "{}")
    except ValueError:
        told = text
    leaves = _leaves(told if isinstance(told, dict) else {"environment": told})
    return _lines((naming.spelled(name), _text(value), "") for name, value in leaves)


def _lines(lines: Iterator[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(list(lines), schema=dict.fromkeys(UPRIGHT, pl.String), orient="row")


def _leaves(told: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The values of a nested JSON object, each with the names that lead to it; empty ones are left out."""
    for name, value in told.items():
        inner = _numbered(value) if isinstance(value, list) else value
        if isinstance(inner, dict):
            yield from ((f"{name} · {below}", leaf) for below, leaf in _leaves(inner))
        elif inner not in (None, []):
            yield name, inner


def _numbered(values: list[object]) -> object:
    """A list of objects as one object: that of a single one, else numbered from 1. Other lists as they are."""
    if not values or not all(isinstance(value, dict) for value in values):
        return values
    return values[0] if len(values) == 1 else {str(place): value for place, value in enumerate(values, 1)}


def _text(value: object) -> str:
    """A value of any kind in few words."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
