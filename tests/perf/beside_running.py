"""AIPerf and our client in turns on a server that runs already: what `python -m tests.perf.beside --base-url URL` does.

Every turn sends the same prompts with the same fields and `ignore_eos`, so that all answers are of one length. Such a server
keeps no log of its own to compare with: each client's medians of all requests stand beside the other's. A first turn of ours at
each level is not counted, so that no client meets a server that is cold, or prefixes that only the other one finds in its cache.
"""

import asyncio
import json
import os
import platform
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from rich.console import Console

from prompt_joules.bench import SERVED_HARNESS_VERSION, errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.openai import request_body
from prompt_joules.bench.engines.server_facts import ServerFacts, describe, dialect_of
from prompt_joules.bench.prompts.sets import load_prompts
from prompt_joules.bench.run.job import choose_prompts
from prompt_joules.bench.run.served import client_of, run_served
from prompt_joules.bench.tasks import TASKS

TURNS = ("AIPerf", "ours", "ours", "AIPerf")
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
        tokenizer: a folder; AIPerf loads one even where it counts by the server's `usage`.
        program: AIPerf.
        prompts: how many of the shipped ones, as instruct.
        tokens: of every answer.
    """

    address: str
    model: str
    tokenizer: Path
    program: str
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


def ours(asked: Asked, at_once: int, folder: Path) -> dict[str, Any]:
    """A turn of our client: its answers, and what AIPerf does not say. Raises BenchError: an answer failed."""
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
        [asked.program, *words, "--artifact-dir", str(folder / "aiperf")], check=False, capture_output=True, text=True, env=environment()
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


def turns(asked: Asked, levels: list[int]) -> dict[str, Any]:
    """Both clients in turns at every level, and what they ran with."""
    facts = facts_of(asked)
    found = []
    with tempfile.TemporaryDirectory() as name:
        for at_once in levels:
            warm = Path(name) / f"{at_once}-warm-up"
            warm.mkdir()
            ours(asked, at_once, warm)
            for place, client in enumerate(TURNS):
                folder = Path(name) / f"{at_once}-{place}"
                folder.mkdir()
                seen = ours(asked, at_once, folder) if client == "ours" else aiperf(asked, dialect_of(facts.owner), at_once, folder)
                found.append({"client": client, "at_once": at_once, **seen})
    version = subprocess.run([asked.program, "--version"], check=False, capture_output=True, text=True, env=environment()).stdout
    versions = {"aiperf": version.strip(), "protocol": SERVED_HARNESS_VERSION, "httpx": httpx.__version__}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "server": facts.version or facts.owner,
        "model": asked.model,
        "prompts": asked.prompts,
        "tokens": asked.tokens,
        "versions": versions | {"python": platform.python_version()},
        "times": list(TIMES),
        "turns": found,
        "ours_over_aiperf": apart(found),
    }


def apart(turns_of: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By level: the median of all our requests over that of all of AIPerf's, less 1."""

    def median(client: str, at_once: int, place: int) -> float:
        of = [turn for turn in turns_of if (turn["client"], turn["at_once"]) == (client, at_once)]
        return statistics.median(answer[place] for turn in of for answer in turn["answers"])

    levels = dict.fromkeys(turn["at_once"] for turn in turns_of)
    return {
        str(level): {name: round(median("ours", level, place) / median("AIPerf", level, place) - 1, 5) for place, name in enumerate(TIMES)}
        for level in levels
    }


def table(made: dict[str, Any]) -> list[str]:
    """The rows of a table: medians of each turn (ms), and ours over AIPerf's."""
    lines = []
    for level, of in made["ours_over_aiperf"].items():
        for client in dict.fromkeys(TURNS):
            its = [turn["median"] for turn in made["turns"] if (turn["client"], str(turn["at_once"])) == (client, level)]
            cells = [", ".join(f"{median[name]:.2f}" for median in its) for name in TIMES]
            lines.append("| " + " | ".join([client, level, *cells]) + " |")
        lines.append("| " + " | ".join(["ours over AIPerf", level, *(percent(of[name]) for name in TIMES)]) + " |")
    return lines


def percent(share: float) -> str:
    """A share less 1 with its sign, in percent."""
    return f"{100 * share:+.1f} %".replace("-", "−").replace("−0.0", "0.0").replace("+0.0", "0.0")
