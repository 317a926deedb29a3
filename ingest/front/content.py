"""What kind of file it is, and what it is recognised by: the keys of its JSON, or the header of its table."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from prompt_joules.ingest.front import columnar, documents, table
from prompt_joules.ingest.front.documents import LARGEST_JSON
from prompt_joules.ingest.front.unpack import Unreadable, lines_of, start_of

Kind = columnar.Columnar | Literal["document", "lines", "table"]
# Files that are no text and that people try all the same: their first bytes, what they are, and what to do.
NOT_READ = (
    (b"PK\x03\x04", "is an Excel file or another zip: save the table as CSV; of an export of ours write .csv or .parquet instead"),
    (b"SQLite format 3", "is a SQLite database: write the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel file: save the table as CSV"),
    (b"%PDF", "is a PDF: no table is read out of it"),
)
DUCKDB, DUCKDB_AT = b"DUCK", 8
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
TABLE_ENDINGS = (".parquet", ".arrow", ".csv", ".tsv")
ENDINGS = (*TABLE_ENDINGS, *JSON_ENDINGS)
PACKED_ENDINGS = (".gz", ".zst")
# Logs of text, recognised by how their names end, are looked at inside folders too.
LOGS = ("_carbontracker.log",)


def ending(path: Path) -> str:
    """The ending of a file's name that says what is in it, without that of its compression, in lower case."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED_ENDINGS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def may_hold_results(path: Path) -> bool:
    """Whether a file inside a folder is looked at, by its name alone."""
    unpacked = path.name.removesuffix(next((packed for packed in PACKED_ENDINGS if path.suffix.lower() == packed), ""))
    return ending(path) in ENDINGS or unpacked.endswith(LOGS)


def _refuse_binary(start: bytes) -> None:
    """Raise Unreadable for a file that is known to be neither Parquet nor text."""
    if start[DUCKDB_AT : DUCKDB_AT + len(DUCKDB)] == DUCKDB:
        raise Unreadable("is a DuckDB database: load the files that it was made of, or an export of it")
    for magic, why in NOT_READ:
        if start.startswith(magic):
            raise Unreadable(why)


def beside(path: Path) -> Path:
    """A file that belongs to another one, under its own name or that of a packed form; the path as given where there is neither."""
    forms = (path, *(path.with_name(path.name + packed) for packed in PACKED_ENDINGS))
    return next((form for form in forms if form.exists()), path)


@dataclass(frozen=True)
class Content:
    """What is in one file. Nothing is read before it is asked for."""

    path: Path  # the file
    size: int  # its bytes

    @classmethod
    def of(cls, path: Path) -> "Content":
        """The content of a file. Raises OSError."""
        return cls(path, path.stat().st_size)

    @cached_property
    def _kind(self) -> Kind | Unreadable:
        try:
            return self._look()
        except Unreadable as error:
            return error

    def _look(self) -> Kind:
        with self.path.open("rb") as file:
            start_bytes = file.read(16)
        if (typed := columnar.kind_of(start_bytes)) is not None:
            return typed
        _refuse_binary(start_bytes)
        start = start_of(self.path).lstrip()[:1]
        if start in ("{", "["):
            return "lines" if start == "{" and self._has_lines() else "document"
        if ending(self.path) in JSON_ENDINGS:
            # A lone number or text is JSON, too.
            documents.value_of(self._bytes)
        return "table"

    def _has_lines(self) -> bool:
        """Whether the first line is a whole JSON object and another line follows."""
        said = (line for _, line in lines_of(self.path, LARGEST_JSON) if line is None or line.strip())
        line, following = next(said, None), next(said, "")
        return line is not None and following != "" and documents.is_object(line)

    @cached_property
    def kind(self) -> Kind | None:
        """Parquet, Arrow, a JSON document, JSON objects one a line, or a table; None for what is none of these. Raises OSError."""
        return None if isinstance(self._kind, Unreadable) else self._kind

    @cached_property
    def _keys(self) -> frozenset[str] | Unreadable:
        try:
            if self.kind == "document":
                return documents.keys_of(self._bytes)
            return frozenset(self.first) if self.kind == "lines" else frozenset()
        except Unreadable as error:
            return error

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the JSON object, or of the first of several; nothing for what is no JSON. Raises OSError."""
        if not isinstance(self._keys, Unreadable):
            return self._keys
        try:
            return frozenset(self.first) if self.is_list else frozenset()
        except Unreadable:
            return frozenset()

    @property
    def problem(self) -> str | None:
        """Why the file cannot be read by anybody: damaged, cut off, or no JSON although it should be. Raises OSError."""
        looked = (self._kind, self._keys, self._header, self._columns)
        found = next((found for found in looked if isinstance(found, Unreadable)), None)
        return None if found is None else str(found)

    @property
    def is_list(self) -> bool:
        """Whether the file is a JSON list, whole or cut off. Raises OSError."""
        return self.kind == "document" and start_of(self.path).lstrip()[:1] == "["

    @cached_property
    def _header(self) -> table.Header | Unreadable | None:
        try:
            return table.header_of(self.path) if self.kind == "table" else None
        except Unreadable as error:
            return error

    @property
    def header(self) -> tuple[str, ...]:
        """The names of a table's columns; nothing for what is no table. Raises OSError."""
        return self._header.names if isinstance(self._header, table.Header) else ()

    @property
    def columnar(self) -> columnar.Columnar | None:
        """Parquet or Arrow; None for a file of another kind. Raises OSError."""
        return self.kind if self.kind in ("parquet", "arrow") else None

    @cached_property
    def _columns(self) -> frozenset[str] | Unreadable:
        try:
            return columnar.names_of(self.path, self.columnar) if self.columnar else frozenset()
        except Unreadable as error:
            return error

    @property
    def columns(self) -> frozenset[str]:
        """The columns of a Parquet or Arrow file; nothing for another, or a damaged one. Raises OSError."""
        return frozenset() if isinstance(self._columns, Unreadable) else self._columns

    @property
    def names(self) -> frozenset[str]:
        """What the values of a file are called: the columns of its table, or the keys of its (first) JSON object. Raises OSError."""
        return frozenset(self.header) | self.keys

    def frame(self) -> pl.DataFrame:
        """All rows of a Parquet or Arrow file. Raises Unreadable, also for a file of another kind, OSError."""
        if self.columnar is None:
            raise Unreadable("is neither Parquet nor Arrow")
        return columnar.read(self.path, self.columnar)

    @cached_property
    def _bytes(self) -> bytes:
        return documents.document_of(self.path)

    @cached_property
    def json(self) -> Any:
        """A whole JSON document; None for a file of another kind. Raises Unreadable, OSError."""
        return documents.value_of(self._bytes) if self.kind == "document" else None

    @cached_property
    def first(self) -> dict[str, Any]:
        """The first JSON object; empty when there is none or it is cut off. Raises Unreadable, OSError."""
        _, found = next(self.objects(), (0, None))
        return found or {}

    def objects(self) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """The JSON objects of a file, each with its line, or with its place from 1 in a list; None for what is no whole object.

        A document that is one object gives that. A list may be cut off anywhere: what is whole is given.

        Raises:
            Unreadable: a document that is no list is no whole JSON.
            OSError: the file cannot be read.
        """
        if self.kind == "lines":
            return documents.objects_of_lines(self.path)
        if self.is_list:
            return documents.objects_of_list(self._bytes)
        return iter([(1, self.json)]) if isinstance(self.json, dict) else iter(())

    def table(self) -> table.Table:
        """All rows of a table. Raises Unreadable, OSError."""
        return table.read(self.path)
