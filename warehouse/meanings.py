"""What a column is: unit and meaning, of every frame and file that the project gives. `meanings.csv` has those that nothing else says."""

import csv
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from prompt_joules.bench.record import BY_NAME
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import NUMBERS

FILE = Path(__file__).parent / "meanings.csv"


@functools.cache
def meanings() -> dict[str, tuple[str, str]]:
    """Unit and meaning of columns that are neither numbers of a result nor columns of a row."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {row["column"]: (row["unit"], row["meaning"]) for row in csv.DictReader(lines)}


def meaning_of(name: str, comments: dict[str, str]) -> tuple[str, str]:
    """Unit (base SI, "" for names and counts) and meaning of a column.

    Args:
        name: the column.
        comments: what the warehouse says of its columns.
    """
    if name in meanings():
        return meanings()[name]
    if name in NUMBERS:
        return NUMBERS[name].unit, NUMBERS[name].meaning
    if name in BY_NAME:
        return BY_NAME[name].unit, BY_NAME[name].meaning
    return "", comments.get(name, "")


def of_columns(names: Iterable[str], known: pl.DataFrame) -> pl.DataFrame:
    """`column`, `unit` and `meaning` of columns, as `meaning_of`.

    Args:
        known: rows of the query `columns`.
    """
    comments = dict(known.filter(pl.col("meaning") != "").select("column", "meaning").iter_rows())
    found = [(name, *meaning_of(name, comments)) for name in names]
    return pl.DataFrame(found, schema={"column": pl.String, "unit": pl.String, "meaning": pl.String}, orient="row")


def columns(schema: pl.Schema, warehouse: str) -> list[dict[str, Any]]:
    """Name, type, unit and meaning of the columns of rows of a warehouse, for a file beside them. Raises WarehouseError."""
    said = of_columns(schema, query.load("columns", None, warehouse)).rows()
    return [{"name": name, "type": str(schema[name]), "unit": unit, "meaning": meaning} for name, unit, meaning in said]
