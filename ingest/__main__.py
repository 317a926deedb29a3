"""python -m ingest PATH … — load result files into the warehouse.

python -m ingest PATH …           load files and folders
python -m ingest formats          list the formats that are read
python -m ingest rejects          list the rows that were refused
python -m ingest publish PATH …   write published figures as the CSV files that ship with the project
"""

import sys
from dataclasses import dataclass, field
from typing import Annotated

import duckdb
import tyro
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingest import build, files, publish
from ingest.formats import FORMATS
from warehouse import query, store

OUT = Console()
ERR = Console(stderr=True)
MOST_LINES = 40


@dataclass(frozen=True)
class Load:
    """Load result files into the warehouse. Files that were loaded before are skipped.

    Other commands, each with its own --help: formats (what is read), rejects (which rows were refused, and why),
    publish (write published figures as CSV).

    Exit status: 0 all loaded, 1 some rows were refused (python -m ingest rejects lists them), 2 a file cannot be read.
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH …")]
    """Files, or folders to look through: our Parquet and run.json, published tables."""

    warehouse: str = field(default_factory=store.default_warehouse)
    """The warehouse file; made when absent."""

    rebuild: bool = False
    """Start from nothing instead of adding to the warehouse that is there."""


@dataclass(frozen=True)
class Rejects:
    """List the rows that were refused, with file, row, column and reason."""

    warehouse: str = field(default_factory=store.default_warehouse)
    """The warehouse file."""


@dataclass(frozen=True)
class Publish:
    """Write published figures as figures.csv and quality.csv, the form in which they ship with this project."""

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH …")]
    """Files or folders in a published format, e.g. the v1 tables."""

    out: str
    """Folder to write into; made when absent."""


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    command = arguments[0] if arguments else ""
    try:
        match command:
            case "formats":
                return show_formats()
            case "rejects":
                return show_rejects(tyro.cli(Rejects, args=arguments[1:], prog="python -m ingest rejects"))
            case "publish":
                return run_publish(tyro.cli(Publish, args=arguments[1:], prog="python -m ingest publish"))
            case _:
                return run_load(tyro.cli(Load, args=arguments, prog="python -m ingest", config=(tyro.conf.FlagCreatePairsOff,)))
    except (store.WarehouseError, files.NoSuchPath, build.UnsoundBuild, publish.NothingToPublish) as error:
        ERR.print(escape(str(error)), style="red")
    except (OSError, duckdb.Error) as error:
        ERR.print(escape(f"The ingest stopped and changed nothing: {str(error).splitlines()[0]}"), style="red")
    except KeyboardInterrupt:
        ERR.print("Stopped; the warehouse is as it was. Run the same command to load the files.")
        return 130
    return 2


def run_load(options: Load) -> int:
    """Load files with a progress bar, then say what became of each."""
    if not options.paths:
        ERR.print("Name at least one file or folder, e.g. python -m ingest warehouse/data results", style="red")
        return 2
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as progress:
        bar = progress.add_task("Loading files", total=None)
        report = build.ingest(
            options.paths,
            options.warehouse,
            rebuild=options.rebuild,
            say=lambda text: progress.console.print(escape(text)),
            step=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    show_report(report, options.warehouse)
    return report.status


def show_report(report: build.Report, warehouse: str) -> None:
    """The final table: a line per file while they are few, and per format always."""
    shown = [line for line in report.lines if line.state != "known"] if len(report.lines) > MOST_LINES else report.lines
    table = Table("file", "format", "state", "accepted", "rejected", "note")
    for line in shown[:MOST_LINES]:
        cells = (line.path, line.format, line.state, f"{line.accepted:,}", f"{line.rejected:,}", line.why)
        table.add_row(*(escape(cell) for cell in cells))
    if shown:
        OUT.print(table)
    if len(report.lines) > len(shown[:MOST_LINES]):
        OUT.print(f"… and {len(report.lines) - len(shown[:MOST_LINES]):,} files more.")
    for line in report.lines:
        if line.state == "unreadable":
            ERR.print(escape(f"{line.path} {line.why}."), style="red")
    accepted = sum(line.accepted for line in report.lines)
    rejected = sum(line.rejected for line in report.lines)
    what = f"{warehouse} is up to date" if not report.changed else f"{warehouse} written"
    OUT.print(escape(f"{what}: {accepted:,} rows accepted, {rejected:,} rejected, {report.seconds:.1f} s."))
    if rejected:
        OUT.print(escape(f"python -m ingest rejects --warehouse {warehouse} lists the rejected rows."))


def show_formats() -> int:
    """List the formats."""
    table = Table("format", "what it is")
    for reader in FORMATS:
        table.add_row(escape(reader.name), escape(reader.meaning))
    OUT.print(table)
    return 0


def show_rejects(options: Rejects) -> int:
    """List refused rows; the exit status says whether there are any."""
    rows = query.load("rejects", None, options.warehouse)
    table = Table("file", "row", "column", "reason")
    for row in rows.iter_rows(named=True):
        where = "all" if row["row"] is None else str(row["row"])
        table.add_row(escape(row["path"]), where, escape(row["column"] or ""), escape(row["reason"]))
    OUT.print(table if rows.height else "No row was refused.")
    return 1 if rows.height else 0


def run_publish(options: Publish) -> int:
    """Write the CSV files and say where."""
    for path, rows in publish.publish(options.paths, options.out):
        OUT.print(escape(f"{path}: {rows} rows"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
