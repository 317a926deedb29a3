"""Which loop of the compiled engine a run uses: the one asked for, or the best of a trial of all.

A trial answers one prompt for at least `TRIAL_S` seconds in one window of the run's own meter, after an answer that pays for compiling.
"""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.base import PromptFailed
from prompt_joules.bench.engines.compiled.loops import Loop, Trial, by_name, tune
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.tasks import TASKS

if TYPE_CHECKING:
    from prompt_joules.bench.engines.compiled.engine import CompiledEngine

TRIAL_S = 2.0
TRIAL_TOKENS = 128
TRIAL_TEXT = "Explain in a few paragraphs how a water wheel works, what it was used for, and why so few are left."


def chosen_loop(
    engine: "CompiledEngine", config: RunConfig, meter: Meter, known: dict[str, Any] | None, console: Console
) -> dict[str, Any]:
    """Set the engine's loop.

    Args:
        engine: loaded.
        config: `loop_name`, `tune`, `tune_loss`, `batch_size` and the sampling are read.
        meter: of the model's device.
        known: what an earlier session of the run chose; it is kept.
        console: where trials are told.

    Returns:
        What is stored with the run: `loop`, and with `--tune` the trials.

    Raises:
        CannotTune.
    """
    if known is not None:
        found = known
    elif config.tune == "off":
        found = {"loop": config.loop_name}
    else:
        console.print(f"Trying the loops for the best {config.tune} ...")
        found = tune(lambda loop: attempt(engine, loop, config, meter), config.tune, config.tune_loss, console.print, config.batch_size)
        console.print(f"Running {found['loop']}.")
    engine.use_loop(by_name(found["loop"]))
    return found


def attempt(engine: "CompiledEngine", loop: Loop, config: RunConfig, meter: Meter) -> Trial:
    """Time and meter one loop. What cannot run has a reason instead of numbers."""
    sampling = replace(config.sampling, max_new_tokens=min(TRIAL_TOKENS, config.max_new_tokens))
    engine.use_loop(loop)
    engine.use_task(TASKS[config.tasks[0]])
    try:
        prepared = [engine.prepare(TRIAL_TEXT, config.seed + place, sampling) for place in range(config.batch_size)]
        engine.ready(prepared, sampling)
        for _ in range(2):
            engine.generate(prepared, sampling)
        engine.synchronize()
        meter.begin()
        begun_s, tokens = time.perf_counter(), 0
        try:
            while time.perf_counter() - begun_s < TRIAL_S:
                tokens += sum(len(generation.token_ids) for generation in engine.generate(prepared, sampling))
            engine.synchronize()
            seconds = time.perf_counter() - begun_s
        finally:
            reading = meter.end()
    except (PromptFailed, errors.EngineUnsuited) as failure:
        return Trial(loop.name, reason=str(failure))
    if reading.energy_j is None or reading.error_j is None:
        return Trial(loop.name, tokens / seconds, reason=reading.reason)
    return Trial(loop.name, tokens / seconds, reading.energy_j / tokens, reading.error_j / tokens)
