"""Clients in turns on a server that runs already: what `python -m tests.perf.beside --base-url URL` does.

The clients are AIPerf, ours, and ours without one of the things that it does beside the requests (`OURS`). Every turn sends the same
prompts with the same fields and `ignore_eos`, so that all answers are of one length. A round is one turn of each client in random order; a
first turn of ours at each level is not counted, so that no client meets a server that is cold, or prefixes that only another one finds in
its cache.

Such a server keeps no log of its own to compare with. The medians of two clients' turns of one round are divided, and the mean of the
logarithms has a t interval over rounds: what drifts from round to round is in both turns.
"""

import asyncio
import contextlib
import json
import math
import os
import platform
import random
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import polars as pl
from rich.console import Console
from scipy.stats import t as student

from prompt_joules.bench import SERVED_HARNESS_VERSION, errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines import server_facts
from prompt_joules.bench.engines.openai import request_body
from prompt_joules.bench.engines.server_facts import ServerFacts, describe, dialect_of
from prompt_joules.bench.meter.opening import AbsentMeter
from prompt_joules.bench.prompts.sets import load_prompts
from prompt_joules.bench.run import served, traffic
from prompt_joules.bench.run.job import choose_prompts
from prompt_joules.bench.run.served import client_of, run_served
from prompt_joules.bench.tasks import TASKS


@dataclass(frozen=True)
class Ours:
    """Our client with or without what it does beside the requests."""

    meter: bool = True  # reads the energy counter of all GPUs
    poll_s: float | None = None  # pause between two readings; None: as it is
    metrics: bool = True  # asks the server for `/metrics` every second


AIPERF = "AIPerf"
OURS = {
    "ours": Ours(),
    "ours, no meter": Ours(meter=False),
    "ours, meter every 50 ms": Ours(poll_s=0.05),
    "ours, no /metrics": Ours(metrics=False),
    "ours, requests alone": Ours(meter=False, metrics=False),
}
CLIENTS = (AIPERF, *OURS)
DEFAULT_CLIENTS = (AIPERF, "ours", "ours, no meter")
AGREE = 0.02
"""Two clients agree when the whole interval of their ratio lies this near to 1."""
TIMES = {"ttft_ms": "time_to_first_token", "itl_ms": "inter_token_latency", "latency_ms": "request_latency"}
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Taken out of AIPerf's environment: with one of them set, 0.13 takes a folder for a name on the Hub and refuses it."""
Answer = tuple[float, float, float]


@dataclass(frozen=True)
class Asked:
    """What every turn asks of the server.

    Attributes:
        address: of the server, without `/v1`.
        model: the server's name for it.
        tokenizer: a folder, for AIPerf, which loads one even where it counts by the server's `usage`.
        program: AIPerf; None where it takes no turn.
        prompts: how many of the shipped ones, as instruct.
        tokens: of every answer.
    """

    address: str
    model: str
    tokenizer: Path | None
    program: str | None
    prompts: int
    tokens: int

    def config(self, at_once: int, folder: Path) -> RunConfig:
        """Our run. Random weights are what `ignore_eos` is sent for; no row of it is kept."""
        options: dict[str, Any] = {"engine": "openai", "base_url": f"{self.address}/v1", "task": ("instruct",), "limit": self.prompts}
        options |= {"temperature": 0.0, "max_new_tokens": self.tokens, "dummy_weights": True, "warmup": 0}
        return RunConfig(self.model, concurrency=at_once, out=folder, **options)


def environment() -> dict[str, str]:
    """AIPerf's environment. With a folder as its tokenizer it asks nobody, without these variables."""
    return {name: value for name, value in os.environ.items() if name not in OFFLINE}


def facts_of(asked: Asked) -> ServerFacts:
    """What the server says of itself. Raises RequestFailed: it is not there."""

    async def asking() -> ServerFacts:
        async with client_of(f"{asked.address}/v1/", 8) as client:
            return await describe(client)

    return asyncio.run(asking())


def ours(asked: Asked, at_once: int, folder: Path, how: Ours = OURS["ours"]) -> dict[str, Any]:
    """A turn of our client: its answers, and what AIPerf does not say. Raises BenchError: an answer failed."""
    with contextlib.ExitStack() as changed:
        if not how.meter:
            changed.enter_context(mock.patch.object(served, "meter_of", lambda *_: AbsentMeter("a turn without the meter")))
        if how.poll_s is not None:
            changed.enter_context(mock.patch.object(traffic, "_POLL_S", how.poll_s))
        if not how.metrics:
            changed.enter_context(mock.patch.object(server_facts, "SAMPLED_S", math.inf))
        status = run_served(asked.config(at_once, folder / "rows"), Console(quiet=True))
    rows = pl.read_parquet(folder / "rows" / "*" / "part-*.parquet").sort("sequence")
    failed = rows.filter(pl.col("status") != "ok")
    if status or not failed.is_empty():
        raise errors.BenchError(f"our client, {at_once} at once: {failed['reason'].to_list()[:1] or status}")
    gap = ((pl.col("latency_s") - pl.col("ttft_s")) / (pl.col("output_tokens") - 1)).alias("gap_s")
    told = rows.select("ttft_s", gap, "latency_s")
    ended = (rows["stream_end_s"] - rows["latency_s"]).drop_nulls().to_list()
    return turn([tuple(1000 * value for value in row) for row in told.iter_rows()], rows["output_tokens"].to_list()) | {  # type: ignore[misc]
        "stream_end_after_latency_ms": round(1000 * statistics.median(ended), 4) if ended else None,
        "cached_tokens": int(rows["cached_tokens"].sum()) if rows["cached_tokens"].count() else None,
    }


def aiperf(asked: Asked, dialect: str | None, at_once: int, folder: Path) -> dict[str, Any]:
    """A turn of AIPerf with the same payloads. Raises BenchError: it failed, or an answer did."""
    config = asked.config(at_once, folder)
    prompts = choose_prompts(load_prompts(config.prompts), asked.prompts).prompts
    fields: dict[str, Any] = {"fixed_length": True, "dialect": dialect}
    bodies = (request_body(asked.model, TASKS["instruct"], each.text, None, config.sampling, **fields) for each in prompts)
    payloads = folder / "payloads.jsonl"
    payloads.write_text("".join(f"{json.dumps(body)}\n" for body in bodies), encoding="utf-8")
    words = ["profile", "--model", asked.model, "--url", asked.address, "--endpoint-type", "chat", "--streaming", "--ui", "none"]
    words += ["--concurrency", str(at_once), "--request-count", str(asked.prompts), "--tokenizer", str(asked.tokenizer)]
    words += ["--input-file", str(payloads), "--custom-dataset-type", "raw-payload", "--use-server-token-count"]
    words += ["--dataset-sampling-strategy", "sequential", "--no-gpu-telemetry", "--no-server-metrics", "--no-auto-plot"]
    done = subprocess.run(
        [str(asked.program), *words, "--artifact-dir", str(folder / "aiperf")],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
    )
    kept = folder / "aiperf" / "profile_export.jsonl"
    if done.returncode or not kept.is_file():
        raise errors.BenchError(f"AIPerf, {at_once} at once, ended with {done.returncode}: {(done.stderr or done.stdout)[-3000:]}")
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    failed = [line["error"] for line in lines if line.get("error")]
    if failed or len(lines) != asked.prompts:
        raise errors.BenchError(f"AIPerf, {at_once} at once: {len(lines)} of {asked.prompts} requests, {len(failed)} failed: {failed[:1]}")
    metrics = [line["metrics"] for line in lines]
    answers = [tuple(each[name]["value"] for name in TIMES.values()) for each in metrics]
    return turn(answers, [int(each["usage_completion_tokens"]["value"]) for each in metrics])  # type: ignore[arg-type]


def turn(answers: list[Answer], tokens: list[int]) -> dict[str, Any]:
    """The times of a turn (ms) with their medians, and how many requests and tokens there were."""
    columns = zip(*answers, strict=True)
    return {
        "requests": len(answers),
        "output_tokens": sum(tokens),
        "median": {name: round(statistics.median(column), 4) for name, column in zip(TIMES, columns, strict=True)},
        "answers": [[round(value, 4) for value in each] for each in answers],
    }


def turns(asked: Asked, levels: list[int], clients: Sequence[str] = DEFAULT_CLIENTS, rounds: int = 5, seed: int = 0) -> dict[str, Any]:
    """The clients in turns at every level, and what they ran with.

    Args:
        levels: requests at once.
        clients: of `CLIENTS`; the others are compared with the first.
        rounds: turns of each client at a level.
        seed: of the order within each round.
    """
    facts, order = facts_of(asked), random.Random(seed)
    found = []
    with tempfile.TemporaryDirectory() as name:
        for at_once in levels:
            warm = Path(name) / f"{at_once}-warm-up"
            warm.mkdir()
            ours(asked, at_once, warm)
            for place in range(rounds):
                for client in order.sample(clients, len(clients)):
                    folder = Path(name) / f"{at_once}-{place}-{CLIENTS.index(client)}"
                    folder.mkdir()
                    how = OURS.get(client)
                    seen = ours(asked, at_once, folder, how) if how else aiperf(asked, dialect_of(facts.owner), at_once, folder)
                    found.append({"client": client, "at_once": at_once, "round": place, **seen})
    versions = {"protocol": SERVED_HARNESS_VERSION, "httpx": httpx.__version__, "python": platform.python_version()}
    if AIPERF in clients:
        told = subprocess.run([str(asked.program), "--version"], check=False, capture_output=True, text=True, env=environment())
        versions["aiperf"] = told.stdout.strip()
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": facts.version or facts.owner,
        "model": asked.model,
        "prompts": asked.prompts,
        "tokens": asked.tokens,
        "seed": seed,
        "versions": versions,
        "times": list(TIMES),
        "clients": list(clients),
        "turns": found,
    }


@dataclass(frozen=True)
class Ratio:
    """One client's times over another's, less 1: the mean over rounds and the ends of its 95 % interval (None where there is one round)."""

    mean: float
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """Whether the clients agree within `AGREE`: shown, refused, or open where the interval allows both."""
        if self.low is None or self.high is None:
            return "open"
        if self.low >= -AGREE and self.high <= AGREE:
            return "shown"
        return "refused" if self.low > AGREE or self.high < -AGREE else "open"


def ratio(ours_of: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Medians of turns, paired by round, > 0: the geometric mean of their ratios with a t interval of 95 %."""
    logs = [math.log(a / b) for a, b in zip(ours_of, theirs, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return Ratio(math.expm1(mean), None, None)
    half = float(student.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return Ratio(math.expm1(mean), math.expm1(mean - half), math.expm1(mean + half))


def compared(made: dict[str, Any]) -> dict[tuple[str, int, str], Ratio]:
    """By client, level and name of a time: every client but the first over the first."""
    base, *others = made["clients"]
    levels = dict.fromkeys(turn["at_once"] for turn in made["turns"])
    return {
        (client, level, name): ratio(_medians(made, client, level, name), _medians(made, base, level, name))
        for level in levels
        for client in others
        for name in TIMES
    }


def _medians(made: dict[str, Any], client: str, level: int, name: str) -> list[float]:
    """Of a client's turns at a level, by round."""
    its = [turn for turn in made["turns"] if (turn["client"], turn["at_once"]) == (client, level)]
    return [turn["median"][name] for turn in sorted(its, key=lambda turn: turn["round"])]


def table(made: dict[str, Any]) -> list[str]:
    """The rows of a table: medians of each turn (ms) by round, then each client over the first with its interval."""
    ratios, base = compared(made), made["clients"][0]
    lines = []
    for level in dict.fromkeys(turn["at_once"] for turn in made["turns"]):
        for client in made["clients"]:
            cells = [", ".join(f"{median:.2f}" for median in _medians(made, client, level, name)) for name in TIMES]
            lines.append("| " + " | ".join([client, str(level), *cells]) + " |")
        for client in made["clients"][1:]:
            cells = [_words(ratios[client, level, name]) for name in TIMES]
            lines.append("| " + " | ".join([f"{client} over {base}", str(level), *cells]) + " |")
    return lines


def verdicts(made: dict[str, Any]) -> list[str]:
    """One line a comparison: whether it agrees within `AGREE`."""
    base = made["clients"][0]
    return [
        f"{client} over {base}, {level} at once, {name}: within {AGREE:.0%} is {its.verdict}"
        for (client, level, name), its in compared(made).items()
    ]


def _words(its: Ratio) -> str:
    ends = "" if its.low is None or its.high is None else f" ({percent(its.low)} to {percent(its.high)})"
    return percent(its.mean) + ends


def percent(share: float) -> str:
    """A share less 1 with its sign, in percent."""
    return f"{100 * share:+.1f} %".replace("-", "−").replace("−0.0", "0.0").replace("+0.0", "0.0")
