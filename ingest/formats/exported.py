"""Rows that this project exported: the leaderboard as CSV, JSON, JSON lines, Parquet, Arrow, or a data package → `published`.

A configuration comes back as a figure: what it is, and its means. Dropped are percentiles, intervals, times, verdicts and scores. It counts
once: where the run or the published figure itself is in the warehouse, its copy is not shown. Rows that did not count where they come from
are refused. Prompts that were exported lack what a run needs: they are refused, and the reason says what to ask for.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats import records
from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source, Unreadable
from prompt_joules.ingest.formats.figures import UNSAID, Run, format_of
from prompt_joules.ingest.formats.published import FIGURES_REQUIRED, FIGURES_SCHEMA, TEXT, Kind, read_table
from prompt_joules.ingest.front.table import LINE
from prompt_joules.warehouse import export, rows_as

KEYS = frozenset(("result_id", "origin", "generation", "model_id", "harness_version", "energy_j", "valid", "reasons"))
# Ids of exported results begin with this, so that they differ from those of the results themselves.
COPY = "exported:"
KIND = Kind({"result_id": TEXT} | FIGURES_SCHEMA, ("result_id", *FIGURES_REQUIRED), "exported")


def figure_of(row: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of an exported configuration, or why it is none."""
    name = row.get("result_id")
    if not isinstance(name, str) or not row.keys() >= KEYS:
        return "is no whole configuration"
    if str(row["valid"]).lower() != "true":
        return f"does not count where it comes from ({row['reasons'] or 'no reason given'})"
    own = row["origin"] == "measured"
    random = ", random weights" if row.get("weights") == "dummy" else ""
    return {
        **{column: row[column] for column in FIGURES_SCHEMA if row.get(column) is not None},
        "result_id": COPY + name.removeprefix(COPY),
        "generation": "imported" if own else row["generation"],
        "published_model_id": row["model_id"],
        "engine": f"{row.get('engine')}{random}",
        "licence": row.get("licence") or (export.SHIPPED_LICENCE if export.is_shipped(name) else UNSAID["licence"]),
    }


def _read(source: Source, content: Content) -> Iterator[Run | Reject]:
    """The figures of an export of any kind, each with its line or number from 1. Raises Unreadable."""
    if not _names(content) >= KEYS:
        raise Unreadable(records.TOO_FEW)
    rows: Iterable[tuple[int, Any]]
    if content.kind == "table":
        table = read_table(source, content.header)
        yield from table.rejects
        rows = ((row.pop(LINE), row) for row in rows_as.as_before(table.cells).iter_rows(named=True))
    elif content.columnar:
        rows = enumerate(content.frame().iter_rows(named=True), 1)
    elif "rows" in content.keys:
        if not isinstance(found := content.json["rows"], list):
            raise Unreadable("is no whole export: its rows are no list")
        rows = enumerate(found, 1)
    else:
        rows = content.objects()
    for number, row in rows:
        yield number, figure_of(row) if isinstance(row, Mapping) else "is no whole row"


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


FORMAT = format_of(
    Facts("export", "configurations that `export` or the app wrote: CSV, JSON, JSON lines, Parquet, Arrow", "this version"),
    recognises=_recognises,
    read=_read,
    may_be_empty=True,
    kind=KIND,
)
