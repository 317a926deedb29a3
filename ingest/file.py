"""Load files into a warehouse that is a file: build the new one beside the old one, check it, and put it in its place.

A reader sees the old file or the new one. A crash, a full disk or `kill -9` leaves the old one whole. One
ingest runs at a time for one warehouse; a second waits for the lock. Nothing new to load: the file is not touched.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from prompt_joules.bench.files import make_names_durable
from prompt_joules.ingest import derive, zips
from prompt_joules.ingest.find import Found, Namer, Passed, names_of, passed_line, pick_news
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.load import MEMORY_LIMIT, fill, known_hashes
from prompt_joules.ingest.report import Report, Say, Step, refused_before, refused_now, write_refused
from prompt_joules.warehouse import connect, create

BLOCK = 1024 * 1024
STORAGE = "v1.5.0"
"""Format of a new file, which DuckDB 1.5 reads too: people's other tools are often older than this project's DuckDB."""
# The errors of copy_file_range between two file systems, on an old kernel, or where a file system cannot share.
CANNOT_SHARE = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP)


def load(warehouse: str, found: Sequence[Found], passed: Sequence[Passed], *, rebuild: bool, say: Say, step: Step) -> Report:
    """Put what is new of some files into the warehouse, while nobody else does; the arguments are those of `loading.ingest`.

    Raises:
        OldWarehouse, BrokenWarehouse: the file that is there cannot be added to.
        NotAWarehouse: what is there is something else, and is not replaced by `rebuild` either.
        derive.UnsoundBuild: a fault of ours.
        OSError: no space, no permission; the old warehouse is whole.
    """
    target = Path(warehouse).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    name = partial(_name, target)
    report = Report([passed_line(item, name) for item in passed])
    looked = names_of(found, passed, name)
    with _only_one(target, say):
        if target.exists():
            connect.refuse_others(target)
        fresh = rebuild or not target.exists()
        known, noted = ({}, {}) if fresh else _known(warehouse)
        news = pick_news(found, known, name, report)

        def notes() -> dict[str, str]:
            return refused_now(noted, looked, report.refused, lambda path: not zips.exists(target.parent / path))

        if news or fresh or notes() != noted:
            _build(target, news, name, report, notes, fresh=fresh, step=step)
            report.changed = True
    return report


def _name(target: Path, path: Path) -> str:
    """How the warehouse calls a file: relative to the warehouse's folder when it lies below it."""
    path = path.absolute()
    return str(path.relative_to(target.parent)) if path.is_relative_to(target.parent) else str(path)


@contextlib.contextmanager
def _only_one(target: Path, say: Say) -> Iterator[None]:
    """Hold the warehouse's lock file. The system frees it when the process dies."""
    lock = FileLock(target.with_name(target.name + ".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"Another ingest is writing {target.name}; waiting for it to finish …")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _known(warehouse: str) -> tuple[dict[str, str], dict[str, str]]:
    """sha256 → path of the files that need not be read again, and the files that it notes as refused. Raises errors.WarehouseError."""
    with connect.once(warehouse) as connection:
        return known_hashes(connection), refused_before(connection)


def _build(
    target: Path, news: Sequence[Found], name: Namer, report: Report, notes: Callable[[], dict[str, str]], *, fresh: bool, step: Step
) -> None:
    building = target.with_name(target.name + ".building")
    _clear(building)
    try:
        if not fresh:
            copy(target, building)
        with duckdb.connect(building, config={"memory_limit": MEMORY_LIMIT, "storage_compatibility_version": STORAGE}) as connection:
            connection.execute("set timezone = 'UTC'")
            if fresh:
                create.empty(connection)
            fill(connection, news, name, report, step=step)
            write_refused(connection, notes())
            derive.require_sound(connection, "problems", requests=[reader.name for reader in FORMATS if reader.into == "requests"])
            connection.execute("checkpoint")
        _swap(building, target)
    finally:
        _clear(building)


def _clear(building: Path) -> None:
    for ending in ("", ".wal"):
        building.with_name(building.name + ending).unlink(missing_ok=True)
    shutil.rmtree(building.with_name(building.name + ".tmp"), ignore_errors=True)


def _swap(building: Path, target: Path) -> None:
    """Make the new file durable, then give it the old one's name in one step."""
    with building.open("rb+") as file:  # Windows makes a file durable only if it may be written
        os.fsync(file.fileno())
    building.replace(target)
    make_names_durable(target.parent)


def copy(source: Path, target: Path) -> None:
    """Copy a file; on Linux inside the kernel. Where the file system can share blocks (Btrfs, XFS) no byte is copied, whatever the size.

    Raises:
        OSError: no space, no permission; the target is then incomplete.
    """
    with source.open("rb") as old, target.open("wb") as new:
        left = os.fstat(old.fileno()).st_size
        in_kernel = getattr(os, "copy_file_range", lambda *_: 0)  # Linux alone has it
        try:
            while left and (copied := in_kernel(old.fileno(), new.fileno(), left)):
                left -= copied
        except OSError as error:
            if error.errno not in CANNOT_SHARE:
                raise
        if left:
            old.seek(0)
            new.seek(0)
            shutil.copyfileobj(old, new, BLOCK)
