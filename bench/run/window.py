"""One window, measured: the order of events around it, and the rows that come of it.

Outside the window: template, tokens, seed, buffers, decoding, writing. The order is: the meter begins (it may wait for a step of its
counter), the device is synchronized, the clock starts, the model answers, the device is synchronized, the clock stops, the meter ends. So
no latency includes the waits of the meter.

A static batch is one window. Its energy goes to its requests by the time each was running: every moment of the window is shared equally
by the requests that were still being answered then (the prefill in proportion to prompt tokens). The shares add up to the window.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from prompt_joules.bench.engines.base import Engine, Generation, Prepared, PromptFailed, Sampling
from prompt_joules.bench.machine import host_load
from prompt_joules.bench.meter.reading import Meter, Reading
from prompt_joules.bench.prompts.sets import Prompt

Row = dict[str, Any]
Item = tuple[Prompt, int]
"""A prompt and which repetition of it."""
GRAM = 6
"""Tokens of a piece that may come again."""
AGAIN = 3
"""A piece that comes so often, or more often, is a loop: a phrase said twice is not."""


def prompt_seed(seed: int, prompt_id: str, repetition: int) -> int:
    """The seed of one answer: 63 bits of SHA-256, the same on every machine and in any order of prompts."""
    digest = hashlib.sha256(f"{seed}:{repetition}:{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def measure(engine: Engine, meter: Meter, items: Sequence[Item], seed: int, sampling: Sampling) -> tuple[list[dict[str, Any]], bool]:
    """Answer one batch and measure it.

    Args:
        engine: loaded, with its task chosen.
        meter: open.
        items: what to answer, in one window.
        seed: of the run.
        sampling: as it is to be applied.

    Returns:
        One row per item, in order, without the run's setup columns and without `sequence`, and whether the device is lost. A failed prompt
        is a row with status failed and the reason; the others of its batch are answered without it.
    """
    rows: list[dict[str, Any]] = []
    prepared: list[tuple[int, Prepared]] = []
    fault: PromptFailed | None = None
    for place, (prompt, repetition) in enumerate(items):
        rows.append({"prompt_id": prompt.id, "repetition": repetition, "started_at": datetime.now(UTC)})
        try:
            prepared.append((place, engine.prepare(prompt.text, prompt_seed(seed, prompt.id, repetition), sampling)))
            rows[place]["input_tokens"] = prepared[-1][1].input_tokens
        except PromptFailed as failure:
            rows[place] |= failed_columns(failure)
            fault = failure if failure.fatal else fault
    waiting = [rows[place] for place, _ in prepared]
    if fault is not None:
        for row in waiting:
            row.update(failed_columns(PromptFailed(str(fault))))
        return rows, True
    return rows, bool(prepared) and _window(engine, meter, waiting, [ready for _, ready in prepared], sampling)


def _window(engine: Engine, meter: Meter, rows: list[dict[str, Any]], prepared: list[Prepared], sampling: Sampling) -> bool:
    """Answer what is ready and complete its rows. Returns whether the device is lost."""
    failure: PromptFailed | None = None
    generations: list[Generation] = []
    try:
        engine.ready(prepared, sampling)
    except PromptFailed as error:
        for row in rows:
            row.update(failed_columns(error))
        return error.fatal
    started_at = datetime.now(UTC)
    meter.begin()
    start_s = time.perf_counter()
    try:
        engine.synchronize()
        start_s = time.perf_counter()
        generations = engine.generate(prepared, sampling)
        engine.synchronize()
    except PromptFailed as error:
        failure = error
    end_s = time.perf_counter()
    reading = meter.end()
    shares = energy_shares(generations, [item.input_tokens for item in prepared], start_s, end_s) if generations else []
    for place, row in enumerate(rows):
        row.update({"started_at": started_at} | condition_columns(reading))
        if failure is not None:
            row.update(failed_columns(failure))
        else:
            row.update(_completed(engine, generations[place], reading, shares[place], start_s, end_s, alone=len(rows) == 1))
    return failure is not None and failure.fatal


def _completed(
    engine: Engine, generation: Generation, reading: Reading, share: float, start_s: float, end_s: float, *, alone: bool
) -> dict[str, Any]:
    if generation.error is not None:
        return failed_columns(PromptFailed(generation.error))
    end_s = end_s if alone else generation.stamps_s[-1]
    return _answered(generation, start_s, end_s) | energy_columns(reading, share) | text_columns(engine.decode(generation))


def energy_shares(generations: Sequence[Generation], input_tokens: Sequence[int], start_s: float, end_s: float) -> list[float]:
    """What part of a window's energy each request gets; the parts add up to 1.

    Args:
        generations: the answers of one static batch; a request runs until its last token.
        input_tokens: prompt lengths, for the prefill.
        start_s, end_s: of the window, on the clock of the stamps.
    """
    if len(generations) == 1:
        return [1.0]
    lengths = [len(generation.stamps_s) for generation in generations]
    longest = max(generations, key=lambda generation: len(generation.stamps_s)).stamps_s
    moments = [start_s, *longest]
    moments[-1] = end_s
    seconds = [0.0] * len(generations)
    for step, (begin_s, finish_s) in enumerate(pairwise(moments)):
        running = [place for place, length in enumerate(lengths) if length > step]
        weights = [float(input_tokens[place]) if step == 0 else 1.0 for place in running]
        for place, weight in zip(running, weights, strict=True):
            seconds[place] += (finish_s - begin_s) * weight / sum(weights)
    whole = sum(seconds)
    return [part / whole for part in seconds] if whole > 0 else [1 / len(seconds)] * len(seconds)


def failed_columns(failure: PromptFailed) -> Row:
    """The columns of a row without an answer."""
    row: dict[str, Any] = {"status": "failed", "reason": str(failure), "finish_reason": "error"}
    row["energy_reason"] = "the prompt failed"
    if failure.input_tokens is not None:
        row["input_tokens"] = failure.input_tokens
    return row


def _answered(generation: Generation, start_s: float, end_s: float) -> dict[str, Any]:
    stamps_s = generation.stamps_s
    return {
        "status": "ok",
        "finish_reason": generation.finish_reason,
        "output_tokens": len(generation.token_ids),
        "ttft_s": stamps_s[0] - start_s,
        "latency_s": end_s - start_s,
        "itl_s": [later - earlier for earlier, later in pairwise(stamps_s)],
        "loop_share": loop_share(generation.token_ids),
    }


def loop_share(tokens: Sequence[Hashable]) -> float | None:
    """Share of an answer (0 to 1) that lies in pieces of six tokens which come at least three times; None for one shorter than a piece.

    Args:
        tokens: token ids, or words where tokens are not known.
    """
    places = range(len(tokens) - GRAM + 1)
    if not places:
        return None
    pieces = [tuple(tokens[place : place + GRAM]) for place in places]
    counts = Counter(pieces)
    looped: set[int] = set()
    for place, piece in zip(places, pieces, strict=True):
        if counts[piece] >= AGAIN:
            looped.update(range(place, place + GRAM))
    return len(looped) / len(tokens)


def energy_columns(reading: Reading, share: float = 1.0) -> Row:
    """The energy of a window, or a request's share of it, with its error or the reason why there is none."""

    def part(value: float | None) -> float | None:
        return None if value is None else value * share

    return {
        "energy_j": part(reading.energy_j),
        "energy_error_j": part(reading.error_j),
        "energy_error_edge_j": part(reading.edge_j),
        "energy_reason": reading.reason if reading.energy_j is None else None,
        "cpu_energy_j": part(reading.cpu_energy_j),
        "dram_energy_j": part(reading.dram_energy_j),
    }


def condition_columns(reading: Reading) -> Row:
    """The state of the machine at the end of a window."""
    return {
        "gpu_temperature_c": reading.temperature_c,
        "throttled": reading.throttled,
        "power_capped": reading.power_capped,
        "neighbour_power_w": reading.neighbour_power_w,
        "other_processes": reading.other_processes,
        "host_load": host_load(),
    }


def text_columns(text: str | None) -> Row:
    """An answer's text and its length in words and characters; nothing where there is none."""
    return {} if text is None else {"output_text": text, "output_words": len(text.split()), "output_chars": len(text)}
