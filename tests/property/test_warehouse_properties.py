"""What must hold for any records and any selection."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from bench.record import NAMES
from tests import factories, warehouses
from warehouse.selection import Selection

FEW = settings(max_examples=12, deadline=None)
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=60)
JOULES = st.floats(0.0, 1e9, allow_nan=False)
SECONDS = st.floats(1e-6, 1e5, allow_nan=False)
COUNT = st.integers(0, 2**31 - 1)


def changes() -> st.SearchStrategy[dict[str, Any]]:
    """Anything that a valid row may hold in its own columns."""
    return st.fixed_dictionaries(
        {
            "energy_j": st.none() | JOULES,
            "energy_error_j": st.none() | JOULES,
            "latency_s": SECONDS,
            "ttft_s": st.none() | SECONDS,
            "itl_s": st.none() | st.lists(st.floats(0, 1e3, width=32), max_size=4),
            "output_tokens": COUNT,
            "input_tokens": st.none() | COUNT,
            "output_words": st.none() | COUNT,
            "finish_reason": st.sampled_from([None, "stop", "length"]),
            "gpu_temperature_c": st.none() | st.floats(-50, 150, width=32),
            "throttled": st.none() | st.booleans(),
            "prompt_text": st.none() | TEXT,
            "output_text": st.none() | TEXT,
            "energy_reason": st.none() | TEXT,
            "started_at": st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC)),
        }
    )


def runs(least: int = 1) -> st.SearchStrategy[pl.DataFrame]:
    """One run of some rows."""
    return st.lists(changes(), min_size=least, max_size=8).map(
        lambda rows: factories.frame([factories.record("run-1", index, max_new_tokens=2**31 - 1, **row) for index, row in enumerate(rows)])
    )


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@FEW
@given(runs())
def test_a_record_survives_parquet_and_duckdb_unchanged(rows: pl.DataFrame) -> None:
    with folder() as here:
        factories.write(rows, here / "part.parquet")
        assert warehouses.ingest(here / "part.parquet", into=here / "w.duckdb").status == 0
        connection = duckdb.connect(str(here / "w.duckdb"), read_only=True)
        connection.execute("set timezone = 'UTC'")
        back = connection.sql("select * from requests order by sequence").pl()
        connection.close()
    assert_frame_equal(back.select(NAMES), rows.select(NAMES), check_exact=True)


@FEW
@given(runs())
def test_ingesting_twice_is_ingesting_once(rows: pl.DataFrame) -> None:
    with folder() as here:
        factories.write(rows, here / "part.parquet")
        warehouses.ingest(here / "part.parquet", into=here / "w.duckdb")
        once = warehouses.content(here / "w.duckdb")
        warehouses.ingest(here / "part.parquet", here / "part.parquet", into=here / "w.duckdb")
        assert warehouses.content(here / "w.duckdb") == once


@FEW
@given(st.permutations(range(5)))
def test_the_order_of_files_does_not_matter(order: list[int]) -> None:
    with folder() as here:
        files = [
            factories.write(factories.records(12, "run-1"), here / "a.parquet"),
            factories.write(factories.records(7, "run-2", task="chat-concise"), here / "b.parquet"),
            factories.run_json(here / "run-1.json", "run-1"),
            factories.run_json(here / "run-2.json", "run-2", ratio=0.9),
            warehouses.SHIPPED / "published" / "mlenergy_v1" / "quality.csv",
        ]
        for number in order:
            assert warehouses.ingest(files[number], into=here / "one by one.duckdb").status == 0
        warehouses.ingest(*files, into=here / "together.duckdb")
        assert warehouses.content(here / "one by one.duckdb") == warehouses.content(here / "together.duckdb")


@FEW
@given(runs(least=2), st.data())
def test_splitting_a_run_over_two_files_changes_no_aggregate(rows: pl.DataFrame, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, rows.height - 1))
    with folder() as here:
        factories.write(rows, here / "whole" / "part.parquet")
        factories.write(rows.head(cut), here / "split" / "part-0.parquet")
        factories.write(rows.tail(rows.height - cut), here / "split" / "part-1.parquet")
        warehouses.ingest(here / "whole", into=here / "whole.duckdb")
        warehouses.ingest(here / "split", into=here / "split.duckdb")
        whole, split = (warehouses.rows(here / f"{name}.duckdb", "select * exclude (reasons) from results") for name in ("whole", "split"))
    assert_frame_equal(whole, split, check_exact=False)


@FEW
@given(runs())
def test_duplicating_all_rows_changes_no_energy_per_token(rows: pl.DataFrame) -> None:
    again = rows.with_columns(repetition=pl.lit(1, pl.Int16))
    with folder() as here:
        factories.write(rows, here / "once.parquet")
        factories.write(pl.concat([rows, again]), here / "twice.parquet")
        values = []
        for name in ("once", "twice"):
            assert warehouses.ingest(here / f"{name}.parquet", into=here / f"{name}.duckdb").status == 0
            values.append(warehouses.rows(here / f"{name}.duckdb", "select energy_per_token_j from results").item())
    once, twice = values
    assert once == twice or math.isclose(once, twice, rel_tol=1e-12)


NAMES_IN_LINKS = st.lists(TEXT.filter(bool), max_size=3, unique=True).map(tuple)
SELECTIONS = st.builds(
    Selection,
    models=NAMES_IN_LINKS,
    gpus=NAMES_IN_LINKS,
    tasks=NAMES_IN_LINKS,
    engines=NAMES_IN_LINKS,
    sources=NAMES_IN_LINKS,
    batch_sizes=st.lists(st.integers(1, 32_767), max_size=3, unique=True).map(tuple),
    weights=st.sampled_from([("pretrained",), ("dummy",), ()]),
    only_valid=st.booleans(),
)


@given(SELECTIONS)
def test_selection_to_url_to_selection_is_identity(selection: Selection) -> None:
    assert Selection.from_query(selection.to_query()) == (selection, ())


@given(st.dictionaries(st.sampled_from(["model", "batch", "weights", "valid", "x"]), st.lists(st.text(max_size=9)) | st.text()))
def test_any_link_gives_a_selection_whose_link_is_stable(query: dict[str, list[str] | str]) -> None:
    selection, _ = Selection.from_query(query)
    assert Selection.from_query(selection.to_query()) == (selection, ())
