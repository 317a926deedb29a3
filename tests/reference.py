"""`python -m tests.reference` writes docs/reference/ from the code: columns, metrics, commands, variables, formats, verdicts.

The pages are committed, so that they can be read without building anything; a test fails where one is no longer what the code says.
"""

import contextlib
import io
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import duckdb

from prompt_joules import command
from prompt_joules.bench.record import COLUMNS, SCHEMA_VERSION, Column
from prompt_joules.ingest.__main__ import COMMANDS
from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.formats.base import Format
from prompt_joules.warehouse import create, query
from prompt_joules.warehouse.metrics import METRICS
from prompt_joules.warehouse.switches import VARIABLES
from tests.warehouses import ROOT

FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by `python -m tests.reference`; do not edit. -->\n\n"
WIDTH = "100"
NUMBERS = ("int16", "int32", "int64", "float32", "float64", "list<float32>")
FORMAT_HEAD = "| format | recognised by | becomes | exact | null or refused | dropped |"
IN_BENCH = ("run", "sweep", "prompts sharegpt", "devices")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, done: bool = False) -> str:
    """A table of Markdown, of texts or of cells that are done."""
    lines = [head, ["---"] * len(head), *(row if done else map(cell, row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """A text that means itself in a table: signs of Markdown and HTML are escaped where they stand outside of code."""
    parts = text.split("`")
    parts[::2] = (part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2])
    return "`".join(parts).replace("|", "\\|")


def begun(title: str, *words: str) -> str:
    """The beginning of a page: its heading and a paragraph, in lines that fit."""
    return f"# {title}\n\n{textwrap.fill(' '.join(words), 158, break_on_hyphens=False)}\n\n"


def yes(condition: bool) -> str:
    return "yes" if condition else ""


def values_of(column: Column) -> str:
    """What a column may hold."""
    if column.choices:
        return ", ".join(f"`{choice}`" for choice in column.choices)
    if column.type not in NUMBERS:
        return ""
    bounds = [] if column.least is None else [f"≥ {column.least:g}"]
    bounds += [] if column.most is None else [f"≤ {column.most[0]:,.0f}"]
    return ", ".join(bounds) or "any finite"


def record() -> str:
    rows = ((f"`{one.name}`", f"`{one.type}`", one.unit, yes(one.required), yes(one.setup), values_of(one), one.meaning) for one in COLUMNS)
    said = begun(
        "Columns of a results file",
        f"One row is one prompt answered once. Contract version {SCHEMA_VERSION}, from `bench/record.csv`. A row whose values are not",
        "allowed, or that lacks a required one, is refused with its reason ([verdicts](../verdicts.md)). A column of the setup has",
        "one value in all rows of a run. Numbers are finite; units are base SI; what was not measured is null.",
    )
    return said + table(("column", "type", "unit", "required", "setup", "values", "meaning"), rows)


def metrics() -> str:
    rows = (
        (f"`{one.key}`", one.label, one.unit, one.display_unit, one.better or "", one.formula, one.meaning, one.source)
        for one in METRICS.values()
    )
    said = begun(
        "Numbers of a result",
        "From `warehouse/metrics.csv`. A number is stored in the first unit and shown in the second. How intervals are made:",
        "[statistics](../statistics.md).",
    )
    return said + table(("column", "name", "unit", "on screen", "better", "formula", "meaning", "source"), rows)


def cli() -> str:
    own = {"bench": [("bench", *name.split()) for name in IN_BENCH]}
    own["ingest"] = [("ingest",), *(("ingest", name) for name in COMMANDS if name not in command.PROGRAMS)]
    every = [(), *(words for program in command.PROGRAMS for words in own.get(program, [(program,)]))]
    pages = [(" ".join(("prompt-joules", *words)), help_of(*words)) for words in every]
    said = begun("Options of every command", "What `--help` says. Exit status and output for programs: [commands](../commands.md).")
    return said + "\n".join(f"## {title}\n\n```text\n{text}\n```\n" for title, text in pages)


def help_of(*words: str) -> str:
    """What a command says of itself, as where it is installed."""
    said = io.StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": WIDTH}), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        os.environ.pop("PROMPT_JOULES_WAREHOUSE", None)
        command.main([*words, "--help"])
    lines = re.sub(r"python -m (bench|ingest)\b", r"prompt-joules \1", said.getvalue()).splitlines()
    return "\n".join(textwrap.fill(line, int(WIDTH)) if len(line) > int(WIDTH) else line.rstrip() for line in lines).strip("\n")


def variables() -> str:
    rows = ((f"`{one.name}`", one.values, one.otherwise, one.meaning) for one in VARIABLES)
    said = begun(
        "Environment variables",
        "From `warehouse/switches.py`. For who runs a server: [security](../security.md); for a lake: [scale](../scale.md).",
    )
    return said + table(("variable", "values", "not set", "meaning"), rows)


def rows_of_formats(folder: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Name of a format, page, and cells of its row, of the table with which each page of a folder begins."""
    for page in sorted(folder.glob("*.md")):
        head, _, *rows = (line for line in page.read_text(encoding="utf-8").split("\n\n")[1].splitlines())
        assert head == FORMAT_HEAD, f"{page}: begins with its title and a table of its formats: {FORMAT_HEAD}"
        for row in rows:
            named, *cells = (said.strip() for said in row.strip("|").split(" | "))
            yield from ((name, page.name, cells) for name in re.findall(r"`([^`]+)`", named))


def formats(folder: Path = FOLDER.parent / "formats") -> str:
    pages = {name: (page, said) for name, page, said in rows_of_formats(folder)}

    def row(one: Format) -> Sequence[str]:
        page, (known, becomes, exact, refused, dropped) = pages[one.name]
        meaning, tried = (cell(text) for text in (one.facts.meaning, one.facts.tried))
        return f"[`{one.name}`](../formats/{page})", meaning, known, becomes, exact, refused, dropped, tried

    said = begun(
        "Formats that are read",
        "What `prompt-joules ingest formats` lists, in the order in which a file is looked at. How files are recognised and",
        "what is dropped: [loading](../ingest.md). Tables of no known format: [a mapping](../formats/mapped.md).",
    )
    head = ("format", "what it is", "recognised by", "becomes", "exact", "null or refused", "dropped", "versions tried")
    return said + table(head, map(row, FORMATS), done=True)


def verdicts() -> str:
    with duckdb.connect() as connection:
        create.empty(connection)
        found = connection.sql(query.text("reason_codes")).fetchall()
    rows = ((f"`{code}`", scope, "no" if invalid else "yes", meaning) for code, scope, invalid, meaning in found)
    said = begun(
        "Reasons of verdicts",
        "From the table `reason_codes`. When each holds, and what it does to averages: [verdicts](../verdicts.md).",
    )
    return said + table(("code", "of a", "counts", "meaning"), rows)


PAGES = {page.__name__: page for page in (record, metrics, cli, variables, formats, verdicts)}


def written() -> dict[Path, str]:
    """Every page of docs/reference/ as the code says it now."""
    return {FOLDER / f"{name}.md": MADE + page() for name, page in PAGES.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
