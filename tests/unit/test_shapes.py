"""The shipped shapes have as many parameters as the models they stand for."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

SHAPES = Path(__file__).parents[2] / "bench" / "shapes"
# Billions of parameters as the models' own cards give them (shared embeddings counted once).
BILLIONS = {
    "smollm2-135m": 0.135,
    "smollm2-1.7b": 1.71,
    "llama-2-7b": 6.74,
    "llama-2-13b": 13.02,
    "llama-3.2-1b": 1.24,
    "llama-3.2-3b": 3.21,
    "llama-3.1-8b": 8.03,
    "llama-3.1-70b": 70.55,
    "qwen3-0.6b": 0.60,
    "qwen3-1.7b": 1.72,
    "qwen3-4b": 4.02,
    "qwen3-8b": 8.19,
    "qwen3-14b": 14.77,
    "qwen3-32b": 32.76,
    "gemma-2b": 2.51,
    "gemma-7b": 8.54,
}


def test_every_shape_is_listed_here() -> None:
    assert {path.stem for path in SHAPES.glob("*.json")} == set(BILLIONS)


@pytest.mark.parametrize("name", sorted(BILLIONS))
def test_parameter_count(name: str) -> None:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(SHAPES / f"{name}.json"))
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count / 1e9 == pytest.approx(BILLIONS[name], abs=0.006)
