"""ingest --watch: what is whole, what is said, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from prompt_joules.bench.interrupt import Interrupt
from prompt_joules.ingest import find, watch
from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.report import Line, Report
from prompt_joules.warehouse import errors
from tests import factories, warehouses

EVERY_S = 0.2


def test_a_file_is_whole_when_it_is_as_it_was_at_the_look_before(tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    looks = watch.Looks([str(tmp_path)])
    path.write_text("{")
    assert looks.whole() == {}
    path.write_text("{}")
    assert looks.whole() == {}, "it has grown"
    found = looks.whole()
    assert list(found) == [path]
    assert looks.whole() == found, "it is not loaded yet"
    looks.done |= found
    assert looks.whole() == {}
    os.utime(path, ns=(1, 1))
    assert (looks.whole(), list(looks.whole())) == ({}, [path]), "it has changed"
    path.unlink()
    assert looks.whole() == {} == looks.done


def test_a_link_that_leads_out_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "none.csv").symlink_to(tmp_path / "out.csv")
    looks = watch.Looks([str(tmp_path / "in")])
    looks.whole()
    found = looks.whole()
    assert list(found) == [tmp_path / "in" / "none.csv"]
    looks.done |= found
    assert looks.whole() == {}


def test_a_fault_that_may_pass_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "part.jsonl").write_text("{}")
    tried = 0

    def load(chosen: find.Chosen) -> Report:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise OSError(28, "No space left on device")
        os.kill(os.getpid(), signal.SIGTERM)
        return Report([Line("part.jsonl", "records", "loaded", rejected=1)])

    monkeypatch.setattr(watch, "_wait", lambda seconds, stop: None)
    assert watch.watch([str(tmp_path)], EVERY_S, load) == 1
    said = capsys.readouterr().err
    assert (tried, said.count("No space left on device")) == (3, 1)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none", "--watch"], "There is no file or folder none."),
        ([".", "--watch", "--rebuild"], "run the command once with --rebuild"),
        ([".", "--watch", "--every", "0"], "--every 0.0: must be above 0"),
    ],
)
def test_what_cannot_be_watched_is_a_sentence(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_wait_ends_at_once_when_somebody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, slept = Interrupt.__new__(Interrupt), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        stop.requested = len(slept) == 3

    monkeypatch.setattr(watch, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: sum(slept)))
    stop.requested = False
    watch._wait(60, stop)
    assert slept == [watch.STEP_S] * 3
    watch._wait(60, stop)
    assert len(slept) == 3


def test_what_is_written_slowly_is_loaded_when_it_is_whole_while_somebody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is written goes on between two looks, as the waits of the command: no clock is in it."""
    monkeypatch.chdir(tmp_path)
    warehouse, folder = tmp_path / "w.duckdb", tmp_path / "in" / "run-1"
    factories.write(factories.records(3, "run-0"), tmp_path / "in" / "run-0" / "part-00000.parquet")
    whole = factories.write(factories.records(4, "run-1"), tmp_path / "part.parquet").read_bytes()
    folder.mkdir()

    def writing() -> Iterator[None]:
        yield from (None, None)
        assert answers(warehouse) == 3
        with duckdb.connect(str(warehouse), read_only=True) as reader:
            for end in range(0, len(whole), len(whole) // 6):
                (folder / "part-00000.parquet").write_bytes(whole[:end])
                yield
                assert answers(warehouse) == 3
            (folder / "part-00000.parquet").write_bytes(whole)
            yield from (None, None)
            assert answers(warehouse) == 7
            assert reader.execute("select count(*) from requests").fetchone() == (3,), "who reads the old file goes on reading it"
        (folder / "bad.parquet").write_bytes(whole[:99])
        yield from (None, None, None, None)
        os.kill(os.getpid(), signal.SIGINT)
        yield

    steps = writing()
    monkeypatch.setattr(watch, "_wait", lambda seconds, stop: next(steps))
    assert main(["in", "--watch", "--every", "5", "--warehouse", "w.duckdb", "--json"]) == 1
    told = capsys.readouterr()
    states = [(line["path"], line["state"]) for load in told.out.splitlines() for line in json.loads(load)["files"]]
    assert [state for path, state in states if path.endswith("run-1/part-00000.parquet")] == ["loaded"], "never half of it"
    assert [state for path, state in states if path.endswith("bad.parquet")] == ["unreadable"], "said once"
    assert told.err.count("bad.parquet") == 1


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command at work on a folder, with a run that lies there already."""
    factories.write(factories.records(3, "run-0"), tmp_path / "in" / "run-0" / "part-00000.parquet")
    command = [sys.executable, "-m", "prompt_joules.ingest", "in", "--watch", "--every", str(EVERY_S), "--warehouse", "w.duckdb", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(warehouse: Path) -> int:
    try:
        return int(warehouses.rows(warehouse, "select count(*) from requests").item())
    except errors.WarehouseError:  # it is not there yet
        return -1


def test_parts_are_loaded_as_they_come_until_ctrl_c(watching: subprocess.Popen[str], tmp_path: Path) -> None:
    """The command itself. Each file that is loaded proves that there were two more looks."""
    warehouse, folder = tmp_path / "w.duckdb", tmp_path / "in" / "run-1"
    until(lambda: answers(warehouse) == 3)
    whole = factories.write(factories.records(4, "run-1"), tmp_path / "part.parquet")
    folder.mkdir()
    (folder / "bad.parquet").write_bytes(whole.read_bytes()[:99])
    until(lambda: warehouses.rejects(warehouse) != [])
    whole.rename(folder / "part-00000.parquet")
    until(lambda: answers(warehouse) == 7)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=300)
    assert watching.returncode == 1, err
    states = [(line["path"], line["state"]) for load in out.splitlines() for line in json.loads(load)["files"]]
    assert [state for path, state in states if path.endswith("bad.parquet")] == ["unreadable"], "said once"
    assert err.count("bad.parquet") == 1 and "Traceback" not in err
