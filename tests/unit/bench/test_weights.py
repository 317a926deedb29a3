"""How many parameters a model has, whatever they are packed in, and what its weights came from."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from torch import nn  # noqa: E402
from transformers import AwqConfig  # noqa: E402

from prompt_joules.bench import errors  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines import loading  # noqa: E402
from prompt_joules.bench.engines.loading import quantization_of  # noqa: E402
from prompt_joules.bench.engines.weights import number_format, parameter_counts, weights_format  # noqa: E402
from tests.tiny_models import llama  # noqa: E402


class Packed(nn.Module):
    """A linear layer whose weight is two values a byte, as bitsandbytes keeps it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.weight = nn.Parameter(torch.zeros(inputs * outputs // 2, 1, dtype=torch.uint8), requires_grad=False)


class Buffered(nn.Module):
    """A linear layer whose weight is in buffers, as GPTQ and AWQ keep it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.in_features, self.out_features = inputs, outputs
        self.register_buffer("qweight", torch.zeros(inputs // 8, outputs, dtype=torch.int32))
        self.bias = nn.Parameter(torch.zeros(outputs))


def total(*layers: nn.Module) -> int:
    return sum(parameter_counts(nn.Sequential(*layers)).values())


def test_packed_and_buffered_weights_count_by_their_shape() -> None:
    assert total(nn.Linear(64, 32)) == 64 * 32 + 32
    assert total(Packed(64, 32)) == 64 * 32
    assert total(Buffered(64, 32)) == 64 * 32 + 32
    assert total(nn.Embedding(10, 4), Packed(64, 32), Buffered(64, 32), nn.LayerNorm(8)) == 40 + 2048 + 2048 + 32 + 16


def test_tied_weights_count_once() -> None:
    first, second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
    second.weight = first.weight
    assert total(first, second) == 64


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq 4-bit kernels"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes 4-bit kernels"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes 8-bit kernels"),
        ({"quant_method": "fp8"}, "fp8 kernels"),
    ],
)
def test_a_quantised_checkpoint_says_its_method(config: dict[str, Any], words: str) -> None:
    assert weights_format("any", None, config, dummy=False) == words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "gptq", "bits": 4}, "gptq-4bit"),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes-8bit"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 4}}}}, "compressed-tensors-4bit"),
    ],
)
def test_the_number_format_is_that_of_the_weights(config: dict[str, Any], words: str) -> None:
    assert number_format(config) == words


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("quantised") / "tiny", tokenizer=False)


def loaded(folder: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a checkpoint that says this method is recorded as, on a CPU."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"quantization_config": {"quant_method": method, "bits": 4}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.setattr(loading, "load_tokenizer", lambda chosen: None)
    chosen = loading.plan(RunConfig(str(folder), device="cpu"))
    return loading.model_facts(loading.load(chosen)[0], chosen)


def test_what_is_recorded_is_what_ran(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU transformers turns FP8 into plain weights, and passes over a method that it does not know."""
    pytest.importorskip("accelerate")
    facts = loaded(tiny, "fp8", monkeypatch)
    assert (facts.dtype, facts.weights_format) == ("float32", "fp8 4-bit dequantised")
    other = loaded(tiny, "nobodys", monkeypatch)
    assert (other.dtype, other.weights_format) == ("float32", "safetensors")
    assert facts.params_total_b == other.params_total_b > 0


def test_kernels_that_run_are_recorded_and_counted_by_shape(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model whose method says that its weights are packed: parts of them, and their scales, are no parameters."""
    plain = loaded(tiny, "nobodys", monkeypatch)
    chosen = loading.plan(RunConfig(str(tiny), device="cpu"))
    chosen.model_config.quantization_config = {"quant_method": "awq", "bits": 4}
    model, _ = loading.load(loading.plan(RunConfig(str(tiny), device="cpu")))
    model.hf_quantizer = SimpleNamespace(quantization_config=AwqConfig(bits=4))
    for layer in model.model.layers:
        layer.mlp.up_proj.weight = None
        layer.mlp.up_proj.scales = nn.Parameter(torch.zeros(7, 3))
    facts = loading.model_facts(model, chosen)
    assert (facts.dtype, facts.weights_format, facts.params_total_b) == ("awq-4bit", "awq 4-bit kernels", plain.params_total_b)


def test_a_missing_package_is_named_with_its_install_line(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.ModelNeedsPackage, match="pip install") as raised:
        loaded(tiny, "aqlm", monkeypatch)
    assert "Fetch its files" not in str(raised.value)


def test_quantisation_is_read_from_a_dict_or_an_object() -> None:
    class Told:
        def to_dict(self) -> dict[str, Any]:
            return {"quant_method": "awq"}

    class Config:
        quantization_config: Any = None

    config = Config()
    assert quantization_of(config) is None
    for said in ({"quant_method": "awq"}, Told()):
        config.quantization_config = said
        assert quantization_of(config) == {"quant_method": "awq"}


def test_a_gguf_is_named_by_the_format_of_most_of_its_weights(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="needs the bench extra")
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tensor("norm", np.zeros(32, dtype=np.float32))
    kind = gguf.GGMLQuantizationType.Q4_1
    writer.add_tensor(
        "weight", gguf.quants.quantize(np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32), kind), raw_dtype=kind
    )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert weights_format(str(tmp_path), "m.gguf", None, dummy=False) == "gguf:Q4_1 dequantised"


def test_folders_by_their_files(tmp_path: Path) -> None:
    assert weights_format(str(tmp_path), None, None, dummy=False) is None
    (tmp_path / "pytorch_model.bin").touch()
    assert weights_format(str(tmp_path), None, None, dummy=False) == "pytorch"
    (tmp_path / "model.safetensors").touch()
    assert weights_format(str(tmp_path), None, None, dummy=False) == "safetensors"
    assert weights_format(str(tmp_path), None, None, dummy=True) == "random"


def test_code_that_comes_with_a_model_is_refused_without_a_question(tmp_path: Path) -> None:
    own = {"AutoConfig": "configuration_weird.WeirdConfig", "AutoModelForCausalLM": "modeling_weird.Weird"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "weird", "auto_map": own}), encoding="utf-8")
    (tmp_path / "configuration_weird.py").write_text("raise AssertionError('it ran')", encoding="utf-8")
    with pytest.raises(errors.OwnCode, match="--engine openai"):
        loading.plan(RunConfig(str(tmp_path), device="cpu"))
