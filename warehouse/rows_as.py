"""How rows are written for other programs: Parquet, CSV, JSON, JSON lines, Arrow, Excel; part by part, as they come."""

import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from prompt_joules.warehouse.errors import ForPeople

KINDS = ("parquet", "csv", "json", "jsonl", "arrow", "xlsx")
# Formats that have no place for a header.
WITHOUT_PLACE = ("csv", "jsonl")
SHEET_ROWS = 1_048_576
METADATA_KEY = "prompt_joules"
# How a cell that a spreadsheet would run as a formula begins: with one of these signs, or one that looks like it (full-width, small,
# raised, lowered), behind whatever has no width; or with a sign that may move what follows into another cell.
SIGNS = "=+\\-@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋⩵⩶﬩−"
FORMULA = rf"^(?:[\t\r\n]|[\p{{Z}}\p{{C}}\s]*[{SIGNS}])"
DEFENDED = "'"


class UnknownKind(ForPeople):
    """The ending of the file is none of the formats that can be written."""


def known(kind: str) -> str:
    """The kind itself. Raises UnknownKind."""
    if kind not in KINDS:
        raise UnknownKind(f"There is no export as {kind!r}; there are {', '.join(KINDS)}.")
    return kind


class DoesNotFit(ForPeople):
    """A spreadsheet has no room for the rows; the text says where, and what to write instead."""


def write(parts: Iterator[pa.Table], out: BinaryIO, header: dict[str, Any], kind: str, *, comments: bool = True) -> None:
    """Write rows with their header.

    Args:
        parts: at least one, all with the same columns.
        out: an open file.
        header: what must be known about the rows, see `export.Facts.header`. JSON lines have no place for it.
        kind: one of KINDS.
        comments: whether a CSV begins with the header as comment lines.

    Raises:
        DoesNotFit: more rows, or a longer text, than a sheet of Excel can have.
    """
    match kind:
        case "parquet" | "arrow":
            _write_binary(parts, out, header, kind)
        case "jsonl":
            for part in parts:
                out.write(pl.DataFrame(part).write_ndjson().encode())
        case "xlsx":
            _write_sheet(parts, out, header)
        case "csv":
            if comments:
                out.write(_comments(header).encode())
            for place, part in enumerate(parts):
                out.write(harmless(pl.DataFrame(part)).write_csv(include_header=place == 0).encode())
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
        rows = pl.DataFrame(part).write_json().removeprefix("[").removesuffix("]")
        if rows:
            out.write((comma + rows).encode())
            comma = ","
    out.write(b"]}\n")


def _write_sheet(parts: Iterator[pa.Table], out: BinaryIO, header: dict[str, Any]) -> None:
    """A workbook of two sheets: the rows, and what must be known about them. No text of it is run as a formula or a link."""
    import xlsxwriter

    plain = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, plain)
    sheet, about = book.add_worksheet("rows"), book.add_worksheet("about")
    for line, (key, value) in enumerate(header.items()):
        about.write_row(line, 0, [key, value if isinstance(value, str | int) else json.dumps(value)])
    line = 0
    for part in parts:
        rows = _for_cells(pl.DataFrame(part))
        if line == 0:
            sheet.write_row(0, 0, rows.columns)
        if line + rows.height >= SHEET_ROWS:
            raise DoesNotFit(f"A sheet of Excel has {SHEET_ROWS:,} rows, and there are more: write .csv or .parquet, or choose fewer rows.")
        for row in rows.iter_rows():
            line += 1
            for place, value in enumerate(row):
                cell = str(value) if isinstance(value, float) and not math.isfinite(value) else value
                if cell is not None and sheet.write(line, place, cell) != 0:
                    raise DoesNotFit(
                        f"Row {line}, column {rows.columns[place]}: a cell of Excel holds 32,767 signs: write .csv or .parquet."
                    )
    book.close()


def _for_cells(rows: pl.DataFrame) -> pl.DataFrame:
    """Texts, numbers and truth values only: a cell knows no list, no zone of time and no infinite number."""
    flat = rows.with_columns(_flat(rows[name]) for name, kind in rows.schema.items() if kind.is_nested())
    odd = [name for name, kind in flat.schema.items() if not (kind.is_numeric() or kind in (pl.String, pl.Boolean))]
    return flat.with_columns(pl.col(name).cast(pl.String) for name in odd)


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


def as_before(cells: pl.DataFrame) -> pl.DataFrame:
    """Cells of a CSV without the apostrophes that `harmless` put before them."""
    texts = [pl.col(name) for name, kind in cells.schema.items() if kind == pl.String]
    rest = [text.str.strip_prefix(DEFENDED) for text in texts]
    return cells.with_columns(
        pl.when(text.str.starts_with(DEFENDED) & bare.str.contains(FORMULA)).then(bare).otherwise(text).name.keep()
        for text, bare in zip(texts, rest, strict=True)
    )


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
