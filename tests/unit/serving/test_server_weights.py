"""The weights of a server that `bench` starts: which file they are, what they are called, how many there are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from rich.console import Console

from prompt_joules.bench import LLAMA_CPP_HARNESS_VERSION, errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines import server_facts, servers
from prompt_joules.bench.engines.servers import gguf_of
from prompt_joules.bench.run.served import run_served
from tests.unit.serving.served import FAKE, make_gguf, rows


def test_weights_that_our_readers_do_not_know_are_unknown_and_no_fault(tmp_path: Path) -> None:
    """A damaged file, or one newer than the reader: the server that reads it is the judge."""
    pytest.importorskip("gguf", reason="needs the bench extra: make test installs it")
    for content in (b"", b"GGUF", b"GGUF\x03\0\0\0" + b"\xff" * 40, b"no such file"):
        (tmp_path / "m.gguf").write_bytes(content)
        facts = server_facts.weights_of(RunConfig(str(tmp_path), engine="llama.cpp"))
        assert facts == {"dtype": "unknown", "weights_format": "gguf:unknown kernels"}
    for content in (
        b"",
        b"\x05",
        (2**62).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (7).to_bytes(8, "little") + b'{"a":1}',
    ):
        (tmp_path / "m.safetensors").write_bytes(content)
        assert server_facts.safetensors_params(tmp_path) is None


def test_the_gguf_of_a_folder_is_found_or_asked_for(tmp_path: Path) -> None:
    config = RunConfig(str(tmp_path), engine="llama.cpp")
    with pytest.raises(errors.BadOption, match="holds 0 GGUF"):
        gguf_of(config)
    path = make_gguf(tmp_path)
    assert gguf_of(config) == path == gguf_of(replace(config, model=str(path)))
    (tmp_path / "n.gguf").touch()
    with pytest.raises(errors.BadOption, match="--gguf-file"):
        gguf_of(config)
    assert gguf_of(replace(config, gguf_file="n.gguf")).name == "n.gguf"
    for wrong in ({"gguf_file": "o.gguf"}, {"model": str(tmp_path / "o.gguf")}):
        with pytest.raises(errors.BadOption, match=r"there is no file .*o\.gguf"):
            gguf_of(replace(config, **wrong))  # type: ignore[arg-type]


def write_gguf(folder: Path, tensors: dict[str, int], file_type: str | None) -> Path:
    """A GGUF file of one matrix of so many rows for each format, with 256 columns; the bytes are zeros, which no reader minds."""
    gguf = pytest.importorskip("gguf", reason="needs the bench extra: make test installs it")
    folder.mkdir(parents=True)
    writer = gguf.GGUFWriter(folder / "m.gguf", "llama")
    if file_type is not None:
        writer.add_file_type(gguf.LlamaFileType[file_type])
    for number, (name, height) in enumerate(tensors.items()):
        kind = gguf.GGMLQuantizationType[name]
        width, size = gguf.GGML_QUANT_SIZES[kind]
        shape = (height, 256 // width * size)
        writer.add_tensor(f"blk.{number}.attn_q.weight", np.zeros(shape, np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return folder / "m.gguf"


@pytest.mark.parametrize(
    ("tensors", "file_type", "dtype", "form"),
    [
        ({"F16": 8, "F32": 1}, "MOSTLY_F16", "float16", "gguf:F16 kernels"),
        ({"BF16": 8, "F32": 1}, "MOSTLY_BF16", "bfloat16", "gguf:BF16 kernels"),
        ({"Q8_0": 8, "F32": 1}, "MOSTLY_Q8_0", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q4_K": 8, "Q6_K": 3, "F32": 1}, "MOSTLY_Q4_K_M", "Q4_K_M", "gguf:Q4_K_M kernels"),
        ({"Q5_0": 8, "Q6_K": 3}, "MOSTLY_Q4_K_M", "Q4_K_M", "gguf:Q4_K_M kernels, mostly Q5_0"),
        ({"Q8_0": 8, "F32": 1}, "MOSTLY_F16", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q8_0": 8, "F32": 1}, "GUESSED", "Q8_0", "gguf:Q8_0 kernels"),
        ({"Q4_K": 8, "Q6_K": 3}, None, "Q4_K", "gguf:Q4_K kernels"),
    ],
)
def test_a_gguf_file_is_called_by_its_tensors_and_a_mixture_by_its_name(
    tensors: dict[str, int], file_type: str | None, dtype: str, form: str, tmp_path: Path
) -> None:
    """16 bits are called as everywhere, so that a page that compares runtimes in 16 bits has llama.cpp too."""
    path = write_gguf(tmp_path / "a", tensors, file_type)
    facts = server_facts.weights_of(RunConfig(str(path), engine="llama.cpp"))
    assert (facts["dtype"], facts["weights_format"]) == (dtype, form)
    assert facts["params_total_b"] == sum(tensors.values()) * 256 / 1e9


def test_weights_split_over_files_are_found_by_the_first_and_counted_whole(tmp_path: Path) -> None:
    first = write_gguf(tmp_path / "a", {"Q8_0": 8}, "MOSTLY_Q8_0").rename(tmp_path / "a" / "big-00001-of-00002.gguf")
    config = RunConfig(str(first.parent), engine="llama.cpp")
    assert server_facts.weights_of(config) == {"dtype": "unknown", "weights_format": "gguf:unknown kernels"}, "the second is not there"
    write_gguf(tmp_path / "b", {"Q8_0": 3}, "MOSTLY_Q8_0").rename(first.with_name("big-00002-of-00002.gguf"))
    assert gguf_of(config) == first and servers.short_name(str(first)) == "big"
    facts = server_facts.weights_of(config)
    assert facts["params_total_b"] == 11 * 256 / 1e9 and facts["weights_format"] == "gguf:Q8_0 kernels"


def test_files_of_one_name_and_other_weights_are_runs_of_their_own(config: RunConfig, recording: Path, tmp_path: Path) -> None:
    """The model's name is that of the file, its options have no folders: only what the file holds tells these runs apart."""
    asked = replace(config, engine="llama.cpp", server_command=FAKE, replay=recording, start_timeout=300.0, dummy_weights=True)
    for name, tensors in {"gf16": {"F16": 8}, "gq8": {"Q8_0": 8}, "gq4": {"Q4_K": 8, "Q6_K": 1}}.items():
        path = write_gguf(tmp_path / name, tensors, None)
        for _ in range(2):
            assert run_served(replace(asked, model=str(path)), Console(quiet=True)) == 0
    found = rows(config).group_by("run_id").agg(pl.col("dtype", "weights_format", "model_id", "weights").first(), pl.len()).sort("dtype")
    assert found["dtype"].to_list() == ["Q4_K", "Q8_0", "float16"] and set(found["len"]) == {6}
    assert set(found["model_id"]) == {"m"} and set(found["weights"]) == {"dummy"}
    options = json.loads(rows(config)["environment"][0])["server_setup"]["options"]
    assert options[options.index("--cache-ram") + 1] == "0", "no copies of prompts that nobody asks for"
    assert set(rows(config)["harness_version"]) == {LLAMA_CPP_HARNESS_VERSION}


def test_the_parameters_of_random_weights_are_those_of_the_shape(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from tests.tiny_models import llama

    folder = llama(tmp_path / "tiny")
    counted = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    for file in folder.glob("*.safetensors"):
        file.unlink()
    assert (
        server_facts.weights_of(RunConfig(str(folder), engine="vllm", dummy_weights=True))["params_total_b"]
        == counted["params_total_b"]
        > 0
    )
    assert server_facts.shape_facts(str(tmp_path / "nothing")) == {}


@pytest.mark.parametrize(
    ("words", "method"),
    [
        ("--quantization fp8", "fp8"),
        ("--max-model-len 4096 --quantization=FP8 --kv-cache-dtype fp8", "fp8"),
        ("-q awq_marlin", "awq_marlin"),
        ("--quantization none", None),
        ("--kv-cache-dtype fp8", None),
        ("", None),
    ],
)
def test_weights_that_the_server_quantises_are_not_called_float16(words: str, method: str | None, tmp_path: Path) -> None:
    facts = server_facts.weights_of(RunConfig(str(tmp_path), engine="vllm", server_args=words))
    assert facts["dtype"] == (method or "float16")
    assert facts.get("weights_format") == (None if method is None else f"weights, {method} kernels")


def test_a_quantised_checkpoint_names_its_method_and_counts_by_shape(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from tests.tiny_models import llama

    folder = llama(tmp_path / "tiny")
    plain = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "awq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    facts = server_facts.weights_of(RunConfig(str(folder), engine="vllm"))
    assert (facts["dtype"], facts["weights_format"]) == ("awq-4bit", "awq 4-bit kernels")
    assert facts["params_total_b"] == plain["params_total_b"]
    random = server_facts.weights_of(RunConfig(str(folder), engine="vllm", dummy_weights=True))
    assert (random["dtype"], random["weights_format"]) == ("awq-4bit", "random, awq 4-bit kernels")
