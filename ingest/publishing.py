"""The command publish: runs of ours as a dataset of the Hugging Face Hub, checked as a bundle is, with a card."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import polars as pl
import tyro
import yaml

from prompt_joules.bench import record, screen
from prompt_joules.bench.screen import OUT, Output
from prompt_joules.ingest import bundle, hub
from prompt_joules.warehouse import commands, create

FOLDER = "data"
CARD = "README.md"
# The Hub's own classes of size.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "n>1M"


@dataclass(frozen=True)
class Publish(Output):
    """Check runs of ours, take the texts out, and put them into a dataset of the Hugging Face Hub, with a card.

    The dataset is made where there is none. Runs that are in it stay, one of the same id is replaced. `ingest hf:ORGANISATION/NAME`
    loads it. Exit status: 0 published, 2 nothing was sent.
    """

    to: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="hf:ORGANISATION/NAME")]
    """The dataset."""

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN …", help_behavior_hint="(required)")]
    """Folders of runs, or folders of such folders."""

    texts: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Publish the texts of prompts and answers, too. Other people's words need their leave."""

    private: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Where the dataset is made now, show it to nobody else."""

    by: Annotated[str, tyro.conf.arg(metavar="NAME", help_behavior_hint="(default: nobody is named)")] = ""
    """Who measured, as the card should say."""

    licence: Annotated[str, tyro.conf.arg(metavar="SPDX")] = bundle.LICENCE
    """Under which the figures are handed on."""


def run_publish(options: Publish) -> int:
    """Publish, and say where.

    Raises:
        bundle.NotBundled: the runs are not fit to be handed on.
        hub.HubError: the Hub cannot be reached, or refuses.
        OSError: something cannot be read, or there is no space for a copy.
    """
    where = hub.address(options.to)
    if where.revision:
        raise hub.HubError(f"Leave out @{where.revision}: what is published becomes the newest state of {where.repo}.")
    if not options.paths:
        raise bundle.NotBundled("Name at least one run: a folder under results/ with Parquet files and run.json.")
    with tempfile.TemporaryDirectory(prefix="prompt-joules-publish-") as folder:
        data = bundle.copy([commands.path_of(path) for path in options.paths], Path(folder) / FOLDER, texts=options.texts)
        runs = bundle.checked([str(data)])
        before = hub.state(where)
        if before is not None and add(before / FOLDER, data):
            runs = bundle.checked([str(data)])
        (data.parent / CARD).write_text(card(runs, where, options.by, options.licence, texts=options.texts), encoding="utf-8")
        message = f"{runs.height} runs of Prompt Joules {create.project_version()}"
        address = hub.send(where, data.parent, message, private=options.private, parent=None if before is None else before.name)
    screen.result({"dataset": where.repo, "commit": address, "runs": runs.to_dicts()})
    OUT.print(f"{where}: {runs.height} {'run' if runs.height == 1 else 'runs'}{'' if options.texts else ', without texts'}: {address}")
    OUT.print(f"{commands.INGEST} {where} loads it.")
    return 0


def add(before: Path, data: Path) -> bool:
    """Put the runs that a dataset has already beside those that are added; whether there were others. Raises OSError."""
    others = [run for run in (before.iterdir() if before.is_dir() else ()) if not (data / run.name).exists()]
    for run in others:
        shutil.copytree(run, data / run.name)
    return bool(others)


def card(runs: pl.DataFrame, where: hub.Address, by: str, licence: str, *, texts: bool) -> str:
    """The README of the dataset: what the Hub reads of it in front (YAML), then what people must know."""
    prompts = int(runs["prompts"].sum())
    facts = {
        "license": licence.lower(),
        "pretty_name": f"Energy of answers of language models, {runs.height} {'run' if runs.height == 1 else 'runs'} of Prompt Joules",
        "tags": ["energy", "llm", "inference", "benchmark", "prompt-joules"],
        "size_categories": [next((name for size, name in SIZES if prompts < size), LARGEST)],
        "configs": [{"config_name": "default", "data_files": f"{FOLDER}/*/*.parquet"}],
    }
    columns = "\n".join(f"| `{column.name}` | {column.unit} | {column.meaning.replace('|', chr(92) + '|')} |" for column in record.COLUMNS)
    measured = f"Measured by {by} with" if by else "Measured with"
    bare = "" if texts else "Texts of prompts and answers were taken out (null); ids of prompts and all figures are as measured."
    return f"""---
{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---

# What an answer costs in energy

{measured} Prompt Joules {create.project_version()}. One row is one prompt answered once: {prompts:,} prompts in {runs.height} runs.
Licence: {licence}. {bare}

`prompt-joules ingest {where}` loads it into a warehouse, `prompt-joules app` shows it.

{bundle.table(runs)}
A balance of 1 says that the windows of all answers and the gaps between them add up to the GPU's counter over the whole run.

## How it was measured

- Energy is that of the GPU in joules: its counter (`energy_source`) is read in one window around each answer, the device synchronized at
  both ends. `energy_edges` says whether a window begins and ends at steps of the counter (aligned); `energy_error_j` is half the width of
  the error bar.
- `energy_attribution` is exclusive where one answer had the GPU to itself, and shared where the energy of a batch or a server was divided
  by a rule. Energy of the CPU and of memory stands beside it and is not in it.
- What was not measured is null, with the reason in a column beside it, and never 0.
- `run.json` beside the rows has the balance of each session of work.

## Columns

| column | unit | meaning |
|---|---|---|
{columns}

## Citation

Prompt Joules {create.project_version()}, {where.repo}, {prompts:,} prompts in {runs.height} runs{f", measured by {by}" if by else ""}.
"""
