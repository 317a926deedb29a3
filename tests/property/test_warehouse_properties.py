"""What must hold for any records and any selection."""

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from prompt_joules.bench.record import NAMES
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import IDLE, PER, Measure
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import cost
from tests import factories, warehouses
from tests.unit.queries.test_distributions import assert_steps

FEW = settings(max_examples=5, deadline=None)
# An ingest costs more than a run, so an example of these has several. The first example of hypothesis is the plainest that there is.
RUNS_AT_ONCE = 5
FEWER = settings(FEW, max_examples=3)
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


def few_runs(least: int = 1) -> st.SearchStrategy[list[pl.DataFrame]]:
    """Runs for one ingest."""
    return st.lists(runs(least), min_size=RUNS_AT_ONCE, max_size=RUNS_AT_ONCE)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def named(rows: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """The same rows as another run."""
    return rows.with_columns(run_id=pl.lit(run_id))


def result(warehouse: Path, run_id: str) -> pl.DataFrame:
    """The row of `results` of a run."""
    return warehouses.rows(warehouse, f"select * from results where result_id = 'run:{run_id}'")


@FEWER
@given(few_runs())
def test_a_record_survives_parquet_and_duckdb_unchanged(made: list[pl.DataFrame]) -> None:
    rows = pl.concat(named(run, f"run-{number}") for number, run in enumerate(made))
    with folder() as here:
        factories.write(rows, here / "part.parquet")
        assert warehouses.ingest(here / "part.parquet", into=here / "w.duckdb").status == 0
        connection = duckdb.connect(str(here / "w.duckdb"), read_only=True)
        connection.execute("set timezone = 'UTC'")
        back = connection.sql("select * from requests order by run_id, sequence").pl()
        connection.close()
    assert_frame_equal(back.select(NAMES), rows.select(NAMES), check_exact=True)


@FEWER
@given(few_runs())
def test_ingesting_twice_is_ingesting_once(made: list[pl.DataFrame]) -> None:
    with folder() as here:
        factories.write(pl.concat(named(run, f"run-{number}") for number, run in enumerate(made)), here / "part.parquet")
        warehouses.ingest(here / "part.parquet", into=here / "w.duckdb")
        once = warehouses.content(here / "w.duckdb")
        warehouses.ingest(here / "part.parquet", here / "part.parquet", into=here / "w.duckdb")
        assert warehouses.content(here / "w.duckdb") == once


# Sets of files that one warehouse loads side by side, each in an order of its own.
SETS = 5


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[Path]], Path]:
    """Sets of five files of five kinds, and a warehouse that has loaded them all together."""
    here = tmp_path_factory.mktemp("sets")
    quality = (warehouses.SHIPPED / "published" / "mlenergy_v1" / "quality.csv").read_text()
    made = []
    for number in range(SETS):
        folder, first, second = here / str(number), f"run-{number}-1", f"run-{number}-2"
        files = [
            factories.write(factories.records(12, first), folder / "a.parquet"),
            factories.write(factories.records(7, second, task="chat-concise"), folder / "b.parquet"),
            factories.run_json(folder / "run-1.json", first),
            factories.run_json(folder / "run-2.json", second, ratio=0.9),
            folder / "quality.csv",
        ]
        head, *models = quality.splitlines()
        files[-1].write_text("\n".join([head, *(f"set-{number}-{line}" if number else line for line in models)]) + "\n")
        made.append(files)
    warehouses.ingest(here, into=here / "together.duckdb")
    return made, here / "together.duckdb"


@settings(FEW, max_examples=2)
@given(orders=st.lists(st.permutations(range(5)), min_size=SETS, max_size=SETS))
def test_the_order_of_files_does_not_matter(sets: tuple[list[list[Path]], Path], orders: list[list[int]]) -> None:
    """Of each set one file after the other; those of the sets that are at the same place, in one ingest."""
    made, together = sets
    with folder() as here:
        for numbers in zip(*orders, strict=True):
            files = [files[number] for files, number in zip(made, numbers, strict=True)]
            assert warehouses.ingest(*files, into=here / "one by one.duckdb").status == 0
        assert warehouses.content(here / "one by one.duckdb") == warehouses.content(together)


@FEWER
@given(few_runs(least=2), st.data())
def test_splitting_a_run_over_two_files_changes_no_aggregate(made: list[pl.DataFrame], data: st.DataObject) -> None:
    with folder() as here:
        for number, rows in enumerate(made):
            cut = data.draw(st.integers(1, rows.height - 1))
            factories.write(named(rows, f"whole-{number}"), here / "whole" / f"{number}.parquet")
            factories.write(named(rows.head(cut), f"split-{number}"), here / "split" / f"{number}-0.parquet")
            factories.write(named(rows.tail(rows.height - cut), f"split-{number}"), here / "split" / f"{number}-1.parquet")
        warehouses.ingest(here / "whole", here / "split", into=here / "w.duckdb")
        for number in range(len(made)):
            whole, split = (result(here / "w.duckdb", f"{run}-{number}").drop("result_id", "reasons") for run in ("whole", "split"))
            assert_frame_equal(whole, split, check_exact=False)


@FEWER
@given(few_runs())
def test_duplicating_all_rows_changes_no_energy_per_token(made: list[pl.DataFrame]) -> None:
    with folder() as here:
        files = []
        for number, rows in enumerate(made):
            again = rows.with_columns(repetition=pl.lit(1, pl.Int16))
            files.append(factories.write(named(rows, f"once-{number}"), here / f"once-{number}.parquet"))
            files.append(factories.write(named(pl.concat([rows, again]), f"twice-{number}"), here / f"twice-{number}.parquet"))
        assert warehouses.ingest(*files, into=here / "w.duckdb").status == 0
        for number in range(len(made)):
            once, twice = (result(here / "w.duckdb", f"{run}-{number}")["energy_per_token_j"].item() for run in ("once", "twice"))
            assert once == twice or math.isclose(once, twice, rel_tol=1e-12)


def several_runs() -> st.SearchStrategy[pl.DataFrame]:
    """Up to twelve runs, some of them alike in prompts, model, task and weights, all on one GPU."""
    setup = st.fixed_dictionaries(
        {
            "model_id": st.sampled_from(["me/a", "me/b"]),
            "task": st.sampled_from(["chat", "instruct"]),
            "weights": st.sampled_from(["pretrained", "dummy"]),
            "prompt_set_sha256": st.sampled_from([None, "0" * 64]),
            "energy_attribution": st.sampled_from(["exclusive", "shared"]),
            "idle_power_w": st.sampled_from([None, 78.0]),
            "active_idle_power_w": st.sampled_from([None, 101.0]),
        }
    )
    one = st.tuples(setup, st.lists(changes(), min_size=1, max_size=12))
    return st.lists(one, min_size=4, max_size=12).map(
        lambda made: factories.frame(
            [
                factories.record(f"run-{number}", index, **{"max_new_tokens": 2**31 - 1, "model_name": setup["model_id"]} | setup | row)
                for number, (setup, rows) in enumerate(made)
                for index, row in enumerate(rows)
            ]
        )
    )


@contextmanager
def loaded(rows: pl.DataFrame) -> Iterator[str]:
    """A warehouse of these rows, one file a run."""
    with folder() as here:
        for (run,), part in rows.group_by("run_id"):
            factories.write(part, here / "in" / f"{run}.parquet")
        assert warehouses.ingest(here / "in", into=here / "w.duckdb").status == 0
        yield str(here / "w.duckdb")


def counted(warehouse: str, only_valid: bool) -> pl.DataFrame:
    """The answers that a selection counts, with their energy above idle and above active idle."""
    own = "case when runs.energy_attribution is distinct from 'shared' then runs.{}_power_w end"
    above = ", ".join(f"requests.energy_j - {own.format(name)} * latency_s as energy_above_{name}_j" for name in ("idle", "active_idle"))
    rows = warehouses.rows(
        Path(warehouse),
        f"select 'run:' || runs.run_id as result_id, requests.*, requests.valid and runs.valid as counts, "
        f"{above} from requests join runs using (run_id) where status = 'ok'",
    )
    return rows.filter(pl.col("counts")) if only_valid else rows


@FEW
@given(several_runs(), st.lists(st.tuples(st.sampled_from(IDLE), st.sampled_from(PER)), min_size=2, max_size=4))
def test_what_the_ingest_sums_is_what_the_rows_give(rows: pl.DataFrame, asked: list[tuple[str, str]]) -> None:
    with loaded(rows) as warehouse:
        for only_valid in (True, False):
            chosen = Selection(weights=(), only_valid=only_valid)
            answers = counted(warehouse, only_valid)
            assert_list_of_prompts(warehouse, chosen, answers)
            for metric in ("energy_j", "energy_above_idle_j", "energy_above_active_idle_j", "output_tokens"):
                assert_distribution(warehouse, chosen, answers, metric)
            for idle, per in asked[only_valid::2]:
                assert_percentile(warehouse, chosen, answers, idle, per)
                assert_fits(warehouse, chosen, answers, idle)


def assert_list_of_prompts(warehouse: str, chosen: Selection, answers: pl.DataFrame) -> None:
    """Lengths are means over all answers, the energy over those that had the GPU for themselves; ids alone come in the same order."""
    found = query.load("prompt_list", chosen, warehouse, search="")
    ordered = query.load("prompt_order", chosen, warehouse)
    of = dict(found.select("prompt_id", "times_run_mean").fill_null(0).rows())
    assert sorted(ordered["prompt_id"]) == sorted(found["prompt_id"])
    assert [of[name] for name in ordered["prompt_id"]] == pytest.approx(found["times_run_mean"].fill_null(0).to_list())
    alone = warehouses.rows(Path(warehouse), "select 'run:' || run_id as result_id from runs where energy_attribution = 'exclusive'")
    expected = answers.group_by("prompt_id", "prompt_set").agg(
        pl.len().alias("answers"),
        pl.col("model_id").n_unique().alias("models"),
        pl.col("energy_j").filter(pl.col("result_id").is_in(alone["result_id"].implode())).mean(),
        *(pl.col(name).cast(pl.Float64).mean() for name in ("input_tokens", "output_tokens")),
    )
    assert_frame_equal(found.select(expected.columns), expected, check_row_order=False, check_dtypes=False)


def assert_percentile(warehouse: str, chosen: Selection, answers: pl.DataFrame, idle: str, per: str) -> None:
    parts = {
        "response": pl.lit(1),
        "output token": pl.col("output_tokens"),
        "total token": pl.col("input_tokens").cast(pl.Int64) + pl.col("output_tokens"),
        "word": pl.col("output_words"),
        "character": pl.col("output_chars"),
    }[per]
    joules = pl.col(Measure(idle=idle).key)
    found = query.load("energies", chosen, warehouse, per=per, statistic="p95", idle=idle).drop_nulls("value")
    expected = (
        answers.with_columns(parts.alias("parts"), joules.alias("joules"))
        .filter(pl.col("parts") > 0, pl.col("joules").is_not_null())
        .group_by("result_id")
        .agg((pl.col("joules") / pl.col("parts")).quantile(0.95, "linear").alias("value"))
    )
    assert dict(found.select("result_id", "value").iter_rows()) == pytest.approx(dict(expected.iter_rows()), rel=1e-9, abs=1e-9)


def assert_fits(warehouse: str, chosen: Selection, answers: pl.DataFrame, idle: str) -> None:
    """Sums of the runs whose prompts were alone on the GPU, as shares of what the numbers reach; and a fit of them is a number or none."""
    energy = Measure(idle=idle).key
    found = query.load("cost_units", chosen, warehouse, results="", pooled=False, idle=idle)
    alone = warehouses.rows(Path(warehouse), "select 'run:' || run_id as result_id from runs where energy_attribution = 'exclusive'")
    complete = answers.drop_nulls([energy, "input_tokens", "output_tokens"]).join(alone, on="result_id")
    assert set(found["result_id"]) == set(complete["result_id"])
    for (result,), sums in found.group_by("result_id"):
        x = complete.filter(pl.col("result_id") == result).select("input_tokens", "output_tokens", energy).to_numpy().astype(float)
        total = sums.sum()
        assert total["answers"].item() == len(x)
        expected = [*x.sum(axis=0), *(x.T @ x)[np.triu_indices(3)]]
        names = ("ins", "outs", "joules", "in_in", "in_out", "in_joules", "out_out", "out_joules", "joules_joules")
        reach = [*np.abs(x).sum(axis=0), *(np.abs(x).T @ np.abs(x))[np.triu_indices(3)]]
        for name, value, most in zip(names, expected, reach, strict=True):
            assert total[name].item() == pytest.approx(value, rel=1e-9, abs=1e-9 * most)
    fits = cost.fits(found)
    assert fits.select(pl.col("output_token_j_low") <= pl.col("output_token_j_high")).to_series().all()


def assert_distribution(warehouse: str, chosen: Selection, answers: pl.DataFrame, metric: str) -> None:
    found = query.load("distribution", chosen, warehouse, metric=metric, by="task", prompt_set="", only_series="")
    assert found["prompts"].sum() == answers[metric].count()
    for row in found.filter(pl.col("prompts") > 0).iter_rows(named=True):
        values = answers.filter(pl.col("task") == row["series"])[metric].drop_nulls().sort().to_numpy().astype(float)
        levels = [row[name] for name in ("p5", "p25", "p50", "p75", "p90", "p95", "p99")]
        expected = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]).tolist()
        assert levels == pytest.approx(expected, rel=1e-4, abs=1e-4 * np.abs(values).max())
        assert_steps([(step["share_of_prompts"], step["value"], step["share_of_total"]) for step in row["steps"]], values)


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
