"""One question to one server, live: pieces, joules, limits, and rows that the ingest loads."""

import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.bench.meter.opening import AbsentMeter
from prompt_joules.bench.meter.reading import Meter, Reading
from prompt_joules.bench.run import live
from tests import warehouses
from tests.fake_server import Behaviour, refuse, serving, stream, whole


def asked(behaviour: Behaviour, recording: Path | None = None, **options: object) -> live.Asked:
    """A question and what became of it."""
    with serving(behaviour) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why is the sky blue?", replay=recording, **options).start()  # type: ignore[arg-type]
        assert one.wait(30)
    return one


class Timed:
    """A meter that notes when its window was asked for and given (s on the clock of the meter)."""

    def __init__(self, meter: Meter) -> None:
        self.meter, self.begun_s, self.ended_s = meter, (0.0, 0.0), (0.0, 0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.meter, name)

    def begin(self) -> None:
        before_s = time.perf_counter()
        self.meter.begin()
        self.begun_s = before_s, time.perf_counter()

    def end(self) -> Reading:
        before_s = time.perf_counter()
        reading = self.meter.end()
        self.ended_s = before_s, time.perf_counter()
        return reading


def test_the_joules_of_the_row_are_those_of_the_window(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, found = live.meter_of, list[Timed]()
    monkeypatch.setattr(live, "meter_of", lambda config, url: found.append(Timed(opened(config, url))) or found[-1])
    one = asked(lambda body, n: stream(whole(20), 0.08), recording)
    assert one.fault is None and one.row is not None
    row, timed, error_j = one.row, found[0], one.row["energy_error_j"]
    least_s, most_s = timed.ended_s[0] - timed.begun_s[1], timed.ended_s[1] - timed.begun_s[0]
    assert 0 < error_j < 15 and row["energy_reason"] is None
    assert 100 * least_s - error_j <= row["energy_j"] <= 100 * most_s + error_j, "the recorded counter runs at 100 W"
    assert row["energy_j"] >= 100 * row["latency_s"] - error_j, "the whole answer is in the window"
    assert (row["output_tokens"], row["output_words"], row["status"]) == (21, 20, "ok")
    moment = one.moment()
    assert moment.text == row["output_text"]
    assert moment.energy_j is not None
    assert 100 * row["latency_s"] - 1 <= moment.energy_j <= row["energy_j"] + error_j, (
        "what was shown on the way leads to what was measured"
    )


def test_pieces_and_joules_come_while_the_answer_runs(recording: Path) -> None:
    with serving(lambda body, n: stream(whole(30), 0.03)) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why?", replay=recording).start()
        seen = []
        while not one.wait(0.05):
            seen.append(one.moment())
    texts = [moment.text for moment in seen if moment.text]
    assert len(set(texts)) > 5 and texts == sorted(texts, key=len)
    assert max(moment.energy_j or 0 for moment in seen) > min(moment.energy_j for moment in seen if moment.energy_j is not None)


def test_without_a_gpu_the_text_comes_and_the_joules_are_null_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "meter_of", lambda config, url: AbsentMeter("no GPU driver answers"))
    row = asked(lambda body, n: stream(whole(5))).row
    assert row is not None and row["output_text"].startswith("word0")
    assert row["energy_j"] is None and row["energy_reason"] == "no GPU driver answers"


def test_a_server_that_fails_says_so_and_gives_no_row() -> None:
    one = asked(lambda body, n: refuse(400, "the prompt is too long"))
    assert one.row is None and "the prompt is too long" in (one.fault or "")
    nobody = live.Asked(live.Server("none", "m", "http://127.0.0.1:9"), "Why?").start()
    assert nobody.wait(30) and nobody.row is None and nobody.fault == "none does not answer: is its server running?"


def test_a_question_can_be_broken_off(recording: Path) -> None:
    with serving(lambda body, n: stream(whole(1000), 0.05)) as server:
        one = live.Asked(live.Server("fake", "fake-1b", server.url), "Why?", replay=recording).start()
        while not one.moment().text:
            time.sleep(0.02)
        one.cancel()
        assert one.wait(5) and one.row is None


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
