"""vLLM's command line with one more `--load-format`: `noise`, random weights as transformers makes them.

Power depends on the bits that are multiplied. vLLM's own `dummy` draws numbers between -0.001 and 0.001; a model that transformers makes
from its config has a normal distribution instead, and biases of 0. Runtimes can be compared where both have weights of one kind. No file of
them has to be written and read: that of a 70B shape has 138 GB.

`python -m prompt_joules.bench.engines.vllm_noise serve …` is `vllm serve …`. vLLM starts its engine as a process of its own, which imports
the main module again: so the loader is there too.

Source: `register_model_loader` and `DummyModelLoader` of vLLM 0.22, `_init_weights` of transformers 5.
"""

from typing import Any

import torch
from vllm.entrypoints.cli.main import main
from vllm.model_executor.model_loader import register_model_loader
from vllm.model_executor.model_loader.dummy_loader import DummyModelLoader

FORMAT = "noise"
"""Value of `--load-format`."""
_USUAL_RANGE = 0.02
"""Standard deviation of weights where a config does not say it; that of transformers."""


@torch.no_grad()  # type: ignore[untyped-decorator]
def fill(model: torch.nn.Module, deviation: float, seed: int) -> None:
    """Give a model random weights in place: matrices a normal distribution around 0, biases 0, other vectors 1; norms stay as they are.

    Args:
        model: its parameters are floating-point numbers; others are left as they are.
        deviation: standard deviation of the matrices, `initializer_range` of a config.
        seed: of the one generator of a device, from which its matrices are drawn in the order of the model's layers.
    """
    generators: dict[torch.device, torch.Generator] = {}
    for layer in model.modules():
        is_norm = "Norm" in type(layer).__name__  # made with 1, or with 0 where the layer adds 1
        for name, weight in layer.named_parameters(recurse=False):
            if is_norm or weight.is_meta or not weight.is_floating_point():
                continue
            if weight.dim() > 1:
                if weight.device not in generators:
                    generators[weight.device] = torch.Generator(weight.device).manual_seed(seed)
                weight.normal_(0.0, deviation, generator=generators[weight.device])
            else:
                weight.fill_(0.0 if name == "bias" else 1.0)


@register_model_loader(FORMAT)
class NoiseLoader(DummyModelLoader):  # type: ignore[misc]
    """Loads nothing and fills the model. A quantised model, whose weights are packed or made while it loads, gets the noise of vLLM."""

    def load_weights(self, model: torch.nn.Module, model_config: Any) -> None:
        """Fill the model in place; `model_config` is vLLM's ModelConfig."""
        if model_config.quantization is not None:
            super().load_weights(model, model_config)
        else:
            fill(model, getattr(model_config.hf_text_config, "initializer_range", None) or _USUAL_RANGE, model_config.seed)


if __name__ == "__main__":
    main()
