"""What a step of the compiled loop spends its time on, by batch and length: `python -m tests.perf.step_parts [SHAPE] --save FILE`.

SHAPE is one of bench/shapes (random weights, made on the device) or a config.json. One line a batch and length: the step as the engine runs
it (a CUDA graph), and its parts, each captured alone, over buffers of all layers, so that none finds its keys in a cache. `products` is the
attention that the compiled layers have for one answer; the others are ways to compute the same. `bound` is what weights, keys and values
take to be read once. Parts alone need not add up to the step: in it, small kernels are fused.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.compiled import attention, layers
from prompt_joules.bench.engines.compiled.buffers import Buffers, Step
from prompt_joules.bench.engines.compiled.decode import StaticDecoder, captured, choose
from prompt_joules.bench.engines.compiled.loops import LOOPS, by_name
from prompt_joules.bench.files import write_atomically

SHAPES = Path(layers.__file__).parents[2] / "shapes"
FLEX_BLOCK = 128
"""Positions of a block of `flex`; PyTorch's own choice."""


def sdpa(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """PyTorch's own choice of a kernel."""
    return scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=scaling, enable_gqa=True).squeeze(2)


def sdpa_grouped(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """The same with the heads of a group as the rows of one query, so that no kernel has to know groups."""
    batch, heads, _, dim = query.shape
    grouped = query.view(batch, key.shape[1], -1, dim)
    return scaled_dot_product_attention(grouped, key, value, attn_mask=visible, scale=scaling).reshape(batch, heads, dim)


def flex(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
    """PyTorch's `flex_attention`, which has a kernel for decoding; every block of positions is looked at, the mask decides inside it."""
    length = key.shape[2]
    blocks = -(-length // FLEX_BLOCK)

    def seen(row: Tensor, _head: Tensor, _query: Tensor, position: Tensor) -> Tensor:
        return visible[row, 0, 0, position]

    mask = BlockMask.from_kv_blocks(
        torch.full((1, 1, 1), blocks, dtype=torch.int32, device=key.device),
        torch.arange(blocks, dtype=torch.int32, device=key.device).view(1, 1, 1, blocks),
        BLOCK_SIZE=FLEX_BLOCK,
        mask_mod=seen,
        seq_lengths=(1, length),
        compute_q_blocks=False,
    )
    answer: Tensor = flex_attention(query, key, value, block_mask=mask, scale=scaling, enable_gqa=True)
    return answer.squeeze(2)


def within(backend: SDPBackend) -> attention.Way:
    """`sdpa_grouped` by one of PyTorch's kernels alone."""

    def way(query: Tensor, key: Tensor, value: Tensor, visible: Tensor, scaling: float) -> Tensor:
        with sdpa_kernel(backend):
            return sdpa_grouped(query, key, value, visible, scaling)

    return way


OTHERS: dict[str, attention.Way] = {"sdpa": sdpa, "sdpa, grouped": sdpa_grouped, "flex": flex}
"""Ways that no step of the engine takes: they were no less work."""
WAYS: dict[str, tuple[attention.Way, bool]] = {
    "products": (attention.products, True),
    "matmul": (attention.matmul, False),
    "matmul, compiled": (attention.matmul, True),
    "sdpa": (sdpa, False),
    "sdpa, grouped": (sdpa_grouped, False),
    "sdpa, grouped, math": (within(SDPBackend.MATH), False),
    "sdpa, grouped, efficient": (within(SDPBackend.EFFICIENT_ATTENTION), False),
    "sdpa, grouped, cudnn": (within(SDPBackend.CUDNN_ATTENTION), False),
    "flex": (flex, True),
    "split": (attention.split.attend, True),
}
"""Ways to compute the attention of a step, and whether they are compiled: alone here, with its layer in the engine."""


def milliseconds(work: Callable[[], object], repeats: int, on_gpu: bool) -> float:
    """The median time of `work`: on a GPU a captured graph of it."""
    run = work
    if on_gpu:
        graph = captured(work)
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


def attentions(step: Step, heads: int, options: argparse.Namespace, compiling: bool) -> tuple[dict[str, float | str], dict[str, float]]:
    """Times (ms) of the attention of all layers by way, or why there is none; and how far each way is from the first."""
    keys = step.layers[0].keys
    batch, _, _, dim = keys.shape
    query = torch.randn(batch, heads, 1, dim, dtype=keys.dtype, device=keys.device)
    times: dict[str, float | str] = {}
    answers: dict[str, Tensor] = {}
    for name in options.ways:
        way, compiled = WAYS[name]
        if compiled and not compiling:
            continue
        torch._dynamo.reset()
        attend = torch.compile(way, fullgraph=True, dynamic=False) if compiled else way

        def work(attend: attention.Way = attend) -> None:
            for layer in step.layers:
                attend(query, layer.keys, layer.values, step.visible, dim**-0.5)

        try:
            answers[name] = attend(query, keys, step.layers[0].values, step.visible, dim**-0.5).clone()
            times[name] = milliseconds(work, options.repeats, keys.is_cuda)
        except Exception as error:  # a kernel that this card or PyTorch lacks; its compiler has errors of many classes
            times[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    first = next(iter(answers.values()), torch.zeros(0))
    return times, {name: float((answer - first).abs().max()) for name, answer in answers.items()}


def parts(decoder: StaticDecoder, buffers: Buffers, step: Step, options: argparse.Namespace) -> dict[str, Any]:
    """One line: the step of this length and its parts, ms."""
    model, batch = decoder.model, buffers.token.shape[0]
    config = model.config.get_text_config(decoder=True)
    for layer in buffers.layers:
        layer.keys.normal_()
        layer.values.normal_()
    filled = max(1, round(step.length * options.filled))
    buffers.visible[:] = torch.arange(buffers.visible.shape[-1], device=decoder.device) < filled
    weights = sum(each.numel() * each.element_size() for each in model.parameters())
    cache = sum(2 * layer.keys.numel() * layer.keys.element_size() for layer in step.layers)
    line = {
        "batch": batch,
        "length": step.length,
        "filled": filled,
        "bound": (weights + cache) / options.tb_per_s / 1e9,
        "bound of keys and values": cache / options.tb_per_s / 1e9,
    }
    if not options.attention_alone:
        line |= around(decoder, buffers, step, filled, options.repeats)
    compiling = decoder.on_gpu or options.compile
    line["attention"], line["apart"] = attentions(step, config.num_attention_heads, options, compiling)
    return line


def around(decoder: StaticDecoder, buffers: Buffers, step: Step, filled: int, repeats: int) -> dict[str, float]:
    """The step and its parts other than the attention, ms."""
    model, on_gpu, batch = decoder.model, decoder.on_gpu, buffers.token.shape[0]
    config = model.config.get_text_config(decoder=True)

    def whole() -> None:
        buffers.slot.fill_(filled - 1)
        buffers.position.fill_(filled - 1)
        decoder._step(buffers, step.length)

    head = model.get_output_embeddings()
    hidden = torch.randn(batch, 1, config.hidden_size, dtype=decoder.dtype, device=decoder.device)
    logits = head(hidden)[:, -1]
    new = torch.randn_like(step.layers[0].keys[:, :, :1])

    def write() -> None:
        buffers.slot.fill_(filled - 1)
        for layer in step.layers:
            layer.update(new, new)

    def send() -> None:
        decoder._to_host(buffers, 0)()

    return {
        "step": clocked(whole, repeats, on_gpu),
        "head": milliseconds(lambda: head(hidden), repeats, on_gpu),
        "draw": milliseconds(lambda: choose(logits, decoder.sampling, None), repeats, on_gpu),
        "writes": milliseconds(write, repeats, on_gpu),
        "to host": clocked(send, repeats, on_gpu),
    }


def measured(model: Any, options: argparse.Namespace, keep: Callable[[list[dict[str, Any]]], None] = len) -> list[dict[str, Any]]:
    """All lines; `keep` gets those so far after each."""
    loop = by_name(options.loop)
    decoder = StaticDecoder(model, Sampling(max_new_tokens=options.room), loop=loop)
    decoder.size(options.room)
    found: list[dict[str, Any]] = []
    begun_s = time.perf_counter()
    with torch.inference_mode():
        for batch in options.batch:
            allocated = decoder._allocate if options.attention_alone else decoder._reserve
            buffers = allocated(batch, options.room)
            for step in buffers.steps:
                if step.length not in (options.length or [step.length]) or time.perf_counter() - begun_s > options.seconds:
                    continue
                found.append(parts(decoder, buffers, step, options))
                keep(found)
            decoder._held.clear()
            del buffers, step
    return found


def lines(found: list[dict[str, Any]]) -> list[str]:
    """A table, ms."""
    ways = dict.fromkeys(itertools.chain.from_iterable(line["attention"] for line in found))
    names = [name for name in ("step", "bound", "bound of keys and values", "head", "draw", "writes", "to host") if name in found[0]]
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
    parser.add_argument("--attention-alone", action="store_true", help="no step, head or draw: compiles the attention, not the layers")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY", help=f"some of {', '.join(WAYS)}")
    parser.add_argument("--length", type=int, nargs="+", help="only steps over so many tokens")
    parser.add_argument("--filled", type=float, default=1.0, help="share of a step's tokens that is visible")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no line later than this")
    options = parser.parse_args()
    path = Path(options.shape)
    config = AutoConfig.from_pretrained(path if path.is_file() else SHAPES / f"{options.shape}.json")
    if options.layers:
        config.num_hidden_layers = options.layers
    dtype = torch.float16 if options.device.startswith("cuda") else torch.float32
    with torch.device(options.device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    device = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else "cpu"
    begun_s = time.perf_counter()

    def keep(found: list[dict[str, Any]]) -> None:
        print(
            f"{time.perf_counter() - begun_s:.0f} s: batch {found[-1]['batch']}, length {found[-1]['length']}", file=sys.stderr, flush=True
        )
        if options.save:
            told = {"shape": options.shape, "device": device, "torch": torch.__version__, "loop": options.loop, "lines": found}
            write_atomically(options.save, f"{json.dumps(told)}\n".encode())

    found = measured(model, options, keep)
    print("\n".join(lines(found)))


if __name__ == "__main__":
    main()
