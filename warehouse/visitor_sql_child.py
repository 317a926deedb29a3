"""The process in which one statement of a visitor runs, and ends. Started by `visitor_sql.py`; it reads one request and writes one answer.

DuckDB's own limits do not hold everywhere: `memory_limit` does not know what functions allocate, and `interrupt()` is not looked at while a
statement is planned or inside a function. The limits of a process do: the kernel refuses memory and ends what takes too long.

    Linux     address space, CPU time, wall time, no file written
    macOS     CPU time, wall time, no file written; the kernel does not keep the limit on memory, so DuckDB's own holds
    Windows   wall time (the parent ends the process) and DuckDB's own limit on memory
"""

import contextlib
import json
import os
import signal
import sys
from bisect import bisect_right
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from prompt_joules.warehouse import connect, errors, visitor_sql_allowed
from prompt_joules.warehouse.visitor_sql_allowed import OUT_OF_MEMORY, RefusedSql

MEMORY = "512MB"
ADDRESS_SPACE = 1_280_000_000
"""Bytes that a statement may add to what the process has when it is asked."""
THREADS = 2
BATCH_ROWS = 2_048
PLAIN = "boolean tinyint smallint integer bigint utinyint usmallint uinteger ubigint float double decimal varchar".split()  # noqa: SIM905
"""Types that every table, chart and file format knows."""
WHOLE = ("hugeint",)
"""Sums of whole numbers: whole numbers of 64 bits where they fit."""
DATES = ("date", "timestamp", "timestamp with time zone")
FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 in days after 1970-01-01: the dates that Python knows."""
TEXT_COLUMNS = ("prompt_text", "output_text")
SHORT_PATH = r"""regexp_replace(path, '^([\w.-]+:)?[/\\].*[/\\]', '…/')"""
SHORT_REASON = r"""regexp_replace(reason, '(["''])([\w.-]+:)?[/\\][^"'']*[/\\]', '\1…/', 'g')"""


def main() -> None:
    """Answer the one request on standard input. Nothing when that is closed: the parent has gone."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _warm()
    line = sys.stdin.buffer.readline()
    if not line:
        return
    request = json.loads(line)
    limit(request["seconds"])
    try:
        _send(out, *answer(**request))
    except RefusedSql as error:
        _say(out, "refused", str(error))
    except errors.WarehouseError as error:
        _say(out, "warehouse", str(error))
    except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError):
        _say(out, "refused", OUT_OF_MEMORY)
    except duckdb.Error as error:
        _say(out, "refused", without_paths(str(error), request["warehouse"]))


def _warm() -> None:
    """Do once, before anybody waits, what a first statement would have to."""
    with contextlib.closing(duckdb.connect()) as connection:
        connection.execute("select json_serialize_sql('select 1')").fetchall()
        connection.sql("select 1").to_arrow_reader(1).read_all()


def limit(seconds: float) -> None:
    """Let the kernel end this process when it takes too long, and refuse it memory and files."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(5)
    try:
        import resource
    except ImportError:
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime + seconds * THREADS) + 1
    limits = {resource.RLIMIT_CPU: (cpu, cpu + 1), resource.RLIMIT_CORE: (0, 0), resource.RLIMIT_FSIZE: (0, 0)}
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        space = pages * resource.getpagesize() + ADDRESS_SPACE
        limits[resource.RLIMIT_AS] = (space, space)
    for kind, values in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, values)


def answer(sql: str, warehouse: str, seconds: float, most_rows: int, most_bytes: int, texts: bool) -> tuple[pa.Table, bool]:
    """Run one SELECT.

    Returns:
        The first rows, of types that all programs know, and whether there are more.

    Raises:
        RefusedSql, errors.WarehouseError, duckdb.Error, MemoryError.
    """
    connection = connect.once(warehouse)
    known = visitor_sql_allowed.names(connection)
    _veil(connection, texts)
    _lock(connection, connect.data_path(connection) if connect.place_of(warehouse).shared else None)
    visitor_sql_allowed.check(visitor_sql_allowed.tree(connection, sql), known)
    relation = connection.sql(connection.extract_statements(sql)[0])
    columns = list(zip(_distinct(relation.columns), [kind.id for kind in relation.types], strict=True))
    wanted = relation.limit(most_rows + 1).project(", ".join(_shown(place, *column) for place, column in enumerate(columns, 1)))
    table, cut = _first_bytes(wanted.to_arrow_reader(BATCH_ROWS), most_bytes)
    return _known_types(table.slice(0, most_rows)), cut or table.num_rows > most_rows


def _veil(connection: duckdb.DuckDBPyConnection, texts: bool) -> None:
    """Views before the tables: without the folders of this machine, and without prompts and answers where they are not shown."""
    database = '"' + str(connection.execute("select current_database()").fetchall()[0][0]).replace('"', '""') + '"'
    for table, shorter in (("ingested_files", f"{SHORT_PATH} as path"), ("rejects", f"{SHORT_PATH} as path, {SHORT_REASON} as reason")):
        connection.execute(f"create temp view {table} as select * replace ({shorter}) from {database}.main.{table}")
    if texts:
        return
    having = connection.execute(
        "select table_name, list(column_name) from duckdb_columns() "
        "where database_name = current_database() and list_contains($names, column_name) group by all",
        {"names": list(TEXT_COLUMNS)},
    ).fetchall()
    for table, columns in having:
        connection.execute(f"create temp view {table} as select * exclude ({', '.join(columns)}) from {database}.main.{table}")


def _lock(connection: duckdb.DuckDBPyConnection, readable: str | None) -> None:
    """No files but those of the lake, no network, no extensions, little memory, and no way to change that."""
    if readable:
        connection.execute("set allowed_directories = [$folder]", {"folder": readable})
    connection.execute(f"set memory_limit = '{MEMORY}'")
    connection.execute(f"set threads = {THREADS}")
    connection.execute("set temp_directory = ''")
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute("set autoload_known_extensions = false")
    connection.execute("set python_enable_replacements = false")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _distinct(names: list[str]) -> list[str]:
    """The names of the columns, each another: the second `x` is `x (2)`."""
    found: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in found:
            number += 1
            distinct = f"{name} ({number})"
        found.append(distinct)
    return found


def _shown(place: int, name: str, kind: str) -> str:
    """A column in an answer: as it is, or as text where its type is not one that tables, charts and files know."""
    cast = "" if kind in (*PLAIN, *WHOLE, *DATES) else "::varchar"
    return f"#{place}{cast} as " + '"' + name.replace('"', '""') + '"'


def _first_bytes(reader: pa.RecordBatchReader, most: int) -> tuple[pa.Table, bool]:
    """The first rows that fit into so many bytes, and whether there were more. Raises RefusedSql: not even one fits."""
    kept: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        size += batch.nbytes
        if size > most:
            room = most - sum(one.nbytes for one in kept)
            rows = _fitting(batch, room)
            if not rows and not sum(one.num_rows for one in kept):
                raise RefusedSql(f"One row is larger than the {most / 1e6:.0f} MB of an answer: take a part of it, e.g. left(…, 200).")
            return pa.Table.from_batches([*kept, batch.slice(0, rows)], reader.schema), True
        kept.append(batch)
    return pa.Table.from_batches(kept, reader.schema), False


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """How many first rows of a batch have no more bytes than there is room."""
    return bisect_right(range(1, batch.num_rows + 1), room, key=lambda count: batch.slice(0, count).nbytes)


def _known_types(table: pa.Table) -> pa.Table:
    """The same table; a column of dates that Python does not know (infinity, the year 200000) becomes text, as do sums beyond 64 bits."""
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if pa.types.is_decimal(field.type) and field.type.scale == 0:
            column = _whole(column)
        elif pa.types.is_temporal(field.type) and _outside(column):
            column = _texts(column)
        table = table.set_column(place, field.name, column)
    return table


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return _texts(column)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values as DuckDB writes them."""
    with contextlib.closing(duckdb.connect()) as plain:
        plain.execute("set timezone = 'UTC'")
        return plain.from_arrow(pa.table({"x": column})).project("x::varchar").to_arrow_table().column(0)


def _outside(column: pa.ChunkedArray) -> bool:
    whole = column.cast(pa.int32()) if pa.types.is_date(column.type) else column.cast(pa.int64())
    ends = pc.min_max(whole).as_py()
    unit = 1 if pa.types.is_date(column.type) else 86_400_000_000
    return ends["min"] is not None and (ends["min"] < FIRST_DAY * unit or ends["max"] >= (LAST_DAY + 1) * unit)


def without_paths(text: str, warehouse: str) -> str:
    """DuckDB's words without the folders of this machine."""
    path = Path(warehouse)
    for known in (str(path.absolute()), str(path.absolute().parent)):
        text = text.replace(known, path.name)
    return text


def _say(out: BinaryIO, kind: str, words: str) -> None:
    out.write(json.dumps({"kind": kind, "words": words}).encode() + b"\n")
    out.flush()


def _send(out: BinaryIO, table: pa.Table, cut: bool) -> None:
    out.write(json.dumps({"kind": "answer", "cut": cut}).encode() + b"\n")
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    out.flush()


if __name__ == "__main__":
    main()
