"""The commands that look into a warehouse: rejects, check. Each has its options as a dataclass and returns an exit status.

A check asks whether the warehouse is still what its files say: every file is hashed again, and the rows that it brought are counted again.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import polars as pl
import tyro
from rich.table import Table

from prompt_joules.bench import screen
from prompt_joules.bench.screen import OUT, Output
from prompt_joules.ingest import exporting, lake, zips
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import connect, query
from prompt_joules.warehouse.selection import Selection

# Tables whose rows count once when several files bring them: a file may have fewer rows there than it was accepted with.
SHARED_TABLES = ("published", "quality", "run_totals")


@dataclass(frozen=True)
class Rejects(Output):
    """List the rows that were refused, with file, row, column, what stands there, and why. Exit status 1 when there are any."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""

    file: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: all)")] = ""
    """Only files whose name contains this."""

    most: int = 50
    """How many rows to list; 0 lists all. The table of reasons counts all of them."""

    out: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: list them)")] = None
    """Write all of them to this file instead (.csv, .parquet, .json, .jsonl, .arrow or .xlsx)."""


@dataclass(frozen=True)
class Check(Output):
    """Compare the warehouse with its files: hash every file and count its rows again. Exit status 1 when something differs."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""


def show_rejects(options: Rejects) -> int:
    """Count refused rows by reason, then list the first of them, or write all to a file."""
    rows = query.load("rejects", None, options.warehouse).filter(pl.col("path").str.contains(options.file, literal=True))
    screen.result(rows.to_dicts())
    if rows.is_empty():
        OUT.print("No row was refused.")
        return 0
    if options.out:
        exporting.save(iter([rows]), Path(options.out), Selection(), "one row per row that an ingest refused")
        return 1
    reasons = Table("rows", "file", "column", "reason")
    counted = rows.group_by("path", "column", "reason").agg(pl.len().alias("rows"))
    for path, column, reason, count in counted.sort("rows", "path", "reason", descending=[True, False, False]).iter_rows():
        reasons.add_row(f"{count:,}", path, column or "", reason)
    OUT.print(reasons)
    shown = rows.head(options.most) if options.most > 0 else rows
    table = Table("file", "row", "column", "cell", "reason")
    for row in shown.iter_rows(named=True):
        where = "all" if row["row"] is None else str(row["row"])
        table.add_row(row["path"], where, row["column"] or "", row["cell"] or "", row["reason"])
    OUT.print(table)
    if rows.height > shown.height:
        OUT.print(f"… and {rows.height - shown.height:,} more: --most 0 lists all, --out FILE writes them to a file.")
    return 1


def show_check(options: Check) -> int:
    """List what differs, and say how many files are as they were."""
    verdicts = check(options.warehouse)
    wrong = [verdict for verdict in verdicts if verdict.state not in ("ok", "elsewhere")]
    elsewhere = sum(verdict.state == "elsewhere" for verdict in verdicts)
    screen.result([asdict(verdict) for verdict in verdicts])
    if wrong:
        table = Table("file", "state", "what")
        for verdict in wrong:
            table.add_row(verdict.path, verdict.state, verdict.why)
        OUT.print(table)
    whole = len(verdicts) - len(wrong) - elsewhere
    OUT.print(f"{options.warehouse}: {whole:,} of {len(verdicts):,} files are as they were when they were loaded.")
    if elsewhere:
        OUT.print(f"{elsewhere:,} files of other machines: their rows were counted, their content was not hashed.")
    return 1 if wrong else 0


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
