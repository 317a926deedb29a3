"""A visitor's own SQL on the warehouse: reads only, cannot reach files or the network, and ends when its time is up.

One SELECT at a time, on a connection of its own. Errors are DuckDB's own words: they say where the text is wrong.
"""

import re
import threading
from dataclasses import dataclass

import duckdb
import polars as pl

from prompt_joules.warehouse import connect

MOST_ROWS = 10_000
MOST_SECONDS = 10.0
MEMORY = "512MB"
LONGEST = 20_000
# Functions and schemas that reach past a lake's tables into its catalog, or through its extensions to other servers.
BEHIND = re.compile(r"postgres_|sqlite_|ducklake_|__ducklake", re.IGNORECASE)


class RefusedSql(Exception):
    """The text was not run, or did not finish; the message says why and where."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave.

    Attributes:
        rows: at most MOST_ROWS rows.
        cut: there were more rows than that.
    """

    rows: pl.DataFrame
    cut: bool


def run(sql: str, warehouse: str, seconds: float = MOST_SECONDS, most_rows: int = MOST_ROWS) -> Answer:
    """Run one SELECT.

    Args:
        sql: the text; one statement.
        warehouse: path of the file.
        seconds: how long it may take.
        most_rows: how many rows are fetched.

    Raises:
        RefusedSql: more than one statement, not a SELECT, an error, or the time or memory is used up.
        WarehouseError: the file is missing, old or broken.
    """
    if len(sql) > LONGEST:
        raise RefusedSql(f"The text is longer than {LONGEST:,} characters.")
    shared = connect.place_of(warehouse).shared
    if shared and BEHIND.search(sql):
        raise RefusedSql("Only the tables and views of the warehouse can be asked, not the catalog behind them.")
    connection = connect.once(warehouse)
    overdue = threading.Event()

    def stop() -> None:
        overdue.set()
        connection.interrupt()

    timer = threading.Timer(seconds, stop)
    try:
        _lock(connection, connect.data_path(connection) if shared else None)
        statement = _only_select(connection, sql)
        timer.start()
        relation = connection.sql(statement)
        if relation is None:
            raise RefusedSql("Only a SELECT gives rows.")
        rows = relation.limit(most_rows + 1).pl()
    except duckdb.InterruptException as error:
        raise RefusedSql(f"Stopped after {seconds:g} s: ask for less, or aggregate.") from error
    except duckdb.Error as error:
        if overdue.is_set():
            raise RefusedSql(f"Stopped after {seconds:g} s: ask for less, or aggregate.") from error
        raise RefusedSql(str(error)) from error
    finally:
        timer.cancel()
        connection.close()
    return Answer(rows.head(most_rows), rows.height > most_rows)


def _lock(connection: duckdb.DuckDBPyConnection, readable: str | None) -> None:
    """No files but those of the lake, no network, no extensions, little memory, and no way to change that."""
    if readable:
        connection.execute("set allowed_directories = [$folder]", {"folder": readable})
    connection.execute(f"set memory_limit = '{MEMORY}'")
    connection.execute("set temp_directory = ''")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise RefusedSql(f"One statement at a time; there are {len(statements)}.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise RefusedSql("Only SELECT: the warehouse is read, never changed.")
    text: str = statements[0].query
    return text
