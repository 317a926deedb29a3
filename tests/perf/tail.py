"""How late does the counter show the end of an answer? Its steps after single answers, and the energy that still came.

    python -m tests.perf.tail record FILE.json [--seconds 0.5 …] [--windows 8] [--shape 7b]
    python -m tests.perf.tail table FILE.json [FILE.json …]

`record` needs an NVIDIA GPU with an energy counter. Each answer is begun right after a step and, in turn, anywhere
between two; six steps are read after it. `table` takes off the power of the waiting GPU, that of the last two
intervals, and says what the counter still lacked so long after the end. The file is written after every answer, whole.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from prompt_joules.bench.files import write_atomically
from prompt_joules.bench.meter.edges import POLL_S, Reader, Step
from tests.perf.shapes import LLAMA_1B, LLAMA_7B, random_llama

SECONDS = (0.25, 0.5, 1.0, 2.0)
STEPS_AFTER = 6
EDGES_MS = (0, 20, 40, 80, 150, 250)
TIMEOUT_S = 2.0


def late_j(window: dict[str, Any]) -> list[tuple[float, float]]:
    """(time after the end in s, energy in J that the counter still lacked then) of the first three steps after one answer."""
    after = [((step[0] + step[2]) / 2, step[3] / 1000) for step in window["post"]]
    waiting_w = (after[5][1] - after[3][1]) / (after[5][0] - after[3][0])
    shown_j = [energy_j - waiting_w * (t_s - window["ended"]) for t_s, energy_j in after]
    return [(after[place][0] - window["ended"], shown_j[3] - shown_j[place]) for place in range(3)]


def print_table(path: Path) -> None:
    """One line for each range of times after the end: how many steps fell there, and the energy still to come, J."""
    found = json.loads(path.read_text(encoding="utf-8"))
    points = [point for window in found["rows"] for point in late_j(window)]
    print(f"{path.name}: {len(found['rows'])} windows, {found['gpu']}")
    for low_ms, high_ms in pairwise(EDGES_MS):
        inside = [lacking for after_s, lacking in points if low_ms <= 1000 * after_s < high_ms]
        if inside:
            middle = f"median {statistics.median(inside):5.2f} J, mean {statistics.mean(inside):5.2f} J"
            print(f"  {low_ms:3d} to {high_ms:3d} ms: {middle} ({len(inside)} steps)")


def kept(steps: Sequence[Step]) -> list[list[float]]:
    """Steps as in the files: before and after the pair of reads that saw it move (s; the middle one is the second once more), and mJ."""
    return [[step.t_s - step.gap_s / 2, step.t_s + step.gap_s / 2, step.t_s + step.gap_s / 2, 1000 * step.energy_j] for step in steps]


def record(out: Path, shape: dict[str, Any], seconds: Sequence[float], windows: int) -> None:
    """Answer, and write the steps around each answer."""
    import torch

    from prompt_joules.bench.engines.base import Sampling
    from prompt_joules.bench.engines.compiled.decode import StaticDecoder
    from prompt_joules.bench.meter.counters import open_zeus_counter

    decoder = StaticDecoder(random_llama(shape), Sampling(temperature=0))
    prompt = torch.randint(5, 1000, (1, 64), device="cuda")

    def answer(tokens: int) -> float:
        start_s = time.perf_counter()
        decoder.generate(prompt, torch.ones_like(prompt), tokens, frozenset(), seed=0)
        torch.cuda.synchronize()
        return time.perf_counter() - start_s

    answer(512)
    rate = 512 / answer(512)
    reader = Reader(open_zeus_counter("cuda")[0], time.perf_counter, time.sleep)

    def keep(rows: list[dict[str, Any]]) -> None:
        told = {"gpu": torch.cuda.get_device_name(), "rate": rate, "rows": rows}
        write_atomically(out, f"{json.dumps(told)}\n".encode())

    answers(answer, reader, rate, seconds, windows, keep)


def answers(
    answer: Callable[[int], float],
    reader: Reader,
    rate: float,
    seconds: Sequence[float],
    windows: int,
    keep: Callable[[list[dict[str, Any]]], object],
) -> None:
    """Read the steps before and after each answer.

    Args:
        answer: makes so many tokens; returns its seconds.
        reader: of the counter.
        rate: tokens/s.
        seconds: of the answers, about.
        windows: answers of each length that begin right after a step, and as many that begin anywhere.
        keep: gets the rows so far after every answer.
    """
    rows: list[dict[str, Any]] = []
    for each in seconds:
        tokens = max(2, round(each * rate))
        answer(tokens)
        for place in range(2 * windows):
            before = reader.steps(2, TIMEOUT_S)[0]
            if place % 2:
                time.sleep(random.uniform(POLL_S, 0.09))
            begun_s = time.perf_counter()
            duration_s = answer(tokens)
            ended_s = time.perf_counter()
            window = {
                "seconds": each,
                "kind": ("aligned", "random")[place % 2],
                "begun": begun_s,
                "ended": ended_s,
                "durations": [duration_s],
            }
            rows.append(window | {"pre": kept(before), "post": kept(reader.steps(STEPS_AFTER, TIMEOUT_S)[0])})
            keep(rows)
        print(f"{each:g} s: {2 * windows} answers", file=sys.stderr, flush=True)


def main() -> None:
    """Record, or print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("record", "table"))
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, nargs="+", default=SECONDS)
    parser.add_argument("--windows", type=int, default=8)
    parser.add_argument("--shape", choices=("1b", "7b"), default="1b")
    options = parser.parse_args()
    if options.what == "table":
        for path in options.files:
            print_table(path)
    else:
        record(options.files[0], LLAMA_1B if options.shape == "1b" else LLAMA_7B, options.seconds, options.windows)


if __name__ == "__main__":
    main()
