"""A GGUF file reads the same, quickly or not, and the library is unchanged afterwards."""

from pathlib import Path

import numpy as np
import pytest

gguf = pytest.importorskip("gguf", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.engines.gguf_reading import forget, quick_reading  # noqa: E402

WORDS = ["one", "zwei", "trois", ""]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with words, a number and a tensor."""
    writer = gguf.GGUFWriter(tmp_path / "tiny.gguf", "llama")
    writer.add_array("tokenizer.ggml.tokens", WORDS)
    writer.add_uint32("llama.block_count", 7)
    writer.add_tensor("token_embd.weight", np.arange(12, dtype=np.float32).reshape(3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "tiny.gguf"


def content(path: Path) -> tuple[object, object, list[float], type]:
    reader = gguf.GGUFReader(path)
    (tensor,) = reader.tensors
    words, layers = (reader.fields[name].contents() for name in ("tokenizer.ggml.tokens", "llama.block_count"))
    return words, layers, tensor.data.ravel().tolist(), type(reader.data)


def test_what_is_read_is_the_same(path: Path) -> None:
    with quick_reading("tiny.gguf"), quick_reading("tiny.gguf"):
        *quick, kind = content(path)
        assert kind is np.ndarray
        architecture = gguf.MODEL_ARCH.LLAMA
        assert gguf.get_tensor_name_map(architecture, 2) is gguf.get_tensor_name_map(architecture, 2)
    *plain, kind = content(path)
    assert kind is np.memmap
    assert quick == plain == [WORDS, 7, list(range(12))]


def test_a_file_is_read_once_and_again_when_it_has_changed(path: Path) -> None:
    forget()
    with quick_reading("tiny.gguf"):
        first = gguf.GGUFReader(path)
    with quick_reading("tiny.gguf"):
        assert gguf.GGUFReader(str(path)) is first
        path.write_bytes(path.read_bytes() + b"\0")
        assert gguf.GGUFReader(path) is not first
        kept = gguf.GGUFReader(path)
        forget()
        assert gguf.GGUFReader(path) is not kept
    assert isinstance(gguf.GGUFReader(path), gguf.GGUFReader)
    forget()


def test_the_library_is_as_it_was_even_after_an_error() -> None:
    before = gguf.get_tensor_name_map
    with pytest.raises(KeyError), quick_reading("tiny.gguf"):
        raise KeyError
    with quick_reading(None):
        assert gguf.get_tensor_name_map is before and "data" not in vars(gguf.GGUFReader)
    assert gguf.get_tensor_name_map is before and "data" not in vars(gguf.GGUFReader)
