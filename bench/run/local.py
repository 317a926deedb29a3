"""A model in this process: from a RunConfig to rows. Orchestration only.

It does not know how a model is run (`engines/`), how a prompt is measured (`window.py`), or how rows are kept (`session.py`, `sink.py`).
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console

from prompt_joules.bench import config as configuration
from prompt_joules.bench import errors, screen
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.base import Engine, Prepared, PromptFailed
from prompt_joules.bench.engines.compiled.loops import engine_name
from prompt_joules.bench.engines.loading import Plan, load, plan
from prompt_joules.bench.engines.quiet import no_bars, warn_once
from prompt_joules.bench.engines.transformers import TransformersEngine, require_mask
from prompt_joules.bench.machine import machine_facts
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import IDLE_SECONDS, Meter
from prompt_joules.bench.prompts.sets import PromptSet, load_prompts
from prompt_joules.bench.run.folder import require_writable
from prompt_joules.bench.run.job import Job, Pass, choose_prompts, common_identity, planned, turns
from prompt_joules.bench.run.session import OpenRun, rest_of, work_on_all
from prompt_joules.bench.run.tuning import chosen_loop
from prompt_joules.bench.run.warmup import announce, longest_text, run_shapes, warm_up
from prompt_joules.bench.run.window import Item, Row, measure
from prompt_joules.bench.tasks import TASKS

if TYPE_CHECKING:
    from prompt_joules.bench.engines.compiled.engine import CompiledEngine


def _compiled(*given: Any, **named: Any) -> Engine:
    """The compiled engine. What compiles takes 1.5 s of CPU to import: who does not ask for it does not wait for it."""
    from prompt_joules.bench.engines.compiled.engine import CompiledEngine

    return CompiledEngine(*given, **named)


_ENGINES: dict[str, Callable[..., Engine]] = {"transformers-eager": TransformersEngine, "transformers-compiled": _compiled}


def run_benchmark(config: RunConfig, console: Console | None = None) -> int:
    """Measure a model on its tasks; one run each, as often as --runs says.

    Args:
        config: what was asked for.
        console: where progress goes; standard error unless given.

    Returns:
        0: all rows are written (failed prompts are rows too). 1: not one prompt could be answered. 130: interrupted.

    Raises:
        BenchError: with the sentence for the person at the keyboard.
    """
    console = console or screen.console(stderr=True)
    configuration.check(config)
    require_writable(config.out)
    prompts = choose_prompts(load_prompts(config.prompts), config.limit, config.skip)
    chosen = plan(config)
    with (
        contextlib.closing(open_meter(chosen.device, config.edges, config.replay)) as probe,
        planned(config, prompts, lambda own, task: run_identity(own, chosen, prompts, task, probe), probe, console) as passes,
    ):
        if not passes:
            return 0
        machine = _machine_facts(config, chosen, probe, passes)
        engine = _loaded(config, chosen, console)
        _set_loop(engine, passes, config, probe, machine, console)
        return work_on_all(passes, lambda its: LocalWork(its.config, console, chosen, engine, machine), console)


def _loaded(config: RunConfig, chosen: Plan, console: Console) -> Engine:
    console.print(f"Loading {config.model} ({chosen.dtype} on {chosen.device}) ...", soft_wrap=True)
    warn_once()
    with no_bars():
        model, tokenizer = load(chosen)
        if config.batch_size > 1:
            require_mask(model, chosen.model_id)
        return _ENGINES[config.engine](chosen, model, tokenizer, random_prompt_tokens=config.dummy_prompt_tokens)


def _set_loop(engine: Engine, passes: Sequence[Pass], config: RunConfig, meter: Meter, machine: Row, console: Console) -> None:
    """Set the loop of a compiled engine, and say in the machine's columns which it is. A run that goes on keeps the loop it began with."""
    if config.engine != "transformers-compiled":
        return
    begun = [job.run.setup["environment"] for its in passes for job in its.jobs if job.run.setup]
    known = _said(begun[0], "loop") if begun else None
    loop = chosen_loop(cast("CompiledEngine", engine), config, meter, known if isinstance(known, dict) else None, console)
    machine["environment"] |= {"loop": loop}
    machine["engine"] = engine_name(loop["loop"])


def run_identity(config: RunConfig, chosen: Plan, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """Everything that makes this run another run when it changes. JSON values only."""
    return {
        **{name: getattr(config, name) for name in ("batch_size", "dummy_prompt_tokens", "tune", "tune_loss")},
        "loop": config.loop_name,
        **{name: getattr(chosen, name) for name in ("model_id", "revision", "gguf_file", "weights", "device", "dtype")},
        "versions": chosen.versions,
        **common_identity(config, prompts, task, meter),
    }


def _machine_facts(config: RunConfig, chosen: Plan, meter: Meter, passes: Sequence[Pass]) -> Row:
    """The setup columns that come from the machine; idle power is measured before the model is loaded. The environment is not text yet."""
    environment: dict[str, Any] = {**machine_facts(), **chosen.versions, **meter.environment()}
    if chosen.gguf_file:
        environment["gguf_file"] = chosen.gguf_file
    wanted = config.idle and any(not job.run.setup for its in passes for job in its.jobs)
    return {"idle_power_w": meter.power_w(IDLE_SECONDS) if wanted else None, "environment": environment}


@dataclass
class LocalWork:
    """The loaded model, and the setup columns that come from the machine; see `prompt_joules.bench.run.session.Work`."""

    config: RunConfig
    console: Console
    chosen: Plan
    engine: Engine
    machine: Row
    at_once: bool = False
    active_idle_w: float | None = field(default=None, init=False)

    def open_meter(self) -> Meter:
        """The meter of the model's device."""
        return open_meter(self.chosen.device, self.config.edges, self.config.replay)

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """What the model and the machine say."""
        chosen, facts = self.chosen, self.engine.facts
        shared = "exclusive" if self.config.batch_size == 1 else "shared"
        settings = self.engine.settings(self.config.batch_size)
        return {
            **{name: getattr(chosen, name) for name in ("model_id", "weights", "engine_version", "device")},
            "dtype": facts.dtype or chosen.dtype,
            "model_revision": chosen.revision,
            "params_total_b": facts.params_total_b,
            "params_active_b": facts.params_active_b,
            "weights_format": facts.weights_format,
            "concurrency": 1,
            "prompt_template": self.engine.use_task(TASKS[job.task]),
            "energy_attribution": None if meter.reason is not None else shared,
            "active_idle_power_w": self.active_idle_w,
            **self.machine,
            "environment": json.dumps(self.machine["environment"] | settings, sort_keys=True, default=str),
        }

    def begin(self, jobs: Sequence[Job], meter: Meter, stop: Callable[[], bool]) -> Row:
        """Power while awake without work, room for the longest prompt, every length once, warm-up. Raises EngineUnsuited, WarmUpFailed."""
        config, sampling = self.config, self.config.sampling
        announce(self.console, config.warmup)
        if config.idle:
            self.active_idle_w = awake_power_w(self.engine, meter, IDLE_SECONDS)
        everything, rest = [job.items for job in jobs], [rest_of(job) for job in jobs]
        longest = max((batch[0].input_tokens for batch in self._prepared(jobs, everything, 1)), default=0)
        self.engine.reserve(max(longest, longest_text(self.engine, sampling)) + config.max_new_tokens, sampling)
        try:
            run_shapes(self.engine, self._prepared(jobs, rest, config.batch_size), sampling, stop)
        except PromptFailed as failure:
            raise errors.WarmUpFailed(str(failure)) from failure
        self.engine.use_task(TASKS[jobs[0].task])
        columns = warm_up(self.engine, meter, config.batch_size, sampling, config.warmup, stop).columns
        self._compare_kernels(jobs)
        return columns

    def _compare_kernels(self, jobs: Sequence[Job]) -> None:
        """Say it when a run goes on with other compiled kernels than it began with: its rows name the first ones."""
        begun = {str(found) for job in jobs if (found := _said(job.run.setup.get("environment"), "kernels")) is not None}
        now = self.engine.settings(self.config.batch_size).get("kernels")
        if begun and begun != {str(now)}:
            self.console.print(
                "This process compiled other kernels than the run began with, and its rows name the first ones. Kernels can differ in "
                "speed and joules: to measure with one set, run it from the beginning in one process.",
                soft_wrap=True,
            )

    def _prepared(self, jobs: Sequence[Job], items: Sequence[Sequence[Item]], size: int) -> Iterator[list[Prepared]]:
        """What will be measured, batch by batch and ready to run; prompts that cannot be are left out: the run records why."""
        sampling = self.config.sampling
        for job, asked in zip(jobs, items, strict=True):
            self.engine.use_task(TASKS[job.task])
            for start in range(0, len(asked), size):
                batch = []
                for prompt, _ in asked[start : start + size]:
                    with contextlib.suppress(PromptFailed):
                        batch.append(self.engine.prepare(prompt.text, 0, sampling))
                if batch:
                    yield batch

    def answer(self, runs: Sequence[OpenRun], meter: Meter, stop: Callable[[], bool]) -> str:
        """Measure batch by batch, the tasks of a prompt in turns. Raises GpuLost."""
        size, sampling = self.config.batch_size, self.config.sampling
        for which, batch in turns([run.job for run in runs], [run.rest for run in runs], size, self.config.seed):
            if stop():
                return "interrupted"
            run = runs[which]
            self.engine.use_task(TASKS[run.job.task])
            window = run.sequence
            rows, lost = measure(self.engine, meter, batch, self.config.seed, sampling)
            for (prompt, _), row in zip(batch, rows, strict=True):
                run.take({"window_id": window, "prompt_text": prompt.text} | row)
            if lost:
                raise errors.GpuLost(batch[-1][0].id, str(rows[-1]["reason"]))
        return "finished"


def _said(environment: str | None, what: str) -> Any:
    """What the environment of a run that goes on says of its loop or its kernels; None where it says nothing."""
    return json.loads(environment).get(what) if environment else None


def awake_power_w(engine: Engine, meter: Meter, seconds: float) -> float | None:
    """Power of the device while it is launched without pause and has no work, W: what a loop that only waits would cost."""
    if meter.reason is not None:
        return None
    over = threading.Event()

    def launch() -> None:
        while not over.is_set():
            engine.tick()

    thread = threading.Thread(target=launch, daemon=True)
    thread.start()
    try:
        return meter.power_w(seconds)
    finally:
        over.set()
        thread.join()
