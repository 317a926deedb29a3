"""One session of work on the runs of a command: open, warm up, answer, write, close. The same for every engine.

How prompts are answered is the `Work` of an engine: `local.py` for models in this process, `served.py` for a server. It imports no torch.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console

from prompt_joules.bench import errors, record
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.interrupt import Interrupt
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.run.folder import Run, locked
from prompt_joules.bench.run.job import Job, Pass
from prompt_joules.bench.run.logs import Logs, RunLog, opened
from prompt_joules.bench.run.progress import RunProgress, Tally
from prompt_joules.bench.run.sink import PartSink
from prompt_joules.bench.run.window import Item, Row

# The columns of the setup that are options of the command by the same name.
_SAME = ("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "seed", "batch_size", "engine")


def rest_of(job: Job) -> tuple[Item, ...]:
    """The questions of a run that are in none of its parts, in order. Raises RunUnreadable."""
    done = PartSink(job.run.folder).done()
    return tuple(item for item in job.items if (item[0].id, item[1]) not in done)


@dataclasses.dataclass
class OpenRun:
    """A run of which rows are being written."""

    job: Job
    run: Run  # as run.json has it now, with the columns that are equal in every row of it
    session: Row  # the columns that are equal in every row of this session of work
    tally: Tally  # counts its rows
    progress: RunProgress  # counts and shows those of all runs of the session
    log: RunLog  # tells trackers of its rows
    text: bool  # keep the texts

    def __post_init__(self) -> None:
        self.sink = PartSink(self.run.folder)
        self.rest = rest_of(self.job)  # what is still to be answered, in order
        self.before = len(self.sink.done())  # rows that were on disk when the session began
        self.balance: dict[str, Any] = {}  # what the engine has to say of the session's energy, for run.json
        self._one_at_a_time = threading.Lock()

    @property
    def sequence(self) -> int:
        """The number of the next row."""
        return self.before + self.tally.rows

    def take(self, row: Row) -> None:
        """Complete a row by the setup and its place, and keep it. From any thread. Raises DiskFull, NotWritable."""
        with self._one_at_a_time:
            row = row | self.run.setup | self.session | {"sequence": self.sequence}
            if not self.text:
                row |= {"prompt_text": None, "output_text": None}
            self.tally.add(row)
            self.progress.add(row)
            self.sink.add(row)
            self.log.add(row)

    def close(self, begun: datetime, end: str, balance: dict[str, Any]) -> None:
        """Write the rows that wait, and what was done in this session, into run.json. Raises DiskFull, NotWritable.

        The session's rows are those that are on disk now, not those that a full disk refused.
        """
        try:
            self.sink.flush()
        finally:
            try:
                self._note(begun, end, balance | self.balance)
            finally:
                self.log.end(end)

    def _note(self, begun: datetime, end: str, balance: dict[str, Any]) -> None:
        """Add this session to run.json. Raises RunUnreadable, DiskFull, NotWritable."""
        written = len(self.sink.done())
        session = {
            "started_at": begun.isoformat(),
            "ended_at": datetime.now(UTC).isoformat(),
            "rows": written - self.before,
            "end": end,
            "books": balance,
        }
        finished = written >= self.run.prompts
        dataclasses.replace(self.run, sessions=[*self.run.sessions, session], finished=finished).save()


class Work(Protocol):
    """One engine's way of answering."""

    config: RunConfig  # what was asked for
    console: Console  # where words go
    at_once: bool  # answers overlap, so that speed is by the clock

    def open_meter(self) -> Meter:
        """The meter of the device on which the answers are made."""

    def setup_columns(self, job: Job, meter: Meter) -> Row:
        """The columns that are equal in every row of a run and that this engine alone knows."""

    def begin(self, jobs: Sequence[Job], meter: Meter, stop: Callable[[], bool]) -> Row:
        """Whatever must be done before the first window. The columns that every row of this session gets."""

    def answer(self, runs: Sequence[OpenRun], meter: Meter, stop: Callable[[], bool]) -> str:
        """Answer what is left of runs, row by row through `take`. Returns how it ended: finished or interrupted."""


def common_setup(job: Job, its_pass: Pass, meter: Meter) -> Row:
    """The setup columns that do not depend on the engine."""
    identity = job.run.identity
    return {
        **{name: getattr(its_pass.config, name) for name in _SAME},
        "schema_version": record.SCHEMA_VERSION,
        "run_id": job.run.run_id,
        "experiment_id": its_pass.experiment_id,
        "pass_id": its_pass.pass_id,
        "prompt_set": identity["prompt_set"],
        "prompt_set_sha256": identity["prompt_set_sha256"],
        "task": job.task,
        "model_name": its_pass.config.nickname,
        "harness_version": its_pass.config.harness_version,
        "gpu_model": meter.gpu_model,
        "num_gpus": meter.num_gpus,
        "energy_source": meter.source,
        "energy_edges": meter.edges,
        "energy_error_calibration": meter.calibration,
        "cpu_energy_source": meter.cpu_source,
        "dram_energy_source": meter.dram_source,
        "host_energy_reason": meter.host_reason,
    }


def work_on_all(passes: Sequence[Pass], work_of: Callable[[Pass], Work], console: Console) -> int:
    """Answer what every run still lacks, one pass after another.

    Args:
        passes: each is one session of work, with one meter and a warm-up of its own.
        work_of: the engine, for a pass.
        console: where words go.

    Returns:
        0: all rows are written (failed prompts are rows too). 1: not one prompt could be answered. 130: interrupted.

    Raises:
        RunInUse, DiskFull, NotWritable, and whatever the engine cannot go on after.
    """
    if not passes:
        return 0
    answered = 0
    with Interrupt(console) as interrupt, opened(passes[0].config, console) as logs:
        for its_pass in passes:
            if not interrupt.requested:
                answered += work_on(its_pass, work_of(its_pass), lambda: interrupt.requested, logs)
    if interrupt.requested:
        console.print("Interrupted. Run the same command again to go on.")
        return 130
    return 0 if answered else 1


def work_on(its_pass: Pass, work: Work, stop: Callable[[], bool], logs: Logs) -> int:
    """Answer what the runs of a pass still lack; write parts, and the session's balance into run.json, however it ends.

    Returns how many prompts were answered; where none was, how many of the runs have answers of earlier sessions. Raises as `work_on_all`.
    """
    meter = work.open_meter()
    session = work.begin(its_pass.jobs, meter, stop)
    if stop():
        meter.close()
        return 0
    with contextlib.ExitStack() as stack:
        progress = _progress(its_pass.jobs, work, meter)
        runs = [_open(job, its_pass, work, meter, session, progress, logs, stack) for job in its_pass.jobs]
        begun, end = datetime.now(UTC), "failed"
        balance: dict[str, object] = {}
        meter.restart()
        try:
            with progress:
                end = work.answer(runs, meter, stop)
        except KeyboardInterrupt:
            end = "aborted"
            raise
        finally:
            try:
                balance = meter.close()
            finally:  # rows are kept whatever becomes of the meter
                _close(runs, begun, end, balance)
    for run in runs:
        say(run, end, work.console)
    return progress.rows - progress.failed or sum(run.sink.answered() for run in runs)


def _progress(jobs: Sequence[Job], work: Work, meter: Meter) -> RunProgress:
    total = sum(len(job.items) for job in jobs)
    done = total - sum(len(rest_of(job)) for job in jobs)
    label = jobs[0].task if len(jobs) == 1 else f"{len(jobs)} tasks"
    return RunProgress(work.console, label, done, total, meter.reason, at_once=work.at_once)


def _open(
    job: Job, its_pass: Pass, work: Work, meter: Meter, session: Row, progress: RunProgress, logs: Logs, stack: contextlib.ExitStack
) -> OpenRun:
    """Make or lock the run's folder, until the stack ends, and write its run.json."""
    with errors.writing(job.run.folder):
        job.run.folder.mkdir(parents=True, exist_ok=True)
    stack.enter_context(locked(job.run.folder))
    setup = job.run.setup or common_setup(job, its_pass, meter) | work.setup_columns(job, meter)
    tally = Tally(meter.reason, at_once=work.at_once)
    log = RunLog(logs, setup, at_once=work.at_once)
    run = OpenRun(job, dataclasses.replace(job.run, setup=setup), session, tally, progress, log, work.config.text)
    run.run.save()
    return run


def _close(runs: Sequence[OpenRun], begun: datetime, end: str, balance: dict[str, object]) -> None:
    """Close every run, also when another cannot be written; the first error is raised. They share the balance of their one meter."""
    failures: list[errors.BenchError] = []
    for run in runs:
        shared: dict[str, Any] = dict(balance)
        if balance and len(runs) > 1:
            shared |= {"shared_by": [other.run.run_id for other in runs], "own_windows_j": run.tally.joules}
        try:
            run.close(begun, end, shared)
        except errors.BenchError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def say(run: OpenRun, end: str, console: Console) -> None:
    """One line on how a session of work ended."""
    tally = run.tally
    words = [
        f"{run.job.task}: {end}, {tally.rows} {'row' if tally.rows == 1 else 'rows'} in {run.run.folder}",
        tally.rate_words(),
        tally.energy_words(),
    ]
    if tally.failed:
        words.append(f"{tally.failed} failed (column `reason` says why)")
    if tally.unmeasured and tally.energy_reason is None:
        words.append(f"{tally.unmeasured} answered without energy (column `energy_reason` says why)")
    console.print("; ".join(word for word in words if word), soft_wrap=True)
