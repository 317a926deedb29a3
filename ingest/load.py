"""Load files of known formats into an open warehouse, batch by batch, each batch in a transaction of its own."""

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb

from prompt_joules.bench.tasks import TASKS
from prompt_joules.ingest import derive
from prompt_joules.ingest.find import Found, Namer, stamp
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.formats.base import Format, Loaded, Source, Unreadable
from prompt_joules.ingest.report import Line, Report, Step
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create, errors

MODELS = create.HERE / "models.csv"
# What DuckDB may hold while it builds; Python, the readers and the allocator come on top.
MEMORY_LIMIT = "1000MB"


def known_hashes(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """sha256 → path of the files in the warehouse that need not be read again."""
    return dict(connection.execute(statement("known_files")).fetchall())


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
    derive.refresh_runs(connection)


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
            if stamp(item.path) != item.stamp:
                raise Unreadable("changed while it was read; run the same command again")
        _remember(connection, reader, loaded)
        connection.execute("commit")
    except (Unreadable, OSError, UnicodeError, duckdb.Error) as error:
        # A disk that is full ends the transaction by itself, and is no fault of the file.
        with contextlib.suppress(duckdb.TransactionException):
            connection.execute("rollback")
        if isinstance(error, duckdb.FatalException) or errors.is_disk_full(error):
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
    hashes = [item.sha256 for item in batch]
    for (known,) in connection.execute(statement("loaded_before"), {"paths": names, "hashes": hashes}).fetchall():
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
