"""Parquet whose columns are nearly those of a record, as pandas and others write them: brought to the contract's types, row by row.

Whole numbers may be floats (pandas makes them so in a column with a gap) or wider than ours, times may have no zone. A value that
cannot stand in its column costs its row, not the file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prompt_joules.bench.record import BY_NAME, ColumnType, polars_schema
from prompt_joules.ingest.formats.base import Reject, Unreadable
from prompt_joules.ingest.front.table import shown

PART_ROWS = 50_000
SCHEMA: dict[str, pl.DataType] = polars_schema()
BITS = {"int16": 16, "int32": 32, "int64": 64}
ROW = " row"


@dataclass(frozen=True)
class Adapted:
    """A file in the contract's types."""

    numbers: list[int] | None  # number in the source file, from 1, of each row that was kept; None when all were
    rejects: list[Reject]  # rows that were not kept, each with its first problem


def fits(wanted: ColumnType, found: pa.DataType) -> bool:
    """Whether values of the found type can be read as the wanted one without guessing."""
    types = pa.types
    found = found.value_type if types.is_dictionary(found) else found
    if types.is_null(found):
        return True
    number: bool = types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)
    if wanted == "list<float32>":
        listed = types.is_list(found) or types.is_large_list(found)
        return bool(listed and (types.is_floating(found.value_type) or types.is_null(found.value_type)))
    if wanted == "string":
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))
    if wanted == "bool":
        return bool(types.is_boolean(found))
    return bool(types.is_timestamp(found)) if wanted == "timestamp[us, UTC]" else number


def as_is(wanted: ColumnType, found: pa.DataType) -> bool:
    """Whether every value of a type that fits can stand in the column, so that the file can be read as it is."""
    types = pa.types
    if types.is_dictionary(found) or types.is_null(found):
        return True
    if wanted in BITS:
        width = found.bit_width + types.is_unsigned_integer(found) if types.is_integer(found) else 99
        return bool(width <= BITS[wanted])
    if wanted == "list<float32>":
        return not types.is_float64(found.value_type)
    if wanted == "float32":
        return not types.is_float64(found) and not types.is_decimal(found)
    return bool(wanted != "timestamp[us, UTC]" or found.tz is not None)


def with_clock(environment: str | None, clock: Literal["local", "file"]) -> str:
    """The environment of a row whose time is not known as UTC, but stored as if it were.

    Args:
        environment: what is said of the row.
        clock: `local` for a time without a zone: the clock of some machine; `file` for the time of the file, since the source gives none.
    """
    try:
        facts = json.loads(environment or "{}")
    except ValueError:
        facts = None
    known = facts if isinstance(facts, dict) else {"environment": environment}
    return json.dumps(known | {"clock": clock}, sort_keys=True)


def adapt(source: Path, target: Path) -> Adapted:
    """Write the rows of a file in the contract's types into another one. Raises Unreadable for a damaged file."""
    rejects: list[Reject] = []
    kept: list[pl.Series] = []
    before = 0
    try:
        with pq.ParquetFile(source) as file:
            found = file.schema_arrow
            names = [name for name in found.names if name in BY_NAME]
            naive = any(pa.types.is_timestamp(found.field(name).type) and found.field(name).type.tz is None for name in names)
            schema = {name: SCHEMA[name] for name in (*names, *["environment"] * (naive and "environment" not in names))}
            with pq.ParquetWriter(target, pl.DataFrame(schema=schema).to_arrow().schema) as writer:
                for part in _parts(file, names):
                    good, bad = _typed(part.with_row_index(ROW, before + 1), names)
                    before += part.height
                    rejects += bad
                    kept.append(good[ROW])
                    writer.write_table((_with_local_clock(good) if naive else good).select(list(schema)).to_arrow())
    except (pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise Unreadable(f"is damaged ({str(error).splitlines()[0]})") from error
    return Adapted(pl.concat(kept).to_list() if rejects else None, rejects)


def _parts(file: pq.ParquetFile, names: list[str]) -> Iterator[pl.DataFrame]:
    for batch in file.iter_batches(PART_ROWS, columns=names):
        part = pl.from_arrow(batch)
        assert isinstance(part, pl.DataFrame)
        yield part


def _typed(rows: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, list[Reject]]:
    """The rows of which every value fits its column, and the first problem of the others."""
    typed = rows.select(ROW, *(_cast(name, rows.schema[name]) for name in names))
    problems: dict[int, Reject] = {}
    for name in names:
        lost = typed[name].is_null() & rows[name].is_not_null()
        for number, value in rows.filter(lost).select(ROW, name).iter_rows():
            problems.setdefault(number, Reject(number, name, _why(value), shown(value)))
    good = typed.filter(~pl.col(ROW).is_in(list(problems))) if problems else typed
    return good, [problems[number] for number in sorted(problems)]


def _cast(name: str, found: pl.DataType) -> pl.Expr:
    """A column in the contract's type; null where a value does not fit."""
    column, wanted = pl.col(name), SCHEMA[name]
    if wanted.is_integer() and (found.is_float() or found.is_decimal()):
        number = column.cast(pl.Float64)
        return pl.when(number == number.round()).then(number).cast(wanted, strict=False).alias(name)
    if isinstance(found, pl.Datetime):
        zoned = column.dt.replace_time_zone("UTC") if found.time_zone is None else column.dt.convert_time_zone("UTC")
        return zoned.dt.cast_time_unit("us")
    return column.cast(wanted, strict=False)


def _why(value: object) -> str:
    """What keeps a number out of a column of whole ones."""
    fraction = isinstance(value, float | Decimal) and value != value // 1
    return "is not a whole number" if fraction else "is too large"


def _with_local_clock(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that say that their times are local ones of an unknown zone."""
    said = rows["environment"] if "environment" in rows.columns else pl.Series("environment", [None] * rows.height, dtype=pl.String)
    known = {text: with_clock(text, "local") for text in said.unique().to_list()}
    return rows.with_columns(said.replace_strict(list(known), list(known.values()), return_dtype=pl.String).alias("environment"))
