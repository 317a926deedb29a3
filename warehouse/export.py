"""Rows for other programs, with a header: what the rows are, whose they are, how to cite them. `rows_as` knows the formats.

The content hash is over the rows alone, so that the same rows have the same hash in every format. Units are base SI, as in the
warehouse. Rows come in parts and wait in a temporary file until the header, which is written before them, is known: ten million rows
need no more memory than one part.
"""

import functools
import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlencode

import polars as pl
import pyarrow as pa

from prompt_joules.warehouse import commands, create, rows_as

# The address of the app where none is given.
APP = "http://localhost:8501/leaderboard"
OWN_LICENCE = "rows without a licence: ask who measured them"
SHIPPED_LICENCE = "Apache-2.0 (measured by Prompt Joules)"
PART_ROWS = 20_000


class Said(Protocol):
    """What chose the rows: a Selection, or all that a page shows of one."""

    def words(self) -> str: ...

    def to_query(self) -> dict[str, str | list[str]]: ...


@dataclass
class Facts:
    """What a header says about rows, gathered part by part."""

    rows: int = 0  # how many there are
    # sources, licences: those that occur.
    sources: set[str] = field(default_factory=set)
    licences: set[str] = field(default_factory=set)
    unlicensed: bool = False  # whether a row has no licence
    digest: Any = field(default_factory=hashlib.sha256)  # over names, types and values
    schema: pl.Schema | None = None

    def add(self, part: pl.DataFrame) -> None:
        """Take in the next rows; all parts have the same columns."""
        if self.schema is None:
            self.schema = part.schema
            self.digest.update(json.dumps([(name, str(kind)) for name, kind in part.schema.items()]).encode())
        self.rows += part.height
        self.sources |= _distinct(part, "source")
        self.licences |= _distinct(part, "licence")
        ours, others = _of_runs(part)
        self.licences |= {SHIPPED_LICENCE} if ours else set()
        self.unlicensed |= others
        for rows in part.iter_slices(PART_ROWS):
            self.digest.update(rows.write_ndjson().encode())

    def header(self, selection: Said, what: str, link: str | None = None) -> dict[str, Any]:
        """What a reader of the rows must know.

        Args:
            selection: the filters that chose them.
            what: one line about what one row is.
            link: the address of the view; None means the app on this machine with these filters.

        Returns:
            about, filter (words), link, rows, content_sha256, sources, licences, citation, version.
        """
        version = create.project_version()
        sources = sorted(self.sources)
        return {
            "about": what,
            "filter": selection.words(),
            "link": link or link_of(selection),
            "rows": self.rows,
            "content_sha256": self.digest.hexdigest(),
            "sources": sources,
            "licences": sorted(self.licences) + ([OWN_LICENCE] if self.unlicensed else []),
            "citation": f"Prompt Joules {version}, {self.rows} rows, filter: {selection.words()}, sources: {', '.join(sources) or 'none'}",
            "version": version,
        }


def shipped_runs() -> frozenset[str]:
    """Ids of the runs that ship with the project, which are under its licence."""
    return _runs_below(commands.SHIPPED)


@functools.cache
def _runs_below(folder: Path) -> frozenset[str]:
    return frozenset(path.parent.name for path in folder.glob("measured/*/*/run.json"))


def is_shipped(result_id: str) -> bool:
    """Whether a result is a run that ships with the project."""
    return result_id.removeprefix("run:") in shipped_runs()


def _of_runs(part: pl.DataFrame) -> tuple[bool, bool]:
    """Whether rows that have no licence of their own are of runs that ship, and whether some are of anybody else."""
    bare = part.filter(pl.col("licence").is_null()) if "licence" in part.columns else part
    if bare.is_empty():
        return False, False
    name = next((name for name in ("run_id", "result_id") if name in bare.columns), None)
    if name is None:
        return False, True
    shipped = bare[name].str.strip_prefix("run:").is_in(list(shipped_runs())).fill_null(False)
    return bool(shipped.any()), not bool(shipped.all())


def link_of(selection: Said, app: str = APP) -> str:
    """The address at which the app shows the rows.

    Args:
        selection: the filters.
        app: address of a page.
    """
    asked = urlencode(selection.to_query(), doseq=True)
    return f"{app}?{asked}" if asked else app


def header_of(rows: pl.DataFrame, selection: Said, what: str, link: str | None = None) -> dict[str, Any]:
    """The header of rows that are all in memory, as `Facts.header`."""
    facts = Facts()
    facts.add(rows)
    return facts.header(selection, what, link)


def save(
    parts: Iterable[pl.DataFrame],
    out: BinaryIO,
    kind: str,
    selection: Said,
    what: str,
    *,
    link: str | None = None,
    folder: Path | None = None,
    comments: bool = True,
) -> dict[str, Any]:
    """Write rows that come in parts, behind their header.

    Args:
        parts: at least one, which may be empty; all with the same columns.
        out: an open file.
        kind: one of KINDS.
        selection, what, link: as `Facts.header`.
        folder: for the temporary file of the rows; None means the system's.
        comments: whether a CSV begins with the header as comment lines.

    Returns:
        The header.

    Raises:
        UnknownKind: before any part is asked for.
        DoesNotFit: a sheet of Excel has no room for them.
        OSError: no space for the rows, in the file or in the folder.
    """
    rows_as.known(kind)
    facts = Facts()
    with tempfile.TemporaryFile(dir=folder) as beside:
        _spool(parts, beside, facts)
        header = facts.header(selection, what, link)
        rows_as.write(_spooled(beside), out, header, kind, comments=comments)
    return header


def temporary(parts: Iterable[pl.DataFrame], kind: str, selection: Said, what: str, *, link: str | None = None) -> io.BufferedReader:
    """A temporary file of rows that come in parts, open at its beginning; closing it removes it. Otherwise as `save`."""
    with tempfile.NamedTemporaryFile() as named:
        with Path(named.name).open("wb") as out:
            save(parts, out, kind, selection, what, link=link)
        return Path(named.name).open("rb")


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


def _spooled(beside: BinaryIO) -> Iterator[pa.Table]:
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
    rows_as.write((part.to_arrow() for part in slices), out, header, rows_as.known(kind))
    return out.getvalue()


def _distinct(rows: pl.DataFrame, column: str) -> set[str]:
    return set(rows[column].drop_nulls().unique()) if column in rows.columns else set()
