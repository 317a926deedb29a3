"""Files whose runs become figures: a reader says how one run maps, this module loads them with the checks that all figures get.

A reader gives figures in base units under the names of `FIGURES_SCHEMA`. What a tool did not measure it leaves out, and it becomes null.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Reject, Source, Unreadable, content_of
from prompt_joules.ingest.formats.published import PUBLISHED, Kind, Part, cells_of, checked, read_table, store_all
from prompt_joules.ingest.front.table import LINE

# What a figure holds when its tool says nothing about it.
UNSAID: dict[str, Any] = {"gpu_model": "unknown", "num_gpus": 0, "licence": "as its owner says"}
BROKEN = "is no whole JSON object"


# A run of a file: its line, or its number from 1, and its values under the names of `FIGURES_SCHEMA`, or a sentence on why it is no figure.
Run = tuple[int, Mapping[str, Any] | str]
# What a reader makes of a file.
Read = Callable[[Source, Content], Iterable[Run | Reject]]
# The values of a run, or a sentence on why it is no figure.
FigureOf = Callable[[Mapping[str, Any]], Mapping[str, Any] | str]


def each_run(figure_of: FigureOf, needs: Collection[str] = ()) -> Read:
    """A reader of files in which every object, or row of a table (all cells text), is a run.

    Args:
        figure_of: what a run stands for.
        needs: names that every run must have, whatever their values; one that lacks any is refused.
    """

    def read(source: Source, content: Content) -> Iterator[Run | Reject]:
        runs: Iterable[tuple[int, dict[str, Any] | None]]
        if content.kind == "table":
            table = read_table(source, content.header)
            yield from table.rejects
            runs = ((row.pop(LINE), row) for row in table.cells.iter_rows(named=True))
        else:
            runs = content.objects()
        for line, run in runs:
            yield line, BROKEN if run is None else _values(source.named(run), figure_of, needs)

    return read


def _values(run: Mapping[str, Any], figure_of: FigureOf, needs: Collection[str]) -> Mapping[str, Any] | str:
    absent = sorted(set(needs) - run.keys())
    return f"lacks {', '.join(absent)}" if absent else figure_of(run)


def store(connection: duckdb.DuckDBPyConnection, source: Source, found: Iterable[Run | Reject], *, may_be_empty: bool = False) -> Loaded:
    """Load the figures of a file. Raises Unreadable when it holds no run at all, unless it may."""
    (loaded,) = store_all(connection, _checked([_figures(source, found, may_be_empty=may_be_empty)], PUBLISHED), PUBLISHED)
    return loaded


@dataclass(frozen=True)
class _Figures:
    """What a reader has found in a file: figures, each with its line or number, and what is no figure."""

    source: Source
    numbers: list[int]
    figures: list[Mapping[str, Any]]
    rejects: list[Reject]


def _figures(source: Source, found: Iterable[Run | Reject], *, may_be_empty: bool) -> _Figures:
    """The figures of a file. Raises Unreadable."""
    its = _Figures(source, [], [], [])
    for item in found:
        if isinstance(item, Reject):
            its.rejects.append(item)
        elif isinstance(item[1], str):
            its.rejects.append(Reject(item[0], None, item[1]))
        else:
            its.numbers.append(item[0])
            its.figures.append(UNSAID | {**item[1]})
    if not its.figures and not its.rejects and not may_be_empty:
        raise Unreadable("holds no run")
    return its


def _checked(files: Sequence[_Figures], kind: Kind) -> list[Part]:
    """The figures of files with the checks that all figures get: one check for all files, of which each would take 20 ms."""
    every = [(place, number) for place, its in enumerate(files) for number in its.numbers]
    cells = cells_of([figure for its in files for figure in its.figures], list(kind.schema))
    rows, bad = checked(cells.with_columns(pl.Series(LINE, range(len(every)), dtype=pl.Int64)), kind.schema, kind.required)
    refused: list[list[Reject]] = [[] for _ in files]
    for reject in bad:
        assert reject.row is not None
        place, number = every[reject.row]
        refused[place].append(replace(reject, row=number))
    parts: list[Part] = []
    start = 0
    for its, more in zip(files, refused, strict=True):
        good = len(its.numbers) - len(more)
        parts.append((its.source, rows.slice(start, good), [*its.rejects, *more]))
        start += good
    return parts


def format_of(
    facts: Facts,
    *,
    recognises: Callable[[Content], bool],
    read: Read,
    may_be_empty: bool = False,
    batch: int = 1,
    kind: Kind = PUBLISHED,
) -> Format:
    """The format of files whose runs become figures; one without any is refused unless it may be empty.
    `batch` is how many files one load should get.

    A figure needs what its kind requires and `UNSAID` does not fill; a row without it is refused.
    """

    def load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
        files = [_figures(source, read(source, content_of(source)), may_be_empty=may_be_empty) for source in sources]
        return store_all(connection, _checked(files, kind), kind)

    return Format(facts, recognises, load, "published", batch)


def format_of_runs(facts: Facts, *, keys: Collection[str], figure_of: FigureOf) -> Format:
    """The format of files in which every object, or row of a table, is a run, and by whose names they are known."""
    needed = frozenset(keys)
    read = each_run(figure_of, needed)
    return format_of(facts, recognises=lambda content: content.names >= needed, read=read)
