"""Projections that read the same input become one matrix: fewer, larger reads of the weights at batch 1.

Query, key and value of an attention, and gate and up of a gated MLP, each multiply the same hidden state. One product with their weights
stacked reads the same bytes in one kernel. The weights move into the stacked matrix (the old ones are freed), so memory stays what it was.
What it does not know: projections that are not plain `nn.Linear` (quantised ones, low-rank adapters) stay as they are.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

GROUPS = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
"""Names of projections with one input, in the order in which transformers' layers call them."""


class _Stacked:
    """The stacked weights of a group, and the product of the last input until all its parts are taken.

    Not a module: the parts own the parameters, as views, so that counts and `state_dict` stay what they were.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight = weight
        self.bias = bias
        self.product: Tensor | None = None


class Part(nn.Module):  # type: ignore[misc]  # torch has no types here
    """One projection of a group. The first of the group computes all of them, the last lets go of the product.

    Args:
        stacked: of the group.
        start, stop: rows of the stacked matrix.
        first, last: place in the group.
    """

    def __init__(self, stacked: _Stacked, start: int, stop: int, *, first: bool, last: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(stacked.weight[start:stop], requires_grad=False)
        self.bias = None if stacked.bias is None else nn.Parameter(stacked.bias[start:stop], requires_grad=False)
        self.in_features, self.out_features = stacked.weight.shape[1], stop - start
        self._stacked, self._start, self._stop, self._first, self._last = stacked, start, stop, first, last

    def alone(self) -> nn.Linear:
        """A plain projection with a copy of this part's weights."""
        plain = nn.Linear(self.in_features, self.out_features, bias=self.bias is not None, device="meta")
        plain.weight = nn.Parameter(self.weight.detach().clone(), requires_grad=False)
        if self.bias is not None:
            plain.bias = nn.Parameter(self.bias.detach().clone(), requires_grad=False)
        return plain

    def forward(self, hidden: Tensor) -> Tensor:
        """hidden: [..., in]; returns [..., out]."""
        stacked = self._stacked
        if self._first:
            stacked.product = linear(hidden, stacked.weight, stacked.bias)
        product = stacked.product
        if product is None:
            return linear(hidden, self.weight, self.bias)
        if self._last:
            stacked.product = None
        return product[..., self._start : self._stop]


def stack(layers: nn.ModuleList) -> int:
    """Stack the projections of all layers, in place.

    Returns:
        How many groups were stacked; 0 when the model has none.
    """
    return sum(_stack_group(module, names) for layer in layers for module in layer.modules() for names in GROUPS)


def unstack(layers: nn.ModuleList) -> None:
    """Give every stacked projection a matrix of its own again, in place."""
    for module in layers.modules():
        for name, part in list(module.named_children()):
            if isinstance(part, Part):
                setattr(module, name, part.alone())


def _stack_group(module: nn.Module, names: tuple[str, ...]) -> bool:
    parts: list[Any] = [getattr(module, name, None) for name in names]
    # A weight of a quantised checkpoint may be a tensor of its own kind (torchao) in a plain projection.
    if not all(type(part) is nn.Linear and type(part.weight) is nn.Parameter for part in parts):
        return False
    if len({(part.in_features, part.weight.dtype, part.bias is None) for part in parts}) != 1:
        return False
    with torch.no_grad():
        bias = None if parts[0].bias is None else torch.cat([part.bias for part in parts])
        stacked = _Stacked(torch.cat([part.weight for part in parts]), bias)
    start = 0
    for place, (name, part) in enumerate(zip(names, parts, strict=True)):
        stop = start + part.out_features
        setattr(module, name, Part(stacked, start, stop, first=place == 0, last=place == len(names) - 1))
        part.weight = part.bias = None
        start = stop
    return True
