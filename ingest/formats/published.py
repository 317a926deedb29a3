"""Published figures in the form in which they ship with this project: two plain CSV files that a person can review.

`figures.csv` has the columns of the table `published` (less the canonical model and the file), `quality.csv` those of
`quality`. Readers of other people's formats produce these frames; `python -m ingest figures` writes them down.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Facts, Format, Load, Loaded, Reject, Source, Unreadable, content_of, one_by_one, write_rejects
from prompt_joules.ingest.front.table import LINE, Table, shown
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create

TEXT: type[pl.DataType] = pl.String
# A file says neither the canonical names nor the ids of the warehouse.
FIGURES_SCHEMA = create.columns_of("published", without=("result_id", "model_id", "published_gpu_model", "file_id"))
QUALITY_SCHEMA = {"published_model_id": TEXT} | create.columns_of("quality", without=("model_id", "file_id"))
# What stands before the name of a column in the name of the one that says which of its cells were there.
GIVEN = "given "
# The largest figure, in any unit: sums of squares of larger ones leave the range of a double.
LARGEST = 1e18
FIGURES_REQUIRED = ("source", "generation", "published_model_id", "gpu_model", "num_gpus", "task", "engine")
QUALITY_REQUIRED = ("published_model_id", "benchmark", "score", "source")


@dataclass(frozen=True)
class Kind:
    """Rows of one table that come out of text cells."""

    schema: dict[str, type[pl.DataType]]  # their columns
    required: tuple[str, ...]  # columns that must not be null
    statement: str  # the name of the statement that stores them
    signed: tuple[str, ...] = ()  # numbers that may be negative


PUBLISHED = Kind(FIGURES_SCHEMA, FIGURES_REQUIRED, "published")
SCORES = Kind(QUALITY_SCHEMA, QUALITY_REQUIRED, "quality", signed=("score",))
# A file with its good rows and what was refused.
Part = tuple[Source, pl.DataFrame, Sequence[Reject]]


def read_table(source: Source, used: Collection[str]) -> Table:
    """A CSV file. Raises Unreadable, also when one of the columns in use is there twice."""
    table = content_of(source).table()
    if doubled := sorted(table.doubled.intersection(used)):
        raise Unreadable(f"has two columns named {doubled[0]}: rename one of them")
    return table


def cells_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pl.DataFrame:
    """Values out of JSON as text cells, so that they are checked like those of a CSV; null and absent stay null."""
    return pl.DataFrame({name: [_cell(row.get(name)) for row in rows] for name in columns}, schema=dict.fromkeys(columns, TEXT))


def _cell(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else repr(value)


def checked(
    cells: pl.DataFrame, schema: dict[str, type[pl.DataType]], required: Sequence[str], signed: Collection[str] = ()
) -> tuple[pl.DataFrame, list[Reject]]:
    """Turn text cells into typed columns; a row with a bad cell is left out and said.

    Args:
        cells: one row per line of a file, in order, every column text or typed already; the lines' numbers in the column LINE, if any.
        schema: wanted columns and types; an absent column becomes null.
        required: columns that must not be null.
        signed: numbers that may be negative.

    Returns:
        The good rows, and the first problem of each bad one, under its line, or its number from 1 when there are no lines.
    """
    there = set(cells.columns)
    wide = cells.select((pl.col(name) if name in there else pl.lit(None, TEXT).alias(name)) for name in schema)
    given = wide.schema
    typed = wide.select(_number(pl.col(name), given[name]).cast(kind, strict=False) for name, kind in schema.items())
    numbers = cells[LINE] if LINE in cells.columns else pl.int_range(1, cells.height + 1, eager=True)
    first, problems = _first_problem(tuple(schema.items()), tuple(required), tuple(signed))
    found = typed.hstack(wide.select(pl.all().is_not_null().name.prefix(GIVEN))).select(first).to_series()
    rejects = []
    for row in found.is_not_null().arg_true():
        name, reason = problems[found[row]]
        rejects.append(Reject(numbers[row], name, reason, shown(wide[name][row])))
    return typed.filter(found.is_null()), rejects


def _number(cell: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A text cell without the spaces around it; any other as it is."""
    return cell.str.strip_chars() if kind == TEXT else cell


@cache
def _first_problem(
    schema: tuple[tuple[str, type[pl.DataType]], ...], required: tuple[str, ...], signed: tuple[str, ...]
) -> tuple[pl.Expr, list[tuple[str, str]]]:
    """The place of the first problem of a row among all (column, reason), in the order of columns; null for a good row.

    The expression reads typed columns, and beside each, under GIVEN, whether its cell was there. It is made once for all columns: a file of
    one line would take 20 ms for a look at each.
    """
    problems: list[tuple[pl.Expr, str, str]] = []
    for name, kind in schema:
        value = pl.col(name)
        if kind.is_numeric():
            sane = value.cast(pl.Float64)
            low = 0.0 if name not in signed else -LARGEST
            problems.append((value.is_null() & pl.col(GIVEN + name), name, "is not a number"))
            problems.append((~(sane.is_finite() & (sane >= low)), name, "is negative or not a finite number"))
            problems.append((sane > LARGEST, name, "is larger than any figure"))
        if name in required:
            problems.append((value.is_null(), name, "is missing"))
    first = pl.coalesce(pl.when(bad).then(pl.lit(place, pl.Int32)) for place, (bad, _, _) in enumerate(problems))
    return first, [(name, reason) for _, name, reason in problems]


def store(connection: duckdb.DuckDBPyConnection, source: Source, kind: Kind, cells: pl.DataFrame, extra: Sequence[Reject]) -> Loaded:
    """Load rows of one file, and note what was refused. A row that another file brought already counts once."""
    rows, rejects = checked(cells, kind.schema, kind.required, kind.signed)
    (loaded,) = store_all(connection, [(source, rows, [*extra, *rejects])], kind)
    return loaded


def store_scores(connection: duckdb.DuckDBPyConnection, source: Source, rows: Sequence[Mapping[str, Any]], bad: Sequence[Reject]) -> Loaded:
    """Load benchmark scores out of JSON."""
    return store(connection, source, SCORES, cells_of(rows, list(QUALITY_SCHEMA)), bad)


def each_result(scores_of: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]], tool: str) -> Load:
    """A loader of JSON files with the results of one evaluation each; the function gives the rows of `quality.csv` that it stands for."""

    def load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
        content = content_of(source).json
        if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
            raise Unreadable(f"is not a whole {tool} result")
        rows = list(scores_of(content))
        empty = [] if rows else [Reject(None, "results", "holds no score")]
        return store_scores(connection, source, rows, empty)

    return one_by_one(load)


def of_table(used: Collection[str], kind: Kind, convert: Callable[[Source, pl.DataFrame], pl.DataFrame] = lambda _, cells: cells) -> Load:
    """A loader of CSV files; `used` are the columns that must not be there twice, `convert` gives the cells under our names."""

    def load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
        table = read_table(source, used)
        return store(connection, source, kind, convert(source, table.cells), table.rejects)

    return one_by_one(load)


def store_all(connection: duckdb.DuckDBPyConnection, parts: Sequence[Part], kind: Kind) -> list[Loaded]:
    """Load the checked rows of several files at once, of which each statement takes as long as those of one.

    Args:
        connection: of the warehouse.
        parts: in the order of the files; the first row of a key stays.
        kind: of the rows.
    """
    numbered = [rows.with_columns(pl.lit(source.file_id, pl.Int32).alias("file_id")) for source, rows, _ in parts]
    connection.register("incoming_figures", pl.concat(numbered).to_arrow())
    try:
        connection.execute(statement("figures_named"))
        connection.execute(statement("models_named"))
        connection.execute(statement(kind.statement))
    finally:
        connection.unregister("incoming_figures")
        connection.execute("delete from named")
    for source, _, rejects in parts:
        write_rejects(connection, source, rejects)
    return [Loaded(source, rows.height, len(rejects)) for source, rows, rejects in parts]


def name_models(connection: duckdb.DuckDBPyConnection, source: Source, rows: Sequence[tuple[str, str, str | None, float, float]]) -> Loaded:
    """Load names of models that the reviewed `warehouse/models.csv` does not know.

    Args:
        rows: one per model: the source's id, short name, link, parameters in all and per token (1e9).
    """
    connection.executemany("insert into named values ($1, $2, $3, $4, $5)", rows)
    connection.execute(statement("models_named"))
    connection.execute("delete from named")
    return Loaded(source, len(rows), 0)


FIGURES = Format(
    Facts("figures", "figures.csv: published aggregates as this project ships them"),
    into="published",
    recognises=lambda content: set(FIGURES_REQUIRED) <= set(content.header),
    load=of_table(FIGURES_SCHEMA, PUBLISHED),
    rank=-1,
)
QUALITY = Format(
    Facts("quality", "quality.csv: benchmark scores as this project ships them"),
    into="quality",
    recognises=lambda content: set(QUALITY_REQUIRED) <= set(content.header),
    load=of_table(QUALITY_SCHEMA, SCORES),
    rank=-1,
)
