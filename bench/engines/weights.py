"""What weights are: how many parameters, counted by shape where they are packed, and what file format they came from."""

import contextlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

FORMATS = {"*.safetensors": "safetensors", "*.bin": "pytorch", "*.pt": "pytorch", "*.pth": "pytorch"}
"""Weight files, in the order in which they are looked for."""


def parameter_counts(model: Any) -> dict[str, int]:
    """Parameters by name, tied ones once.

    Quantised checkpoints pack several weights into one number (bitsandbytes), or keep them in buffers and not in parameters (GPTQ, AWQ): a
    layer that says how many inputs and outputs it has is counted by these.
    """
    counts = {name: int(parameter.numel()) for name, parameter in model.named_parameters()}
    for name, layer in model.named_modules():
        inputs, outputs = getattr(layer, "in_features", None), getattr(layer, "out_features", None)
        if not (isinstance(inputs, int) and isinstance(outputs, int)):
            continue
        weight = f"{name}.weight"
        plain = getattr(layer, "weight", None)
        if plain is None or (weight in counts and counts[weight] != inputs * outputs):
            counts[weight] = inputs * outputs
    return counts


def of_experts(model: Any, counts: dict[str, int], experts: int | None) -> list[str]:
    """The names in `counts` of weights of which a token uses the share that is routed to it: a matrix an expert, or one stack of them all.

    Args:
        experts: in a layer; None where the config does not say.
    """
    stacked = {name for name, weight in model.named_parameters() if weight.dim() >= 3 and weight.shape[0] == experts}
    inside = re.compile(r"\.experts\.(?!.*\brouter\b)(?!bias$)")
    return [name for name in counts if name in stacked or inside.search(name)]


def weights_format(source: str, gguf_file: str | None, quantization: dict[str, Any] | None, dummy: bool) -> str | None:
    """What the weights were loaded from, for the column of that name.

    Args:
        source: folder or hub id.
        gguf_file: a file inside the folder; transformers turns its weights into the run's dtype.
        quantization: what the checkpoint says of itself.
        dummy: random weights.
    """
    if dummy:
        return "random"
    if gguf_file:
        return f"gguf:{_gguf_type(Path(source) / gguf_file)} dequantised"
    if quantization:
        return kernels_of(quantization)
    folder = Path(source)
    if folder.is_dir():
        return next((name for pattern, name in FORMATS.items() if any(folder.glob(pattern))), None)
    return _of_the_hub(source)


def _gguf_type(path: Path) -> str:
    """The number format in which most of the file's weights are. Nothing reads the file after this."""
    from prompt_joules.bench.engines import gguf_reading

    sizes: Counter[str] = Counter()
    with gguf_reading.quick_reading(path.name):
        for tensor in gguf_reading.read(path).tensors:
            sizes[tensor.tensor_type.name] += int(tensor.n_elements)
    gguf_reading.forget()
    return sizes.most_common(1)[0][0]


def kernels_of(quantization: dict[str, Any]) -> str:
    """The kernels that a checkpoint's `quantization_config` asks for, e.g. "gptq 4-bit kernels"."""
    method, bits = _method_and_bits(quantization)
    return f"{method} {bits}-bit kernels" if bits else f"{method} kernels"


def number_format(quantization: dict[str, Any]) -> str:
    """The number format of a quantised checkpoint's weights, for the column `dtype`, e.g. "gptq-4bit" or "fp8"."""
    method, bits = _method_and_bits(quantization)
    return f"{method}-{bits}bit" if bits else method


def _method_and_bits(quantization: dict[str, Any]) -> tuple[str, int | None]:
    method = quantization.get("quant_method") or "quantised"
    groups = quantization.get("config_groups")  # of compressed-tensors
    weights = [group.get("weights") or {} for group in groups.values() if isinstance(group, dict)] if isinstance(groups, dict) else []
    bits = quantization.get("bits") or next((found for of in weights if (found := of.get("num_bits"))), None)
    bits = bits or (4 if quantization.get("load_in_4bit") else 8 if quantization.get("load_in_8bit") else None)
    return str(getattr(method, "value", method)), bits


def _of_the_hub(model: str) -> str | None:
    from transformers.utils import cached_file

    names = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
    for name in names:
        with contextlib.suppress(OSError, ValueError):
            if cached_file(model, name, local_files_only=True, _raise_exceptions_for_missing_entries=False):
                return "safetensors" if "safetensors" in name else "pytorch"
    return None
