"""What the length costs that a decode step reads: `python -m tests.perf.context MODEL` prints token/s and J/token of both ways.

`needed` reads the least of 256, 512, 1,024 … tokens that hold the context, as the engine does; `whole` reads the whole buffers at every
step, as protocol 2.0 did. Same prompt, same draws, one window of some seconds each. MODEL is a folder with safetensors, or a Hugging Face
id.
"""

import argparse
import sys
import time
from collections.abc import Callable

import torch

from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.compiled import buffers
from prompt_joules.bench.engines.compiled.decode import StaticDecoder
from prompt_joules.bench.engines.compiled.loops import LOOPS, by_name
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.run.tuning import TRIAL_TEXT

WAYS = {"needed": buffers.SHORTEST, "whole": sys.maxsize}


def window(meter: Meter, answer: Callable[[int], int], seconds: float) -> str:
    """Answer again and again in one window: token/s, J/token."""
    meter.begin()
    begun_s, tokens, turn = time.perf_counter(), 0, 0
    while time.perf_counter() - begun_s < seconds:
        tokens, turn = tokens + answer(turn), turn + 1
    elapsed_s = time.perf_counter() - begun_s
    reading = meter.end()
    joules = f"{reading.energy_j / tokens:.4f} J/token" if reading.energy_j is not None else f"no joules: {reading.reason}"
    return f"{tokens / elapsed_s:8.1f} token/s  {joules}"


def main() -> None:
    """Print one line a loop and way."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--loop", action="append", choices=[loop.name for loop in LOOPS], help="repeat it for several; default: stacked")
    parser.add_argument("--room", type=int, default=2560, help="tokens that the buffers hold")
    parser.add_argument("--tokens", type=int, default=256, help="of an answer")
    parser.add_argument("--seconds", type=float, default=2.5)
    options = parser.parse_args()
    torch.backends.cuda.enable_cudnn_sdp(False)
    meter = open_meter(options.device, "aligned")
    dtype = torch.float16 if options.device.startswith("cuda") else torch.float32
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).to(options.device).eval()
    ids = AutoTokenizer.from_pretrained(options.model)(TRIAL_TEXT, return_tensors="pt").input_ids.to(options.device)
    for loop in options.loop or ["stacked"]:
        for way, shortest in WAYS.items():
            buffers.SHORTEST = shortest
            decoder = StaticDecoder(model, Sampling(max_new_tokens=options.tokens), loop=by_name(loop))
            decoder.size(options.room)

            def answer(seed: int, decoder: StaticDecoder = decoder) -> int:
                decoded = decoder.generate(ids, torch.ones_like(ids), options.tokens, frozenset(), seed)
                if decoder.on_gpu:
                    torch.cuda.synchronize()
                return len(decoded.tokens[0])

            answer(0)
            answer(1)
            print(f"{loop:18s} {way:8s} {window(meter, answer, options.seconds)}", flush=True)


if __name__ == "__main__":
    main()
