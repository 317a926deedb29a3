"""What a visitor's SQL may name: nothing but the warehouse's own rows, however the text spells it."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from prompt_joules.pages.ui.of.runs import with_short_paths
from prompt_joules.warehouse import connect, query, visitor_sql, visitor_sql_allowed, visitor_sql_child
from prompt_joules.warehouse import visitor_sql_functions as functions
from prompt_joules.warehouse.visitor_sql_allowed import RefusedSql
from tests import factories, warehouses
from tests.attack.conftest import Ask, Check

# What must never be on the list: readers of files, settings, catalogs and secrets, text run as SQL, waiting, changes.
DANGEROUS = re.compile(
    r"read_|^glob|_scan$|parquet_|sniff|copy|query|execut|serializ|getenv|getvar|setting|secret|^which_|duckdb_|pragma|pg_|postgres|sqlite|"
    r"ducklake|attach|sleep|nextval|currval|setval|write_log|checkpoint|profil|resource|grammar|extension|^test_|install|^load_|"
    r"storage|database|catalog|schema|connection|transaction_id|txid|inet_|privilege|user$"
)
STATEMENTS = [
    "drop table published",
    "create table x as select 1",
    "create macro f() as 1",
    "create temp view v as select 1",
    "insert into published select * from published",
    "update runs set task = 'x'",
    "truncate runs",
    "attach '/tmp/x.duckdb'",
    "detach results",
    "use memory",
    "copy published to '/tmp/x.csv'",
    "copy (select 1) to '/tmp/x.csv'",
    "export database '/tmp/x'",
    "install httpfs",
    "load httpfs",
    "set memory_limit = '8GB'",
    "reset memory_limit",
    "set variable x = 1",
    "pragma threads = 1",
    "pragma database_list",
    "call duckdb_databases()",
    "checkpoint",
    "vacuum",
    "begin",
    "explain select 1",
    "explain analyze select 1",
    "prepare p as select 1",
    "execute p",
    "show databases",
    "show all tables",
    "show tables from system",
    "with x as (select 1) delete from published",
    "with x as (delete from published returning *) from x",
    "select 1; drop table published",
    "select 1; select 2",
    "explain analyze select 1; select 2",
    "",
    ";",
    "-- nothing",
    "selekt 1",
    "select $1",
    "select ?",
    "select $name",
]
NAMES = [
    "from query('select 1')",
    "from query('from post' || 'gres_query(1)')",
    "from query_table('runs')",
    "from query_table(['runs', 'meta'])",
    "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select json_serialize_sql('select 1')",
    "select json_deserialize_sql('{}')",
    "select json_serialize_plan('select 1')",
    "from postgres_query('x', 'select 1')",
    "from postgres_scan('x', 'y', 'z')",
    "from pg_read_file('/etc/passwd')",
    "select pg_read_file('/etc/passwd')",
    "select pg_terminate_backend(1)",
    "select pg_sleep(10)",
    "select sleep_ms(10000)",
    "select * from '/etc/passwd'",
    "select * from 'http://example.org/x.parquet'",
    'select * from "warehouse.duckdb"',
    "from read_text('/etc/hostname')",
    "from read_blob('warehouse.duckdb')",
    "from read_csv('/etc/passwd')",
    "from read_csv_auto('/etc/passwd')",
    "from sniff_csv('/etc/passwd')",
    "from read_json('/etc/passwd')",
    "from read_parquet('x')",
    "from parquet_metadata('x')",
    "from glob('/*')",
    "select (select content from read_text('/etc/hostname'))",
    "select * from runs where run_id in (select file from glob('/*'))",
    "select * from runs order by (select max(file) from glob('/*'))",
    "select list_transform([1], lambda x: getenv('HOME'))",
    "from runs, lateral (from glob('/*'))",
    "with a as (from glob('/*')) from a",
    "with recursive a as (select 1 as x union all select 2 from a, glob('/*')) from a",
    "from (pivot runs on task in ('chat') using max(getenv('HOME')))",
    "select max(energy_j) filter (where getenv('HOME') = 'x') from requests",
    "select sum(1) over (order by getenv('HOME')) from runs",
    "select * replace (getenv('HOME') as run_id) from runs",
    "select columns(lambda c: c = getenv('HOME')) from runs",
    "from runs limit (select length(getenv('HOME')))",
    "from (values (getenv('HOME')))",
    "select case when getenv('HOME') = 'x' then 1 end",
    "from range(length(getenv('HOME')))",
    "select 'HOME'.getenv()",
    "select GetEnv('HOME')",
    "select \"getenv\"('HOME')",
    "select main.\"getenv\"('HOME')",
    "select system.main.getenv('HOME')",
    "select current_setting('temp_directory')",
    "select getvariable('x')",
    "select nextval('s')",
    "select current_query()",
    "select write_log('x')",
    "from duckdb_databases()",
    "from duckdb_settings()",
    "from duckdb_secrets()",
    "from duckdb_logs()",
    "from duckdb_external_file_cache()",
    "from duckdb_databases",
    "from duckdb_tables",
    "from sqlite_master",
    "from pg_catalog.pg_class",
    "from pg_settings",
    "from information_schema.tables",
    "from system.information_schema.tables",
    "from pragma_storage_info('runs')",
    "from pragma_database_size()",
    "from pragma_table_info('runs')",
    "from seq_scan('runs')",
    "from which_secret('x', 's3')",
    "from test_all_types()",
    "from repeat_rowx(1)",
    "from main.runs",
    "from results.runs",
    "from results.main.runs",
    "from temp.runs",
    "from memory.main.runs",
    "from __ducklake_metadata_results.ducklake_snapshot",
    "from ducklake_snapshots('results')",
    "from results.snapshots()",
    "from ducklake_list_files('results', 'requests')",
    "from runs at (version => 1)",
    "from runs at (timestamp => now())",
    "from nothing_of_this_name",
    "from python_map_function(1)",
    "describe duckdb_databases",
    "describe (from glob('/*'))",
    "summarize '/etc/passwd'",
    "from (describe '/etc/passwd')",
    "select * from (show databases)",
    # A name that WITH gives to a part must not be borrowed by another part.
    'with "/etc/passwd" as (select 1) from "/etc/passwd"',
    'from (with "/etc/passwd" as (select 1) select 1), "/etc/passwd"',
    "with a as (from duckdb_databases), duckdb_databases as (select 1) from a",
    "with duckdb_databases as (select 1) from duckdb_databases",
    "with pg_class as (select 1) from pg_class",
    "from (with duckdb_tables as (select 1) select 1), duckdb_tables",
]
FINE = [
    "select 1",
    "from runs",
    "table runs",
    "values (1), (2)",
    "describe runs",
    "summarize published",
    "with a as materialized (select 1 as x), b as (from a) from b",
    "with recursive t(n) as (values (1) union all select n + 1 from t where n < 3) from t",
    "select grouping(task), count(*) from runs group by rollup(task)",
    "select 1 union by name select 2 as b",
    "select list(x order by x) filter (x > 0) from range(3) t(x)",
    "select row_number() over w from runs window w as (partition by task order by run_id)",
    "select [x * 2 for x in [1, 2] if x > 1], [1, 2][1:], {'a': 1}.a, map {'a': 1}['a']",
    "select extract(year from started_at), started_at at time zone 'CET', started_at + interval 3 day from runs",
    "select 'a' similar to 'b', 'a' like 'b' escape 'x', trim(both 'x' from 'xax'), position('a' in 'ba'), 'a' collate nocase",
    "select coalesce(1, 2), nullif(1, 2), 1 is distinct from 2, 1 in (1, 2), not true, 1 between 0 and 3, try_cast('x' as int), 3!",
    "select quantile_cont(energy_j, [0.1, 0.5]), approx_quantile(energy_j, 0.5), histogram(energy_j), median(energy_j) from requests",
    "select * exclude (run_id) replace (1 as task), columns('ener.*') from runs",
    "from runs a semi join requests using (run_id)",
    "from runs a asof join runs b on a.started_at >= b.started_at",
    "from range(3) a(x) positional join range(3) b(y)",
    "from requests using sample 10 rows",
    "from (pivot runs on task in ('chat') using count(*))",
    "unpivot (select 1 as a, 2 as b) on a, b",
    "select environment->>'$.driver' from requests",
    "select ratio(1, 2), gpu_label('NVIDIA H100 80GB HBM3')",
    "from selected_runs({models: [], gpus: [], tasks: [], engines: [], sources: [], batch_sizes: [], weights: ['x'], only_valid: true})",
    "from runs a join runs b using (run_id)",
    "with results as (select 1 as x) from results",
]


@pytest.mark.parametrize("sql", STATEMENTS + NAMES)
def test_refused(check: Check, sql: str) -> None:
    with pytest.raises((RefusedSql, duckdb.ParserException)):
        check(sql)


@pytest.mark.parametrize("sql", FINE)
def test_answered(ask: Ask, sql: str) -> None:
    assert ask(sql).columns


@pytest.mark.parametrize("name", query.names())
def test_questions_of_the_pages_could_be_asked_by_a_visitor(attacked: Path, name: str) -> None:
    if name == "columns":
        pytest.skip("it lists the catalog")
    connection = connect.once(str(attacked))
    text = re.sub(r"\$[a-z_]+", "null", query.text(name))
    visitor_sql_allowed.check(visitor_sql_allowed.tree(connection, text), visitor_sql_allowed.names(connection))


def test_every_function_after_from_that_is_not_listed_is_refused(check: Check) -> None:
    kinds = "function_type in ('table', 'table_macro')"
    found = duckdb.connect().execute(f"select distinct function_name from duckdb_functions() where {kinds}")
    others = {name for (name,) in found.fetchall()} - functions.TABLES
    assert len(others) > 60
    for name in others:
        with pytest.raises(RefusedSql, match="cannot be used here"):
            check(f"from {name}()")


def test_every_function_that_is_not_listed_is_refused(check: Check) -> None:
    found = duckdb.connect().execute(
        "select distinct function_name from duckdb_functions() where function_type not in ('table', 'table_macro', 'pragma')"
    )
    others = {name.lower() for (name,) in found.fetchall() if re.fullmatch(r"[A-Za-z]\w*", name)} - functions.SCALARS
    assert {"current_setting", "pg_get_viewdef", "write_log"} <= others
    for name in others:
        with pytest.raises((RefusedSql, duckdb.ParserException)):
            check(f'select "{name}"()')


def test_the_list_holds_nothing_dangerous_and_nothing_made_up() -> None:
    listed = functions.SCALARS | functions.TABLES
    assert not {name for name in listed if DANGEROUS.search(name)}
    known = {name.lower() for (name,) in duckdb.connect().execute("select distinct function_name from duckdb_functions()").fetchall()}
    assert len(listed - known) < 40, sorted(listed - known)


def test_what_is_checked_is_what_runs(attacked: Path) -> None:
    """What is a SELECT to the parser that makes the tree is one to the parser that runs the text: as many statements, of that kind."""
    connection = connect.once(str(attacked))
    for sql in STATEMENTS + NAMES + FINE:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.ParserException:
            statements = []
        ((text,),) = connection.execute("select json_serialize_sql($sql)", {"sql": sql}).fetchall()
        tree = json.loads(text)
        if not tree["error"]:
            assert [one.type for one in statements] == [duckdb.StatementType.SELECT] * len(tree["statements"]), sql


def test_no_folder_of_the_server_is_seen(ask: Ask, attacked: Path) -> None:
    for table in ("ingested_files", "rejects"):
        paths = ask(f"select distinct path from {table}")["path"].to_list()
        assert any("b.parquet" in path for path in paths)
        assert not [path for path in paths if "secret-folder" in path or path.startswith("/")]
    for sql in ("from runs where nothing", "select 1 / 'x'", "select error_of_a_name(1)", "from runs limit 'x'"):
        with pytest.raises((RefusedSql, duckdb.Error)) as caught:
            ask(sql)
        assert str(attacked.parent) not in visitor_sql_child.without_paths(str(caught.value), str(attacked))


def test_no_folder_is_seen_in_reasons(tmp_path: Path) -> None:
    factories.write(factories.records(3), tmp_path / "in" / "a.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    told = "Permission denied: '/srv/secret folder/x.csv' and \"C:\\secret\\y.csv\"; 1.5 J/token, a/b/c"
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("insert into rejects by name select 1 as file_id, '/srv/secret/x.csv' as path, $told as reason", {"told": told})
    wanted = "Permission denied: '…/x.csv' and \"…/y.csv\"; 1.5 J/token, a/b/c"
    found = visitor_sql_child.answer("from rejects", str(tmp_path / "w.duckdb"), 10, 10, 1_000_000, True)[0].to_pylist()
    assert [(row["path"], row["reason"]) for row in found] == [("…/x.csv", wanted)]
    shown = with_short_paths(query.load("rejects", None, str(tmp_path / "w.duckdb")))
    assert shown.select("path", "reason").rows() == [("…/x.csv", wanted)]


def test_nothing_of_the_environment_of_the_server_reaches_a_child(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    child = visitor_sql._started(False)
    try:
        if sys.platform == "linux":
            environment = Path(f"/proc/{child.pid}/environ")
            until = time.monotonic() + 30  # empty until the child has begun its program, which may be late on a busy machine
            while not (found := environment.read_bytes()) and time.monotonic() < until:
                time.sleep(0.01)
            assert b"RUST_BACKTRACE" in found and b"very-secret" not in found
    finally:
        visitor_sql._ask(child, b"", 1)


def test_a_child_whose_server_is_gone_ends() -> None:
    child = visitor_sql._started(False)
    assert child.stdin is not None and child.stdout is not None
    child.stdin.close()
    assert child.wait(timeout=60) == 0
    child.stdout.close()


def test_texts_can_be_switched_off(attacked: Path) -> None:
    def answer(sql: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = visitor_sql_child.answer(sql, str(attacked), 10, 10, 8_000_000, False)[0].to_pylist()
        return found

    assert answer("select count(*) as n from requests") != [{"n": 0}]
    assert not {"prompt_text", "output_text"} & set(answer("from requests")[0])
    refused = (
        "select prompt_text from requests",
        "select requests.output_text from requests",
        "from main.requests",
        "from results.requests",
    )
    for sql in refused:
        with pytest.raises((RefusedSql, duckdb.Error)):
            answer(sql)
    assert "prompt_text" not in str(answer("describe requests"))


def test_nobody_else_reads_standard_output(attacked: Path) -> None:
    """What a library prints in a child does not become part of an answer."""
    assert visitor_sql.run("select 'x' as x", str(attacked)).rows.rows() == [("x",)]
    out = subprocess.run(
        [sys.executable, "-P", "-m", "prompt_joules.warehouse.visitor_sql_child"],
        input=b"",
        capture_output=True,
        check=True,
        env=dict(os.environ),
    )
    assert out.stdout == b""
