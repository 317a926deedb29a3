"""A kept instance: one for the file, and never an old one."""

import threading
from pathlib import Path

import pytest

from prompt_joules.warehouse import connect, errors, query
from tests import factories, warehouses


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    factories.write(factories.records(20), tmp_path / "in" / "part-0.parquet")
    path = tmp_path / "w.duckdb"
    warehouses.ingest(tmp_path / "in", into=path)
    connect.forget()
    return path


def count(connection: object, table: str) -> int:
    ((number,),) = connection.sql(f"select count(*) from {table}").fetchall()  # type: ignore[attr-defined]
    return int(number)


def test_two_questions_open_the_file_once(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    once = connect.once
    monkeypatch.setattr(connect, "once", lambda path: (opened.append(path), once(path))[1])
    frames = [query.load("leaderboard", None, str(warehouse)) for _ in range(2)]
    assert frames[0].equals(frames[1]) and frames[0].height == 1
    assert opened == [str(warehouse)]


def test_a_question_under_way_ends_on_the_old_file_and_the_next_sees_the_new(warehouse: Path, tmp_path: Path) -> None:
    with connect.reading(str(warehouse)) as old:
        assert count(old, "runs") == 1
        factories.write(factories.records(20, "run-2"), tmp_path / "in" / "part-1.parquet")
        warehouses.ingest(tmp_path / "in", into=warehouse)
        with connect.reading(str(warehouse)) as new:
            assert count(new, "runs") == 2
        assert count(old, "runs") == 1
    assert query.load("leaderboard", None, str(warehouse)).height == 2


def test_what_happens_to_the_file_is_noticed(warehouse: Path) -> None:
    query.load("leaderboard", None, str(warehouse))
    whole = warehouse.read_bytes()
    warehouse.write_bytes(b"no warehouse at all" * 1000)
    with pytest.raises(errors.NotAWarehouse):
        query.load("leaderboard", None, str(warehouse))
    warehouse.unlink()
    with pytest.raises(errors.NoWarehouse):
        query.load("leaderboard", None, str(warehouse))
    warehouse.write_bytes(whole)
    assert query.load("leaderboard", None, str(warehouse)).height == 1


def test_many_threads_ask_at_once(warehouse: Path) -> None:
    heights: list[int] = []
    threads = [
        threading.Thread(target=lambda: heights.extend(query.load("leaderboard", None, str(warehouse)).height for _ in range(10)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heights == [1] * 80


def test_a_reader_cannot_write_and_knows_the_time_zone(warehouse: Path) -> None:
    with connect.reading(str(warehouse)) as connection:
        with pytest.raises(Exception, match="read-only"):
            connection.sql("delete from runs")
        assert connection.sql("select current_setting('timezone')").fetchall() == [("UTC",)]


def test_all_questions_share_one_memory_limit(warehouse: Path) -> None:
    with connect.reading(str(warehouse)) as one, connect.reading(str(warehouse)) as other:
        limits = [connection.sql("select current_setting('memory_limit')").fetchall() for connection in (one, other)]
    assert limits == [[("667.5 MiB",)]] * 2
