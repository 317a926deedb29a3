"""Rows as several pages show them: marked, in screen units. Frames in, frames out."""

from collections.abc import Iterable

import polars as pl

from prompt_joules.warehouse.energy_shown import NUMBERS


def on_screen(rows: pl.DataFrame, columns: Iterable[str] = NUMBERS) -> pl.DataFrame:
    """Storage units to screen units, e.g. seconds to milliseconds for TTFT. Columns of no metric stay."""
    factors = {key: NUMBERS[key].display_factor for key in columns if key in rows.columns}
    return rows.with_columns(pl.col(key) * factor for key, factor in factors.items() if factor != 1.0)


def shown(rows: pl.DataFrame, wanted: Iterable[str]) -> list[str]:
    """The columns of a table in order; reasons only where an energy is missing, no empty names, weights where some are random."""
    columns = [name for name in wanted if name in rows.columns]
    if has_random_weights(rows) and "model_name" in columns and "weights" not in columns:
        columns.insert(columns.index("model_name") + 1, "weights")
    if "energy_reason" in columns and rows["energy_reason"].null_count() == rows.height:
        columns.remove("energy_reason")
    return [name for name in columns if name not in ("task", "engine", "model_name") or rows[name].null_count() < rows.height]


def has_random_weights(rows: pl.DataFrame) -> bool:
    """Whether a row is of a model with random weights."""
    return "weights" in rows.columns and bool((rows["weights"] == "dummy").any())


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """The distinct texts of a column, in order of appearance."""
    found: list[str] = rows[column].unique(maintain_order=True).to_list()
    return found
