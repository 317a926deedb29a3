"""A visitor's own SQL on the warehouse: reads only, cannot reach files or the network, and ends when its time or memory is up.

One SELECT at a time, in a process of its own (`visitor_sql_child.py`) that runs nothing else and is gone afterwards. What it may name is
checked on the parsed statement (`visitor_sql_allowed.py`). Errors are DuckDB's own words: they say where the text is wrong.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from prompt_joules.warehouse import connect, errors, switches
from prompt_joules.warehouse.visitor_sql_allowed import OUT_OF_MEMORY, RefusedSql

__all__ = ["Answer", "RefusedSql", "run", "warm"]

MOST_ROWS = 10_000
MOST_BYTES = 8_000_000
"""The size of an answer in Arrow: what the server keeps and a browser gets."""
MOST_SECONDS = 10.0
LONGEST = 20_000
RUNNING = 2
"""Statements of all visitors that run at once. WAITING more wait their turn for a while; others are told to come back."""
WAITING = 8
LONGEST_WAIT = 20.0
GRACE = 5.0
"""Seconds that the parent waits for a child beyond the time of its statement: for its start, where no spare one stands ready."""
PASSED_ON = "PATH LANG LC_ALL LC_CTYPE TZ SYSTEMROOT PYTHONHOME PYTHONPATH VIRTUAL_ENV LD_LIBRARY_PATH DYLD_LIBRARY_PATH"
"""Variables of the environment that a child needs for a file. For a lake it gets all of them: they hold the credentials."""
OF_ITS_OWN = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "RUST_BACKTRACE": "0"}
_TURNS = threading.BoundedSemaphore(RUNNING)
_LOCK = threading.Lock()
_WAITING = 0
_SPARE: dict[bool, subprocess.Popen[bytes]] = {}
"""A child that has started and waits for a statement, for files (False) or for shared warehouses (True)."""


@dataclass(frozen=True)
class Answer:
    """What a statement gave."""

    rows: pl.DataFrame  # at most MOST_ROWS rows and MOST_BYTES; what is no number, text, truth value or date is text
    cut: bool  # there were more rows than that


def run(sql: str, warehouse: str, seconds: float = MOST_SECONDS, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> Answer:
    """Run one SELECT.

    Args:
        sql: the text; one statement.
        warehouse: path of the file, or address.
        seconds: how long it may take; as much computing time again for each of its threads.
        most_rows: how many rows are fetched.
        most_bytes: how many bytes of rows are fetched.

    Raises:
        RefusedSql: switched off, too many wait, more than one statement, not a SELECT, a name that is not allowed, an error, or the time or
            memory is used up.
        errors.WarehouseError: the file is missing, old or broken.
    """
    if not switches.is_on(switches.SQL):
        raise RefusedSql("The SQL box is switched off on this server.")
    if len(sql) > LONGEST:
        raise RefusedSql(f"The text is longer than {LONGEST:,} characters.")
    place = connect.place_of(warehouse)
    if place.kind == "cloud":
        raise RefusedSql("There is no SQL box on MotherDuck: the limits of a statement would not hold on its servers.")
    asked = {
        "sql": sql,
        "warehouse": warehouse if place.shared else str(Path(warehouse).absolute()),
        "seconds": seconds,
        "most_rows": most_rows,
        "most_bytes": most_bytes,
        "texts": switches.is_on(switches.TEXTS),
    }
    with _turn():
        return _answer(_ask(_child(place.shared), json.dumps(asked).encode() + b"\n", seconds), seconds, place.shared)


def warm(shared: bool = False) -> None:
    """Start a child that waits for the next statement, unless one does: its first visitor need not wait for it."""
    if not switches.is_on(switches.SQL):
        return
    with _LOCK:
        spare = _SPARE.get(shared)
        if spare is None or spare.poll() is not None:
            _SPARE[shared] = _started(shared)


@contextmanager
def _turn() -> Iterator[None]:
    """One of the RUNNING places, after a wait where they are taken. Raises RefusedSql: too many wait, or for too long."""
    global _WAITING  # noqa: PLW0603
    busy = RefusedSql("Others are asking in SQL right now: try again in a moment.")
    if not _TURNS.acquire(blocking=False):
        with _LOCK:
            if _WAITING >= WAITING:
                raise busy
            _WAITING += 1
        try:
            if not _TURNS.acquire(timeout=LONGEST_WAIT):
                raise busy
        finally:
            with _LOCK:
                _WAITING -= 1
    try:
        yield
    finally:
        _TURNS.release()


def _child(shared: bool) -> subprocess.Popen[bytes]:
    with _LOCK:
        spare = _SPARE.pop(shared, None)
    return spare if spare is not None and spare.poll() is None else _started(shared)


def _started(shared: bool) -> subprocess.Popen[bytes]:
    """A child process. It finds the project where this process did, and knows no secret that it does not need."""
    environment = dict(os.environ) if shared else {name: os.environ[name] for name in PASSED_ON.split() if name in os.environ}
    command = [sys.executable, "-P", "-m", "prompt_joules.warehouse.visitor_sql_child"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment | OF_ITS_OWN)


def _ask(child: subprocess.Popen[bytes], request: bytes, seconds: float) -> tuple[int | None, bytes]:
    """What a child wrote, and how it ended: None when it had to be ended."""
    try:
        written, _ = child.communicate(request, timeout=seconds + GRACE)
        return child.returncode, written
    except subprocess.TimeoutExpired:
        return None, b""
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()


def _answer(ended: tuple[int | None, bytes], seconds: float, shared: bool) -> Answer:
    warm(shared)
    code, written = ended
    if code is None or code in _OVERDUE:
        raise RefusedSql(f"Stopped after {seconds:g} s: ask for less, or aggregate.")
    first, _, rest = written.partition(b"\n")
    if code < 0:
        raise RefusedSql(f"{OUT_OF_MEMORY} (It ended its process: {signal.Signals(-code).name}.)")
    if code or not first:
        raise RefusedSql("The statement could not be answered; the log of the server says why.")
    said = json.loads(first)
    match said["kind"]:
        case "answer":
            return Answer(_rows(rest), said["cut"])
        case "warehouse":
            raise errors.WarehouseError(said["words"])
        case _:
            raise RefusedSql(said["words"])


def _rows(stream: bytes) -> pl.DataFrame:
    """Rows from Arrow's stream. Raises RefusedSql: polars cannot read a type."""
    # In Arrow's own memory: freeing Python's memory waits for Python, which the threads of polars must never do.
    copy = pa.BufferOutputStream()
    copy.write(stream)
    try:
        return pl.DataFrame(pa.ipc.open_stream(copy.getvalue()).read_all())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException) as error:
        raise RefusedSql(
            f"The answer cannot be shown ({str(error).splitlines()[0]}): cast its columns to text, e.g. x::varchar."
        ) from error


_OVERDUE = tuple(-getattr(signal, name) for name in ("SIGALRM", "SIGXCPU") if hasattr(signal, name))


@atexit.register
def _end() -> None:
    for spare in _SPARE.values():
        spare.kill()
