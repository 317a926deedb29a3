"""llama.cpp's `llama-bench -o sql`, and its usual table (`-o md`) → `published`.

The SQL has all that the CSV has; its statements are read, never run. The table has the type of the model in the place of its name, no GPU,
and tokens per s alone: tests of prompts say nothing that a figure has a place for, and are left out.
"""

import csv
import re
from collections.abc import Iterator

from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import number
from prompt_joules.ingest.formats.figures import Run, format_of
from prompt_joules.ingest.formats.llama_bench import KEYS, OURS, figure_of, weights_of
from prompt_joules.ingest.front.table import LONGEST_LINE
from prompt_joules.ingest.front.unpack import lines_of

MADE = "CREATE TABLE IF NOT EXISTS llama_bench"
INSERTED = re.compile(r"INSERT INTO llama_bench \(([\w, ]+)\) VALUES \((.*)\);\s*")
COLUMNS = {"model", "size", "params", "backend", "test", "t/s"}
GENERATES = re.compile(r"tg(\d+)(?: @ d(\d+))?")
BUILD = re.compile(r"build: (\S+) \((\d+)\)")


def _statements(source: Source, content: Content) -> Iterator[Run]:
    for line, text in lines_of(content.path, LONGEST_LINE):
        if text is None or not text.startswith("INSERT"):
            continue
        found = INSERTED.fullmatch(text)
        names = found[1].split(", ") if found else []
        cells = next(csv.reader([found[2]], quotechar="'", skipinitialspace=True), []) if found else []
        run = dict(zip(names, cells, strict=False))
        whole = found is not None and len(names) == len(cells) and run.keys() >= KEYS
        values = figure_of(run) if whole else "is no whole statement of llama-bench"
        yield line, values


def _table(source: Source, content: Content) -> Iterator[Run]:
    lines = [(line, text) for line, text in lines_of(content.path, LONGEST_LINE) if text is not None]
    built = next((found for _, text in lines if (found := BUILD.fullmatch(text.strip()))), None)
    version = f"{built[2] if built and built[2] != '0' else 'unknown'} ({built[1] if built else 'unknown'}), table"
    rows = [(line, [cell.strip() for cell in text.strip().strip("|").split("|")]) for line, text in lines if text.startswith("|")]
    (_, names), *others = rows
    for line, cells in others:
        row = dict(zip(names, cells, strict=False))
        if len(cells) != len(names):
            yield line, f"has {len(cells)} cells, the header has {len(names)}"
        elif (tested := GENERATES.fullmatch(row["test"])) is not None:
            figure = {
                "published_model_id": row["model"],
                "task": f"llama-bench tg{tested[1]}{f' @ d{tested[2]}' if tested[2] else ''}",
                "engine": f"llama.cpp {row['backend']}",
                "dtype": weights_of(row["model"]),
                "output_tokens": tested[1],
                "throughput_tps": number(row["t/s"].split("±")[0].strip()),
                "harness_version": f"llama-bench {version}",
            }
            yield line, OURS | figure


def _is_sql(content: Content) -> bool:
    return bool(content.header) and content.header[0].startswith(MADE)


def _read(source: Source, content: Content) -> Iterator[Run]:
    found = list(_statements(source, content) if _is_sql(content) else _table(source, content))
    if not found:
        raise Unreadable("holds no test that generates tokens")
    return iter(found)


FORMAT = format_of(
    Facts("llama-bench-text", "llama.cpp's llama-bench -o sql, and its table (-o md)", "a build of 2026 (real files)"),
    recognises=lambda content: _is_sql(content) or set(content.header) >= COLUMNS,
    read=_read,
)
