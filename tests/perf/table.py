"""The table of all queries in docs/scale.md, made of what `tests.perf.scale` has measured."""

import datetime
import os
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from prompt_joules.warehouse import connect, create
from tests.perf.queries import MOST_MS, MOST_TIMES, Timing

DOCUMENT = Path(__file__).parents[2] / "docs" / "scale.md"
BEGIN, END = "<!-- queries: begin -->", "<!-- queries: end -->"


def conditions(warehouse: Path, rows: int, repeats: int) -> str:
    """Under which conditions the queries were asked, a sentence."""
    connection = connect.once(str(warehouse))
    (runs,) = connection.execute("select count(*) from runs").fetchone()
    connection.close()
    day = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{rows:,} rows in {runs:,} runs, DuckDB {duckdb.__version__}, schema version {create.SCHEMA_VERSION}, {day}; "
        f"{os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}; the least of {repeats}."
    )


def of(timings: Sequence[Timing]) -> list[str]:
    """The lines of the table: queries over prompts, which cost most, then those over runs; the dearest first."""
    lines = ["| query | reads | CPU (ms) | CPU of the scan (ms) | times | clock (ms) | aim | kept |", "|---|---|---|---|---|---|---|---|"]
    for timing in sorted(timings, key=lambda one: (not one.over_prompts, -one.taken.cpu)):
        reads, times = ("prompts", f"{timing.times:.1f}") if timing.over_prompts else ("runs", "")
        least = f"{timing.least.cpu:.0f}" if timing.over_prompts else ""
        numbers = f"{timing.taken.cpu:.0f} | {least} | {times} | {timing.taken.wall:.0f}"
        lines.append(f"| `{timing.name}` | {reads} | {numbers} | {timing.aim} | {'yes' if timing.met else '**no**'} |")
    return lines


def sentences(timings: Sequence[Timing], measured: str) -> list[str]:
    """What stands above the table: the conditions, and how many queries keep their aim."""
    kept = sum(timing.met for timing in timings)
    return [
        measured,
        f"Aims: a query over prompts takes under {MOST_TIMES:.0f} times the CPU of the bare scan of its columns.",
        f"One over runs takes under {MOST_MS:.0f} ms, by the clock, or of CPU where neighbours kept it waiting.",
        f"{kept} of {len(timings)} queries keep their aim.",
    ]


def write(timings: Sequence[Timing], measured: str, document: Path = DOCUMENT) -> None:
    """Put the table between the marks of a document.

    Raises:
        ValueError: the document has no such marks.
    """
    text = document.read_text(encoding="utf-8")
    made = "\n".join([BEGIN, *sentences(timings, measured), "", *of(timings), END])
    new, count = re.subn(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: made, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{document} needs the marks {BEGIN} and {END}, once each, around the table.")
    document.write_text(new, encoding="utf-8")
