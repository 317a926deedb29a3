"""One combination of a sweep: its command, its process, what became of it.

A cell runs in a process of its own, so that it starts with an empty GPU and its crash is not the sweep's.
"""

import contextlib
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType

from prompt_joules.bench import errors
from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run.folder import RUN_FILE, read_run

INTERRUPTED = 130
"""Exit status of a cell that was asked to end."""


class BadSweep(errors.BenchError):
    """A sweep file that cannot be carried out; the text says where and what."""


@dataclass(frozen=True)
class Cell:
    """One combination."""

    label: str  # what tells it from the other cells, for people
    config: RunConfig  # the options
    arguments: tuple[str, ...]  # the same as a command line, after `python -m bench`


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: its exit status (None: finished before) and how long it took (s)."""

    cell: Cell
    status: int | None
    seconds: float

    @property
    def words(self) -> str:
        """The status as words."""
        named = {None: "finished before", 0: "done", 1: "no answer", 2: "refused", INTERRUPTED: "interrupted"}
        return named.get(self.status, f"crashed ({self.status})")


def is_finished(cell: Cell) -> bool:
    """Whether every task of the cell has as many finished runs in its folder, each of its seed, as were asked for."""
    done = set()
    for file in cell.config.out.glob(f"*/{RUN_FILE}"):
        with contextlib.suppress(errors.RunUnreadable):
            run = read_run(file.parent)
            done |= {(run.identity.get("task"), run.identity.get("seed", 0))} if run.finished else set()
    return done >= set(itertools.product(cell.config.tasks, cell.config.seeds))


def totals(cells: Iterable[Cell]) -> dict[str, float]:
    """Rows, failed rows, tokens, seconds of answering and joules of all parts of some cells. `measured_tokens` are those with joules."""
    import polars as pl

    sums: dict[str, float] = dict.fromkeys(("rows", "failed", "tokens", "seconds", "joules", "measured_tokens"), 0.0)
    for cell in cells:
        for file in cell.config.out.glob("*/part-*.parquet"):
            rows = pl.read_parquet(file, columns=["status", "output_tokens", "latency_s", "energy_j"])
            ok = rows.filter(pl.col("status") == "ok")
            measured = ok.filter(pl.col("energy_j").is_not_null())
            sums["rows"] += rows.height
            sums["failed"] += rows.height - ok.height
            sums["tokens"] += float(ok["output_tokens"].sum())
            sums["seconds"] += float(ok["latency_s"].sum())
            sums["joules"] += float(measured["energy_j"].sum())
            sums["measured_tokens"] += float(measured["output_tokens"].sum())
    return sums


def command(cell: Cell) -> list[str]:
    """The command of a cell, for this Python."""
    return [sys.executable, "-m", "prompt_joules.bench", *cell.arguments]


def run_cell(cell: Cell) -> int:
    """Run a cell in a process of its own; its exit status, or 130 if the sweep was asked to stop meanwhile.

    Ctrl-C reaches the cell by itself; SIGTERM is passed on. Either way the cell writes what it has and ends.
    """
    interrupted = False
    with subprocess.Popen(command(cell)) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            interrupted = True
            process.terminate()

        before = signal.signal(signal.SIGTERM, pass_on)
        try:
            while True:
                try:
                    status = process.wait()
                    return INTERRUPTED if interrupted else status
                except KeyboardInterrupt:
                    interrupted = True
        finally:
            signal.signal(signal.SIGTERM, before)
