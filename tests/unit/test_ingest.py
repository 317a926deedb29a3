"""What the ingest promises: good rows in, bad rows named, nothing half-loaded, the same files loaded once."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ingest import build, check
from ingest.__main__ import main
from ingest.files import NoSuchPath
from ingest.formats.run_json import notes_of
from tests import factories, warehouses
from warehouse import store


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    factories.write(factories.records(30, "run-1"), folder / "run-1" / "part-0.parquet")
    factories.run_json(folder / "run-1" / "run.json", "run-1")
    return folder


def rejects(warehouse: Path) -> list[tuple[int | None, str | None, str]]:
    return warehouses.rows(warehouse, 'select "row", "column", reason from rejects order by all').rows()


def test_a_run_becomes_a_run(results: Path, warehouse: Path) -> None:
    report = warehouses.ingest(results, into=warehouse)
    assert report.status == 0
    run = warehouses.rows(warehouse, "select * from runs").row(0, named=True)
    made = factories.records(30, "run-1")
    assert run["prompts"] == run["counted"] == run["measured"] == 30
    assert run["energy_j_total"] == pytest.approx(made["energy_j"].sum())
    assert run["output_tokens_total"] == made["output_tokens"].sum()
    assert run["books_ratio"] == 1.0
    assert run["model_id"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (run["valid"], run["reasons"]) == (True, [])


def test_the_same_files_again_change_nothing(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    before = store.version(str(warehouse))
    report = warehouses.ingest(results, into=warehouse)
    assert {line.state for line in report.lines} == {"known"}
    assert (report.changed, report.status) == (False, 0)
    assert store.version(str(warehouse)) == before


def test_a_copy_of_a_file_counts_once(results: Path, warehouse: Path) -> None:
    copy = results / "copy" / "part-9.parquet"
    copy.parent.mkdir()
    copy.write_bytes((results / "run-1" / "part-0.parquet").read_bytes())
    warehouses.ingest(results, into=warehouse)
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 30


def test_runs_summarised_in_slices_are_the_same(tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        factories.write(factories.records(7 + number, f"run-{number}"), tmp_path / f"{number}.parquet")
    warehouses.ingest(tmp_path, into=warehouse)
    whole = warehouses.content(warehouse)
    for rows in (1, 16):
        monkeypatch.setattr(build, "SLICE_ROWS", rows)
        warehouses.ingest(tmp_path, into=warehouse, rebuild=True)
        assert warehouses.content(warehouse) == whole
    assert len(whole["runs"]) == 5


def test_a_changed_run_json_judges_the_run_anew(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    factories.run_json(results / "run-1" / "run.json", "run-1", ratio=1.03)
    warehouses.ingest(results, into=warehouse)
    run = warehouses.rows(warehouse, "select valid, reasons, prompts from runs").row(0)
    assert run == (False, ["books"], 30)
    assert warehouses.rows(warehouse, "select count(*) from ingested_files").item() == 2


def test_a_changed_part_replaces_its_rows(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    factories.write(factories.records(10, "run-1"), results / "run-1" / "part-0.parquet")
    assert warehouses.ingest(results, into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select prompts, reasons from runs").rows() == [(10, ["too-few-prompts"])]


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


def test_parts_without_run_json_load(results: Path, warehouse: Path) -> None:
    (results / "run-1" / "run.json").unlink()
    assert warehouses.ingest(results, into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select valid, books_ratio, finished from runs").rows() == [(True, None, None)]


def test_a_later_part_joins_its_run(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    later = factories.frame([factories.record("run-1", index) for index in range(30, 45)])
    factories.write(later, results / "run-1" / "part-1.parquet")
    warehouses.ingest(results, into=warehouse)
    assert warehouses.rows(warehouse, "select prompts from runs").item() == 45


def test_of_two_setups_as_frequent_the_same_one_stays_whatever_the_order_of_files(tmp_path: Path) -> None:
    for case in range(8):
        kept = []
        for order in ((case, 9), (9, case)):
            folder = tmp_path / f"{order[0]}-{order[1]}"
            for place, temperature in enumerate(order):
                row = factories.record("run-1", int(temperature == 9), temperature=float(temperature))
                factories.write(factories.frame([row]), folder / f"part-{place}.parquet")
            assert warehouses.ingest(folder, into=folder / "w.duckdb").status == 1
            kept.append(warehouses.rows(folder / "w.duckdb", "select temperature from requests").rows())
        assert kept[0] == kept[1] and len(kept[0]) == 1


def test_shipped_results_and_a_run_of_the_demo_load_together(tmp_path: Path, warehouse: Path) -> None:
    demo = factories.records(6, "run-demo", model_id="smollm2-135m", model_name="SmolLM2-135M-Instruct")
    factories.write(demo, tmp_path / "demo" / "part-0.parquet")
    assert warehouses.ingest(warehouses.SHIPPED, tmp_path / "demo", into=warehouse).status == 0


def test_one_id_may_be_two_models_with_and_without_a_short_name(tmp_path: Path, warehouse: Path) -> None:
    """A folder and a shape of the same name: the short name of the one is known, the other has none."""
    for run, name in (("run-1", "SmolLM2-135M-Instruct"), ("run-2", None)):
        rows = factories.records(5, run, model_id="smollm2-135m", model_name=name)
        factories.write(rows, tmp_path / "in" / f"{run}.parquet")
    assert warehouses.ingest(tmp_path / "in", into=warehouse).status == 0
    named = warehouses.rows(warehouse, "select model_id, name from runs join models using (model_id) order by run_id").rows()
    assert named == [("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"), ("smollm2-135m", "smollm2-135m")]


SOON = datetime.now(UTC) + timedelta(days=2)


@pytest.mark.parametrize(
    ("changes", "column", "reason"),
    [
        ({"energy_j": math.nan}, "energy_j", "is not a finite number"),
        ({"energy_j": -1.0}, "energy_j", "is negative"),
        ({"latency_s": math.inf}, "latency_s", "is not a finite number"),
        ({"ttft_s": -0.1}, "ttft_s", "is negative"),
        ({"itl_s": [0.1, -0.1]}, "itl_s", "holds a negative or infinite gap"),
        ({"itl_s": [0.1, math.nan]}, "itl_s", "holds a negative or infinite gap"),
        ({"output_tokens": None}, "output_tokens", "is missing in a row that did not fail"),
        ({"output_tokens": -1}, "output_tokens", "is negative"),
        ({"latency_s": None}, "latency_s", "is missing in a row that did not fail"),
        ({"prompt_id": None}, "prompt_id", "is missing"),
        ({"status": "fine"}, "status", "must be ok or failed"),
        ({"finish_reason": "tired"}, "finish_reason", "must be stop, length or error"),
        ({"started_at": SOON}, "started_at", "lies in the future"),
        ({"started_at": datetime(1969, 12, 31, tzinfo=UTC)}, "started_at", "lies before 1970"),
        ({"latency_s": 9.2e12}, "latency_s", "is more than a year"),
        ({"energy_source": "none"}, "energy_source", "is none although energy_j has a value"),
        ({"prompt_id": "prompt-00000"}, "prompt_id", "this run, task, prompt and repetition were loaded already"),
        ({"dtype": "bfloat16"}, "run_id", "the setup differs from the other rows of this run"),
        ({"output_tokens": 513, "finish_reason": "stop"}, "output_tokens", "is above max_new_tokens"),
        ({"finish_reason": "error"}, "finish_reason", "is error in a row that did not fail"),
        ({"status": "failed", "finish_reason": "stop"}, "finish_reason", "is stop in a row that failed"),
        ({"weights": "golden"}, "weights", "must be pretrained or dummy"),
        ({"concurrency": 0}, "concurrency", "is below 1"),
    ],
)
def test_a_bad_row_is_refused_and_the_others_load(
    tmp_path: Path, warehouse: Path, changes: dict[str, object], column: str, reason: str
) -> None:
    rows = [factories.record("run-1", index) for index in range(5)]
    rows[3] |= changes
    factories.write(factories.frame(rows), tmp_path / "part.parquet")
    report = warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    assert rejects(warehouse) == [(4, column, reason)]
    assert report.status == 1
    kept = warehouses.rows(warehouse, "select sequence from requests order by all")["sequence"].to_list()
    assert kept == [0, 1, 2, 4]


@pytest.mark.parametrize(
    "changes",
    [
        {"energy_j": None, "energy_error_j": None, "energy_reason": "no counter"},
        {"energy_j": 0.0, "energy_error_j": 5.0},
        {"gpu_temperature_c": -3.0},
        {"itl_s": None},
        {"itl_s": []},
        {"output_tokens": 0},
        {"output_tokens": 512, "finish_reason": "length"},
        {"output_tokens": 900, "max_new_tokens": None},
        {"finish_reason": None},
    ],
)
def test_an_odd_but_honest_row_loads(tmp_path: Path, warehouse: Path, changes: dict[str, object]) -> None:
    factories.write(factories.frame([factories.record("run-1", 0, **changes)]), tmp_path / "part.parquet")
    assert warehouses.ingest(tmp_path / "part.parquet", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 1


def test_a_row_that_is_in_the_warehouse_already(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    overlapping = factories.frame([factories.record("run-1", index) for index in range(28, 33)])
    factories.write(overlapping, results / "run-1" / "part-1.parquet")
    assert warehouses.ingest(results, into=warehouse).status == 1
    assert [row for row, *_ in rejects(warehouse)] == [1, 2]
    assert warehouses.rows(warehouse, "select prompts from runs").item() == 33


@pytest.mark.parametrize("keep", [2000, -1])
def test_a_bad_file_between_two_parts_hides_no_duplicate(results: Path, warehouse: Path, keep: int) -> None:
    whole = (results / "run-1" / "part-0.parquet").read_bytes()
    (results / "run-1" / "part-1.parquet").write_bytes(whole[:keep])
    overlapping = factories.frame([factories.record("run-1", index) for index in range(28, 33)])
    factories.write(overlapping, results / "run-1" / "part-2.parquet")
    report = warehouses.ingest(results, into=warehouse)
    accepted = {Path(line.path).name: (line.state, line.accepted) for line in report.lines}
    assert accepted == {
        "part-0.parquet": ("loaded", 30),
        "part-1.parquet": ("unreadable", 0),
        "part-2.parquet": ("loaded", 3),
        "run.json": ("loaded", 1),
    }
    refused = [(row, "prompt_id", "this run, task, prompt and repetition were loaded already") for row in (1, 2)]
    assert [reject for reject in rejects(warehouse) if reject[0] is not None] == refused


def test_a_setup_that_differs_from_that_of_an_earlier_file(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    other = factories.frame([factories.record("run-1", index, temperature=0.1) for index in range(30, 33)])
    factories.write(other, results / "run-1" / "part-1.parquet")
    assert warehouses.ingest(results, into=warehouse).status == 1
    assert rejects(warehouse) == [(row, "run_id", "the setup differs from the other rows of this run") for row in (1, 2, 3)]


@pytest.mark.parametrize(
    ("spoil", "column", "reason"),
    [
        (lambda rows: rows.drop("task"), "task", "the column is missing"),
        (
            lambda rows: rows.with_columns(pl.col("energy_j").cast(pl.String)),
            "energy_j",
            "the column is large_string, the contract wants float64",
        ),
    ],
)
def test_a_file_with_a_wrong_column_is_refused_whole(tmp_path: Path, warehouse: Path, spoil: object, column: str, reason: str) -> None:
    assert callable(spoil)
    spoil(factories.records(3)).write_parquet(tmp_path / "part.parquet")
    report = warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    assert rejects(warehouse) == [(None, column, reason)]
    assert (report.status, report.lines[0].rejected) == (1, 3)


def test_an_older_file_without_an_optional_column_loads(tmp_path: Path, warehouse: Path) -> None:
    factories.records(3).drop("dram_energy_j", "model_name").write_parquet(tmp_path / "part.parquet")
    assert warehouses.ingest(tmp_path / "part.parquet", into=warehouse).status == 0


@pytest.mark.parametrize(("environment", "expected"), [('{"top_k": 40}', 40), ('{"driver": "1"}', None), ("no JSON", None)])
def test_top_k_of_files_of_version_1(tmp_path: Path, warehouse: Path, environment: str, expected: int | None) -> None:
    """They have no such column; what was on stands in the environment."""
    rows = factories.records(3, schema_version=1, environment=environment).drop("top_k")
    rows.write_parquet(tmp_path / "part.parquet")
    assert warehouses.ingest(tmp_path / "part.parquet", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select top_k from runs").item() == expected
    assert warehouses.rows(warehouse, "select distinct top_k from requests").item() is None


def test_a_newer_file_is_refused_with_a_sentence(tmp_path: Path, warehouse: Path) -> None:
    factories.write(factories.records(3, schema_version=99), tmp_path / "part.parquet")
    report = warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    assert report.status == 1
    assert "newer version of Prompt Joules (schema version 99" in report.lines[0].why


@pytest.mark.parametrize("keep", [4, 100, 2000, -1])
def test_a_cut_off_file_is_named_and_the_others_load(results: Path, warehouse: Path, keep: int) -> None:
    whole = (results / "run-1" / "part-0.parquet").read_bytes()
    (results / "cut.parquet").write_bytes(whole[:keep])
    report = warehouses.ingest(results, into=warehouse)
    states = {Path(line.path).name: line.state for line in report.lines}
    assert states == {"cut.parquet": "unreadable", "part-0.parquet": "loaded", "run.json": "loaded"}
    assert report.status == 1
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 30


def test_a_damaged_page_leaves_nothing_half_loaded(tmp_path: Path, warehouse: Path) -> None:
    factories.write(factories.records(200, "run-2"), tmp_path / "damaged.parquet")
    factories.write(factories.records(30, "run-1"), tmp_path / "whole.parquet")
    data = bytearray((tmp_path / "damaged.parquet").read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    (tmp_path / "damaged.parquet").write_bytes(data)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert {Path(line.path).name: line.state for line in report.lines} == {
        "damaged.parquet": "unreadable",
        "whole.parquet": "loaded",
    }
    assert warehouses.rows(warehouse, "select run_id, prompts from runs").rows() == [("run-1", 30)]


def test_a_number_too_large_for_its_column(tmp_path: Path, warehouse: Path) -> None:
    rows = factories.records(3).with_columns(pl.lit(2**40).alias("output_chars"))
    rows.write_parquet(tmp_path / "part.parquet")
    report = warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    assert report.status == 1
    assert "too large" in report.lines[0].why


def test_foreign_files(tmp_path: Path, warehouse: Path) -> None:
    (tmp_path / "notes.json").write_text('{"a": 1}')
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    report = warehouses.ingest(tmp_path / "table.csv", into=warehouse)
    assert report.status == 1
    assert report.lines[0].why.startswith("is of no format that Prompt Joules reads")


def test_a_bad_cell_of_a_published_table(tmp_path: Path, warehouse: Path) -> None:
    table = "model,throughput,response_length,latency,energy\na/one,1,2,3,4\na/two,1,2,x,4\na/three,1,2,3,-4\n"
    (tmp_path / "A40_chat_benchmark.csv").write_text(table)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert report.status == 1
    assert rejects(warehouse) == [
        (2, "latency_s", "is not a number"),
        (3, "energy_j", "is negative or not a finite number"),
    ]
    assert warehouses.rows(warehouse, "select published_model_id from published").item() == "a/one"


def test_text_that_is_not_utf8(tmp_path: Path, warehouse: Path) -> None:
    table = b"model,throughput,response_length,latency,energy\na/\xff,1,2,3,4\n"
    (tmp_path / "A40_chat_benchmark.csv").write_bytes(table)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert "is not UTF-8 text" in report.lines[0].why


def test_a_link_out_of_the_folder_is_not_followed(results: Path, warehouse: Path, tmp_path: Path) -> None:
    """Neither to a file nor to a folder; a link within the folder leads to what is loaded anyway."""
    factories.write(factories.records(5, "secret"), tmp_path / "elsewhere" / "part.parquet")
    (results / "link.parquet").symlink_to(tmp_path / "elsewhere" / "part.parquet")
    (results / "run").symlink_to(tmp_path / "elsewhere")
    (results / "latest").symlink_to(results)
    report = warehouses.ingest(results, into=warehouse)
    assert warehouses.rows(warehouse, "select run_id from runs").item() == "run-1"
    why = "is a link that leads out of its folder and is not followed; name what it points to"
    assert report.refused == {"results/link.parquet": why, "results/run": why}
    assert rejects(warehouse) == [(None, None, why)] * 2


def test_files_that_cannot_be_read_stand_in_rejects_until_they_can_or_are_gone(
    results: Path, warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (results / "run-1" / "part-0.parquet").read_bytes()
    (results / "torn.parquet").write_bytes(whole[:-9])
    (results / "empty.json").touch()
    assert warehouses.ingest(results, into=warehouse).status == 1
    assert main(["rejects", "--warehouse", str(warehouse)]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "torn.parquet" in said and "is empty" in said
    assert {verdict.state for verdict in check.check(str(warehouse))} == {"ok"}
    (results / "torn.parquet").write_bytes(factories.write(factories.records(4, "late"), results / "late").read_bytes())
    assert warehouses.ingest(results / "torn.parquet", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select path from rejects").item() == "results/empty.json"
    (results / "empty.json").unlink()
    assert warehouses.ingest(results, into=warehouse).changed
    assert warehouses.rows(warehouse, "from rejects").is_empty()
    assert not warehouses.ingest(results, into=warehouse).changed


def test_a_path_that_does_not_exist(warehouse: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match="nowhere"):
        warehouses.ingest(tmp_path / "nowhere", into=warehouse)
    assert not warehouse.exists()


def test_a_warehouse_of_another_version_is_refused(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    import duckdb

    connection = duckdb.connect(str(warehouse))
    connection.execute("update meta set schema_version = 0")
    connection.close()
    (results / "run-1" / "run.json").unlink()
    with pytest.raises(store.OldWarehouse, match="--rebuild"):
        warehouses.ingest(results, into=warehouse)
    assert warehouses.ingest(results, into=warehouse, rebuild=True).status == 0


def test_a_file_that_is_not_a_warehouse_is_refused_and_kept(results: Path, warehouse: Path) -> None:
    """With --rebuild, too: a results file named by mistake must not be lost."""
    warehouse.write_text("my diary of many years")
    for rebuild in (False, True):
        with pytest.raises(store.NotAWarehouse, match="is no DuckDB file"):
            warehouses.ingest(results, into=warehouse, rebuild=rebuild)
    assert warehouse.read_text() == "my diary of many years"
    with pytest.raises(store.NotAWarehouse):
        warehouses.ingest(results, into=results)


def test_a_damaged_warehouse_names_the_command_that_rebuilds_it(results: Path, warehouse: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    warehouse.write_bytes(warehouse.read_bytes()[:5000])
    with pytest.raises(store.BrokenWarehouse, match="--rebuild"):
        warehouses.ingest(results, into=warehouse)
    assert warehouses.ingest(results, into=warehouse, rebuild=True).status == 0


def test_an_unknown_model_gets_its_own_row(tmp_path: Path, warehouse: Path) -> None:
    rows = factories.records(3, model_id="/somewhere/models/my-qwen", model_name="mine", params_total_b=1.5)
    factories.write(rows, tmp_path / "part.parquet")
    warehouses.ingest(tmp_path, into=warehouse)
    model = warehouses.rows(warehouse, "select models.* from models join runs using (model_id)").row(0, named=True)
    assert (model["name"], model["family"], model["params_total_b"]) == ("mine", "other", 1.5)


def test_verdicts_of_rows_and_runs(tmp_path: Path, warehouse: Path) -> None:
    rows = [factories.record("run-1", index) for index in range(22)]
    rows[0] |= {"finish_reason": "length"}
    rows[1] |= {"energy_error_j": rows[1]["energy_j"] * 0.11}
    rows[2] |= {"throttled": True}
    rows[3] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    rows.append(factories.failed("run-1", 22))
    factories.write(factories.frame(rows), tmp_path / "part.parquet")
    warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    verdicts = warehouses.rows(warehouse, "select valid, reasons from requests order by sequence").rows()
    assert verdicts[:5] == [
        (True, ["truncated"]),
        (True, ["not-resolved"]),
        (False, ["throttled"]),
        (True, ["no-energy"]),
        (True, []),
    ]
    assert verdicts[22] == (False, ["failed"])
    run = warehouses.rows(warehouse, "select * from runs").row(0, named=True)
    counts = [run[key] for key in ("prompts", "ok", "failed", "counted", "measured", "resolved", "truncated", "throttled")]
    assert counts == [23, 22, 1, 21, 20, 19, 1, 1]
    assert (run["valid"], run["reasons"]) == (True, ["failed"])


@pytest.mark.parametrize(
    ("changes", "valid", "reasons"),
    [
        ({"throttled": True}, False, ["no-valid-rows", "throttled", "too-few-prompts", "no-energy"]),
        ({"idle_power_w": None}, True, ["no-idle-power"]),
        ({"finish_reason": "length"}, True, ["truncated"]),
        ({"weights": "dummy"}, True, ["dummy-weights"]),
        ({"energy_error_j": 1e9}, True, ["not-resolved"]),
        (
            {"energy_j": None, "energy_error_j": None, "energy_reason": "CPU", "energy_source": "none"},
            True,
            ["no-energy"],
        ),
    ],
)
def test_verdict_of_a_run(tmp_path: Path, warehouse: Path, changes: dict[str, object], valid: bool, reasons: list[str]) -> None:
    factories.write(factories.records(30, **changes), tmp_path / "part.parquet")
    warehouses.ingest(tmp_path / "part.parquet", into=warehouse)
    assert warehouses.rows(warehouse, "select valid, reasons from runs").rows() == [(valid, reasons)]


def test_every_reason_is_explained(warehouse: Path, results: Path) -> None:
    warehouses.ingest(results, into=warehouse)
    codes = set(warehouses.rows(warehouse, "select code from reason_codes")["code"])
    views = (Path(store.__file__).parent / "views.sql").read_text().split("-- Whether a run counts")[0]
    given = {line.split("'")[-2] for line in views.splitlines() if line.strip().startswith("case when") and "then '" in line}
    given = {code for code in given if "case when" not in code}
    assert given <= codes
    assert codes <= given
    guide = (warehouses.ROOT / "docs" / "verdicts.md").read_text()
    assert all(f"`{code}`" in guide for code in codes)


def test_books_of_several_sessions_add_up() -> None:
    first = {"counter_j": 100.0, "windows_j": 80.0, "gaps_j": 21.0, "ratio": 1.01, "step_s": 0.1}
    second = {"counter_j": 300.0, "windows_j": 250.0, "gaps_j": 49.0, "ratio": 0.9967, "step_s": 0.2}
    content = {"run_id": "r", "fingerprint": "f", "finished": True, "sessions": [{"books": first}, {"books": second}]}
    notes = notes_of(content)
    assert (notes["books_counter_j"], notes["books_windows_j"], notes["books_gaps_j"]) == (400.0, 330.0, 70.0)
    assert notes["books_ratio"] == 1.0
    assert notes["counter_step_s"] == 0.2


def test_books_without_a_counter_are_null() -> None:
    content = {"run_id": "r", "fingerprint": "f", "finished": False, "sessions": [{"books": {"counter_j": None}}, {}]}
    notes = notes_of(content)
    assert notes["books_ratio"] is None
    assert notes["sessions"] == 2


def test_the_report_is_empty_without_files(tmp_path: Path, warehouse: Path) -> None:
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert isinstance(report, build.Report)
    assert (report.lines, report.status) == ([], 0)
    assert warehouses.rows(warehouse, "select * from results").is_empty()
