"""What the ingest keeps per run and per prompt is what the rows give, however they came."""

import math
import random
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prompt_joules.ingest import derive
from prompt_joules.warehouse import connect, create, query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses

# The answers themselves are read as soon as a filter asks for what the sums do not keep apart.
EVERY_GPU = ("H100", "CPU")
LIKENESS = ("prompt_set", "prompt_set_sha256", "model_id", "task", "weights")
SUMS = ("answers", "energies", "energy_j", "means", "times_run_mean", "inputs", "input_tokens", "outputs", "output_tokens")


def kept(warehouse: Path) -> pl.DataFrame:
    """The sums over prompts, each with what the runs of its group have in common."""
    listed = ", ".join(f"runs.{name}" for name in LIKENESS)
    sql = f"select {listed}, prompt_id, prompt_sums.valid, {', '.join(SUMS)} from prompt_sums join runs on run_number = group_number"
    return warehouses.rows(warehouse, sql).sort("prompt_id", "valid", *LIKENESS, "energy_j")


def from_rows(warehouse: Path) -> pl.DataFrame:
    """The same from the rows of prompts."""
    labels = ", ".join(f"runs.{name}" for name in LIKENESS)
    numbers = "requests.energy_j, requests.input_tokens, requests.output_tokens, runs.energy_j_total / nullif(runs.measured, 0) as mean_j"
    rows = warehouses.rows(
        warehouse,
        f"select runs.run_number, {labels}, requests.prompt_id, requests.valid and runs.valid as valid, {numbers} "
        "from requests join runs using (run_number) where requests.status = 'ok'",
    )
    times = pl.when(pl.col("mean_j") > 0).then(pl.col("energy_j") / pl.col("mean_j"))
    alone = pl.when(pl.col("prompt_set_sha256").is_null()).then(pl.col("run_number"))

    def total(values: pl.Expr) -> pl.Expr:
        return pl.when(values.count() > 0).then(values.sum())

    return (
        rows.group_by("prompt_id", "valid", *LIKENESS, alone.alias("alone"))
        .agg(
            pl.len().alias("answers"),
            pl.col("energy_j").count().alias("energies"),
            total(pl.col("energy_j")).alias("energy_j"),
            times.count().alias("means"),
            total(times).alias("times_run_mean"),
            pl.col("input_tokens").count().alias("inputs"),
            total(pl.col("input_tokens").cast(pl.Int64)).alias("input_tokens"),
            pl.col("output_tokens").count().alias("outputs"),
            total(pl.col("output_tokens").cast(pl.Int64)).alias("output_tokens"),
        )
        .select(*LIKENESS, "prompt_id", "valid", *SUMS)
        .sort("prompt_id", "valid", *LIKENESS, "energy_j")
    )


def assert_sound(warehouse: Path) -> None:
    """The sums are those of the rows, and lists of prompts and distributions are the same from both."""
    assert_frame_equal(kept(warehouse), from_rows(warehouse), check_dtypes=False)
    assert_frame_equal(buckets(warehouse), buckets_of_rows(warehouse), check_dtypes=False)
    fits = warehouses.rows(warehouse, "select sum(prompts) from fit_sums where not above_idle").item()
    complete = "status = 'ok' and energy_j is not null and input_tokens is not null and output_tokens is not null"
    assert fits == warehouses.rows(warehouse, f"select nullif(count(*), 0) from requests where {complete}").item()
    for only_valid in (True, False):
        lists = [
            query.load("prompt_list", Selection(weights=(), only_valid=only_valid, gpus=gpus), str(warehouse), search="")
            for gpus in ((), EVERY_GPU)
        ]
        assert_frame_equal(*lists)
        assert_frame_equal(*distributions(warehouse, Selection(weights=(), only_valid=only_valid)))


def buckets(warehouse: Path) -> pl.DataFrame:
    """What is kept of the energies of each run."""
    return warehouses.rows(warehouse, "select * from energy_buckets").sort("run_number", "valid", "bucket")


def buckets_of_rows(warehouse: Path) -> pl.DataFrame:
    """The same from the rows of prompts."""
    rows = warehouses.rows(warehouse, "select * from requests where status = 'ok'")
    joules = pl.col("energy_j")
    return (
        rows.group_by("run_id", "run_number", "valid", bucket="energy_bucket")
        .agg(
            prompts=pl.len(),
            energy_j=pl.when(joules.count() > 0).then(joules.sum()),
            minimum_j=joules.min(),
            maximum_j=joules.max(),
        )
        .sort("run_number", "valid", "bucket")
    )


def distributions(warehouse: Path, selection: Selection, **asked: str) -> list[pl.DataFrame]:
    """The distribution of energies as it is asked, from what is kept, and once more with all prompts counted."""
    asked = {"metric": "energy_j", "by": "task", "prompt_set": "", "only_series": ""} | asked
    sql = query.text("distribution")
    counted = sql.replace("where $metric = 'energy_j'\n        and per_fold <= 100", "where false")
    assert counted.count("where false") == 1
    connection = connect.once(str(warehouse))
    try:
        given = {name: value for name, value in {**asked, **selection.parameters()}.items() if f"${name}" in counted}
        read: pl.DataFrame = connection.sql(counted, params=given).pl()
    finally:
        connection.close()
    return [query.load("distribution", selection, str(warehouse), **asked), read]


def write(folder: Path, name: str, rows: int = 12, **changes: object) -> Path:
    """A run of some prompts, one of them throttled."""
    made = [factories.record(name, index, throttled=index == 5, **changes) for index in range(rows)]
    return factories.write(factories.frame(made), folder / f"{name}.parquet")


def test_sums_of_runs_that_come_one_by_one(tmp_path: Path, warehouse: Path) -> None:
    """Alike runs share a group, and a run that joins it is added to it."""
    for name, changes in {
        "run-1": {},
        "run-2": {"engine": "transformers-compiled"},
        "run-3": {"task": "instruct"},
        "run-4": {"gpu_model": None, "prompt_text": None},
        "run-5": {"prompt_set_sha256": None},
        "run-6": {"prompt_set_sha256": None},
        "run-7": {"model_id": "me/other", "model_name": "other", "weights": "dummy"},
    }.items():
        warehouses.ingest(write(tmp_path / "in", name, **changes), into=warehouse)
        assert_sound(warehouse)
    groups = warehouses.rows(warehouse, "select run_id, group_number from prompt_groups order by run_id")["group_number"].to_list()
    assert groups == [1, 1, 3, 1, 5, 6, 7]
    warehouses.ingest(tmp_path / "in", into=tmp_path / "together.duckdb")
    assert warehouses.content(tmp_path / "together.duckdb") == warehouses.content(warehouse)
    assert_frame_equal(kept(warehouse), kept(tmp_path / "together.duckdb"))


def test_sums_after_a_run_of_a_group_changed(tmp_path: Path, warehouse: Path) -> None:
    for name in ("run-1", "run-2", "run-3"):
        write(tmp_path / "in", name)
    warehouses.ingest(tmp_path / "in", into=warehouse)
    # The first run, by which the group is numbered, has fewer prompts now; then it is of another task; then its file brings another run.
    for change in ({"rows": 7}, {"task": "instruct"}, {"name": "run-9"}):
        made = write(tmp_path / "new", **{"name": "run-1", **change})
        made.rename(tmp_path / "in" / "run-1.parquet")
        warehouses.ingest(tmp_path / "in", into=warehouse)
        assert_sound(warehouse)
    assert warehouses.rows(warehouse, "select count(distinct group_number), count(*) from prompt_groups").row(0) == (1, 3)
    changed = kept(warehouse)
    warehouses.ingest(tmp_path / "in", into=warehouse, rebuild=True)
    assert_frame_equal(kept(warehouse), changed)


def test_sums_when_a_verdict_changes(tmp_path: Path, warehouse: Path) -> None:
    """Bad books take a whole run out of what is valid, and good ones bring it back."""
    for name in ("run-1", "run-2"):
        write(tmp_path / "in", name)
    for ratio, valid in ((1.0, 22), (1.5, 11), (1.01, 22)):
        factories.run_json(tmp_path / "in" / "run.json", "run-2", ratio=ratio)
        warehouses.ingest(tmp_path / "in", into=warehouse)
        assert_sound(warehouse)
        assert warehouses.rows(warehouse, "select sum(answers)::integer from prompt_sums where valid").item() == valid


def test_refused_rows_and_prompts_that_failed_are_in_no_sum(tmp_path: Path, warehouse: Path) -> None:
    rows = [factories.record("run-1", 0), factories.record("run-1", 1, energy_j=-1.0), factories.failed("run-1", 2)]
    factories.write(factories.frame(rows), tmp_path / "part.parquet")
    assert warehouses.ingest(tmp_path / "part.parquet", into=warehouse).status == 1
    assert_sound(warehouse)
    assert kept(warehouse)["prompt_id"].to_list() == ["prompt-00000"]


def test_a_file_that_is_refused_changes_no_sum(tmp_path: Path, warehouse: Path) -> None:
    warehouses.ingest(write(tmp_path, "run-1"), into=warehouse)
    before = kept(warehouse)
    torn = write(tmp_path, "run-2")
    torn.write_bytes(torn.read_bytes()[:-9])
    assert warehouses.ingest(torn, into=warehouse).status == 1
    assert_frame_equal(kept(warehouse), before)
    assert_sound(warehouse)


def energies(name: str, rows: int, task: str, **changes: object) -> pl.DataFrame:
    """A run whose energies spread widely; some of them are zero or not measured, some prompts throttled or failed."""
    chance = random.Random(name)
    made = [
        factories.record(name, index, task=task, throttled=index % 11 == 5, energy_j=chance.lognormvariate(3, 1.5), **changes)
        for index in range(rows)
    ]
    for index in range(0, rows, 17):
        made[index] |= {"energy_j": 0.0, "energy_error_j": 0.0}
    for index in range(3, rows, 19):
        made[index] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    made[7] = factories.failed(name, 7) | {"task": task} | changes
    return factories.frame(made)


FILTERS = {
    "all": Selection(weights=(), only_valid=False),
    "valid": Selection(weights=(), only_valid=True),
    "pretrained": Selection(),
    "model": Selection(models=("me/other",), weights=(), only_valid=False),
    "gpu": Selection(gpus=("CPU",), weights=()),
    "task": Selection(tasks=("instruct",), weights=(), only_valid=False),
    "engine": Selection(engines=("transformers-compiled",), weights=(), only_valid=False),
    "source": Selection(sources=("Prompt Joules",), weights=()),
    "batch size": Selection(batch_sizes=(8,), weights=(), only_valid=False),
    "nothing": Selection(models=("nobody/nothing",)),
}


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of several setups; one has bad books, one has one energy in all its prompts, one none."""
    folder = tmp_path_factory.mktemp("spread")
    runs = {
        "run-1": energies("run-1", 400, "chat"),
        "run-2": energies("run-2", 300, "chat", engine="transformers-compiled", gpu_model=None),
        "run-3": energies("run-3", 250, "instruct", weights="dummy", model_id="me/other", model_name="other"),
        "run-4": energies("run-4", 120, "instruct", prompt_set="other", batch_size=8),
        "run-5": energies("run-5", 90, "chat-concise"),
        "run-6": factories.records(40, "run-6", task="same", energy_j=5.0),
        "run-7": factories.records(30, "run-7", task="none", energy_j=None, energy_error_j=None, energy_reason="no counter"),
    }
    for name, rows in runs.items():
        factories.write(rows, folder / "in" / f"{name}.parquet")
    factories.run_json(folder / "in" / "run.json", "run-5", ratio=1.5)
    warehouses.ingest(folder / "in", into=folder / "w.duckdb")
    return folder / "w.duckdb"


@pytest.mark.parametrize("name", FILTERS)
def test_distributions_from_what_is_kept_are_those_of_all_prompts(spread: Path, name: str) -> None:
    assert_frame_equal(buckets(spread), buckets_of_rows(spread), check_dtypes=False)
    for by in ("task", "result"):
        found, read = distributions(spread, FILTERS[name], by=by)
        assert_frame_equal(found, read)
        assert found.is_empty() == (name == "nothing")
        assert_frame_equal(*distributions(spread, FILTERS[name], prompt_set="other", by=by))
        assert_frame_equal(*distributions(spread, FILTERS[name], only_series='["chat", "none"]', by=by))


def test_a_distribution_takes_its_counts_from_what_is_kept(spread: Path, tmp_path: Path) -> None:
    """Were counts taken twice as large, they would show; other numbers, and energies that vary too little, are counted prompt by prompt."""
    copy = tmp_path / "w.duckdb"
    shutil.copy(spread, copy)
    before, tokens = totals(copy, "energy_j"), totals(copy, "output_tokens")
    change(copy, "update energy_buckets set prompts = 2 * prompts, energy_j = 2 * energy_j")
    assert_frame_equal(totals(copy, "energy_j"), before.with_columns(pl.col("prompts", "unmeasured") * 2))
    assert_frame_equal(totals(copy, "output_tokens"), tokens)
    change(copy, "update run_summary set p25 = p75 * 0.999 where metric = 'energy_j'")
    assert_frame_equal(totals(copy, "energy_j"), before)


def totals(warehouse: Path, metric: str) -> pl.DataFrame:
    """What a distribution knows from counting alone."""
    everything = Selection(weights=(), only_valid=False)
    found = query.load("distribution", everything, str(warehouse), metric=metric, by="task", prompt_set="", only_series="")
    return found.select("series", "prompts", "unmeasured", "mean", "minimum", "maximum").sort("series")


def change(warehouse: Path, sql: str) -> None:
    """Do to a warehouse what no ingest does."""
    connect.forget()
    connection = duckdb.connect(str(warehouse))
    connection.execute(sql)
    connection.close()


def test_a_warehouse_whose_buckets_miss_a_prompt_is_thrown_away(tmp_path: Path, warehouse: Path) -> None:
    warehouses.ingest(write(tmp_path, "run-1"), into=warehouse)
    change(warehouse, "delete from energy_buckets where not valid")
    with pytest.raises(derive.UnsoundBuild, match="buckets of energies"):
        warehouses.ingest(write(tmp_path, "run-2"), into=warehouse)


def test_a_run_that_is_added_reads_no_other_run(tmp_path: Path, warehouse: Path) -> None:
    """It joins a group whose sums are there already; were the rows of the first run read again, what was done to them would show."""
    warehouses.ingest(write(tmp_path, "run-1"), into=warehouse)
    before = kept(warehouse)["input_tokens"].sum()
    change(warehouse, "update requests set input_tokens = 0")
    warehouses.ingest(write(tmp_path, "run-2"), into=warehouse)
    added = warehouses.rows(warehouse, "select sum(input_tokens) from requests where run_id = 'run-2'").item()
    assert kept(warehouse)["input_tokens"].sum() == before + added
    assert warehouses.rows(warehouse, "select count(distinct group_number) from prompt_sums").item() == 1


def test_a_warehouse_whose_sums_miss_an_answer_is_thrown_away(tmp_path: Path, warehouse: Path) -> None:
    warehouses.ingest(write(tmp_path, "run-1"), into=warehouse)
    change(warehouse, "delete from prompt_sums where prompt_id = 'prompt-00000'")
    with pytest.raises(derive.UnsoundBuild, match="sums of prompts"):
        warehouses.ingest(write(tmp_path, "run-2"), into=warehouse)


@pytest.mark.parametrize("energy", [None, -1.5, 0.0, 5e-324, 1e-50, 0.99, 1.0, 250.0, 1e9, 1e50, 1.7e308])
def test_buckets_of_energies_are_in_the_order_of_the_energies(energy: float | None) -> None:
    connection = duckdb.connect()
    create.empty(connection)
    ((bucket, next_bucket),) = connection.execute("select energy_bucket($1), energy_bucket($1 * 1.02)", [energy]).fetchall()
    connection.close()
    if energy is None:
        assert bucket is None
    elif energy <= 0:
        assert (bucket, next_bucket) == (-10_000, -10_000)
    else:
        assert bucket == min(max(round(100 * math.log(energy)), -9999), 9999)
        assert next_bucket - bucket in ((1, 2, 3) if -9999 < bucket < 9999 else (0,))
