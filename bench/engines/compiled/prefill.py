"""The prefill of short prompts as a CUDA graph: one launch for all kernels of a prompt instead of a thousand from Python.

A graph has one length, so a prompt is padded on the left to a multiple of `BUCKET` tokens; the padding is never looked at, and positions
count from the first token. Longer prompts are read without a graph: the more tokens, the more of the time is in products, not launches.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from prompt_joules.bench.engines.compiled.layers import LayerCache

BUCKET = 64
"""Tokens; padded prompts are a multiple of it long."""
MOST = 1024
"""Tokens of all prompts of a batch together, padding included, that a graph is captured for."""


def padded_length(batch: int, prompt: int) -> int | None:
    """Tokens that a prompt of a batch is padded to; None where it is too long for a graph."""
    length = -(-prompt // BUCKET) * BUCKET
    return length if batch * length <= MOST else None


class PromptCache:
    """Keys and values of a prompt: the first positions of a layer's buffers. Answers `update` as transformers' caches do."""

    def __init__(self, cache: LayerCache, length: int) -> None:
        self.keys = cache.keys[:, :, :length]
        self.values = cache.values[:, :, :length]

    def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keep the prompt's keys and values; a prompt looks at itself alone."""
        self.keys.copy_(key)
        self.values.copy_(value)
        return key, value


@dataclass
class Prompt:
    """What the prefill of prompts of one length reads; nothing here ever moves."""

    ids: Tensor  # [batch, length]
    real: Tensor  # [batch, length], False where padding stands
    layers: list[PromptCache]
    graph: Any = None  # the captured CUDA graph; None on a CPU

    def fill(self, ids: Tensor, mask: Tensor) -> None:
        """Take the next prompts, [batch, tokens], left-padded."""
        missing = self.ids.shape[1] - ids.shape[1]
        self.ids.copy_(pad(ids, (missing, 0)))
        self.real.copy_(pad(mask.bool(), (missing, 0)))

    def visible(self) -> Tensor:
        """[batch, 1, length, length], True where a token looks: at what stands before it. Padding looks at itself, which spares NaNs."""
        length = self.ids.shape[1]
        itself = torch.eye(length, dtype=torch.bool, device=self.ids.device)
        before = torch.ones_like(itself).tril()
        return (before & self.real[:, None, None, :]) | itself


def allocate(batch: int, length: int, layers: list[LayerCache]) -> Prompt:
    """Make what the prefill of `batch` prompts of `length` tokens reads; keys and values go to the front of `layers`."""
    device = layers[0].keys.device
    ids = torch.zeros(batch, length, dtype=torch.long, device=device)
    return Prompt(ids, torch.ones_like(ids, dtype=torch.bool), [PromptCache(layer, length) for layer in layers])
