"""The SQL box: what it answers, what it refuses, and that it stops. How it is attacked stands in tests/attack."""

import polars as pl
import pytest

from prompt_joules.warehouse import visitor_sql
from tests import warehouses


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("visitor_sql") / "warehouse.duckdb"
    warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v1", into=path)
    return str(path)


def test_an_answer(warehouse: str) -> None:
    found = visitor_sql.run("select count(*) as n from published", warehouse)
    assert found.rows.rows() == [(warehouses.PUBLISHED["v1"],)]
    assert not found.cut


def test_rows_are_limited(warehouse: str) -> None:
    found = visitor_sql.run("select * from range(1000000)", warehouse, most_rows=10)
    assert (found.rows.height, found.cut) == (10, True)


def test_a_statement_that_is_refused_leaves_the_warehouse_as_it_is(warehouse: str) -> None:
    for sql in ("drop table published", "with x as (select 1) delete from published", "select " + "1," * 20_000 + "1"):
        with pytest.raises(visitor_sql.RefusedSql):
            visitor_sql.run(sql, warehouse)
    assert visitor_sql.run("select count(*) from published", warehouse).rows.item() == warehouses.PUBLISHED["v1"]


def test_a_long_statement_is_interrupted(warehouse: str) -> None:
    """To its end it would take days."""
    with pytest.raises(visitor_sql.RefusedSql, match=r"Stopped after 0.5 s"):
        visitor_sql.run("select sum(a.range * b.range) from range(10000000) a, range(10000000) b", warehouse, seconds=0.5)


def test_memory_is_limited(warehouse: str) -> None:
    with pytest.raises(visitor_sql.RefusedSql):
        visitor_sql.run("select list(a.range::varchar || repeat('x', 1000)) from range(3000000) a", warehouse)


def test_python_variables_are_out_of_reach(warehouse: str) -> None:
    rows = pl.DataFrame({"secret": [1]})
    for name in ("rows", "statement", "sql"):
        with pytest.raises(visitor_sql.RefusedSql):
            visitor_sql.run(f"select * from {name}", warehouse)
    assert rows.height == 1


def test_the_error_says_what_is_wrong(warehouse: str) -> None:
    with pytest.raises(visitor_sql.RefusedSql, match="energy_joules"):
        visitor_sql.run("select energy_joules from published", warehouse)
