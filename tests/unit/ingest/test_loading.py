"""What the ingest promises: files become runs, the same files change nothing, what is no warehouse of ours is refused and kept."""

import json
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest

from prompt_joules.ingest import derive
from prompt_joules.ingest.find import NoSuchPath
from prompt_joules.ingest.report import Report
from prompt_joules.warehouse import connect, errors, query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.together import Loaded, Together

TOGETHER = Together()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of tests that look at rows alone."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("loading"))


def test_a_run_becomes_a_run(ingested: Path) -> None:
    run = warehouses.rows(ingested, "select * from runs").row(0, named=True)
    made = factories.records(30, "run-1")
    assert run["prompts"] == run["counted"] == run["measured"] == 30
    assert run["energy_j_total"] == pytest.approx(made["energy_j"].sum())
    assert run["output_tokens_total"] == made["output_tokens"].sum()
    assert run["balance_ratio"] == 1.0
    assert run["model_id"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (run["valid"], run["reasons"]) == (True, [])


def test_the_same_files_again_change_nothing(results: Path, ingested: Path) -> None:
    before = connect.version(str(ingested))
    report = warehouses.ingest(results, into=ingested)
    assert {line.state for line in report.lines} == {"known"}
    assert (report.changed, report.status) == (False, 0)
    assert connect.version(str(ingested)) == before


@TOGETHER.of
def copied(folder: Path) -> None:
    whole = factories.write(factories.records(30, "copied"), folder / "results" / "part-0.parquet")
    factories.run_json(folder / "results" / "run.json", "copied")
    copy = folder / "copy" / "part-9.parquet"
    copy.parent.mkdir()
    copy.write_bytes(whole.read_bytes())


def test_a_copy_of_a_file_counts_once(loaded: Loaded) -> None:
    assert sorted((line.path.split("/")[0], line.state) for line in loaded[copied].lines if line.format == "records") == [
        ("copy", "loaded"),
        ("results", "known"),
    ]
    assert warehouses.rows(loaded[copied], "select count(*) from requests").item() == 30


def test_runs_summarised_in_slices_are_the_same(tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        factories.write(factories.records(7 + number, f"run-{number}"), tmp_path / f"{number}.parquet")
    warehouses.ingest(tmp_path, into=warehouse)
    whole = warehouses.content(warehouse)
    for rows in (1, 16):
        monkeypatch.setattr(derive, "SLICE_ROWS", rows)
        warehouses.ingest(tmp_path, into=warehouse, rebuild=True)
        assert warehouses.content(warehouse) == whole
    assert len(whole["runs"]) == 5


def test_a_changed_run_json_judges_the_run_anew(results: Path, ingested: Path) -> None:
    factories.run_json(results / "run-1" / "run.json", "run-1", ratio=1.03)
    warehouses.ingest(results, into=ingested)
    run = warehouses.rows(ingested, "select valid, reasons, prompts from runs").row(0)
    assert run == (False, ["balance"], 30)
    assert warehouses.rows(ingested, "select count(*) from ingested_files").item() == 2


def test_a_changed_part_replaces_its_rows(results: Path, ingested: Path) -> None:
    factories.write(factories.records(10, "run-1"), results / "run-1" / "part-0.parquet")
    assert warehouses.ingest(results, into=ingested).status == 0
    assert warehouses.rows(ingested, "select prompts, reasons from runs").rows() == [(10, ["too-few-prompts"])]


def test_a_run_keeps_its_number(tmp_path: Path, warehouse: Path) -> None:
    def numbers() -> dict[str, int]:
        of_rows = warehouses.rows(warehouse, "select distinct run_id, run_number from requests order by all").rows()
        assert of_rows == warehouses.rows(warehouse, "select run_id, run_number from runs order by all").rows()
        return dict(of_rows)

    results = tmp_path / "results"
    for run in ("run-b", "run-c"):
        factories.write(factories.records(30, run), results / run / "part-0.parquet")
    warehouses.ingest(results, into=warehouse)
    assert numbers() == {"run-b": 1, "run-c": 2}
    # A new run before the others, a second part, a part with other content, and a file that is cut off: its run gets no number.
    factories.write(factories.records(30, "run-a"), results / "a" / "part-0.parquet")
    more = factories.frame([factories.record("run-c", index) for index in range(30, 40)])
    factories.write(more, results / "run-c" / "part-1.parquet")
    factories.write(factories.records(20, "run-b"), results / "run-b" / "part-0.parquet")
    whole = factories.write(factories.records(30, "run-z"), results / "run-z" / "part-0.parquet")
    whole.write_bytes(whole.read_bytes()[:-100])
    warehouses.ingest(results, into=warehouse)
    assert numbers() == {"run-b": 1, "run-c": 2, "run-a": 3}


@TOGETHER.of
def sized(folder: Path) -> None:
    for run, size in (("counted", 14.7683072), ("unknown", None)):
        rows = factories.records(20, run, model_id="Qwen/Qwen3-14B", model_name="Qwen 3 14B", params_total_b=size, params_active_b=size)
        factories.write(rows, folder / f"{run}.parquet")


def test_a_size_that_was_counted_is_not_rounded_by_a_source(loaded: Loaded) -> None:
    sizes = warehouses.rows(loaded[sized], "select result_id, model_id, params_total_b, params_active_b from results order by all").rows()
    known = "Qwen/Qwen3-14B"
    assert sizes == [("run:counted", known, 14.7683072, 14.7683072), ("run:unknown", known, 14.8, 14.8)]


TOGETHER.add("a part alone", lambda folder: factories.write(factories.records(30, "alone part"), folder / "part-0.parquet"))


def test_parts_without_run_json_load(loaded: Loaded) -> None:
    warehouse = loaded["a part alone"]
    assert warehouse.status == 0
    assert warehouses.rows(warehouse, "select valid, balance_ratio, finished from runs").rows() == [(True, None, None)]


def test_a_later_part_joins_its_run(results: Path, ingested: Path) -> None:
    later = factories.frame([factories.record("run-1", index) for index in range(30, 45)])
    factories.write(later, results / "run-1" / "part-1.parquet")
    warehouses.ingest(results, into=ingested)
    assert warehouses.rows(ingested, "select prompts from runs").item() == 45


def test_of_two_setups_as_frequent_the_same_one_stays_whatever_the_order_of_files(tmp_path: Path) -> None:
    kept = []
    for nine_first in (False, True):
        folder = tmp_path / f"nine-first-{nine_first}"
        for case in range(8):
            for temperature in (case, 9):
                row = factories.record(f"run-{case}", int(temperature == 9), temperature=float(temperature))
                place = int((temperature == 9) != nine_first)
                factories.write(factories.frame([row]), folder / f"run-{case}" / f"part-{place}.parquet")
        assert warehouses.ingest(folder, into=folder / "w.duckdb").status == 1
        kept.append(warehouses.rows(folder / "w.duckdb", "select run_id, temperature from requests order by all").rows())
    assert kept[0] == kept[1]
    assert [run for run, _ in kept[0]] == [f"run-{case}" for case in range(8)]


def test_requests_in_flight_at_a_server_are_no_prompts_one_at_a_time(tmp_path: Path, warehouse: Path) -> None:
    for run, at_once in (("served", {"concurrency": 8}), ("batched", {"batch_size": 4}), ("alone", {})):
        factories.write(factories.records(20, run, **at_once), tmp_path / "in" / f"{run}.parquet")
    warehouses.ingest(tmp_path / "in", into=warehouse)
    sizes = warehouses.rows(warehouse, "select run_id, batch_size, concurrency from runs order by all").rows()
    assert sizes == [("alone", 1, 1), ("batched", 4, 1), ("served", 8, 8)]
    first = query.load("leaderboard", Selection().one_prompt_at_a_time(), str(warehouse))
    assert first["result_id"].to_list() == ["run:alone"]


@TOGETHER.of
def at_a_rate(folder: Path) -> None:
    sent = {"concurrency": 256, "window_id": 0, "latency_s": 4.0, "environment": json.dumps({"request_rate": 1.0})}
    rows = [factories.record("rate", second, started_at=factories.START + timedelta(seconds=second), **sent) for second in range(21)]
    factories.write(factories.frame(rows), folder / "rate.parquet")


def test_requests_sent_at_a_rate_count_by_their_mean_in_flight(loaded: Loaded) -> None:
    # 21 answers of 4 s within 24 s.
    assert warehouses.rows(loaded[at_a_rate], "select batch_size, concurrency from runs").rows() == [(4, 256)]


def test_shipped_results_and_a_run_of_the_demo_load_together(tmp_path: Path, warehouse: Path, shipped_warehouse: Path) -> None:
    shutil.copyfile(shipped_warehouse, warehouse)
    demo = factories.records(6, "run-demo", model_id="smollm2-135m", model_name="SmolLM2-135M-Instruct")
    factories.write(demo, tmp_path / "demo" / "part-0.parquet")
    assert warehouses.ingest(warehouses.SHIPPED, tmp_path / "demo", into=warehouse).status == 0


@TOGETHER.of
def same_id(folder: Path) -> None:
    """A folder and a shape of the same name: only the first has a known short name."""
    for run, name in (("run-1", "SmolLM2-135M-Instruct"), ("run-2", None)):
        rows = factories.records(5, run, model_id="smollm2-135m", model_name=name)
        factories.write(rows, folder / f"{run}.parquet")


def test_one_id_may_be_two_models_with_and_without_a_short_name(loaded: Loaded) -> None:
    warehouse = loaded[same_id]
    assert warehouse.status == 0
    named = warehouses.rows(warehouse, "select model_id, name from runs join models using (model_id) order by run_id").rows()
    assert named == [("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"), ("smollm2-135m", "smollm2-135m")]


@TOGETHER.of
def older(folder: Path) -> None:
    factories.records(3, "older").drop("dram_energy_j", "model_name").write_parquet(folder / "part.parquet")


def test_an_older_file_without_an_optional_column_loads(loaded: Loaded) -> None:
    assert loaded[older].status == 0
    assert [line.accepted for line in loaded[older].lines] == [3]


TOP_K = {'{"top_k": 40}': 40, '{"driver": "1"}': None, "no JSON": None}


def of_version_1(folder: Path, environment: str) -> None:
    rows = factories.records(3, f"version 1 {environment}", schema_version=1, environment=environment)
    rows.drop("top_k", "stream_end_s").write_parquet(folder / "part.parquet")


for told in TOP_K:
    TOGETHER.add(told, partial(of_version_1, environment=told))


@pytest.mark.parametrize(("environment", "expected"), TOP_K.items())
def test_top_k_of_files_of_version_1(loaded: Loaded, environment: str, expected: int | None) -> None:
    """They have no such column; what was on stands in the environment."""
    warehouse = loaded[environment]
    assert warehouse.status == 0
    assert warehouses.rows(warehouse, "select top_k from runs").item() == expected
    assert warehouses.rows(warehouse, "select distinct top_k from requests").item() is None


def test_a_path_that_does_not_exist(warehouse: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match="nowhere"):
        warehouses.ingest(tmp_path / "nowhere", into=warehouse)
    assert not warehouse.exists()


def test_a_warehouse_of_another_version_is_refused(results: Path, ingested: Path) -> None:
    import duckdb

    connection = duckdb.connect(str(ingested))
    connection.execute("update meta set schema_version = 0")
    connection.close()
    (results / "run-1" / "run.json").unlink()
    with pytest.raises(errors.OldWarehouse, match="--rebuild"):
        warehouses.ingest(results, into=ingested)
    assert warehouses.ingest(results, into=ingested, rebuild=True).status == 0


def test_a_file_that_is_not_a_warehouse_is_refused_and_kept(results: Path, warehouse: Path) -> None:
    """With --rebuild, too: a results file named by mistake must not be lost."""
    warehouse.write_text("my diary of many years")
    for rebuild in (False, True):
        with pytest.raises(errors.NotAWarehouse, match="is no DuckDB file"):
            warehouses.ingest(results, into=warehouse, rebuild=rebuild)
    assert warehouse.read_text() == "my diary of many years"
    with pytest.raises(errors.NotAWarehouse):
        warehouses.ingest(results, into=results)


def test_a_damaged_warehouse_names_the_command_that_rebuilds_it(results: Path, ingested: Path) -> None:
    ingested.write_bytes(ingested.read_bytes()[:5000])
    with pytest.raises(errors.BrokenWarehouse, match="--rebuild"):
        warehouses.ingest(results, into=ingested)
    assert warehouses.ingest(results, into=ingested, rebuild=True).status == 0


@TOGETHER.of
def unknown(folder: Path) -> None:
    rows = factories.records(3, "unknown model", model_id="/somewhere/models/my-qwen", model_name="mine", params_total_b=1.5)
    factories.write(rows, folder / "part.parquet")


def test_an_unknown_model_gets_its_own_row(loaded: Loaded) -> None:
    model = warehouses.rows(loaded[unknown], "select models.* from models join runs using (model_id)").row(0, named=True)
    assert (model["name"], model["family"], model["params_total_b"]) == ("mine", "other", 1.5)


def test_a_build_whose_sums_do_not_add_up_is_thrown_away(ingested: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(ingested)) as connection:
        connection.execute("delete from requests where sequence = 0")
    before = ingested.read_bytes()
    factories.write(factories.records(3, "another"), tmp_path / "more.parquet")
    with pytest.raises(derive.UnsoundBuild, match="differ from those that files brought"):
        warehouses.ingest(tmp_path / "more.parquet", into=ingested)
    assert ingested.read_bytes() == before


def test_the_report_is_empty_without_files(tmp_path: Path, warehouse: Path) -> None:
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert isinstance(report, Report)
    assert (report.lines, report.status) == ([], 0)
    assert warehouses.rows(warehouse, "select * from results").is_empty()
