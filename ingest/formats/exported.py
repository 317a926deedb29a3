"""Rows that this project exported: the leaderboard as CSV, JSON, JSON lines, Parquet, Arrow, or a data package → `published`.

A configuration comes back as a figure: what it is, and its means. Dropped are percentiles, intervals, times, verdicts and scores. It counts
once: where the run or the published figure itself is in the warehouse, its copy is not shown. Rows that did not count where they come from
are refused. Prompts that were exported lack what a run needs: they are refused, and the reason says what to ask for.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars as pl

from prompt_joules.ingest.formats import records
from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Reject, Source, Unreadable, content_of, one_by_one
from prompt_joules.ingest.formats.figures import UNSAID
from prompt_joules.ingest.formats.published import FIGURES_REQUIRED, FIGURES_SCHEMA, TEXT, cells_of, checked, read_table, store
from prompt_joules.ingest.front.table import LINE
from prompt_joules.warehouse import export, rows_as

KEYS = frozenset(("result_id", "origin", "generation", "model_id", "harness_version", "energy_j", "valid", "reasons"))
# Ids of exported results begin with this, so that they differ from those of the results themselves.
COPY = "exported:"
SCHEMA = {"result_id": TEXT} | FIGURES_SCHEMA


def figure_of(row: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of an exported configuration, or why it is none."""
    name = row.get("result_id")
    if not isinstance(name, str) or not row.keys() >= KEYS:
        return "is no whole configuration"
    if str(row["valid"]).lower() != "true":
        return f"does not count where it comes from ({row['reasons'] or 'no reason given'})"
    own = row["origin"] == "measured"
    random = ", random weights" if row.get("weights") == "dummy" else ""
    return UNSAID | {
        **{column: row[column] for column in FIGURES_SCHEMA if row.get(column) is not None},
        "result_id": COPY + name.removeprefix(COPY),
        "generation": "imported" if own else row["generation"],
        "published_model_id": row["model_id"],
        "engine": f"{row.get('engine')}{random}",
        "licence": row.get("licence") or (export.SHIPPED_LICENCE if export.is_shipped(name) else UNSAID["licence"]),
    }


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    """The rows of an export of any kind, each with its line or number from 1. Raises Unreadable."""
    if content.kind == "table":
        table = read_table(source, content.header)
        rejects += table.rejects
        yield from ((row.pop(LINE), row) for row in rows_as.as_before(table.cells).iter_rows(named=True))
    elif content.columnar:
        yield from enumerate(content.frame().iter_rows(named=True), 1)
    elif "rows" in content.keys:
        rows = content.json["rows"]
        if not isinstance(rows, list):
            raise Unreadable("is no whole export: its rows are no list")
        yield from ((number, row if isinstance(row, dict) else None) for number, row in enumerate(rows, 1))
    else:
        yield from content.objects()


def _names(content: Content) -> frozenset[str]:
    """The columns of an export of any kind."""
    if content.keys >= {"header", "rows"}:
        rows = content.json["rows"] if isinstance(content.json, dict) else None
        return frozenset(rows[0]) if isinstance(rows, list) and rows and isinstance(rows[0], dict) else frozenset()
    return content.names | content.columns


def _recognises(content: Content) -> bool:
    try:
        names = _names(content)
    except (OSError, ValueError):
        return False
    return names >= KEYS or names >= records.EXPORTED


def _load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    content = content_of(source)
    if not _names(content) >= KEYS:
        raise Unreadable(records.TOO_FEW)
    rejects: list[Reject] = []
    numbers, figures = [], []
    for number, row in rows_of(source, content, rejects):
        figure = "is no whole row" if row is None else figure_of(row)
        if isinstance(figure, str):
            rejects.append(Reject(number, None, figure))
        else:
            numbers.append(number)
            figures.append(figure)
    cells = cells_of(figures, list(SCHEMA)).with_columns(pl.Series(LINE, numbers, dtype=pl.Int64))
    rows, bad = checked(cells, SCHEMA, ("result_id", *FIGURES_REQUIRED))
    return store(connection, source, rows, [*rejects, *bad], "exported")


FORMAT = Format(
    Facts("export", "configurations that `export` or the app wrote: CSV, JSON, JSON lines, Parquet, Arrow", "this version"),
    into="published",
    recognises=_recognises,
    load=one_by_one(_load),
)
