"""The tables say the same as the contract of a record."""

from pathlib import Path

import duckdb

from prompt_joules.bench.record import COLUMNS
from prompt_joules.ingest.file import STORAGE
from prompt_joules.warehouse import create

SQL_TYPES = {
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "bool": "BOOLEAN",
    "timestamp[us, UTC]": "TIMESTAMP WITH TIME ZONE",
    "list<float32>": "FLOAT[]",
}


def test_a_file_is_one_that_duckdb_1_5_reads_too(shipped_warehouse: Path) -> None:
    connection = duckdb.connect(str(shipped_warehouse), read_only=True)
    (tags,) = connection.execute("select tags from duckdb_databases() where not internal").fetchone()
    assert tags["storage_version"].startswith(STORAGE)


def test_requests_has_every_column_of_the_contract() -> None:
    connection = duckdb.connect()
    create.empty(connection)
    listed = connection.execute(
        "select column_name, data_type, not is_nullable, comment from duckdb_columns() where table_name = 'requests'"
    ).fetchall()
    found = {name: (kind, required, comment) for name, kind, required, comment in listed}
    for column in COLUMNS:
        comment = f"{column.unit}: {column.meaning}" if column.unit else column.meaning
        assert found.pop(column.name) == (SQL_TYPES[column.type], column.required, comment)
    assert set(found) == {"file_id", "run_number", "valid", "reasons"}
