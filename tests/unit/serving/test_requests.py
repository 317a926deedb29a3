"""`--engine openai` against a real local server that behaves: what is sent, when, and the rows that come of it."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from prompt_joules.bench import SERVED_HARNESS_VERSION, errors, record
from prompt_joules.bench.config import RunConfig, check
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.server_facts import ServerFacts, describe
from prompt_joules.bench.meter.reading import Reading
from prompt_joules.bench.run import traffic
from prompt_joules.bench.run.served import client_of, server_url
from prompt_joules.bench.run.served_warmup import warm_up
from prompt_joules.bench.run.warmup import TEXTS
from prompt_joules.bench.tasks import TASKS
from tests.fake_server import refuse, serving, stream, together, whole
from tests.unit.serving.served import balance, measured, rows, run


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
    assert body["stream_options"] == {"include_usage": True}
    assert "ignore_eos" not in body and "seed" not in body
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert "secret" not in next(asked.out.glob("*/run.json")).read_text()
    assert rows(asked)["top_k"].to_list() == [3]


def test_extensions_and_seeds_are_sent_only_when_they_are_on(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole())) as server:
        run(config, server)
        run(replace(config, request_seed=True), server)
    plain, seeded = server.bodies[:6], server.bodies[6:]
    assert not any({"top_k", "repetition_penalty", "ignore_eos", "seed"} & body.keys() for body in plain)
    seeds = [body["seed"] for body in seeded if "seed" in body]
    assert len(set(seeds)) == len(seeds) == 6 and all(0 <= seed < 2**31 for seed in seeds)
    said = {json.loads(text)["request_seed"] for text in rows(config)["environment"]}
    assert said == {False, True} and set(rows(config)["harness_version"]) == {SERVED_HARNESS_VERSION}


class Scripted:
    """A meter whose windows cost what the test says."""

    def __init__(self, joules: list[float]) -> None:
        self.joules = iter(joules)

    def begin(self) -> None: ...

    def end(self) -> Reading:
        return Reading(energy_j=next(self.joules), edge_j=0.0)


@pytest.mark.parametrize(
    ("joules", "rounds", "warm"), [([9, 1, 1], 3, True), ([9, 9, 5, 2, 1.5, 1.45], 6, True), ([9, *[1, 2] * 4], 8, False)]
)
def test_a_server_is_warmed_up_in_rounds_of_the_run_s_size_until_two_agree(
    config: RunConfig, joules: list[float], rounds: int, warm: bool
) -> None:
    asked, task = replace(config, concurrency=3, warmup=8), TASKS["chat"]
    three = together(3)
    with serving(lambda body, n: stream(whole(200), before=three)) as server:
        client = partial(client_of, server_url(server.url), 3)
        done = warm_up(asked, task, Sampling(max_new_tokens=64), client, None, Scripted(joules), lambda: False)  # type: ignore[arg-type]
    assert (done.answers, done.warm) == (rounds, warm)
    assert len(server.bodies) == 3 * rounds and server.most_at_once == 3
    assert {body["messages"][1]["content"] for body in server.bodies} <= set(TEXTS)
    assert server.bodies[0]["max_tokens"] == 32 and server.bodies[-1]["max_tokens"] == 64, "the first tells how long the others may be"


def test_the_warm_up_of_a_seeded_run_is_seeded_and_a_loop_of_ours_takes_no_such_option(config: RunConfig) -> None:
    asked = replace(config, concurrency=3, warmup=3, request_seed=True)
    with serving(lambda body, n: stream(whole(40))) as server:
        client = partial(client_of, server_url(server.url), 3)
        warm_up(asked, TASKS["chat"], Sampling(max_new_tokens=64), client, None, Scripted([9, 1, 1]), lambda: False)  # type: ignore[arg-type]
    assert sorted(body["seed"] for body in server.bodies) == sorted([0, 1, 2] * 3)
    assert not any("id_slot" in body for body in server.bodies), "whose server it is"
    with pytest.raises(errors.BadOption, match=r"--request-seed.*is for a server"):
        check(replace(config, engine="transformers-eager", request_seed=True))


def test_the_warm_up_of_llama_cpp_names_the_places_of_the_run(config: RunConfig) -> None:
    asked = replace(config, engine="llama.cpp", concurrency=3, warmup=3)
    with serving(lambda body, n: stream(whole(40))) as server:
        client = partial(client_of, server_url(server.url), 3)
        warm_up(asked, TASKS["chat"], Sampling(max_new_tokens=64), client, "llama.cpp", Scripted([9, 1, 1]), lambda: False)  # type: ignore[arg-type]
    assert sorted(body["id_slot"] for body in server.bodies) == sorted([0, 1, 2] * 3)


def test_a_server_that_answers_no_warm_up_is_left_to_the_run(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole()) if n > 1 else refuse(400, "no")) as server:
        assert run(replace(config, concurrency=2, warmup=3), server) == 0
    frame = rows(config)
    assert set(frame["warm"]) == {False} and set(frame["warmup_answers"]) == {0} and frame.height == 6


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_are_in_flight_and_no_more(config: RunConfig, concurrency: int) -> None:
    all_are_here = together(concurrency)
    with serving(lambda body, n: stream(whole(5), 0.005, before=all_are_here)) as server:
        run(replace(config, concurrency=concurrency), server)
    assert server.most_at_once == concurrency


def test_request_rate_spreads_the_requests(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the pauses between requests move: when requests arrive is up to the machine too."""
    begun_s, gaps = time.perf_counter(), list[float]()

    async def sleep(seconds: float) -> None:
        if seconds != traffic._POLL_S:
            gaps.append(seconds)
        await asyncio.sleep(0.001)

    monkeypatch.setattr(traffic, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": sleep}))
    monkeypatch.setattr(traffic, "time", SimpleNamespace(perf_counter=lambda: begun_s + sum(gaps)))
    with serving(lambda body, n: stream(whole(2))) as server:
        assert run(replace(config, request_rate=20.0, seed=1), server) == 0
    assert len(gaps) == 5 and 0.05 < sum(gaps) < 2.0 and max(gaps) > 2 * min(gaps)
    assert json.loads(rows(config)["environment"][0])["request_rate"] == 20.0
    assert balance(config)["server"]["steady_state"]["reason"] == "a request rate has no full batch"


def test_requests_that_find_no_free_place_at_their_moment_are_counted(config: RunConfig) -> None:
    with serving(lambda body, n: stream(whole(2), 0.02)) as server:
        assert run(replace(config, request_rate=1000.0, concurrency=1), server) == 0
    assert server.most_at_once == 1
    assert balance(config)["server"]["sent_late"] == 5


def test_finished_run_is_not_repeated(config: RunConfig) -> None:
    for again, expected in ((False, 6), (False, 6), (True, 12)):
        assert measured(replace(config, again=again), lambda body, n: stream(whole())).height == expected


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
    code = "import sys, prompt_joules.bench.run.served; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'zeus')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_servers_of_one_name_are_two_runs(config: RunConfig) -> None:
    for _ in range(2):
        with serving(lambda body, n: stream(whole())) as server:
            run(config, server)
    assert rows(config)["run_id"].n_unique() == 2


@pytest.mark.parametrize(
    ("path", "said", "owner", "version"),
    [
        ("/version", {"version": "0.22.1"}, "vllm", "vllm 0.22.1"),
        ("/info", {"version": "3.3"}, None, "3.3"),
        ("/server_info", {"version": "0.5.15", "model_path": "m"}, "sglang", "sglang 0.5.15"),
        ("/props", {"build_info": "b7000-abc", "model_path": "m"}, "llamacpp", "llamacpp b7000-abc"),
        ("/props", {"build_info": None}, "llamacpp", None),
    ],
)
def test_every_server_is_asked_for_its_version_where_it_keeps_it(
    path: str, said: dict[str, Any], owner: str | None, version: str | None
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        models = {"data": [{"id": "m", "owned_by": owner}]}
        return (
            httpx.Response(200, json=models)
            if request.url.path == "/v1/models"
            else (httpx.Response(200, json=said) if request.url.path == path else httpx.Response(404))
        )

    async def asked() -> ServerFacts:
        async with httpx.AsyncClient(base_url="http://host/v1/", transport=httpx.MockTransport(answer)) as client:
            return await describe(client)

    assert asyncio.run(asked()).version == version
