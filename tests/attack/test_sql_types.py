"""Whatever type an answer has, it can be shown as a table and downloaded."""

import io
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui import downloads
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import rows_as, visitor_sql
from prompt_joules.warehouse.selection import Selection
from tests.attack.conftest import Ask

VALUES = {
    "interval '1 month 2 days'": "1 month 2 days",
    "union_value(k := 1)": "1",
    "['infinity'::date]": "[infinity]",
    "'infinity'::date": "infinity",
    "'-infinity'::timestamp": "-infinity",
    "'infinity'::timestamptz": "infinity",
    "date '200000-01-01'": "200000-01-01",
    "timestamp '290000-01-01'": "290000-01-01 00:00:00",
    "date '0044-03-15 (BC)'": "0044-03-15 (BC)",
    "'\\xFFa'::blob": "\\xFFa",
    "'101'::bit": "101",
    "'123456789012345678901234567890123456789012'::bignum": "123456789012345678901234567890123456789012",
    "170141183460469231731687303715884105727::hugeint": "170141183460469231731687303715884105727",
    "340282366920938463463374607431768211455::uhugeint": "340282366920938463463374607431768211455",
    "sum(5)": 5,
    "row(1, 2)": "(1, 2)",
    "{'a': [1, null]}": "{'a': [1, NULL]}",
    "map {'a': 1}": "{a=1}",
    "[[1.5], null]": "[[1.5], NULL]",
    "[1, 2]::integer[2]": "[1, 2]",
    "'b'::enum('a', 'b')": "b",
    "time '24:00:00'": "24:00:00",
    "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'::uuid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "'{\"a\": 1}'::json": '{"a": 1}',
    "timestamp_ns '2020-01-01 00:00:00.123456789'": "2020-01-01 00:00:00.123456789",
    "null": None,
    "true": True,
    "'x'": "x",
    "1.5::double": 1.5,
}


@pytest.mark.parametrize("value", VALUES)
def test_every_type_is_shown_and_downloaded(ask: Ask, value: str) -> None:
    rows = ask(f"select {value} as x union all select null")
    assert sorted(rows["x"].to_list(), key=lambda one: one is None)[0] == VALUES[value]
    assert rows.to_pandas().shape == (2, 1)
    for kind in rows_as.KINDS:
        assert downloads.file_of(rows, "sql", kind, View(Selection()), "link")


def test_infinity_and_nan_are_numbers(ask: Ask) -> None:
    assert ask("select 'infinity'::double as x")["x"].to_list() == [float("inf")]


def test_durations_of_the_warehouse(ask: Ask) -> None:
    assert isinstance(ask("select max(started_at) - min(started_at) as x from runs")["x"].item(), str)


def test_columns_of_one_name_are_told_apart(ask: Ask) -> None:
    rows = ask("""select 1 as x, 2 as x, 3 as "x (2)", 4 as "a""b.c", 5 as X""")
    assert rows.row(0) == (1, 2, 3, 4, 5)
    assert len(set(rows.columns)) == 5 and rows.columns[:3] == ["x", "x (2)", "x (2) (2)"]
    joined = ask("select a.prompts, b.prompts from runs a join runs b using (run_id) limit 1")
    assert joined.width == 2


def test_a_header_that_a_visitor_names_is_no_formula(ask: Ask) -> None:
    rows = ask("""select 1 as "=cmd|' /C calc'!A0", ' =1+1' as "\u200b+x", [' =2'] as y""")
    text = downloads.file_of(rows, "sql", "csv", View(Selection()), "link").decode()
    table = pl.read_csv(io.StringIO(text), comment_prefix="#")
    assert table.columns == ["'=cmd|' /C calc'!A0", "'\u200b+x", "y"]
    assert table.row(0) == (1, "' =1+1", "[' =2']")


def test_what_polars_cannot_read_is_said() -> None:
    with pytest.raises(visitor_sql.RefusedSql, match="cannot be shown"):
        visitor_sql._rows(b"no Arrow at all")


def test_an_empty_answer_has_its_columns(ask: Ask) -> None:
    rows = ask("select run_id, energy_j_total, started_at from runs where false")
    assert rows.shape == (0, 3) and rows.schema["run_id"] == pl.String


def test_the_box_gives_what_duckdb_gives(attacked: Path, ask: Ask) -> None:
    import duckdb

    sql = "select run_id, sequence, energy_j, status, started_at, output_tokens from requests order by all"
    with duckdb.connect(str(attacked), read_only=True) as plain:
        plain.execute("set timezone = 'UTC'")
        assert ask(sql).equals(plain.sql(sql).pl())
