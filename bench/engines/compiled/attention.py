"""Ways to compute the attention of one new token over static buffers. All answer alike; which is least work depends on batch and card.

Every way takes query [batch, heads, 1, dim], keys and values [batch, key heads, length, dim], what is visible [batch, 1, 1, length] (True
where a position may be looked at, at least one a row) and the factor of the scores, and returns [batch, heads, dim]. Shapes are static:
each way can be compiled and captured in a CUDA graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from prompt_joules.bench.engines.compiled import split

Way = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
ALONE = "products"
"""The way for one answer at a time."""
SPLIT_FROM = 256
"""Answers times key heads from which a batch takes `split`; a smaller one takes `matmul`. Over 512 positions on an H200 `split` took
1.8 times as long as `matmul` with 8 × 8, and 0.7 times with 8 × 32 and 32 × 8 (docs/engines.md)."""
WIDEST = 128
"""The greatest width of a head that `split` was measured at."""
FLEX_BLOCK = 128
"""Positions of a block of `flex`; PyTorch's own choice."""


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


def sdpa(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """PyTorch's own choice of a kernel."""
    return scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=scaling, enable_gqa=True).squeeze(2)


def sdpa_grouped(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """The same with the heads of a group as the rows of one query, so that no kernel has to know groups."""
    batch, heads, _, dim = query.shape
    grouped = query.view(batch, key.shape[1], -1, dim)
    return scaled_dot_product_attention(grouped, key, value, attn_mask=visible, scale=scaling).reshape(batch, heads, dim)


def flex(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """PyTorch's `flex_attention`, which has a kernel for decoding; every block of positions is looked at, the mask decides inside it."""
    length = key.shape[2]
    blocks = -(-length // FLEX_BLOCK)

    def seen(row: Tensor, _head: Tensor, _query: Tensor, position: Tensor) -> Tensor:
        return visible[row, 0, 0, position]

    mask = BlockMask.from_kv_blocks(
        torch.full((1, 1, 1), blocks, dtype=torch.int32, device=key.device),
        torch.arange(blocks, dtype=torch.int32, device=key.device).view(1, 1, 1, blocks),
        BLOCK_SIZE=FLEX_BLOCK,
        mask_mod=seen,
        seq_lengths=(1, length),
        compute_q_blocks=False,
    )
    answer: Tensor = flex_attention(query, key, value, block_mask=mask, scale=scaling, enable_gqa=True)
    return answer.squeeze(2)


def way_for(batch: int, cache: tuple[int, int], dtype: torch.dtype, *, compiled: bool, device: str) -> str:
    """The way, a name of `WAYS`, to attend in a step.

    Args:
        batch: answers at once.
        cache: key heads and their width.
        dtype: of keys and values.
        compiled: the layer goes through `torch.compile`; without it the other ways fill the memory or launch more kernels than `matmul`.
        device: kind of device, e.g. `cuda`.
    """
    if not compiled:
        return "matmul"
    if batch == 1:
        return ALONE
    heads, dim = cache
    measured = batch * heads >= SPLIT_FROM and dim <= WIDEST and dtype in (torch.float16, torch.bfloat16)
    return "split" if measured and device == "cuda" and split.runs() else "matmul"


WAYS: dict[str, Way] = {
    "products": products,
    "matmul": matmul,
    "sdpa": sdpa,
    "sdpa, grouped": sdpa_grouped,
    "flex": flex,
    "split": split.attend,
}
