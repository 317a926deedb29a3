"""Whether the meter delays our own reading of a stream: `python -m tests.perf.client_delay`.

Prints one line a way and level, of the turns so far where it is stopped; no GPU is needed. The server, in a process of its own, writes
into each token when it sent it. A token's delay is how much later it was read than the quickest token of its answer was, both since they
were sent. The counter is a stand-in whose readings take as long as asked for and let other threads run meanwhile, as NVML's do. What a
meter does to a server on a GPU is for `python -m tests.perf.beside --base-url`.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
from rich.console import Console
from starlette.responses import StreamingResponse

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.interrupt import terminated
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.opening import AbsentMeter
from prompt_joules.bench.run import served
from tests.fake_server import FakeServer, event

STEP_S, POWER_W = 0.1, 300.0


class StandIn:
    """A counter that moves every 100 ms and takes `read_s` to be read."""

    source = "stand-in"
    gpu_models = ("none",)

    def __init__(self, read_s: float) -> None:
        self._read_s = read_s

    def read_j(self) -> tuple[float, ...]:
        """J; the thread sleeps meanwhile."""
        time.sleep(self._read_s)
        return (time.perf_counter() // STEP_S * STEP_S * POWER_W,)


def serve(pipe: Connection, tokens: int, pause_s: float) -> None:
    """Run the server until the pipe says so; sends its address first."""

    async def send() -> AsyncIterator[str]:
        for _ in range(tokens):
            await asyncio.sleep(pause_s)
            yield event(f"{time.perf_counter():.6f} ")
        yield event(finish="length") + event(usage=(7, tokens), choices=False) + "data: [DONE]\n\n"

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both processes: the client has answers to finish
    server = FakeServer(lambda body, number: StreamingResponse(send(), media_type="text/event-stream"))
    server.start()
    pipe.send(server.url)
    pipe.recv()
    server.stop()


@contextmanager
def server_of(tokens: int, pause_s: float) -> Any:
    """The address of a server in its own process."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(there, tokens, pause_s), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send(None)
        process.join(10)


def delays_s(sent_s: list[float], gaps_s: list[float]) -> list[float]:
    """Of each token of an answer, from when they were sent and the gaps between their readings."""
    later = [read - sent for read, sent in zip(itertools.accumulate(gaps_s, initial=0.0), sent_s, strict=True)]
    return [each - min(later) for each in later]


def turn(address: str, read_s: float | None, at_once: int, requests: int, tokens: int, folder: Path) -> tuple[list[float], float]:
    """The delays of all tokens (s) of one run, and its ITL over the server's; `read_s` None is without a meter.

    Raises KeyboardInterrupt: it was stopped.
    """
    config = RunConfig(
        "fake-1b", engine="openai", base_url=address, concurrency=at_once, limit=requests, max_new_tokens=tokens, out=folder, warmup=0
    )
    meter = AbsentMeter("a turn without a meter") if read_s is None else CounterMeter(StandIn(read_s))
    with mock.patch.object(served, "meter_of", lambda *_: meter):
        if served.run_served(config, Console(quiet=True)) == 128 + signal.SIGINT:
            raise KeyboardInterrupt
    found, ours_s, its_s = [], 0.0, 0.0
    for text, gaps_s in pl.read_parquet(folder / "*" / "part-*.parquet").select("output_text", "itl_s").iter_rows():
        if gaps_s is None:
            continue  # two pieces of one reading would be told apart by nothing
        sent_s = [float(word) for word in text.split()]
        found += delays_s(sent_s, gaps_s)
        ours_s, its_s = ours_s + sum(gaps_s), its_s + sent_s[-1] - sent_s[0]
    return found, ours_s / its_s


def lines(at_once: int, delays: dict[float | None, list[float]], ratios: dict[float | None, list[float]]) -> list[str]:
    """Delays (ms) of all turns of a way, and the ITL of each over the server's, less 1; a line for each way that had a turn."""
    found = []
    for way in (way for way in delays if delays[way]):
        told = "no meter" if way is None else f"a reading takes {1000 * way:g} ms"
        half, most, top = np.percentile(delays[way], [50, 99, 100]) * 1000
        its = ", ".join(f"{100 * (ratio - 1):+.2f} %" for ratio in ratios[way])
        found.append(f"{at_once:3d} at once, {told:24s} delay median {half:.3f}, p99 {most:.2f}, max {top:.1f} ms; ITL {its}")
    return found


def level(at_once: int, ways: list[float | None], options: argparse.Namespace, order: random.Random, folder: Path) -> None:
    """All turns at a level. Prints its lines, of the turns before a stop or an error too."""
    delays: dict[float | None, list[float]] = {way: [] for way in ways}
    ratios: dict[float | None, list[float]] = {way: [] for way in ways}
    try:
        with server_of(options.tokens, options.pause_ms / 1000 * at_once**0.5) as address:
            for place in range(options.turns):
                for way in order.sample(ways, len(ways)):
                    begun_s, own = time.perf_counter(), folder / f"{at_once}-{place}-{way}"
                    found, ratio = turn(address, way, at_once, max(10, 2 * at_once), options.tokens, own)
                    delays[way] += found
                    ratios[way].append(ratio)
                    took = f"{time.perf_counter() - begun_s:.1f} s"
                    print(f"{at_once} at once, turn {place + 1} of {options.turns}, way {way}: {took}", file=sys.stderr, flush=True)
    finally:
        for line in lines(at_once, delays, ratios):
            print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Returns 130 where it was stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--read-ms", type=float, nargs="+", default=[0.1, 1.0], help="what a reading of the counter takes")
    parser.add_argument("--pause-ms", type=float, default=1.4, help="before each token, at 1 at once; times the square root of the level")
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args(arguments)
    ways = [None, *(read / 1000 for read in options.read_ms)]
    order = random.Random(0)
    try:
        with terminated(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            for at_once in options.at_once:
                level(at_once, ways, options, order, Path(name))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
