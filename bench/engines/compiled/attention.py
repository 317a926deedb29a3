"""Ways to compute the attention of one new token over static buffers. All answer alike; which is least work depends on batch and card.

Every way takes query [batch, heads, 1, dim], keys and values [batch, key heads, length, dim], what is visible [batch, 1, 1, length] (True
where a position may be looked at, at least one a row) and the factor of the scores, and returns [batch, heads, dim]. Shapes are static:
each way can be compiled and captured in a CUDA graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from prompt_joules.bench.engines.compiled import split

Way = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
ALONE = "products"
"""The way for one answer at a time, unless its loop has another."""
SPLIT_FROM = 256
"""Answers times key heads from which a batch takes `split`; a smaller one takes `matmul`. Over 512 positions on an H200 `split` took
1.8 times as long as `matmul` with 8 × 8, and 0.7 times with 8 × 32 and 32 × 8 (docs/engines.md)."""
WIDEST = 128
"""The greatest width of a head that `split` was measured at."""


def products(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """Products and sums, in float32: compiled, they fuse into two reductions that read keys and values once for one row."""
    batch, heads, _, dim = query.shape
    grouped = query.view(batch, key.shape[1], -1, dim)
    scores = (grouped.unsqueeze(3).float() * key.unsqueeze(2).float()).sum(-1) * scaling
    weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
    return (weights.unsqueeze(-1) * value.unsqueeze(2).float()).sum(3).to(value.dtype).reshape(batch, heads, dim)


def matmul(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """Matrix products of the heads of a group with their keys, which each product reads once."""
    batch, heads, _, dim = query.shape
    grouped = query.view(batch, key.shape[1], -1, dim)
    scores = (grouped @ key.transpose(2, 3)).float() * scaling
    return (scores.masked_fill(~visible, float("-inf")).softmax(-1).to(value.dtype) @ value).reshape(batch, heads, dim)


def way_for(batch: int, cache: tuple[int, int], dtype: torch.dtype, *, compiled: bool, device: str, alone: str = ALONE) -> str:
    """The way, a name of `WAYS`, to attend in a step.

    Args:
        batch: answers at once.
        cache: key heads and their width.
        dtype: of keys and values.
        compiled: the layer goes through `torch.compile`; without it the other ways fill the memory or launch more kernels than `matmul`.
        device: kind of device, e.g. `cuda`.
        alone: the way that the loop has for one answer.
    """
    if not compiled:
        return "matmul"
    if batch == 1 and alone != "split":
        return alone
    heads, dim = cache
    wanted = (batch == 1 or batch * heads >= SPLIT_FROM) and dim <= WIDEST and dtype in (torch.float16, torch.bfloat16)
    return "split" if wanted and device == "cuda" and split.runs() else "matmul"


WAYS: dict[str, Way] = {"products": products, "matmul": matmul, "split": split.attend}
