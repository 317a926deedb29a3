"""What a decode step reads and writes: buffers that never move, and how much of them a step looks at."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from prompt_joules.bench.engines.compiled.layers import LayerCache
from prompt_joules.bench.engines.compiled.prefill import Prompt

ROUND = 64
"""Buffers hold a multiple of so many tokens."""
SHORTEST = 256
"""Tokens that the shortest step looks at, where the buffers hold more."""


@dataclass
class Step:
    """One way to run a decode step: over the first `length` tokens of the buffers."""

    length: int  # tokens that it can see; the rest of the buffers is not read
    layers: list[LayerCache]  # parts of the buffers' layers
    visible: Tensor  # [batch, 1, 1, length], True where a token may be looked at; a part of the buffers' own
    graph: Any = None  # the captured CUDA graph; None on a CPU


@dataclass
class Buffers:
    """Everything a step reads and writes, for one batch size and length (tokens of a prompt and its answer); nothing here ever moves."""

    token: Tensor
    drawn: Tensor
    slot: Tensor
    position: Tensor
    visible: Tensor
    seen: Tensor | None
    on_host: Tensor
    layers: list[LayerCache] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    prompts: dict[int, Prompt] = field(default_factory=dict)  # by their length, padding included
    pool: Any = None  # of the graphs' scratch memory

    def step_for(self, tokens: int) -> Step:
        """The shortest step that sees this many tokens."""
        return next(step for step in self.steps if step.length >= tokens)


def lengths(room: int) -> list[int]:
    """Tokens that the steps over buffers of `room` tokens look at, ascending: doubling from `SHORTEST`, the whole last.

    An answer of 300 tokens in buffers for 2,048 reads 512 of them a step, not all. Each length costs a compilation and a captured graph.
    """
    found = []
    length = SHORTEST
    while length < room:
        found.append(length)
        length *= 2
    return [*found, room]


def allocate(
    batch: int, length: int, cache: tuple[int, int, int], dtype: torch.dtype, device: torch.device, vocabulary: int | None
) -> Buffers:
    """Make buffers.

    Args:
        batch: requests at once.
        length: tokens of a prompt and its answer.
        cache: layers, key heads, width of a head.
        dtype: of keys and values.
        device: where they lie.
        vocabulary: tokens, where the sampling looks at those seen; else None.

    Raises:
        torch.cuda.OutOfMemoryError: they do not fit.
    """
    count, heads, dim = cache
    options: dict[str, Any] = {"device": device}
    slot = torch.zeros(1, dtype=torch.long, **options)
    buffers = Buffers(
        token=torch.zeros(batch, 1, dtype=torch.long, **options),
        drawn=torch.zeros(batch, dtype=torch.long, **options),
        slot=slot,
        position=torch.zeros(batch, 1, dtype=torch.long, **options),
        visible=torch.zeros(batch, 1, 1, length, dtype=torch.bool, **options),
        seen=None if vocabulary is None else torch.zeros(batch, vocabulary, dtype=torch.bool, **options),
        on_host=torch.zeros(2, batch, dtype=torch.long, pin_memory=device.type == "cuda"),
    )
    for _ in range(count):
        keys, values = (torch.zeros(batch, heads, length, dim, dtype=dtype, **options) for _ in range(2))
        buffers.layers.append(LayerCache(keys, values, slot))
    for part in lengths(length):
        layers = [LayerCache(layer.keys[:, :, :part], layer.values[:, :, :part], slot) for layer in buffers.layers]
        buffers.steps.append(Step(part, layers, buffers.visible[..., :part]))
    return buffers
