"""Random-weight models of known shapes for the measurements on a GPU: energy per token is real, the text is not."""

from typing import Any

LLAMA_1B = {
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
}
LLAMA_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
}


def random_llama(shape: dict[str, Any], device: str = "cuda") -> Any:
    """A Llama of this shape with random float16 weights, made on the device, in eval mode."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.set_default_dtype(torch.float16)
    try:
        with torch.device(device):
            return AutoModelForCausalLM.from_config(LlamaConfig(max_position_embeddings=8192, **shape)).eval()
    finally:
        torch.set_default_dtype(torch.float32)


def copy_bandwidth(gib: float = 2.0, repeats: int = 20) -> float:
    """Device-to-device copy bandwidth in bytes/s, counting bytes read and written."""
    import time

    import torch

    source = torch.empty(int(gib * 2**30), dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    for _ in range(3):
        target.copy_(source)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        target.copy_(source)
    torch.cuda.synchronize()
    return repeats * 2 * source.numel() / (time.perf_counter() - start)
