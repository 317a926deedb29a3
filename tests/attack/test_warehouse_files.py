"""Whatever stands where the warehouse should be, a page says what is wrong and what to do, and the server goes on."""

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from prompt_joules.warehouse import connect, errors, query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.app.conftest import open_app, text

QUESTIONS = ("options", "leaderboard", "runs", "prompts", "repetitions", "ingested_files", "reason_codes")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of one run and a warehouse of it. Nobody may change it."""
    folder = tmp_path_factory.mktemp("made")
    factories.write(factories.records(20), folder / "in" / "part-0.parquet")
    warehouses.ingest(folder / "in", into=folder / "w.duckdb")
    return folder


@pytest.fixture
def warehouse(made: Path, tmp_path: Path) -> Path:
    """A copy of it, which a test may spoil."""
    shutil.copytree(made / "in", tmp_path / "in")
    connect.forget()
    return Path(shutil.copyfile(made / "w.duckdb", tmp_path / "w.duckdb"))


def within(seconds: float, does: Callable[[], object]) -> bool:
    """Whether something ends in time; it goes on in its thread where it does not."""
    thread = threading.Thread(target=does, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize(
    "make",
    [make_pipe, make_socket, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path.name)],
    ids=["pipe", "socket", "folder", "device", "loop"],
)
def test_what_is_no_regular_file_is_refused_and_holds_nobody_up(warehouse: Path, make: Callable[[Path], None]) -> None:
    kept = warehouse.with_name("kept.duckdb")
    warehouse.rename(kept)
    make(warehouse)

    def ask() -> None:
        with pytest.raises(errors.WarehouseError):
            query.load("leaderboard", None, str(warehouse))
        with pytest.raises(errors.WarehouseError):
            connect.once(str(warehouse))

    assert within(60, ask)
    assert query.load("leaderboard", None, str(kept)).height == 1
    warehouse.rmdir() if warehouse.is_dir() and not warehouse.is_symlink() else warehouse.unlink()
    kept.rename(warehouse)
    assert query.load("leaderboard", None, str(warehouse)).height == 1


def test_a_pipe_that_comes_between_two_looks_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def look() -> None:
        with pytest.raises(errors.NotAWarehouse):
            connect.refuse_others(tmp_path / "pipe")

    assert within(60, look)


def test_a_mount_that_hangs_holds_up_only_those_who_ask_it(warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = tmp_path / "hung.duckdb"
    hung.write_bytes(warehouse.read_bytes())
    comes_back, opening = threading.Event(), threading.Event()
    once = connect.once

    def slow(path: str) -> duckdb.DuckDBPyConnection:
        if path == str(hung):
            opening.set()
            comes_back.wait(300)
        return once(path)

    monkeypatch.setattr(connect, "once", slow)
    heights: list[int] = []
    waiting = [threading.Thread(target=lambda: heights.append(query.load("leaderboard", None, str(hung)).height)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    assert opening.wait(60)
    assert within(60, lambda: query.load("leaderboard", None, str(warehouse)))
    comes_back.set()
    for thread in waiting:
        thread.join(60)
    assert heights == [1] * 3


def test_who_waits_for_an_opening_that_never_ends_is_told(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "LONGEST_OPENING", 0.2)
    comes_back = threading.Event()
    opening = threading.Event()
    once = connect.once
    monkeypatch.setattr(connect, "once", lambda path: (opening.set(), comes_back.wait(120), once(path))[2])
    first = threading.Thread(target=lambda: query.load("leaderboard", None, str(warehouse)))
    first.start()
    assert opening.wait(60)
    with pytest.raises(errors.BrokenWarehouse, match="did not open within"):
        query.load("leaderboard", None, str(warehouse))
    comes_back.set()
    first.join(60)
    assert query.load("leaderboard", None, str(warehouse)).height == 1


def damaged(warehouse: Path, seed: int) -> None:
    """Turn bytes in the file over, none of the three first pages, which opening reads."""
    chance = random.Random(seed)
    with warehouse.open("r+b") as file:
        for _ in range(40):
            place = chance.randrange(12_288, warehouse.stat().st_size - 16)
            file.seek(place)
            turned = bytes(byte ^ 0xFF for byte in file.read(16))
            file.seek(place)
            file.write(turned)


@pytest.mark.parametrize("seed", range(6))
def test_damage_inside_a_file_is_named_with_its_remedy(warehouse: Path, seed: int) -> None:
    damaged(warehouse, seed)
    told = []
    for name in QUESTIONS:
        try:
            query.load(name, Selection(), str(warehouse))
        except errors.WarehouseError as error:
            told.append(str(error))
    assert told, "forty damaged places are noticed"
    assert all("Rebuild it from its files" in words for words in told)


def test_a_damaged_file_cut_short_is_named(warehouse: Path) -> None:
    os.truncate(warehouse, warehouse.stat().st_size // 2)
    with pytest.raises(errors.BrokenWarehouse, match="Rebuild"):
        for name in QUESTIONS:
            query.load(name, Selection(), str(warehouse))


@pytest.mark.parametrize("page", ["leaderboard", "runs", "prompts", "methods", "export_sql"])
def test_every_page_names_damage(warehouse: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    damaged(warehouse, 1)
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    app = open_app(page)
    assert not app.exception
    assert app.title[0].value == "No results yet" or "Rebuild" in text(app) or app.title[0].value


def test_a_checksum_that_is_wrong_in_the_middle_of_a_page_is_named(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def corrupt(*_: object) -> pl.DataFrame:
        raise duckdb.Error("Corrupt database file: computed checksum 1 does not match stored checksum 2 in block at location 3")

    monkeypatch.setattr(duckdb.DuckDBPyRelation, "pl", corrupt)
    with pytest.raises(errors.BrokenWarehouse, match=r"Corrupt.*Rebuild"):
        query.load("leaderboard", Selection(), str(warehouse))


def test_a_question_that_is_wrong_is_no_damage(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "text", lambda name: "select nothing from runs")
    with pytest.raises(duckdb.BinderException):
        query.load("leaderboard", Selection(), str(warehouse))


@pytest.mark.parametrize("rows", [0, 2])
def test_a_warehouse_says_its_version_once(warehouse: Path, rows: int) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("delete from meta" if rows == 0 else "insert into meta from meta")
    with pytest.raises(errors.BrokenWarehouse, match=f"meta has {rows} rows"):
        query.load("leaderboard", Selection(), str(warehouse))


def test_no_room_is_no_damage(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(errors.broken(str(warehouse), duckdb.IOException("Could not write: No space left on device")), errors.NoRoom)
    assert isinstance(errors.broken(str(warehouse), duckdb.OutOfMemoryException("Out of Memory Error: x")), errors.NoRoom)


def test_all_questions_of_a_block_see_one_version(warehouse: Path, tmp_path: Path) -> None:
    with connect.pinned(str(warehouse)):
        before = connect.version(str(warehouse))
        factories.write(factories.records(20, "run-2"), tmp_path / "in" / "part-1.parquet")
        warehouses.ingest(tmp_path / "in", into=warehouse)
        assert query.load("runs", Selection(), str(warehouse)).height == 1
        assert connect.version(str(warehouse)) == before
        seen: list[int] = []
        other = threading.Thread(target=lambda: seen.append(query.load("runs", Selection(), str(warehouse)).height))
        other.start()
        other.join()
        assert seen == [2], "another visitor sees the new one"
        assert query.load("runs", Selection(), str(warehouse)).height == 1
    assert query.load("runs", Selection(), str(warehouse)).height == 2


def test_a_page_is_of_one_version(warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    load = query.load
    asked: list[tuple[str, connect.Version]] = []

    def then_ingest(name: str, *arguments: object, **parameters: object) -> pl.DataFrame:
        rows = load(name, *arguments, **parameters)  # type: ignore[arg-type]
        asked.append((name, connect.version(str(warehouse))))
        number = len(asked)
        factories.write(factories.records(20, f"run-{number}x"), tmp_path / "in" / f"more-{number}.parquet")
        warehouses.ingest(tmp_path / "in", into=warehouse)
        return rows

    monkeypatch.setattr(query, "load", then_ingest)
    app = open_app("runs")
    assert not app.exception
    names = [name for name, _ in asked]
    last = len(names) - 1 - names[::-1].index("runs")
    versions = {version for _, version in asked[last:]}
    assert len(asked) > 4 and len(versions) == 1


def test_old_versions_are_let_go(warehouse: Path, tmp_path: Path) -> None:
    for number in range(4):
        with connect.pinned(str(warehouse)):
            query.load("runs", Selection(), str(warehouse))
            factories.write(factories.records(2, f"run-{number}y"), tmp_path / "in" / f"y-{number}.parquet")
            warehouses.ingest(tmp_path / "in", into=warehouse)
    query.load("runs", Selection(), str(warehouse))
    assert len(connect._STILL) == 1 and not connect._OPENING


ORDINARY = """
import os
def drop():
    if os.geteuid() == 0:
        os.setgroups([]), os.setgid(65534), os.setuid(65534)
"""


def as_ordinary_user(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python that calls `drop()` to become somebody whom permissions hold, once it has imported what it needs."""
    return subprocess.run([sys.executable, "-c", ORDINARY + code, *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions are of another kind here")
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_what_may_not_be_read_is_named(warehouse: Path, entered: Path, closed: str) -> None:
    warehouse = Path(shutil.copy(warehouse, entered / "w.duckdb"))
    target = warehouse if closed == "file" else entered
    mode = target.stat().st_mode
    target.chmod(0)
    code = (
        "import sys\n"
        "from prompt_joules.warehouse import errors, query\n"
        "drop()\n"
        "try: query.load('leaderboard', None, sys.argv[1])\n"
        "except errors.WarehouseError as error: print(type(error).__name__, error)\n"
    )
    try:
        done = as_ordinary_user(code, str(warehouse))
    finally:
        target.chmod(mode)
    assert done.stdout.startswith("ForbiddenWarehouse") and "chmod a+r" in done.stdout, done.stderr
