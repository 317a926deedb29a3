"""The tables say the same as the contract of a record."""

from pathlib import Path

import duckdb
import pytest

from prompt_joules.bench.record import COLUMNS
from prompt_joules.ingest import file
from prompt_joules.warehouse import create
from tests import empty_warehouse, factories, warehouses

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
    assert tags["storage_version"].startswith(file.STORAGE)


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


def everything(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[object, ...]]]:
    """The columns of tables and views, keys, macros, and the rows that are there from the start."""
    columns = "table_name, column_name, data_type, is_nullable, column_default, comment"
    questions = (
        f"select {columns} from duckdb_columns() where not internal order by all",
        "select table_name, constraint_type, constraint_text from duckdb_constraints() order by all",
        "select function_name, parameters, macro_definition from duckdb_functions() where not internal order by all",
        "from reason_codes order by all",
        "from meta",
    )
    return [connection.execute(question).fetchall() for question in questions]


def test_the_copies_that_tests_use_are_as_good_as_an_empty_warehouse(tmp_path: Path) -> None:
    empty_warehouse.template(tmp_path)
    with duckdb.connect(tmp_path / "made.duckdb", config={"storage_compatibility_version": file.STORAGE}) as connection:
        create.empty(connection)
    one, other = (duckdb.connect(tmp_path / f"{name}.duckdb", read_only=True) for name in ("made", "empty"))
    for real, copied in zip(everything(one), everything(other), strict=True):
        assert len(real) > 0 and copied == real


def test_a_file_that_a_test_loads_is_as_good_as_one_that_nothing_is_copied_into(tmp_path: Path) -> None:
    rows, found = factories.write(factories.records(3), tmp_path / "part.parquet"), []
    for place, build in enumerate([file._build, empty_warehouse.built]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(file, "_build", build)
            warehouses.ingest(rows, into=tmp_path / f"{place}.duckdb")
        with duckdb.connect(tmp_path / f"{place}.duckdb", read_only=True) as connection:
            found.append(everything(connection))
    assert found[0] == found[1]
