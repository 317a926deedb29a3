"""Are the joules of one response true? One response, repeated in one long window, against the same response measured
one by one.

    python -m tests.perf.truth [--out FILE.json] [--seconds 0.5 --seconds 5]

A greedy response of a fixed number of tokens costs the same energy every time. For each response time the script
measures a long window of back-to-back repetitions, then single windows with plain and with aligned edges in turn, then
the long window again. The truth is the mean of the two long windows, so that linear drift cancels. Bias is the mean of
the single windows against it, spread their standard deviation. `--rounds` repeats the whole, so that truth and windows
take turns more often; windows are then compared with the truth of their own round. Needs an NVIDIA GPU with an energy counter; takes about
five minutes.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tests.perf.shapes import LLAMA_1B, random_llama

SECONDS = {0.25: 18, 0.5: 18, 1.0: 12, 2.0: 6, 5.0: 3}
LONG_WINDOW_S = 15.0


def joules(meter: object, work: Callable[[], None], repeats: int = 1) -> float:
    """Energy in J of one repetition, from one window around `repeats` of them."""
    meter.begin()  # type: ignore[attr-defined]
    for _ in range(repeats):
        work()
    reading = meter.end()  # type: ignore[attr-defined]
    if reading.energy_j is None:
        raise SystemExit(f"no energy reading: {reading.reason}")
    return float(reading.energy_j) / repeats


def one_duration(
    seconds: float, rate: float, answer: Callable[[int], None], meters: dict[str, object], windows: int, rounds: int
) -> dict[str, float]:
    """Bias and spread (percent of the truth) of single windows of about `seconds`, per kind of edges."""
    tokens = max(2, round(seconds * rate))
    repeats = max(1, round(LONG_WINDOW_S / rounds / seconds))
    answer(tokens)  # allocates and captures what this length needs, unmeasured
    truths = [joules(meters["aligned"], lambda: answer(tokens), repeats)]
    ratios: dict[str, list[float]] = {"plain": [], "aligned": []}
    for _ in range(rounds):
        singles: dict[str, list[float]] = {"plain": [], "aligned": []}
        for _ in range(math.ceil(windows / rounds)):
            for edges, values in singles.items():
                values.append(joules(meters[edges], lambda: answer(tokens)))
        truths.append(joules(meters["aligned"], lambda: answer(tokens), repeats))
        truth = (truths[-2] + truths[-1]) / 2
        for edges, values in singles.items():
            ratios[edges] += [100 * (value / truth - 1) for value in values]
    row = {
        "seconds": seconds,
        "tokens": tokens,
        "windows": len(ratios["plain"]),
        "rounds": rounds,
        "truth_j": statistics.mean(truths),
        "drift_percent": 100 * (truths[-1] / truths[0] - 1),
    }
    for edges, percents in ratios.items():
        row[f"{edges}_bias_percent"] = statistics.mean(percents)
        row[f"{edges}_spread_percent"] = statistics.stdev(percents)
    return row


def main() -> None:
    """Print a table, and write it as JSON where asked."""
    import torch

    from bench.engines.static_decode import Sampling, StaticDecoder
    from bench.meter import open_meter

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, action="append", help="response time in s; repeat it for several. Default: all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    decoder = StaticDecoder(random_llama(LLAMA_1B), Sampling(temperature=0))
    prompt = torch.randint(5, 1000, (1, 64), device="cuda")

    def answer(tokens: int) -> None:
        decoder.generate(prompt, torch.ones_like(prompt), tokens, frozenset(), seed=0)
        torch.cuda.synchronize()

    answer(512)
    start = time.perf_counter()
    answer(512)
    rate = 512 / (time.perf_counter() - start)
    meters: dict[str, object] = {edges: open_meter("cuda", edges) for edges in ("plain", "aligned")}
    joules(meters["aligned"], lambda: answer(512), 20)
    rows = []
    for seconds in options.seconds or SECONDS:
        rows.append(one_duration(seconds, rate, answer, meters, SECONDS.get(seconds, 6), options.rounds))
        print(json.dumps({key: round(value, 3) for key, value in rows[-1].items()}), flush=True)
    if options.out:
        options.out.write_text(json.dumps({"gpu": torch.cuda.get_device_name(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
