"""What an empty warehouse is made of: the tables of `schema.sql`, the definitions of every derived number and verdict, and a version."""

import re
from importlib import metadata
from pathlib import Path

import duckdb

SCHEMA_VERSION = 16
HERE = Path(__file__).parent
# In the order in which they are created: each uses only what stands before it.
TOPICS = ("verdicts", "names", "metrics", "repetitions", "results", "filters")
SOURCES = (HERE / "schema.sql", *(HERE / "definitions" / f"{topic}.sql" for topic in TOPICS))
KEYS = re.compile(r",\s*primary key \([^)]*\)|( primary key| unique)(?=,|$)", re.MULTILINE)


def empty(connection: duckdb.DuckDBPyConnection, *, keys: bool = True) -> None:
    """Make the tables, views and macros of an empty warehouse on this connection, in one transaction.

    Args:
        connection: its current database gets them.
        keys: with the primary and unique keys of schema.sql. A lake knows none; a load keeps them there (`ingest/lake.py`).
    """
    tables, *definitions = (path.read_text() for path in SOURCES)
    connection.execute("begin")
    connection.execute(tables if keys else KEYS.sub("", tables))
    for definition in definitions:
        connection.execute(definition)
    connection.execute(
        "insert into meta (schema_version, project_version) values ($schema_version, $project_version)",
        {"schema_version": SCHEMA_VERSION, "project_version": project_version()},
    )
    connection.execute("commit")


def project_version() -> str:
    """The installed version of this project, or "source" when it runs from a folder that was never installed."""
    try:
        return metadata.version("prompt-joules")
    except metadata.PackageNotFoundError:
        return "source"
