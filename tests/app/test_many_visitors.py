"""Questions of visitors who come at once."""

import os
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.pages.ui import data
from prompt_joules.warehouse import connect, query
from prompt_joules.warehouse.selection import Selection


def test_a_question_that_many_ask_at_once_is_answered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def slow(name: str, selection: Selection, path: str, **parameters: object) -> pl.DataFrame:
        asked.append(name)
        time.sleep(0.2)
        return pl.DataFrame({"answer": [42]})

    warehouse = tmp_path / "w.duckdb"
    warehouse.touch()
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    monkeypatch.setattr(query, "load", slow)
    answers: list[pl.DataFrame] = []
    threads = [threading.Thread(target=lambda: answers.append(data.load("lengths", Selection()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == ["lengths"]
    assert [answer["answer"].to_list() for answer in answers] == [[42]] * 8


def kept_bytes() -> int:
    """What is kept of rows for all visitors."""
    return int(sum(rows.estimated_size() for rows in data._ROWS.rows.values()))


def test_rows_of_older_versions_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ingest a minute for an hour does not fill the memory; a page of the version before clears nothing."""
    asked: list[str] = []
    warehouse = tmp_path / "w.duckdb"
    warehouse.touch()
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    monkeypatch.setattr(query, "load", lambda name, *_, **__: asked.append(name) or pl.DataFrame({"x": ["y" * 100_000]}))
    sizes = []
    for number in range(60):
        os.utime(warehouse, ns=(number, number))
        for name in ("runs", "leaderboard"):
            data.load(name, Selection())
        sizes.append(kept_bytes())
    assert len(asked) == 120 and 200_000 == max(sizes) == min(sizes)
    with monkeypatch.context() as older:
        older.setattr(connect, "version", lambda path: (warehouse.stat().st_ino, 58))
        data.load("runs", Selection())
    data.load("leaderboard", Selection())
    assert len(asked) == 121


def test_a_visitor_who_tries_every_filter_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = tmp_path / "w.duckdb"
    warehouse.touch()
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    monkeypatch.setattr(query, "load", lambda *_, **__: pl.DataFrame({"x": ["y" * 8_000_000]}))
    for number in range(30):
        data.load("runs", Selection(models=(f"model-{number}",)))
    assert 50_000_000 < kept_bytes() <= 100_663_296
