"""What ends an answer, and what a whole static batch costs: both engines, with a tiny random model."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from rich.console import Console

from bench.config import RunConfig
from bench.engines.base import Sampling
from bench.engines.compiled import CompiledEngine
from bench.engines.loading import load, plan
from bench.engines.transformers import TransformersEngine
from bench.runner import run_benchmark
from bench.runs import read_run
from bench.tasks import TASKS
from bench.templates import Template
from tests.tiny_models import llama

SAMPLING = Sampling(temperature=1.0, top_p=1.0, top_k=0, repetition_penalty=1.0, max_new_tokens=60)
WATTS = 100.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("tiny-llama"))


def template(stops: tuple[str, ...]) -> Template:
    """The prompt as it is, with these stop strings."""
    return Template("test", lambda prompt: prompt, stop_strings=stops)


@pytest.mark.parametrize("kind", [TransformersEngine, CompiledEngine])
def test_a_stop_string_ends_the_answer_where_it_appears(model: Path, kind: type[TransformersEngine]) -> None:
    """A string of three characters out of a free answer stops that answer when it is asked again, and is not part of its text.

    It also stands in the prompt, where it must not count.
    """
    chosen = plan(RunConfig(str(model), device="cpu"))
    engine = kind(chosen, *load(chosen))
    engine.use_task(TASKS["chat"])

    def answer(stops: tuple[str, ...], prompt: str, seed: int) -> tuple[str, str, int]:
        engine._template = template(stops)
        prepared = [engine.prepare(prompt, seed, SAMPLING)]
        engine.ready(prepared, SAMPLING)
        (generation,) = engine.generate(prepared, SAMPLING)
        assert len(generation.stamps_s) == len(generation.token_ids)
        return str(engine.decode(generation)), generation.finish_reason, len(generation.token_ids)

    def stop_in(text: str) -> str | None:
        """The first three ASCII characters in a row that come after the tenth character and not before."""
        spots = range(10, len(text) - 3)
        return next((text[at : at + 3] for at in spots if text[at : at + 3].isascii() and text.find(text[at : at + 3]) == at), None)

    tried = 0
    for seed in range(20):
        free, _, tokens = answer((), "Hello", seed)
        stop = stop_in(free)
        if tokens < SAMPLING.max_new_tokens or stop is None:
            continue
        tried += 1
        text, finish, fewer = answer((stop, "never seen"), "Hello", seed)
        assert (text, finish) == (free[: free.find(stop)], "stop")
        assert fewer < tokens
        _, _, length = answer((stop,), f"Hello {stop}", seed)
        assert length >= len(stop), "a stop string in the prompt has ended the answer"
    assert tried >= 3


def test_a_batch_of_the_compiled_engine_shares_its_window(model: Path, tmp_path: Path) -> None:
    """A counter of 100 W: the rows of a window add up to it, and the books close."""
    trace, prompts = tmp_path / "trace.json", tmp_path / "five.jsonl"
    trace.write_text(json.dumps({"gpu_models": ["Replayed"], "traces": [[[n * 0.005, n * 0.005 * WATTS * 1000] for n in range(20000)]]}))
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": "x" * (1 + 20 * n)}) + "\n" for n in range(5)))
    config = RunConfig(str(model), engine="transformers-compiled", device="cpu", prompts=str(prompts), replay=trace, out=tmp_path / "out")
    config = replace(config, batch_size=2, max_new_tokens=80, temperature=1.0, warmup=1, idle=False, seed=3)
    assert run_benchmark(config, Console(quiet=True)) == 0
    frame = pl.read_parquet(config.out / "*" / "part-*.parquet").sort("sequence")
    assert frame.height == 5 and set(frame["status"]) == {"ok"} and set(frame["energy_attribution"]) == {"shared"}
    assert frame["window_id"].to_list() == [0, 0, 2, 2, 4]
    for _, window in frame.group_by("window_id"):
        # The window holds the whole answer, and on a busy machine some waiting around it: never less, at most seconds more.
        least_j = WATTS * window["latency_s"].max()
        assert 0.9 * least_j - 1 <= window["energy_j"].sum() <= least_j + 5 * WATTS
        assert window["energy_j"].min() > 0
        assert window["started_at"].n_unique() == 1
    (path,) = config.out.glob("*/run.json")
    (session,) = read_run(path.parent).sessions
    assert frame["energy_j"].sum() == pytest.approx(session["books"]["windows_j"])
    assert session["books"]["windows"] == 3
    assert session["books"]["ratio"] == pytest.approx(1, abs=0.02)
