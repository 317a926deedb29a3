"""Hugging Face transformers, compiled: the same model, tokens and stops as the eager engine, far fewer joules.

Loading, templates and stops are the eager engine's; only the loop is `decode`. Static batches are left-padded.
"""

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from prompt_joules.bench import errors
from prompt_joules.bench.engines import loading
from prompt_joules.bench.engines.base import Generation, Prepared, Sampling
from prompt_joules.bench.engines.compiled import attention, decode, kernels
from prompt_joules.bench.engines.compiled.layers import (
    ATTENTION,
    PREFILL_ATTENTION,
    UnsupportedArchitecture,
    cache_shape,
    check_cache,
    check_window,
    decoder_layers,
)
from prompt_joules.bench.engines.compiled.loops import STACKED, Loop
from prompt_joules.bench.engines.stops import StopText
from prompt_joules.bench.engines.transformers import TransformersEngine, padded


class CompiledEngine(TransformersEngine):
    """A loaded transformers model in static buffers; see `prompt_joules.bench.engines.base.Engine`.

    Raises:
        EngineUnsuited: the model's layers cannot run in static buffers.
    """

    def __init__(self, plan: loading.Plan, model: Any, tokenizer: Any, random_prompt_tokens: int = 128) -> None:
        with _refusals(plan.model_id):
            decoder_layers(model)
            check_cache(model)
        super().__init__(plan, model, tokenizer, random_prompt_tokens)
        self._decoder: decode.StaticDecoder | None = None
        self._loop = STACKED
        self._room = 0
        self._stops: StopText | None = None

    def use_loop(self, loop: Loop) -> None:
        """Answer with another loop from now on; the buffers and graphs of the last one are freed."""
        if loop != self._loop:
            self._loop, self._decoder = loop, None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def settings(self, batch: int) -> dict[str, Any]:
        """As the eager engine's. `attention` is that of a prefill. A decode step has one of its own, over static buffers, which has a name
        where it is another than that of one answer; and kernels that this process compiled.
        """
        compiled = kernels.described()
        weight = next(self._model.parameters())
        shape, on = cache_shape(self._model), weight.device.type
        compiles = self._loop.compiled and on == "cuda"
        usual = attention.way_for(1, shape, weight.dtype, compiled=compiles, device=on)
        way = attention.way_for(batch, shape, weight.dtype, compiled=compiles, device=on, alone=self._loop.alone)
        own = {"attention": PREFILL_ATTENTION, "decode_attention": ATTENTION if way == usual else f"{ATTENTION}:{way}"}
        return super().settings(batch) | own | ({"kernels": compiled} if compiled else {})

    def reserve(self, longest: int, sampling: Sampling) -> None:
        """Size the static buffers. Raises EngineUnsuited: the model looks back less far than this."""
        with _refusals(self._plan.model_id):
            check_window(self._model, longest)
        self._room = longest
        self._decoder_for(sampling).size(longest)

    def ready(self, prompts: Sequence[Prepared], sampling: Sampling) -> None:
        """Allocate, compile and capture what these prompts need, before the window.

        Raises:
            PromptFailed: the buffers do not fit the memory.
            EngineUnsuited: the model cannot be captured in a CUDA graph.
        """
        with self._faults(None), _refusals(self._plan.model_id):
            longest = max(prompt.input_tokens for prompt in prompts)
            self._decoder_for(sampling).prepare(len(prompts), longest + sampling.max_new_tokens, longest)

    def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
        """Answer one static batch. Raises PromptFailed: it does not fit the memory, or the model broke on it."""
        ids, mask = padded([prompt.inputs for prompt in prompts])
        with self._faults(prompts[0].input_tokens):
            decoded = self._decoder_for(sampling).generate(
                ids, mask, sampling.max_new_tokens, frozenset(self._stop_token_ids()), prompts[0].seed, self._stop_text(len(prompts))
            )
        return [_generation(decoded, row) for row in range(len(prompts))]

    def _decoder_for(self, sampling: Sampling) -> decode.StaticDecoder:
        if self._decoder is None or self._decoder.sampling.draw != sampling.draw:
            self._decoder = decode.StaticDecoder(self._model, sampling, loop=self._loop)
            self._decoder.size(self._room)
        return self._decoder

    def _stop_text(self, batch: int) -> Callable[[list[int]], bool] | None:
        """What says that an answer has ended by its text. One answer is decoded after every token, as by protocol 2.1; batches are not."""
        strings = self._stop_strings()
        if not strings:
            return None
        if self._stops is None or self._stops.strings != strings:
            self._stops = StopText(self._tokenizer, strings)
        return self._stops if batch > 1 else self._stops.decoding


@contextlib.contextmanager
def _refusals(model_id: str) -> Iterator[None]:
    """Turn an architecture that cannot run here into the sentence for the person at the keyboard."""
    try:
        yield
    except UnsupportedArchitecture as error:
        raise errors.EngineUnsuited(model_id, str(error)) from error


def _generation(decoded: decode.Decoded, row: int) -> Generation:
    tokens = tuple(decoded.tokens[row])
    error = f"NaN logits at token {len(tokens) + 1}" if decoded.finish[row] == "error" else None
    return Generation(tokens, tuple(decoded.stamps_s[: len(tokens)]), decoded.finish[row], error)
