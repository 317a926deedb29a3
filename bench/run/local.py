"""From a RunConfig to rows: which runs there are, warm-up, order, loop, resume. Orchestration only.

It does not know how a model is run (`engines/`), how a prompt is measured (`measure.py`), or how rows are kept (`sink.py`, `runs.py`).
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from prompt_joules.bench import HARNESS_VERSION, errors, record
from prompt_joules.bench import config as configuration
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.base import Engine, PromptFailed, Sampling
from prompt_joules.bench.engines.compiled.engine import CompiledEngine
from prompt_joules.bench.engines.loading import Plan, load, plan
from prompt_joules.bench.engines.quiet import no_bars, warn_once
from prompt_joules.bench.engines.transformers import TransformersEngine
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import PromptSet, load_prompts
from prompt_joules.bench.run.folder import Run, locked, require_writable
from prompt_joules.bench.run.progress import RunProgress
from prompt_joules.bench.run.session import Interrupt, Job, already_finished, choose_prompts, close_session, common_identity, pick_job, say
from prompt_joules.bench.run.sink import PartSink
from prompt_joules.bench.run.window import Item, measure, prompt_seed
from prompt_joules.bench.tasks import TASKS

_IDLE_SECONDS = 3.0
_ENGINES = {"transformers-eager": TransformersEngine, "transformers-compiled": CompiledEngine}
_WARMUP_TOKENS = 32
_STEADY = 0.05
"""Warm-up ends when the last three speeds lie within this share of their mean."""


@dataclass(frozen=True)
class Session:
    """What all runs of one command share: the loaded model, and the setup columns that come from the machine."""

    config: RunConfig
    chosen: Plan
    engine: Engine
    machine: dict[str, Any]
    console: Console


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
        jobs = [find_or_make(config, chosen, prompts, task, probe) for task in config.tasks]
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
    return _work_on_all(jobs, Session(config, chosen, engine, machine, console))


def find_or_make(config: RunConfig, chosen: Plan, prompts: PromptSet, task: str, meter: Meter) -> Job:
    """The unfinished run with this identity under `--out`, else the finished one, else a new one (nothing is written yet)."""
    return pick_job(config, run_identity(config, chosen, prompts, task, meter), prompts, task)


def run_identity(config: RunConfig, chosen: Plan, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """Everything that makes this run another run when it changes. JSON values only."""
    fields: tuple[str, ...] = (
        "max_new_tokens",
        "temperature",
        "top_p",
        "top_k",
        "repetition_penalty",
        "seed",
        "repetitions",
        "batch_size",
    )
    fields += ("nickname", "text", "edges", "dummy_prompt_tokens")
    return {
        **{name: getattr(config, name) for name in fields},
        **{name: getattr(chosen, name) for name in ("model_id", "revision", "gguf_file", "weights", "device", "dtype", "engine")},
        "versions": chosen.versions,
        **common_identity(prompts, task, meter),
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


def setup_columns(job: Job, session: Session, meter: Meter, template: str | None) -> dict[str, Any]:
    """The columns that are equal in every row of the run."""
    run, config, chosen, engine = job.run, session.config, session.chosen, session.engine
    same = ("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "seed", "batch_size")
    return {
        **{name: getattr(config, name) for name in same},
        **{name: getattr(chosen, name) for name in ("model_id", "weights", "dtype", "engine", "engine_version", "device")},
        "schema_version": record.SCHEMA_VERSION,
        "run_id": run.run_id,
        "prompt_set": run.identity["prompt_set"],
        "prompt_set_sha256": run.identity["prompt_set_sha256"],
        "task": job.task,
        "model_name": config.nickname,
        "model_revision": chosen.revision,
        "params_total_b": engine.facts.params_total_b,
        "params_active_b": engine.facts.params_active_b,
        "harness_version": HARNESS_VERSION,
        "gpu_model": meter.gpu_model,
        "num_gpus": meter.num_gpus,
        "concurrency": 1,
        "prompt_template": template,
        "energy_source": meter.source,
        "energy_edges": meter.edges,
        "energy_attribution": _attribution(session.config, meter),
        "cpu_energy_source": meter.cpu_source,
        "dram_energy_source": meter.dram_source,
        "host_energy_reason": meter.host_reason,
        **session.machine,
    }


def _attribution(config: RunConfig, meter: Meter) -> str | None:
    if meter.reason is not None:
        return None
    return "exclusive" if config.batch_size == 1 else "shared"


def _work_on_all(jobs: list[Job], session: Session) -> int:
    answered = 0
    with Interrupt(session.console) as interrupt:
        session.engine.use_task(TASKS[jobs[0].task])
        warm_up(session.engine, jobs[0].items, session.config, lambda: interrupt.requested)
        for job in jobs:
            if not interrupt.requested:
                answered += work_on(job, session, lambda: interrupt.requested)
    if interrupt.requested:
        session.console.print("Interrupted. Run the same command again to go on.")
        return 130
    return 0 if answered else 1


def work_on(job: Job, session: Session, stop: Callable[[], bool]) -> int:
    """Answer what a run still lacks; write parts, and the session's books into run.json, however it ends.

    Returns:
        How many prompts were answered.

    Raises:
        RunInUse, DiskFull, NotWritable, GpuLost.
    """
    config = session.config
    template = session.engine.use_task(TASKS[job.task])
    job.run.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.run.folder):
        sink = PartSink(job.run.folder)
        done = sink.done()
        rest = [item for item in job.items if (item[0].id, item[1]) not in done]
        meter = open_meter(session.chosen.device, config.edges, config.replay)
        setup = job.run.setup or setup_columns(job, session, meter, template)
        run = dataclasses.replace(job.run, setup=setup)
        run.save()
        progress = RunProgress(session.console, job.task, len(done), len(job.items), meter.reason)
        begun, end = datetime.now(UTC), "failed"
        try:
            with progress:
                end = _loop(rest, len(done), run, session, meter, sink, progress, stop)
        except KeyboardInterrupt:
            end = "aborted"
            raise
        finally:
            books = meter.close()
            try:
                sink.flush()
            finally:
                close_session(run, sink, begun, end, len(done), books)
    say(job, run, progress, end, session.console)
    return progress.rows - progress.failed


def _loop(
    rest: Sequence[Item],
    sequence: int,
    run: Run,
    session: Session,
    meter: Meter,
    sink: PartSink,
    progress: RunProgress,
    stop: Callable[[], bool],
) -> str:
    """Measure batch by batch. Returns how it ended: finished or interrupted. Raises GpuLost."""
    config, sampling = session.config, sampling_of(session.config)
    for start in range(0, len(rest), config.batch_size):
        if stop():
            return "interrupted"
        batch = rest[start : start + config.batch_size]
        rows, lost = measure(session.engine, meter, batch, config.seed, sampling)
        for place, ((prompt, _), row) in enumerate(zip(batch, rows, strict=True)):
            row |= {"sequence": sequence + place, "window_id": sequence, **run.setup}
            row["prompt_text"] = prompt.text
            if not config.text:
                row["prompt_text"] = row["output_text"] = None
            sink.add(row)
            progress.add(row)
        sequence += len(batch)
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
