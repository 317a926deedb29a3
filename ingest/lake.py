"""Load files into a warehouse that several machines share: one transaction per ingest, and again from the start after a conflict.

The files are loaded into a small warehouse of this machine first, seeded with what the shared one knows: the same readers, checks and
keys as ever. What that changed is then written to the lake in one transaction, whose first act is to write the lake's one row of `meta`.
Two transactions that both wrote it cannot both commit: the later one is undone and starts again from the new state. So numbers of
files and names of rows stay unique although a lake has no keys, and a reader sees a snapshot: the state before or the state after.

Writers of one Postgres catalog take turns, so that conflicts are rare and a large load does not starve. Turns save work; that no row
is lost or doubled rests on the conflict alone.
"""

import contextlib
import random
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from prompt_joules.ingest import derive, zips
from prompt_joules.ingest.find import Found, Passed, names_of, passed_line, pick_news
from prompt_joules.ingest.load import MEMORY_LIMIT, OF_FILES, fill, known_hashes
from prompt_joules.ingest.report import Report, Say, Step, refused_before, refused_now, write_refused
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import connect, create, errors, places
from prompt_joules.warehouse.places import Place

MOST_ATTEMPTS = 20
# The wait after a conflict starts at so many seconds and doubles each time, by chance half as long or half as long again.
FIRST_WAIT, LONGEST_WAIT = 0.1, 5.0
# Tables with a key, whose rows are replaced when they differ.
KEYED = {"models": "model_id", "model_aliases": "alias", "tasks": "task", "run_notes": "run_id"}
OF_RUNS = ("runs", "run_summary")
SMALL_TABLES = ("ingested_files", "published", "quality", "run_totals", "run_notes", "runs", "models", "model_aliases", "tasks")


class SharedRebuild(errors.ForPeople):
    """Nobody rebuilds what others wrote."""


class TooManyConflicts(errors.ForPeople):
    """Other writers were faster every time."""


class Conflict(Exception):
    """Another writer changed the lake since this transaction began; nothing was written."""


def name_of(path: Path) -> str:
    """How a shared warehouse calls a file: two machines may have different files at one path."""
    return f"{socket.gethostname()}:{path.absolute()}"


def load(warehouse: str, found: Sequence[Found], passed: Sequence[Passed], *, say: Say, step: Step) -> Report:
    """Write what is new of some files until no other writer is faster; the arguments are those of `loading.ingest`.

    Raises:
        TooManyConflicts: gave up after MOST_ATTEMPTS; the warehouse has nothing of these files.
        derive.UnsoundBuild: a fault of ours; nothing was written.
        WarehouseError: it cannot be reached, or another version of the project made it.
        duckdb.Error, OSError: the connection broke; the warehouse has all of the files or nothing of them.
    """
    looked = names_of(found, passed, name_of)
    place = connect.place_of(warehouse)
    for attempt in range(MOST_ATTEMPTS):
        report = Report([passed_line(item, name_of) for item in passed])
        try:
            with _turn(warehouse, place), _writer(warehouse, place) as connection:
                _make(connection, warehouse, place)
                report.changed = _transaction(connection, place, found, looked, report, step)
        except Conflict:
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
            say(f"Another ingest was faster; starting again (attempt {attempt + 2}) …")
            time.sleep(wait * (0.5 + random.random()))
        else:
            return report
    raise TooManyConflicts(f"Other ingests were faster {MOST_ATTEMPTS} times; nothing was written. Run the same command again.")


@contextlib.contextmanager
def _writer(warehouse: str, place: Place) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, **places.UNCHECKED}) as connection:
        connection.execute("set timezone = 'UTC'")
        with _conflicts():
            connect.attach(connection, warehouse, place, read_only=False)
        yield connection


@contextlib.contextmanager
def _turn(warehouse: str, place: Place) -> Iterator[None]:
    """Hold this writer's turn, where the catalog can hand out turns."""
    connection = duckdb.connect(config=places.UNCHECKED)
    try:
        if place.postgres is not None:
            places.take_turn(connection, place.postgres)
        yield
    except places.BadPlace as error:
        raise errors.UnreachableWarehouse(f"{warehouse} cannot be reached: {error}") from error
    except duckdb.ConnectionException as error:
        raise errors.UnreachableWarehouse(f"{warehouse} cannot be reached: {places.sentence(error)}.") from error
    finally:
        # A connection that the server cut must not be closed inside a transaction: DuckDB 1.5.5 ends the whole process then.
        with contextlib.suppress(duckdb.Error):
            connection.execute("rollback")
        connection.close()


def _make(connection: duckdb.DuckDBPyConnection, warehouse: str, place: Place) -> None:
    """Make the tables of an empty lake. Raises Conflict: another writer did the same at this moment."""
    if connection.execute("select 1 from duckdb_tables() where database_name = $1", [place.catalog]).fetchall():
        connect.check_version(connection, warehouse)
        return
    with _conflicts():
        create.empty(connection, keys=not place.shared)


@contextlib.contextmanager
def _conflicts() -> Iterator[None]:
    """Turn the database's own words for a conflict into Conflict."""
    try:
        yield
    except (errors.UnreachableWarehouse, duckdb.Error) as error:
        if is_conflict(error):
            raise Conflict from error
        raise


def is_conflict(error: Exception) -> bool:
    """Whether an error says that another writer was faster, in the words of DuckLake, Postgres or SQLite."""
    words = ("conflict", "could not serialize", "deadlock detected", "duplicate key", "already exists", "database is locked")
    return any(word in str(error).lower() for word in words)


def _transaction(
    connection: duckdb.DuckDBPyConnection, place: Place, found: Sequence[Found], looked: set[str], report: Report, step: Step
) -> bool:
    """Load what is new and commit; whether anything was. Raises Conflict."""
    with _conflicts():
        connection.execute("begin")
        noted = refused_before(connection)
        news = pick_news(found, known_hashes(connection), name_of, report)
        if changes := bool(news) or _notes(noted, looked, report) != noted:
            connection.execute("update meta set project_version = $1", [create.project_version()])
        if news:
            with tempfile.TemporaryDirectory(prefix="prompt-joules-") as folder:
                _load(connection, place, Path(folder), news, report, step)
        if changes:
            write_refused(connection, _notes(noted, looked, report))
        connection.execute("commit")
    return changes


def _notes(noted: dict[str, str], looked: set[str], report: Report) -> dict[str, str]:
    """What to note of refused files; those of other machines stay."""
    return refused_now(noted, looked, report.refused, is_gone)


def is_gone(name: str) -> bool:
    """Whether a file of a shared warehouse is one of this machine and is not there any more."""
    path = path_of(name)
    return path is not None and not zips.exists(path)


def path_of(name: str) -> Path | None:
    """The path of a file that a shared warehouse names, if it is one of this machine."""
    host, _, path = name.partition(":")
    return Path(path) if host == socket.gethostname() else None


def _load(connection: duckdb.DuckDBPyConnection, place: Place, folder: Path, news: Sequence[Found], report: Report, step: Step) -> None:
    """Load on this machine, then write the difference."""
    lines = list(report.lines)
    runs = set(_first_of_each(connection, statement("lake_replaced"), {"paths": [name_of(item.called) for item in news]}))
    while True:
        report.lines = list(lines)
        local = folder / f"{len(runs)}.duckdb"
        touched = _load_here(connection, local, runs, news, report, step)
        known = _first_of_each(connection, "select run_id from runs where list_contains($1, run_id)", [touched])
        more = set(known) - runs
        if not more:
            break
        # Runs that the lake has rows of: their duplicates, setups and totals need those rows here.
        runs |= more
    connection.execute(f"attach '{local}' as local (read_only)")
    _write(connection, place.catalog, touched, [run for run in touched if run in runs])
    derive.require_sound(connection, "lake_problems", touched=touched)


def _first_of_each(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> list[Any]:
    """The first value of each row of an answer."""
    return [row[0] for row in connection.execute(sql, parameters).fetchall()]


def _load_here(
    connection: duckdb.DuckDBPyConnection, local: Path, runs: set[str], news: Sequence[Found], report: Report, step: Step
) -> list[str]:
    """Load files into a new warehouse of this machine that knows the small tables of the lake and the rows of some runs.

    Returns:
        The runs whose totals were computed.
    """
    with duckdb.connect(local, config={"memory_limit": MEMORY_LIMIT}) as here:
        here.execute("set timezone = 'UTC'")
        create.empty(here, comments=False)
        for table in SMALL_TABLES:
            _seed(connection, here, table, f"from {table}")
        if runs:
            _seed(connection, here, "requests", "from requests where list_contains($runs, run_id)", runs=sorted(runs))
            _seed(connection, here, "run_summary", "from run_summary where list_contains($runs, run_id)", runs=sorted(runs))
        fill(here, news, name_of, report, step=step, together=False)
        return _first_of_each(here, "select run_id from touched order by run_id")


def _seed(connection: duckdb.DuckDBPyConnection, here: duckdb.DuckDBPyConnection, table: str, sql: str, **parameters: object) -> None:
    here.register("seed", connection.sql(sql, params=parameters or None).pl().to_arrow())
    here.execute(f"insert into {table} by name from seed")
    here.unregister("seed")


def _write(connection: duckdb.DuckDBPyConnection, lake: str, touched: Sequence[str], known: Sequence[str]) -> None:
    """Write to the lake what differs in `local`: rows of files that came or went, totals of touched runs, names of models and tasks.

    Args:
        known: those of the touched runs that the lake has already.
    """
    differ = "select file_id from {}.ingested_files anti join {}.ingested_files using (file_id, sha256, accepted, rejected)"
    gone, came = (_first_of_each(connection, differ.format(one, other)) for one, other in ((lake, "local"), ("local", lake)))
    for table in OF_FILES:
        if gone:
            connection.execute(f"delete from {lake}.{table} where list_contains($1, file_id)", [gone])
        if table not in KEYED:
            connection.execute(f"insert into {lake}.{table} by name from local.{table} where list_contains($1, file_id)", [came])
    for table, key in KEYED.items():
        if keys := _first_of_each(connection, f"select {key} from (from local.{table} except from {lake}.{table})"):
            connection.execute(f"delete from {lake}.{table} where list_contains($1, {key})", [keys])
            connection.execute(f"insert into {lake}.{table} by name from local.{table} where list_contains($1, {key})", [keys])
    alike = derive.runs_alike(connection, touched)
    for table in OF_RUNS:
        if known:
            connection.execute(f"delete from {lake}.{table} where list_contains($1, run_id)", [known])
        connection.execute(f"insert into {lake}.{table} by name from local.{table} where list_contains($1, run_id)", [touched])
    derive.refresh_together(connection, alike)
    derive.refresh_results(connection)
