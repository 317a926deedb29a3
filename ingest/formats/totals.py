"""Tables of tools that count the energy of whole runs, without prompts or tokens → `run_totals`."""

from collections.abc import Callable, Sequence

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Loaded, Reject, Source, write_rejects
from prompt_joules.ingest.formats.published import read_table
from prompt_joules.ingest.statements import statement

# The rows of `run_totals`, without the file, that the cells of a table stand for, and the lines that are refused.
Totals = Callable[[Source, pl.DataFrame], tuple[pl.DataFrame, list[Reject]]]


def each_total(totals_of: Totals) -> Callable[..., list[Loaded]]:
    """A loader of such tables; the function says what their cells, all text, stand for."""

    def load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
        loaded = []
        for source in sources:
            table = read_table(source, ())
            rows, rejects = totals_of(source, table.cells)
            connection.register("incoming_totals", rows.to_arrow())
            try:
                connection.execute(statement("run_totals_grown"))
                connection.execute(statement("run_totals"), {"file_id": source.file_id})
            finally:
                connection.unregister("incoming_totals")
            write_rejects(connection, source, [*table.rejects, *rejects])
            loaded.append(Loaded(source, rows.height, len(table.rejects) + len(rejects)))
        return loaded

    return load
