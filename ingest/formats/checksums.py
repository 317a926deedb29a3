"""The checksums of a Parquet file's pages: whether its bytes are those that were written. DuckDB reads over them.

A page begins with a header in Thrift's compact protocol: a byte a field (its distance from the field before, and its type),
then the value. Of the header only the size of the page and its CRC-32 are of interest; a page without one is not checked.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from prompt_joules.ingest.formats.base import Unreadable

SIZE, CRC = 3, 4
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12


def verify(path: Path, footer: pq.FileMetaData) -> None:
    """Raise Unreadable for the first page whose bytes differ from their checksum; OSError."""
    with path.open("rb") as file:
        for group in range(footer.num_row_groups):
            for place in range(footer.num_columns):
                column = footer.row_group(group).column(place)
                try:
                    _verify_column(_bytes(file, column), column.path_in_schema)
                except (IndexError, ValueError, OverflowError) as error:
                    raise Unreadable(f"is damaged: the column {column.path_in_schema} holds no whole pages") from error


def _bytes(file: BinaryIO, column: pq.ColumnChunkMetaData) -> bytes:
    """The pages of a column. Raises ValueError when they are not all in the file."""
    # An offset of 0 means no such page: a column without values may have a dictionary and no data.
    offsets = (column.data_page_offset, column.dictionary_page_offset if column.has_dictionary_page else 0)
    start = min((offset for offset in offsets if offset), default=0)
    size = column.total_compressed_size
    file.seek(0, 2)
    if start < 0 or size < 0 or start + size > file.tell():
        raise ValueError("lies outside of the file")
    file.seek(start)
    return file.read(size)


def _verify_column(content: bytes, name: str) -> None:
    """Walk over the pages of a column. Raises IndexError, ValueError for bytes that are no pages."""
    at = 0
    while at < len(content):
        fields, at = _header(content, at)
        size = fields[SIZE]
        if size < 0 or at + size > len(content):
            raise ValueError("is longer than its column")
        if CRC in fields and zlib.crc32(content[at : at + size]) != fields[CRC] & 0xFFFFFFFF:
            raise Unreadable(f"is damaged: a page of the column {name} differs from its checksum")
        at += size


def _header(content: bytes, at: int) -> tuple[dict[int, int], int]:
    """The whole numbers of a page's header by field, and where its data begin."""
    found = {}
    field = 0
    while content[at]:
        kind, distance = content[at] & 15, content[at] >> 4
        at += 1
        if not distance:
            field, at = _number(content, at)
        field += distance
        if BYTE < kind < DOUBLE:
            found[field], at = _number(content, at)
        else:
            at = _skip(content, at, kind)
    if SIZE not in found:
        raise ValueError("has no size")
    return found, at + 1


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A whole number in zigzag form, and where the next value begins."""
    number, at = _length(content, at)
    return (number >> 1) ^ -(number & 1), at


def _length(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (content[at] & 127) << shift
        shift += 7
        at += 1
        if content[at - 1] < 128:
            return number, at
        if shift > 63:
            raise ValueError("is too long for a number")


def _skip(content: bytes, at: int, kind: int) -> int:
    """Where the value after one of this type begins. Page headers hold no lists."""
    if kind in (TRUE, FALSE):
        return at
    if kind in (BYTE, DOUBLE):
        return at + (1 if kind == BYTE else 8)
    if kind == BINARY:
        length, at = _length(content, at)
        return at + length
    if kind == STRUCT:
        while content[at]:
            inner, distance = content[at] & 15, content[at] >> 4
            at = at + 1 if distance else _length(content, at + 1)[1]
            at = _length(content, at)[1] if BYTE < inner < DOUBLE else _skip(content, at, inner)
        return at + 1
    raise ValueError("is of a type that no page header has")
