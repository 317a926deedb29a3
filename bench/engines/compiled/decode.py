"""Decoding at the speed of the memory: static buffers, compiled layers, one CUDA graph per step.

At batch 1 a decode step has to read every weight once, so the card's memory bandwidth bounds it. A stock `generate`
loop launches about a thousand small kernels a step from Python and waits for each decision; most of the step is
waiting, and the waiting costs energy. Here the step (all layers, the sampling, the bookkeeping) is captured as a CUDA
graph for each of a few lengths of the context and replayed; each layer runs through `torch.compile`, which fuses its
small kernels. The host sees one number per request and step: the token.

What it does not know: sliding-window or linear attention, encoder-decoder models. Those raise
`UnsupportedArchitecture`; use the `transformers-eager` engine for them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.compiled import kernels, prefill
from prompt_joules.bench.engines.compiled.buffers import ROUND, Buffers, Step, allocate
from prompt_joules.bench.engines.compiled.layers import (
    LayerCache,
    UnsupportedArchitecture,
    cache_keyword,
    cache_shape,
    decoder_layers,
    plain_layer,
    register_attention,
)
from prompt_joules.bench.engines.compiled.loops import STACKED, Loop
from prompt_joules.bench.engines.compiled.stacked import stack, unstack

NO_STEP = "a decode step of it cannot be captured as a CUDA graph ({}); use --engine transformers-eager"
NO_PROMPT = "its prompts cannot be read in a CUDA graph ({}); use --loop stacked-split, which reads them without one"
HELD = 4
"""Buffers kept at a time, one per batch size; the one used longest ago goes first."""


@dataclass(frozen=True)
class Decoded:
    """What one static batch produced."""

    tokens: list[list[int]]  # generated tokens of each request, the stop token included
    finish: list[str]  # "stop", "length", or "error" (the logits were not finite) of each request
    stamps_s: list[float]  # monotonic clock when the tokens of each step had reached the host; the first entry is the first token


class StaticDecoder:
    """Runs a causal language model in static buffers; see the module's docstring.

    Args:
        model: on its device, in eval mode.
        sampling: how tokens are drawn; its length is not looked at.
        compile_layers: pass every layer through `torch.compile`; by default only on a CUDA device, where the loop does.
        loop: which loop; the model's projections are stacked, or not, in place.

    Attributes:
        room: tokens of a prompt and its answer together for which buffers are made; it grows when a longer one comes.
        builds: how often buffers were made (and a graph captured), which no measured window should see.
    """

    def __init__(self, model: Any, sampling: Sampling, compile_layers: bool | None = None, loop: Loop = STACKED) -> None:
        self.model = model
        self.sampling = sampling
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        self.layers = decoder_layers(model)
        self.on_gpu = self.device.type == "cuda"
        register_attention(model, loop.alone)
        self._keyword = cache_keyword(self.layers[0]) or "cache"
        (stack if loop.stacked else unstack)(self.layers)
        wanted = loop.compiled and self.on_gpu if compile_layers is None else compile_layers
        self._layer_forward = self._compiled(loop) if wanted else plain_layer
        self._captures_prompts = loop.captures_prompts
        self._ahead = loop.ahead
        self.room = ROUND
        self.builds = 0
        self._held: dict[int, Buffers] = {}

    def _compiled(self, loop: Loop) -> Callable[..., Any]:
        import torch._dynamo.config as dynamo
        import torch._inductor.config as inductor

        torch._dynamo.reset()  # otherwise the layers of another loop would be used
        kernels.forget()
        dynamo.allow_unspec_int_on_nn_module = True  # the layer's number must not make every layer a graph of its own
        dynamo.cache_size_limit = max(64, dynamo.cache_size_limit)
        inductor.coordinate_descent_tuning = loop.coordinate_descent
        compiled: Callable[..., Any] = torch.compile(plain_layer, fullgraph=True, dynamic=False)
        return compiled

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def generate(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        max_new_tokens: int,
        stop_ids: frozenset[int],
        seed: int,
        should_stop: Callable[[list[int]], bool] | None = None,
    ) -> Decoded:
        """Answer one static batch of left-padded prompts.

        Args:
            input_ids, attention_mask: [batch, tokens].
            stop_ids: a request ends after one of these.
            should_stop: asked with a request's tokens after every step, for stop strings; left out when there are none.

        Raises:
            torch.cuda.OutOfMemoryError: the buffers do not fit.
        """
        torch.manual_seed(seed)
        batch, prompt = input_ids.shape
        buffers = self._reserve(batch, prompt + max_new_tokens)
        prompt = self._prefill(buffers, input_ids, attention_mask)
        decoded = Decoded([[] for _ in range(batch)], ["length"] * batch, [])
        running = set(range(batch))
        for drawn in self._drawn(buffers, prompt, max_new_tokens):
            decoded.stamps_s.append(time.perf_counter())
            for row in tuple(running):
                if _ends(drawn[row], row, decoded, stop_ids, should_stop):
                    running.discard(row)
            if not running:
                break
        return decoded

    def prepare(self, batch: int, length: int, prompt: int = 0) -> None:
        """Allocate the buffers, compile the layers and capture the graphs for prompts and answers of up to `length` tokens together.

        Called before a measured window, so that none of it is charged to an answer.

        Args:
            prompt: tokens of the longest prompt.
        """
        with torch.inference_mode():
            buffers = self._reserve(batch, length)
            if prompt:
                self._prompt_for(buffers, batch, prompt)

    def size(self, length: int) -> None:
        """Make room for prompts and answers of up to `length` tokens together; buffers that are too short are given up."""
        needed = length + (prefill.BUCKET - 1 if self._captures_prompts else 0)
        if needed > self.room:
            self.room = -(-needed // ROUND) * ROUND
            self._held.clear()

    def _reserve(self, batch: int, length: int) -> Buffers:
        self.size(length)
        buffers = self._held.pop(batch, None)
        if buffers is None:
            while len(self._held) >= HELD:
                del self._held[next(iter(self._held))]
            self.builds += 1
            buffers = self._allocate(batch, self.room)
            if self.on_gpu:
                self._capture(buffers)
        self._held[batch] = buffers
        return buffers

    def _allocate(self, batch: int, length: int) -> Buffers:
        heads, dim = cache_shape(self.model)
        penalised = self.sampling.repetition_penalty != 1.0
        vocabulary = self.model.get_output_embeddings().weight.shape[0] if penalised else None
        return allocate(batch, length, (len(self.layers), heads, dim), self.dtype, self.device, vocabulary)

    def _capture(self, buffers: Buffers) -> None:
        buffers.pool = torch.cuda.graph_pool_handle()  # the graphs run one after the other, so they may share their scratch memory
        for step in buffers.steps:
            buffers.slot.zero_()
            step.graph = captured(partial(self._forward, buffers, step), buffers.pool, NO_STEP)

    def _prefill(self, buffers: Buffers, input_ids: Tensor, attention_mask: Tensor) -> int:
        """Read the prompts and draw the first tokens. Returns how many tokens of the buffers the prompts take, their padding included."""
        prompt = self._prompt_for(buffers, *input_ids.shape)
        if prompt is None:
            self._read(buffers, input_ids, attention_mask)
            return int(input_ids.shape[1])
        prompt.fill(input_ids, attention_mask)
        if prompt.graph is None:
            self._read_padded(buffers, prompt)
        else:
            prompt.graph.replay()
        return int(prompt.ids.shape[1])

    def _prompt_for(self, buffers: Buffers, batch: int, tokens: int) -> prefill.Prompt | None:
        """What reads prompts of so many tokens in a graph, captured where it is new; None where no graph reads them."""
        length = prefill.padded_length(batch, tokens) if self._captures_prompts else None
        if length is None:
            return None
        if length not in buffers.prompts:
            self.builds += 1
            prompt = prefill.allocate(batch, length, buffers.layers)
            if self.on_gpu:
                prompt.graph = captured(partial(self._read_padded, buffers, prompt), buffers.pool, NO_PROMPT)
            buffers.prompts[length] = prompt
        return buffers.prompts[length]

    def _read(self, buffers: Buffers, input_ids: Tensor, attention_mask: Tensor) -> None:
        position = _positions(attention_mask)
        padded = None if bool(attention_mask.all()) else attention_mask
        output = self.model(input_ids=input_ids, attention_mask=padded, position_ids=position, use_cache=True, logits_to_keep=1)
        prefix = output.get("cache") if "cache" in output else output.past_key_values
        for layer, filled in zip(buffers.layers, prefix.layers, strict=True):
            cache = prefill.PromptCache(layer, input_ids.shape[1])
            cache.update(filled.keys, filled.values)
        self._begin(buffers, input_ids, attention_mask.bool(), position, output.logits)

    def _read_padded(self, buffers: Buffers, prompt: prefill.Prompt) -> None:
        position = _positions(prompt.real)
        with self._layers_on(prompt.layers, plain_layer):
            output = self.model(
                input_ids=prompt.ids, attention_mask=prompt.visible(), position_ids=position, use_cache=False, logits_to_keep=1
            )
        self._begin(buffers, prompt.ids, prompt.real, position, output.logits)

    def _begin(self, buffers: Buffers, ids: Tensor, real: Tensor, position: Tensor, logits: Tensor) -> None:
        """Set the buffers to the end of these prompts [batch, tokens], and draw the first tokens."""
        prompt = ids.shape[1]
        buffers.visible.zero_()
        buffers.visible[:, 0, 0, :prompt] = real
        buffers.slot.fill_(prompt)
        buffers.position.copy_(position[:, -1:] + 1)
        if buffers.seen is not None:
            buffers.seen.zero_().scatter_(1, ids.where(real, ids[:, -1:]), True)  # what stands in padding was not said
        self._draw(logits[:, -1], buffers)

    def _step(self, buffers: Buffers, tokens: int) -> None:
        step = buffers.step_for(tokens)
        if step.graph is None:
            self._forward(buffers, step)
        else:
            step.graph.replay()

    def _forward(self, buffers: Buffers, step: Step) -> None:
        buffers.visible.index_fill_(3, buffers.slot, True)
        with self._layers_on(step.layers, self._layer_forward):
            logits = self.model(input_ids=buffers.token, attention_mask=step.visible, position_ids=buffers.position, use_cache=False).logits
        buffers.slot.add_(1)
        buffers.position.add_(1)
        self._draw(logits[:, -1], buffers)

    def _draw(self, logits: Tensor, buffers: Buffers) -> None:
        buffers.drawn.copy_(choose(logits, self.sampling, buffers.seen))
        buffers.token.copy_(buffers.drawn.clamp(min=0).unsqueeze(1))
        if buffers.seen is not None:
            buffers.seen.scatter_(1, buffers.token, True)

    def _drawn(self, buffers: Buffers, prompt: int, most: int) -> Iterator[list[int]]:
        """The tokens of at most so many steps, the prefill's first, each when it has reached the host.

        Args:
            prompt: tokens of the buffers that the prompts take.
        """
        on_way = self._to_host(buffers, 0)
        for step in range(1, most):
            if self._ahead:
                self._step(buffers, prompt + step)
                following = self._to_host(buffers, step)
                yield on_way()
            else:
                yield on_way()
                self._step(buffers, prompt + step)
                following = self._to_host(buffers, step)
            on_way = following
        yield on_way()

    def _to_host(self, buffers: Buffers, step: int) -> Callable[[], list[int]]:
        """Send the tokens just drawn to the host. Returns what waits for them."""
        place = buffers.on_host[step % 2]  # the tokens before may not have been read yet
        place.copy_(buffers.drawn, non_blocking=True)
        sent = torch.cuda.current_stream().record_event() if self.on_gpu else None

        def arrived() -> list[int]:
            if sent is not None:
                sent.synchronize()
            drawn: list[int] = place.tolist()
            return drawn

        return arrived

    @contextmanager
    def _layers_on(self, caches: Sequence[LayerCache | prefill.PromptCache], run: Callable[..., Any]) -> Iterator[None]:
        """Inside the block every layer goes through `run`, on its static buffer instead of the cache that the model would pass."""
        for layer, cache in zip(self.layers, caches, strict=True):
            layer.forward = self._bound(layer, cache, run)
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.forward

    def _bound(self, layer: torch.nn.Module, cache: LayerCache | prefill.PromptCache, run: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden: Tensor, **options: Any) -> Any:
            return run(layer, hidden, **{**options, self._keyword: cache})

        return forward


def captured(run: Callable[[], object], pool: Any = None, refusal: str = "{}") -> Any:
    """The CUDA graph of `run`, which runs three times before, so that nothing is compiled while it is captured.

    Args:
        refusal: what to say where it runs, but not in a graph, with a place for PyTorch's words.

    Raises:
        UnsupportedArchitecture: so it is. What runs on the GPU afterwards may fail too.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool):
            run()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever waits for the GPU breaks a capture, and libraries do so in their own ways
        raise UnsupportedArchitecture(refusal.format(" ".join(str(error).split())[:200])) from error
    return graph


def _positions(real: Tensor) -> Tensor:
    """Of left-padded tokens [batch, tokens], counted from the first that is none of the padding."""
    return (real.long().cumsum(-1) - 1).clamp(min=0)


def _ends(token: int, row: int, decoded: Decoded, stop_ids: frozenset[int], should_stop: Callable[[list[int]], bool] | None) -> bool:
    """Record a request's token; say whether the request is over."""
    if token < 0:
        decoded.finish[row] = "error"
        return True
    decoded.tokens[row].append(token)
    if token in stop_ids or (should_stop is not None and should_stop(decoded.tokens[row])):
        decoded.finish[row] = "stop"
        return True
    return False


def choose(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """Draw one token a row from the multinomial, on the device and without waiting for it.

    Args:
        logits: [batch, vocabulary]; seen: [batch, vocabulary], True where a token stands in the context, for the
        repetition penalty.

    Returns:
        [batch] int64; -1 where a logit is NaN or infinite, or no token can come (all minus infinity).
    """
    scores = logits.float()
    if seen is not None:
        penalty = sampling.repetition_penalty
        scores = torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
    if sampling.temperature != 0:
        scores = _noised(scores / sampling.temperature, sampling)
    best, token = scores.max(-1)  # NaN where a row has one, so a single check finds NaN and infinity
    return torch.where(torch.isfinite(best), token, -1)


def _noised(scores: Tensor, sampling: Sampling) -> Tensor:
    """Scores whose greatest is a draw from their softmax, within top-k and top-p."""
    if sampling.top_k:
        kth = scores.topk(min(sampling.top_k, scores.shape[-1])).values[:, -1:]
        scores = scores.masked_fill(scores < kth, float("-inf"))
    if sampling.top_p < 1:
        ordered, order = scores.sort(-1, descending=True)
        shares = ordered.softmax(-1)
        cut = shares.cumsum(-1) - shares >= sampling.top_p
        scores = scores.scatter(-1, order, ordered.masked_fill(cut, float("-inf")))
    # Of exponential waiting times with rates p the smallest is a draw from p (torch.multinomial without its waits); in logarithms
    # it is the greatest of log p less the log of a waiting time of rate 1, and the sum under the softmax cancels.
    waiting = torch.empty_like(scores).exponential_().clamp_(min=torch.finfo(scores.dtype).tiny)
    return scores - waiting.log_()
