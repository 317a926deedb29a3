"""Rows for other programs: Parquet, CSV, JSON or Arrow, each with a header: what the rows are, whose they are, how to cite them.

The content hash is over the rows alone, so that the same rows have the same hash in every format. Units are base SI, as in the
warehouse. Rows come in parts and wait in a temporary file until the header, which is written before them, is known: ten million rows
need no more memory than one part.
"""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prompt_joules.warehouse import create

KINDS = ("parquet", "csv", "json", "arrow")
METADATA_KEY = "prompt_joules"
# How a cell that a spreadsheet would run as a formula begins: with one of these signs, or one that looks like it (full-width, small,
# raised, lowered), behind whatever has no width; or with a sign that may move what follows into another cell.
SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋⩵⩶﬩−"
FORMULA = rf"^(?:[\t\r\n]|[\p{{Z}}\p{{C}}\s]*[{SIGNS}])"
DEFENDED = "'"
OWN_LICENCE = "rows without a licence: ask who measured them"
PART_ROWS = 20_000


class Said(Protocol):
    """What chose the rows: a Selection, or all that a page shows of one."""

    def words(self) -> str: ...

    def to_query(self) -> dict[str, str | list[str]]: ...


class UnknownKind(Exception):
    """The ending of the file is none of the formats that can be written."""


@dataclass
class Facts:
    """What a header says about rows, gathered part by part.

    Attributes:
        rows: how many there are.
        sources, licences: those that occur.
        unlicensed: whether a row has no licence.
        digest: over names, types and values.
    """

    rows: int = 0
    sources: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)
    unlicensed: bool = False
    digest: Any = field(default_factory=hashlib.sha256)
    schema: pl.Schema | None = None

    def add(self, part: pl.DataFrame) -> None:
        """Take in the next rows; all parts have the same columns."""
        if self.schema is None:
            self.schema = part.schema
            self.digest.update(json.dumps([(name, str(kind)) for name, kind in part.schema.items()]).encode())
        self.rows += part.height
        self.sources |= _distinct(part, "source")
        self.licences |= _distinct(part, "licence")
        self.unlicensed |= "licence" not in part.columns or part["licence"].null_count() > 0
        for rows in part.iter_slices(PART_ROWS):
            self.digest.update(rows.write_ndjson().encode())

    def header(self, selection: Said, what: str, link: str | None = None) -> dict[str, Any]:
        """What a reader of the rows must know.

        Args:
            selection: the filters that chose them.
            what: one line about what one row is.
            link: the address of the view; None means the filters as URL parameters.

        Returns:
            about, filter (words), link, rows, content_sha256, sources, licences, citation, version.
        """
        version = create.project_version()
        sources = sorted(self.sources)
        return {
            "about": what,
            "filter": selection.words(),
            "link": link or selection.to_query(),
            "rows": self.rows,
            "content_sha256": self.digest.hexdigest(),
            "sources": sources,
            "licences": sorted(self.licences) + ([OWN_LICENCE] if self.unlicensed else []),
            "citation": f"Prompt Joules {version}, {self.rows} rows, filter: {selection.words()}, sources: {', '.join(sources) or 'none'}",
            "version": version,
        }


def header_of(rows: pl.DataFrame, selection: Said, what: str) -> dict[str, Any]:
    """The header of rows that are all in memory, as `Facts.header`."""
    return _facts(rows).header(selection, what)


def content_sha256(rows: pl.DataFrame) -> str:
    """Hash of column names, types and values, as 64 hexadecimal digits."""
    return str(_facts(rows).digest.hexdigest())


def _facts(rows: pl.DataFrame) -> Facts:
    facts = Facts()
    facts.add(rows)
    return facts


def save(
    parts: Iterable[pl.DataFrame],
    out: BinaryIO,
    kind: str,
    selection: Said,
    what: str,
    *,
    link: str | None = None,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Write rows that come in parts, behind their header.

    Args:
        parts: at least one, which may be empty; all with the same columns.
        out: an open file.
        kind: one of KINDS.
        selection, what, link: as `Facts.header`.
        folder: for the temporary file of the rows; None means the system's.

    Returns:
        The header.

    Raises:
        UnknownKind: before any part is asked for.
        OSError: no space for the rows, in the file or in the folder.
    """
    known(kind)
    facts = Facts()
    with tempfile.TemporaryFile(dir=folder) as beside:
        _spool(parts, beside, facts)
        header = facts.header(selection, what, link)
        _write(_laid_by(beside), out, header, kind)
    return header


def temporary(parts: Iterable[pl.DataFrame], kind: str, selection: Said, what: str, *, link: str | None = None) -> io.BufferedReader:
    """A temporary file of rows that come in parts, open at its beginning; closing it removes it. Otherwise as `save`."""
    with tempfile.NamedTemporaryFile() as named:
        with Path(named.name).open("wb") as out:
            save(parts, out, kind, selection, what, link=link)
        return Path(named.name).open("rb")


def known(kind: str) -> str:
    """The kind itself. Raises UnknownKind."""
    if kind not in KINDS:
        raise UnknownKind(f"There is no export as {kind!r}; there are {', '.join(KINDS)}.")
    return kind


def _spool(parts: Iterable[pl.DataFrame], beside: BinaryIO, facts: Facts) -> None:
    """Put the parts into a temporary Arrow file, and gather the facts."""
    writer = None
    for part in parts:
        facts.add(part)
        table = part.to_arrow()
        if writer is None:
            writer = pa.ipc.new_file(beside, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        writer.write_table(table, max_chunksize=PART_ROWS)
    assert writer is not None, "rows come in at least one part"
    writer.close()


def _laid_by(beside: BinaryIO) -> Iterator[pa.Table]:
    """The parts of `_spool`; at least one."""
    beside.seek(0)
    reader = pa.ipc.open_file(beside)
    if reader.num_record_batches == 0:
        yield reader.schema.empty_table()
    for place in range(reader.num_record_batches):
        yield pa.Table.from_batches([reader.get_batch(place)])


def write(rows: pl.DataFrame, header: dict[str, Any], kind: str) -> bytes:
    """Rows that are all in memory with their header in one of KINDS. Raises UnknownKind."""
    out = io.BytesIO()
    slices = rows.iter_slices(PART_ROWS) if rows.height else iter([rows])
    _write((part.to_arrow() for part in slices), out, header, known(kind))
    return out.getvalue()


def _write(parts: Iterator[pa.Table], out: BinaryIO, header: dict[str, Any], kind: str) -> None:
    match kind:
        case "parquet" | "arrow":
            _write_binary(parts, out, header, kind)
        case "csv":
            out.write(_comments(header).encode())
            for place, part in enumerate(parts):
                out.write(harmless(_frame(part)).write_csv(include_header=place == 0).encode())
        case "json":
            _write_json(parts, out, header)


def _write_binary(parts: Iterator[pa.Table], out: BinaryIO, header: dict[str, Any], kind: str) -> None:
    """Parquet or an Arrow file, with the header in the metadata of the schema."""
    first = next(parts)
    schema = first.schema.with_metadata({METADATA_KEY: json.dumps(header)})
    with pq.ParquetWriter(out, schema, compression="zstd") if kind == "parquet" else pa.ipc.new_file(out, schema) as writer:
        writer.write_table(first.cast(schema))
        for part in parts:
            writer.write_table(part.cast(schema))


def _write_json(parts: Iterator[pa.Table], out: BinaryIO, header: dict[str, Any]) -> None:
    out.write(f'{{"header": {json.dumps(header)},\n"rows": ['.encode())
    comma = ""
    for part in parts:
        rows = _frame(part).write_json().removeprefix("[").removesuffix("]")
        if rows:
            out.write((comma + rows).encode())
            comma = ","
    out.write(b"]}\n")


def _frame(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(table)


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file beside `target` that takes its name at the end: a file that is there is never half of the new one. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.part")
    try:
        with beside.open("wb") as out:
            yield out
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def harmless(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows for a CSV: nested values as text, and text that a spreadsheet would run as a formula behind an apostrophe, in headers too.

    Args:
        rows: any columns.

    Returns:
        The same rows; numbers stay numbers, because a negative number is no formula. A list of plain values is their texts with | between
        them, what is nested deeper is JSON.
    """
    flat = rows.with_columns(_flat(rows[name]) for name, kind in rows.schema.items() if kind.is_nested())
    texts = [name for name, kind in flat.schema.items() if kind == pl.String]
    defended = flat.with_columns(
        pl.when(pl.col(name).str.contains(FORMULA)).then(pl.lit(DEFENDED) + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name in texts
    )
    return defended.rename(_harmless_names(flat.columns))


def _harmless_names(names: list[str]) -> dict[str, str]:
    """The headers that a spreadsheet would run, and what they are called instead; no two alike."""
    starts = pl.Series(names, dtype=pl.String).str.contains(FORMULA)
    found: dict[str, str] = {}
    for name in (name for name, start in zip(names, starts, strict=True) if start):
        defended = DEFENDED + name
        while defended in names or defended in found.values():
            defended = DEFENDED + defended
        found[name] = defended
    return found


def _flat(values: pl.Series) -> pl.Series:
    """Lists and structures as text; null stays null."""
    kind = values.dtype
    if isinstance(kind, pl.List) and not kind.inner.is_nested() and kind.inner not in (pl.Object, pl.Binary):
        return values.cast(pl.List(pl.String)).list.join("|")
    texts = [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values.to_list()]
    return pl.Series(values.name, texts, dtype=pl.String)


def _comments(header: dict[str, Any]) -> str:
    """The header as comment lines of one cell each: no comma, quote or line break of a filter can begin another cell."""
    plain = str.maketrans({",": ";", '"': "'", "\n": " ", "\r": " ", "\t": " "})
    lines = [f"# {key}: {value if isinstance(value, str | int) else json.dumps(value)}".translate(plain) for key, value in header.items()]
    return "\n".join(lines) + "\n"


def _distinct(rows: pl.DataFrame, column: str) -> set[str]:
    return set(rows[column].drop_nulls().unique()) if column in rows.columns else set()
