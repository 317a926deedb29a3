"""Files into a shared warehouse, as several test files load them."""

from pathlib import Path

import polars as pl

from prompt_joules.ingest import loading
from prompt_joules.ingest.report import Report
from prompt_joules.warehouse import connect
from tests import factories

ROWS = 30
# How many rows there are, by four ways to count them.
WHOLE = """
select
    (select count(*) from requests) as stored,
    (select coalesce(sum(accepted), 0) from ingested_files) as accepted,
    (select coalesce(sum(prompts), 0) from runs) as summed,
    (select coalesce(sum(prompts), 0) from run_summary where metric = 'latency_s') as summarised
"""


def load(into: str, *paths: Path) -> Report:
    return loading.ingest([str(path) for path in paths], into)


def run_file(folder: Path, run_id: str, rows: int = ROWS, **changes: object) -> Path:
    return factories.write(factories.records(rows, run_id, **changes), folder / f"{run_id}.parquet")


def ask(into: str, sql: str) -> pl.DataFrame:
    connection = connect.once(into)
    try:
        rows: pl.DataFrame = connection.sql(sql).pl()
        return rows
    finally:
        connection.close()
