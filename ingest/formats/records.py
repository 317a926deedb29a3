"""Our own records: Parquet, one row per prompt, the columns of bench/record.py.

Every check runs in SQL on whole columns. Rows that break the contract go to `rejects`, the others to `requests`. A file
whose columns are missing or of the wrong type, or that a newer version of the project wrote, is refused as a whole.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from prompt_joules.bench.record import BY_NAME, COLUMNS, NAMES, SCHEMA_VERSION, SETUP_NAMES, TEXTS, Column
from prompt_joules.ingest.formats import adapt, checksums
from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Reject, Source, Unreadable, write_rejects
from prompt_joules.ingest.front.table import MOST_SHOWN
from prompt_joules.ingest.statements import statement

MOST_COLUMNS = 1000
# The most files of one transaction: DuckDB would write the rows of a second load into the same table twice.
MOST_FILES = 20_000
# A file may say that it unpacks to this much, or to this many times its size; more is a bomb, not a result.
MOST_UNPACKED = 256 * 1024**3
MOST_TIMES = 500
SMALL = 256 * 1024**2
OURS = {"run_id", "prompt_id", "schema_version"}
# Columns of prompts that were exported: not enough for a run.
EXPORTED = frozenset(("run_id", "prompt_id", "energy_per_token_j", "energy_per_word_j", "family"))
TOO_FEW = "is an export of prompts, which lacks what a run needs: ask for the run itself (`bundle`, or its Parquet files and run.json)"
# What may differ between rows of a run: the key itself, and what changes when an interrupted run goes on another day.
OWN_DAY = {"run_id", "schema_version", "idle_power_w", "active_idle_power_w", "host_energy_reason", "environment"}
# Steps of DuckDB's optimizer that leave out checks or rows because of a file's statistics.
BELIEVERS = (
    *("statistics_propagation", "compressed_materialization", "filter_pushdown", "filter_pullup", "join_filter_pushdown"),
    *("row_group_pruner", "top_n", "late_materialization"),
)
# The largest double. What is not a number, or infinite, is above it.
LARGEST = 1.7976931348623157e308
COMMON = [name for name in SETUP_NAMES if name not in OWN_DAY]


def _footer(path: Path) -> tuple[pq.FileMetaData, pa.Schema]:
    """What a file says of itself at its end, and its columns. Raises Unreadable."""
    try:
        footer = pq.read_metadata(path)
        _refuse_growth(path.stat().st_size, sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups)))
        return footer, footer.schema.to_arrow_schema()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise Unreadable("is not a whole Parquet file: its end is missing or damaged") from error


def _refuse_growth(size: int, unpacked: int) -> None:
    """Refuse a small file that unpacks to a huge one (bytes). Raises Unreadable."""
    if unpacked > MOST_UNPACKED or (unpacked > SMALL and unpacked > MOST_TIMES * size):
        raise Unreadable(f"unpacks from {size:,} to {unpacked:,} bytes: it is not read")


def _recognises(content: Content) -> bool:
    """A Parquet file with the key columns of a record; a damaged one too, to be refused with the reason."""
    if content.kind != "parquet":
        return False
    try:
        _, schema = _footer(content.path)
    except Unreadable:
        return True
    return len(OURS & set(schema.names)) > 1


def _contract_problem(schema: pa.Schema) -> Reject | None:
    """What makes a whole file unfit: a required column is missing, or a column has the wrong type."""
    found = {field.name: field.type for field in schema}
    if found.keys() >= EXPORTED and "schema_version" not in found:
        return Reject(None, None, TOO_FEW)
    for column in COLUMNS:
        if column.name not in found:
            if column.required:
                return Reject(None, column.name, "the column is missing")
        elif not adapt.fits(column.type, found[column.name]):
            return Reject(None, column.name, f"the column is {found[column.name]}, the contract wants {column.type}")
    return None


def _readable(source: Source) -> tuple[pa.Schema, int]:
    """The columns of a file and its number of rows; its pages are those that were written. Raises Unreadable."""
    footer, schema = _footer(source.path)
    if len(schema.names) > MOST_COLUMNS:
        raise Unreadable(f"has {len(schema.names)} columns; a file of records has {len(NAMES)}")
    if len(set(schema.names)) < len(schema.names):
        raise Unreadable("has two columns of the same name")
    checksums.verify(source.path, footer)
    return schema, footer.num_rows


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded: list[Loaded] = []
    fit: list[Source] = []
    for source in sources:
        schema, rows = _readable(source)
        if (problem := _contract_problem(schema)) is not None:
            write_rejects(connection, source, [problem])
            loaded.append(Loaded(source, 0, rows))
        elif all(adapt.as_is(BY_NAME[field.name].type, field.type) for field in schema if field.name in BY_NAME):
            fit.append(source)
        else:
            loaded.append(_load_adapted(connection, source))
    return loaded + (load_fit(connection, fit) if fit else [])


def _load_adapted(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    """Load a file whose columns are nearly ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        adapted = adapt.adapt(source.path, path)
        return load_copy(connection, source, path, adapted.numbers, adapted.rejects)


def load_copy(
    connection: duckdb.DuckDBPyConnection, source: Source, path: Path, numbers: Sequence[int] | None, rejects: Sequence[Reject]
) -> Loaded:
    """Load the rows of a file out of a copy in our own columns.

    Args:
        connection: inside a transaction.
        source: the file.
        path: the copy.
        numbers: number in the file of each row of the copy; None when all rows of the file are there, in order.
        rejects: rows of the file that are not in the copy, and why.
    """
    (loaded,) = load_fit(connection, [replace(source, path=path)])
    if loaded.rejected and numbers is not None:
        connection.execute(statement("foreign_rows"), {"numbers": numbers, "file_id": source.file_id})
    write_rejects(connection, source, rejects)
    return Loaded(source, loaded.accepted, loaded.rejected + len(rejects))


def load_fit(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    """Check the rows of files whose columns are right, and load the good ones.

    The files are read twice: once to survey them, once to load them. What looks at single rows is read again only where the survey found a
    reason to.
    """
    files = {"files": [str(source.path) for source in sources]}
    _prepare(connection, sources)
    try:
        with values_alone(connection):
            _check(connection, sources, files)
            connection.execute(statement("records_numbered"))
            connection.execute(statement("records_insert"), files)
            if wrong := [name for (name,) in connection.execute("select distinct split_part(problem, ': ', 1) from broken").fetchall()]:
                connection.execute(statement("records_rejects").format(cell=_cell(wrong)), files)
    except duckdb.Error as error:
        raise Unreadable(f"is damaged or holds a number too large ({str(error).splitlines()[0]})") from error
    by_id = {source.file_id: source for source in sources}
    counts = connection.execute(statement("records_counts")).fetchall()
    return [Loaded(by_id[file_id], accepted, rejected) for file_id, accepted, rejected in counts]


@contextlib.contextmanager
def values_alone(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Judge by the values of Parquet files alone: what their footers say about them (least, largest, how many nulls) may be false."""
    connection.execute("set disabled_optimizers = $names", {"names": ",".join(BELIEVERS)})
    try:
        yield
    finally:
        connection.execute("reset disabled_optimizers")


def _prepare(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> None:
    """Name the files of the batch, and forget what was found in the batch before."""
    connection.execute("set variable contract = $names", {"names": list(NAMES)})
    connection.execute("set variable common = $names", {"names": COMMON})
    connection.execute(statement("records_incoming"))
    connection.execute(statement("records_judged").format(text_bytes=_text_bytes(), problem=_problem()))
    connection.execute(statement("records_clear"))
    connection.execute(
        statement("records_batch"),
        {
            "file_ids": [source.file_id for source in sources],
            "filenames": [str(source.path) for source in sources],
            "paths": [source.name for source in sources],
        },
    )


def _check(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source], files: dict[str, list[str]]) -> None:
    """Fill `broken` with the rows to refuse, and `touched` with the runs. Raises Unreadable for a file that is refused as a whole."""
    judged = files | {"now": datetime.now(UTC)}
    connection.execute(statement("records_surveyed"), judged)
    sizes = {str(source.path): source.path.stat().st_size for source in sources}
    for filename, version, unpacked in connection.execute(statement("records_files")).fetchall():
        if version > SCHEMA_VERSION:
            raise Unreadable(
                f"was written by a newer version of Prompt Joules (schema version {version}, this one reads up to "
                f"{SCHEMA_VERSION}): update this project, then run the same command again"
            )
        _refuse_growth(sizes[filename], unpacked)
    ((broken, setups, keys),) = connection.execute(statement("records_doubts")).fetchall()
    if broken:
        connection.execute(statement("records_broken"), judged)
    if setups:
        connection.execute(statement("records_setup"), judged)
    if keys or connection.execute(statement("records_duplicated_keys"), files).fetchall():
        connection.execute(statement("records_duplicates"), files)
    connection.execute(statement("records_touched"))


def _problem() -> str:
    """The branches of a `case` that says what is first wrong with a row, as "column: what": missing, no choice, or out of range.

    All names and words in it come from `bench/record.csv`, never from a file of results, so nobody can inject any SQL.
    """
    branches = [_branch(f"{column.name} is null", column, "is missing") for column in COLUMNS if column.required]
    branches += [branch for column in COLUMNS for branch in _branches(column)]
    return "\n".join(branches)


def _cell(wrong: Sequence[str]) -> str:
    """What stands in the wrong column of a row, as text; the words of prompts and answers are nobody's business."""
    columns = [name for name in sorted(wrong) if name in BY_NAME and name not in TEXTS]
    branches = " ".join(f"when '{name}' then left(incoming.{name}::varchar, {MOST_SHOWN})" for name in columns)
    return f"case split_part(broken.problem, ': ', 1) {branches} end" if branches else "null"


def _text_bytes() -> str:
    """The bytes of all texts of a row."""
    return " + ".join(f"coalesce(strlen({column.name}), 0)" for column in COLUMNS if column.type == "string")


def _branch(condition: str, column: Column, words: str) -> str:
    said = f"{column.name}: {words}".replace("'", "''")
    return f"when {condition} then '{said}'"


def _branches(column: Column) -> Iterator[str]:
    if column.choices:
        *others, last = column.choices
        listed = ", ".join(f"'{choice}'" for choice in column.choices)
        yield _branch(f"{column.name} not in ({listed})", column, f"must be {', '.join(others)} or {last}")
    if column.type == "list<float32>":
        yield _range(column, f"list_min({column.name})", f"list_max({column.name})", "holds a gap that ")
    elif column.type.startswith("float"):
        yield _range(column, column.name, column.name, "")
    elif column.type.startswith("int") and column.least is not None:
        yield _branch(f"{column.name} < {column.least:g}", column, _too_small(column.least))


def _range(column: Column, smallest: str, largest: str, before: str) -> str:
    """One comparison finds a bad row; what is wrong with it is looked for in bad rows only."""
    limits = [_branch(f"not (isfinite({smallest}) and isfinite({largest}))", column, f"{before}is not a finite number")]
    least, most = -LARGEST, LARGEST
    if column.least is not None:
        least = column.least
        limits.append(_branch(f"{smallest} < {_double(least)}", column, before + _too_small(least)))
    if column.most is not None:
        most, words = column.most
        limits.append(_branch(f"{largest} > {_double(most)}", column, before + words))
    return f"when not ({smallest} >= {_double(least)} and {largest} <= {_double(most)}) then case {' '.join(limits)} end"


def _too_small(least: float) -> str:
    return "is negative" if least == 0 else f"is below {least:g}"


def _double(number: float) -> str:
    return f"{number:.17e}"


FORMAT = Format(
    Facts("records", "our own rows: Parquet, one row per prompt", source="Prompt Joules"),
    into="requests",
    recognises=_recognises,
    load=_load,
    batch=MOST_FILES,
    rank=-1,
)
