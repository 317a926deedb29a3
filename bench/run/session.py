"""One session of work on the runs of a command: open, warm up, answer, write, close. The same for every engine.

How prompts are answered is the `Work` of an engine: `local.py` for models in this process, `served.py` for a server. It imports no torch.
"""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console

from prompt_joules.bench import HARNESS_VERSION, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.run.folder import Run, locked
from prompt_joules.bench.run.interrupt import Interrupt
from prompt_joules.bench.run.job import Job
from prompt_joules.bench.run.progress import RunProgress
from prompt_joules.bench.run.sink import PartSink
from prompt_joules.bench.run.window import Item, Row

_SAME = ("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "seed", "batch_size", "engine")


class OpenRun:
    """A run of which rows are being written.

    Args:
        job: which run.
        setup: the columns that are equal in every row of it.
        progress: gets every row.
        text: keep the texts.

    Attributes:
        run: as run.json has it now.
        rest: what is still to be answered, in order.
        before: rows that were on disk when the session began.
        balance: what the engine has to say of the session's energy, for run.json.
    """

    def __init__(self, job: Job, sink: PartSink, setup: Row, progress: RunProgress, *, text: bool) -> None:
        done = sink.done()
        self.job, self.sink, self.progress = job, sink, progress
        self.run: Run = dataclasses.replace(job.run, setup=setup)
        self.rest: tuple[Item, ...] = tuple(item for item in job.items if (item[0].id, item[1]) not in done)
        self.before = len(done)
        self.balance: dict[str, Any] = {}
        self._text = text
        self._one_at_a_time = threading.Lock()

    @property
    def sequence(self) -> int:
        """Of the next row."""
        return self.before + self.progress.rows

    def take(self, row: Row) -> None:
        """Complete a row by the setup and its place, and keep it. From any thread. Raises DiskFull, NotWritable."""
        with self._one_at_a_time:
            row = row | self.run.setup | {"sequence": self.sequence}
            if not self._text:
                row |= {"prompt_text": None, "output_text": None}
            self.progress.add(row)
            self.sink.add(row)

    def close(self, begun: datetime, end: str) -> None:
        """Write the rows that wait, and what was done in this session, into run.json. Raises DiskFull, NotWritable.

        The session's rows are those that are on disk now, not those that a full disk refused.
        """
        try:
            self.sink.flush()
        finally:
            written = len(self.sink.done())
            session = {
                "started_at": begun.isoformat(),
                "ended_at": datetime.now(UTC).isoformat(),
                "rows": written - self.before,
                "end": end,
                "books": self.balance,
            }
            sessions = [*self.run.sessions, session]
            dataclasses.replace(self.run, sessions=sessions, finished=written >= self.run.prompts).save()


class Work(Protocol):
    """One engine's way of answering."""

    @property
    def config(self) -> RunConfig:
        """What was asked for."""

    @property
    def console(self) -> Console:
        """Where words go."""

    @property
    def at_once(self) -> bool:
        """Answers overlap, so that speed is by the clock."""

    def open_meter(self) -> Meter:
        """The meter of the device on which the answers are made."""

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """The columns that are equal in every row of a run and that this engine alone knows."""

    def warm_up(self, job: Job, stop: Callable[[], bool]) -> None:
        """Answer unrecorded until the engine is ready to be measured."""

    def answer(self, run: OpenRun, meter: Meter, stop: Callable[[], bool]) -> str:
        """Answer what is left of a run, row by row through `run.take`. How it ended: finished or interrupted."""


def common_setup(job: Job, config: RunConfig, meter: Meter) -> Row:
    """The setup columns that do not depend on the engine."""
    identity = job.run.identity
    return {
        **{name: getattr(config, name) for name in _SAME},
        "schema_version": record.SCHEMA_VERSION,
        "run_id": job.run.run_id,
        "prompt_set": identity["prompt_set"],
        "prompt_set_sha256": identity["prompt_set_sha256"],
        "task": job.task,
        "model_name": config.nickname,
        "harness_version": HARNESS_VERSION,
        "gpu_model": meter.gpu_model,
        "num_gpus": meter.num_gpus,
        "energy_source": meter.source,
        "energy_edges": meter.edges,
        "cpu_energy_source": meter.cpu_source,
        "dram_energy_source": meter.dram_source,
        "host_energy_reason": meter.host_reason,
    }


def work_on_all(jobs: Sequence[Job], work: Work) -> int:
    """Warm up, then answer what every run still lacks.

    Returns:
        0: all rows are written (failed prompts are rows too). 1: not one prompt could be answered. 130: interrupted.

    Raises:
        RunInUse, DiskFull, NotWritable, and whatever the engine cannot go on after.
    """
    if not jobs:
        return 0
    answered = 0
    with Interrupt(work.console) as interrupt:
        work.warm_up(jobs[0], lambda: interrupt.requested)
        for job in jobs:
            if not interrupt.requested:
                answered += work_on(job, work, lambda: interrupt.requested)
    if interrupt.requested:
        work.console.print("Interrupted. Run the same command again to go on.")
        return 130
    return 0 if answered else 1


def work_on(job: Job, work: Work, stop: Callable[[], bool]) -> int:
    """Answer what a run still lacks; write parts, and the session's balance into run.json, however it ends.

    Returns how many prompts were answered. Raises as `work_on_all`.
    """
    job.run.folder.mkdir(parents=True, exist_ok=True)
    with locked(job.run.folder):
        sink, meter = PartSink(job.run.folder), work.open_meter()
        setup = job.run.setup or common_setup(job, work.config, meter) | work.setup_columns(job, meter)
        progress = RunProgress(work.console, job.task, len(sink.done()), len(job.items), meter.reason, at_once=work.at_once)
        run = OpenRun(job, sink, setup, progress, text=work.config.text)
        run.run.save()
        begun, end = datetime.now(UTC), "failed"
        try:
            with progress:
                end = work.answer(run, meter, stop)
        except KeyboardInterrupt:
            end = "aborted"
            raise
        finally:
            run.balance |= meter.close()
            run.close(begun, end)
    say(run, end, work.console)
    return progress.rows - progress.failed


def say(run: OpenRun, end: str, console: Console) -> None:
    """One line on how a session of work ended."""
    progress = run.progress
    words = [f"{run.job.task}: {end}, {progress.rows} rows in {run.run.folder}", progress.rate_words(), progress.energy_words()]
    if progress.failed:
        words.append(f"{progress.failed} failed (column `reason` says why)")
    if progress.unmeasured and progress.has_energy:
        words.append(f"{progress.unmeasured} answered without energy (column `energy_reason` says why)")
    console.print("; ".join(word for word in words if word), soft_wrap=True)
