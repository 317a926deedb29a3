"""Which run is meant: its prompts and their order, what makes it another run, and which run on disk continues.

It imports no torch, so that a machine that only talks to a server needs none.
"""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from prompt_joules.bench import errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.files import uuid7
from prompt_joules.bench.machine import cpu_name
from prompt_joules.bench.meter.gpu import cards_of
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import Prompt, PromptSet
from prompt_joules.bench.run.folder import Run, claimed, find_runs, fingerprint, read_run
from prompt_joules.bench.run.sink import PartSink
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
    before: tuple[Run, ...] = ()  # of other hardware, whose questions are not asked again


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
    config: RunConfig, prompts: PromptSet, identity: Callable[[RunConfig, str], dict[str, Any]], meter: Meter, console: Console
) -> Iterator[list[Pass]]:
    """The passes of a command that have something left to do; their runs are held for this process until it is done with them.

    Args:
        config: what was asked for.
        prompts: what is asked in every run.
        identity: of the run of a task, with the seed that the config has.
        meter: of the cards that will answer.

    Raises:
        RunInUse: another process has one of these runs. RunGone, RunUnreadable: as `pick_job`.
    """
    cards = meter.cards()
    with contextlib.ExitStack() as stack:
        every: list[tuple[RunConfig, list[Job]]] = []
        for seed in config.seeds:
            own = dataclasses.replace(config, seed=seed)
            jobs = []
            for task in config.tasks:
                meant = identity(own, task)
                stack.enter_context(claimed(config.out, fingerprint(meant)))
                jobs.append(pick_job(own, meant, prompts, task, cards))
            every.append((own, jobs))
        begun = (run.setup.get("experiment_id") for _, jobs in every for job in jobs for run in (job.run, *job.before))
        experiment_id = config.experiment or next(filter(None, begun), None) or uuid7()
        for job in (job for _, jobs in every for job in jobs if job.before and not job.run.setup):
            console.print(
                f"{job.task}: {job.before[-1].folder} was begun on other hardware. "
                f"The {len(job.items)} answers that it lacks become a run of this one.",
                soft_wrap=True,
            )
        left = [(own, tuple(job for job in jobs if not already_finished(job, console))) for own, jobs in every]
        yield [Pass(own, jobs, experiment_id, uuid7()) for own, jobs in left if jobs]


def pick_job(config: RunConfig, identity: dict[str, Any], prompts: PromptSet, task: str, cards: frozenset[str]) -> Job:
    """The unfinished run with this identity under `--out`, else the finished one, else a new one (nothing is written yet).

    What other hardware began it does not go on with: the rows of a run are of what it names. A new run asks what that one lacks.

    Args:
        cards: the hashed numbers of those that will answer; empty where they say none.

    Raises:
        RunGone, RunUnreadable: a run that was begun on other hardware is not there, or cannot be read.
    """
    wanted = fingerprint(identity)
    items = execution_order(prompts, config.repetitions, config.seed)
    found = find_runs(config.out, wanted)
    gone_on = {run_id for run in found for run_id in run.after}
    unfinished = [run for run in found if not run.finished and run.run_id not in gone_on]
    finished = [run for run in found if run.finished]
    here = [run for run in unfinished if _on_these(run, cards)]
    if here:
        return _going_on(here[-1], task, items)
    if not unfinished and finished and not config.again:
        return Job(finished[-1], task, items)
    before = (*_before(unfinished[-1]), unfinished[-1]) if unfinished else ()
    left = _without(items, before)
    if not left:  # every row is there, and only the note that the run is finished is missing
        return _going_on(unfinished[-1], task, items)
    return Job(Run(config.out / uuid7(), wanted, identity, {}, len(left), after=[run.run_id for run in before]), task, left, before)


def _going_on(run: Run, task: str, items: tuple[Item, ...]) -> Job:
    """An unfinished run, of what the runs before it lack. Raises RunGone, RunUnreadable."""
    before = _before(run)
    return Job(run, task, _without(items, before), before)


def _before(run: Run) -> tuple[Run, ...]:
    """The runs of other hardware that a run asks what is left of. Raises RunGone, RunUnreadable."""
    folders = [run.folder.parent / run_id for run_id in run.after]
    if gone := next((folder for folder in folders if not folder.exists()), None):
        raise errors.RunGone(run.folder, gone)
    return tuple(map(read_run, folders))


def _on_these(run: Run, cards: frozenset[str]) -> bool:
    """Whether a run was begun on these cards, or, where they say no number, on a processor of this kind; also where nobody knows."""
    environment = json.loads(run.setup.get("environment") or "{}")
    begun_on, begun_by, here = cards_of(environment.get("gpus") or []), environment.get("cpu"), cpu_name()
    if begun_on and cards:
        return begun_on == cards
    return begun_by is None or here is None or begun_by == here


def _without(items: tuple[Item, ...], runs: Sequence[Run]) -> tuple[Item, ...]:
    """The questions that these runs have no row of. Raises RunUnreadable."""
    done = {key for run in runs for key in PartSink(run.folder).done()}
    return tuple(item for item in items if (item[0].id, item[1]) not in done) if done else items


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
