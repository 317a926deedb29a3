"""Two clients on one server: `python -m tests.perf.clients --aiperf PATH` prints what AIPerf and ours say of the same pieces.

The server is ours, writes 100 tokens with a pause before each, and notes when it did: a busy machine stretches its pauses, so each client
is compared with what the server did for it. AIPerf is installed elsewhere (`python -m venv D; D/bin/pip install aiperf`), because its
packages are not the project's.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import polars as pl
from rich.console import Console
from starlette.responses import StreamingResponse

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run.served import run_served
from tests.fake_server import FakeServer, event
from tests.tiny_models import byte_tokenizer

TOKENS = 100
FIGURES = {"time_to_first_token": "TTFT", "request_latency": "latency", "inter_token_latency": "ITL"}


class Paced:
    """Answers of 100 tokens, and the times of each, ms, by AIPerf's names.

    Args:
        pause_s: before each piece.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._times: list[dict[str, float]] = []

    def __call__(self, body: dict[str, object], number: int) -> StreamingResponse:
        """A response; see `tests.fake_server.Behaviour`."""
        return StreamingResponse(self._send(), media_type="text/event-stream")

    async def _send(self) -> AsyncIterator[str]:
        begun_s = first_s = time.perf_counter()
        for place in range(TOKENS):
            await asyncio.sleep(self._pause_s)
            first_s = time.perf_counter() if place == 0 else first_s
            yield event("a")
        last_s = time.perf_counter()
        yield event(finish="length") + event(usage=(7, TOKENS), choices=False) + "data: [DONE]\n\n"
        times = (first_s - begun_s, last_s - begun_s, (last_s - first_s) / (TOKENS - 1))
        self._times.append({name: 1000 * value for name, value in zip(FIGURES, times, strict=True)})

    def medians(self) -> dict[str, float]:
        """Of the answers since the last call."""
        times, self._times = self._times, []
        return {name: statistics.median(row[name] for row in times) for name in FIGURES}


def aiperf(program: str, address: str, requests: int, at_once: int, folder: Path) -> dict[str, float]:
    """AIPerf's medians, in ms, by its own names."""
    byte_tokenizer().save_pretrained(folder / "tokenizer")
    words = ["profile", "--model", "fake-1b", "--url", address, "--endpoint-type", "chat", "--streaming", "--use-legacy-max-tokens"]
    words += ["--concurrency", str(at_once), "--request-count", str(requests), "--tokenizer", str(folder / "tokenizer")]
    words += ["--synthetic-input-tokens-mean", "10", "--output-tokens-mean", str(TOKENS), "--ui", "none"]
    subprocess.run([program, *words, "--artifact-dir", str(folder / "aiperf")], check=True, capture_output=True)
    lines = (folder / "aiperf" / "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line)["metrics"] for line in lines]
    return {name: statistics.median(row[name]["value"] for row in metrics) for name in FIGURES}


def ours(address: str, requests: int, at_once: int, folder: Path) -> dict[str, float]:
    """The same of our rows."""
    config = RunConfig("fake-1b", engine="openai", base_url=address, concurrency=at_once, limit=requests, max_new_tokens=TOKENS, out=folder)
    run_served(config, Console(quiet=True))
    rows = pl.read_parquet(folder / "*" / "part-*.parquet")
    times = rows.select(pl.col("ttft_s").median(), pl.col("latency_s").median(), pl.col("itl_s").list.mean().median()).row(0)
    return {name: 1000 * value for name, value in zip(FIGURES, times, strict=True)}


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aiperf", required=True, help="the program")
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--pause-ms", type=float, default=30.0)
    options = parser.parse_args()
    paced = Paced(options.pause_ms / 1000)
    server = FakeServer(paced)
    server.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            theirs = aiperf(options.aiperf, server.url, options.requests, options.at_once, Path(name)), paced.medians()
            print("AIPerf, seen and sent:", *theirs, file=sys.stderr, flush=True)
            own = ours(server.url, options.requests, options.at_once, Path(name) / "ours"), paced.medians()
    finally:
        server.stop()
    for figure, words in FIGURES.items():
        said = [f"{client} {seen[figure]:.2f} of {sent[figure]:.2f} ms" for client, (seen, sent) in {"AIPerf": theirs, "ours": own}.items()]
        apart = own[0][figure] / own[1][figure] / (theirs[0][figure] / theirs[1][figure]) - 1
        print(f"{words}: {', '.join(said)}: {100 * apart:+.2f} %")


if __name__ == "__main__":
    main()
