"""What ends an answer, and what a whole static batch costs: both engines, with a tiny random model."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

import torch
from rich.console import Console

from prompt_joules.bench.config import EngineName, RunConfig
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.compiled.engine import CompiledEngine
from prompt_joules.bench.engines.loading import load, plan
from prompt_joules.bench.engines.stops import FiniteLogits, StopOnBadLogits
from prompt_joules.bench.engines.transformers import TransformersEngine, _generation
from prompt_joules.bench.prompts.templates import Template
from prompt_joules.bench.run.folder import read_run
from prompt_joules.bench.run.local import run_benchmark
from prompt_joules.bench.tasks import TASKS
from tests.tiny_models import llama, t5

SAMPLING = Sampling(temperature=1.0, top_p=1.0, top_k=0, repetition_penalty=1.0, max_new_tokens=60)
WATTS = 100.0


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


@pytest.mark.parametrize("make", [llama, t5])
def test_a_batch_of_the_eager_engine_answers_as_its_prompts_alone(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Greedy: the same tokens, and the padding after the end of an answer is none of them."""
    chosen = plan(RunConfig(str(make(tmp_path)), device="cpu"))
    engine = TransformersEngine(chosen, *load(chosen))
    engine.use_task(TASKS["chat"])
    engine._template = template(())
    greedy = replace(SAMPLING, temperature=0.0, max_new_tokens=20)
    prepared = [engine.prepare(text, 0, greedy) for text in ("Hi", "A much longer prompt than that", "a b c", "why")]
    (first,) = engine.generate(prepared[:1], greedy)
    engine._stop_token_ids = lambda: [first.token_ids[5]]  # type: ignore[method-assign]
    alone = [engine.generate([one], greedy)[0] for one in prepared]
    together = engine.generate(prepared, greedy)
    assert [(one.token_ids, one.finish_reason) for one in together] == [(one.token_ids, one.finish_reason) for one in alone]
    assert "stop" in {one.finish_reason for one in together}
    assert all(len(one.stamps_s) == len(one.token_ids) for one in together)


def test_stop_strings_end_each_request_of_an_eager_batch_on_its_own(model: Path) -> None:
    chosen = plan(RunConfig(str(model), device="cpu"))
    engine = TransformersEngine(chosen, *load(chosen))
    engine.use_task(TASKS["chat"])
    engine._template = template(())
    prepared = [engine.prepare(text, 0, SAMPLING) for text in ("Hello", "A longer one")]
    free = engine.generate(prepared, SAMPLING)
    text = str(engine.decode(free[0]))
    stop = next(
        text[at : at + 2] for at in range(8, 40) if text[at : at + 2].isascii() and text[at : at + 2] not in str(engine.decode(free[1]))
    )
    engine._template = template((stop,))
    first, second = engine.generate(prepared, SAMPLING)
    assert first.finish_reason == "stop" and engine.decode(first) == text[: text.find(stop)]
    assert len(first.token_ids) < len(free[0].token_ids)
    assert (second.token_ids, second.finish_reason) == (free[1].token_ids, free[1].finish_reason)


def test_bad_logits_end_only_their_request_and_only_before_its_end() -> None:
    """Three requests: good, bad at the second token, bad at the third after it had ended at the first."""
    finite = FiniteLogits()
    stop = StopOnBadLogits(finite)
    for bad in ([False, False, False], [False, True, False], [False, True, True]):
        scores = torch.zeros(3, 4).masked_fill(torch.tensor(bad)[:, None], float("nan"))
        assert torch.isfinite(finite(None, scores)).all()
    assert stop(None, None).tolist() == [False, True, True]
    assert finite.bad_at() == [None, 1, 2]
    tokens, stamps = [[7, 8, 9], [7, 0, 0], [5, 0, 0]], [0.1, 0.2, 0.3]
    answers = [_generation(row, stamps, [5], None, at) for row, at in zip(tokens, finite.bad_at(), strict=True)]
    assert [(one.token_ids, one.finish_reason) for one in answers] == [((7, 8, 9), "length"), ((7,), "error"), ((5,), "stop")]
    assert answers[1].error == "NaN logits at token 2" and answers[1].stamps_s == (0.1,)


@pytest.mark.parametrize("name", ["transformers-eager", "transformers-compiled"])
def test_a_batch_shares_its_window(model: Path, tmp_path: Path, name: EngineName) -> None:
    """A counter of 100 W: the rows of a window add up to it, and so does the balance."""
    trace, prompts = tmp_path / "trace.json", tmp_path / "five.jsonl"
    trace.write_text(json.dumps({"gpu_models": ["Replayed"], "traces": [[[n * 0.005, n * 0.005 * WATTS * 1000] for n in range(20000)]]}))
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": "x" * (1 + 20 * n)}) + "\n" for n in range(5)))
    config = RunConfig(str(model), engine=name, device="cpu", prompts=str(prompts), replay=trace, out=tmp_path / "out")
    config = replace(config, batch_size=2, max_new_tokens=80, temperature=1.0, warmup=3, idle=False, seed=3)
    assert run_benchmark(config, Console(quiet=True)) == 0
    frame = pl.read_parquet(config.out / "*" / "part-*.parquet").sort("sequence")
    assert frame.height == 5 and set(frame["status"]) == {"ok"} and set(frame["energy_attribution"]) == {"shared"}
    assert frame["window_id"].to_list() == [0, 0, 2, 2, 4]
    for _, window in frame.group_by("window_id"):
        # The window holds the whole answer, and on a busy machine some waiting around it: at most seconds more, and less by no more than
        # its error bar, which knows how long this process was kept from the counter.
        least_j, error_j = WATTS * window["latency_s"].max(), window["energy_error_j"].sum()
        assert 0.9 * least_j - 1 - error_j <= window["energy_j"].sum() <= least_j + 5 * WATTS
        assert window["energy_j"].min() > 0
        assert window["started_at"].n_unique() == 1
    (path,) = config.out.glob("*/run.json")
    (session,) = read_run(path.parent).sessions
    assert frame["energy_j"].sum() == pytest.approx(session["books"]["windows_j"])
    assert session["books"]["windows"] == 3
    assert session["books"]["ratio"] == pytest.approx(1, abs=0.02)
