"""The command export: rows of a selection as a file, as a folder with a descriptor, or in the words of other people's formats."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
import tyro

from prompt_joules.bench import screen
from prompt_joules.bench.files import replacing, write_atomically
from prompt_joules.bench.screen import OUT, Output
from prompt_joules.ingest import zips
from prompt_joules.warehouse import commands, connect, create, export, meanings, named, packages, query, reports, rows_as
from prompt_joules.warehouse.errors import ForPeople
from prompt_joules.warehouse.selection import Selection

ABOUT = {
    "leaderboard": "one row per run of ours, with its averages over valid prompts, and per published average; base SI units",
    "prompts": "one row per prompt answered; base SI units",
}
DESCRIPTORS = {"datapackage": ("datapackage.json", packages.datapackage), "croissant": ("croissant.json", packages.croissant)}


# Options that take several values, and endings of files.
FILTERS = tuple(f"--{kind}" for kind in ("model", "gpu", "task", "engine", "source", "batch"))
ENDINGS = {f".{kind}" for kind in (*rows_as.KINDS, "tex", "md")}


class NoFile(ForPeople):
    """No file to write is named."""

    def __init__(self) -> None:
        super().__init__(f"Name the file to write, and name it first: {commands.INGEST} export rows.csv --gpu H100")


class NothingMeasured(ForPeople):
    """No configuration of the selection has what a report needs."""


@dataclass(frozen=True)
class Export(Output):
    """Write the rows that a selection keeps, and what must be known about them: filter, link, hash, licences, citation.

    The filters are those of the app; a value that no result has is an error that says which there are. Parquet, Arrow, JSON and Excel hold
    what must be known inside; beside a CSV and JSON lines it is in NAME.meta.json.
    """

    out: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE", help_behavior_hint="(required)")] = ""
    """File to write; its ending says how: .parquet, .csv, .json, .jsonl, .arrow or .xlsx. With --format, and --as boamps, a folder."""

    rows: Literal["leaderboard", "prompts"] = "leaderboard"
    """leaderboard: one row per run of ours and per published average. prompts: one row per prompt of our runs."""

    model: tuple[str, ...] = ()
    """Ids or names of models; nothing means all."""

    gpu: tuple[str, ...] = ()
    """Short names of GPUs, e.g. H100; CPU for rows without one."""

    task: tuple[str, ...] = ()
    """Names of tasks."""

    engine: tuple[str, ...] = ()
    """How the model was run."""

    source: tuple[str, ...] = ()
    """Who measured."""

    batch: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[INT [INT ...]]")] = ()
    """Batch sizes."""

    weights: Literal["pretrained", "dummy", "both"] = "pretrained"
    """dummy: random weights."""

    valid: Literal["only", "all"] = "only"
    """all: rows and runs whose verdict is not valid, too."""

    header: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Begin a CSV with what must be known as comment lines (#), instead of a file beside it."""

    format: Literal["file", "datapackage", "croissant"] = "file"
    """datapackage, croissant: a folder with a CSV and the descriptor of Frictionless or Croissant."""

    written_as: Annotated[Literal["rows", "boamps", "sci", "model-card", "latex"], tyro.conf.arg(name="as")] = "rows"
    """boamps: a report for each configuration. sci: Software Carbon Intensity (JSON). model-card: Markdown. latex: a table."""

    country: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: not said)")] = None
    """Where it was measured, for BoAmps."""

    carbon_intensity: Annotated[float | None, tyro.conf.arg(metavar="G", help_behavior_hint="(default: not known)")] = None
    """gCO2eq per kWh of the electricity, for SCI."""

    embodied: Annotated[float | None, tyro.conf.arg(metavar="G", help_behavior_hint="(default: not known)")] = None
    """Embodied gCO2eq of the hardware per answer, for SCI."""

    app: Annotated[str, tyro.conf.arg(metavar="URL")] = export.APP
    """Address of a page of the app, for the link to these rows."""

    warehouse: str = field(default_factory=connect.default_warehouse)
    """The warehouse file, or the address of a shared one (docs/scale.md)."""


def run_export(options: Export) -> int:
    """Write the selected rows.

    Raises:
        named.UnknownValue: no result has the value of a filter.
        NoFile, rows_as.UnknownKind, rows_as.DoesNotFit, NothingMeasured, WarehouseError, OSError: nothing is written.
    """
    selection = named.selection(vars(options) | {"valid": options.valid == "only"}, query.options(options.warehouse))
    if not options.out:
        raise NoFile
    out = Path(options.out)
    if options.written_as == "rows" and options.format == "file":
        _kind(out)
    link = export.link_of(selection, options.app)
    if options.written_as != "rows":
        rows = query.load("leaderboard", selection, options.warehouse)
        return _report(options, rows, export.header_of(rows, selection, ABOUT["leaderboard"], link))
    with query.stream(options.rows, selection, options.warehouse, part_rows=export.PART_ROWS) as parts:
        if options.format == "file":
            save(parts, out, selection, ABOUT[options.rows], link=link, comments=options.header, warehouse=options.warehouse)
        else:
            _folder(parts, options, selection, link)
    return 0


def file_first(words: list[str]) -> list[str]:
    """The words of a command line in an order that can be read: a filter takes all words behind it, the file at the end too.

    `--gpu=H100` becomes two words. A last word behind a filter is the file where it ends like one, or where a folder is to be written and
    the filter has another value.
    """
    parts = [part for word in words for part in (word.split("=", 1) if word.partition("=")[0] in FILTERS else [word])]
    at = max((place for place, word in enumerate(parts) if word.startswith("-")), default=-1)
    if at < 0 or not parts[0].startswith("-") or parts[at] not in FILTERS:
        return parts
    values, folder = parts[at + 1 :], any(word.startswith(("--format", "--as")) for word in parts)
    is_file = bool(values) and (Path(values[-1]).suffix.lower() in ENDINGS or (folder and len(values) > 1))
    return [parts[-1], *parts[:-1]] if is_file else parts


def _kind(out: Path) -> str:
    """How a file of this name is written. Raises rows_as.UnknownKind."""
    if not out.suffix:
        endings = ", ".join(f".{kind}" for kind in rows_as.KINDS)
        raise rows_as.UnknownKind(
            f"{str(out)!r} was read as the file to write, and its name does not say how ({endings}). "
            "Name the file first: export rows.csv --gpu H100"
        )
    return rows_as.known(out.suffix.removeprefix(".").lower())


def save(
    parts: Iterator[pl.DataFrame],
    out: Path,
    selection: Selection,
    what: str,
    *,
    link: str | None = None,
    comments: bool = False,
    warehouse: str | None = None,
) -> dict[str, Any]:
    """Write rows as a file, and beside it what must be known about them where the file has no place for it.

    Args:
        parts: at least one.
        out: its ending says how.
        selection, what, link: as of `export.Facts.header`.
        comments: a CSV begins with the header and stands alone.
        warehouse: says what the columns mean; None: nobody does.

    Returns:
        The header.

    Raises:
        rows_as.UnknownKind, rows_as.DoesNotFit, WarehouseError, OSError: nothing is written.
    """
    kind = _kind(out)
    first = next(parts)
    beside = out.with_name(f"{out.name.removesuffix(out.suffix)}.meta.json")
    apart = kind in rows_as.WITHOUT_PLACE and not comments
    columns = {"columns": meanings.columns(first.schema, warehouse)} if warehouse and apart else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file, replacing(beside) if apart else contextlib.nullcontext() as about:
        rows = itertools.chain([first], parts)
        header = export.save(rows, file, kind, selection, what, link=link, folder=out.parent, comments=comments)
        file.flush()  # no room shows before either of the two takes its name
        if about is not None:
            about.write(_json({"file": out.name} | header | columns))
    screen.result({"file": out} | header)
    OUT.print(f"{out}: {header['rows']:,} rows, content hash {header['content_sha256']}")
    if not header["rows"]:
        OUT.print(f"Nothing matches: {header['filter']}. --weights both and --valid all keep more rows.")
    return header


def _folder(parts: Iterator[pl.DataFrame], options: Export, selection: Selection, link: str) -> None:
    """A CSV and its descriptor. Raises as `save`."""
    out = Path(options.out)
    name, descriptor = DESCRIPTORS[options.format]
    first = next(parts)
    file = out / f"{options.rows}.csv"
    columns = meanings.columns(first.schema, options.warehouse)
    out.mkdir(parents=True, exist_ok=True)
    with replacing(file) as opened, replacing(out / name) as about:
        rows = itertools.chain([first], parts)
        header = export.save(rows, opened, "csv", selection, ABOUT[options.rows], link=link, folder=out, comments=False)
        opened.flush()
        written = Path(opened.name)
        about.write(_json(descriptor(options.rows, file.name, zips.sha256(written), written.stat().st_size, header, columns)))
    screen.result({"file": file, "descriptor": out / name} | header)
    OUT.print(f"{file}: {header['rows']:,} rows, described by {name}")


def _report(options: Export, rows: pl.DataFrame, header: dict[str, Any]) -> int:
    """Configurations in the words of others. Raises NothingMeasured, WarehouseError, OSError."""
    out, measured = Path(options.out), rows.filter(pl.col("energy_j").is_not_null())
    if measured.is_empty():
        raise NothingMeasured(f"No configuration has a measured energy: {header['filter']}.")
    match options.written_as:
        case "boamps":
            known = {row["result_id"]: row for row in query.load("measured_answers", None, options.warehouse).iter_rows(named=True)}
            for row in measured.iter_rows(named=True):
                report = reports.boamps(row, options.country, create.project_version(), known.get(row["result_id"]))
                _write(out / reports.file_name(row["result_id"]), _json(report))
        case "sci":
            found = [reports.sci(row, options.carbon_intensity, options.embodied) for row in rows.iter_rows(named=True)]
            _write(out, _json(found))
        case "model-card":
            _write(out, reports.model_card(rows, header["citation"]).encode())
        case "latex":
            _write(out, reports.latex(rows, header["citation"]).encode())
    written = measured if options.written_as == "boamps" else rows
    screen.result({"file": out, "configurations": written.height, "left_out": rows.height - written.height})
    OUT.print(f"{out}: {written.height:,} configurations as {options.written_as}")
    if written.height < rows.height:
        OUT.print(f"{rows.height - written.height:,} configurations whose energy was not measured are left out.")
    return 0


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _json(facts: Any) -> bytes:
    return (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
