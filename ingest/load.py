"""Load files of known formats into an open warehouse, batch by batch, each batch in a transaction of its own."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
from polars.exceptions import PanicException

from prompt_joules.bench.tasks import TASKS
from prompt_joules.ingest import derive
from prompt_joules.ingest.find import Found, Namer, stamp
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.formats.base import Format, Loaded, Source, Unreadable, broken
from prompt_joules.ingest.report import Line, Report, Step
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create, errors

MODELS = create.HERE / "models.csv"
# Its columns in their order: DuckDB need not find them out, which takes longer than reading it.
MODEL_COLUMNS = {
    "model_id": "varchar",
    "name": "varchar",
    "family": "varchar",
    "params_total_b": "double",
    "params_active_b": "double",
    "url": "varchar",
    "aliases": "varchar",
}
# Tables of facts: a row belongs to the file that brought it, comes with it and goes with it.
OF_FILES = ("requests", "published", "quality", "run_totals", "run_notes", "rejects", "ingested_files")
# The memory limit of DuckDB while it builds; Python, the readers and the allocator need more on top.
MEMORY_LIMIT = "1000MB"


def known_hashes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """sha256 → path of the files in the warehouse that need not be read again."""
    return dict(connection.execute(statement("known_files")).fetchall())


def fill(
    connection: duckdb.DuckDBPyConnection, news: Sequence[Found], name: Namer, report: Report, *, step: Step, together: bool = True
) -> None:
    """Load files into the warehouse that is this connection's database, and compute again what they touch.

    Args:
        together: also what is computed of all runs together; not of a warehouse whose runs are copied into another.
    """
    connection.execute(statement("work_tables"))
    _reference(connection)
    before = _last_file(connection)
    done = 0
    for reader in FORMATS:
        mine = [item for item in news if item.format.name == reader.name]
        for start in range(0, len(mine), reader.batch):
            batch = mine[start : start + reader.batch]
            report.lines += _load_batch(connection, batch[0].format, batch, name)
            done += len(batch)
            step(done, len(news))
    report.lines[:] = _summed(connection, report.lines, before, together)


def _summed(connection: duckdb.DuckDBPyConnection, lines: Sequence[Line], before: int, together: bool) -> list[Line]:
    """Sum the touched runs. Where a run cannot be summed, its files after the file `before` are taken out again and named."""
    while True:
        try:
            derive.refresh_runs(connection, together=together)
            return list(lines)
        except derive.CannotSum as error:
            found = connection.execute(statement("files_of_run"), {"run_id": error.run_id, "before": before}).fetchall()
            paths = [path for (path,) in found]
            if not paths:
                raise
            for path in paths:
                _forget(connection, path)
            lines = [Line(line.path, line.format, "unreadable", why=str(error)) if line.path in paths else line for line in lines]


def _reference(connection: duckdb.DuckDBPyConnection) -> None:
    """The reviewed models and the tasks, as this version of the project knows them."""
    reviewed = {"models": str(MODELS), "columns": MODEL_COLUMNS}
    connection.execute(statement("reference"), reviewed)
    connection.execute(statement("aliases"), reviewed)
    known = TASKS.values()
    columns = {
        "names": [task.name for task in known],
        "systems": [task.system for task in known],
        "twins": [task.verbose_twin for task in known],
    }
    connection.execute(statement("tasks"), columns)


def _load_batch(connection: duckdb.DuckDBPyConnection, reader: Format, batch: Sequence[Found], name: Namer) -> list[Line]:
    """Load files in one transaction; when one of them is bad, in halves, until only the bad one is left out."""
    connection.execute("begin")
    try:
        loaded = reader.load(connection, _register(connection, batch, name))
        for item in batch:
            if stamp(item.path) != item.stamp:
                raise Unreadable("changed while it was read; run the same command again")
        _remember(connection, reader, loaded)
        connection.execute("commit")
    except (Exception, PanicException) as error:
        # A disk that is full ends the transaction by itself, and is no fault of the file.
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute("rollback")
        if isinstance(error, duckdb.FatalException) or errors.is_disk_full(error):
            raise
        if len(batch) > 1:
            middle = len(batch) // 2
            halves = (batch[:middle], batch[middle:])
            return [line for half in halves for line in _load_batch(connection, reader, half, name)]
        return [Line(name(batch[0].called), reader.name, "unreadable", why=_why(error))]
    return [Line(r.source.name, reader.name, "loaded", r.accepted, r.rejected, _of_none(reader, r)) for r in loaded]


def _of_none(reader: Format, loaded: Loaded) -> str:
    """What to say of a file that could be read and holds no row, though its format has rows."""
    return "has no rows" if reader.into and not loaded.accepted and not loaded.rejected else ""


def _why(error: BaseException) -> str:
    """What to say of a file that could not be loaded."""
    if isinstance(error, UnicodeError):
        return "holds text that is not Unicode"
    named = isinstance(error, Unreadable | OSError | duckdb.Error)
    return str(error).splitlines()[0] if named and str(error) else broken(error)


def _register(connection: duckdb.DuckDBPyConnection, batch: Sequence[Found], name: Namer) -> list[Source]:
    """Give files their numbers. Rows of an earlier content of the same file are forgotten first."""
    names = [name(item.called) for item in batch]
    hashes = [item.sha256 for item in batch]
    for (known,) in connection.execute(statement("loaded_before"), {"paths": names, "hashes": hashes}).fetchall():
        _forget(connection, known)
    named = enumerate(zip(batch, names, strict=True), _last_file(connection) + 1)
    return [Source(number, item.path, called, item.sha256, item.size, item.model) for number, (item, called) in named]


def _forget(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Take the rows of a file out again; its runs are computed again."""
    connection.execute(statement("forget_file"), {"path": path})
    for table in OF_FILES:
        connection.execute(f"delete from {table} where file_id in (select file_id from ingested_files where path = $path)", {"path": path})


def _last_file(connection: duckdb.DuckDBPyConnection) -> int:
    """The highest number of a file."""
    ((last,),) = connection.execute(statement("last_file")).fetchall()
    return int(last)


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
