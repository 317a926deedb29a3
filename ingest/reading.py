"""The commands that read a warehouse: rejects, check, export. Each has its options as a dataclass and returns an exit status."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import polars as pl
import tyro
from rich.table import Table

from prompt_joules.bench import screen
from prompt_joules.ingest import check
from prompt_joules.warehouse import connect, export, query
from prompt_joules.warehouse.selection import Selection

OUT = screen.console()
WEIGHTS = {"pretrained": ("pretrained",), "dummy": ("dummy",), "both": ()}
ABOUT = {
    "leaderboard": "one row per configuration: a published aggregate, or one run with its averages over valid prompts; base SI units",
    "prompts": "one row per prompt answered; base SI units",
}


@dataclass(frozen=True)
class Rejects:
    """List the rows that were refused, with file, row, column and reason. Exit status 1 when there are any."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""

    file: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: all)")] = ""
    """Only files whose name contains this."""

    most: int = 50
    """How many rows to list; 0 lists all. The table of reasons counts all of them."""

    out: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: list them)")] = None
    """Write all of them to this file instead (.csv, .parquet, .json or .arrow)."""


@dataclass(frozen=True)
class Check:
    """Compare the warehouse with its files: hash every file and count its rows again. Exit status 1 when something differs."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""


@dataclass(frozen=True)
class Export:
    """Write the rows that a selection keeps, with a header: filter, content hash, licences, citation. The filters are those of the app."""

    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """File to write; its ending says how: .parquet, .csv, .json or .arrow."""

    rows: Literal["leaderboard", "prompts"] = "leaderboard"
    """leaderboard: one row per configuration. prompts: one row per prompt of our runs."""

    model: tuple[str, ...] = ()
    """Canonical model ids; nothing means all."""

    gpu: tuple[str, ...] = ()
    """Short names of GPUs, e.g. H100; CPU for rows without one."""

    task: tuple[str, ...] = ()
    """Names of tasks."""

    engine: tuple[str, ...] = ()
    """How the model was run."""

    source: tuple[str, ...] = ()
    """Who measured."""

    batch: tuple[int, ...] = ()
    """Batch sizes."""

    weights: Literal["pretrained", "dummy", "both"] = "pretrained"
    """dummy: random weights."""

    valid: Literal["only", "all"] = "only"
    """all: rows and runs whose verdict is not valid, too."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""


def show_rejects(options: Rejects) -> int:
    """Count refused rows by reason, then list the first of them, or write all to a file."""
    rows = query.load("rejects", None, options.warehouse).filter(pl.col("path").str.contains(options.file, literal=True))
    if rows.is_empty():
        OUT.print("No row was refused.")
        return 0
    if options.out:
        _save(iter([rows]), options.out, Selection(), "one row per row that an ingest refused")
        return 1
    reasons = Table("rows", "file", "column", "reason")
    counted = rows.group_by("path", "column", "reason").agg(pl.len().alias("rows"))
    for path, column, reason, count in counted.sort("rows", "path", "reason", descending=[True, False, False]).iter_rows():
        reasons.add_row(f"{count:,}", path, column or "", reason)
    OUT.print(reasons)
    shown = rows.head(options.most) if options.most > 0 else rows
    table = Table("file", "row", "column", "reason")
    for row in shown.iter_rows(named=True):
        where = "all" if row["row"] is None else str(row["row"])
        table.add_row(row["path"], where, row["column"] or "", row["reason"])
    OUT.print(table)
    if rows.height > shown.height:
        OUT.print(f"… and {rows.height - shown.height:,} more: --most 0 lists all, --out FILE writes them to a file.")
    return 1


def show_check(options: Check) -> int:
    """List what differs, and say how many files are as they were."""
    verdicts = check.check(options.warehouse)
    wrong = [verdict for verdict in verdicts if verdict.state not in ("ok", "elsewhere")]
    elsewhere = sum(verdict.state == "elsewhere" for verdict in verdicts)
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


def run_export(options: Export) -> int:
    """Write the selected rows. Raises export.UnknownKind, WarehouseError, OSError."""
    selection = Selection(
        models=options.model,
        gpus=options.gpu,
        tasks=options.task,
        engines=options.engine,
        sources=options.source,
        batch_sizes=options.batch,
        weights=WEIGHTS[options.weights],
        only_valid=options.valid == "only",
    )
    _kind(options.out)
    with query.stream(options.rows, selection, options.warehouse, part_rows=export.PART_ROWS) as parts:
        _save(parts, options.out, selection, ABOUT[options.rows])
    return 0


def _kind(out: str) -> str:
    """How a file of this name is written. Raises export.UnknownKind."""
    return export.known(Path(out).suffix.removeprefix(".").lower())


def _save(parts: Iterator[pl.DataFrame], out: str, selection: Selection, what: str) -> None:
    kind = _kind(out)
    with export.replacing(Path(out)) as file:
        header = export.save(parts, file, kind, selection, what, folder=Path(out).parent)
    OUT.print(f"{out}: {header['rows']:,} rows, content hash {header['content_sha256']}")
    if not header["rows"]:
        OUT.print(f"Nothing matches: {header['filter']}. --weights both and --valid all keep more rows.")
