"""Tables of other shapes than a row a result: long (a line a value) and transposed (a column a result). Cells in, cells out."""

from collections.abc import Collection
from typing import Any

import polars as pl

from prompt_joules.ingest.formats.base import Reject, Unreadable
from prompt_joules.ingest.front.table import LINE


def pivoted(cells: pl.DataFrame, metric: str, value: str) -> tuple[pl.DataFrame, list[Reject]]:
    """A long table with a column a metric: lines that are equal in all other columns are one row, with the number of the first.

    Args:
        cells: one row per line, its number in the column LINE, if any.
        metric: the column that names a metric.
        value: the column that holds its value.

    Returns:
        The table, and the lines whose metric stands twice in one row.

    Raises:
        Unreadable: one of the two columns is not there.
    """
    if absent := sorted(name for name in (metric, value) if name not in cells.columns):
        raise Unreadable(f"has no column {', '.join(absent)}, which the mapping names")
    others = [name for name in cells.columns if name not in (LINE, metric, value)]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    rejects = []
    for number, cell in enumerate(cells.iter_rows(named=True), 1):
        line = cell.get(LINE, number)
        row = rows.setdefault(tuple(cell[name] for name in others), {LINE: line} | {name: cell[name] for name in others})
        name = str(cell[metric]).strip()
        if name in row:
            rejects.append(Reject(line, name, "stands twice in one row of the long table"))
        else:
            row[name] = cell[value]
    return _table(list(rows.values())), rejects


def turned(cells: pl.DataFrame, metric: str, without: Collection[str], used: Collection[str]) -> pl.DataFrame:
    """A transposed table with a row a result and a column a metric; the column `metric` holds what were the names of the columns.

    Args:
        cells: one row per metric.
        metric: the column that names the metrics.
        without: columns that are no result, such as units.
        used: the metrics that are needed.

    Returns:
        A row per column that has any value, with the number of that column, from 1, in the column LINE.

    Raises:
        Unreadable: a column is not there, or a metric in use stands twice.
    """
    names = [name for name in cells.columns if name != LINE]
    if absent := sorted(name for name in (metric, *without) if name not in names):
        raise Unreadable(f"has no column {', '.join(absent)}, which the mapping names")
    metrics = [str(name).strip() for name in cells[metric].to_list()]
    if doubled := sorted(name for name in used if metrics.count(name) > 1):
        raise Unreadable(f"has two rows named {doubled[0]}: rename one of them")
    rows = []
    for place, name in enumerate(names, start=1):
        values = [] if name in {metric, *without} else cells[name].to_list()
        if any(value is not None for value in values):
            rows.append({LINE: place} | dict(zip(metrics, values, strict=True)) | {metric: name})
    return _table(rows)


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a table; what one of them lacks is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame([{name: row.get(name) for name in names} for row in rows], infer_schema_length=None)
