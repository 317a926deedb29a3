"""Before the window of a served run: rounds of texts that are no prompts, until two rounds in a row cost the same.

A round has as many texts as the run sends at once: a server compiles kernels at the first batch of a size. The first eight requests to a
vLLM that had just started had a TTFT of 0.34 s, later ones of 0.04 s, and its first 96 answers an ITL that was 9 % longer than that of
96 later ones (one H200, vLLM 0.22.1).
"""

import asyncio
import contextlib
import dataclasses
import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.answer_stream import RequestFailed
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.openai import ask, request_body
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.run.warmup import FIRST_TOKENS, TEXTS, WINDOW_S, WarmUp
from prompt_joules.bench.tasks import Task

AGREE = 0.05
"""Two rounds agree when their J/token (s/token without a counter) differ by no more than this share of the larger."""
AT_RATE = 8
"""Texts of a round of a run that sends at random moments."""


def warm_up(
    config: RunConfig,
    task: Task,
    sampling: Sampling,
    client_of: Callable[[], httpx.AsyncClient],
    dialect: str | None,
    meter: Meter,
    stop: Callable[[], bool],
) -> WarmUp:
    """Ask rounds of texts until two in a row agree, at most `--warmup` of them.

    Args:
        client_of: a client of the server, for one round.
        dialect: see `request_body`.
        stop: asked before each round.

    Returns:
        How it ended, a round as one answer. A server that gives nothing ends it: the run that follows says why.
    """
    size = AT_RATE if config.request_rate and not config.concurrency else config.in_flight
    done, length = WarmUp(), min(FIRST_TOKENS, sampling.max_new_tokens)
    while done.answers < config.warmup and not done.warm and not stop():
        asked = dataclasses.replace(sampling, max_new_tokens=length)
        options: dict[str, Any] = {"fixed_length": config.dummy_weights, "dialect": dialect}
        bodies = []
        for at, text in zip(range(size), itertools.cycle(TEXTS), strict=False):
            place, seed = at if config.named_places else None, at if config.request_seed else None
            bodies.append(request_body(config.model, task, text, seed, asked, **options, place=place))
        tokens, seconds, joules = _round(bodies, client_of, config.timeout, meter)
        if not tokens:
            break
        if done.answers == 0:
            length = int(min(max(tokens / size / seconds * WINDOW_S, FIRST_TOKENS), sampling.max_new_tokens))
        done = done.after((seconds if joules is None else joules) / tokens, AGREE)
    return done


def _round(
    bodies: list[dict[str, object]], client_of: Callable[[], httpx.AsyncClient], timeout_s: float, meter: Meter
) -> tuple[int, float, float | None]:
    """Tokens, seconds and joules of requests sent at once; those that fail count nothing."""

    async def one(client: httpx.AsyncClient, body: dict[str, object]) -> int:
        with contextlib.suppress(RequestFailed):
            return (await ask(client, body, timeout_s)).output_tokens or 0
        return 0

    async def all_of_them() -> list[int]:
        async with client_of() as client:
            return await asyncio.gather(*(one(client, body) for body in bodies))

    meter.begin()
    try:
        start_s = time.perf_counter()
        tokens = sum(asyncio.run(all_of_them()))
        seconds = time.perf_counter() - start_s
    finally:
        reading = meter.end()
    return tokens, seconds, reading.energy_j
