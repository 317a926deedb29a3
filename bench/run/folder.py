"""A run's folder: its id, its fingerprint, what is in run.json, and who may write it.

A run is one model, task, setup and prompt set. Two commands with the same fingerprint mean the same run, which is how an
interrupted one is found again. This module does not know how rows are made or written.
"""

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from prompt_joules.bench import errors
from prompt_joules.bench.files import write_atomically

RUN_FILE = "run.json"
# What run.json holds besides the id, which is the name of its folder.
_SAVED = ("fingerprint", "finished", "prompts", "identity", "setup", "sessions")
_PATIENCE_S = 0.2


def fingerprint(identity: dict[str, Any]) -> str:
    """Hash of everything that makes a run what it is; equal for equal dicts, whatever the order of keys."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Run:
    """A run on disk.

    Attributes:
        folder: `<out>/<run_id>`.
        fingerprint: of its identity.
        identity: what the fingerprint was taken of, for a person to read.
        setup: the columns that are equal in every row of the run.
        prompts: how many rows a finished run has (prompts times repetitions).
        finished: all rows are written.
        sessions: one dict per time the run was worked on: start, end, rows, how it ended, the meter's balance.
        after: ids of the runs beside this one that were begun on other hardware; this one asks what they lack.
    """

    folder: Path
    fingerprint: str
    identity: dict[str, Any]
    setup: dict[str, Any]
    prompts: int
    finished: bool = False
    sessions: list[dict[str, Any]] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return self.folder.name

    def save(self) -> None:
        """Write run.json, atomically. Raises DiskFull, NotWritable."""
        content = {"run_id": self.run_id} | {name: getattr(self, name) for name in (*_SAVED, "after")}
        with errors.writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / RUN_FILE, json.dumps(content, indent=2, default=str).encode() + b"\n")


def read_run(folder: Path) -> Run:
    """The run in a folder. Raises RunUnreadable."""
    path = folder / RUN_FILE
    try:
        content = json.loads(path.read_bytes())
        return Run(folder, **{name: content[name] for name in _SAVED}, after=content.get("after", []))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.RunUnreadable(path, str(error)) from error


def find_runs(out: Path, wanted: str) -> list[Run]:
    """Runs under `out` with this fingerprint, oldest first. A foreign or damaged run.json is passed over."""
    found = []
    for path in sorted(out.glob(f"*/{RUN_FILE}")):
        with contextlib.suppress(errors.RunUnreadable):
            run = read_run(path.parent)
            if run.fingerprint == wanted:
                found.append(run)
    return found


def require_writable(out: Path) -> None:
    """Make the results folder and try it, before a model is loaded. Raises DiskFull, NotWritable."""
    probe = out / f".writable-{secrets.token_hex(4)}"
    with errors.writing(out):
        out.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()


def claimed(out: Path, wanted: str) -> contextlib.AbstractContextManager[None]:
    """Hold a fingerprint below `out` for this process, so that two commands do not make two runs of it. Raises RunInUse, NotWritable."""
    return _only_here(out / f".{wanted[:16]}.lock", out)


def locked(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the run's folder for this process. Raises RunInUse, NotWritable. The lock goes with the process, however it ends."""
    return _only_here(folder / ".lock", folder)


@contextlib.contextmanager
def _only_here(path: Path, folder: Path) -> Iterator[None]:
    """Hold a lock file, and remove it afterwards. Errors name `folder`."""
    lock = FileLock(path, timeout=_PATIENCE_S)
    with errors.writing(folder):
        try:
            lock.acquire()
        except Timeout as error:
            raise errors.RunInUse(folder) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no file that is open
            path.unlink()  # removed while held: a process that waits for it sees that it is gone, and makes a new one
        lock.release()
