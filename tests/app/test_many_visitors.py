"""Questions of visitors who come at once."""

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
