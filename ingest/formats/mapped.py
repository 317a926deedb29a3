"""Any CSV or Parquet of requests with a small YAML file that says which of its columns is which of ours. No one has to write Python.

columns:                                          # ours: theirs
  output_tokens: n_out
  latency_s: {column: latency_ms, times: 0.001}
values:                                           # equal in every row
  model_id: me/my-model
  task: chat
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import yaml

from prompt_joules.bench.record import COLUMNS
from prompt_joules.ingest.formats.base import Format, Loaded, Reject, Source, Unreadable, content_of
from prompt_joules.ingest.formats.foreign import Row, file_time, is_number, run_name, store_requests, whole
from prompt_joules.ingest.formats.published import read_table
from prompt_joules.ingest.front.table import LINE

TYPES = {column.name: column.type for column in COLUMNS}
MOST_COLUMNS = 1000
MOST_ROWS = 2_000_000


class BadMapping(Exception):
    """A mapping file that cannot be used; the text says what is wrong with it."""


@dataclass(frozen=True)
class Taken:
    """A column of the file that becomes one of ours; numbers are multiplied by `times`."""

    column: str
    times: float | None = None


@dataclass(frozen=True)
class ColumnMap:
    """A mapping file: our column → theirs, and values that are equal in every row."""

    columns: Mapping[str, Taken]
    values: Mapping[str, Any]


def read(path: str) -> ColumnMap:
    """Read a mapping file. Raises BadMapping."""
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadMapping(f"The mapping {path} cannot be read: {str(error).splitlines()[0]}.") from error
    parts = content if isinstance(content, dict) else {}
    columns, values = parts.get("columns") or {}, parts.get("values") or {}
    if not isinstance(columns, dict) or not isinstance(values, dict) or not columns or set(parts) - {"columns", "values"}:
        raise BadMapping(f"The mapping {path} must have `columns` (ours: theirs) and may have `values` (ours: a value), nothing else.")
    if unknown := sorted(str(name) for name in (*columns, *values) if name not in TYPES):
        raise BadMapping(f"The mapping {path} names columns that a record does not have: {', '.join(unknown)}. See bench/record.py.")
    return ColumnMap({name: _taken(path, name, theirs) for name, theirs in columns.items()}, values)


def _taken(path: str, name: str, theirs: Any) -> Taken:
    if isinstance(theirs, str):
        return Taken(theirs)
    if isinstance(theirs, dict) and isinstance(theirs.get("column"), str) and set(theirs) <= {"column", "times"}:
        times = theirs.get("times")
        if times is None or (is_number(times) and "float" in TYPES[name]):
            return Taken(theirs["column"], times)
    raise BadMapping(
        f"The mapping {path} must give {name} as a column's name or as {{column: NAME, times: NUMBER}}; times only for numbers."
    )


def rows_of(cells: pl.DataFrame, mapping: ColumnMap, setup: Mapping[str, Any]) -> list[Row]:
    """The rows of a file under our names. A value that does not fit its column stays as it is and is refused later."""
    if absent := sorted(taken.column for taken in mapping.columns.values() if taken.column not in cells.columns):
        raise Unreadable(f"has no column {', '.join(absent)}, which the mapping names")
    used = sorted({taken.column for taken in mapping.columns.values()})
    numbers = cells[LINE] if LINE in cells.columns else range(1, cells.height + 1)
    rows = []
    for index, (number, cell) in enumerate(zip(numbers, cells.select(used).iter_rows(named=True), strict=True)):
        values = {name: _value(cell[taken.column], TYPES[name], taken.times) for name, taken in mapping.columns.items()}
        numbered = {"sequence": index, "prompt_id": f"row-{index + 1}"}
        rows.append(Row(number, {**setup, **numbered, **mapping.values, **values}))
    return rows


def _value(cell: Any, kind: str, times: float | None) -> Any:
    """A cell as the column wants it, when it can be."""
    try:
        if isinstance(cell, str) and kind.startswith("int"):
            return int(cell) if cell.strip().lstrip("+-").isdecimal() else whole(float(cell))
        if isinstance(cell, str) and kind.startswith("float"):
            cell = float(cell)
        if kind == "bool" and cell in ("true", "false", "True", "False"):
            return cell in ("true", "True")
        if isinstance(cell, str) and kind.startswith("timestamp"):
            cell = datetime.fromisoformat(cell)
    except ValueError:
        return cell
    if isinstance(cell, datetime):
        return cell
    if kind == "string" and cell is not None:
        return str(cell)
    return cell * times if times is not None and is_number(cell) else cell


def _cells(source: Source, mapping: ColumnMap) -> tuple[pl.DataFrame, list[Reject]]:
    """All rows of a CSV (as text) or a Parquet file, and lines that are no row. Raises Unreadable."""
    if content_of(source).kind != "parquet":
        table = read_table(source, {taken.column for taken in mapping.columns.values()})
        return table.cells, table.rejects
    try:
        lazy = pl.scan_parquet(source.path)
        columns = len(lazy.collect_schema())
        rows = lazy.select(pl.len()).collect().item()
        if columns > MOST_COLUMNS or rows > MOST_ROWS:
            raise Unreadable(f"has {columns:,} columns and {rows:,} rows; a mapped file may have {MOST_COLUMNS:,} and {MOST_ROWS:,}")
        return lazy.collect(), []
    except (pl.exceptions.PolarsError, OSError) as error:
        raise Unreadable(f"is not a whole Parquet file ({str(error).splitlines()[0]})") from error


def setup_of(mapping: ColumnMap, source: Source) -> dict[str, Any]:
    """What the rows hold where the mapping says nothing."""
    setup = {"run_id": run_name("mapped", source), "started_at": file_time(source), "engine": "unknown", "harness_version": "mapped"}
    if "energy_j" in {*mapping.columns, *mapping.values}:
        return setup
    return setup | {"energy_reason": "the mapping names no energy"}


def format_of(mapping: ColumnMap | None) -> Format:
    """The format of CSV and Parquet files that no other format knows; without a mapping it recognises nothing."""

    def load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
        if mapping is None:
            raise Unreadable("needs --map FILE")
        loaded = []
        for source in sources:
            cells, rejects = _cells(source, mapping)
            loaded.append(store_requests(connection, source, rows_of(cells, mapping, setup_of(mapping, source)), rejects))
        return loaded

    return Format(
        name="mapped",
        meaning="any CSV or Parquet of requests, with --map FILE",
        recognises=lambda content: mapping is not None and content.kind in ("table", "parquet"),
        load=load,
        into="requests",
    )
