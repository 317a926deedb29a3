"""`--engine openai` against a real local server that behaves, is slow, refuses, breaks, or dies: rows, reasons, joules, resume."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from bench import errors, record, traffic
from bench.__main__ import main
from bench.config import RunConfig, check
from bench.runs import read_run
from bench.serving import is_on_this_host, run_served, server_url
from bench.tasks import TASKS
from tests.fake_server import Behaviour, FakeServer, event, refuse, serving, stream, text, whole

WATTS = 100.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic.Traffic.__init__, "__defaults__", (lambda: False, 0.01))


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    path = tmp_path / "six.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(6)))
    out = tmp_path / "out"
    return RunConfig("fake-1b", engine="openai", prompts=str(path), out=out, max_new_tokens=20, warmup=0, timeout=5.0)


def run(config: RunConfig, server: FakeServer) -> int:
    return run_served(replace(config, base_url=server.url), Console(quiet=True))


def measured(config: RunConfig, behaviour: Behaviour) -> pl.DataFrame:
    with serving(behaviour) as server:
        run(config, server)
    return rows(config)


def rows(config: RunConfig) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(config.out.glob("*/part-*.parquet"))]).sort("run_id", "sequence")


def books(config: RunConfig) -> dict[str, Any]:
    (path,) = config.out.glob("*/run.json")
    return read_run(path.parent).sessions[-1]["books"]  # type: ignore[no-any-return]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A counter of 100 W that steps every 5 ms."""
    path = tmp_path / "trace.json"
    points = [[n * 0.005, n * 0.005 * WATTS * 1000] for n in range(20000)]
    path.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [points]}))
    return path


def test_rows_of_a_good_server(config: RunConfig) -> None:
    frame = measured(replace(config, concurrency=2), lambda body, n: stream(whole(5), 0.002))
    assert frame.columns == list(record.NAMES)
    for name in (column.name for column in record.COLUMNS if column.required):
        assert frame[name].null_count() == 0, name
    assert frame["sequence"].to_list() == list(range(6))
    assert set(frame["prompt_id"]) == {f"p{n}" for n in range(6)}
    for name, value in {
        "status": "ok",
        "finish_reason": "stop",
        "input_tokens": 7,
        "output_tokens": 6,
        "output_text": "word0 word1 word2 word3 word4 ",
        "output_words": 5,
        "engine": "openai",
        "engine_version": "fake 9.9",
        "device": "server",
        "concurrency": 2,
        "prompt_template": "server",
        "window_id": 0,
    }.items():
        assert set(frame[name]) == {value}, name
    for row in frame.iter_rows(named=True):
        assert len(row["itl_s"]) == 5
        assert 0 < row["ttft_s"] < row["ttft_s"] + sum(row["itl_s"]) <= row["latency_s"] + 1e-5
    if set(frame["energy_source"]) == {"none"}:
        assert frame["energy_j"].null_count() == 6 and frame["energy_reason"].null_count() == 0


def test_the_ingest_takes_every_row_good_or_failed(config: RunConfig, recording: Path, tmp_path: Path) -> None:
    from tests import warehouses

    measured(replace(config, replay=recording), lambda body, n: stream(whole(usage=n != 2), 0.005) if n else refuse(400, "no"))
    report = warehouses.ingest(config.out, into=tmp_path / "w.duckdb")
    assert report.status == 0, warehouses.rows(tmp_path / "w.duckdb", "select reason from rejects")["reason"].to_list()
    assert warehouses.rows(tmp_path / "w.duckdb", "from rejects").is_empty()
    found = warehouses.rows(tmp_path / "w.duckdb", "select status, count(*) as n from requests group by all order by all")
    assert found.rows() == [("failed", 2), ("ok", 4)]


def test_what_is_sent(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    asked = replace(config, task=("instruct-concise",), limit=1, top_k=3, repetition_penalty=1.2, temperature=0.5, top_p=0.9)
    with serving(lambda body, n: stream(whole())) as server:
        assert run(asked, server) == 0
    (body,) = server.bodies
    assert body["messages"] == [
        {"role": "system", "content": TASKS["instruct-concise"].system},
        {"role": "user", "content": "Question 0?"},
    ]
    sent = {"temperature": 0.5, "top_p": 0.9, "top_k": 3, "repetition_penalty": 1.2, "max_tokens": 20, "stream": True}
    assert sent.items() <= body.items()
    assert body["stream_options"] == {"include_usage": True} and 0 <= body["seed"] < 2**31
    assert "ignore_eos" not in body
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in next(asked.out.glob("*/run.json")).read_text()
    assert rows(asked)["top_k"].to_list() == [3]


def test_extensions_are_sent_only_when_they_are_on_and_seeds_differ_by_prompt(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole())) as server:
        run(config, server)
    assert not any({"top_k", "repetition_penalty", "ignore_eos"} & body.keys() for body in server.bodies)
    assert len({body["seed"] for body in server.bodies}) == 6


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_are_in_flight_and_no_more(config: RunConfig, concurrency: int) -> None:
    with serving(lambda body, n: stream(whole(5), 0.005)) as server:
        run(replace(config, concurrency=concurrency), server)
    assert server.most_at_once == concurrency


def test_request_rate_spreads_the_requests(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole(2), 0.001)) as server:
        assert run(replace(config, request_rate=20.0, seed=1), server) == 0
    gaps = [later - earlier for earlier, later in zip(server.arrived_s, server.arrived_s[1:], strict=False)]
    assert 0.05 < sum(gaps) < 2.0 and max(gaps) > 2 * min(gaps)
    assert json.loads(rows(config)["environment"][0])["request_rate"] == 20.0
    assert books(config)["server"]["steady_state"]["reason"] == "a request rate has no full batch"


def test_requests_that_find_no_free_place_at_their_moment_are_counted(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole(2), 0.02)) as server:
        assert run(replace(config, request_rate=1000.0, concurrency=1), server) == 0
    assert server.most_at_once == 1
    assert books(config)["server"]["sent_late"] == 5


@pytest.mark.parametrize("concurrency", [1, 3])
def test_energy_is_shared_by_time_in_flight(config: RunConfig, recording: Path, concurrency: int) -> None:
    """100 W all the time; with C always in flight each request gets about 100 W x latency / C, and everything adds up to the window."""
    asked = replace(config, concurrency=concurrency, replay=recording, max_new_tokens=60)
    frame = measured(asked, lambda body, n: stream(whole(40), 0.005))
    assert set(frame["energy_source"]) == {"replay"} and set(frame["energy_attribution"]) == {"shared"}
    for row in frame.iter_rows(named=True):
        assert row["energy_j"] == pytest.approx(WATTS * row["latency_s"] / concurrency, rel=0.15)
        assert 0 < row["energy_error_j"] < 0.3 * row["energy_j"]
    whole_run = books(config)
    server = whole_run["server"]
    assert whole_run["ratio"] == pytest.approx(1, abs=0.05)
    assert server["answered_j"] == pytest.approx(frame["energy_j"].sum())
    assert server["answered_j"] + server["failed_j"] + server["no_request_j"] == pytest.approx(server["shown_j"])
    assert server["shown_j"] == pytest.approx(whole_run["windows_j"], rel=0.1, abs=3)
    steady = server["steady_state"]
    assert steady["reason"] is None
    assert steady["energy_j"] == pytest.approx(WATTS * steady["duration_s"], rel=0.05)
    assert steady["energy_per_token_j"] == pytest.approx(steady["energy_j"] / steady["output_tokens"])
    if concurrency == 3:  # in the steady window three streams of 41 tokens each share 100 W
        assert steady["output_tokens"] == pytest.approx(6 * 41, rel=0.1)


BAD = {
    "HTTP 400": (lambda: refuse(400, "context too long: 9000 tokens"), "context too long: 9000 tokens"),
    "a page": (lambda: text("<html>bad gateway</html>", 418), "bad gateway"),
    "no event at all": (lambda: text("hello"), "without a finish reason"),
    "not JSON": (lambda: stream([event("a "), "data: {oops\n\n"]), "not JSON"),
    "not an object": (lambda: stream([event("a "), "data: [1]\n\n"]), "not an object"),
    "an error in the stream": (lambda: stream([event("a "), 'data: {"error": {"message": "CUDA died"}}\n\n']), "CUDA died"),
    "ends early": (lambda: stream(whole()[:3]), "without a finish reason"),
    "breaks": (lambda: stream(whole()[:3], then=lambda: 1 / 0), "the stream broke"),  # type: ignore[arg-type,return-value]
    "an odd end": (lambda: stream(whole(finish="content_filter")), "finish_reason=content_filter"),
    "no usage": (lambda: stream(whole(usage=False)), "no token count"),
    "zero tokens for text": (lambda: stream([event("a "), event(finish="stop", usage=(3, 0))]), "no token count"),
    "slow": (lambda: stream(whole(20), 0.1), "within 0.5 s"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_is_a_failed_row_and_the_others_are_right(config: RunConfig, recording: Path, fault: str) -> None:
    make, words = BAD[fault]
    asked = replace(config, timeout=0.5, concurrency=2, replay=recording)
    with serving(lambda body, n: make() if "2?" in body["messages"][1]["content"] else stream(whole())) as server:
        assert run(asked, server) == 0
    by_id = {row["prompt_id"]: row for row in rows(config).iter_rows(named=True)}
    bad = by_id.pop("p2")
    assert bad["status"] == "failed" and words in bad["reason"]
    assert bad["output_tokens"] is None
    assert bad["energy_j"] is None and bad["energy_reason"] == "the prompt failed" and bad["finish_reason"] == "error"
    assert {(row["status"], row["output_tokens"]) for row in by_id.values()} == {("ok", 6)}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(config: RunConfig, status: int) -> None:
    failures = iter([True, True])
    with serving(lambda body, n: refuse(status, "busy") if next(failures, False) else stream(whole())) as server:
        assert run(config, server) == 0
    assert set(rows(config)["status"]) == {"ok"}
    assert len(server.bodies) == 8
    assert books(config)["server"]["sent_again"] == 2


def test_retry_after_is_obeyed(config: RunConfig) -> None:
    def once(body: dict[str, Any], n: int) -> Any:
        return refuse(429, "busy", {"retry-after": "0.4"}) if n == 0 else stream(whole())

    with serving(once) as server:
        run(replace(config, limit=1), server)
    assert server.arrived_s[1] - server.arrived_s[0] >= 0.4


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_that_stays_busy_is_a_failed_row(config: RunConfig, status: int) -> None:
    with serving(lambda body, n: refuse(status, "over capacity")) as server:
        assert run(replace(config, limit=1), server) == 1
    (row,) = rows(config).iter_rows(named=True)
    assert row["status"] == "failed"
    assert row["reason"] == f"HTTP {status}: over capacity (sent 4 times)"
    assert len(server.bodies) == 4


def test_server_down_before_the_start(config: RunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "m", "--engine", "openai", "--base-url", "http://127.0.0.1:9", "--out", str(config.out)]
    assert main(["run", *arguments]) == 2
    said = capsys.readouterr().err
    assert "No server answers at http://127.0.0.1:9/v1/" in said and "Traceback" not in said
    assert not list(config.out.glob("*/run.json"))


def test_wrong_model_name_before_the_start(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole())) as server:
        server.first = lambda body: refuse(404, f"The model `{body['model']}` does not exist")
        with pytest.raises(errors.ServerRefused, match=r"`fake-2b` does not exist\. The models it lists: fake-1b\."):
            run(replace(config, model="fake-2b"), server)
    assert not list(config.out.glob("*/run.json"))


@pytest.mark.parametrize(
    ("asked", "answered", "other"),
    [
        ("fake-1b", "fake-1b", None),
        ("fake-1b", None, None),
        ("/models/fake-1b", "/models/fake-1b@main", None),
        ("me/fake-1b", "fake-1b", None),
        ("fake-1b", "fake-7b", "fake-7b"),
    ],
)
def test_a_server_that_answers_with_another_model_is_told(config: RunConfig, asked: str, answered: str | None, other: str | None) -> None:
    screen = io.StringIO()
    with serving(lambda body, n: stream(whole())) as server:
        server.first = lambda body: stream([event("a", model=answered), *whole(1, "length")])
        assert run_served(replace(config, model=asked, base_url=server.url, limit=1), Console(file=screen, width=200)) == 0
    assert (f"answers as {other}, not as {asked}" in screen.getvalue()) == (other is not None)
    assert json.loads(rows(config)["environment"][0]).get("answered_as") == other


def test_server_without_usage_is_refused_before_the_start(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole(usage=False))) as server:
        server.first = lambda body: stream(whole(1, usage=False))
        with pytest.raises(errors.ServerRefused, match="no token counts"):
            run(config, server)


def test_server_that_dies_ends_the_run_and_the_same_command_goes_on(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole())) as server:

        def die(body: dict[str, Any], n: int) -> Any:
            if n == 3:
                server._server.should_exit = server._server.force_exit = True
            return stream(whole())

        server.behaviour = die
        with pytest.raises(errors.ServerLost, match="same command again"):
            run(config, server)
    before = rows(config)
    assert 0 < before.height < 6
    after = measured(config, lambda body, n: stream(whole()))
    assert after["run_id"].n_unique() == 1
    assert after["sequence"].to_list() == list(range(6))
    assert set(after["prompt_id"]) == {f"p{n}" for n in range(6)}
    assert set(after["window_id"]) == {0, before.height}
    assert books(config)["server"]["sent_again"] == 0


def test_finished_run_is_not_repeated(config: RunConfig) -> None:
    for again, expected in ((False, 6), (False, 6), (True, 12)):
        assert measured(replace(config, again=again), lambda body, n: stream(whole())).height == expected


def test_first_ctrl_c_finishes_what_is_in_flight(config: RunConfig) -> None:
    def press(body: dict[str, Any], n: int) -> Any:
        if n == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return stream(whole(), 0.01)

    with serving(press) as server:
        assert run(replace(config, concurrency=2), server) == 130
        assert 3 <= rows(config).height <= 4
        assert set(rows(config)["status"]) == {"ok"}
        assert run(replace(config, concurrency=2), server) == 0
    assert rows(config).height == 6


def test_second_ctrl_c_keeps_what_was_answered(config: RunConfig, recording: Path) -> None:
    def press_twice(body: dict[str, Any], n: int) -> Any:
        if n == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)  # two signals at once are one
            os.kill(os.getpid(), signal.SIGINT)
        return stream(whole(), 0.02)

    with serving(press_twice) as server, pytest.raises(KeyboardInterrupt):
        run(replace(config, replay=recording), server)
    frame = rows(config)
    assert frame["prompt_id"].n_unique() == frame.height == 3
    (path,) = config.out.glob("*/run.json")
    assert read_run(path.parent).sessions[-1]["end"] == "aborted"


def test_a_counter_that_stops_leaves_null_and_the_reason(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = iter(range(10**9))
    from bench.counter_meter import CounterMeter

    good = CounterMeter.read_j
    monkeypatch.setattr(CounterMeter, "read_j", lambda self: good(self) if next(reads) < 15 else None)
    screen = io.StringIO()
    with serving(lambda body, n: stream(whole(), 0.01)) as server:
        run_served(replace(config, replay=recording, base_url=server.url), Console(file=screen, width=200))
    frame = rows(config)
    assert frame.height == 6 and set(frame["status"]) == {"ok"}
    missing = frame.filter(pl.col("energy_j").is_null())
    assert f"{missing.height} answered without energy (column `energy_reason` says why)" in screen.getvalue()
    assert missing.height >= 4
    assert set(missing["energy_reason"]) == {"the energy counter stopped answering"}
    assert books(config)["server"]["steady_state"]["energy_per_token_j"] is None


@pytest.mark.parametrize(("value_j", "words"), [(-1.0, "went back"), (5.0, "has not moved for 0.1 s")])
def test_a_counter_that_jumps_back_or_sticks_leaves_null_and_the_reason(
    config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch, value_j: float, words: str
) -> None:
    reads = iter(range(10**9))
    from bench.counter_meter import CounterMeter

    good = CounterMeter.read_j
    monkeypatch.setattr(traffic, "_STUCK_S", 0.1)
    monkeypatch.setattr(CounterMeter, "read_j", lambda self: good(self) if next(reads) < 15 else value_j + 1e6 * (value_j > 0))
    frame = measured(replace(config, replay=recording), lambda body, n: stream(whole(), 0.01))
    assert set(frame["status"]) == {"ok"}
    assert words in frame["energy_reason"].drop_nulls()[-1]
    assert frame["energy_j"][-1] is None


def test_answers_do_not_wait_for_the_counter(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that does not answer before the server has sent everything: the pieces are still stamped as they come, 20 ms apart."""
    from bench.counter_meter import CounterMeter

    good, arrived, sent, waited = CounterMeter.read_j, threading.Event(), threading.Event(), []

    def slow(self: CounterMeter) -> float | None:
        if arrived.is_set() and not sent.is_set():
            waited.append(sent.wait(5))
        return good(self)

    def answer(body: dict[str, Any], n: int) -> Any:
        arrived.set()
        return stream(whole(), 0.02, then=sent.set)

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


def test_address_gets_v1_where_it_has_no_path() -> None:
    assert server_url("http://localhost:8000") == server_url("http://localhost:8000/v1/") == "http://localhost:8000/v1/"
    assert server_url("http://h/openai/v1") == "http://h/openai/v1/"


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "openai"},
        {"engine": "openai", "base_url": "localhost:8000"},
        {"engine": "openai", "base_url": "http://h", "batch_size": 2},
        {"engine": "openai", "base_url": "http://h", "concurrency": 0},
        {"engine": "openai", "base_url": "http://h", "request_rate": 0.0},
        {"engine": "openai", "base_url": "http://h", "timeout": float("nan")},
        {"engine": "openai", "base_url": "http://h", "gguf_file": "auto"},
        {"base_url": "http://h"},
        {"concurrency": 2},
        {"request_rate": 1.0},
    ],
)
def test_options_that_do_not_go_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadOption):
        check(RunConfig("m", **wrong))


def test_a_served_run_needs_no_torch() -> None:
    code = "import sys, bench.serving; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'zeus')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
