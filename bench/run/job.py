"""Which run is meant: its prompts and their order, what makes it another run, and the run on disk that is gone on with.

It imports no torch, so that a machine that only talks to a server needs none.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from prompt_joules.bench import HARNESS_VERSION, errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.files import uuid7
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import Prompt, PromptSet
from prompt_joules.bench.run.folder import Run, find_runs, fingerprint
from prompt_joules.bench.tasks import TASKS

_ASKED = (
    "max_new_tokens",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "seed",
    "repetitions",
    "nickname",
    "text",
    "edges",
    "engine",
)


@dataclass(frozen=True)
class Job:
    """A run to be worked on: its place on disk and what it asks."""

    run: Run
    task: str
    items: tuple[tuple[Prompt, int], ...]


def choose_prompts(prompts: PromptSet, limit: int | None) -> PromptSet:
    """The first `limit` prompts of the set (all: None), so that every task and model gets the same. Raises NoPrompts."""
    if not prompts.prompts:
        raise errors.NoPrompts(prompts.name)
    return dataclasses.replace(prompts, prompts=prompts.prompts[:limit])


def execution_order(prompts: PromptSet, repetitions: int, seed: int) -> tuple[tuple[Prompt, int], ...]:
    """Every (prompt, repetition) once, shuffled by the seed: the same on every machine and Python."""

    def key(item: tuple[Prompt, int]) -> bytes:
        return hashlib.sha256(f"order:{seed}:{item[1]}:{item[0].id}".encode()).digest()

    items = ((prompt, repetition) for prompt in prompts.prompts for repetition in range(repetitions))
    return tuple(sorted(items, key=key))


def pick_job(config: RunConfig, identity: dict[str, Any], prompts: PromptSet, task: str) -> Job:
    """The unfinished run with this identity under `--out`, else the finished one, else a new one (nothing is written yet)."""
    wanted = fingerprint(identity)
    items = execution_order(prompts, config.repetitions, config.seed)
    found = find_runs(config.out, wanted)
    unfinished = [run for run in found if not run.finished]
    if unfinished:
        return Job(unfinished[-1], task, items)
    if found and not config.again:
        return Job(found[-1], task, items)
    return Job(Run(config.out / uuid7(), wanted, identity, {}, len(items)), task, items)


def common_identity(config: RunConfig, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """The part of a run's identity that does not depend on the engine. JSON values only."""
    ids = "\n".join(prompt.id for prompt in prompts.prompts)
    return {
        **{name: getattr(config, name) for name in _ASKED},
        "harness_version": HARNESS_VERSION,
        "schema_version": record.SCHEMA_VERSION,
        "task": task,
        "system_prompt": TASKS[task].system,
        "prompt_set_sha256": prompts.sha256,
        "prompt_set": prompts.name,
        "prompt_ids_sha256": hashlib.sha256(ids.encode()).hexdigest(),
        "energy_source": meter.source,
        "gpu_model": meter.gpu_model,
        "num_gpus": meter.num_gpus,
    }


def already_finished(job: Job, console: Console) -> bool:
    """Whether nothing is left to do, and say so."""
    if job.run.finished:
        console.print(
            f"{job.task}: finished before, {job.run.prompts} rows in {job.run.folder}. Nothing to do; --again measures it once more."
        )
    return job.run.finished
