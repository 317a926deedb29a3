"""A model in this process: from a RunConfig to rows. Orchestration only.

It does not know how a model is run (`engines/`), how a prompt is measured (`window.py`), or how rows are kept (`session.py`, `sink.py`).
"""

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from prompt_joules.bench import config as configuration
from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.base import Engine, PromptFailed, Sampling
from prompt_joules.bench.engines.compiled.engine import CompiledEngine
from prompt_joules.bench.engines.compiled.loops import engine_name
from prompt_joules.bench.engines.loading import Plan, load, plan
from prompt_joules.bench.engines.quiet import no_bars, warn_once
from prompt_joules.bench.engines.transformers import TransformersEngine
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import PromptSet, load_prompts
from prompt_joules.bench.run.folder import require_writable
from prompt_joules.bench.run.job import Job, already_finished, choose_prompts, common_identity, pick_job
from prompt_joules.bench.run.session import OpenRun, work_on_all
from prompt_joules.bench.run.tuning import chosen_loop, known_loop
from prompt_joules.bench.run.window import Item, Row, measure, prompt_seed
from prompt_joules.bench.tasks import TASKS

_IDLE_SECONDS = 3.0
_ENGINES = {"transformers-eager": TransformersEngine, "transformers-compiled": CompiledEngine}
_WARMUP_TOKENS = 32
_STEADY = 0.05
"""Warm-up ends when the last three speeds lie within this share of their mean."""


def run_benchmark(config: RunConfig, console: Console | None = None) -> int:
    """Measure a model on its tasks; one run each.

    Args:
        config: what was asked for.
        console: where progress goes; standard error unless given.

    Returns:
        0: all rows are written (failed prompts are rows too). 1: not one prompt could be answered. 130: interrupted.

    Raises:
        BenchError: with the sentence for the person at the keyboard.
    """
    console = console or Console(stderr=True)
    configuration.check(config)
    require_writable(config.out)
    prompts = choose_prompts(load_prompts(config.prompts), config.limit)
    chosen = plan(config)
    probe = open_meter(chosen.device, config.edges, config.replay)
    try:
        jobs = [pick_job(config, run_identity(config, chosen, prompts, task, probe), prompts, task) for task in config.tasks]
        jobs = [job for job in jobs if not already_finished(job, console)]
        if not jobs:
            return 0
        machine = _machine_facts(config, chosen, probe, measure_idle=any(not job.run.setup for job in jobs))
    finally:
        probe.close()
    console.print(f"Loading {config.model} ({chosen.dtype} on {chosen.device}) ...", soft_wrap=True)
    warn_once()
    with no_bars():
        engine = _ENGINES[config.engine](chosen, *load(chosen), random_prompt_tokens=config.dummy_prompt_tokens)
    machine |= _loop_facts(jobs, engine, config, chosen, machine, console)
    return work_on_all(jobs, LocalWork(config, console, chosen, engine, machine))


def _loop_facts(jobs: Sequence[Job], engine: Engine, config: RunConfig, chosen: Plan, machine: Row, console: Console) -> Row:
    """Set the loop of a compiled engine; the columns that say which it is. A run that goes on keeps the loop it began with."""
    if not isinstance(engine, CompiledEngine):
        return {}
    begun = [job.run.setup for job in jobs if job.run.setup]
    with contextlib.closing(open_meter(chosen.device, config.edges, config.replay)) as meter:
        loop = chosen_loop(engine, config, meter, known_loop(begun[0]["environment"]) if begun else None, console)
    environment = json.loads(machine["environment"]) | {"loop": loop}
    return {"engine": engine_name(loop["loop"]), "environment": json.dumps(environment, sort_keys=True, default=str)}


def run_identity(config: RunConfig, chosen: Plan, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """Everything that makes this run another run when it changes. JSON values only."""
    return {
        **{name: getattr(config, name) for name in ("batch_size", "dummy_prompt_tokens", "loop", "tune", "tune_loss")},
        **{name: getattr(chosen, name) for name in ("model_id", "revision", "gguf_file", "weights", "device", "dtype")},
        "versions": chosen.versions,
        **common_identity(config, prompts, task, meter),
    }


def _machine_facts(config: RunConfig, chosen: Plan, meter: Meter, measure_idle: bool) -> dict[str, Any]:
    """The setup columns that come from the machine; idle power is measured before the model is loaded."""
    environment: dict[str, Any] = {**machine_facts(), **chosen.versions, **meter.environment()}
    if chosen.gguf_file:
        environment["gguf_file"] = chosen.gguf_file
    return {
        "idle_power_w": meter.idle_power_w(_IDLE_SECONDS) if config.idle and measure_idle else None,
        "environment": json.dumps(environment, sort_keys=True, default=str),
    }


@dataclass(frozen=True)
class LocalWork:
    """The loaded model, and the setup columns that come from the machine; see `prompt_joules.bench.run.session.Work`."""

    config: RunConfig
    console: Console
    chosen: Plan
    engine: Engine
    machine: Row
    at_once: bool = False

    def open_meter(self) -> Meter:
        """The meter of the model's device."""
        return open_meter(self.chosen.device, self.config.edges, self.config.replay)

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """What the model and the machine say."""
        chosen, facts = self.chosen, self.engine.facts
        shared = "exclusive" if self.config.batch_size == 1 else "shared"
        return {
            **{name: getattr(chosen, name) for name in ("model_id", "weights", "dtype", "engine_version", "device")},
            "model_revision": chosen.revision,
            "params_total_b": facts.params_total_b,
            "params_active_b": facts.params_active_b,
            "concurrency": 1,
            "prompt_template": self.engine.use_task(TASKS[job.task]),
            "energy_attribution": None if meter.reason is not None else shared,
            **self.machine,
        }

    def warm_up(self, job: Job, stop: Callable[[], bool]) -> None:
        """See `warm_up`."""
        self.engine.use_task(TASKS[job.task])
        warm_up(self.engine, job.items, self.config, stop)

    def answer(self, run: OpenRun, meter: Meter, stop: Callable[[], bool]) -> str:
        """Measure batch by batch. Raises GpuLost."""
        self.engine.use_task(TASKS[run.job.task])
        size, sampling = self.config.batch_size, sampling_of(self.config)
        for start in range(0, len(run.rest), size):
            if stop():
                return "interrupted"
            batch, window = run.rest[start : start + size], run.sequence
            rows, lost = measure(self.engine, meter, batch, self.config.seed, sampling)
            for (prompt, _), row in zip(batch, rows, strict=True):
                run.take({"window_id": window, "prompt_text": prompt.text} | row)
            if lost:
                raise errors.GpuLost(batch[-1][0].id, str(rows[-1]["reason"]))
        return "finished"


def warm_up(engine: Engine, items: Sequence[Item], config: RunConfig, stop: Callable[[], bool] = lambda: False) -> list[float]:
    """Answer the first batch again and again, unrecorded, until the speed is steady or `config.warmup` times.

    Returns:
        Speed of each answer (token/s). A prompt that fails ends the warm-up: the run itself will record why.
    """
    sampling = dataclasses.replace(sampling_of(config), max_new_tokens=min(_WARMUP_TOKENS, config.max_new_tokens))
    speeds: list[float] = []
    while len(speeds) < config.warmup and not stop() and not is_steady(speeds):
        try:
            prepared = [
                engine.prepare(prompt.text, prompt_seed(config.seed, prompt.id, repetition), sampling)
                for prompt, repetition in items[: config.batch_size]
            ]
            engine.ready(prepared, sampling)
            engine.synchronize()
            start_s = time.perf_counter()
            generations = engine.generate(prepared, sampling)
            engine.synchronize()
        except PromptFailed:
            break
        if any(generation.error is not None for generation in generations):
            break
        tokens = sum(len(generation.token_ids) for generation in generations)
        speeds.append(tokens / (time.perf_counter() - start_s))
    return speeds


def is_steady(speeds: list[float]) -> bool:
    """Whether the last three lie within `_STEADY` of their mean."""
    last = speeds[-3:]
    mean = sum(last) / len(last) if last else 0.0
    return len(last) == 3 and max(abs(speed - mean) for speed in last) <= _STEADY * mean


def sampling_of(config: RunConfig) -> Sampling:
    """The sampling a config asks for."""
    return Sampling(config.temperature, config.top_p, config.top_k, config.repetition_penalty, config.max_new_tokens)
