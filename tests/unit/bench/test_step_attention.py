"""All ways to compute the attention of a step answer alike: alone against PyTorch's own, and in the static decoder against `generate`."""

import inspect
import math
import os
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

import transformers  # noqa: E402
from torch import Tensor  # noqa: E402
from torch._inductor import config as inductor  # noqa: E402
from torch._inductor.async_compile import AsyncCompile  # noqa: E402
from torch._inductor.utils import run_and_get_code  # noqa: E402
from torch.nn.functional import scaled_dot_product_attention  # noqa: E402

from prompt_joules.bench.engines.base import Sampling  # noqa: E402
from prompt_joules.bench.engines.compiled import attention, layers, split  # noqa: E402
from prompt_joules.bench.engines.compiled.decode import StaticDecoder  # noqa: E402
from prompt_joules.bench.engines.compiled.loops import LOOPS, Loop  # noqa: E402
from tests.perf.step_parts import OTHERS  # noqa: E402
from tests.warehouses import ROOT  # noqa: E402

GREEDY = Sampling(temperature=0)
WAYS = attention.WAYS | OTHERS
SHAPES = {
    "groups of 4, dim 64": (3, 2, 4, 64, 256),
    "groups of 3, dim 64": (2, 3, 3, 64, 320),
    "one head a key, dim 128": (2, 2, 1, 128, 192),
    "dim 80": (2, 2, 5, 80, 64),
    "more rows than programs": (130, 4, 1, 16, 128),
}
"""Batch, key heads, heads of a group, dim, positions."""


def drawn(batch: int, key_heads: int, group: int, dim: int, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, keys and values, and what is visible: parts of longer buffers, padded on the left, filled as far as an answer is."""
    torch.manual_seed(0)
    room = length + 64
    query = torch.randn(batch, 1, key_heads * group, dim).transpose(1, 2)
    key, value = (torch.randn(batch, key_heads, room, dim)[:, :, :length] for _ in range(2))
    visible = torch.zeros(batch, 1, 1, room, dtype=torch.bool)
    visible[..., : length - 7] = True
    visible[-1, ..., : length // 2] = False
    visible[0, ..., 1:] = False
    return query, key, value, visible[..., :length]


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_the_softmax_of_what_is_visible(way: str, shape: str) -> None:
    query, key, value, visible = drawn(*SHAPES[shape])
    expected = scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=0.11, enable_gqa=True).squeeze(2)
    found = WAYS[way](query, key, value, visible, 0.11)
    assert found.shape == expected.shape and torch.allclose(found, expected, atol=2e-6)


def test_parts_cover_all_positions_once_and_are_no_more_than_a_card_needs() -> None:
    for batch, key_heads, length in ((1, 8, 512), (32, 8, 512), (32, 8, 640), (128, 8, 1152), (1, 2, 64), (7, 3, 8192)):
        count = split.parts(batch, key_heads, length)
        assert split.positions(length, count) * count >= length and split.positions(length, count) % split.BLOCK == 0
        assert count == 1 or count * batch * key_heads <= split.PROGRAMS
    assert [split.parts(batch, 8, 512) for batch in (1, 8, 32, 128)] == [8, 8, 2, 1]


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") != "1", reason="TRITON_INTERPRET=1 runs kernels on a CPU, where Triton is installed")
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kernel_finds_what_plain_pytorch_finds(shape: str) -> None:
    *tensors, visible = drawn(*SHAPES[shape])
    for dtype, near in ((torch.float32, 2e-6), (torch.float16, 2e-3)):
        query, key, value = (each.to(dtype) for each in tensors)
        expected = split.attend(query, key, value, visible, 0.11)
        found = split.joined(*split.by_triton(query, key, value, visible, 0.11), value.dtype)
        assert torch.allclose(found.float(), expected.float(), atol=near)


def tiny(key_heads: int, dim: int) -> Any:
    torch.manual_seed(0)
    shape = {"vocab_size": 100, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = transformers.LlamaConfig(**shape, num_key_value_heads=key_heads, head_dim=dim, max_position_embeddings=512)
    return transformers.LlamaForCausalLM(config).eval()


def expected(model: Any, prompts: list[Tensor], tokens: int) -> list[list[int]]:
    model.set_attn_implementation("sdpa")
    options = {"do_sample": False, "max_new_tokens": tokens, "eos_token_id": None, "pad_token_id": 0}
    return [model.generate(each[None], attention_mask=torch.ones_like(each[None]), **options)[0, len(each) :].tolist() for each in prompts]


@pytest.mark.parametrize(("key_heads", "dim"), [(2, 64), (4, 128)])
@pytest.mark.parametrize("way", ["matmul", "sdpa, grouped", "split"])
def test_left_padded_batches_equal_generate_by_every_way(way: str, key_heads: int, dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "way_for", lambda *_, **__: way)
    monkeypatch.setattr(attention, "WAYS", WAYS)
    model = tiny(key_heads, dim)
    prompts = [torch.randint(1, 100, (length,)) for length in (4, 250, 90)]
    answers = expected(model, prompts, 12)
    padded, mask = torch.zeros(3, 250, dtype=torch.long), torch.zeros(3, 250, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        padded[row, -len(prompt) :], mask[row, -len(prompt) :] = prompt, 1
    for compiled in (False, dim == 64):
        decoder = StaticDecoder(model, GREEDY, compile_layers=compiled)
        decoder.size(300)
        assert decoder.generate(padded, mask, 12, frozenset(), seed=0).tokens == answers, "over 256 positions, then over 320"


@pytest.mark.parametrize("way", ["products", "matmul", "split"])
def test_a_compiled_layer_over_a_part_of_the_buffers_copies_no_keys(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "way_for", lambda *_, **__: way)
    monkeypatch.setattr(AsyncCompile, "cpp_pybinding", lambda *_: lambda *_: None)  # what is written is read, and not run
    decoder = StaticDecoder(tiny(2, 64), GREEDY, compile_layers=True)
    with torch.inference_mode(), inductor.patch(force_disable_caches=True):
        buffers = decoder._allocate(3, 320)
        keys = buffers.steps[0].layers[0].keys
        code = "\n".join(run_and_get_code(decoder._forward, buffers, buffers.steps[0])[1])
    assert keys.shape[2] == 256 and not keys.is_contiguous()
    assert str(tuple(keys.stride())) in code and ("attention_over_slices" in code) == (way == "split"), "the layer over the part"
    made = [math.prod(map(int, re.findall(r"\d+", sizes))) for sizes in re.findall(r"= empty_strided\w*\(\(([^)]*)\)", code)]
    assert 0 < max(made) < keys.numel(), "elements of the largest buffer that the layer allocates"
    assert not re.findall(r"aten\.(?:clone|contiguous|copy_?|as_strided_copy)\b.*\(", "\n".join(re.findall(r"^ +buf.*$", code, re.M)))


def test_one_answer_goes_by_products_as_ever_and_batches_by_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def way(
        batch: int,
        heads: int = 8,
        dim: int = 64,
        dtype: torch.dtype = torch.float16,
        compiled: bool = True,
        on: str = "cuda",
        alone: str = "products",
    ) -> str:
        return attention.way_for(batch, (heads, dim), dtype, compiled=compiled, device=on, alone=alone)

    monkeypatch.setattr(split, "runs", lambda: True)
    assert [way(batch) for batch in (1, 2, 8, 31, 32, 128)] == ["products", "matmul", "matmul", "matmul", "split", "split"]
    assert [way(batch, heads=32, dim=128) for batch in (1, 7, 8)] == ["products", "matmul", "split"]
    assert [way(batch, compiled=False) for batch in (1, 32)] == ["matmul", "matmul"]
    others = [way(32, dim=256), way(32, dtype=torch.float32), way(32, on="cpu")]
    assert others == ["matmul"] * 3, "not measured with wide heads or 32 bits, and the kernel is for a GPU"
    for alone in ("matmul", "split"):
        assert [way(batch, alone=alone) for batch in (1, 2, 32)] == [alone, "matmul", "split"], "a loop has a say in one answer alone"
        assert way(1, compiled=False, alone=alone) == way(1, on="cpu", alone=alone) == way(1, dim=256, alone=alone) == "matmul"
    monkeypatch.setattr(split, "runs", lambda: False)
    assert [way(batch) for batch in (1, 32)] == ["products", "matmul"], "a GPU without Triton, or an old one"
    assert way(1, alone="split") == "matmul"


@pytest.mark.parametrize("loop", [loop for loop in LOOPS if loop.alone != attention.ALONE], ids=lambda loop: loop.name)
def test_one_answer_attends_as_its_loop_says_and_equals_generate(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    way_for = attention.way_for

    def noted(batch: int, *shape: Any, **how: Any) -> str:
        asked.append(how["alone"])
        return way_for(batch, *shape, **how)

    model, prompt = tiny(2, 64), torch.randint(1, 100, (250,))
    answers = expected(model, [prompt], 12)
    monkeypatch.setattr(attention, "way_for", noted)
    decoder = StaticDecoder(model, GREEDY, compile_layers=False, loop=loop)
    decoder.size(300)
    assert decoder.generate(prompt[None], torch.ones(1, 250, dtype=torch.long), 12, frozenset(), seed=0).tokens == answers
    assert set(asked) == {loop.alone}
    monkeypatch.setattr(attention, "way_for", lambda *_, alone, **__: alone)
    compiled = StaticDecoder(model, GREEDY, compile_layers=True, loop=loop)
    compiled.size(300)
    assert compiled.generate(prompt[None], torch.ones(1, 250, dtype=torch.long), 12, frozenset(), seed=0).tokens == answers


def test_without_triton_the_kernel_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "triton", None)
    assert not split.runs()


def test_what_is_compiled_has_no_marks_of_coverage() -> None:
    """slipcover's marks are calls that `torch.compile(fullgraph=True)` refuses, wherever a line is first run while it is compiled."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (spared,) = re.findall(r"^COMPILED +:= (\S+)$", text, re.MULTILINE)
    compiled = {inspect.getsourcefile(function) for function in (layers.decode_attention, attention.way_for, *attention.WAYS.values())}
    assert {str(Path(str(path)).resolve()) for path in compiled} == {str((ROOT / path).resolve()) for path in spared.split(",")}
