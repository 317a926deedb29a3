"""The limits of a visitor's statement hold where DuckDB's own do not: while it is planned, folded, inside a function, in its answer."""

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from prompt_joules.warehouse import connect, errors, switches, visitor_sql, visitor_sql_memory
from prompt_joules.warehouse.visitor_sql import RefusedSql
from tests import factories, warehouses

DOUBLING = (
    "with c0 as (select 1 as x union all select 2), "
    + ", ".join(f"c{n} as (select a.x from c{n - 1} a, c{n - 1} b)" for n in range(1, 40))
    + " select count(*) from c39"
)
# What never ended, or took gigabytes, while only DuckDB's limits held.
ENDLESS = [
    "select range(1000000000)",
    "select regexp_extract_all(repeat('a', 50000000), 'a')",
    "select list(x) from unnest(range(100000000)) t(x)",
    "select lpad('x', 2000000000, 'y')",
    "select damerau_levenshtein(repeat('a', 100000), repeat('b', 100000))",
    "select repeat('x', 2000000000)",
    "select string_agg(repeat('x', 100000), '') from range(100000)",
    "select list_sort(list_transform(range(100000000), lambda x: -x))",
    "select sum(a.range * b.range) from range(10000000) a, range(10000000) b",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
    DOUBLING,
]
MOST_RSS = 2_200_000_000
"""Bytes: 1.28 GB that a statement may add, and what Python and DuckDB take before it."""


@pytest.mark.parametrize("sql", ENDLESS, ids=lambda sql: sql[:40])
def test_what_never_ended_ends(attacked: Path, sql: str) -> None:
    with pytest.raises(RefusedSql, match=r"Stopped after 1.5 s|more memory"):
        visitor_sql.run(sql, str(attacked), seconds=1.5)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert peak < MOST_RSS


@pytest.mark.parametrize("deep", ["(" * 2000 + "1" + ")" * 2000, "not " * 4000 + "true", "+" * 9000 + "1"], ids=lambda deep: deep[:4])
def test_nesting_ends_in_words(attacked: Path, deep: str) -> None:
    with pytest.raises(RefusedSql):
        visitor_sql.run(f"select {deep}", str(attacked), seconds=5)


def test_answers_have_so_many_bytes(attacked: Path) -> None:
    answer = visitor_sql.run("select repeat('x', 40000) as x from range(10001)", str(attacked))
    assert answer.cut and 0 < answer.rows.height < 10_001
    assert answer.rows.estimated_size() <= visitor_sql.MOST_BYTES
    with pytest.raises(RefusedSql, match="One row is larger"):
        visitor_sql.run("select repeat('x', 20000000)", str(attacked))


def test_so_many_at_once_and_the_rest_come_back(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_sql, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(visitor_sql, "WAITING", 1)
    slow = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"
    said: list[str] = []
    all_refused, run_it = threading.Event(), visitor_sql._ask
    monkeypatch.setattr(visitor_sql, "_ask", lambda *asked: (all_refused.wait(60), run_it(*asked))[1])

    def ask() -> None:
        with pytest.raises(RefusedSql) as caught:
            visitor_sql.run(slow, str(attacked), seconds=1)
        said.append(str(caught.value))
        if len(said) == 3:
            all_refused.set()

    threads = [threading.Thread(target=ask) for _ in range(visitor_sql.RUNNING + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("Stopped after" in text for text in said) == visitor_sql.RUNNING
    assert sum("try again" in text for text in said) == 3
    assert visitor_sql.run("select 1 as x", str(attacked)).rows.item() == 1


def test_what_is_remembered_has_so_many_bytes(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    run = visitor_sql.run
    monkeypatch.setattr(visitor_sql, "run", lambda sql, warehouse: (ran.append(sql), run(sql, warehouse))[1])
    monkeypatch.setattr(visitor_sql_memory, "MOST_BYTES", 930)
    visitor_sql_memory.forget()
    for sql in ("select 1 as x", "select 1 as x", "select repeat('x', 900) as x", "select 1 as x", "select repeat('x', 2000) as x"):
        visitor_sql_memory.run(sql, str(attacked))
    assert ran == ["select 1 as x", "select repeat('x', 900) as x", "select 1 as x", "select repeat('x', 2000) as x"]
    assert sum(size for _, size in visitor_sql_memory._KEPT.values()) <= 930
    visitor_sql_memory.forget()


def test_an_answer_of_another_version_is_not_remembered(tmp_path: Path) -> None:
    factories.write(factories.records(3), tmp_path / "in" / "a.parquet")
    path = tmp_path / "w.duckdb"
    warehouses.ingest(tmp_path / "in", into=path)
    sql = "select count(*) as runs from runs"
    with connect.pinned(str(path)):
        factories.write(factories.records(3, "run-2"), tmp_path / "in" / "b.parquet")
        warehouses.ingest(tmp_path / "in", into=path)
        assert visitor_sql_memory.run(sql, str(path)).rows.item() == 2
        assert not [key for key in visitor_sql_memory._KEPT if key[1] == str(path)]
    assert visitor_sql_memory.run(sql, str(path)).rows.item() == 2


def test_no_process_stays_but_one_spare(attacked: Path) -> None:
    for sql in ("select 1", "selekt", "select range(1000000000)"):
        with contextlib.suppress(RefusedSql):
            visitor_sql.run(sql, str(attacked), seconds=5)
    children = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False).stdout
    assert children.count("visitor_sql_child") <= 1


def test_a_spare_child_that_died_is_replaced(attacked: Path) -> None:
    visitor_sql.warm()
    visitor_sql._SPARE[False].kill()
    visitor_sql._SPARE[False].wait()
    assert visitor_sql.run("select 1 as x", str(attacked)).rows.item() == 1


def test_a_child_that_dies_is_said(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = visitor_sql._ask

    def kill(child: "subprocess.Popen[bytes]", request: bytes, seconds: float) -> tuple[int | None, bytes]:
        child.kill()
        return ask(child, request, seconds)

    monkeypatch.setattr(visitor_sql, "_ask", kill)
    with pytest.raises(RefusedSql, match="SIGKILL"):
        visitor_sql.run("select 1", str(attacked))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has loaded")
def test_a_spare_child_answers_before_a_new_one_would(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has Python and DuckDB in its memory before it is asked: 0.06 s, beside the 0.5 s of a new one."""
    asked: list[int] = []
    ask = visitor_sql._ask
    monkeypatch.setattr(visitor_sql, "_ask", lambda child, *more: (asked.append(child.pid), ask(child, *more))[1])
    visitor_sql.warm()
    spare = visitor_sql._SPARE[False]
    until = time.monotonic() + 60
    while "_duckdb" not in Path(f"/proc/{spare.pid}/maps").read_text():
        assert spare.poll() is None and time.monotonic() < until, "DuckDB is not loaded before a statement comes"
        time.sleep(0.01)
    assert visitor_sql.run("select 1 as x", str(attacked)).rows.item() == 1
    assert asked == [spare.pid] and visitor_sql._SPARE[False].pid != spare.pid, "and the next one waits already"


def test_it_can_be_switched_off(attacked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("off", "OFF", "0", "no"):
        monkeypatch.setenv(switches.SQL, word)
        with pytest.raises(RefusedSql, match="switched off"):
            visitor_sql.run("select 1", str(attacked))


def test_what_is_wrong_with_the_warehouse_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.duckdb").write_bytes(b"no warehouse" * 100)
    for name in ("none.duckdb", "no.duckdb"):
        with pytest.raises(errors.WarehouseError, match=name):
            visitor_sql.run("select 1", str(tmp_path / name))
    with pytest.raises(RefusedSql, match="MotherDuck"):
        visitor_sql.run("select 1", "md:joules")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a limit on address space")
def test_the_kernel_keeps_the_limits(attacked: Path) -> None:
    seen = (
        "import resource, signal\n"
        "from prompt_joules.warehouse import visitor_sql_child\n"
        "visitor_sql_child.limit(3.0)\n"
        "print([resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)])\n"
        "print(signal.getitimer(signal.ITIMER_REAL)[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout.splitlines()
    space, cpu, size = (int(number) for number in out[0].strip("[]").split(","))
    assert 1_280_000_000 < space < 6_000_000_000
    assert 6 < cpu < 20 and size == 0
    assert 0 < float(out[1]) <= 3
