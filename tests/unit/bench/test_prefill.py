"""Short prompts that are read in a graph of one length get the answers of `generate`, alone or in a batch, whatever their length.

So they do where each step is launched before the host has seen the last. A CPU has no CUDA graphs: what would be captured runs each time.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench import errors  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines.base import Sampling  # noqa: E402
from prompt_joules.bench.engines.compiled.decode import StaticDecoder  # noqa: E402
from prompt_joules.bench.engines.compiled.layers import UnsupportedArchitecture  # noqa: E402
from prompt_joules.bench.engines.compiled.loops import by_name  # noqa: E402
from prompt_joules.bench.engines.compiled.prefill import BUCKET, MOST, padded_length  # noqa: E402
from prompt_joules.bench.run import tuning  # noqa: E402
from prompt_joules.bench.run.local import run_benchmark  # noqa: E402
from tests.unit.bench.test_static_decode import GREEDY, reference, tiny  # noqa: E402


def in_graphs(model: Any, sampling: Sampling = GREEDY, loop: str = "stacked-prefill") -> StaticDecoder:
    return StaticDecoder(model, sampling, compile_layers=False, loop=by_name(loop))


def ones(*shape: int) -> Any:
    return torch.ones(*shape, dtype=torch.long)


def test_prompts_are_padded_to_a_multiple_up_to_what_a_graph_is_worth() -> None:
    assert [padded_length(1, tokens) for tokens in (1, BUCKET, BUCKET + 1, MOST, MOST + 1)] == [BUCKET, BUCKET, 2 * BUCKET, MOST, None]
    assert [padded_length(MOST // BUCKET, tokens) for tokens in (BUCKET, BUCKET + 1)] == [BUCKET, None]


@pytest.mark.parametrize("loop", ["stacked-prefill", "stacked-ahead"])
@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_answers_equal_generate_whatever_the_length(kind: str, loop: str) -> None:
    model = tiny(kind)
    prompts = [torch.randint(0, 100, (tokens,)) for tokens in (1, 9, BUCKET - 1, BUCKET, BUCKET + 1, 2 * BUCKET + 5, 9)]
    expected = [reference(model, prompt, 20) for prompt in prompts]
    decoder = in_graphs(model, loop=loop)
    found = [decoder.generate(prompt[None], ones(1, len(prompt)), 20, frozenset(), seed=0).tokens[0] for prompt in prompts]
    assert found == expected


def test_a_left_padded_batch_equals_its_requests_alone() -> None:
    model = tiny("llama")
    short, long = torch.randint(1, 100, (4,)), torch.randint(1, 100, (70,))
    expected = [reference(model, short, 20), reference(model, long, 20)]
    padded, mask = torch.zeros(2, 70, dtype=torch.long), ones(2, 70)
    padded[0, 66:], padded[1], mask[0, :66] = short, long, 0
    decoder = in_graphs(model)
    for _ in range(2):
        assert decoder.generate(padded, mask, 20, frozenset(), seed=0).tokens == expected


def test_a_prompt_beyond_what_a_graph_reads_is_read_as_ever() -> None:
    model = tiny("llama")
    batch = MOST // BUCKET + 1
    prompts = torch.randint(0, 100, (batch, 9))
    expected = [reference(model, prompt, 5) for prompt in prompts]
    decoder = in_graphs(model)
    assert decoder.generate(prompts, ones(batch, 9), 5, frozenset(), seed=0).tokens == expected
    assert not decoder._held[batch].prompts


def test_a_penalty_sees_the_prompt_and_no_padding() -> None:
    model = tiny("llama")
    sampling = Sampling(temperature=0, repetition_penalty=1.3)
    prompt = torch.randint(1, 100, (9,))
    expected = reference(model, prompt, 20, repetition_penalty=1.3)
    assert in_graphs(model, sampling).generate(prompt[None], ones(1, 9), 20, frozenset(), seed=0).tokens == [expected]


def test_nothing_is_made_within_a_window() -> None:
    decoder = in_graphs(tiny("llama"))
    decoder.size(120)
    assert decoder.room == 192, "room for the padding, which a prompt of 65 tokens has most of"
    for prompt in (9, BUCKET + 1, 100):
        decoder.prepare(1, 120, prompt)
        made = decoder.builds
        decoder.generate(torch.randint(0, 100, (1, prompt)), ones(1, prompt), 120 - prompt, frozenset(), seed=0)
        assert (decoder.builds, decoder.room) == (made, 192)
    assert sorted(decoder._held[1].prompts) == [BUCKET, 2 * BUCKET]


def test_padding_leaves_no_number_that_is_none() -> None:
    decoder = in_graphs(tiny("llama"))
    decoder.generate(torch.randint(0, 100, (1, 3)), ones(1, 3), 2, frozenset(), seed=0)
    for layer in decoder._held[1].layers:
        assert layer.keys.isfinite().all() and layer.values.isfinite().all()


def test_steps_ahead_answer_as_steps_that_wait_and_one_is_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama")
    short, long = torch.randint(1, 100, (9,)), torch.randint(1, 100, (9,))
    expected = [reference(model, prompt, 20) for prompt in (short, long)]
    steps: list[int] = []
    run = StaticDecoder._step
    monkeypatch.setattr(StaticDecoder, "_step", lambda decoder, buffers, tokens: (steps.append(tokens), run(decoder, buffers, tokens))[1])
    decoder = in_graphs(model, loop="stacked-ahead")
    for _ in range(2):
        assert decoder.generate(torch.stack([short, long]), ones(2, 9), 20, frozenset(), seed=0).tokens == expected
        assert len(steps) == 19, "no step after the last token that an answer may have"
        steps.clear()
    decoded = decoder.generate(long[None], ones(1, 9), 20, frozenset(), seed=0, should_stop=lambda tokens: len(tokens) == 4)
    assert (decoded.tokens, decoded.finish, len(decoded.stamps_s)) == ([expected[1][:4]], ["stop"], 4)
    assert len(steps) == 4
    assert decoder.generate(short[None], ones(1, 9), 1, frozenset(), seed=0).tokens == [expected[0][:1]]
    assert len(steps) == 4


def test_the_seed_decides_the_draw_whether_the_host_waits_or_not() -> None:
    model, sampling, prompt = tiny("llama"), Sampling(temperature=1.0), torch.randint(0, 100, (1, 9))
    drawn = [
        in_graphs(model, sampling, loop).generate(prompt, ones(1, 9), 20, frozenset(), seed=1).tokens
        for loop in ("stacked-prefill", "stacked-ahead")
    ]
    assert drawn[0] == drawn[1]


class Broken:
    """A capture that the GPU refuses, as where the model waits for a number."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nMore about it.")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU that captures nothing."""
    for name in ("Stream", "current_stream", "stream", "CUDAGraph", "graph_pool_handle"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    monkeypatch.setattr(torch.cuda, "graph", Broken)


@pytest.mark.usefixtures("refused")
@pytest.mark.parametrize(("prompt", "way_out"), [(0, "--engine transformers-eager"), (9, "--loop stacked-split")])
def test_what_cannot_be_captured_is_refused_with_a_way_out(prompt: int, way_out: str) -> None:
    decoder = in_graphs(tiny("llama"))
    if prompt:
        decoder.prepare(1, 40)
    decoder.on_gpu = True
    with pytest.raises(UnsupportedArchitecture, match=f"operation not permitted when stream is capturing More about it.*{way_out}"):
        decoder.prepare(1, 40, prompt)
    assert not decoder._held or not decoder._held[1].prompts, "nothing is kept that would run without a graph"


@pytest.mark.usefixtures("refused")
def test_a_run_of_a_model_that_cannot_be_captured_ends_with_that_sentence_and_a_trial_has_it_as_its_reason(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StaticDecoder.__init__

    def begin(decoder: StaticDecoder, *args: Any, **options: Any) -> None:
        run(decoder, *args, **options)
        decoder.on_gpu = decoder._captures_prompts
        decoder._capture = lambda buffers: None  # type: ignore[method-assign]

    monkeypatch.setattr(StaticDecoder, "__init__", begin)
    asked = RunConfig(
        str(model), engine="transformers-compiled", out=tmp_path, device="cpu", max_new_tokens=4, warmup=0, limit=1, idle=False
    )
    with pytest.raises(errors.EngineUnsuited, match="--loop stacked-split, which reads them without one"):
        run_benchmark(asked, Console(quiet=True))
    assert not list(tmp_path.glob("*/part-*.parquet"))
    screen = Console(record=True, file=io.StringIO(), width=300)
    monkeypatch.setattr(tuning, "TRIAL_S", 0.01)
    assert run_benchmark(replace(asked, tune="speed"), screen) == 0
    assert "stacked-prefill: The model" in screen.export_text()
