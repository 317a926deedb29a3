"""The joules of a served run: shared by time in flight, null with the reason where the counter fails."""

import io
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.run import served, traffic
from prompt_joules.bench.run.attribution import Flight, SharedEnergy
from prompt_joules.bench.run.served import is_on_this_host, run_served
from tests.fake_server import serving, stream, whole
from tests.timed_meter import timed
from tests.unit.serving.conftest import WATTS
from tests.unit.serving.served import balance, measured, rows


def noted(monkeypatch: pytest.MonkeyPatch) -> tuple[list[tuple[float, int, bool]], list[float]]:
    """When requests came and went (s, key, whether it came), and when the counter was seen to move (s): as the run noted it."""
    changes, knots_s = list[tuple[float, int, bool]](), list[float]()
    start, stop, advance = SharedEnergy.start, SharedEnergy.stop, SharedEnergy.advance
    monkeypatch.setattr(SharedEnergy, "start", lambda self, key, t_s: (changes.append((t_s, key, True)), start(self, key, t_s))[1])
    monkeypatch.setattr(SharedEnergy, "stop", lambda self, key, t_s: (changes.append((t_s, key, False)), stop(self, key, t_s))[1])
    monkeypatch.setattr(SharedEnergy, "advance", lambda self, t_s, joules: (knots_s.append(t_s), advance(self, t_s, joules))[1])
    return changes, knots_s


def shares_s(changes: list[tuple[float, int, bool]]) -> list[float]:
    """Each request's seconds in flight, every moment divided by how many were in flight; in the order in which they were sent."""
    due = {key: 0.0 for _, key, comes in changes if comes}
    flying: set[int] = set()
    for (t_s, key, comes), (next_s, _, _) in pairwise(changes):
        (flying.add if comes else flying.discard)(key)
        for one in flying:
            due[one] += (next_s - t_s) / len(flying)
    return [due[key] for key in sorted(due)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_energy_is_shared_by_time_in_flight(config: RunConfig, recording: Path, concurrency: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """100 W all the time, divided at every moment by how many are in flight; everything adds up to the window."""
    changes, knots_s = noted(monkeypatch)
    meters = timed(monkeypatch, served, "meter_of")
    flights, found = list[Flight](), traffic.steady_state
    monkeypatch.setattr(traffic, "steady_state", lambda seen, *rest: (flights.extend(seen), found(seen, *rest))[1])
    asked = replace(config, concurrency=concurrency, replay=recording, max_new_tokens=60)
    frame = measured(asked, lambda body, n: stream(whole(40), 0.02))
    assert set(frame["energy_source"]) == {"replay"} and set(frame["energy_attribution"]) == {"shared"}
    unseen_j = WATTS * max(later - earlier for earlier, later in pairwise(knots_s))  # what came between two moves that were seen: some 2 J
    for row, shared_s in zip(frame.sort("started_at").iter_rows(named=True), shares_s(changes), strict=True):
        assert row["energy_j"] == pytest.approx(WATTS * shared_s, rel=0.02, abs=2 * unseen_j)
        assert row["energy_j"] >= WATTS * row["latency_s"] / concurrency - 2 * unseen_j, "no more than so many are in flight"
        assert 0 < row["energy_error_j"] < 0.1 * row["energy_j"] + 2 * unseen_j
    whole_run = balance(config)
    server = whole_run["server"]
    assert whole_run["ratio"] == pytest.approx(1, abs=0.05)
    assert server["answered_j"] == pytest.approx(frame["energy_j"].sum())
    assert server["answered_j"] + server["failed_j"] + server["no_request_j"] == pytest.approx(server["shown_j"])
    assert server["shown_j"] == pytest.approx(WATTS * (knots_s[-1] - knots_s[0]), rel=0.02, abs=2 * unseen_j)
    (begun_s,), (ended_s,) = meters[-1].begun_s, meters[-1].ended_s
    least_s, most_s = (knots_s[0] - begun_s[n] + ended_s[1 - n] - knots_s[-1] for n in (1, 0))  # the window without what was shown
    beside_j = whole_run["windows_j"] - server["shown_j"]
    assert WATTS * least_s - 3 - 2 * unseen_j <= beside_j <= WATTS * most_s + 3 + 2 * unseen_j
    steady = server["steady_state"]
    assert steady["reason"] is None
    assert steady["energy_j"] == pytest.approx(WATTS * steady["duration_s"], rel=0.05, abs=2 * unseen_j)
    assert steady["energy_per_token_j"] == pytest.approx(steady["energy_j"] / steady["output_tokens"])
    ends_s = sorted(flight.end_s for flight in flights)
    assert steady["start_s"] == sorted(flight.start_s for flight in flights)[concurrency - 1], "from when so many are in flight"
    assert ends_s[-concurrency] == steady["end_s"], "until fewer are left"
    stamps_s = [stamp_s for flight in flights for stamp_s in flight.stamps_s]
    inside = sum(steady["start_s"] < stamp_s <= steady["end_s"] for stamp_s in stamps_s)
    assert steady["output_tokens"] == pytest.approx(inside * 41 / 40), "a stream has 41 tokens in 40 pieces"
    assert 3 * 41 < steady["output_tokens"] <= 6 * 41, "the most of six streams"


def test_a_counter_that_stops_leaves_null_and_the_reason(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, breaks = CounterMeter.read_j, threading.Event()
    monkeypatch.setattr(CounterMeter, "read_j", lambda self: None if breaks.is_set() else good(self))
    screen = io.StringIO()

    def answer(body: dict[str, Any], n: int) -> Any:
        if n == 2:
            breaks.set()
        return stream(whole(), 0.01)

    with serving(answer) as server:
        run_served(replace(config, replay=recording, base_url=server.url), Console(file=screen, width=200))
    frame = rows(config)
    assert frame.height == 6 and set(frame["status"]) == {"ok"}
    missing = frame.filter(pl.col("energy_j").is_null())
    assert f"{missing.height} answered without energy (column `energy_reason` says why)" in screen.getvalue()
    assert missing.height >= 4
    assert set(missing["energy_reason"]) == {"the energy counter stopped answering"}
    assert balance(config)["server"]["steady_state"]["energy_per_token_j"] is None


@pytest.mark.parametrize(("value_j", "words"), [(-1.0, "went back"), (5.0, "has not moved for 0.1 s")])
def test_a_counter_that_jumps_back_or_sticks_leaves_null_and_the_reason(
    config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch, value_j: float, words: str
) -> None:
    good, breaks = CounterMeter.read_j, threading.Event()
    monkeypatch.setattr(traffic, "_STUCK_S", 0.1)
    monkeypatch.setattr(CounterMeter, "read_j", lambda self: value_j + 1e6 * (value_j > 0) if breaks.is_set() else good(self))

    def answer(body: dict[str, Any], n: int) -> Any:
        if n == 2:
            breaks.set()
        return stream(whole(), 0.01)

    frame = measured(replace(config, replay=recording), answer)
    assert set(frame["status"]) == {"ok"}
    assert words in frame["energy_reason"].drop_nulls()[-1]
    assert frame["energy_j"][-1] is None


def test_answers_do_not_wait_for_the_counter(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that does not answer before the server has sent everything: the pieces are still stamped as they come, 50 ms apart."""
    good, arrived, sent, waited = CounterMeter.read_j, threading.Event(), threading.Event(), []

    def slow(self: CounterMeter) -> float | None:
        if arrived.is_set() and not sent.is_set():
            waited.append(sent.wait(60))
        return good(self)

    def answer(body: dict[str, Any], n: int) -> Any:
        arrived.set()
        return stream(whole(), 0.05, then=sent.set)

    monkeypatch.setattr(CounterMeter, "read_j", slow)
    frame = measured(replace(config, replay=recording, limit=1), answer)
    assert waited and all(waited)
    assert sum(frame["itl_s"][0]) > 0.06


@pytest.mark.parametrize(
    ("url", "here"),
    [("http://localhost:8000/v1", True), ("http://127.0.0.1", True), ("http://[::1]:8000", True), ("http://192.0.2.1:8000/v1", False)],
)
def test_another_hosts_gpus_are_not_measured(url: str, here: bool) -> None:
    assert is_on_this_host(url) is here
