"""Which run is meant: its prompts and their order, what makes it another run, and which run on disk continues.

It imports no torch, so that a machine that only talks to a server needs none.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from prompt_joules.bench import errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.files import uuid7
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import Prompt, PromptSet
from prompt_joules.bench.run.folder import Run, claimed, find_runs, fingerprint
from prompt_joules.bench.run.window import Item
from prompt_joules.bench.tasks import TASKS

_ASKED = (
    *("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed"),
    *("repetitions", "nickname", "text", "edges", "engine"),
)


@dataclass(frozen=True)
class Job:
    """A run to be worked on: its place on disk and what it asks."""

    run: Run
    task: str
    items: tuple[Item, ...]


def choose_prompts(prompts: PromptSet, limit: int | None, skip: int = 0) -> PromptSet:
    """The first `limit` prompts of the set (all: None) after `skip`, so that every task and model gets the same. The set stays the set.

    Raises:
        NoPrompts: there are none. BadOption: `skip` leaves none.
    """
    if not prompts.prompts:
        raise errors.NoPrompts(prompts.name)
    if skip >= len(prompts.prompts):
        raise errors.BadOption(f"--skip {skip}", f"leaves nothing: {prompts.name} has {len(prompts.prompts)} prompts.")
    return dataclasses.replace(prompts, prompts=prompts.prompts[skip:][:limit])


def execution_order(prompts: PromptSet, repetitions: int, seed: int) -> tuple[tuple[Prompt, int], ...]:
    """Every (prompt, repetition) once, shuffled by the seed: the same on every machine and Python."""

    def key(item: tuple[Prompt, int]) -> bytes:
        return hashlib.sha256(f"order:{seed}:{item[1]}:{item[0].id}".encode()).digest()

    items = ((prompt, repetition) for prompt in prompts.prompts for repetition in range(repetitions))
    return tuple(sorted(items, key=key))


@dataclass(frozen=True)
class Pass:
    """One go over the prompts: the runs of its tasks, whose prompts are answered in turns."""

    config: RunConfig  # what was asked for, with the seed of this pass
    jobs: tuple[Job, ...]  # the runs that are not finished
    # experiment_id, pass_id: the columns.
    experiment_id: str
    pass_id: str


@contextlib.contextmanager
def planned(
    config: RunConfig, prompts: PromptSet, identity: Callable[[RunConfig, str], dict[str, Any]], console: Console
) -> Iterator[list[Pass]]:
    """The passes of a command that have something left to do; their runs are held for this process until it is done with them.

    Args:
        config: what was asked for.
        prompts: what is asked in every run.
        identity: of the run of a task, with the seed that the config has.

    Raises:
        RunInUse: another process has one of these runs.
    """
    with contextlib.ExitStack() as stack:
        every: list[tuple[RunConfig, list[Job]]] = []
        for seed in config.seeds:
            own = dataclasses.replace(config, seed=seed)
            jobs = []
            for task in config.tasks:
                meant = identity(own, task)
                stack.enter_context(claimed(config.out, fingerprint(meant)))
                jobs.append(pick_job(own, meant, prompts, task))
            every.append((own, jobs))
        begun = (job.run.setup.get("experiment_id") for _, jobs in every for job in jobs)
        experiment_id = config.experiment or next(filter(None, begun), None) or uuid7()
        left = [(own, tuple(job for job in jobs if not already_finished(job, console))) for own, jobs in every]
        yield [Pass(own, jobs, experiment_id, uuid7()) for own, jobs in left if jobs]


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


def turns(jobs: Sequence[Job], rests: Sequence[Sequence[Item]], size: int, seed: int) -> list[tuple[int, Sequence[Item]]]:
    """The order of questions: batches of what each job still lacks, prompt by prompt; the seed draws the order of a prompt's tasks.

    So what drifts in a session, and what neighbours do, is in all tasks alike.

    Returns:
        (which of the jobs, its batch).
    """
    drawn = []
    for which, (job, rest) in enumerate(zip(jobs, rests, strict=True)):
        place = {(prompt.id, repetition): n for n, (prompt, repetition) in enumerate(job.items)}
        for start in range(0, len(rest), size):
            prompt, repetition = rest[start]
            chance = hashlib.sha256(f"turn:{seed}:{repetition}:{prompt.id}:{job.task}".encode()).digest()
            drawn.append((place[prompt.id, repetition] // size, chance, which, rest[start : start + size]))
    return [(which, batch) for _, _, which, batch in sorted(drawn, key=lambda turn: turn[:3])]


def common_identity(config: RunConfig, prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """The part of a run's identity that does not depend on the engine. JSON values only."""
    ids = "\n".join(prompt.id for prompt in prompts.prompts)
    own = {"experiment": config.experiment} if config.experiment else {}
    return own | {
        **{name: getattr(config, name) for name in _ASKED},
        "harness_version": config.harness_version,
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
    """Say that nothing is left to do, where that is so. Returns whether it is."""
    if job.run.finished:
        console.print(
            f"{job.task}: finished before, {job.run.prompts} rows in {job.run.folder}. Nothing to do; --again measures it once more."
        )
    return job.run.finished
