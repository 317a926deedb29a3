"""Rows of other people's tools, on their way into `requests`: the same columns, the same checks, the same rejects as our own rows.

A reader makes a dict per row, under the names of bench/record.py. What a source does not say is left out and becomes null; the required
columns get the value of `UNSAID`. A row that cannot be put into the columns' types is refused here, the others are checked in SQL.
"""

import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from prompt_joules.bench.record import COLUMNS, SCHEMA_VERSION, TEXTS, ColumnType
from prompt_joules.ingest.formats import adapt, records
from prompt_joules.ingest.formats.adapt import SCHEMA
from prompt_joules.ingest.formats.base import (
    Content,
    Facts,
    Format,
    Loaded,
    Reject,
    Source,
    Unreadable,
    content_of,
    one_by_one,
    write_rejects,
)
from prompt_joules.ingest.front.content import beside
from prompt_joules.ingest.front.table import shown

# What a required column holds when the source says nothing about it.
UNSAID: dict[str, Any] = {
    "schema_version": SCHEMA_VERSION,
    "repetition": 0,
    "prompt_set": "unknown",
    "weights": "pretrained",
    "dtype": "unknown",
    "device": "server",
    "num_gpus": 0,
    "batch_size": 1,
    "energy_source": "none",
    "status": "ok",
}
# Rows that are held as Python objects at once.
PART_ROWS = 20_000
TYPES: dict[str, ColumnType] = {column.name: column.type for column in COLUMNS}


def is_number(value: Any) -> bool:
    """A number that a double can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 2**1000


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Text that can be stored as UTF-8: JSON can hold half of a surrogate pair, which cannot."""
    return isinstance(value, str) and value.encode(errors="ignore").decode() == value


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(is_number(item) for item in value)


# Whether a value can stand in a column of a type, and what the column wants.
FITS: dict[ColumnType, tuple[Callable[[Any], bool], str]] = {
    "int16": (_is_whole, "a whole number"),
    "int32": (_is_whole, "a whole number"),
    "int64": (_is_whole, "a whole number"),
    "float32": (is_number, "a number"),
    "float64": (is_number, "a number"),
    "string": (is_text, "text"),
    "bool": (lambda value: isinstance(value, bool), "true or false"),
    "timestamp[us, UTC]": (lambda value: isinstance(value, datetime), "a time"),
    "list<float32>": (_is_numbers, "a list of numbers"),
}


@dataclass(frozen=True)
class Row:
    """One row of a source file: its number from 1, and its values under the names of bench/record.py."""

    number: int
    values: Mapping[str, Any]


def store_requests(connection: duckdb.DuckDBPyConnection, source: Source, rows: Iterable[Row], extra: Sequence[Reject] = ()) -> Loaded:
    """Load rows of a foreign file into `requests`. A part of them is in memory at once.

    Args:
        connection: inside a transaction.
        source: the file.
        rows: its rows, in order. Those that say nothing of `started_at` get the time of the file, and their environment says so.
        extra: rows that the reader refused already; looked at when all of `rows` were taken.

    Returns:
        Rows loaded and refused, those of `extra` included.

    Raises:
        Unreadable: a fault of the file as a whole.
    """
    numbers: list[int] = []
    refused: list[Reject] = []
    remaining = iter(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        with pq.ParquetWriter(path, pl.DataFrame(schema=SCHEMA).to_arrow().schema) as writer:
            while part := list(itertools.islice(remaining, PART_ROWS)):
                fit = _fitted(part, file_time(source), refused)
                numbers += [row.number for row in fit]
                cells = [{name: _cell(row.values.get(name)) for name in SCHEMA} for row in fit]
                writer.write_table(pl.DataFrame(cells, schema=SCHEMA).to_arrow())
        rejects = [*extra, *refused]
        if numbers:
            return records.load_copy(connection, source, path, numbers, rejects)
    write_rejects(connection, source, rejects)
    return Loaded(source, 0, len(rejects))


def to_server(reason: str, **columns: Any) -> dict[str, Any]:
    """The columns that are equal in all requests of a run, of a tool that asks a server and measures no energy; the reason says so."""
    return {"prompt_template": "server", "energy_reason": reason, **columns}


def format_of(
    facts: Facts, *, recognises: Callable[[Content], bool], rows_of: Callable[[Source, Content, list[Reject]], Iterable[Row]]
) -> Format:
    """The format of files that hold requests."""

    def load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
        rejects: list[Reject] = []
        return store_requests(connection, source, rows_of(source, content_of(source), rejects), rejects)

    return Format(facts, recognises, one_by_one(load), "requests")


def _fitted(rows: Iterable[Row], file_time: datetime, refused: list[Reject]) -> list[Row]:
    """The rows whose values can stand in their columns, all required ones given; the others are added to `refused`."""
    fit = []
    for row in rows:
        values = UNSAID | {name: value for name, value in row.values.items() if value is not None} | _clocked(row.values, file_time)
        problem = next((found for name, value in values.items() if (found := misfit(name, value))), None)
        if problem is None:
            fit.append(Row(row.number, values))
        else:
            refused.append(replace(problem, row=row.number))
    return fit


def _clocked(values: Mapping[str, Any], file_time: datetime) -> dict[str, Any]:
    """The time of a row, and the environment that says whose clock it is, where that is not UTC; nothing where it is."""
    given = "started_at" in values
    started = values.get("started_at", file_time)
    if given and not (isinstance(started, datetime) and started.tzinfo is None):
        return {}
    said = values.get("environment")
    clock = {"environment": adapt.with_clock(said, "local" if given else "file")} if said is None or isinstance(said, str) else {}
    return {"started_at": started.replace(tzinfo=UTC)} | clock


def _cell(value: Any) -> Any:
    """A value as polars takes it: whole numbers of a JSON list beside others become floats."""
    return [float(item) for item in value] if isinstance(value, list) else value


def misfit(name: str, value: Any) -> Reject | None:
    """What is wrong with a value that cannot stand in its column; None when it can. Its range is checked later, in SQL."""
    kind = TYPES.get(name)
    if kind is None:
        return Reject(None, name, "is no column of a record")
    fits, wanted = FITS[kind]
    if not fits(value):
        return Reject(None, name, f"is not {wanted}", None if name in TEXTS else shown(value))
    too_large = kind in adapt.BITS and value not in range(-(2 ** (adapt.BITS[kind] - 1)), 2 ** (adapt.BITS[kind] - 1))
    return Reject(None, name, "is too large", shown(value)) if too_large else None


def whole(value: Any) -> Any:
    """A float without a fraction as an int, as JSON of some tools writes counts; anything else as it is."""
    return int(value) if isinstance(value, float) and math.isfinite(value) and value.is_integer() else value


def count_of(value: Any) -> int | None:
    """A number that counts something, rounded; None for what is no finite number from 0."""
    return round(value) if is_number(value) and 0 <= value < 2**63 else None


def words(text: Any) -> dict[str, Any]:
    """The columns that an answer's text gives: its length in words and characters, and the text."""
    return {"output_words": len(text.split()), "output_chars": len(text), "output_text": text} if isinstance(text, str) else {}


def environment(**facts: Any) -> str:
    """What a source says about its setup and no column has a place for, as JSON."""
    return json.dumps({key: value for key, value in facts.items() if value is not None}, sort_keys=True, ensure_ascii=True)


def file_time(source: Source) -> datetime:
    """When the file was written."""
    return datetime.fromtimestamp(source.path.stat().st_mtime, UTC)


def run_name(kind: str, source: Source) -> str:
    """The id of a run whose source gives it none: made of the file's content."""
    return f"{kind}:{source.sha256[:16]}"


def companion(path: Path, what: str) -> dict[str, Any]:
    """A JSON object in a file beside the rows, packed or not. Raises Unreadable when it is not there or is no JSON object."""
    try:
        content = Content.of(beside(path)).json
    except (OSError, Unreadable) as error:
        raise Unreadable(f"needs {path.name} beside it, which says {what}") from error
    if not isinstance(content, dict):
        raise Unreadable(f"needs {path.name} beside it, which says {what}; that file is not an object")
    return content


def dug(content: Any, *keys: str | int) -> Any:
    """A value deep inside JSON, or None when any step of the way is missing."""
    for key in keys:
        if isinstance(content, Mapping):
            content = content.get(key)
        elif isinstance(content, list) and isinstance(key, int) and key < len(content):
            content = content[key]
        else:
            return None
    return content
