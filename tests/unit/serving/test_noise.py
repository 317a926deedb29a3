"""Random weights for vLLM: the kind that transformers makes, in whatever vLLM has made of the shape."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install '.[bench]'")

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines import servers  # noqa: E402

MODULE = "prompt_joules.bench.engines.vllm_noise"
SHAPES = ("llama", "qwen2", "qwen3", "gemma2")
"""Kinds of models with every kind of parameter: biases of products (qwen2), norms of heads (qwen3), norms that begin with 0 (gemma2)."""


class Dummy:
    """Stands for vLLM's own loader of random weights: it says that it was asked."""

    def load_weights(self, model: Any, model_config: Any) -> None:
        model.by_vllm = True


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Our loader, on the three names of vLLM that it uses."""
    loaders: dict[str, type] = {}

    def register(name: str) -> Any:
        return lambda loader: loaders.setdefault(name, loader)

    names = {
        "vllm.entrypoints.cli.main": {"main": lambda: sys.exit("vLLM's command line")},
        "vllm.model_executor.model_loader": {"register_model_loader": register},
        "vllm.model_executor.model_loader.dummy_loader": {"DummyModelLoader": Dummy},
    }
    for path, members in names.items():
        parts = path.split(".")
        for depth in range(1, len(parts) + 1):
            name = ".".join(parts[:depth])
            if name not in sys.modules or depth == len(parts):
                monkeypatch.setitem(sys.modules, name, ModuleType(name))
        vars(sys.modules[path]).update(members)
    vllm_noise = importlib.import_module(MODULE)
    assert loaders == {vllm_noise.FORMAT: vllm_noise.NoiseLoader}
    yield vllm_noise
    sys.modules.pop(MODULE, None)


def config_of(kind: str) -> Any:
    """A model small enough for a test and large enough that the spread of each of its matrices is known to some percent."""
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    return AutoConfig.for_model(kind, **sizes, vocab_size=512, head_dim=32, initializer_range=0.03, pad_token_id=None)


def asked(config: Any, quantization: str | None = None) -> Any:
    return SimpleNamespace(hf_text_config=config, quantization=quantization, seed=7)


@pytest.mark.parametrize("kind", SHAPES)
def test_the_weights_are_of_the_kind_that_transformers_makes(noise: ModuleType, kind: str) -> None:
    config = config_of(kind)
    torch.manual_seed(0)
    wanted = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    given = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, parameter in given.named_parameters():
            if "norm" not in name:
                parameter.fill_(torch.nan)
    noise.NoiseLoader().load_weights(given, asked(config))
    theirs = dict(wanted.named_parameters())
    for name, parameter in given.named_parameters():
        like = theirs[name]
        assert parameter.mean().item() == pytest.approx(like.mean().item(), abs=0.002), name
        assert parameter.std().item() == pytest.approx(like.std().item(), rel=0.06), name


def test_the_option_is_called_as_the_format(noise: ModuleType) -> None:
    assert servers._NOISE.fullmatch(f"--load-format {noise.FORMAT}")


def test_one_seed_gives_one_model(noise: ModuleType) -> None:
    models = [AutoModelForCausalLM.from_config(config_of("llama")) for _ in range(2)]
    for model in models:
        noise.NoiseLoader().load_weights(model, asked(model.config))
    first, second = (dict(model.named_parameters()) for model in models)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_quantised_model_gets_the_noise_of_vllm(noise: ModuleType) -> None:
    model = torch.nn.Linear(2, 2)
    before = model.weight.clone()
    noise.NoiseLoader().load_weights(model, asked(SimpleNamespace(), "fp8"))
    assert model.by_vllm and torch.equal(model.weight, before)


def test_numbers_that_are_not_floating_point_are_left_alone(noise: ModuleType) -> None:
    model = torch.nn.Module()
    model.packed = torch.nn.Parameter(torch.arange(6).reshape(2, 3), requires_grad=False)
    noise.fill(model, 0.02, 0)
    assert model.packed.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_vllm_is_started_by_us_where_our_noise_is_asked_for(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers.importlib.util, "find_spec", lambda name: name)
    vllm = replace(config, engine="vllm", dummy_weights=True)
    for words in ("--load-format noise", "--max-model-len 1024 --load-format=noise"):
        assert servers.RUNTIMES["vllm"].find(replace(vllm, server_args=words)) == [sys.executable, "-m", MODULE, "serve"]
    for words in ("", "--load-format safetensors", "--served-model-name noise"):
        own = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]
        assert servers.RUNTIMES["vllm"].find(replace(vllm, server_args=words)) == own
