"""LLM-Perf Leaderboard: `perf-df-*.csv`, one optimum-benchmark report a row, its nested names joined by dots → `published`.

Energies are kWh of a call, latencies s of a call; both are read as in a report of optimum-benchmark. A row of a run that failed says so.
"""

import ast
import math
from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats import optimum_benchmark
from prompt_joules.ingest.formats.base import Facts, Unreadable
from prompt_joules.ingest.formats.fields import number
from prompt_joules.ingest.formats.figures import format_of_runs
from prompt_joules.ingest.formats.foreign import dug, whole

KEYS = {"config.backend.model", "report.prefill.latency.mean", "report.decode.latency.mean"}
WORDS = {"True": True, "False": False, "None": None, "": None}


def value_of(cell: Any) -> Any:
    """What pandas wrote into a cell: a number, a truth, a list, or text; nothing for a gap."""
    if not isinstance(cell, str):
        return cell
    if cell in WORDS:
        return WORDS[cell]
    if cell.startswith("[") and len(cell) < 10_000:
        try:
            return ast.literal_eval(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return cell
    found = whole(number(cell))
    return None if isinstance(found, float) and math.isnan(found) else found


def nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose names are paths, as the object that it was made of. A name that is a part of another's path gives way."""
    tree: dict[str, Any] = {}
    for name in sorted(row):
        place = tree
        *path, last = name.split(".")
        for key in path:
            inner = place.get(key)
            if not isinstance(inner, dict):
                inner = place[key] = {}
            place = inner
        place[last] = value_of(row[name])
    return tree


def figure_of(row: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a row, or why it is none."""
    tree = nested(row)
    report, config = tree.get("report"), tree.get("config")
    trouble = dug(report, "traceback")
    if isinstance(trouble, str) and trouble.strip():
        return f"is a run that failed: {trouble.strip().splitlines()[-1][:200]}"
    if not isinstance(report, dict) or not isinstance(config, dict):
        return "is no report of optimum-benchmark"
    try:
        figure = optimum_benchmark.figure_of(report, config)
    except Unreadable as error:
        return str(error)
    return "has neither a latency nor an energy" if figure["latency_s"] is figure["energy_j"] is None else figure | {"source": "LLM-Perf"}


FORMAT = format_of_runs(
    Facts(
        "llm-perf", "LLM-Perf Leaderboard perf-df-*.csv: optimum-benchmark reports, one a row", "2024 and 2025 (structure from its source)"
    ),
    keys=KEYS,
    figure_of=figure_of,
)
