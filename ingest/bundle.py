"""Results for other people: check the verdicts and the balance of runs, take the texts out, and put them into one zip with a card.

The zip is loaded by `ingest` as the folder that it was made of. Nothing but texts is changed: figures, run.json and the ids of the prompts
stay, so that two people's runs of one prompt set are compared prompt by prompt.
"""

import json
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from prompt_joules.bench.files import replacing
from prompt_joules.bench.record import TEXTS
from prompt_joules.ingest import loading
from prompt_joules.warehouse import create, errors, query
from prompt_joules.warehouse.selection import Selection

CARD = "card.md"
LICENCE = "Apache-2.0"
# The same bytes for the same results, whenever they are bundled.
WHEN = (2020, 1, 1, 0, 0, 0)
SHOWN = (
    *("run_id", "model_name", "gpu", "task", "engine", "batch_size"),
    *("prompts", "energy_j", "energy_per_token_j", "balance_ratio", "verdict"),
)


class NotBundled(errors.ForPeople):
    """The results cannot be handed on as they are; the text says what is wrong with which run, and what to do."""


def bundle(paths: Sequence[str], out: str | None, by: str = "", licence: str = LICENCE) -> tuple[pl.DataFrame, Path]:
    """Check runs and write them into a zip; the runs, as of `checked`, and the zip.

    Args:
        paths: folders of runs, or folders of such folders.
        out: the zip; None makes its name of model, GPU and run, in the current folder.
        by: who measured, as they want to be cited.
        licence: under which the figures are handed on.

    Raises:
        NotBundled: no runs, rows that an ingest refuses, a verdict that is not valid, a balance that is not known, an unfinished run.
        OSError: something cannot be read or written.
    """
    with tempfile.TemporaryDirectory(prefix="prompt-joules-bundle-") as folder:
        bare = copy(paths, Path(folder) / "runs", texts=False)
        runs = checked([str(bare)])
        target = Path(out or _name(runs))
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_STORED) as archive:
            _put(archive, CARD, card(runs, by, licence).encode())
            for path in sorted(path for path in bare.rglob("*") if path.is_file()):
                _put(archive, path.relative_to(bare).as_posix(), path.read_bytes())
    return runs, target


def checked(paths: Sequence[str]) -> pl.DataFrame:
    """The runs under the paths, zips included, in the columns SHOWN and `notes`, the codes of docs/verdicts.md.

    Raises NotBundled, find.NoSuchPath, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="prompt-joules-bundle-") as folder:
        warehouse = str(Path(folder) / "bundle.duckdb")
        report = loading.ingest(paths, warehouse, rebuild=True)
        try:
            everything = Selection(weights=(), only_valid=False)
            runs = query.load("runs", everything, warehouse)
            means = query.load("leaderboard", everything, warehouse)
            refused = query.load("rejects", None, warehouse)
        except errors.WarehouseError as error:
            raise NotBundled(f"A fault of ours: {error}") from error
    if report.status:
        first = refused.row(0, named=True)
        where = first["path"] if first["row"] is None else f"{first['path']}, row {first['row']}"
        more = f" ({refused.height - 1:,} more)" if refused.height > 1 else ""
        raise NotBundled(f"{where}: {first['reason']}{more}. Only results that load whole are bundled.")
    if runs.is_empty():
        raise NotBundled(f"There is no run of ours in {', '.join(paths)}: name a folder that `bench run` or `pj.record` wrote.")
    _require_good(runs, _gone_on_from(paths))
    energies = means.select(pl.col("result_id").str.strip_prefix("run:").alias("run_id"), "energy_j", "energy_per_token_j")
    named = runs.with_columns(pl.col("reasons").list.join(", ").alias("notes"), verdict=pl.lit("valid")).join(energies, "run_id", "left")
    return named.select(*SHOWN, "notes").sort("run_id")


def _gone_on_from(paths: Sequence[str]) -> set[str]:
    """The ids of runs of which another run under the paths, on other hardware, asked what was left."""
    return {run_id for path in paths for note in _notes(Path(path)) for run_id in json.loads(note).get("after") or ()}


def _notes(path: Path) -> Iterator[bytes]:
    """Every run.json under a path, in zips too."""
    for file in (path, *path.rglob("*")):
        if file.name == "run.json":
            yield file.read_bytes()
        elif file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                yield from (archive.read(name) for name in archive.namelist() if Path(name).name == "run.json")


def _require_good(runs: pl.DataFrame, gone_on_from: Collection[str]) -> None:
    """Raise NotBundled for the first run that nobody should compare with others.

    Args:
        gone_on_from: ids of runs that are not finished because another one goes on from them.
    """
    for run in runs.sort("run_id").iter_rows(named=True):
        codes = ", ".join(run["reasons"] or ())
        if not run["valid"]:
            raise NotBundled(f"{run['run_id']} is not valid ({codes}; docs/verdicts.md says what that means). Measure it again.")
        if run["finished"] is False and run["run_id"] not in gone_on_from:
            raise NotBundled(
                f"{run['run_id']} is unfinished: the same `bench run` command again goes on where it stopped. "
                "Where that was on other hardware, name the folder of the run that went on too."
            )
        if run["measured"] and run["balance_ratio"] is None:
            raise NotBundled(f"{run['run_id']} has no balance of its energy: its run.json is missing or says none.")


def _folders(paths: Sequence[str]) -> list[Path]:
    """The folders of runs under the paths, each once. Raises NotBundled."""
    found = {found.parent.resolve() for path in paths for found in Path(path).rglob("*.parquet")}
    if not found:
        raise NotBundled(f"There is no Parquet file under {', '.join(paths)}: name a folder that `bench run` or `pj.record` wrote.")
    names = [folder.name for folder in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise NotBundled(f"Two folders are called {twice}: bundle them one by one.")
    return sorted(found)


def copy(paths: Sequence[str], into: Path, *, texts: bool) -> Path:
    """Copy the runs under the paths, a folder each; without texts their columns are null in the copy.

    Returns:
        `into`.

    Raises:
        NotBundled: no runs, two of one name, or a file of them that cannot be read.
        OSError: no space.
    """
    for source in _folders(paths):
        target = into / source.name
        target.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            if path.name == "run.json" or (texts and path.suffix == ".parquet"):
                (target / path.name).write_bytes(path.read_bytes())
            elif path.suffix == ".parquet":
                pq.write_table(_bare(path), target / path.name, compression="zstd", write_page_checksum=True)
    return into


def _bare(path: Path) -> pa.Table:
    try:
        table = pq.ParquetFile(path).read()
    except pa.ArrowException as error:
        raise NotBundled(f"{path} is no Parquet file that can be read ({str(error).splitlines()[0]}).") from error
    for place, field in enumerate(table.schema):
        if field.name in TEXTS:
            table = table.set_column(place, field, pa.nulls(table.num_rows, field.type))
    return table


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, WHEN), content)


def _name(runs: pl.DataFrame) -> str:
    """model-gpu-run.zip, of letters, digits and what a file system takes."""
    first = runs.row(0, named=True)
    more = f"-and-{runs.height - 1}-more" if runs.height > 1 else ""
    text = f"{first['model_name']}-{first['gpu'] or 'cpu'}-{first['run_id']}{more}"
    return "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in text) + ".zip"


def card(runs: pl.DataFrame, by: str, licence: str) -> str:
    """What the zip holds, for people, and in front of it the same for programs (YAML, as on model hubs)."""
    facts = {
        "made_with": f"Prompt Joules {create.project_version()}",
        "measured_by": by or None,
        "licence": licence,
        "runs": [{name: value for name, value in run.items() if value is not None} for run in runs.iter_rows(named=True)],
    }
    return f"""---
{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---

# {runs.height} {"run" if runs.height == 1 else "runs"} of Prompt Joules

Energy is that of the GPU, in joules, one row per prompt. Texts of prompts and answers were taken out; ids of prompts and all figures are
as they were measured. `prompt-joules ingest THIS.zip` loads it, and `prompt-joules bundle --check THIS.zip` checks it again.

{table(runs)}
A balance of 1 says that windows and gaps add up to the counter of the whole run. Notes are explained in docs/verdicts.md.
"""


def table(runs: pl.DataFrame) -> str:
    """Runs, as `checked` gives them, as a table of Markdown with an empty line behind it."""
    names = ("model", "GPU", "task", "engine", "batch", "prompts", "J per answer", "J/token", "balance", "notes")
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    return head + "".join(f"{line}\n" for line in _lines(runs))


def _lines(runs: pl.DataFrame) -> Iterator[str]:
    for run in runs.iter_rows(named=True):
        texts = (
            str(run[name] if run[name] is not None else "") for name in ("model_name", "gpu", "task", "engine", "batch_size", "prompts")
        )
        numbers = (
            f"{run[name]:.4g}" if run[name] is not None else "not measured" for name in ("energy_j", "energy_per_token_j", "balance_ratio")
        )
        yield "| " + " | ".join((*(text.replace("|", "\\|") for text in texts), *numbers, run["notes"])) + " |"
