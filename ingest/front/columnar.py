"""Tables with typed columns: Parquet, and Arrow as a file or a stream. Their columns, and all their rows within bounds.

What an Arrow file says of itself is not believed: every part is validated. A compressed one is refused, because nothing bounds what it
unpacks to.
"""

import struct
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
COMPRESSED = "is a compressed Arrow file, which could unpack to any size: write it without compression, or as Parquet"
# Which field is which in Arrow's tables Message, DictionaryBatch and RecordBatch.
OF_MESSAGE, OF_DICTIONARY, COMPRESSION = 2, 1, 3
DAMAGED = (pl.exceptions.PolarsError, pa.ArrowException, ValueError, OverflowError, struct.error)


def kind_of(start: bytes) -> Columnar | None:
    """What a file with these first bytes is; None for neither."""
    if start.startswith(PARQUET):
        return "parquet"
    return "arrow" if start.startswith((ARROW, STREAM)) else None


def names_of(path: Path, kind: Columnar) -> frozenset[str]:
    """The columns of a file. Raises Unreadable, OSError."""
    try:
        if kind == "parquet":
            return frozenset(pq.read_schema(path).names)
        with path.open("rb") as file:
            file.seek(HEAD if file.read(HEAD).startswith(ARROW) else 0)
            return frozenset(pa.ipc.read_schema(file).names)
    except DAMAGED as error:
        raise _damaged(kind, error) from error


def read(path: Path, kind: Columnar) -> pl.DataFrame:
    """All rows of a file. Raises Unreadable for one that is damaged, too large or a compressed Arrow file, OSError."""
    try:
        return _parquet(path) if kind == "parquet" else _arrow(path)
    except DAMAGED as error:
        raise _damaged(kind, error) from error


def _damaged(kind: Columnar, error: Exception) -> Unreadable:
    said = next(iter(str(error).splitlines()), "cut off")
    return Unreadable(f"is not a whole {kind.capitalize()} file ({said})")


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
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            _refuse_vast(len(reader.schema), sum(batch.num_rows for batch in batches))
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
