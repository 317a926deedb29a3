"""Shared warehouses: many writers, many readers, broken connections; the same answers as from a file."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest

pytest.importorskip("duckdb_extension_ducklake", reason="runs in the environment that `make lake` makes, with DuckDB 1.5.5")

from polars.testing import assert_frame_equal

from prompt_joules.ingest import derive, lake, reading
from prompt_joules.ingest.__main__ import main
from prompt_joules.warehouse import connect, errors, query, visitor_sql, visitor_sql_allowed, visitor_sql_child
from tests import factories, warehouses
from tests.lake.conftest import Lake, NewLake
from tests.lake.loading import ROWS, WHOLE, ask, load, run_file

ROOT = Path(__file__).parents[2]
PARAMETERS = {
    "pooled": True,
    "metric": "energy_j",
    "prompt_set": "",
    "only_series": "",
    "by": "model",
    "bins": 40,
    "log": True,
    "prompt": "",
    "search": "",
    "results": "",
    "run": "",
    "contrast": "task",
    "a": "chat",
    "b": "chat-concise",
    "finished": True,
    "statistic": "mean",
    "per": "response",
    "idle": "gross",
    "low": 0.0,
    "high": 1e6,
    "series": "SmolLM2-135M-Instruct",
}
# The newest snapshot of a catalog; nothing before there are tables.
SNAPSHOTS = (
    "select case when to_regclass('ducklake_snapshot') is not null then query_to_xml('select max(snapshot_id) from ducklake_snapshot', "
    "true, true, '')::text end"
)
# A writer that comes as far as making its snapshot known is cut off then: whoever cuts connections from outside may be late.
NO_SNAPSHOT = """
create function cut() returns trigger language plpgsql as $$
begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
create trigger cut before insert on ducklake_snapshot for each row execute function cut()
"""


def start(into: str, paths: Sequence[Path]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ingest", *map(str, paths), "--warehouse", into]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# Imports everything once, then forks a process for each writer. No DuckDB was open before, so each is as good as a new process.
WRITERS = """
import json, os, sys
from prompt_joules.ingest.__main__ import main
def child(words):
    pid = os.fork()
    if pid == 0:
        status = main(words)
        sys.stdout.flush()
        os._exit(status)
    return pid
writers = [child(words) for words in json.loads(sys.argv[1])]
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in writers]))
"""


def start_together(into: str, files: Sequence[Sequence[Path]]) -> "subprocess.Popen[str]":
    """A writer of its own for each of these files. The last line of the output has the status of each."""
    words = json.dumps([[*map(str, mine), "--warehouse", into] for mine in files])
    command = [sys.executable, "-c", WRITERS, words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def watch(made: Lake, writers: "subprocess.Popen[str]") -> list[tuple[object, ...]]:
    """What a reader sees until all writers are done: after each snapshot, and every three seconds while the next one is written. And once
    after it; nothing before the first has made the tables."""
    states: list[tuple[object, ...]] = []
    last, at = "", 0.0
    while writers.poll() is None:
        now = made.postgres.run(SNAPSHOTS, made.database)
        if now and (now != last or time.monotonic() - at > 3):
            with contextlib.suppress(errors.NoWarehouse):
                states.append(ask(made.address, WHOLE).row(0))
            last, at = now, time.monotonic()
        time.sleep(0.3)
    return [*states, ask(made.address, WHOLE).row(0)]


@pytest.fixture(scope="module")
def shipped(new_lake: NewLake, shipped_warehouse: Path) -> tuple[Lake, Path]:
    """What ships with the project, in a lake and in a file."""
    made = new_lake()
    assert load(made.address, warehouses.SHIPPED).status == 0
    return made, shipped_warehouse


@pytest.mark.parametrize("name", query.names())
def test_the_same_questions_have_the_same_answers(shipped: tuple[Lake, Path], name: str) -> None:
    made, file = shipped
    wanted = {key: PARAMETERS.get(key) for key in query.PARAMETER.findall(query.text(name))}
    if name == "cost_prompts":
        wanted |= {"a": 1.0, "b": 1.0, "c": 1.0, "result": ""}
    given = {key: value for key, value in wanted.items() if value is not None}
    there, here = (query.load(name, None, address, **given) for address in (made.address, str(file)))
    if name == "ingested_files":
        there = there.with_columns(pl.col("path").str.split(":").list.last())
        here = here.with_columns(pl.col("path").str.split(":").list.last())
        there, here = (frame.drop([column for column in ("ingested_at", "file_id") if column in frame.columns]) for frame in (there, here))
    assert_frame_equal(there, here, check_row_order=name != "ingested_files")


def test_loading_again_changes_nothing(shipped: tuple[Lake, Path]) -> None:
    made, _ = shipped
    before = connect.version(made.address)
    report = load(made.address, warehouses.SHIPPED)
    assert not report.changed
    assert {line.state for line in report.lines} <= {"known", "foreign"}
    assert connect.version(made.address) == before


def test_an_export_holds_the_rows_that_a_file_gives(shipped: tuple[Lake, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made, file = shipped
    for address in (made.address, str(file)):
        assert main(["export", str(tmp_path / "out.csv"), "--rows", "prompts", "--weights", "both", "--warehouse", address]) == 0
    first, second = capsys.readouterr().out.split("content hash")[1:]
    assert first.split()[0] == second.split()[0]


def test_check_finds_every_file_as_it_was(shipped: tuple[Lake, Path]) -> None:
    made, _ = shipped
    assert {verdict.state for verdict in reading.check(made.address)} == {"ok"}


def test_files_that_cannot_be_read_are_noted_until_they_are_gone(
    new_lake: NewLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = new_lake()
    good = run_file(tmp_path, "good")
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(good.read_bytes()[:-9])
    assert load(made.address, tmp_path).status == 1
    noted = "select path, reason from rejects"
    assert ask(made.address, noted).rows() == [(lake.name_of(torn), "is not a whole Parquet file: its end is missing or damaged")]
    torn.unlink()
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another")
        load(made.address, run_file(tmp_path / "other", "other"))
    assert ask(made.address, noted).height == 1
    assert load(made.address, good).changed
    assert ask(made.address, noted).is_empty()


def test_check_does_not_look_for_files_of_other_machines(one_run: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [verdict.state for verdict in reading.check(one_run.address)] == ["ok"]
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert [verdict.state for verdict in reading.check(one_run.address)] == ["elsewhere"]


def test_two_machines_have_different_files_at_one_path(new_lake: NewLake, one_run: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_lake(one_run)
    (name,) = ask(made.address, "select path from ingested_files")["path"]
    path = lake.path_of(name)
    assert path is not None
    before = path.read_bytes()
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    try:
        load(made.address, factories.write(factories.records(ROWS, "two"), path))
    finally:
        path.write_bytes(before)
    assert ask(made.address, "select run_id from runs order by run_id")["run_id"].to_list() == ["before", "two"]


def test_four_writers_and_two_readers(new_lake: NewLake, tmp_path: Path) -> None:
    made = new_lake()
    common = run_file(tmp_path / "common", "common")
    mine = [[run_file(tmp_path / str(writer), f"w{writer}-{number}") for number in range(2)] for writer in range(4)]
    bad = factories.records(2, "bad").with_columns(energy_j=pl.lit(-1.0))
    broken = [factories.write(bad.with_columns(run_id=pl.lit(f"bad-{writer}")), tmp_path / f"bad-{writer}.parquet") for writer in range(4)]
    writers = start_together(made.address, [[common, *files, broken[writer]] for writer, files in enumerate(mine)])
    with ThreadPoolExecutor(2) as readers:
        watched = [readers.submit(watch, made, writers) for _ in range(2)]
        states = [state for reader in watched for state in reader.result()]
    output = writers.communicate()[0]
    assert json.loads(output.splitlines()[-1]) == [1, 1, 1, 1], output
    assert len(set(states)) > 1, "readers saw the rows come"
    assert all(len(set(state)) == 1 for state in states), states
    assert ask(made.address, WHOLE).row(0) == (9 * ROWS,) * 4
    keys = ask(made.address, "select count(*), count(distinct (run_id, task, prompt_id, repetition)) from requests").row(0)
    assert keys == (9 * ROWS, 9 * ROWS)
    assert ask(made.address, "select count(*), count(distinct path) from rejects").row(0) == (8, 4)
    assert ask(made.address, "select count(*), count(distinct file_id), count(distinct sha256) from ingested_files").row(0) == (13, 13, 13)


def test_a_killed_writer_leaves_a_whole_state(new_lake: NewLake, one_run: Lake, tmp_path: Path) -> None:
    made = new_lake(one_run)
    for number in range(2):
        files = [run_file(tmp_path / f"k{number}", f"k{number}-{part}") for part in range(3)]
        writer = start(made.address, files)
        time.sleep(random.uniform(0.6, 2.0))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert len(set(ask(made.address, WHOLE).row(0))) == 1
        load(made.address, *files)
    assert ask(made.address, WHOLE).row(0) == (7 * ROWS,) * 4


def test_a_cut_connection_writes_nothing_and_says_so(new_lake: NewLake, one_run: Lake, tmp_path: Path) -> None:
    made = new_lake(one_run)
    after = [run_file(tmp_path / "after", f"after-{part}", 300) for part in range(4)]
    made.postgres.run(NO_SNAPSHOT, made.database)
    writer = start(made.address, after)
    cut = f"select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{made.database}' and pid <> pg_backend_pid()"
    while writer.poll() is None:
        made.postgres.run(cut)
        time.sleep(0.02)
    output = writer.communicate()[0]
    assert writer.returncode == 2, output
    made.postgres.run("drop trigger cut on ducklake_snapshot", made.database)
    assert "Traceback" not in output
    assert ask(made.address, WHOLE).row(0) == (ROWS,) * 4
    assert load(made.address, *after).status == 0
    assert ask(made.address, WHOLE).row(0) == (ROWS + 1200,) * 4


def test_resumed_runs_and_replaced_files_are_as_in_a_file(new_lake: NewLake, tmp_path: Path) -> None:
    made, file = new_lake(), tmp_path / "warehouse.duckdb"
    rows = factories.records(ROWS, "resumed")
    first = factories.write(rows.head(20), tmp_path / "results" / "part-0.parquet")
    second = factories.write(rows.tail(15), tmp_path / "results" / "part-1.parquet")  # 5 rows are in the first part already
    notes = factories.run_json(tmp_path / "results" / "run.json", "resumed")
    other = run_file(tmp_path / "results", "other")
    for paths in ([first, other], [second], [notes]):
        load(made.address, *paths)
        warehouses.ingest(*paths, into=file)
    factories.write(rows.head(10), first)
    load(made.address, first)
    warehouses.ingest(first, into=file)
    computed = ("runs", "run_summary", *derive.TOGETHER, "results", "setup_sums", "models")
    questions = [f"select columns(c -> c <> 'file_id') from {table} order by all" for table in (*computed, "run_notes", "requests")]
    questions.append("select format, accepted, rejected from ingested_files order by all")
    with contextlib.closing(connect.once(made.address)) as there, contextlib.closing(connect.once(str(file))) as here:
        for sql in questions:
            assert_frame_equal(there.sql(sql).pl(), here.sql(sql).pl())


def test_a_reader_and_a_block_of_questions_are_of_one_snapshot(new_lake: NewLake, one_run: Lake, tmp_path: Path) -> None:
    made = new_lake(one_run)
    reader = connect.once(made.address)
    try:
        assert reader.execute("select count(*) from runs").fetchall() == [(1,)]
        with connect.pinned(made.address):
            before = connect.version(made.address)
            load(made.address, run_file(tmp_path, "two"))
            assert query.load("runs", None, made.address).height == 1
            assert connect.version(made.address) == before
        assert reader.execute("select count(*) from requests").fetchall() == [(ROWS,)]
    finally:
        reader.close()
    assert query.load("runs", None, made.address).height == 2
    assert ask(made.address, "select count(*) from requests").item() == 2 * ROWS


def test_a_page_shows_a_lake(shipped: tuple[Lake, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.app.conftest import open_app

    made, file = shipped
    monkeypatch.setenv(connect.VARIABLE, made.address)
    app = open_app("leaderboard")
    assert not app.exception
    assert "least energy" in app.title[0].value
    monkeypatch.setenv(connect.VARIABLE, str(file))
    same = open_app("leaderboard")
    shown, wanted = (pl.from_pandas(opened.dataframe[0].value) for opened in (app, same))
    assert_frame_equal(shown, wanted)  # sums of another order differ in their last digit


def test_the_sql_box_reads_tables_and_nothing_else(shipped: tuple[Lake, Path]) -> None:
    made, file = shipped
    total = "select sum(energy_j) as joules from requests"
    assert visitor_sql.run(total, made.address).rows.item() == pytest.approx(visitor_sql.run(total, str(file)).rows.item())
    refused = (
        "from postgres_query('__ducklake_metadata_results', 'select 1')",
        "from __ducklake_metadata_results.ducklake_snapshot",
        "from read_text('/etc/passwd')",
        "from read_text('s3://elsewhere/x')",
        # What a regular expression over the text does not see.
        "from query('from post' || 'gres_query(''__ducklake_metadata_results'', ''select 1'')')",
        "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
        "from postgres_query('__ducklake_metadata_results', 'select pg_read_file(''/etc/passwd'')')",
        "from postgres_query('__ducklake_metadata_results', 'select pg_terminate_backend(pid) from pg_stat_activity')",
        "from postgres_attach('host=example.org')",
        "from ducklake_snapshots('results')",
        "from results.snapshots()",
        "from ducklake_list_files('results', 'requests')",
        "from requests at (version => 1)",
        "from results.main.requests",
        "from glob('s3://*')",
    )
    with pytest.raises(visitor_sql.RefusedSql):
        visitor_sql.run(refused[0], made.address)
    for sql in refused:  # what the process of a statement does, without one for each
        with pytest.raises((visitor_sql.RefusedSql, duckdb.Error)):
            visitor_sql_child.answer(sql, made.address, seconds=10, most_rows=100, most_bytes=1_000_000, texts=True)
    paths = visitor_sql.run("select distinct path from ingested_files", made.address).rows["path"].to_list()
    assert paths and not [path for path in paths if "/" in path.removeprefix("…/")]


def test_every_function_of_an_extension_is_refused(shipped: tuple[Lake, Path]) -> None:
    made, _ = shipped
    connection = connect.once(made.address)
    known = visitor_sql_allowed.names(connection)
    found = connection.execute(
        "select distinct function_name from duckdb_functions() where function_type in ('table', 'table_macro', 'scalar') "
        "and (starts_with(function_name, 'postgres') or starts_with(function_name, 'ducklake') or starts_with(function_name, 'pg_'))"
    ).fetchall()
    assert len(found) > 20
    for (name,) in found:
        for sql in (f"from {name}()", f"select {name}()"):
            with pytest.raises(visitor_sql.RefusedSql, match="cannot be used here"):
                visitor_sql_allowed.check(visitor_sql_allowed.tree(connection, sql), known)
    connection.close()
