"""One decoder layer on buffers that never move: its attention, its cache, and which models have such layers."""

import inspect
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prompt_joules.bench.engines.compiled import attention

ATTENTION = "prompt_joules_static"
PREFILL_ATTENTION = "sdpa"
"""What `decode_attention` gives a prefill to, as transformers calls it."""
UNDERSTOOD = frozenset({"scaling", "dropout", "is_causal", "position_ids", "sliding_window", "use_cache", "layer_idx"})
"""Options of an attention that `decode_attention` follows, or that change no number; a window is for `check_window`."""


class UnsupportedArchitecture(Exception):
    """The model cannot run in static buffers; the message says why and which engine can run it."""


def decode_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    alone: str = attention.ALONE,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention of one new token over a static buffer; longer queries (the prefill) go to PyTorch's own kernel.

    Args:
        query: [batch, heads, 1, dim]; key, value: [batch, key heads, length, dim]; attention_mask: [batch, 1, 1,
        length], True = visible.
        alone: the way of one answer, a name of `attention.WAYS`.

    Returns:
        [batch, 1, heads, dim] and None, as transformers' attention interface asks.

    Raises:
        UnsupportedArchitecture: in a prefill, for an attention that has more to it.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if query.shape[2] > 1 or attention_mask is None:
        _require_plain(attention_mask, options)
        result: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result
    scaling = options.get("scaling") or query.shape[3] ** -0.5
    visible = attention_mask.view(attention_mask.shape[0], 1, 1, -1)
    cache = (key.shape[1], key.shape[3])
    how = {"compiled": torch.compiler.is_compiling(), "device": query.device.type}
    way = attention.way_for(query.shape[0], cache, key.dtype, **how, alone=alone)
    return attention.WAYS[way](query, key, value, visible, scaling).unsqueeze(1), None


def _require_plain(attention_mask: Tensor | None, options: dict[str, Any]) -> None:
    """Refuse what neither kernel follows (sinks, soft caps, numbers in the place of a mask): the answers would be others, without an error.

    Raises UnsupportedArchitecture.
    """
    if attention_mask is not None and attention_mask.dtype != torch.bool:
        raise UnsupportedArchitecture("its attention adds numbers where others have a mask; use --engine transformers-eager")
    more = [name for name, value in options.items() if value is not None and name not in UNDERSTOOD and not name.startswith("output_")]
    if more:
        raise UnsupportedArchitecture(f"its attention has {', '.join(sorted(more))}; use --engine transformers-eager")


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


def cache_shape(model: Any) -> tuple[int, int]:
    """Heads and their width in a layer's cache of keys and values, by the model's config."""
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    return heads, getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def check_cache(model: Any) -> None:
    """Compare what a prefill of two tokens leaves in every layer's cache with the buffers that would be made.

    Raises UnsupportedArchitecture; also where the prefill breaks, or its attention has more to it than ours.
    """
    cache = _tiny_prefill(model)
    wanted = (1, cache_shape(model)[0], 2, cache_shape(model)[1])
    found = [tuple(part.shape) for layer in getattr(cache, "layers", []) for part in (layer.keys, layer.values)]
    if len(found) != 2 * len(decoder_layers(model)) or set(found) != {wanted}:
        shapes = ", ".join(map(str, sorted(set(found)))) or "of another kind"
        raise UnsupportedArchitecture(
            f"its cache of keys and values is {shapes}, the static buffers would be {wanted}; use --engine transformers-eager"
        )


def _tiny_prefill(model: Any) -> Any:
    """The cache of keys and values after two tokens, through our attention; the model's own stands again afterwards."""
    own = model.config._attn_implementation
    ids = torch.zeros(1, 2, dtype=torch.long, device=next(model.parameters()).device)
    try:
        register_attention(model)
        with torch.inference_mode():
            output = model(input_ids=ids, use_cache=True)
        return output.get("cache") if "cache" in output else output.past_key_values
    except (UnsupportedArchitecture, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a model's own code can raise anything
        said = " ".join(str(error).split())[:200]
        raise UnsupportedArchitecture(
            f"two tokens break it with our attention ({type(error).__name__}: {said}); use --engine transformers-eager"
        ) from error
    finally:
        model.set_attn_implementation(own)


def check_window(model: Any, longest: int) -> None:
    """Refuse a model that looks back less far than prompt and answer together are long (tokens). Raises UnsupportedArchitecture.

    Mistral, Mixtral, Phi-3 and StarCoder2 have a window and say so in no other way.
    """
    config = model.config.get_text_config(decoder=True)
    window = getattr(config, "sliding_window", None)
    if window and getattr(config, "use_sliding_window", True) and longest > window:
        raise UnsupportedArchitecture(
            f"it looks back {window} tokens and prompt and answer may have {longest}; lower --max-new-tokens, "
            "leave out long prompts, or use --engine transformers-eager"
        )


def cache_keyword(layer: nn.Module) -> str | None:
    """What the layer's `forward` calls the cache in this version of transformers; None if it takes none."""
    names = inspect.signature(type(layer).forward).parameters
    return next((name for name in ("cache", "past_key_values") if name in names), None)


def register_attention(model: Any, alone: str = attention.ALONE) -> None:
    """Make `decode_attention` the model's attention, with this way for one answer."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    usual = alone == attention.ALONE
    name = ATTENTION if usual else f"{ATTENTION}_{alone}"
    AttentionInterface.register(name, decode_attention if usual else partial(decode_attention, alone=alone))
    AttentionMaskInterface.register(name, sdpa_mask)
    model.set_attn_implementation(name)


def plain_layer(layer: nn.Module, hidden: Tensor, **options: Any) -> Any:
    """The layer's own forward, whatever stands in its place on the instance."""
    return type(layer).forward(layer, hidden, **options)
