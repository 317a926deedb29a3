"""`--engine openai` against a server that is slow, refuses, breaks or dies, and Ctrl-C: rows, reasons, resume."""

import asyncio
import errno
import io
import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from prompt_joules.bench import errors
from prompt_joules.bench.__main__ import main
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.interrupt import Interrupt
from prompt_joules.bench.run import folder, logs, served, sink, traffic
from prompt_joules.bench.run.folder import read_run
from prompt_joules.bench.run.served import run_served
from tests.fake_server import event, refuse, serving, stream, text, whole
from tests.unit.serving.served import PORTS, balance, measured, rows, run

SOON_S = 0.3
"""How long the bad answer may take."""
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
    "slow": (lambda: stream(whole(20), 0.1), f"within {SOON_S} s"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_is_a_failed_row_and_the_others_are_right(
    config: RunConfig, recording: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = BAD[fault]
    asked = replace(config, concurrency=2, replay=recording)
    is_bad = lambda body: "2?" in body["messages"][1]["content"]  # noqa: E731
    if fault == "slow":  # the others have all the time that a busy machine may need
        ask = traffic.ask
        monkeypatch.setattr(traffic, "ask", lambda client, body, timeout_s: ask(client, body, SOON_S if is_bad(body) else timeout_s))
    with serving(lambda body, n: make() if is_bad(body) else stream(whole())) as server:
        assert run(asked, server) == 0
    by_id = {row["prompt_id"]: row for row in rows(config).iter_rows(named=True)}
    bad = by_id.pop("p2")
    assert bad["status"] == "failed" and words in bad["reason"]
    assert bad["output_tokens"] is None
    assert bad["energy_j"] is None and bad["energy_reason"] == "the prompt failed" and bad["finish_reason"] == "error"
    assert {(row["status"], row["output_tokens"]) for row in by_id.values()} == {("ok", 6)}


def test_a_full_disk_leaves_nothing_that_goes_on_asking_the_server(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a part can be written, nor run.json at the end: the first row that finds no room ends requests and the sampling of `/metrics`."""
    real, answering, left = sink.write_atomically, served._answer, []
    refused: list[str] = []
    ends: list[str] = []
    balances: list[dict[str, Any]] = []

    def full(path: Path, data: bytes) -> None:
        refused.append(path.name)
        raise OSError(errno.ENOSPC, "No space left on device")

    async def seen(*arguments: Any) -> str:
        try:
            return await answering(*arguments)
        finally:
            monkeypatch.setattr(folder, "write_atomically", full)
            left.append(asyncio.all_tasks() - {asyncio.current_task()})
            balances.append(arguments[1].balance)

    with monkeypatch.context() as broken, serving(lambda body, n: stream(whole())) as server:
        broken.setattr(sink.PartSink.__init__, "__defaults__", (1, 60.0, time.monotonic))
        broken.setattr(sink, "write_atomically", full)
        broken.setattr(served, "_answer", seen)
        broken.setattr(logs.RunLog, "end", lambda log, how: ends.append(how))
        with pytest.raises(errors.DiskFull, match="same command again"):
            run(config, server)
    assert left == [set()] and ends == ["failed"]
    assert len(refused) > 2, "a row, a row that waited, and run.json"
    assert balances[0]["server"]["client_cpu_share"] > 0 and balances[0]["server_metrics"]["preemptions"] >= 0
    monkeypatch.setattr(folder, "write_atomically", real)
    with serving(lambda body, n: stream(whole())) as server:
        assert run(config, server) == 0
    assert sorted(rows(config)["prompt_id"]) == [f"p{n}" for n in range(len(rows(config)))]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(config: RunConfig, status: int) -> None:
    failures = iter([True, True])
    with serving(lambda body, n: refuse(status, "busy") if next(failures, False) else stream(whole())) as server:
        assert run(config, server) == 0
    assert set(rows(config)["status"]) == {"ok"}
    assert len(server.bodies) == 8
    assert balance(config)["server"]["sent_again"] == 2


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
            return stream(whole(), 0.1 if n > 3 else 0.0)  # the server looks ten times a second whether it should exit

        server.behaviour, PORTS[config.out] = die, server.port
        with pytest.raises(errors.ServerLost, match="same command again"):
            run(config, server)
    before = rows(config)
    assert 0 < before.height < 6
    after = measured(config, lambda body, n: stream(whole()))
    assert after["run_id"].n_unique() == 1
    assert after["sequence"].to_list() == list(range(6))
    assert set(after["prompt_id"]) == {f"p{n}" for n in range(6)}
    assert set(after["window_id"]) == {0, before.height}
    assert balance(config)["server"]["sent_again"] == 0


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


def test_second_ctrl_c_keeps_what_was_answered(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted, note = threading.Event(), Interrupt._note
    monkeypatch.setattr(Interrupt, "_note", lambda self, *how: (noted.set(), note(self, *how)))

    def press_twice(body: dict[str, Any], n: int) -> Any:
        if n == 3:
            os.kill(os.getpid(), signal.SIGINT)
            assert noted.wait(60), "two signals at once are one"
            os.kill(os.getpid(), signal.SIGINT)
        return stream(whole(), 0.02)

    with serving(press_twice) as server, pytest.raises(KeyboardInterrupt):
        run(replace(config, replay=recording), server)
    frame = rows(config)
    assert frame["prompt_id"].n_unique() == frame.height == 3
    (path,) = config.out.glob("*/run.json")
    assert read_run(path.parent).sessions[-1]["end"] == "aborted"
