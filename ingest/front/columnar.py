"""Tables with typed columns: Parquet, and Arrow as a file or a stream. Their columns, and all their rows within bounds.

What an Arrow file says of itself is not believed: every part is validated. A compressed one is refused, because nothing bounds what it
unpacks to.
"""

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prompt_joules.ingest.front.unpack import LARGEST_TEXT, Unreadable

Columnar = Literal["parquet", "arrow"]
PARQUET = b"PAR1"
# How an Arrow file begins and ends, and how a message of an Arrow stream begins. A file is a stream with a head of 8 bytes and an index.
ARROW, STREAM, HEAD = b"ARROW1", b"\xff\xff\xff\xff", 8
MOST_COLUMNS = 1000
MOST_ROWS = 2_000_000
# What Python's times and durations reach, in s: 0001-01-02 to 9999-12-30, and 999,999,999 days. A day less, because zones move times.
REACH, LONGEST = (-62_135_510_400, 253_402_127_999), 86_400 * 999_999_998
COMPRESSED = "is a compressed Arrow file, which could unpack to any size: write it without compression, or as Parquet"
# Which field is which in Arrow's tables Message, DictionaryBatch and RecordBatch.
OF_MESSAGE, OF_DICTIONARY, COMPRESSION = 2, 1, 3
DAMAGED = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, ValueError, OverflowError, struct.error)


def kind_of(start: bytes) -> Columnar | None:
    """What a file with these first bytes is; None for neither."""
    if start.startswith(PARQUET):
        return "parquet"
    return "arrow" if start.startswith((ARROW, STREAM)) else None


def names_of(path: Path, kind: Columnar) -> frozenset[str]:
    """The columns of a file. Raises Unreadable, OSError."""
    with _whole(kind):
        if kind == "parquet":
            return frozenset(pq.read_schema(path).names)
        with path.open("rb") as file:
            file.seek(HEAD if file.read(HEAD).startswith(ARROW) else 0)
            return frozenset(pa.ipc.read_schema(file).names)


def read(path: Path, kind: Columnar) -> pl.DataFrame:
    """All rows of a file. Times that Python does not know (the year 20,000) are the numbers that they are kept as.

    Raises:
        Unreadable: damaged, too large, or a compressed Arrow file.
        OSError: it cannot be read.
    """
    with _whole(kind):
        rows = _parquet(path) if kind == "parquet" else _arrow(path)
        return rows.with_columns(_in_reach(rows[name]) for name, type_ in rows.schema.items() if type_ != pl.Time and type_.is_temporal())


def _in_reach(times: pl.Series) -> pl.Series:
    """A column of times, or its numbers when one of them lies outside of what Python's own times can say."""
    kind, numbers = times.dtype, times.to_physical()
    a_second = {"ms": 1e3, "us": 1e6, "ns": 1e9}[kind.time_unit] if isinstance(kind, pl.Datetime | pl.Duration) else 1 / 86_400
    first, last = REACH if kind in (pl.Date, pl.Datetime) else (-LONGEST, LONGEST)
    outside = ~(numbers / a_second).is_between(first, last)
    return numbers if outside.any() else times


@contextlib.contextmanager
def _whole(kind: Columnar) -> Iterator[None]:
    """Raise Unreadable for a damaged file. Arrow says that of some with an OSError, which then has no number of the system's."""
    try:
        yield
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = next(iter(str(error).splitlines()), "cut off")
        raise Unreadable(f"is not a whole {kind.capitalize()} file ({said})") from error


def _refuse_vast(columns: int, rows: int) -> None:
    if columns > MOST_COLUMNS or rows > MOST_ROWS:
        raise Unreadable(f"has {columns:,} columns and {rows:,} rows; such a file may have {MOST_COLUMNS:,} and {MOST_ROWS:,}")


def _parquet(path: Path) -> pl.DataFrame:
    lazy = pl.scan_parquet(path)
    _refuse_vast(len(lazy.collect_schema()), lazy.select(pl.len()).collect().item())
    return lazy.collect()


def _arrow(path: Path) -> pl.DataFrame:
    if (size := path.stat().st_size) > LARGEST_TEXT:
        raise Unreadable(f"has {size:,} bytes; an Arrow file may have {LARGEST_TEXT:,}: write it as Parquet")
    content = path.read_bytes()
    if content.startswith(ARROW) and not content.endswith(ARROW):
        raise ValueError("its end is missing")
    stream = pa.py_buffer(content)[HEAD if content.startswith(ARROW) else 0 :]
    _refuse_compressed(stream)
    with pa.ipc.open_stream(stream) as reader:
        batches: list[pa.RecordBatch] = []
        _refuse_vast(len(reader.schema.names), 0)
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            _refuse_vast(len(reader.schema.names), sum(batch.num_rows for batch in batches))
        found = pl.from_arrow(pa.Table.from_batches(batches, reader.schema))
    assert isinstance(found, pl.DataFrame)
    return found


def _refuse_compressed(stream: pa.Buffer) -> None:
    """Raise Unreadable when any part of an Arrow stream is compressed."""
    reader = pa.ipc.MessageReader.open_stream(stream)
    try:
        while message := reader.read_next_message():
            said = message.metadata.to_pybytes()
            part = _field(said, _pointed(said, 0), OF_MESSAGE)
            if message.type == "dictionary" and part:
                part = _field(said, _pointed(said, part), OF_DICTIONARY)
            if message.type in ("dictionary", "record batch") and part and _field(said, _pointed(said, part), COMPRESSION):
                raise Unreadable(COMPRESSED)
    except StopIteration:
        return


def _pointed(said: bytes, at: int) -> int:
    """Where an offset of a flatbuffer leads."""
    (offset,) = struct.unpack_from("<I", said, at)
    return at + int(offset)


def _field(said: bytes, table: int, number: int) -> int | None:
    """Where a field of a flatbuffer's table stands; None when it is not there."""
    (back,) = struct.unpack_from("<i", said, table)
    size, *_ = struct.unpack_from("<H", said, table - back)
    place = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", said, table - back + place) if place < size else (0,)
    return table + int(offset) if offset else None
