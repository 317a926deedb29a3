"""A crash, a second ingest and a reader: the warehouse is the old one or the new one, never anything else."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from prompt_joules.ingest import file
from prompt_joules.warehouse import connect, query
from tests import factories, warehouses


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ingest", *(str(argument) for argument in arguments)]


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command that is killed leaves behind is removed with the folders of the tests."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("temporary")))


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), cwd=warehouses.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty runs of 500 rows, which no test changes."""
    folder = tmp_path_factory.mktemp("results")
    for number in range(20):
        factories.write(factories.records(500, f"run-{number:02d}"), folder / f"run-{number:02d}" / "part-0.parquet")
    return folder


# Imports everything once, then for each moment puts the old warehouse in place, forks an ingest and kills it.
# Before a fork no DuckDB connection was ever open in the parent, so the child is as good as a new process.
# Moments are times drawn at random, and places in the code: where a function of the ingest is first called, before and after the swap.
KILLER = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
from prompt_joules.ingest import loading
results, old, out, moments, points = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])

def child(warehouse, prepare=lambda: None):
    pid = os.fork()
    if pid == 0:
        prepare()
        report = loading.ingest([str(results)], str(warehouse), say=print)
        sys.setprofile(None)
        os._exit(report.status)
    return pid

def timed(warehouse):
    began = time.monotonic()
    _, status = os.waitpid(child(warehouse), 0)
    assert status == 0, status
    return time.monotonic() - began

def place(name):
    folder = out / name
    folder.mkdir()
    return Path(shutil.copyfile(old, folder / "w.duckdb"))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def each_first_call(do):
    seen = set()
    def watch(frame, event, _):
        called = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
        if event == "call" and called[0].startswith("prompt_joules.ingest") and called not in seen:
            seen.add(called)
            do(len(seen))
    sys.setprofile(watch)

def count_calls():
    counted = (out / "calls").open("a")
    each_first_call(lambda _: print("x", file=counted, flush=True))

def swap_and_die():
    real = os.replace
    os.replace = lambda *names, **more: (real(*names, **more), die())

def die_at_the_swap():
    os.replace = lambda *names, **more: die()

whole = timed(place("timed"))
os.waitpid(child(place("counted"), count_calls), 0)
calls = (out / "calls").read_text().count("x")
chance = random.Random(0)
killed = late = 0
while killed < moments:
    pid = child(place(f"time-{killed + late:02d}"))
    time.sleep(chance.uniform(0, 1) * whole)
    os.kill(pid, signal.SIGKILL)
    if os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
        killed += 1
    else:  # it was done: the machine is faster now, or this process was kept waiting
        late, whole = late + 1, whole * 0.9
for point in range(points):
    last = 1 + point * (calls - 1) // (points - 1)
    pid = child(place(f"call-{last:03d}"), lambda: each_first_call(lambda number: die() if number == last else None))
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), f"the ingest did not come to its call {last} of {calls}"
for name, prepare in (("swap-before", die_at_the_swap), ("swap-after", swap_and_die)):
    assert os.WIFSIGNALED(os.waitpid(child(place(name), prepare), 0)[1]), f"{name}: no file was swapped"
print(json.dumps({"killed": killed, "late": late, "calls": calls}))
"""


def test_a_kill_at_any_moment_leaves_a_whole_warehouse(tmp_path: Path) -> None:
    results, old, out = tmp_path / "results", tmp_path / "old.duckdb", tmp_path / "out"
    for number in range(6):
        factories.write(factories.records(100, f"run-{number}"), results / f"run-{number}" / "part-0.parquet")
    warehouses.ingest(results / "run-0", into=old)
    out.mkdir()
    script = [sys.executable, "-c", KILLER, str(results), str(old), str(out), "15", "12"]
    finished = subprocess.run(script, cwd=warehouses.ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout.splitlines()[-1])
    assert told["killed"] == 15
    assert told["calls"] >= 20, "too few places in the code were seen"
    counts = {}
    for folder in sorted(path for kind in ("time", "call", "swap") for path in out.glob(f"{kind}-*")):
        with warehouses.reading(folder / "w.duckdb") as connection:
            ((counts[folder.name],),) = connection.execute("select count(*) from requests").fetchall()
            assert connection.execute("select count(*) from requests anti join runs using (run_id)").fetchall() == [(0,)]
    assert len(counts) == 15 + told["late"] + 12 + 2
    assert set(counts.values()) <= {100, 600}
    assert (counts["swap-before"], counts["swap-after"]) == (100, 600)
    left = next(folder for folder in sorted(out.glob("[cst]*-*")) if (folder / "w.duckdb.building").exists())
    assert warehouses.ingest(results, into=left / "w.duckdb").status == 0
    assert warehouses.content(left / "w.duckdb") == warehouses.content(out / "timed" / "w.duckdb")
    assert sorted(path.name for path in left.iterdir()) == ["w.duckdb", "w.duckdb.lock"]


def test_two_at_once_lose_nothing(results: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    halves = [sorted(results.iterdir())[:10], sorted(results.iterdir())[10:]]
    processes = [start(*half, "--warehouse", warehouse) for half in halves]
    answers = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert warehouses.rows(warehouse, "select count(*), count(distinct run_id) from requests").row(0) == (10_000, 20)


def test_a_second_ingest_says_that_it_waits(results: Path, tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    with FileLock(tmp_path / "w.duckdb.lock"):
        process = start(results / "run-00", "--warehouse", warehouse)
        assert process.stderr is not None
        assert any("waiting for it to finish" in line for line in process.stderr)  # it says so before the lock is free
        assert process.poll() is None
        assert not warehouse.exists()
    process.communicate(timeout=300)
    assert process.returncode == 0


@dataclass(frozen=True)
class Read:
    """What readers saw of an ingest of twenty runs into a warehouse of one."""

    warehouse: Path
    status: int
    seen: list[int]  # results, before it, during it again and again, and after it
    held: list[tuple[int]]  # runs, after it, by a reader that was open from the start


@pytest.fixture(scope="module")
def read(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """An ingest with two readers."""
    warehouse = tmp_path_factory.mktemp("read") / "w.duckdb"
    warehouses.ingest(results / "run-00", into=warehouse)
    with connect.once(str(warehouse)) as reader:
        seen = [query.load("leaderboard", None, str(warehouse)).height]
        process = start(results, "--warehouse", warehouse)
        while process.poll() is None:
            seen.append(query.load("leaderboard", None, str(warehouse)).height)
            time.sleep(0.02)
        process.communicate()
        seen.append(query.load("leaderboard", None, str(warehouse)).height)
        return Read(warehouse, process.returncode, seen, reader.sql("select count(*) from runs").fetchall())


def test_a_reader_during_an_ingest_sees_the_old_or_the_new(read: Read) -> None:
    assert set(read.seen) == {1, 20}
    assert read.seen == sorted(read.seen)


def test_an_open_reader_does_not_stop_an_ingest(read: Read) -> None:
    assert read.status == 0
    assert read.held == [(1,)]
    assert warehouses.rows(read.warehouse, "select count(*) from runs").item() == 20


def test_a_full_disk_leaves_the_old_warehouse(results: Path, tmp_path: Path, shipped_warehouse: Path) -> None:
    """The process may not write files larger than the warehouse that is there, which the new one exceeds."""
    warehouse = Path(shutil.copyfile(shipped_warehouse, tmp_path / "w.duckdb"))
    before = warehouse.read_bytes()
    limited = ["prlimit", f"--fsize={len(before)}", *command(results, "--warehouse", warehouse)]
    finished = subprocess.run(limited, cwd=warehouses.ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode != 0
    assert warehouse.read_bytes() == before
    assert not (tmp_path / "w.duckdb.building").exists() or finished.returncode < 0
    assert warehouses.ingest(results, into=warehouse).status == 0


@pytest.mark.parametrize("trouble", [None, errno.EXDEV, errno.EOPNOTSUPP, "nothing", "half"])
def test_a_copy_is_whole_whatever_the_file_system_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: int | str | None) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "old").write_bytes(content)
    real = os.copy_file_range

    def limping(source: int, target: int, count: int) -> int:
        if isinstance(trouble, int):
            raise OSError(trouble, "not here")
        return 0 if trouble == "nothing" else real(source, target, min(count, 1_000_000))

    if trouble:
        monkeypatch.setattr(os, "copy_file_range", limping)
    file.copy(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == content


def test_a_copy_onto_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x" * 100)
    with pytest.raises(OSError, match="No space left"):
        file.copy(tmp_path / "old", Path("/dev/full"))
