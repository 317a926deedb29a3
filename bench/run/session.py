"""What runs of every engine have in common: which prompts in which order, which run on disk, how a session of work is written down.

It imports no torch, so that a machine that only talks to a server needs none.
"""

import dataclasses
import hashlib
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console

from prompt_joules.bench import HARNESS_VERSION, errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.prompts.sets import Prompt, PromptSet
from prompt_joules.bench.run.folder import Run, find_runs, fingerprint, uuid7
from prompt_joules.bench.run.progress import RunProgress
from prompt_joules.bench.run.sink import PartSink
from prompt_joules.bench.tasks import TASKS


class Interrupt:
    """Ctrl-C as a wish: the first is noted, the second ends the process's work at once."""

    def __init__(self, console: Console) -> None:
        self.requested = False
        self._console = console
        self._before: Any = None

    def __enter__(self) -> "Interrupt":
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        self._console.print("Finishing the prompt in hand (Ctrl-C again drops it) ...")


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


def common_identity(prompts: PromptSet, task: str, meter: Meter) -> dict[str, Any]:
    """The part of a run's identity that does not depend on the engine. JSON values only."""
    ids = "\n".join(prompt.id for prompt in prompts.prompts)
    return {
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


def close_session(run: Run, sink: PartSink, begun: datetime, end: str, before: int, books: dict[str, Any]) -> None:
    """Add what was done just now, with the meter's books, to run.json.

    Args:
        before: rows that were on disk when the session began; its own are those that are there now, not those that a full disk refused.

    Raises:
        DiskFull, NotWritable.
    """
    written = len(sink.done())
    session = {
        "started_at": begun.isoformat(),
        "ended_at": datetime.now(UTC).isoformat(),
        "rows": written - before,
        "end": end,
        "books": books,
    }
    dataclasses.replace(run, sessions=[*run.sessions, session], finished=written >= run.prompts).save()


def say(job: Job, run: Run, progress: RunProgress, end: str, console: Console) -> None:
    """One line on how a session of work ended."""
    words = [f"{job.task}: {end}, {progress.rows} rows in {run.folder}", progress.rate_words(), progress.energy_words()]
    if progress.failed:
        words.append(f"{progress.failed} failed (column `reason` says why)")
    if progress.unmeasured and progress.has_energy:
        words.append(f"{progress.unmeasured} answered without energy (column `energy_reason` says why)")
    console.print("; ".join(word for word in words if word), soft_wrap=True)
