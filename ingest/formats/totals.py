"""Files of tools that count the energy of whole runs, without prompts or tokens → `run_totals`.

A reader gives one row a run, or a part of one that is counted alone, with those of the columns in `SCHEMA` that its file says something
of; the others become null.
"""

from collections.abc import Callable, Sequence

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Reject, Source, content_of, one_by_one, write_rejects
from prompt_joules.ingest.formats.published import read_table
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create

SCHEMA = create.columns_of("run_totals", without=("file_id",))
# The rows that a file stands for, and its lines that are refused.
Totals = tuple[pl.DataFrame, list[Reject]]


def store(connection: duckdb.DuckDBPyConnection, source: Source, rows: pl.DataFrame, rejects: Sequence[Reject]) -> Loaded:
    """Load rows of `run_totals`."""
    filled = rows.select((pl.col(name) if name in rows.columns else pl.lit(None).alias(name)).cast(kind) for name, kind in SCHEMA.items())
    connection.register("incoming_totals", filled.to_arrow())
    try:
        connection.execute(statement("run_totals_grown"))
        connection.execute(statement("run_totals"), {"file_id": source.file_id})
    finally:
        connection.unregister("incoming_totals")
    write_rejects(connection, source, rejects)
    return Loaded(source, rows.height, len(rejects))


def format_of(facts: Facts, *, recognises: Callable[[Content], bool], totals_of: Callable[[Source, Content], Totals]) -> Format:
    """The format of files whose totals a function gives."""

    def load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
        return store(connection, source, *totals_of(source, content_of(source)))

    return Format(facts, recognises, one_by_one(load), "run_totals")


def format_of_tables(facts: Facts, *, recognises: Callable[[Content], bool], totals_of: Callable[[Source, pl.DataFrame], Totals]) -> Format:
    """The format of tables; the function gets their cells, all text."""

    def read(source: Source, _: Content) -> Totals:
        table = read_table(source, ())
        rows, rejects = totals_of(source, table.cells)
        return rows, [*table.rejects, *rejects]

    return format_of(facts, recognises=recognises, totals_of=read)
