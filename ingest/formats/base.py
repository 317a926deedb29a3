"""What a format is: how it is recognised, and how its files are loaded into a connection. Knows no format."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from prompt_joules.ingest.statements import statement

LARGEST_JSON = 64 * 1024 * 1024
LARGEST_TEXT = 512 * 1024 * 1024
HEAD_BYTES = 4096


class Unreadable(Exception):
    """A file cannot be loaded at all; the text is one sentence that says why."""


def finite(value: Any) -> float:
    """A number as float. Raises TypeError or ValueError for anything else, an infinite one included."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def parse_json(text: bytes | str) -> Any:
    """JSON whose whole numbers fit a number: one too large becomes infinite, which no check lets pass. Raises ValueError."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= 19 else float(digits))


@dataclass(frozen=True)
class Head:
    """The beginning of a file, enough to recognise it.

    Attributes:
        path: the file.
        start: its first 4,096 bytes.
        size: its size in bytes.
    """

    path: Path
    start: bytes
    size: int

    @classmethod
    def of(cls, path: Path) -> "Head":
        """Read the beginning of a file. Raises OSError."""
        with path.open("rb") as file:
            return cls(path, file.read(HEAD_BYTES), path.stat().st_size)

    @property
    def header(self) -> tuple[str, ...]:
        """The cells of the first line, when it is a line of plain CSV; else an empty tuple."""
        line, found, _ = self.start.partition(b"\n")
        if not found or b"\x00" in line or self.start[:1] in (b"{", b"["):
            return ()
        return tuple(line.decode("utf-8", errors="replace").removeprefix("\ufeff").strip().split(","))

    @cached_property
    def json(self) -> Any:
        """The whole content, when it is JSON of a sane size; else None."""
        if self.start.lstrip()[:1] not in (b"{", b"[") or self.size > LARGEST_JSON:
            return None
        try:
            return parse_json(self.path.read_bytes())
        except (ValueError, RecursionError, OSError):
            return None


@dataclass(frozen=True)
class Source:
    """A file that is about to be loaded.

    Attributes:
        file_id: its number in the warehouse.
        path: where it is now.
        name: how the warehouse calls it.
        sha256: hash of its bytes.
        size: bytes.
    """

    file_id: int
    path: Path
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Reject:
    """A row that was refused: number in the file from 1 (None: the whole file), column, and what is wrong."""

    row: int | None
    column: str | None
    reason: str


@dataclass(frozen=True)
class Loaded:
    """What became of one file: rows loaded and rows refused."""

    source: Source
    accepted: int
    rejected: int


@dataclass(frozen=True)
class Format:
    """A source format.

    Attributes:
        name: as stored in `ingested_files` and shown to people.
        meaning: one line for `python -m ingest formats`.
        recognises: whether a file is of this format.
        load: loads files of this format inside the caller's transaction; raises Unreadable for the first bad one.
        batch: how many files one call of `load` should get.
        into: the table whose rows `Loaded.accepted` counts; empty when it counts something else.
    """

    name: str
    meaning: str
    recognises: Callable[[Head], bool]
    load: Callable[[duckdb.DuckDBPyConnection, Sequence[Source]], list[Loaded]]
    batch: int = 1
    into: str = ""


def text_of(source: Source) -> str:
    """The content of a text file of a sane size. Raises Unreadable."""
    if source.size > LARGEST_TEXT:
        raise Unreadable(f"has {source.size:,} bytes; a file of this kind may have {LARGEST_TEXT:,}")
    try:
        return source.path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not UTF-8 text (byte {error.start})") from error


def write_rejects(connection: duckdb.DuckDBPyConnection, source: Source, rejects: Sequence[Reject]) -> None:
    """Put refused rows of a small file into the warehouse."""
    for reject in rejects:
        connection.execute(
            statement("reject"),
            {
                "file_id": source.file_id,
                "path": source.name,
                "row": reject.row,
                "column": reject.column,
                "reason": reject.reason,
            },
        )
