"""Rows for other programs: Parquet, CSV, JSON or Arrow, each with a header: what the rows are, whose they are, how to cite them.

Knows nothing of files: bytes out. The content hash is over the rows alone, so that the same rows have the same hash in
every format. Units are base SI, as in the warehouse.
"""

import hashlib
import io
import json
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse import store
from warehouse.selection import Selection

KINDS = ("parquet", "csv", "json", "arrow")
METADATA_KEY = "prompt_joules"
# How a cell that a spreadsheet would run as a formula begins.
FORMULA = "=+-@\t\r\n"
DEFENDED = "'"
OWN_LICENCE = "rows without a licence: ask who measured them"


class UnknownKind(Exception):
    """The ending of the file is none of the formats that can be written."""


def header_of(rows: pl.DataFrame, selection: Selection, what: str) -> dict[str, Any]:
    """What a reader of the rows must know.

    Args:
        rows: what is exported.
        selection: the filters that chose them.
        what: one line about what one row is.

    Returns:
        about, filter (words), link (URL parameters), rows, content_sha256, sources, licences, citation, version.
    """
    sources = _distinct(rows, "source")
    version = store.project_version()
    return {
        "about": what,
        "filter": selection.words(),
        "link": selection.to_query(),
        "rows": rows.height,
        "content_sha256": content_sha256(rows),
        "sources": sources,
        "licences": _distinct(rows, "licence") + ([OWN_LICENCE] if _some_null(rows, "licence") else []),
        "citation": f"Prompt Joules {version}, {rows.height} rows, filter: {selection.words()}, sources: {', '.join(sources) or 'none'}",
        "version": version,
    }


def content_sha256(rows: pl.DataFrame) -> str:
    """Hash of column names, types and values, as 64 hexadecimal digits."""
    digest = hashlib.sha256(json.dumps([(name, str(kind)) for name, kind in rows.schema.items()]).encode())
    for part in rows.iter_slices(50_000):
        digest.update(part.write_ndjson().encode())
    return digest.hexdigest()


def write(rows: pl.DataFrame, header: dict[str, Any], kind: str) -> bytes:
    """The rows with their header in one of KINDS. Raises UnknownKind."""
    match kind:
        case "parquet":
            out = io.BytesIO()
            pq.write_table(_marked(rows, header), out, compression="zstd")
            return out.getvalue()
        case "arrow":
            out = io.BytesIO()
            table = _marked(rows, header)
            with pa.ipc.new_file(out, table.schema) as writer:
                writer.write_table(table)
            return out.getvalue()
        case "csv":
            return (_comments(header) + harmless(rows).write_csv()).encode()
        case "json":
            return f'{{"header": {json.dumps(header)},\n"rows": {rows.write_json()}}}\n'.encode()
        case _:
            raise UnknownKind(f"There is no export as {kind!r}; there are {', '.join(KINDS)}.")


def harmless(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows for a CSV: lists as text, and text that a spreadsheet would run as a formula behind an apostrophe.

    Args:
        rows: any columns; nested ones must be lists of text.

    Returns:
        The same rows; numbers stay numbers, because a negative number is no formula.
    """
    flat = rows.with_columns(pl.col(name).cast(pl.List(pl.String)).list.join("|") for name, kind in rows.schema.items() if kind == pl.List)
    texts = [name for name, kind in flat.schema.items() if kind == pl.String]
    starts = [pl.col(name).str.slice(0, 1).is_in(list(FORMULA)) for name in texts]
    return flat.with_columns(
        pl.when(start).then(pl.lit(DEFENDED) + pl.col(name)).otherwise(pl.col(name)).alias(name)
        for name, start in zip(texts, starts, strict=True)
    )


def _comments(header: dict[str, Any]) -> str:
    """The header as comment lines of one cell each: no comma, quote or line break of a filter can begin another cell."""
    plain = str.maketrans({",": ";", '"': "'", "\n": " ", "\r": " ", "\t": " "})
    lines = [f"# {key}: {value if isinstance(value, str | int) else json.dumps(value)}".translate(plain) for key, value in header.items()]
    return "\n".join(lines) + "\n"


def _marked(rows: pl.DataFrame, header: dict[str, Any]) -> pa.Table:
    table = rows.to_arrow()
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(header)})


def _distinct(rows: pl.DataFrame, column: str) -> list[str]:
    return rows[column].drop_nulls().unique().sort().to_list() if column in rows.columns else []


def _some_null(rows: pl.DataFrame, column: str) -> bool:
    return column not in rows.columns or rows[column].null_count() > 0
