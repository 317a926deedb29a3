"""Load files as they come: the folders are looked through every few seconds, for as long as the command runs.

Looking works on network drives too, where no system tells of changes. A file is loaded when its size and its times are what they were
at the look before, and again when they change. It does not know a file that is written with a pause longer than that: what is
half-written is refused then, and loaded when the rest has come.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from prompt_joules.bench import screen
from prompt_joules.bench.interrupt import Interrupt
from prompt_joules.bench.screen import ERR
from prompt_joules.ingest import find, lake
from prompt_joules.ingest.report import Report
from prompt_joules.warehouse import errors, places

Stamp = tuple[int, int, int]
GONE: Stamp = (-1, -1, -1)
STEP_S = 0.2
# Faults that may have passed at the next look: no space, a drive that is away, a lake that cannot be reached.
PASSING = (OSError, duckdb.Error, find.NoSuchPath, errors.UnreachableWarehouse, lake.TooManyConflicts)


class BadWatch(errors.ForPeople):
    """The options do not fit together."""


def require_fit(every_s: float, *, rebuild: bool) -> None:
    """Raise BadWatch for options that cannot be carried out."""
    if rebuild:
        raise BadWatch("--watch adds to a warehouse: run the command once with --rebuild, then with --watch.")
    if not (every_s > 0 and math.isfinite(every_s)):
        raise BadWatch(f"--every {every_s}: must be above 0, in seconds.")


@dataclass
class Looks:
    """What was seen of files, from one look to the next."""

    paths: Sequence[str]  # files and folders
    done: dict[Path, Stamp] = field(default_factory=dict)  # files that were loaded or refused, as they were then
    before: dict[Path, Stamp] = field(default_factory=dict)  # files that are not done, as they were at the last look

    def whole(self) -> dict[Path, Stamp]:
        """Files that are not done and did not change since the last look. Raises find.NoSuchPath."""
        files, passed = find.walk(self.paths)
        now = {path: _stamp(path) for path in (*(path for path, _ in files), *(item.path for item in passed))}
        self.done = {path: stamp for path, stamp in self.done.items() if path in now}
        waiting = {path: stamp for path, stamp in now.items() if self.done.get(path) != stamp}
        found = {path: stamp for path, stamp in waiting.items() if self.before.get(path) == stamp}
        self.before = waiting
        return found


def _stamp(path: Path) -> Stamp:
    try:
        return find.stamp(path)
    except OSError:  # gone since, or a link to nothing: the ingest says which
        return GONE


def watch(paths: Sequence[str], every_s: float, load: Callable[[find.Chosen], Report]) -> int:
    """Load files as they become whole, until Ctrl-C or SIGTERM; a load that is under way is finished first.

    Args:
        paths: files and folders.
        every_s: seconds between two looks.
        load: loads those of their files that it is told, and says what became of them.

    Returns:
        Exit status: 0 as it was stopped, 1 if rows or files were refused.

    Raises:
        find.NoSuchPath: a path does not exist at the beginning. Whatever else `load` raises that does not pass by itself.
        KeyboardInterrupt: the second Ctrl-C; the warehouse is as it was before the load under way.
    """
    looks, said, status = Looks(paths), "", 0
    find.walk(paths)
    if not screen.is_quiet():
        ERR.print(f"Watching {', '.join(paths)}, a look every {every_s:g} s. Ctrl-C stops it.")
    with Interrupt(screen.console(stderr=True), "Stopping; a load under way is finished first.") as stop:
        while not stop.requested:
            try:
                if found := looks.whole():
                    status |= load(found.__contains__).status
                    looks.done |= found
                said = ""
            except PASSING as error:
                words = places.sentence(error) if isinstance(error, OSError | duckdb.Error) else str(error)
                if words != said:
                    ERR.print(f"Not loaded, tried again every {every_s:g} s: {words}", style="red")
                said = words
            _wait(every_s, stop)
    return status


def _wait(seconds: float, stop: Interrupt) -> None:
    """Wait until the next look, or until the command is asked to end."""
    until = time.monotonic() + seconds
    while not stop.requested and (rest := until - time.monotonic()) > 0:
        time.sleep(min(rest, STEP_S))
