"""What the ingest keeps per run and per prompt is what the rows give, however they came."""

from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prompt_joules.ingest import derive
from prompt_joules.warehouse import connect, query
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
    """The sums are those of the rows, and lists of prompts are the same from both."""
    assert_frame_equal(kept(warehouse), from_rows(warehouse), check_dtypes=False)
    for only_valid in (True, False):
        lists = [
            query.load("prompt_list", Selection(weights=(), only_valid=only_valid, gpus=gpus), str(warehouse), search="")
            for gpus in ((), EVERY_GPU)
        ]
        assert_frame_equal(*lists)


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


def change(warehouse: Path, sql: str) -> None:
    """Do to a warehouse what no ingest does."""
    connect.forget()
    connection = duckdb.connect(str(warehouse))
    connection.execute(sql)
    connection.close()


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
