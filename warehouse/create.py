"""What an empty warehouse is made of: the tables of `schema.sql`, the definitions of every derived number and verdict, and a version.

The columns of a record are written once, in `bench/record.csv`; here they become columns of the tables `requests` and `runs`. Metrics are
written once, in `metrics.csv`; here they become columns of `results`. Of a definition, a line with {metric} stands for a line a metric of
one prompt.
"""

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import duckdb
import polars as pl

from prompt_joules.bench.record import COLUMNS, Column, ColumnType
from prompt_joules.warehouse.metrics import METRICS, PROMPT_METRICS, RESULT_METRICS

SCHEMA_VERSION = 53
HERE = Path(__file__).parent
# In the order in which they are created: each uses only what stands before it.
TOPICS = ("verdicts", "names", "metrics", "repetitions", "results", "filters")
SOURCES = (HERE / "schema.sql", *(HERE / "definitions" / f"{topic}.sql" for topic in TOPICS))
TYPES: dict[ColumnType, str] = {
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float32": "float",
    "float64": "double",
    "string": "varchar",
    "bool": "boolean",
    "timestamp[us, UTC]": "timestamptz",
    "list<float32>": "float[]",
}
# What `runs` keeps of the setup as it was recorded; for the three others it has columns of its own.
SETUP = tuple(column for column in COLUMNS if column.setup and column.name not in ("run_id", "model_id", "batch_size"))
# Types of columns that the ingest fills out of files, in polars.
POLARS: dict[str, type[pl.DataType]] = {
    "varchar": pl.String,
    "smallint": pl.Int16,
    "integer": pl.Int32,
    "double": pl.Float64,
    "boolean": pl.Boolean,
    "timestamp": pl.Datetime,
}
# Numbers that `results` does not list itself.
NUMBERS = tuple(METRICS[key] for key in RESULT_METRICS if key != "prompts")
EACH_METRIC = re.compile(r"^.*\{metric\}.*\n", re.MULTILINE)
KEYS = re.compile(r",\s*primary key \([^)]*\)|( primary key| unique)(?=,|$)", re.MULTILINE)
TABLE = re.compile(r"^create table (\w+) \((.*?)^\);", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^ +(\w+) (\w+)", re.MULTILINE)
MEANING = re.compile(r"^ +(\S+) .*? -- (.+)$", re.MULTILINE)


def empty(connection: duckdb.DuckDBPyConnection, *, keys: bool = True, comments: bool = True) -> None:
    """Make the tables, views and macros of an empty warehouse on this connection, in one transaction.

    Args:
        connection: its current database gets them.
        keys: with the primary and unique keys of schema.sql. A lake knows none; a load keeps them there (`ingest/lake.py`).
        comments: with what each column means. They take half the time, which a warehouse that nobody opens can do without.
    """
    schema, *definitions = (path.read_text(encoding="utf-8") for path in SOURCES)
    meanings = [_comments(table, MEANING.findall(columns)) for table, columns in TABLE.findall(schema)]
    meanings += [_comments("requests", _said(COLUMNS)), _comments("runs", _said(SETUP))]
    meanings += [_comments("results", ((number.key, number.in_words) for number in NUMBERS))]
    tables = re.sub(" -- .*", "", schema).format(
        record=_listed(COLUMNS, required=True),
        setup=_listed(SETUP, required=False),
        metrics=",\n    ".join(f"{number.key} double" for number in NUMBERS),
    )
    connection.execute("begin")
    connection.execute(tables if keys else KEYS.sub("", tables))
    for part in (*(meanings if comments else ()), *map(_for_each_metric, definitions)):
        connection.execute(part)
    connection.execute(
        "insert into meta (schema_version, project_version) values ($schema_version, $project_version)",
        {"schema_version": SCHEMA_VERSION, "project_version": project_version()},
    )
    connection.execute("commit")


def columns_of(table: str, *, without: Iterable[str]) -> dict[str, type[pl.DataType]]:
    """The columns of a table of `schema.sql` with their types in polars, but for some."""
    found = dict(TABLE.findall(SOURCES[0].read_text(encoding="utf-8")))[table]
    return {name: POLARS[kind] for name, kind in COLUMN.findall(found) if name not in without}


def _for_each_metric(definition: str) -> str:
    """A definition whose lines with {metric} are there once for each metric of one prompt."""
    return EACH_METRIC.sub(lambda line: "".join(line[0].replace("{metric}", key) for key in PROMPT_METRICS), definition)


def _listed(columns: Iterable[Column], *, required: bool) -> str:
    """Columns as a `create table` lists them."""
    return ",\n    ".join(f"{column.name} {TYPES[column.type]}{' not null' if required and column.required else ''}" for column in columns)


def _said(columns: Iterable[Column]) -> Iterator[tuple[str, str]]:
    """Name, and unit and meaning, of columns of a record."""
    for column in columns:
        yield column.name, f"{column.unit}: {column.meaning}" if column.unit else column.meaning


def _comments(table: str, said: Iterable[tuple[str, str]]) -> str:
    """What is said of the columns of a table, as comments that the database keeps."""
    quoted = ((name, words.replace("'", "''")) for name, words in said)
    return "\n".join(f"comment on column {table}.{name} is '{words}';" for name, words in quoted)


def project_version() -> str:
    """The installed version of this project, or "source" when it runs from a folder that was never installed."""
    try:
        return metadata.version("prompt-joules")
    except metadata.PackageNotFoundError:
        return "source"
