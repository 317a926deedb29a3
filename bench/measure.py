"""One prompt, measured: the order of events around the window, and the row that comes of it.

Outside the window: template, tokens, seed, decoding, writing. The order is: the meter begins (it may wait for a step
of its counter), the device is synchronized, the clock starts, the model answers, the device is synchronized, the
clock stops, the meter ends. So what the meter waits is in no latency.
"""

import hashlib
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from bench.engines.base import Engine, Generation, PromptFailed, Sampling
from bench.meter import Meter, Reading
from bench.prompts import Prompt


def prompt_seed(seed: int, prompt_id: str, repetition: int) -> int:
    """The seed of one answer: 63 bits of SHA-256, the same on every machine and in any order of prompts."""
    digest = hashlib.sha256(f"{seed}:{repetition}:{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def measure(
    engine: Engine, meter: Meter, prompt: Prompt, repetition: int, *, seed: int, sampling: Sampling
) -> tuple[dict[str, Any], bool]:
    """Answer one prompt and measure it.

    Args:
        engine: loaded, with its task chosen.
        meter: open.
        prompt: what to answer.
        repetition: 0 for the first time.
        seed: of the run.
        sampling: as it is to be applied.

    Returns:
        The row without the run's setup columns and without `sequence`, and whether the device is lost: a failed
        prompt is a row with status failed and the reason.
    """
    row: dict[str, Any] = {"prompt_id": prompt.id, "repetition": repetition, "started_at": datetime.now(UTC)}
    try:
        prepared = engine.prepare(prompt.text, prompt_seed(seed, prompt.id, repetition), sampling)
        row["input_tokens"] = prepared.input_tokens
    except PromptFailed as failure:
        return row | _failed(failure), failure.fatal
    failed: PromptFailed | None = None
    generation = None
    row["started_at"] = datetime.now(UTC)
    meter.begin()
    start_s = time.perf_counter()
    try:
        engine.synchronize()
        start_s = time.perf_counter()
        (generation,) = engine.generate([prepared], sampling)
        engine.synchronize()
    except PromptFailed as failure:
        failed = failure
    end_s = time.perf_counter()
    reading = meter.end()
    row |= _conditions(reading)
    if failed is not None or generation is None:
        return row | _failed(failed), bool(failed and failed.fatal)
    if generation.error is not None:
        return row | _failed(PromptFailed(generation.error, input_tokens=prepared.input_tokens)), False
    return row | _answered(generation, start_s, end_s) | _energy(reading) | _text(engine, generation), False


def _failed(failure: PromptFailed | None) -> dict[str, Any]:
    row: dict[str, Any] = {"status": "failed", "reason": str(failure), "finish_reason": "error"}
    row["energy_reason"] = "the prompt failed"
    if failure is not None and failure.input_tokens is not None:
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
    }


def _energy(reading: Reading) -> dict[str, Any]:
    return {
        "energy_j": reading.energy_j,
        "energy_error_j": reading.error_j,
        "energy_reason": reading.reason if reading.energy_j is None else None,
        "cpu_energy_j": reading.cpu_energy_j,
        "dram_energy_j": reading.dram_energy_j,
    }


def _conditions(reading: Reading) -> dict[str, Any]:
    return {"gpu_temperature_c": reading.temperature_c, "throttled": reading.throttled}


def _text(engine: Engine, generation: Generation) -> dict[str, Any]:
    text = engine.decode(generation)
    if text is None:
        return {}
    return {"output_text": text, "output_words": len(text.split()), "output_chars": len(text)}
