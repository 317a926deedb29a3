"""Is the warehouse still what its files say? Every file is hashed again, and the rows that it brought are counted again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prompt_joules.ingest import lake, zips
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import connect

# Tables whose rows count once when several files bring them: a file may have fewer rows there than it was accepted with.
SHARED_TABLES = ("published", "quality", "run_totals")


@dataclass(frozen=True)
class Verdict:
    """One ingested file: `state` is ok, elsewhere, missing, changed, unreadable or wrong; `why` says more."""

    path: str
    state: str
    why: str = ""


def check(warehouse: str) -> list[Verdict]:
    """Compare the warehouse with the files that it was made of.

    Args:
        warehouse: path of the DuckDB file; names of files are relative to its folder. Of a shared one, files of other machines are
            counted, not hashed.

    Returns:
        One verdict per ingested file, in the order of their names, and one more per row that no file brought.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    into = {reader.name: reader.into for reader in FORMATS}
    with connect.once(warehouse) as connection:
        found = connection.execute(statement("check")).fetchall()
        orphans = connection.execute(statement("orphans")).fetchall()
    where = lake.path_of if connect.place_of(warehouse).shared else Path(warehouse).absolute().parent.joinpath
    verdicts = [
        _verdict(where(name), name, sha256, _counted_wrong(into.get(kind, ""), accepted, rejected, dict(zip(TABLES, counts, strict=True))))
        for name, sha256, kind, accepted, rejected, *counts in found
    ]
    return verdicts + [Verdict(table, "wrong", f"holds {count:,} rows that no file brought") for table, count in orphans]


# The columns of the statement `check` after the file's own.
TABLES: Sequence[str] = ("requests", "published", "quality", "run_totals", "rejects", "whole_file_rejects")


def _counted_wrong(table: str, accepted: int, rejected: int, counts: dict[str, int]) -> str:
    """What is wrong with the number of rows; empty when nothing is."""
    if table == "requests" and counts[table] != accepted:
        return f"brought {accepted:,} rows, the warehouse has {counts[table]:,}"
    if table in SHARED_TABLES and counts[table] > accepted:
        return f"brought {accepted:,} rows, the warehouse has {counts[table]:,}"
    if counts["rejects"] != rejected and not counts["whole_file_rejects"]:
        return f"had {rejected:,} rows refused, the warehouse lists {counts['rejects']:,}"
    return ""


def _verdict(path: Path | None, name: str, sha256: str, wrong: str) -> Verdict:
    if wrong:
        return Verdict(name, "wrong", wrong)
    if path is None:
        return Verdict(name, "elsewhere", "a file of another machine: its rows were counted, its content was not hashed")
    try:
        if not zips.exists(path):
            return Verdict(name, "missing", "the file is gone; its rows are in the warehouse")
        same = zips.sha256(path) == sha256
    except OSError as error:
        return Verdict(name, "unreadable", error.strerror or str(error))
    return Verdict(name, "ok") if same else Verdict(name, "changed", "the file has other content now; load it again")
