"""Any CSV, Parquet or Arrow file with a small YAML file that says which of its columns is which of ours. No one has to write Python.

columns:                                          # ours: theirs
  output_tokens: n_out
  latency_s: {column: latency_ms, times: 0.001}
values:                                           # equal in every row
  model_id: me/my-model
  task: chat
rows: requests                                    # or figures: a row holds the means of a run
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import duckdb
import polars as pl
import yaml

from prompt_joules.bench.record import COLUMNS, TEXTS
from prompt_joules.ingest.formats import figures, mapped_shapes
from prompt_joules.ingest.formats.base import Facts, Format, Loaded, Reject, Source, Unreadable, content_of, one_by_one
from prompt_joules.ingest.formats.foreign import TYPES, Row, is_number, run_name, store_requests
from prompt_joules.ingest.formats.mapped_cells import ORDERS, Unfit, value_of
from prompt_joules.ingest.formats.published import FIGURES_SCHEMA, read_table
from prompt_joules.ingest.front.table import LINE, shown
from prompt_joules.warehouse.errors import ForPeople

FIGURE_TYPES: Mapping[str, str] = {"model_id": "string"} | {
    name: "string" if kind == pl.String else "int32" if kind.is_integer() else "float64" for name, kind in FIGURES_SCHEMA.items()
}
# Columns whose values part the rows into runs where the mapping names no run.
SETUP = frozenset(column.name for column in COLUMNS if column.setup) - {"run_id"}
PARTS = {"columns", "values", "rows", "long", "transposed", "decimal", "dates"}


class BadMapping(ForPeople):
    """A mapping file that cannot be used; the text says what is wrong with it."""


@dataclass(frozen=True)
class Taken:
    """A column of the file that becomes one of ours; numbers are multiplied by `times`."""

    column: str
    times: float | None = None


@dataclass(frozen=True)
class Transposed:
    """A table with a column a result: the column that names the metrics, and columns that are no result."""

    metric: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnMap:
    """A mapping file."""

    columns: Mapping[str, Taken]  # our column → theirs
    values: Mapping[str, Any]  # values that are equal in every row
    figures: bool = False  # a row holds the means of a run, not a request
    # The columns of a long table that name a metric and hold its value; None for a table with a column a metric.
    long: tuple[str, str] | None = None
    transposed: Transposed | None = None  # of a table with a column a result; None for one with a row a result
    decimal: str = "."  # the decimal mark of numbers
    dates: str | None = None  # order of day and month in dates that do not say it

    @property
    def types(self) -> Mapping[str, str]:
        """Our columns and their types."""
        return FIGURE_TYPES if self.figures else TYPES


def read(path: str) -> ColumnMap:
    """Read a mapping file. Raises BadMapping."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadMapping(f"The mapping {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise BadMapping(f"The mapping {path} cannot be read: it is not UTF-8 text (byte {error.start + 1}).") from error
    except yaml.YAMLError as error:
        raise BadMapping(f"The mapping {path} cannot be read: {_yaml(error)}.") from error
    parts = content if isinstance(content, dict) else {}
    columns, values = parts.get("columns") or {}, parts.get("values") or {}
    if not isinstance(columns, dict) or not isinstance(values, dict) or not columns or set(parts) - PARTS:
        raise BadMapping(
            f"The mapping {path} must have `columns` (ours: theirs) and may have `values` (ours: a value), `rows`, `long`, `transposed`, "
            "`decimal` and `dates`, nothing else."
        )
    _refuse_choice(path, parts, "rows", ("requests", "figures"))
    _refuse_choice(path, parts, "decimal", (".", ","))
    _refuse_choice(path, parts, "dates", tuple(ORDERS))
    known = FIGURE_TYPES if parts.get("rows") == "figures" else TYPES
    if unknown := sorted(str(name) for name in (*columns, *values) if name not in known):
        table = "a figure" if known is FIGURE_TYPES else "a record"
        raise BadMapping(f"The mapping {path} names columns that {table} does not have: {', '.join(unknown)}. See docs/formats/mapped.md.")
    return ColumnMap(
        {name: _taken(path, name, theirs, known) for name, theirs in columns.items()},
        values,
        figures=known is FIGURE_TYPES,
        long=_long(path, parts.get("long")),
        transposed=_transposed(path, parts),
        decimal=parts.get("decimal", "."),
        dates=parts.get("dates"),
    )


def _yaml(error: yaml.YAMLError) -> str:
    """What is wrong, and on which line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    return str(error).splitlines()[0]


def _refuse_choice(path: str, parts: Mapping[str, Any], name: str, choices: Sequence[str]) -> None:
    if name in parts and parts[name] not in choices:
        raise BadMapping(f"The mapping {path} must give `{name}` as {' or '.join(repr(choice) for choice in choices)}.")


def _long(path: str, said: Any) -> tuple[str, str] | None:
    if said is None:
        return None
    if isinstance(said, dict) and set(said) == {"metric", "value"} and all(isinstance(name, str) for name in said.values()):
        return said["metric"], said["value"]
    raise BadMapping(f"The mapping {path} must give `long` as {{metric: COLUMN, value: COLUMN}}.")


def _transposed(path: str, parts: Mapping[str, Any]) -> Transposed | None:
    said = parts.get("transposed")
    if said is None:
        return None
    if "long" in parts:
        raise BadMapping(f"The mapping {path} must have `long` or `transposed`, not both.")
    said = {"metric": said} if isinstance(said, str) else said
    if isinstance(said, dict) and set(said) in ({"metric"}, {"metric", "without"}) and isinstance(said["metric"], str):
        without = said.get("without", [])
        if isinstance(without, list) and all(isinstance(name, str) for name in without):
            return Transposed(said["metric"], tuple(without))
    raise BadMapping(f"The mapping {path} must give `transposed` as COLUMN or as {{metric: COLUMN, without: [COLUMN, …]}}.")


def _taken(path: str, name: str, theirs: Any, types: Mapping[str, str]) -> Taken:
    if isinstance(theirs, str):
        return Taken(theirs)
    if isinstance(theirs, dict) and isinstance(theirs.get("column"), str) and set(theirs) <= {"column", "times"}:
        times = theirs.get("times")
        if times is None or (is_number(times) and "float" in types[name]):
            return Taken(theirs["column"], times)
    raise BadMapping(
        f"The mapping {path} must give {name} as a column's name or as {{column: NAME, times: NUMBER}}; times only for numbers."
    )


def rows_of(cells: pl.DataFrame, mapping: ColumnMap, setup: Mapping[str, Any]) -> tuple[list[Row], list[Reject]]:
    """The rows of a file under our names, and those with a cell that may be read in two ways."""
    if absent := sorted(taken.column for taken in mapping.columns.values() if taken.column not in cells.columns):
        there = ", ".join(name for name in cells.columns if name != LINE) or "none"
        has = "" if mapping.long or mapping.transposed else f"; it has {shorten(there, 300, placeholder=' …')}"
        raise Unreadable(f"has no column {', '.join(absent)}, which the mapping names{has}")
    used = sorted({taken.column for taken in mapping.columns.values()})
    numbers = cells[LINE] if LINE in cells.columns else range(1, cells.height + 1)
    rows: list[Row] = []
    rejects: list[Reject] = []
    for index, (number, cell) in enumerate(zip(numbers, cells.select(used).iter_rows(named=True), strict=True)):
        values: dict[str, Any] = {}
        try:
            for name, taken in mapping.columns.items():
                values[name] = None  # so that an error knows its column
                kind = mapping.types[name]
                values[name] = value_of(cell[taken.column], name, kind, times=taken.times, decimal=mapping.decimal, dates=mapping.dates)
        except Unfit as error:
            name = next(reversed(values))
            rejects.append(Reject(number, name, str(error), None if name in TEXTS else shown(cell[mapping.columns[name].column])))
            continue
        numbered = {} if mapping.figures else {"sequence": index, "prompt_id": f"row-{index + 1}"}
        rows.append(Row(number, {**setup, **numbered, **mapping.values, **values}))
    return rows, rejects


def in_runs(rows: Iterable[Row], mapping: ColumnMap) -> list[Row]:
    """Rows with a run for each setup, where the mapping names no run: a table of several models is several runs."""
    if "run_id" in {*mapping.columns, *mapping.values}:
        return list(rows)
    differs = sorted(SETUP.intersection(mapping.columns))
    places: dict[tuple[str, ...], int] = {}
    parted = []
    for row in rows:
        place = places.setdefault(tuple(repr(row.values.get(name)) for name in differs), len(places))
        name = row.values["run_id"]
        parted.append(Row(row.number, {**row.values, "run_id": f"{name}:{place}" if place else name}))
    return parted


def shaped(cells: pl.DataFrame, mapping: ColumnMap) -> tuple[pl.DataFrame, list[Reject]]:
    """A table with a row a result, whatever its shape in the file, and lines that are none. Raises Unreadable."""
    if mapping.long:
        return mapped_shapes.pivoted(cells, *mapping.long)
    if mapping.transposed:
        used = {taken.column for taken in mapping.columns.values()} - {mapping.transposed.metric}
        return mapped_shapes.turned(cells, mapping.transposed.metric, mapping.transposed.without, used), []
    return cells, []


def _cells(source: Source, mapping: ColumnMap) -> tuple[pl.DataFrame, list[Reject]]:
    """All rows of a CSV (as text), a Parquet or an Arrow file, and lines that are no row. Raises Unreadable."""
    content = content_of(source)
    if content.columnar:
        return content.frame(), []
    used = {taken.column for taken in mapping.columns.values()} | set(mapping.long or ())
    table = read_table(source, content.header if mapping.transposed else used)
    return table.cells, table.rejects


def setup_of(mapping: ColumnMap, source: Source) -> dict[str, Any]:
    """What the rows hold where the mapping says nothing."""
    if mapping.figures:
        return {"source": "mapped file", "generation": "mapped", "engine": "unknown", "harness_version": "mapped"}
    setup = {"run_id": run_name("mapped", source), "engine": "unknown", "harness_version": "mapped"}
    if "energy_j" in {*mapping.columns, *mapping.values}:
        return setup
    return setup | {"energy_reason": "the mapping names no energy"}


def _load(connection: duckdb.DuckDBPyConnection, source: Source, mapping: ColumnMap) -> Loaded:
    cells, torn = _cells(source, mapping)
    cells, doubled = shaped(cells, mapping)
    rows, unfit = rows_of(cells, mapping, setup_of(mapping, source))
    rejects = [*torn, *doubled, *unfit]
    if not mapping.figures:
        return store_requests(connection, source, in_runs(rows, mapping), rejects)
    named = [(row.number, {"published_model_id": row.values.get("model_id")} | dict(row.values)) for row in rows]
    return figures.store(connection, source, [*named, *rejects])


def format_of(facts: Facts, mapping: ColumnMap | None, *, of_figures: bool) -> Format:
    """A format of CSV, Parquet and Arrow files that no other format knows; without a mapping it recognises nothing."""
    mine = mapping is not None and mapping.figures == of_figures

    def load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
        if mapping is None:
            raise Unreadable("needs --map FILE")
        return _load(connection, source, mapping)

    return Format(
        facts,
        recognises=lambda content: mine and (content.kind == "table" or content.columnar is not None),
        load=one_by_one(load),
        into="published" if of_figures else "requests",
        rank=1,
    )


def formats_of(mapping: ColumnMap | None) -> tuple[Format, Format]:
    """The formats that read by a mapping: of requests, and of means of runs."""
    requests = Facts("mapped", "any CSV, Parquet or Arrow file of requests, with --map FILE", source="mapped file")
    means = Facts("mapped-figures", "any CSV, Parquet or Arrow file of means of runs, with --map FILE")
    return format_of(requests, mapping, of_figures=False), format_of(means, mapping, of_figures=True)


REQUESTS, FIGURES = formats_of(None)
