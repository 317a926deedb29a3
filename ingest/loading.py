"""Load files into a warehouse of any kind: a file, or one that several machines share."""

import time
from collections.abc import Sequence

from prompt_joules.ingest import file, lake, zips
from prompt_joules.ingest.find import Chosen, everything, survey
from prompt_joules.ingest.formats import formats
from prompt_joules.ingest.formats.mapped import ColumnMap
from prompt_joules.ingest.report import Report, Say, Step
from prompt_joules.warehouse import connect


def ingest(
    paths: Sequence[str],
    warehouse: str,
    *,
    rebuild: bool = False,
    say: Say = lambda _: None,
    step: Step = lambda *_: None,
    mapping: ColumnMap | None = None,
    model: str | None = None,
    chosen: Chosen = everything,
) -> Report:
    """Load files into a warehouse.

    Args:
        paths: files and folders.
        warehouse: path of the DuckDB file, or the address of a shared warehouse; made when absent.
        rebuild: start from nothing instead of from the warehouse that is there.
        say: gets sentences for people.
        step: gets (files done, files in all).
        mapping: how to read CSV and Parquet files of no known format.
        model: that of results that name none.
        chosen: which of the files are looked at; all unless given.

    Raises:
        find.NoSuchPath: a path does not exist.
        As `file.load` or `lake.load`.
    """
    started = time.monotonic()
    shared = connect.place_of(warehouse).shared
    if rebuild and shared:
        raise lake.SharedRebuild(
            f"{warehouse} is shared and is not rebuilt from the files of one machine; make a new one at another address."
        )
    with zips.unpacking() as unpacked:
        found, passed = survey(paths, formats(mapping), unpacked, chosen, model)
        if shared:
            report = lake.load(warehouse, found, passed, say=say, step=step)
        else:
            report = file.load(warehouse, found, passed, rebuild=rebuild, say=say, step=step)
    report.seconds = time.monotonic() - started
    return report
