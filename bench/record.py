"""The row contract: every column of a results file, with its type, unit and meaning.

One row is one prompt answered once. The setup is repeated in every row, so that a lone Parquet file can be read by
anyone. Storage is in base SI units. A value that was not measured is null with a reason beside it, never 0.

This module imports nothing heavy: the ingest reads it on machines that have no torch. Every column is a line of
`record.csv`, with its unit; there are no others.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

SCHEMA_VERSION = 3
FILE = Path(__file__).parent / "record.csv"

ColumnType = Literal["int16", "int32", "int64", "float32", "float64", "string", "bool", "timestamp[us, UTC]", "list<float32>"]


@dataclass(frozen=True)
class Column:
    """One column of the contract."""

    name: str  # column name in Parquet and in the warehouse
    type: ColumnType  # storage type, as Arrow spells it
    unit: str  # SI unit, or "" for counts, names and flags
    meaning: str  # one line for documentation and column help
    required: bool  # a row with null here breaks the contract and is rejected by the ingest
    setup: bool  # the value is the same in every row of a run
    choices: tuple[str, ...]  # of a text: the values allowed; empty: any text
    least: float | None  # of a number: the smallest allowed; None: any finite number
    most: tuple[float, str] | None  # of a number: the largest allowed, and what is said of a larger one


def _column(row: dict[str, str]) -> Column:
    """A column out of a line of the table, all of whose cells are text."""
    return Column(
        row["name"],
        cast(ColumnType, row["type"]),
        row["unit"],
        row["meaning"],
        required=row["required"] == "yes",
        setup=row["setup"] == "yes",
        choices=tuple(row["choices"].split()),
        least=float(row["least"]) if row["least"] else None,
        most=(float(row["most"]), row["too_much"]) if row["most"] else None,
    )


with FILE.open(encoding="utf-8", newline="") as lines:
    COLUMNS: tuple[Column, ...] = tuple(map(_column, csv.DictReader(lines)))
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS}
SETUP_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.setup)
# The columns with the words of prompts and answers.
TEXTS = ("prompt_text", "output_text")


def polars_schema() -> dict[str, Any]:
    """The contract as polars spells it: the type of every column."""
    import polars as pl

    types: dict[ColumnType, Any] = {
        "int16": pl.Int16,
        "int32": pl.Int32,
        "int64": pl.Int64,
        "float32": pl.Float32,
        "float64": pl.Float64,
        "string": pl.String,
        "bool": pl.Boolean,
        "timestamp[us, UTC]": pl.Datetime("us", "UTC"),
        "list<float32>": pl.List(pl.Float32),
    }
    return {column.name: types[column.type] for column in COLUMNS}
