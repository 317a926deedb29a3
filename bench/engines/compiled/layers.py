"""One decoder layer on buffers that never move: its attention, its cache, and which models have such layers."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

ATTENTION = "prompt_joules_static"


class UnsupportedArchitecture(Exception):
    """The model cannot run in static buffers; the message says why and which engine can run it."""


def decode_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention of one new token over a static buffer; longer queries (the prefill) go to PyTorch's own kernel.

    Args:
        query: [batch, heads, 1, dim]; key, value: [batch, key heads, length, dim]; attention_mask: [batch, 1, 1,
        length], True = visible.

    Returns:
        [batch, 1, heads, dim] and None, as transformers' attention interface asks.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if query.shape[2] > 1 or attention_mask is None:
        result: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result
    batch, heads, _, dim = query.shape
    groups = key.shape[1]
    grouped = query.view(batch, groups, heads // groups, dim)
    scaling = options.get("scaling") or dim**-0.5
    visible = attention_mask.view(attention_mask.shape[0], 1, 1, -1)
    if torch.compiler.is_compiling():
        # Products and sums fuse into two reductions that read keys and values once; a one-row matrix product would not.
        scores = (grouped.unsqueeze(3).float() * key.unsqueeze(2).float()).sum(-1) * scaling
        weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
        mixed = (weights.unsqueeze(-1) * value.unsqueeze(2).float()).sum(3).to(value.dtype)
    else:
        scores = (grouped @ key.transpose(2, 3)).float() * scaling
        mixed = scores.masked_fill(~visible, float("-inf")).softmax(-1).to(value.dtype) @ value
    return mixed.reshape(batch, 1, heads, dim), None


class LayerCache:
    """Keys and values of one layer in buffers that never move; answers `update` as transformers' caches do."""

    def __init__(self, keys: Tensor, values: Tensor, slot: Tensor) -> None:
        """keys, values: [batch, heads, length, dim]; slot: [1], where the current token goes."""
        self.keys = keys
        self.values = values
        self.slot = slot

    def update(self, key: Tensor, value: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write the current token's key and value; return the whole buffers."""
        self.keys.index_copy_(2, self.slot, key)
        self.values.index_copy_(2, self.slot, value)
        return self.keys, self.values


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The stack of decoder layers, or `UnsupportedArchitecture`."""
    config: Any = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedArchitecture("an encoder-decoder model does not run compiled; use --engine transformers-eager")
    if kinds != {"full_attention"} or getattr(config, "use_sliding_window", False):
        raise UnsupportedArchitecture(f"layers of kind {sorted(kinds)} do not run compiled; use --engine transformers-eager")
    layers = getattr(getattr(model, "model", None), "layers", None)
    if not isinstance(layers, nn.ModuleList) or cache_keyword(layers[0]) is None:
        raise UnsupportedArchitecture(f"{type(model).__name__} does not run compiled; use --engine transformers-eager")
    return layers


def cache_keyword(layer: nn.Module) -> str | None:
    """What the layer's `forward` calls the cache in this version of transformers; None if it takes none."""
    names = inspect.signature(type(layer).forward).parameters
    return next((name for name in ("cache", "past_key_values") if name in names), None)


def register_attention(model: Any) -> None:
    """Make `decode_attention` the model's attention."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, decode_attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    model.set_attn_implementation(ATTENTION)


def plain_layer(layer: nn.Module, hidden: Tensor, **options: Any) -> Any:
    """The layer's own forward, whatever stands in its place on the instance."""
    return type(layer).forward(layer, hidden, **options)
