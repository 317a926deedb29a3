"""python -m ingest PATH … — load result files into the warehouse.

python -m ingest PATH …           load files and folders
python -m ingest formats          list the formats that are read
python -m ingest rejects          list the rows that were refused
python -m ingest check            compare the warehouse with its files
python -m ingest export FILE      write filtered rows as Parquet, CSV, JSON, Excel, a data package, a report, …
python -m ingest bundle RUN …     check runs of ours, and write them into one zip for other people
python -m ingest publish hf:ORG/NAME RUN …   put runs of ours into a dataset of the Hugging Face Hub
python -m ingest figures PATH …   write published figures as the CSV files that ship with the project
"""

import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import duckdb
import tyro
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from prompt_joules.bench import interrupt, screen
from prompt_joules.bench.screen import ERR, OUT, Output
from prompt_joules.ingest import bundle, exporting, figures, find, hub, loading, publishing, reading, watch
from prompt_joules.ingest.exporting import Export
from prompt_joules.ingest.formats import FORMATS, mapped
from prompt_joules.ingest.reading import Check, Rejects
from prompt_joules.ingest.report import Line, Report
from prompt_joules.warehouse import commands, connect, errors, places

MOST_LINES = 40


@dataclass(frozen=True)
class Load(Output):
    """Load result files into the warehouse. Files that were loaded before are skipped.

    Other commands, each with its own --help: formats (what is read), rejects (which rows were refused, and why),
    check (compare with the files), export (write filtered rows), bundle (runs as one zip for others), publish (runs as a dataset of the
    Hugging Face Hub), figures (write published figures as CSV).

    Exit status: 0 all loaded, 1 some rows or whole files were refused (the command `rejects` lists them), 2 nothing was done.
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH …", help_behavior_hint="(required)")]
    """Files, or folders to look through: our Parquet and run.json, published tables. `shipped`: the results that ship with the project.
    hf:ORGANISATION/NAME, with @REVISION behind it or not: a dataset of the Hugging Face Hub."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or a lake that several machines share (docs/scale.md); made when absent."""

    map: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """A YAML file that says which columns of a CSV or Parquet file of no known format are which of ours (docs/formats/mapped.md)."""

    model: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: none)")] = None
    """The model of results whose tool wrote none: vLLM's latency, SGLang's benchmark of another server."""

    rebuild: bool = False
    """Start from nothing instead of adding to the warehouse that is there."""

    watch: bool = False
    """Go on looking, and load each file once it is whole, until Ctrl-C or SIGTERM. The app may serve the warehouse meanwhile."""

    every: Annotated[float, tyro.conf.arg(metavar="S")] = 5.0
    """With --watch: seconds between two looks. A file that has changed between them is left for the next."""


@dataclass(frozen=True)
class Formats(Output):
    """List the formats that are read, the versions of their tools whose files were read, and where their rows go."""


@dataclass(frozen=True)
class Bundle(Output):
    """Check runs of ours, take the texts out, and write one zip with a card that anybody's ingest loads.

    Exit status: 0 written, 2 a run is not fit to be handed on (not valid, unfinished, no balance, refused rows), or nothing could be read.
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …", help_behavior_hint="(required)")]
    """Folders of runs, or folders of such folders."""

    out: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: MODEL-GPU-RUN.zip)")] = None
    """The zip to write."""

    by: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: nobody is named)")] = ""
    """Who measured, as the card should say."""

    licence: Annotated[str, tyro.conf.arg(metavar="SPDX")] = bundle.LICENCE
    """Under which the figures are handed on."""

    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Write nothing: check runs or a zip, and print their rows."""


@dataclass(frozen=True)
class Figures(Output):
    """Write published figures as figures.csv and quality.csv, the form in which they ship with this project."""

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PATH …", help_behavior_hint="(required)")]
    """Files or folders in a published format, e.g. the v1 tables."""

    out: str
    """Folder to write into; made when absent."""


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    stopped, interrupted = STOPPED.get(arguments[0] if arguments else "", LOADING)
    try:
        with interrupt.terminated():
            return run(arguments)
    except errors.ForPeople as error:
        ERR.print(str(error), style="red")
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python reports it once more as it ends
        return 141
    except (OSError, duckdb.Error) as error:
        ERR.print(f"{stopped}: {places.sentence(error)}", style="red")
    except KeyboardInterrupt:
        ERR.print(interrupted)
        return 130
    return 2


def run(arguments: list[str]) -> int:
    """Find the command, read its options and run it. Raises what the command raises."""
    if screen.told_version(arguments):
        return 0
    name, *rest = arguments or [""]
    kind, command = COMMANDS.get(name, (Load, run_load))
    words, prog = (rest, f"{commands.INGEST} {name}") if name in COMMANDS else (arguments, commands.INGEST)
    if kind is Load and not Path(name).exists() and (close := get_close_matches(name, COMMANDS, 1, 0.75)):
        raise find.NoSuchPath(f"There is no file or folder {name}. Did you mean the command {close[0]}?")
    words = exporting.file_first(words) if kind is Export else words
    with screen.unbroken():
        options = tyro.cli(kind, args=words, prog=prog, config=(tyro.conf.FlagCreatePairsOff,))
    with screen.speaking(options):
        return command(options)


def run_load(options: Load) -> int:
    """Load files, once or for as long as they come; the exit status."""
    if not options.paths:
        ERR.print(f"Name at least one file or folder, e.g. {commands.load_all()}", style="red")
        return 2
    paths = [_here(path) for path in options.paths]
    if options.watch:
        watch.require_fit(options.every, rebuild=options.rebuild)
        return watch.watch(paths, options.every, lambda chosen: load_once(options, paths, chosen))
    return load_once(options, paths).status


def load_once(options: Load, paths: list[str], chosen: find.Chosen = find.everything) -> Report:
    """Load files that are there now, with a progress bar, and say what became of each. Raises what the ingest raises."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True, disable=screen.is_quiet() or not ERR.is_terminal) as progress:
        bar = progress.add_task("Loading files", total=None)
        report = loading.ingest(
            paths,
            options.warehouse,
            rebuild=options.rebuild,
            say=(lambda _: None) if screen.is_quiet() else progress.console.print,
            step=lambda done, total: progress.update(bar, completed=done, total=total),
            mapping=mapped.read(options.map) if options.map else None,
            model=options.model,
            chosen=chosen,
        )
    show_report(report, options.warehouse, in_one_line=options.watch)
    if not report.lines and not options.watch:
        OUT.print(f"There are no results in {', '.join(paths)}: no file there has an ending that is read ({commands.INGEST} formats).")
    if options.map and any(line.state == "known" for line in report.lines):
        OUT.print("A file is known by its own content: after a change of the mapping alone, --rebuild reads it again.")
    return report


def _here(path: str) -> str:
    """A path of the command line, on this machine: a dataset of the Hub is fetched. Raises HubError, OSError."""
    if path.startswith(hub.PREFIX) and not Path(path).exists():
        return str(hub.fetch(hub.address(path)))
    return commands.path_of(path)


def show_report(report: Report, warehouse: str, *, in_one_line: bool = False) -> None:
    """The end of an ingest: a line per file while they are few; of many, a line per format, and the files that were not loaded whole."""
    many = len(report.lines) > MOST_LINES
    listed = [line for line in report.lines if not many or line.rejected or line.state not in ("loaded", "known")]
    if many:
        OUT.print(_per_format(report.lines))
    if listed:
        OUT.print(_per_file(listed[:MOST_LINES]))
    if len(listed) > MOST_LINES:
        OUT.print(f"… and {len(listed) - MOST_LINES:,} files more that were not loaded whole.")
    for line in report.lines:
        if line.state == "unreadable":
            ERR.print(f"{line.path} {line.why}.", style="red")
    accepted = sum(line.accepted for line in report.lines)
    rejected = sum(line.rejected for line in report.lines)
    done = {"warehouse": warehouse, "changed": report.changed, "accepted": accepted, "rejected": rejected, "seconds": report.seconds}
    screen.result(done | {"files": [asdict(line) for line in report.lines]}, in_one_line=in_one_line)
    what = f"{warehouse} is up to date" if not report.changed else f"{warehouse} written"
    OUT.print(f"{what}: {accepted:,} rows accepted, {rejected:,} rejected, {report.seconds:.1f} s.")
    if report.status:
        OUT.print(f"{commands.INGEST} rejects --warehouse {warehouse} lists what was rejected, and why.")


def _per_file(lines: list[Line]) -> Table:
    table = Table("file", "format", "state", *(Column(name, justify="right") for name in ("accepted", "rejected")), "note")
    for line in lines:
        table.add_row(line.path, line.format, line.state, f"{line.accepted:,}", f"{line.rejected:,}", line.why)
    return table


def _per_format(lines: list[Line]) -> Table:
    table = Table("format", *(Column(name, justify="right") for name in ("files", "known before", "accepted", "rejected")))
    for name in dict.fromkeys(line.format for line in lines):
        of_it = [line for line in lines if line.format == name]
        known = sum(line.state == "known" for line in of_it)
        counts = (len(of_it), known, sum(line.accepted for line in of_it), sum(line.rejected for line in of_it))
        table.add_row(name or "none", *(f"{count:,}" for count in counts))
    return table


def show_formats(_: Formats) -> int:
    """List the formats, each with the versions of its tool whose files were read, and where its rows go."""
    screen.result([asdict(reader.facts) | {"into": reader.into} for reader in FORMATS])
    table = Table("format", "what it is", "versions tried", "becomes")
    for reader in FORMATS:
        table.add_row(reader.name, reader.facts.meaning, reader.facts.tried or "any", reader.into or "notes, names")
    OUT.print(table)
    return 0


def run_figures(options: Figures) -> int:
    """Write the CSV files and say where."""
    written = figures.write(options.paths, options.out)
    screen.result([{"file": path, "rows": rows} for path, rows in written])
    for path, rows in written:
        OUT.print(f"{path}: {rows} rows")
    return 0


def run_bundle(options: Bundle) -> int:
    """Check runs, write the zip and say what is in it."""
    if not options.paths:
        raise bundle.NotBundled("Name at least one run: a folder under results/ with Parquet files and run.json.")
    made: Path | None = None
    if options.check:
        runs = bundle.checked(options.paths)
    else:
        runs, made = bundle.bundle(options.paths, options.out, options.by, options.licence)
    screen.result({"file": made, "runs": runs.to_dicts()})
    table = Table(*runs.columns)
    for row in runs.iter_rows():
        table.add_row(*("" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    OUT.print(table)
    if made is not None:
        OUT.print(f"{made}: {runs.height} {'run' if runs.height == 1 else 'runs'}, without texts")
    return 0


COMMANDS: dict[str, tuple[Any, Callable[[Any], int]]] = {
    "formats": (Formats, show_formats),
    "rejects": (Rejects, reading.show_rejects),
    "check": (Check, reading.show_check),
    "export": (Export, exporting.run_export),
    "bundle": (Bundle, run_bundle),
    "publish": (publishing.Publish, publishing.run_publish),
    "figures": (Figures, run_figures),
}
# What is said of a command that could not go on, before the reason, and of one that somebody stopped.
LOADING = ("The ingest stopped and changed nothing", "Stopped; the warehouse is as it was. Run the same command to load the files.")
WHOLE = "no file is half-written"
STOPPED = {
    "formats": ("The list could not be printed", "Stopped."),
    "rejects": ("The warehouse could not be read", "Stopped."),
    "check": ("The check could not go on, so it says nothing", "Stopped; nothing was compared to the end."),
    "export": (f"The export stopped; {WHOLE}", f"Stopped; {WHOLE}. Run the same command to write the rows."),
    "bundle": ("Bundling stopped; no zip was written", "Stopped; no zip was written."),
    "publish": (
        "Publishing stopped; the dataset has all of the runs, or is as it was",
        "Stopped; the dataset has all of the runs, or is as it was.",
    ),
    "figures": (f"Writing figures stopped; {WHOLE}", f"Stopped; {WHOLE}."),
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
