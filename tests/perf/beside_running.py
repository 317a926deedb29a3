"""Clients in turns on a server that runs already: what `python -m tests.perf.beside --base-url URL` does.

The clients are AIPerf, ours, and ours without one of the things that it does beside the requests (`OURS`). Every turn sends the same
prompts with the same fields and `ignore_eos`, so that all answers are of one length. A round is one turn of each client in random order, at
one level after the other; a first turn of ours at each level is not counted, so that no client meets a server that is cold, or prefixes
that only another one finds in its cache. Every turn is kept as soon as it has ended, and a stop or an error loses the turn in hand alone.

What a turn takes beside its answers is told after each. AIPerf starts a process for each of its parts (six, and workers by level and cores)
that loads its packages, and at the first turn loads the tokenizer and the payloads, which it then keeps in a cache in HOME. Its own way to
repeat (`--num-profile-runs`) starts all of them again, and turns of one client one after the other are no pairs.
"""

import asyncio
import contextlib
import json
import math
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import polars as pl
from rich.console import Console

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
from tests.perf.beside_ratios import TIMES, known, whole


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
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Taken out of AIPerf's environment: with one of them set, 0.13 takes a folder for a name on the Hub and refuses it."""
FIRST_LOOK = 4
"""Rounds before an interval is looked at; there are further looks at twice as many, and so on."""
ENDS_S = 5.0
"""What AIPerf and its processes have to end in when they are told to."""
Answer = tuple[float, float, float]


@dataclass(frozen=True)
class Asked:
    """What every turn asks of the server.

    Attributes:
        address: of the server, without `/v1`.
        model: the server's name for it.
        tokenizer: a folder, for AIPerf, which loads one even where it counts by the server's `usage`.
        program: AIPerf; None where it takes no turn.
        prompts: how many of the set, as instruct.
        tokens: of every answer.
        prompt_set: `default`, the shipped ones, or a JSONL file.
    """

    address: str
    model: str
    tokenizer: Path | None
    program: str | None
    prompts: int
    tokens: int
    prompt_set: str = "default"

    def config(self, at_once: int, folder: Path) -> RunConfig:
        """Our run. Random weights are what `ignore_eos` is sent for; no row of it is kept."""
        options: dict[str, Any] = {"engine": "openai", "base_url": f"{self.address}/v1", "task": ("instruct",), "limit": self.prompts}
        options |= {"prompts": self.prompt_set, "temperature": 0.0, "max_new_tokens": self.tokens, "dummy_weights": True, "warmup": 0}
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
    """A turn of our client: its answers, and what AIPerf does not say. Raises BenchError: an answer failed. KeyboardInterrupt: a stop."""
    with contextlib.ExitStack() as changed:
        if not how.meter:
            changed.enter_context(mock.patch.object(served, "meter_of", lambda *_: AbsentMeter("a turn without the meter")))
        if how.poll_s is not None:
            changed.enter_context(mock.patch.object(traffic, "_POLL_S", how.poll_s))
        if not how.metrics:
            changed.enter_context(mock.patch.object(server_facts, "SAMPLED_S", math.inf))
        status = run_served(asked.config(at_once, folder / "rows"), Console(quiet=True))
    if status == 128 + signal.SIGINT:
        raise KeyboardInterrupt
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
    done = ended([str(asked.program), *words, "--artifact-dir", str(folder / "aiperf")])
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


def ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run AIPerf, in a group of its own: a stop of ours ends all of its processes, and none of them hears of Ctrl-C by itself."""
    own: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    with subprocess.Popen(command, start_new_session=True, **own) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(ENDS_S)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def turn(answers: list[Answer], tokens: list[int]) -> dict[str, Any]:
    """The times of a turn (ms) with their medians, and how many requests and tokens there were."""
    columns = zip(*answers, strict=True)
    return {
        "requests": len(answers),
        "output_tokens": sum(tokens),
        "median": {name: round(statistics.median(column), 4) for name, column in zip(TIMES, columns, strict=True)},
        "answers": [[round(value, 4) for value in each] for each in answers],
    }


@dataclass(frozen=True)
class Plan:
    """How many turns there are, and when there are no more.

    Attributes:
        rounds: turns of each client at a level, at most.
        seed: of the order within each round.
        seconds: no round is begun at a level that would end later than this after the start, if it took what the last one took.
        until: names of times; a level has no more rounds once a look shows or refuses an agreement in all of them. (): all rounds.
    """

    rounds: int = 5
    seed: int = 0
    seconds: float = math.inf
    until: tuple[str, ...] = ()

    @property
    def looks(self) -> tuple[int, ...]:
        """The rounds after which an interval is looked at; the last is after all."""
        early: list[int] = []
        while self.until and FIRST_LOOK * 2 ** len(early) < self.rounds:
            early.append(FIRST_LOOK * 2 ** len(early))
        return (*early, self.rounds)


def turns(
    asked: Asked,
    levels: list[int],
    clients: Sequence[str] = DEFAULT_CLIENTS,
    plan: Plan = Plan(),
    keep: Callable[[dict[str, Any]], object] = len,
) -> dict[str, Any]:
    """The clients in turns at every level, and what they ran with.

    Args:
        levels: requests at once.
        clients: of `CLIENTS`; the others are compared with the first.
        plan: how many turns.
        keep: gets what is done so far, the same dict after every turn.

    Raises:
        BenchError: a request failed, and KeyboardInterrupt; `keep` has had the turns before.
    """
    begun_s, facts, order = time.perf_counter(), facts_of(asked), random.Random(plan.seed)
    made = about(asked, facts, clients, plan)
    took: dict[int, float] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for place in range(plan.rounds):
            for at_once in levels:
                if known(made, at_once, plan.until):
                    continue
                round_s = time.perf_counter()
                if round_s - begun_s + took.get(at_once, max(took.values(), default=0.0)) > plan.seconds:
                    return made | {"ended": f"no time for another round at {at_once} at once within {plan.seconds:g} s"}
                if place == 0:
                    warm = Path(name) / f"{at_once}-warm-up"
                    warm.mkdir()
                    say(begun_s, round_s, at_once, "warm-up", ours(asked, at_once, warm))
                    round_s = time.perf_counter()
                for client in order.sample(clients, len(clients)):
                    folder, turn_s, how = Path(name) / f"{at_once}-{place}-{CLIENTS.index(client)}", time.perf_counter(), OURS.get(client)
                    folder.mkdir()
                    seen = ours(asked, at_once, folder, how) if how else aiperf(asked, dialect_of(facts.owner), at_once, folder)
                    its = {"seconds": round(time.perf_counter() - turn_s, 3)}
                    made["turns"].append({"client": client, "at_once": at_once, "round": place, **its, **seen})
                    say(begun_s, turn_s, at_once, f"round {place + 1} of {plan.rounds}, {client}", seen)
                    keep(made)
                took[at_once] = time.perf_counter() - round_s
    return made | {"ended": "all rounds" if all(len(whole(made, level)) == plan.rounds for level in levels) else "known"}


def about(asked: Asked, facts: ServerFacts, clients: Sequence[str], plan: Plan) -> dict[str, Any]:
    """What the turns run with, before the first of them."""
    versions = {"protocol": SERVED_HARNESS_VERSION, "httpx": httpx.__version__, "python": platform.python_version()}
    if AIPERF in clients:
        told = subprocess.run([str(asked.program), "--version"], check=False, capture_output=True, text=True, env=environment())
        versions["aiperf"] = told.stdout.strip()
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": facts.version or facts.owner,
        "model": asked.model,
        "prompts": asked.prompts,
        "prompt_set": Path(asked.prompt_set).stem,
        "tokens": asked.tokens,
        "seed": plan.seed,
        "looks": list(plan.looks),
        "versions": versions,
        "times": list(TIMES),
        "clients": list(clients),
        "turns": [],
    }


def say(begun_s: float, turn_s: float, at_once: int, what: str, seen: dict[str, Any]) -> None:
    """One line a turn on stderr: what it took, what its answers took of that, and its medians."""
    now_s, columns = time.perf_counter(), dict(zip(TIMES, zip(*seen["answers"], strict=True), strict=True))
    answers_s = sum(columns["latency_ms"]) / 1000 / min(at_once, seen["requests"])
    medians = ", ".join(f"{name.removesuffix('_ms')} {value:.2f} ms" for name, value in seen["median"].items())
    print(
        f"{now_s - begun_s:6.1f} s: {at_once} at once, {what}: {now_s - turn_s:.1f} s, answers {answers_s:.1f} s; {medians}",
        file=sys.stderr,
        flush=True,
    )
