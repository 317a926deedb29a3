"""What holds for every named query, and for the tables that they read."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.warehouse import errors, query
from prompt_joules.warehouse.metrics import METRICS, PROMPT_METRICS
from prompt_joules.warehouse.selection import Selection
from tests import warehouses
from tests.unit.queries.made import EVERYTHING

# Every parameter of every query, whatever it means.
EXTRA = {
    **{"result": "", "results": "", "run": "", "search": "", "prompt": "", "prompt_set": "", "only_series": "", "series": ""},
    **{"contrast": "task", "a": "", "b": "", "c": 0.0, "pooled": True},
    **{"statistic": "mean", "per": "response", "idle": "gross", "low": 0.0, "high": 1.0},
}


def test_every_query_runs_on_an_empty_warehouse(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    warehouses.ingest(tmp_path, into=path)
    for name in query.names():
        given = EXTRA | ({"a": 0.0, "b": 0.0} if name == "cost_prompts" else {})
        rows = query.load(name, None, str(path), metric="energy_j", by="model", bins=10, log=True, **given)
        assert rows.is_empty() or name in ("reason_codes", "tasks", "columns", "meta"), name
        with query.stream(name, None, str(path), part_rows=1000, metric="energy_j", by="model", bins=10, log=True, **given) as parts:
            assert pl.concat(parts).equals(rows), name


def test_every_query_says_what_a_row_is() -> None:
    for name in query.names():
        assert query.text(name).startswith("-- One row "), name


def test_every_column_can_be_looked_up(warehouse: str) -> None:
    columns = query.load("columns", None, warehouse)
    assert {"results", "prompts", "published"} <= set(columns["table"])
    assert columns.filter(pl.col("table") == "published", pl.col("column") == "energy_j")["meaning"].item().startswith("J:")


def test_unknown_names() -> None:
    with pytest.raises(query.UnknownQuery, match="leaderboard"):
        query.load("nothing", None, "x")
    with pytest.raises(query.UnknownQuery):
        query.load("../schema", None, "x")
    with pytest.raises(query.MissingParameter, match="metric"):
        query.load("distribution_bins", None, "x", by="model", bins=3, log=False)


def test_a_missing_warehouse_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(errors.NoWarehouse, match="python -m ingest"):
        query.load("leaderboard", None, str(tmp_path / "none.duckdb"))


def test_hostile_values_are_only_values(warehouse: str) -> None:
    hostile = Selection(models=("'; drop table runs; --", '"', "$models", "%"))
    assert query.load("leaderboard", hostile, warehouse).is_empty()
    assert query.load("leaderboard", EVERYTHING, warehouse).height == warehouses.PUBLISHED["v1"] + 4


def test_every_metric_is_a_column(warehouse: str) -> None:
    board = query.load("leaderboard", None, warehouse)
    assert set(METRICS) - set(board.columns) == {"energy_per_word_j"}
    assert set(PROMPT_METRICS) <= set(METRICS)
    for key, metric in METRICS.items():
        assert (metric.key, metric.label != "", metric.meaning.endswith(".")) == (key, True, True)
    assert METRICS["energy_j"].title == "Energy (J)"
    assert (METRICS["ttft_s"].title, METRICS["ttft_s"].display_factor) == ("TTFT (ms)", 1000.0)


def test_every_column_of_every_table_says_what_it_is(warehouse: str) -> None:
    silent = "select table_name, column_name from duckdb_columns() where database_name = 'results' and not internal "
    tables = "and table_name in (select table_name from duckdb_tables() where database_name = 'results') "
    assert warehouses.rows(Path(warehouse), silent + tables + "and comment is null").is_empty()
    assert warehouses.rows(Path(warehouse), silent + tables).height > 200
