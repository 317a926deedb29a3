"""CSV in whatever dialect: comma, semicolon, tab or bar; quotes or none; comment lines. A bad line costs that line."""

import csv
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from prompt_joules.ingest.front.unpack import Unreadable, lines_of

DELIMITERS = (",", ";", "\t", "|")
# Characters of a line, and of a row whose quoted cells span lines.
LONGEST_LINE = 1024 * 1024
# Rows that are held as Python objects at once.
PART_ROWS = 20_000
# The column of a table that holds the number of each row's line. No header has it, since names are stripped.
LINE = " line"
MOST_SHOWN = 80
csv.field_size_limit(2 * LONGEST_LINE)


@dataclass(frozen=True)
class Reject:
    """A row that was refused: its number from 1 (of lines: the line; None: the whole file), column, what is wrong, what stands there."""

    row: int | None
    column: str | None
    reason: str
    cell: str | None = None


def shown(value: object) -> str | None:
    """A wrong value as a person finds it in the file, cut where it is long."""
    return None if value is None else str(value)[:MOST_SHOWN]


@dataclass(frozen=True)
class Table:
    """A CSV file."""

    cells: pl.DataFrame  # one row per line with cells, all text; an empty cell is null; the column LINE holds the line's number
    rejects: list[Reject]  # lines that are no row
    doubled: frozenset[str]  # names that several columns have; `cells` has the first of them


@dataclass(frozen=True)
class Header:
    """The names of a table's columns, stripped, with the number of their line, and what stands between two of them."""

    line: int
    names: tuple[str, ...]
    delimiter: str


def header_of(path: Path) -> Header | None:
    """The first line that is neither blank nor a comment; None when there is none. Raises Unreadable when it is no text, OSError."""
    return _header(lines_of(path, LONGEST_LINE))


def _header(lines: Iterator[tuple[int, str | None]]) -> Header | None:
    for number, line in lines:
        if line is None:
            raise Unreadable(f"is no text: line {number} has zero bytes, is not UTF-8 or is too long")
        if line.strip() and not line.startswith("#"):
            delimiter = max(DELIMITERS, key=lambda mark: len(_split(line, mark) or ()))
            cells = _split(line, delimiter) or [line]
            return Header(number, tuple(cell.strip() for cell in cells), delimiter)
    return None


def _split(text: str, delimiter: str) -> list[str] | None:
    """The cells of a row; None when a quote in it is not closed or closes too early."""
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=delimiter != "\t", strict=True), [])
    except csv.Error:
        return None


def read(path: Path) -> Table:
    """All rows of a CSV file.

    Raises:
        Unreadable: it is no table, damaged, or too large.
        OSError: the file cannot be read.
    """
    lines = lines_of(path, LONGEST_LINE)
    header = _header(lines)
    if header is None:
        raise Unreadable("is no table: it has no line of text")
    rejects: list[Reject] = []
    firsts = {name: header.names.index(name) for name in header.names}
    schema = {LINE: pl.Int64} | dict.fromkeys(firsts, pl.String)
    rows = _rows(lines, header, rejects)
    parts = [pl.DataFrame(schema=schema)]
    while part := list(itertools.islice(rows, PART_ROWS)):
        columns = {name: [cells[place] or None for _, cells in part] for name, place in firsts.items()}
        parts.append(pl.DataFrame({LINE: [number for number, _ in part]} | columns, schema=schema))
    doubled = frozenset(name for name in firsts if name and header.names.count(name) > 1)
    return Table(pl.concat(parts), rejects, doubled)


def _rows(lines: Iterable[tuple[int, str | None]], header: Header, rejects: list[Reject]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table: the line on which each begins, and its cells. Lines that are no row are added to `rejects`."""
    wanted = len(header.names)
    for number, text in _joined(iter(lines), header.delimiter):
        cells = None if text is None else _split(text, header.delimiter)
        if cells is None:
            why = "it has zero bytes, is not UTF-8 or is too long" if text is None else "a quote in it is not closed"
            rejects.append(Reject(number, None, f"is no row of a table: {why}"))
            continue
        while len(cells) > wanted and not cells[-1]:
            cells.pop()
        if len(cells) != wanted and text is not None and text.startswith("#"):
            continue
        if len(cells) != wanted and any(cells):
            rejects.append(Reject(number, None, f"has {len(cells):,} cells, the header has {wanted:,}: a line that was cut off or joined"))
        elif any(cells):
            yield number, cells


def _joined(lines: Iterator[tuple[int, str | None]], delimiter: str) -> Iterator[tuple[int, str | None]]:
    """Lines, those of a quoted cell joined to the row that they belong to. A quote that is never closed costs its line alone."""
    waiting: deque[tuple[int, str | None]] = deque()
    while True:
        number, text = waiting.popleft() if waiting else next(lines, (0, None))
        if not number:
            return
        if text is None or '"' not in text or _split(text, delimiter) is not None:
            yield number, text
            continue
        taken: list[tuple[int, str | None]] = []
        first = text
        while text is not None and text.count('"') % 2 and len(text) <= LONGEST_LINE:
            following, more = waiting.popleft() if waiting else next(lines, (0, None))
            if following:
                taken.append((following, more))
            text = None if more is None else f"{text}\n{more}"
        if text is not None and _split(text, delimiter) is not None:
            yield number, text
        else:
            yield number, first
            waiting.extendleft(reversed(taken))
