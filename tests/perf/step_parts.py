"""What a step of the compiled loop spends its time on, by batch and length: `python -m tests.perf.step_parts [SHAPE] --save FILE`.

SHAPE is one of bench/shapes (random weights, made on the device) or a config.json. One line a batch and length: the step as the engine runs
it (a CUDA graph), and its parts, each captured alone, over buffers of all layers, so that none finds its keys in a cache. `products` is the
attention that the compiled layers have; the others are ways to compute the same. `bound` is what weights, keys and values take to be read
once. Parts alone need not add up to the step: in it, small kernels are fused.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.compiled import layers
from prompt_joules.bench.engines.compiled.buffers import Buffers, Step
from prompt_joules.bench.engines.compiled.decode import StaticDecoder
from prompt_joules.bench.engines.compiled.draw import choose
from prompt_joules.bench.engines.compiled.loops import LOOPS, by_name

NOBODY = torch.nn.Identity()
"""The module that asks for an attention, of which decoding looks at nothing."""
SHAPES = Path(layers.__file__).parents[2] / "shapes"
Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""From query [batch, heads, 1, dim], keys and values [batch, key heads, length, dim] and what is visible [batch, 1, 1, length] to
[batch, heads, dim]."""


def engine(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """The engine's own: products and sums where it is compiled, matrix products where not."""
    return layers.decode_attention(NOBODY, query, key, value, visible)[0].squeeze(1)


def matmul(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Matrix products of the heads of a group with their keys, which each product reads once."""
    batch, heads, _, dim = query.shape
    grouped = query.view(batch, key.shape[1], -1, dim)
    scores = (grouped @ key.transpose(2, 3)).float() * dim**-0.5
    return (scores.masked_fill(~visible, float("-inf")).softmax(-1).to(value.dtype) @ value).reshape(batch, heads, dim)


def sdpa(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """PyTorch's own choice of a kernel."""
    return scaled_dot_product_attention(query, key, value, attn_mask=visible, enable_gqa=True).squeeze(2)


def sdpa_grouped(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """The same with the heads of a group as the rows of one query, so that no kernel has to know groups."""
    batch, heads, _, dim = query.shape
    return scaled_dot_product_attention(query.view(batch, key.shape[1], -1, dim), key, value, attn_mask=visible).reshape(batch, heads, dim)


WAYS: dict[str, tuple[Attention, bool]] = {
    "products": (engine, True),
    "matmul": (matmul, False),
    "matmul, compiled": (matmul, True),
    "sdpa": (sdpa, False),
    "sdpa, grouped": (sdpa_grouped, False),
}
"""Ways to compute the attention of a step, and whether they are compiled."""


def milliseconds(work: Callable[[], object], repeats: int, on_gpu: bool) -> float:
    """The median time of `work`: on a GPU a captured graph of it."""
    run = work
    if on_gpu:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        run = graph.replay
    return clocked(run, repeats, on_gpu)


def clocked(run: Callable[[], object], repeats: int, on_gpu: bool) -> float:
    """The median time of `run` in ms, the GPU waited for."""
    times = []
    for turn in range(repeats + 2):
        begun_s = time.perf_counter()
        run()
        if on_gpu:
            torch.cuda.synchronize()
        if turn > 1:
            times.append(1000 * (time.perf_counter() - begun_s))
    return statistics.median(times)


def attentions(step: Step, heads: int, repeats: int, compiling: bool) -> tuple[dict[str, float | str], dict[str, float]]:
    """Times (ms) of the attention of all layers by way, or why there is none; and how far each way is from the first."""
    keys = step.layers[0].keys
    batch, _, _, dim = keys.shape
    query = torch.randn(batch, heads, 1, dim, dtype=keys.dtype, device=keys.device)
    times: dict[str, float | str] = {}
    answers: dict[str, Tensor] = {}
    for name, (way, compiled) in WAYS.items():
        if compiled and not compiling:
            continue
        torch._dynamo.reset()
        attend = torch.compile(way, fullgraph=True, dynamic=False) if compiled else way

        def work(attend: Attention = attend) -> None:
            for layer in step.layers:
                attend(query, layer.keys, layer.values, step.visible)

        try:
            answers[name] = attend(query, keys, step.layers[0].values, step.visible).clone()
            times[name] = milliseconds(work, repeats, keys.is_cuda)
        except RuntimeError as error:  # a kernel that this card or PyTorch lacks
            times[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    first = next(iter(answers.values()))
    return times, {name: float((answer - first).abs().max()) for name, answer in answers.items()}


def parts(decoder: StaticDecoder, buffers: Buffers, step: Step, repeats: int, compiling: bool, bandwidth: float) -> dict[str, Any]:
    """One line: the step of this length and its parts, ms."""
    model, on_gpu, batch = decoder.model, decoder.on_gpu, buffers.batch
    config = model.config.get_text_config(decoder=True)
    for layer in buffers.layers:
        layer.keys.normal_()
        layer.values.normal_()
    buffers.visible[:] = torch.arange(buffers.length, device=decoder.device) < step.length

    def whole() -> None:
        buffers.slot.fill_(step.length - 1)
        buffers.position.fill_(step.length - 1)
        decoder._step(buffers, step.length)

    head = model.get_output_embeddings()
    hidden = torch.randn(batch, 1, config.hidden_size, dtype=decoder.dtype, device=decoder.device)
    logits = head(hidden)[:, -1]
    new = torch.randn_like(step.layers[0].keys[:, :, :1])

    def write() -> None:
        buffers.slot.fill_(step.length - 1)
        for layer in step.layers:
            layer.update(new, new)

    ways, apart = attentions(step, config.num_attention_heads, repeats, compiling)
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    cache = sum(2 * layer.keys.numel() * layer.keys.element_size() for layer in step.layers)
    return {
        "batch": batch,
        "length": step.length,
        "step": clocked(whole, repeats, on_gpu),
        "head": milliseconds(lambda: head(hidden), repeats, on_gpu),
        "draw": milliseconds(lambda: choose(logits, decoder.sampling, None), repeats, on_gpu),
        "writes": milliseconds(write, repeats, on_gpu),
        "to host": clocked(lambda: decoder._to_host(buffers), repeats, on_gpu),
        "attention": ways,
        "apart": apart,
        "bound": (weights + cache) / bandwidth / 1e9,
        "bound of keys and values": cache / bandwidth / 1e9,
    }


def measured(model: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All lines."""
    loop = by_name(options.loop)
    decoder = StaticDecoder(model, Sampling(max_new_tokens=options.room), loop=loop)
    decoder.size(options.room)
    found = []
    with torch.inference_mode():
        for batch in options.batch:
            buffers = decoder._reserve(batch, options.room)
            for step in buffers.steps:
                compiling = decoder.on_gpu or options.compile
                found.append(parts(decoder, buffers, step, options.repeats, compiling, options.tb_per_s))
            decoder._held.clear()
            del buffers, step
    return found


def lines(found: list[dict[str, Any]]) -> list[str]:
    """A table, ms."""
    ways = dict.fromkeys(itertools.chain.from_iterable(line["attention"] for line in found))
    names = ["step", "bound", "bound of keys and values", "head", "draw", "writes", "to host"]
    rows = [["batch", "length", *names, *(f"attention: {way}" for way in ways)]]
    for line in found:
        times = [*(line[name] for name in names), *(line["attention"].get(way) for way in ways)]
        rows.append([str(line["batch"]), str(line["length"]), *(f"{each:.3f}" if isinstance(each, float) else str(each) for each in times)])
    rows.insert(1, ["---"] * len(rows[0]))
    return [f"| {' | '.join(row)} |" for row in rows]


def main() -> None:
    """Measure, keep, print."""
    from transformers import AutoConfig, AutoModelForCausalLM

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", nargs="?", default="llama-3.2-1b", help="a name of bench/shapes, or a config.json")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--room", type=int, default=640, help="tokens that the buffers hold; steps over 256, 512 … of them are timed")
    parser.add_argument("--layers", type=int, help="fewer layers than the shape has")
    parser.add_argument("--loop", choices=[loop.name for loop in LOOPS], default="stacked")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--tb-per-s", type=float, default=4.8, help="the card's memory bandwidth, for the bound; 4.8 is an H200's")
    parser.add_argument("--compile", action="store_true", help="compile the attention on a CPU too")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    path = Path(options.shape)
    config = AutoConfig.from_pretrained(path if path.is_file() else SHAPES / f"{options.shape}.json")
    if options.layers:
        config.num_hidden_layers = options.layers
    dtype = torch.float16 if options.device.startswith("cuda") else torch.float32
    with torch.device(options.device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    found = measured(model, options)
    if options.save:
        device = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else "cpu"
        told = {"shape": options.shape, "device": device, "torch": torch.__version__, "loop": options.loop, "lines": found}
        options.save.write_text(json.dumps(told) + "\n", encoding="utf-8")
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
