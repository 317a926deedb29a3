"""A crash, a second ingest and a reader: the warehouse is the old one or the new one, never anything else."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import factories, warehouses
from warehouse import query, store


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ingest", *(str(argument) for argument in arguments)]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), cwd=warehouses.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Twenty runs of 500 rows."""
    for number in range(20):
        rows = factories.records(500, f"run-{number:02d}")
        factories.write(rows, tmp_path / "results" / f"run-{number:02d}" / "part-0.parquet")
    return tmp_path / "results"


def test_kill_at_random_moments_leaves_a_whole_warehouse(results: Path, tmp_path: Path) -> None:
    warehouse, old = tmp_path / "w.duckdb", tmp_path / "old.duckdb"
    warehouses.ingest(results / "run-00", into=old)
    began = time.monotonic()
    subprocess.run(command(results, "--warehouse", tmp_path / "timed.duckdb"), cwd=warehouses.ROOT, check=True)
    whole = time.monotonic() - began
    chance = random.Random(0)
    killed, counts = 0, set()
    for _ in range(8):
        shutil.copyfile(old, warehouse)
        process = start(results, "--warehouse", warehouse)
        time.sleep(chance.uniform(0.4, 0.95) * whole)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        counts.add(warehouses.rows(warehouse, "select count(*) from requests").item())
        assert warehouses.rows(warehouse, "select count(*) from requests anti join runs using (run_id)").item() == 0
    assert counts <= {500, 10_000}
    assert killed > 0, "every ingest finished before its kill: the test did not test"
    assert subprocess.run(command(results, "--warehouse", warehouse), cwd=warehouses.ROOT, check=False).returncode == 0
    assert warehouses.content(warehouse) == warehouses.content(tmp_path / "timed.duckdb")
    assert sorted(path.name for path in tmp_path.glob("w.duckdb*")) == ["w.duckdb", "w.duckdb.lock"]


def test_two_at_once_lose_nothing(results: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    halves = [sorted(results.iterdir())[:10], sorted(results.iterdir())[10:]]
    processes = [start(*half, "--warehouse", warehouse) for half in halves]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert warehouses.rows(warehouse, "select count(*), count(distinct run_id) from requests").row(0) == (10_000, 20)


def test_a_second_ingest_says_that_it_waits(results: Path, tmp_path: Path) -> None:
    import fcntl

    warehouse = tmp_path / "w.duckdb"
    with (tmp_path / "w.duckdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = start(results / "run-00", "--warehouse", warehouse)
        time.sleep(2)
        assert process.poll() is None
        assert not warehouse.exists()
    _, said = process.communicate(timeout=60)
    assert "waiting for it to finish" in said
    assert process.returncode == 0


def test_a_reader_during_an_ingest_sees_the_old_or_the_new(results: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    warehouses.ingest(results / "run-00", into=warehouse)
    seen = []
    process = start(results, "--warehouse", warehouse)
    while process.poll() is None:
        seen.append(query.load("leaderboard", None, str(warehouse)).height)
    process.communicate()
    seen.append(query.load("leaderboard", None, str(warehouse)).height)
    assert set(seen) == {1, 20}
    assert seen == sorted(seen)


def test_an_open_reader_does_not_stop_an_ingest(results: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    warehouses.ingest(results / "run-00", into=warehouse)
    reader = store.connect(str(warehouse))
    finished = subprocess.run(command(results, "--warehouse", warehouse), cwd=warehouses.ROOT, check=False)
    assert finished.returncode == 0
    assert reader.sql("select count(*) from runs").fetchall() == [(1,)]
    reader.close()
    assert warehouses.rows(warehouse, "select count(*) from runs").item() == 20


def test_a_full_disk_leaves_the_old_warehouse(results: Path, tmp_path: Path) -> None:
    """The process may not write files larger than 2 MB, which a DuckDB file of these rows exceeds."""
    warehouse = tmp_path / "w.duckdb"
    warehouses.ingest(warehouses.SHIPPED, into=warehouse)
    before = warehouse.read_bytes()
    limited = ["prlimit", f"--fsize={len(before)}", *command(results, "--warehouse", warehouse)]
    finished = subprocess.run(limited, cwd=warehouses.ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert warehouse.read_bytes() == before
    assert not (tmp_path / "w.duckdb.building").exists() or finished.returncode < 0
    assert warehouses.ingest(results, into=warehouse).status == 0
