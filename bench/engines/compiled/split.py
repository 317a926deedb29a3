"""Attention of one new token as a Triton kernel: each key and value that is visible is read once, the others are not read at all.

A program takes one row of the batch, one key head with the query heads that share it, and a part of the positions; what the parts found is
put together afterwards. Positions that a row does not see (its padding, what the buffers hold beyond the answer so far) cost no memory
traffic, so a step over longer buffers costs what its tokens cost. Needs Triton, which comes with PyTorch's builds for GPUs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

try:
    import triton
    import triton.language as tl
except ImportError:  # PyTorch's builds for CPUs come without
    triton = None

PROGRAMS = 512
"""Programs that keep a large card busy; positions are split among no more of them than that takes."""
BLOCK = 64
"""Positions that a program reads at a time."""

if triton is not None:

    @triton.jit  # type: ignore[untyped-decorator]  # Triton has no types here
    def _part(  # type: ignore[no-untyped-def]
        query,
        keys,
        values,
        visible,
        mixed,
        greatest,
        total,
        scaling,
        query_row,
        query_head,
        query_at,
        key_row,
        key_head,
        key_at,
        value_row,
        value_head,
        value_at,
        visible_row,
        LENGTH: tl.constexpr,
        KEY_HEADS: tl.constexpr,
        GROUP: tl.constexpr,
        ROWS: tl.constexpr,
        DIM: tl.constexpr,
        WIDTH: tl.constexpr,
        PARTS: tl.constexpr,
        PART: tl.constexpr,
        BLOCK: tl.constexpr,
    ):
        row = (tl.program_id(0) // KEY_HEADS).to(tl.int64)
        head = tl.program_id(0) % KEY_HEADS
        part = tl.program_id(1)
        member = tl.arange(0, ROWS)
        width = tl.arange(0, WIDTH)
        mine = (member[:, None] < GROUP) & (width[None, :] < DIM)
        asked = tl.load(
            query + row * query_row + (head * GROUP + member[:, None]) * query_head + width[None, :] * query_at,
            mask=mine,
            other=0.0,
        )
        keys += row * key_row + head * key_head
        values += row * value_row + head * value_head
        # A finite least number, so that a block in which nothing is visible leaves no NaN behind.
        best = tl.full([ROWS], -1e30, tl.float32)
        sum_ = tl.zeros([ROWS], tl.float32)
        mix = tl.zeros([ROWS, WIDTH], tl.float32)
        for begin in range(part * PART, part * PART + PART, BLOCK):
            at = begin + tl.arange(0, BLOCK)
            seen = tl.load(visible + row * visible_row + at, mask=at < LENGTH, other=0) != 0
            read = seen[:, None] & (width[None, :] < DIM)
            key = tl.load(keys + at[:, None] * key_at + width[None, :], mask=read, other=0.0)
            scores = tl.dot(asked, tl.trans(key), input_precision="ieee") * scaling
            scores = tl.where(seen[None, :], scores, float("-inf"))
            higher = tl.maximum(best, tl.max(scores, 1))
            weights = tl.exp(scores - higher[:, None])
            fade = tl.exp(best - higher)
            value = tl.load(values + at[:, None] * value_at + width[None, :], mask=read, other=0.0)
            sum_ = sum_ * fade + tl.sum(weights, 1)
            mix = mix * fade[:, None] + tl.dot(weights.to(value.dtype), value, input_precision="ieee")
            best = higher
        place = (row * KEY_HEADS + head) * GROUP * PARTS + member * PARTS + part
        tl.store(mixed + place[:, None] * DIM + width[None, :], mix, mask=mine)
        tl.store(greatest + place, best, mask=member < GROUP)
        tl.store(total + place, sum_, mask=member < GROUP)


def parts(batch: int, key_heads: int, length: int) -> int:
    """Parts into which the positions are split."""
    return max(1, min(PROGRAMS // (batch * key_heads), -(-length // BLOCK)))


def positions(length: int, count: int) -> int:
    """Positions of a part, whole blocks; the last parts may lie beyond `length` and find nothing."""
    return -(-length // (BLOCK * count)) * BLOCK


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def runs() -> bool:
    """Whether the kernel runs on this machine's GPU: of NVIDIA's since 2020, whose processors have room for its blocks, with Triton."""
    return triton is not None and torch.version.hip is None and torch.cuda.get_device_capability() >= (8, 0)


def by_triton(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> tuple[Tensor, Tensor, Tensor]:
    """Of each part the weighted sum of values [batch, heads, parts, dim], the greatest score, the sum of weights [batch, heads, parts].

    Raises RuntimeError: there is no Triton.
    """
    if triton is None:
        raise RuntimeError("needs Triton")
    batch, heads, _, dim = query.shape
    key_heads, length = key.shape[1], key.shape[2]
    group = heads // key_heads
    count = parts(batch, key_heads, length)
    mixed, greatest, total = _found(query, key, value, visible, scaling)
    _part[(batch * key_heads, count)](
        query,
        key,
        value,
        visible,
        mixed,
        greatest,
        total,
        scaling,
        query.stride(0),
        query.stride(1),
        query.stride(3),
        key.stride(0),
        key.stride(1),
        key.stride(2),
        value.stride(0),
        value.stride(1),
        value.stride(2),
        visible.stride(0),
        LENGTH=length,
        KEY_HEADS=key_heads,
        GROUP=group,
        ROWS=max(16, 1 << (group - 1).bit_length()),
        DIM=dim,
        WIDTH=1 << (dim - 1).bit_length(),
        PARTS=count,
        PART=positions(length, count),
        BLOCK=BLOCK,
        num_warps=4,
        num_stages=3,
    )
    return mixed, greatest, total


in_parts: Any = custom_op(
    "prompt_joules::attention_over_slices", by_triton, mutates_args=(), device_types="cuda", tags=(torch.Tag.needs_fixed_stride_order,)
)
"""`by_triton` as an operation that `torch.compile` takes as it is.

The tag asks for the order of the strides alone. By default PyTorch keeps the exact strides that it expects, and after a write into a slice
of longer buffers it expects those of a tensor without gaps: every step copied the slices of keys and values. PyTorch's cache of compiled
code does not look at tags, so another tag needs another name of the operation.
"""


@in_parts.register_kernel("cpu")  # type: ignore[untyped-decorator]
def _on_cpu(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same in plain PyTorch: what the kernel has to say."""
    batch, heads, _, dim = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, dim).float()
    scores = (grouped @ key.transpose(2, 3).float() * scaling).masked_fill(~visible, float("-inf"))
    mixed, greatest, total = _found(query, key, value, visible, scaling)
    long = positions(key.shape[2], total.shape[2])
    for part in range(total.shape[2]):
        mine = scores[..., part * long : (part + 1) * long]
        best = mine.amax(-1, keepdim=True).clamp(min=-1e30) if mine.shape[-1] else torch.full_like(scores[..., :1], -1e30)
        weights = (mine - best).exp()
        mixed[:, :, part] = (weights @ value[:, :, part * long : (part + 1) * long].float()).view(batch, heads, dim)
        greatest[:, :, part], total[:, :, part] = best.view(batch, heads), weights.sum(-1).view(batch, heads)
    return mixed, greatest, total


@in_parts.register_fake  # type: ignore[untyped-decorator]
def _found(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> tuple[Tensor, Tensor, Tensor]:
    """Room for what the parts find."""
    batch, heads, _, dim = query.shape
    count = parts(batch, key.shape[1], key.shape[2])
    options: dict[str, Any] = {"dtype": torch.float32, "device": query.device}
    mixed = torch.empty(batch, heads, count, dim, **options)
    greatest, total = (torch.empty(batch, heads, count, **options) for _ in range(2))
    return mixed, greatest, total


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """Attention of one new token; `torch.compile` takes the kernel as it is.

    Args:
        query: [batch, heads, 1, dim]; key, value: [batch, key heads, length, dim], the last dimension without gaps; visible: [batch, 1, 1,
        length], True where a position may be looked at, at least one a row.

    Returns:
        [batch, heads, dim].

    Raises:
        RuntimeError: there is no Triton.
    """
    mixed, greatest, total = in_parts(query, key, value, visible, scaling)
    return joined(mixed, greatest, total, value.dtype)


def joined(mixed: Tensor, greatest: Tensor, total: Tensor, dtype: torch.dtype) -> Tensor:
    """The attention [batch, heads, dim] of what the parts found."""
    share = (greatest - greatest.amax(-1, keepdim=True)).exp()
    weight = (total * share).sum(-1, keepdim=True)
    return ((mixed * share.unsqueeze(-1)).sum(2) / weight).to(dtype)
