"""Servers that `bench` starts itself: found, started, described, measured at several concurrencies, stopped."""

import json
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from prompt_joules.bench import errors, slo
from prompt_joules.bench.config import RunConfig, check
from prompt_joules.bench.engines import servers
from prompt_joules.bench.engines.servers import RUNTIMES
from prompt_joules.bench.run import deaths, points
from prompt_joules.bench.run.folder import read_run
from prompt_joules.bench.run.served import run_served
from tests import warehouses
from tests.fake_runtime import LAST_WORDS
from tests.unit.serving.served import FAKE, make_gguf, rows


@pytest.fixture
def vllm(config: RunConfig, recording: Path) -> RunConfig:
    """A run of the fake that takes vLLM's command line."""
    return replace(config, engine="vllm", server_command=FAKE, replay=recording, start_timeout=300.0)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def test_a_server_is_started_described_measured_and_stopped(vllm: RunConfig) -> None:
    before = children()
    assert run_served(replace(vllm, server_args="--max-model-len 4096", concurrency=2), Console(quiet=True)) == 0
    assert children() == before
    frame = rows(vllm)
    assert set(frame["status"]) == {"ok"} and set(frame["engine"]) == {"vllm"}
    assert set(frame["dtype"]) == {"float16"} and set(frame["engine_version"]) == {"vllm 9.9"}
    assert set(frame["repetition_penalty"]) == {1.0}
    said = json.loads(frame["environment"][0])["server_setup"]
    assert said["attention_backend"] == "FAKE_ATTN" and said["kv_cache_tokens"] == 12345
    options = said["options"]
    assert options[options.index("--max-model-len") + 1] == "4096"
    assert "--no-enable-prefix-caching" in options and options[options.index("--max-num-seqs") + 1] == "2"


def test_its_own_figures_are_kept_with_the_run(vllm: RunConfig) -> None:
    run_served(vllm, Console(quiet=True))
    (path,) = vllm.out.glob("*/run.json")
    figures = read_run(path.parent).sessions[-1]["books"]["server_metrics"]
    assert figures["generation_tokens"] == 36 and figures["preemptions"] == 3


def test_several_concurrencies_on_one_server_are_runs_of_their_own(vllm: RunConfig) -> None:
    console = Console(record=True, width=200, file=sys.stderr)
    assert run_served(replace(vllm, ramp="1,3", slo="tpot=1s"), console) == 0
    counts = rows(vllm).group_by("run_id").agg(pl.col("concurrency").first(), pl.len()).sort("concurrency")
    assert counts["concurrency"].to_list() == [1, 3] and counts["len"].to_list() == [6, 6]
    said = console.export_text()
    assert said.count("Starting vllm") == 1
    assert "cheapest" in said and "tpot=1s" in said


def test_a_concurrency_above_the_number_of_answers_is_told_and_is_never_the_cheapest(vllm: RunConfig) -> None:
    """Six answers are never more than six at once, whatever was asked: of that level nothing has been measured."""
    console = Console(record=True, width=200, file=sys.stderr)
    assert run_served(replace(vllm, ramp="6,64", slo="tpot=1s"), console) == 0
    said = console.export_text()
    assert said.count("but only 6 answers") == 1 and "64 at once are asked for" in said and "--ramp 64:640" in said
    (six, many) = [line for line in said.splitlines() if "keep it" in line]
    assert "never more than" not in six and "64 at once: never more than 6" in many
    assert "The cheapest that keeps tpot=1s: 6 at once" in said
    folders = sorted(path.parent for path in vllm.out.glob("*/run.json"))
    speeds = [points._point(level, folders, slo.parse("tpot=1s"))["tokens_per_s"] for level in (6, 64)]
    assert speeds[0] == speeds[1], "a speed of six at once"
    assert "No concurrency reached keeps" in points.cheapest([(64, folders)], "tpot=1s")


def test_a_run_that_an_earlier_version_began_has_its_point(vllm: RunConfig, tmp_path: Path) -> None:
    """Parts of one run differ by a column that came later."""
    run_served(vllm, Console(quiet=True))
    (part,) = vllm.out.glob("*/part-*.parquet")
    before, frame = points.cheapest([(1, [part.parent])], "tpot=1s"), pl.read_parquet(part)
    frame.head(2).drop("stream_end_s").write_parquet(part)
    frame.tail(-2).write_parquet(part.with_name("part-00001.parquet"))
    assert points.cheapest([(1, [part.parent])], "tpot=1s") == before
    rows_of = [pl.read_parquet(path).height for path in sorted(part.parent.glob("part-*.parquet"))]
    assert rows_of == [2, 4] and run_served(vllm, Console(quiet=True)) == 0
    assert warehouses.ingest(vllm.out, into=tmp_path / "w.duckdb").status == 0
    kept = warehouses.rows(tmp_path / "w.duckdb", "select stream_end_s is null as lacks from requests order by sequence")
    assert kept["lacks"].to_list() == [True] * 2 + [False] * 4


def test_a_concurrency_can_ask_its_own_number_of_prompts(vllm: RunConfig) -> None:
    assert run_served(replace(vllm, ramp="1:2, 3:10"), Console(quiet=True)) == 0
    found = rows(vllm).group_by("concurrency").agg(pl.len(), pl.col("prompt_id", "repetition").n_unique())
    (few,), (more,) = found.filter(concurrency=1).rows(), found.filter(concurrency=3).rows()
    assert few == (1, 2, 2, 1)
    assert more == (3, 12, 6, 2), "ten of a set of six: each twice, with another draw"


def test_what_ended_at_once_is_told_with_its_last_words(vllm: RunConfig) -> None:
    with pytest.raises(errors.ServerDidNotStart, match="no kernel image"):
        run_served(replace(vllm, model="it-dies"), Console(quiet=True))


@pytest.mark.parametrize("ramp", [None, "2"])
def test_a_server_that_dies_in_the_middle_says_its_last_words_and_the_same_command_goes_on(
    vllm: RunConfig, tmp_path: Path, ramp: str | None
) -> None:
    """Nothing that it had in hand is called a failure of the prompt."""
    before = children()
    asked = replace(vllm, model=f"dies-once-{tmp_path / 'mark'}", ramp=ramp, concurrency=None if ramp else 2)
    with pytest.raises(errors.ServerDied, match=rf"status 7 .* same command again(?s:.*){LAST_WORDS}"):
        run_served(asked, Console(quiet=True))
    assert children() == before
    first = rows(vllm)
    assert set(first["status"]) == {"ok"} and 1 <= first.height <= 3
    assert run_served(asked, Console(quiet=True)) == 0
    whole_run = rows(vllm)
    assert whole_run["run_id"].n_unique() == 1 and set(whole_run["status"]) == {"ok"}
    assert sorted(whole_run["prompt_id"]) == [f"p{n}" for n in range(6)]


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_prompt_that_ends_its_server_is_a_failed_row_after_two_deaths(vllm: RunConfig, at_once: int) -> None:
    """The third server answers all the others: the prompts that were in hand with it are not blamed."""
    asked = replace(vllm, model="poisoned-2?", concurrency=at_once)
    for _ in range(deaths.MOST_DEATHS):
        with pytest.raises(errors.ServerDied):
            run_served(asked, Console(quiet=True))
        assert set(rows(vllm)["status"]) <= {"ok"}
    assert run_served(asked, Console(quiet=True)) == 0
    found = rows(vllm)
    assert sorted(found["prompt_id"]) == [f"p{n}" for n in range(6)] and found["run_id"].n_unique() == 1
    (killer,) = found.filter(pl.col("status") == "failed").iter_rows(named=True)
    assert killer["prompt_id"] == "p2" and killer["reason"].startswith("the server ended 2 times") and killer["energy_j"] is None
    (path,) = vllm.out.glob("*/run.json")
    run = read_run(path.parent)
    in_hand = [session["books"]["server"]["in_hand"] for session in run.sessions]
    assert run.finished and ["p2", 0] in in_hand[0] and in_hand[1:] == [[["p2", 0]], []], "alone at the second death"
    alone = {name for name, _ in in_hand[0]} - {"p2"}
    assert set(found.filter(pl.col("reason") == deaths.ASKED_ALONE)["prompt_id"]) == alone


def test_a_server_that_answers_no_more_but_runs_is_named_by_its_address(vllm: RunConfig) -> None:
    with (
        pytest.raises(errors.ServerLost, match=r"http://127.0.0.1:\d+/v1 does not answer"),
        servers.started(vllm, lambda _: None) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(servers, "_DYING_S", 0.01)
        raise errors.ServerLost(server.base_url, "no connection")


def test_what_never_answers_is_stopped_after_the_time_allowed(vllm: RunConfig) -> None:
    before = children()
    with pytest.raises(errors.ServerDidNotStart, match=r"within 1 s .--start-timeout"):
        run_served(replace(vllm, model="it-hangs", start_timeout=1.0), Console(quiet=True))
    assert children() == before


def test_a_runtime_that_is_not_there_says_how_to_get_it(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in RUNTIMES:
        with pytest.raises(errors.MissingRuntime, match="--server-command"):
            run_served(replace(config, engine=name, model=str(make_gguf(config.out))), Console(quiet=True))  # type: ignore[arg-type]


def test_a_server_listens_where_there_is_room_for_a_second_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        held = taken.getsockname()[1]
        monkeypatch.setattr(servers, "PORTS", range(held, held + 1))
        with pytest.raises(errors.BadOption, match=f"no port from {held} to {held} is free"):
            servers._free_port()
    monkeypatch.undo()
    assert all(servers._free_port() + 10_000 < 65_536 for _ in range(20)), "SGLang takes the port 10,000 above too"


def test_a_command_that_was_named_and_is_not_there_is_said_to_be_that(vllm: RunConfig, tmp_path: Path) -> None:
    """Not that the server is not installed, with the advice to name its command."""
    with pytest.raises(errors.BadOption, match=r"--server-command.*nothing cannot be started: No such file"):
        run_served(replace(vllm, server_command=str(tmp_path / "nothing")), Console(quiet=True))


@pytest.mark.parametrize(
    ("asked", "places"), [({"ramp": "2,1,3"}, {1: {0}, 2: {0, 1}, 3: {0, 1, 2}}), ({"request_rate": 200.0}, {None: {None}})]
)
def test_requests_to_llama_cpp_name_the_lowest_free_place(
    asked: dict[str, Any], places: dict[int | None, set[int | None]], config: RunConfig, recording: Path, tmp_path: Path
) -> None:
    """So the places in use have no gap at any level of a ramp. At random moments the server chooses, as for everybody."""
    run = replace(
        config, engine="llama.cpp", model=str(make_gguf(tmp_path / "q")), server_command=FAKE, replay=recording, start_timeout=300.0
    )
    assert run_served(replace(run, **asked), Console(quiet=True)) == 0
    named = rows(run).with_columns(place=pl.col("output_text").str.extract(r"^place (\d+) ").cast(pl.Int64))
    found = {None if None in places else level: set(its["place"]) for (level,), its in named.group_by("concurrency")}
    assert found == places


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"base_url": "http://h"}, "base-url"),
        ({"ramp": "1,x"}, "whole numbers"),
        ({"ramp": "0"}, "from 1"),
        ({"ramp": "4:0"}, "at least 1"),
        ({"ramp": "4:x"}, "whole numbers"),
        ({"ramp": "1,2", "concurrency": 3}, "ramp"),
        ({"slo": "tpot=fast"}, "slo"),
        ({"server_args": "--x 'y"}, "server-args.*No closing quotation"),
        ({"server_command": '"vllm serve'}, "server-command.*No closing quotation"),
        ({"batch_size": 4}, "concurrency"),
        ({"gguf_file": "auto"}, "gguf-file"),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(errors.BadOption, match=word):
        check(RunConfig("m", engine="vllm", **options))  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_bench_leaves_no_server_behind() -> None:
    """SIGKILL runs no clean-up of ours."""
    program = (
        "import os, signal, sys\n"
        "from prompt_joules.bench.engines import servers\n"
        "child = servers._launch([sys.executable, '-c', 'import time; time.sleep(600)'], sys.stderr.fileno(), servers.RUNTIMES['vllm'])\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert killed.returncode == -signal.SIGKILL
    server = int(killed.stdout)
    try:
        psutil.wait_procs([psutil.Process(server)], timeout=60)
        alive = psutil.Process(server).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        alive = False
    assert not alive
