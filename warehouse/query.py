"""Run a named question for a Selection. The text of each question is a file in `warehouse/queries/`."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from prompt_joules.warehouse import connect, errors, switches
from prompt_joules.warehouse.selection import Selection

QUERIES = Path(__file__).parent / "queries"
PARAMETER = re.compile(r"\$([a-z_]+)")


class UnknownQuery(Exception):
    """There is no such file in `warehouse/queries/`."""


class MissingParameter(Exception):
    """The query names a parameter that was not given."""


def names() -> list[str]:
    """All named queries, in alphabetical order."""
    return sorted(path.stem for path in QUERIES.glob("*.sql"))


def text(name: str) -> str:
    """The SQL of a named query. Raises UnknownQuery: names the query and lists those that exist."""
    if name not in names():
        raise UnknownQuery(f"There is no query {name!r}. There are: {', '.join(names())}.")
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def load(name: str, selection: Selection | None, warehouse: str, **parameters: object) -> pl.DataFrame:
    """The rows of one named query. What one row is stands in the first line of its file.

    Args:
        name: file name in `warehouse/queries/` without `.sql`.
        selection: the filters; None means the default ones.
        warehouse: path of the file.
        parameters: the query's own parameters, e.g. `metric="energy_j"`; others are ignored.

    Raises:
        UnknownQuery, MissingParameter: the caller is wrong.
        WarehouseError: the file is missing, old or broken.
    """
    with _asked(name, selection, warehouse, parameters) as answer:
        rows: pl.DataFrame = answer.pl()
        return rows


@contextmanager
def stream(
    name: str, selection: Selection | None, warehouse: str, *, part_rows: int, **parameters: object
) -> Iterator[Iterator[pl.DataFrame]]:
    """The rows of one named query in parts of `part_rows`, at least one, while the block runs; as `load` otherwise."""
    with _asked(name, selection, warehouse, parameters) as answer:
        yield _parts(answer.to_arrow_reader(part_rows))


def _parts(reader: pa.RecordBatchReader) -> Iterator[pl.DataFrame]:
    yield pl.DataFrame(reader.schema.empty_table())
    for batch in reader:
        yield pl.DataFrame(pa.Table.from_batches([batch]))


@contextmanager
def _asked(name: str, selection: Selection | None, warehouse: str, parameters: Mapping[str, object]) -> Iterator[duckdb.DuckDBPyRelation]:
    """The relation of a named query; what goes wrong while it is read is said as an error of the warehouse."""
    sql = text(name)
    given = {**(selection or Selection()).parameters(), "texts": switches.is_on(switches.TEXTS), **parameters}
    wanted = set(PARAMETER.findall(sql))
    if missing := wanted - given.keys():
        raise MissingParameter(f"The query {name!r} needs {', '.join(sorted(missing))}.")
    try:
        with connect.reading(warehouse) as connection:
            yield connection.sql(sql, params={key: given[key] for key in wanted})
    except duckdb.Error as error:
        if not errors.is_of_the_warehouse(error):
            raise
        raise errors.broken(warehouse, error) from error


def options(warehouse: str) -> pl.DataFrame:
    """What the filters can be set to: rows (kind, value, label, count), most frequent first within a kind."""
    return load("options", None, warehouse)
