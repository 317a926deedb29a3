"""A real server, `transformers serve` on the CPU with a tiny random model, measured as any other. Slow; needs no GPU."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import httpx
import polars as pl
import psutil
import pytest

if find_spec("openai") is None:  # only the server imports it, which takes 0.7 s
    pytest.skip("transformers serve needs openai: make test installs it", allow_module_level=True)
pytest.importorskip("transformers", reason="needs the bench extra: make test installs it")

from rich.console import Console

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run.served import run_served
from prompt_joules.bench.tasks import TASKS
from tests.tiny_models import llama

pytestmark = pytest.mark.model


CONTINUOUS = ("--continuous-batching", "--cb-num-blocks", "64", "--cb-block-size", "32", "--cb-max-batch-tokens", "256")


# Imports once what both servers need, 8 s of CPU. A line of its input starts the program of the command `transformers` in a process of its
# own, which writes to a file, and answers with its id. Nothing has run before the fork, so that a child is as good as a new process.
PROGRAMS = """
import json, os, signal, sys, threading
import openai, uvicorn
import transformers
from transformers.cli import transformers as program
from transformers.cli.serving import chat_completion, completion, model_manager, response, server, systemone, transcription
transformers.AutoModelForCausalLM, transformers.AutoTokenizer, transformers.LlamaForCausalLM

assert threading.active_count() == 1
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # of a program that ended nothing is left
for line in sys.stdin:
    said, words = json.loads(line)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (1, 2):
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
        sys.argv = ["transformers", *words]
        try:
            program.main()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(1)
    print(pid, flush=True)
"""
Start = Callable[[Path, list[str]], int]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start `transformers` with words, which says what it says to a file; its process."""
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PROGRAMS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=offline, text=True) as process:

        def started(said: Path, words: list[str]) -> int:
            assert process.stdin is not None and process.stdout is not None
            print(json.dumps([str(said), words]), file=process.stdin, flush=True)
            return int(process.stdout.readline())

        yield started


@pytest.fixture(scope="module", params=[(), CONTINUOUS], ids=["one at a time", "continuous batching"])
def served(request: pytest.FixtureRequest, start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and model name of a running `transformers serve`."""
    here = tmp_path_factory.mktemp("served")
    folder, log = llama(here / "tiny-llama"), here / "serve.log"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["serve", str(folder), "--device", "cpu", "--host", "127.0.0.1", "--port", str(port), *request.param]
    server = start(log, words)
    try:
        for _ in range(3000):
            if not psutil.pid_exists(server) or _healthy(port):
                break
            time.sleep(0.1)
        assert _healthy(port), log.read_text()[-3000:]
        yield f"http://127.0.0.1:{port}", str(folder)
        assert f"CB: {bool(request.param)}" in log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)


def _healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=10).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def config(served: tuple[str, str], tmp_path: Path) -> RunConfig:
    url, model = served
    path = tmp_path / "three.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(3)))
    common = RunConfig(model, engine="openai", prompts=str(path), out=tmp_path / "out", max_new_tokens=12, warmup=3)
    return replace(common, base_url=url, concurrency=2)


def test_rows_of_transformers_serve(config: RunConfig) -> None:
    assert run_served(config, Console(quiet=True)) == 0
    frame = pl.read_parquet(config.out / "*" / "part-*.parquet")
    assert frame.height == 3 and set(frame["status"]) == {"ok"}
    assert set(frame["model_id"]) == {"tiny-llama"}, "a path does not travel with the rows"
    for row in frame.iter_rows(named=True):
        rendered = f"<system>{TASKS['chat'].system}<user>{row['prompt_text']}<assistant>"
        assert row["input_tokens"] == len(rendered.encode())
        assert row["output_tokens"] == 12 or row["finish_reason"] == "stop"
        assert 0 < row["ttft_s"] <= row["latency_s"]
        assert row["energy_j"] is not None or row["energy_reason"]


def test_transformers_serve_refuses_another_model(config: RunConfig) -> None:
    with pytest.raises(errors.ServerRefused, match="pinned"):
        run_served(replace(config, model="another/model"), Console(quiet=True))


def test_transformers_serve_refuses_an_option_it_does_not_know(config: RunConfig) -> None:
    with pytest.raises(errors.ServerRefused, match="top_k"):
        run_served(replace(config, top_k=5), Console(quiet=True))
