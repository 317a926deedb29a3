"""Rows as several pages show them: marked, in screen units. Frames in, frames out."""

from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.statistics import summaries

# Bands of sizes in which models are compared: above the first and up to the second number of parameters (billion).
BANDS: dict[str, tuple[float | None, float | None]] = {
    "up to 3 billion": (None, 3.0),
    "3 to 10": (3.0, 10.0),
    "10 to 40": (10.0, 40.0),
    "over 40": (40.0, None),
}
UNKNOWN_SIZE = "size not known"


def on_screen(rows: pl.DataFrame, columns: Iterable[str] = NUMBERS) -> pl.DataFrame:
    """Storage units to screen units, e.g. seconds to milliseconds for TTFT. Columns of no metric stay."""
    factors = {key: NUMBERS[key].display_factor for key in columns if key in rows.columns}
    return rows.with_columns(pl.col(key) * factor for key, factor in factors.items() if factor != 1.0)


def steps(rows: pl.DataFrame, key: str) -> list[str]:
    """Round numbers in screen units, as they are written, around the values of a number above 0; none where there is none.

    Args:
        key: of NUMBERS.
    """
    values = rows[key].drop_nulls() * NUMBERS[key].display_factor
    values = values.filter(values > 0)
    return [f"{step:g}" for step in summaries.steps(*summaries.ends(values))] if len(values) else []


def each(values: pl.Series, function: Callable[[Any], Any], kind: type[pl.DataType]) -> pl.Series:
    """A function of each value, null for null; of a struct it gets a dict.

    It runs in the thread that asks. As a part of an expression (`map_elements`) it would run in the threads of polars, which then wait for
    Python
    while another visitor's thread holds Python and waits for them: the server stands still for good.
    """
    return pl.Series(values.name, [None if value is None else function(value) for value in values.to_list()], dtype=kind)


def shown(rows: pl.DataFrame, wanted: Iterable[str]) -> list[str]:
    """The columns of a table in order; reasons only where an energy is missing, no empty names, weights where some are random."""
    columns = [name for name in wanted if name in rows.columns]
    if has_random_weights(rows) and "model_name" in columns and "weights" not in columns:
        columns.insert(columns.index("model_name") + 1, "weights")
    if "energy_reason" in columns and rows["energy_reason"].null_count() == rows.height:
        columns.remove("energy_reason")
    return [name for name in columns if name not in ("task", "engine", "model_name") or rows[name].null_count() < rows.height]


def marked(rows: pl.DataFrame, columns: Iterable[str]) -> tuple[pl.DataFrame, list[str]]:
    """Rows for a table in which an energy of an answer that is not measured is marked: `energy_mark` stands before it, ÷ or ≈.

    Where a row has an estimate only, it stands in for `energy_j`: the mark says so.

    Args:
        columns: of the table, in order.

    Returns:
        The rows, and the columns of the table; both as they were where all is measured.
    """
    listed = list(columns)
    key = next((name for name in listed if energy_shown.of_answers(name)), None)
    if key is None or "batch_size" not in rows.columns:
        return rows, listed
    kinds = rows.select(energy_shown.kind(key, rows.columns).alias("kind"))["kind"]
    if kinds.is_in([energy_shown.DIVIDED, energy_shown.ESTIMATED]).sum() == 0:
        return rows, listed
    marks = kinds.replace_strict(energy_shown.MARKS, default=None, return_dtype=pl.String).alias("energy_mark")
    if key == energy_shown.DEFAULT.key and "estimated_energy_j" in rows.columns:
        rows = rows.with_columns(pl.coalesce(key, "estimated_energy_j").alias(key))
    listed.insert(listed.index(key), "energy_mark")
    return rows.with_columns(marks), listed


def has_random_weights(rows: pl.DataFrame) -> bool:
    """Whether a row is of a model with random weights."""
    return "weights" in rows.columns and bool((rows["weights"] == "dummy").any())


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """The distinct texts of a column, in order of appearance."""
    found: list[str] = rows[column].unique(maintain_order=True).to_list()
    return found


def said(band: str) -> str:
    """A band of sizes in words."""
    return band if band == UNKNOWN_SIZE or "billion" in band else f"{band} billion"
