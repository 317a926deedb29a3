"""A real server, `transformers serve` on the CPU with a tiny random model, measured as any other. Slow; needs no GPU."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import httpx
import polars as pl
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


@pytest.fixture(scope="module", params=[(), CONTINUOUS], ids=["one at a time", "continuous batching"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address and model name of a running `transformers serve`."""
    folder = llama(tmp_path_factory.mktemp("served") / "tiny-llama")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.getbasetemp() / "serve.log"
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port), *request.param]
    offline = os.environ | {"HF_HUB_OFFLINE": "1"}
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=offline) as server:
        try:
            for _ in range(3000):
                if server.poll() is not None or _healthy(port):
                    break
                time.sleep(0.1)
            assert _healthy(port), log.read_text()[-3000:]
            yield f"http://127.0.0.1:{port}", str(folder)
            assert f"CB: {bool(request.param)}" in log.read_text()
        finally:
            server.kill()


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
