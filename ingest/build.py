"""Build the new warehouse beside the old one, check it, and put it in its place.

A reader sees the old file or the new one. A crash, a full disk or `kill -9` leaves the old one whole. One
ingest runs at a time for one warehouse; a second waits for the lock. Nothing new to load: the file is not touched.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb

from prompt_joules.bench.tasks import TASKS
from prompt_joules.ingest import files, refused
from prompt_joules.ingest.files import Found, Passed
from prompt_joules.ingest.formats import FORMATS, formats
from prompt_joules.ingest.formats.base import Format, Loaded, Source, Unreadable, statement
from prompt_joules.ingest.formats.mapped import ColumnMap
from prompt_joules.warehouse import store

MODELS = Path(store.__file__).parent / "models.csv"
# What DuckDB may hold while it builds; Python, the readers and the allocator come on top.
MEMORY_LIMIT = "1000MB"
# Rows whose runs are summarised at once.
SLICE_ROWS = 500_000
# Tables of numbers of each run, beside `runs` itself.
SUMMARIES = ("run_summary", "fit_sums", "energy_buckets")
Say = Callable[[str], None]
Step = Callable[[int, int], None]
Namer = Callable[[Path], str]


class UnsoundBuild(Exception):
    """The new warehouse failed its own checks and was thrown away; the old one is untouched."""


@dataclass(frozen=True)
class Line:
    """One file in the final report: what became of it. `state` is loaded, known, foreign or unreadable."""

    path: str
    format: str
    state: str
    accepted: int = 0
    rejected: int = 0
    why: str = ""


@dataclass
class Report:
    """What an ingest did.

    Attributes:
        lines: one per file.
        seconds: wall clock.
        changed: whether a new warehouse was put in place.
    """

    lines: list[Line] = field(default_factory=list)
    seconds: float = 0.0
    changed: bool = False

    @property
    def refused(self) -> dict[str, str]:
        """Files that could not be read, and why."""
        return {line.path: line.why for line in self.lines if line.state == "unreadable"}

    @property
    def status(self) -> int:
        """Exit status: 1 when a row or a whole file was refused, else 0."""
        return int(any(line.rejected or line.state == "unreadable" for line in self.lines))


def ingest(paths: Sequence[str], warehouse: str, *, rebuild: bool, say: Say, step: Step, mapping: ColumnMap | None = None) -> Report:
    """Load files into a warehouse.

    Args:
        paths: files and folders.
        warehouse: path of the DuckDB file; made when absent.
        rebuild: start from nothing instead of from the warehouse that is there.
        say: gets sentences for people.
        step: gets (files done, files in all).
        mapping: how to read CSV and Parquet files of no known format.

    Raises:
        files.NoSuchPath: a path does not exist.
        store.OldWarehouse, store.BrokenWarehouse: the file that is there cannot be added to.
        store.NotAWarehouse: what is there is something else, and is not replaced by `rebuild` either.
        UnsoundBuild: a fault of ours.
        OSError: no space, no permission; the old warehouse is whole.
    """
    started = time.monotonic()
    report = Report()
    target = Path(warehouse).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    name = partial(_name, target)
    found, passed = survey(paths, formats(mapping))
    report.lines += [passed_line(item, name) for item in passed]
    looked = names_of(found, passed, name)
    with _only_one(target, say):
        if target.exists():
            store.refuse_others(target)
        fresh = rebuild or not target.exists()
        known, noted = ({}, {}) if fresh else _known(warehouse)
        news = pick_news(found, known, name, report)

        def notes() -> dict[str, str]:
            return refused.now(noted, looked, report.refused, lambda path: not (target.parent / path).exists())

        if news or fresh or notes() != noted:
            _build(target, news, name, report, notes, fresh=fresh, step=step)
            report.changed = True
    report.seconds = time.monotonic() - started
    return report


def survey(paths: Sequence[str], candidates: Sequence[Format]) -> tuple[list[Found], list[Passed]]:
    """Files under the paths whose format is known, and those that are passed over. Raises files.NoSuchPath."""
    walked, passed = files.walk(paths)
    looked = [files.look(path, named, candidates) for path, named in walked]
    found = [item for item in looked if isinstance(item, Found)]
    return found, passed + [item for item in looked if isinstance(item, Passed)]


def names_of(found: Sequence[Found], passed: Sequence[Passed], name: Namer) -> set[str]:
    """How the warehouse calls all files of a survey."""
    return {name(item.path) for item in found} | {name(item.path) for item in passed}


def pick_news(found: Sequence[Found], known: dict[str, str], name: Namer, report: Report) -> list[Found]:
    """Files whose content is new, each content once. The others are reported as known."""
    news = []
    seen = dict(known)
    for item in found:
        if item.sha256 in seen:
            report.lines.append(Line(name(item.path), item.format.name, "known", why=_same(item, seen, name)))
        else:
            seen[item.sha256] = name(item.path)
            news.append(item)
    return news


def _same(item: Found, seen: dict[str, str], name: Namer) -> str:
    other = seen[item.sha256]
    return "loaded before" if other == name(item.path) else f"same content as {other}"


@contextlib.contextmanager
def _only_one(target: Path, say: Say) -> Iterator[None]:
    """Hold the warehouse's lock file. The system frees it when the process dies."""
    handle = os.open(target.with_name(target.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another ingest is writing {target.name}; waiting for it to finish …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _known(warehouse: str) -> tuple[dict[str, str], dict[str, str]]:
    """sha256 → path of every file in the warehouse, and the files that it notes as refused. Raises store.WarehouseError."""
    connection = store.connect(warehouse)
    try:
        return known_hashes(connection), refused.noted(connection)
    finally:
        connection.close()


def known_hashes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """sha256 → path of every file in the warehouse."""
    return dict(connection.execute("select sha256, path from ingested_files").fetchall())


def _build(
    target: Path, news: Sequence[Found], name: Namer, report: Report, notes: Callable[[], dict[str, str]], *, fresh: bool, step: Step
) -> None:
    building = target.with_name(target.name + ".building")
    _clear(building)
    try:
        if not fresh:
            files.copy(target, building)
        connection = duckdb.connect(building, config={"memory_limit": MEMORY_LIMIT})
        try:
            connection.execute("set timezone = 'UTC'")
            if fresh:
                store.create(connection)
            fill(connection, news, name, report, step=step)
            refresh_prompts(connection)
            refused.write(connection, notes())
            _judge(connection)
            connection.execute("checkpoint")
        finally:
            connection.close()
        _swap(building, target)
    finally:
        _clear(building)


def _clear(building: Path) -> None:
    for ending in ("", ".wal"):
        building.with_name(building.name + ending).unlink(missing_ok=True)
    shutil.rmtree(building.with_name(building.name + ".tmp"), ignore_errors=True)


def _swap(building: Path, target: Path) -> None:
    """Make the new file durable, then give it the old one's name in one step."""
    handle = os.open(building, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    building.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def fill(connection: duckdb.DuckDBPyConnection, news: Sequence[Found], name: Namer, report: Report, *, step: Step) -> None:
    """Load files into the warehouse that is this connection's database, and compute again what they touch."""
    connection.execute(statement("work_tables"))
    connection.execute(statement("summarised"))
    _reference(connection)
    done = 0
    for reader in FORMATS:
        mine = [item for item in news if item.format.name == reader.name]
        for start in range(0, len(mine), reader.batch):
            batch = mine[start : start + reader.batch]
            report.lines += _load_batch(connection, batch[0].format, batch, name)
            done += len(batch)
            step(done, len(news))
    _refresh(connection)


def _judge(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise UnsoundBuild when the books of a new warehouse do not close."""
    require_sound(connection, "problems", requests=[reader.name for reader in FORMATS if reader.into == "requests"])


def require_sound(connection: duckdb.DuckDBPyConnection, name: str, **given: Sequence[str]) -> None:
    """Raise UnsoundBuild for what the statement `name` finds, or the one of what is wrong anywhere."""
    problems = connection.execute(statement(name), given).fetchall() + connection.execute(statement("problems_anywhere")).fetchall()
    if problems:
        raise UnsoundBuild("; ".join(problem for (problem,) in problems))


def _reference(connection: duckdb.DuckDBPyConnection) -> None:
    """The reviewed models and the tasks, as this version of the project knows them."""
    connection.execute(statement("reference"), {"models": str(MODELS)})
    connection.execute(statement("aliases"), {"models": str(MODELS)})
    connection.executemany(
        "insert or replace into tasks values ($1, $2, $3)",
        [(task.name, task.system, task.verbose_twin) for task in TASKS.values()],
    )


def _load_batch(connection: duckdb.DuckDBPyConnection, reader: Format, batch: Sequence[Found], name: Namer) -> list[Line]:
    """Load files in one transaction; when one of them is bad, in halves, until only the bad one is left out."""
    connection.execute("begin")
    try:
        loaded = reader.load(connection, _register(connection, batch, name))
        for item in batch:
            if files.stamp(item.path) != item.stamp:
                raise Unreadable("changed while it was read; run the same command again")
        _remember(connection, reader, loaded)
        connection.execute("commit")
    except (Unreadable, OSError, UnicodeError, duckdb.Error) as error:
        connection.execute("rollback")
        if isinstance(error, duckdb.FatalException):
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            halves = (batch[:middle], batch[middle:])
            return [line for half in halves for line in _load_batch(connection, reader, half, name)]
        why = "holds text that is not Unicode" if isinstance(error, UnicodeError) else str(error).splitlines()[0]
        return [Line(name(batch[0].path), reader.name, "unreadable", why=why)]
    return [Line(r.source.name, reader.name, "loaded", r.accepted, r.rejected) for r in loaded]


def _register(connection: duckdb.DuckDBPyConnection, batch: Sequence[Found], name: Namer) -> list[Source]:
    """Give files their numbers. Rows of an earlier content of the same file are forgotten first."""
    names = [name(item.path) for item in batch]
    for (known,) in connection.execute(statement("loaded_before"), {"paths": names}).fetchall():
        for sql in statement("forget_file").split(";\n"):
            if sql.strip():
                connection.execute(sql, {"path": known})
    ((last,),) = connection.execute(statement("last_file")).fetchall()
    named = enumerate(zip(batch, names, strict=True), last + 1)
    return [Source(number, item.path, called, item.sha256, item.size) for number, (item, called) in named]


def _remember(connection: duckdb.DuckDBPyConnection, reader: Format, loaded: Sequence[Loaded]) -> None:
    """Write down which files were loaded, and how many of their rows."""
    connection.execute(
        statement("loaded_files"),
        {
            "file_ids": [result.source.file_id for result in loaded],
            "paths": [result.source.name for result in loaded],
            "hashes": [result.source.sha256 for result in loaded],
            "format": reader.name,
            "accepted": [result.accepted for result in loaded],
            "rejected": [result.rejected for result in loaded],
            "sizes": [result.source.size for result in loaded],
            "now": datetime.now(UTC),
        },
    )


def _refresh(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute totals, percentiles and verdicts of the touched runs."""
    connection.execute(statement("models_of_runs"))
    connection.execute(statement("models_named"))
    connection.execute("delete from runs where run_id in (select run_id from touched)")
    for table in SUMMARIES:
        connection.execute(f"delete from {table} where run_id in (select run_id from touched)")
    for first, last in connection.execute(statement("slices"), {"rows": SLICE_ROWS}).fetchall():
        connection.execute(statement("runs"), {"first": first, "last": last})
        for table in SUMMARIES:
            connection.execute(statement(table), {"first": first, "last": last})
    refresh_results(connection)


def refresh_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the rows of `results` again, all of them: names and scores of a model are in each of its rows."""
    connection.execute("delete from results")
    connection.execute("insert into results by name from configurations")


def refresh_prompts(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the sums over prompts of the runs in the table `touched` again.

    Rows are read of these runs and of those that shared their sums before; a run that is new is added to the sums of the runs alike.
    """
    for name in ("prompts_regrouped", "prompt_groups", "prompts_joined", "prompt_sums"):
        connection.execute(statement(name))


def _name(target: Path, path: Path) -> str:
    """How the warehouse calls a file: relative to the warehouse's folder when it lies below it."""
    path = path.absolute()
    return str(path.relative_to(target.parent)) if path.is_relative_to(target.parent) else str(path)


def passed_line(item: Passed, name: Namer) -> Line:
    """The line of the report for a file that will not be loaded."""
    return Line(name(item.path), "", "unreadable" if item.failure else "foreign", why=item.why)
