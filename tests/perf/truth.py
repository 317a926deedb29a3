"""Are the joules of one response true? One response, again and again: each alone, all together, and without pauses.

    python -m tests.perf.truth [--out FILE.json] [--seconds 0.5 --seconds 5] [--rounds 3] [--loop host]

The response is a fixed number of greedy tokens. Its steps are queued on the GPU and waited for once, so that the host's
timing does not vary the work itself (`--loop host` waits for every token, as a benchmark does). Three measurements:

- single: each response in a window of its own, with plain or aligned edges.
- series: the same responses in one long window around all of them. The pauses between them, in which the meter waits
  for its counter, are taken off at the power of the waiting GPU, measured beside it. The truth for single windows: the
  same responses, and edges that count little.
- row: some seconds of responses without a pause, before and after the series. What a response costs in a row.

Bias is the mean of the single windows against the series, spread their standard deviation; `apart` is what a response
costs more after a pause than in a row. Needs an NVIDIA GPU with an energy counter; takes about three minutes a round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prompt_joules.bench.files import write_atomically
from tests.perf.shapes import LLAMA_1B, random_llama

WINDOWS = {0.25: 16, 0.5: 14, 1.0: 10, 2.0: 6, 5.0: 4}
"""Aligned windows of each response time in s, a round; every second one is followed by a plain one."""
ROW_S = 6.0
WAITS = 8
SLOTS = 8192
"""Length of the decoder's buffers in tokens: one graph for all response times."""


@dataclass
class Round:
    """One response time, once: energies in J of a response, and its seconds."""

    waiting_w: float
    row_j: list[float] = field(default_factory=list)
    row_s: list[float] = field(default_factory=list)
    series_j: float = 0.0
    single_j: dict[str, list[float]] = field(default_factory=lambda: {"aligned": [], "plain": []})
    single_s: list[float] = field(default_factory=list)


def timed(work: Callable[[], None]) -> float:
    """Seconds that `work` took."""
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def energy_of(meter: Any, work: Callable[[], None]) -> float:
    """Energy in J of one window around `work`."""
    meter.begin()
    work()
    reading = meter.end()
    if reading.energy_j is None:
        raise SystemExit(f"no energy reading: {reading.reason}")
    return float(reading.energy_j)


def in_a_row(meter: Any, work: Callable[[], None], seconds: float, into: Round) -> None:
    """Measure responses without a pause, for about ROW_S."""
    repeats = max(1, round(ROW_S / seconds))
    into.row_j.append(energy_of(meter, lambda: into.row_s.extend(timed(work) for _ in range(repeats))) / repeats)


def series(meters: dict[str, Any], work: Callable[[], None], windows: int, into: Round) -> None:
    """Measure single responses, and all of them in one window around."""

    def single(edges: str) -> None:
        into.single_j[edges].append(energy_of(meters[edges], lambda: into.single_s.append(timed(work))))

    def all_of_them() -> None:
        for place in range(windows):
            single("aligned")
            if place % 2 == 0:
                single("plain")

    spent: list[float] = []
    whole_j = energy_of(meters["series"], lambda: spent.append(timed(all_of_them)))
    pauses_s = spent[0] - sum(into.single_s)
    into.series_j = (whole_j - into.waiting_w * pauses_s) / len(into.single_s)


def one_round(meters: dict[str, Any], work: Callable[[], None], seconds: float) -> Round:
    """All three measurements of one response time."""
    found = Round(statistics.mean(meters["aligned"].power_w(0) for _ in range(WAITS)))
    in_a_row(meters["aligned"], work, seconds, found)
    series(meters, work, WINDOWS.get(seconds, 6), found)
    in_a_row(meters["aligned"], work, seconds, found)
    return found


def summary(seconds: float, tokens: int, rounds: list[Round]) -> dict[str, float]:
    """Bias and spread in percent; every window against the truth of its own round."""
    row = {
        "seconds": seconds,
        "tokens": tokens,
        "windows": sum(len(part.single_j["aligned"]) for part in rounds),
        "truth_j": statistics.mean(part.series_j for part in rounds),
        "row_j": statistics.mean(value for part in rounds for value in part.row_j),
        "apart_percent": 100 * statistics.mean(part.series_j / statistics.mean(part.row_j) - 1 for part in rounds),
        "waiting_w": statistics.mean(part.waiting_w for part in rounds),
        "single_s": statistics.mean(value for part in rounds for value in part.single_s),
        "row_s": statistics.mean(value for part in rounds for value in part.row_s),
    }
    row["single_s_spread_percent"] = 100 * statistics.stdev(value for part in rounds for value in part.single_s) / row["single_s"]
    for edges in ("aligned", "plain"):
        off = [100 * (value / part.series_j - 1) for part in rounds for value in part.single_j[edges]]
        row |= {f"{edges}_bias_percent": statistics.mean(off), f"{edges}_spread_percent": statistics.stdev(off)}
    return row


def responses(loop: str) -> Callable[[int], None]:
    """A function that answers with so many tokens."""
    import torch

    from prompt_joules.bench.engines.base import Sampling
    from prompt_joules.bench.engines.compiled.decode import StaticDecoder

    decoder = StaticDecoder(random_llama(LLAMA_1B), Sampling(temperature=0))
    prompt = torch.randint(5, 1000, (1, 64), device="cuda")
    decoder.prepare(1, SLOTS)
    (buffers,) = decoder._held.values()

    def host(tokens: int) -> None:
        decoder.generate(prompt, torch.ones_like(prompt), tokens, frozenset(), seed=0)
        torch.cuda.synchronize()

    def queued(tokens: int) -> None:
        with torch.inference_mode():
            for place in (buffers.slot, buffers.position, buffers.visible):
                place.zero_()
        for _ in range(tokens):
            buffers.steps[-1].graph.replay()
        torch.cuda.synchronize()

    return host if loop == "host" else queued


def main() -> None:
    """Print a line for each response time, and write all windows as JSON where asked."""
    import torch

    from prompt_joules.bench.meter.opening import open_meter

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, action="append", help="response time in s; repeat it for several. Default: all")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--loop", choices=("queued", "host"), default="queued")
    options = parser.parse_args()
    answer = responses(options.loop)
    answer(512)
    rate = 512 / timed(lambda: answer(512))
    meters: dict[str, Any] = {
        name: open_meter("cuda", "plain" if name == "plain" else "aligned") for name in ("aligned", "plain", "series")
    }
    warm = Round(0.0)
    in_a_row(meters["aligned"], lambda: answer(512), 512 / rate, warm)
    wanted = options.seconds or list(WINDOWS)
    found: dict[float, list[Round]] = {seconds: [] for seconds in wanted}
    tokens = {seconds: max(2, round(seconds * rate)) for seconds in wanted}
    for _ in range(options.rounds):
        for seconds in wanted:
            found[seconds].append(one_round(meters, lambda seconds=seconds: answer(tokens[seconds]), seconds))  # type: ignore[misc]
            row = summary(seconds, tokens[seconds], found[seconds])
            print(json.dumps({key: round(value, 4) for key, value in row.items()}), flush=True)
            if options.out:
                kept = [{"seconds": each, "rounds": [vars(part) for part in parts]} for each, parts in found.items()]
                lines = [summary(each, tokens[each], parts) for each, parts in found.items() if parts]
                text = json.dumps({"gpu": torch.cuda.get_device_name(), "loop": options.loop, "rows": lines, "windows": kept}, indent=1)
                write_atomically(options.out, f"{text}\n".encode())


if __name__ == "__main__":
    main()
