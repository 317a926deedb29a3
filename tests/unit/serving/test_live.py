"""One question to one server, live: pieces, joules, limits, and rows that the ingest loads."""

import asyncio
import time
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.bench.meter.opening import AbsentMeter
from prompt_joules.bench.run import live
from tests import warehouses
from tests.fake_server import Behaviour, refuse, serving, stream, whole
from tests.timed_meter import assert_power, timed


def asked(behaviour: Behaviour, recording: Path | None = None, **options: object) -> live.Asked:
    """A question and what became of it."""
    with serving(behaviour) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why is the sky blue?", replay=recording, **options).start()  # type: ignore[arg-type]
        assert one.wait(120)
    return one


def test_the_joules_of_the_row_are_those_of_the_window(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = timed(monkeypatch, live, "meter_of")
    one = asked(lambda body, n: stream(whole(20), 0.08), recording)
    assert one.fault is None and one.row is not None
    row, error_j = one.row, one.row["energy_error_j"]
    assert_power(100, [(found[0].spans()[0], row["energy_j"], error_j)])
    assert error_j < 5 + 0.05 * row["energy_j"] and row["energy_reason"] is None
    assert row["energy_j"] >= 100 * row["latency_s"] - error_j, "the whole answer is in the window"
    assert (row["output_tokens"], row["output_words"], row["status"]) == (21, 20, "ok")
    moment = one.moment()
    assert moment.text == row["output_text"]
    assert moment.energy_j is not None
    assert 100 * row["latency_s"] - 1 <= moment.energy_j <= row["energy_j"] + error_j, (
        "what was shown on the way leads to what was measured"
    )


def test_pieces_and_joules_come_while_the_answer_runs(recording: Path) -> None:
    """The server says a word when the one before has been seen, and ends when joules were seen twice."""
    seen = [live.Moment()]

    async def seen_so_far(event: int) -> None:
        while len(seen[-1].text.split()) < event - 1 <= 30 or (event == 31 and len({moment.energy_j for moment in seen}) < 3):
            await asyncio.sleep(0.002)

    with serving(lambda body, n: stream(whole(30), before=seen_so_far)) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why?", replay=recording).start()
        while not one.wait(0.005):
            seen.append(one.moment())
    assert one.fault is None
    texts = [moment.text for moment in seen if moment.text]
    assert len(set(texts)) >= 30 and texts == sorted(texts, key=len)
    joules = [moment.energy_j for moment in seen if moment.energy_j is not None]
    assert joules == sorted(joules) and joules[-1] > joules[0]


def test_without_a_gpu_the_text_comes_and_the_joules_are_null_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "meter_of", lambda config, url: AbsentMeter("no GPU driver answers"))
    row = asked(lambda body, n: stream(whole(5))).row
    assert row is not None and row["output_text"].startswith("word0")
    assert row["energy_j"] is None and row["energy_reason"] == "no GPU driver answers"


def test_a_server_that_fails_says_so_and_gives_no_row() -> None:
    one = asked(lambda body, n: refuse(400, "the prompt is too long"))
    assert one.row is None and "the prompt is too long" in (one.fault or "")
    nobody = live.Asked(live.Server("none", "m", "http://127.0.0.1:9"), "Why?").start()
    assert nobody.wait(120) and nobody.row is None and nobody.fault == "none does not answer: is its server running?"


def test_a_question_can_be_broken_off(recording: Path) -> None:
    with serving(lambda body, n: stream(whole(1000), 0.05)) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why?", replay=recording).start()
        while not one.moment().text:
            time.sleep(0.02)
        one.cancel()
        assert one.wait(120) and one.row is None


def test_a_kept_pair_is_loaded_as_two_runs(recording: Path, tmp_path: Path) -> None:
    first = asked(lambda body, n: stream(whole(20), 0.02), recording)
    second = asked(lambda body, n: stream(whole(40), 0.02), recording, experiment_id=first.experiment_id)
    (tmp_path / "pair.parquet").write_bytes(live.parquet(live.told([first, second])))
    warehouses.ingest(tmp_path / "pair.parquet", into=tmp_path / "w.duckdb")
    assert warehouses.rejects(tmp_path / "w.duckdb") == []
    rows = warehouses.rows(tmp_path / "w.duckdb", "select * from requests order by output_tokens")
    assert rows["output_tokens"].to_list() == [21, 41] and rows["prompt_set"].unique().to_list() == ["live"]
    assert rows["energy_j"].null_count() == 0 and rows["run_id"].n_unique() == 2 and rows["experiment_id"].n_unique() == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("llama@http://localhost:8000/v1", [("llama", "llama", "http://localhost:8000/v1")]),
        ("a = m@r1@http://h:1;b=m@https://h:2/v1; ", [("a", "m@r1", "http://h:1"), ("b", "m", "https://h:2/v1")]),
    ],
    ids=["none", "one", "two"],
)
def test_a_list_of_servers(text: str, found: list[tuple[str, str, str]]) -> None:
    assert [(one.label, one.model, one.url) for one in live.servers(text)] == found


@pytest.mark.parametrize("text", ["llama", "a=http://x", "m@http://h:1; m@http://h:2"], ids=["no address", "no model", "one name"])
def test_a_list_that_is_none_says_what_to_write(text: str) -> None:
    with pytest.raises(live.BadServers, match=r"NAME = MODEL@"):
        live.servers(text)


def test_one_question_at_a_time_with_a_pause_and_so_many_an_hour() -> None:
    now = [0.0]
    turns = live.Turns(pause_s=5, most_an_hour=2, clock=lambda: now[0])
    with turns.taken(), pytest.raises(live.Busy, match="Somebody else"), turns.taken():
        pass
    with pytest.raises(live.Busy, match="in 5 s"), turns.taken():
        pass
    now[0] = 5
    with turns.taken():
        pass
    now[0] = 60
    with pytest.raises(live.Busy, match="2 questions an hour"), turns.taken():
        pass
    now[0] = 3601
    with turns.taken():
        pass


def test_the_file_has_exactly_the_columns_of_the_contract(recording: Path) -> None:
    one = asked(lambda body, n: stream(whole(5), 0.02), recording)
    frame = pl.read_parquet(live.parquet(live.told([one])))
    assert frame.height == 1 and frame["energy_source"].to_list() == ["replay"]
