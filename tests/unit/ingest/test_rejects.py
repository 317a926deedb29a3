"""Bad rows and files are named with their reason, and everything else loads."""

import math
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.ingest import reading
from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import records
from tests import factories, warehouses
from tests.together import Loaded, Together
from tests.warehouses import rejects

SOON = datetime.now(UTC) + timedelta(days=2)


# What makes a row bad: the columns that are changed, the column that is named, and why.
BAD: list[tuple[dict[str, object], str, str]] = [
    ({"energy_j": math.nan}, "energy_j", "is not a finite number"),
    ({"energy_j": -1.0}, "energy_j", "is negative"),
    ({"latency_s": math.inf}, "latency_s", "is not a finite number"),
    ({"ttft_s": -0.1}, "ttft_s", "is negative"),
    ({"itl_s": [0.1, -0.1]}, "itl_s", "holds a gap that is negative"),
    ({"itl_s": [0.1, math.nan]}, "itl_s", "holds a gap that is not a finite number"),
    ({"output_tokens": None}, "output_tokens", "is missing in a row that did not fail"),
    ({"output_tokens": -1}, "output_tokens", "is negative"),
    ({"latency_s": None}, "latency_s", "is missing in a row that did not fail"),
    ({"prompt_id": None}, "prompt_id", "is missing"),
    ({"status": "fine"}, "status", "must be ok or failed"),
    ({"finish_reason": "tired"}, "finish_reason", "must be stop, length or error"),
    ({"started_at": SOON}, "started_at", "lies in the future"),
    ({"started_at": datetime(1969, 12, 31, tzinfo=UTC)}, "started_at", "lies before 1970"),
    ({"latency_s": 9.2e12}, "latency_s", "is more than a year"),
    ({"ttft_s": 4e7}, "ttft_s", "is more than a year"),
    ({"itl_s": [0.1, 4e7]}, "itl_s", "holds a gap that is more than a year"),
    ({"energy_j": 1e12}, "energy_j", "is more than a gigajoule, which no answer takes"),
    ({"energy_error_j": 1e308}, "energy_error_j", "is more than a gigajoule, which no answer takes"),
    ({"cpu_energy_j": 2e9}, "cpu_energy_j", "is more than a gigajoule, which no answer takes"),
    ({"idle_power_w": 2e6}, "idle_power_w", "is more than a megawatt"),
    ({"params_total_b": 7e9}, "params_total_b", "is in billions, and more than a million of them"),
    ({"energy_source": "none"}, "energy_source", "is none although energy_j has a value"),
    ({"prompt_id": "prompt-00000"}, "prompt_id", "this run, task, prompt and repetition were loaded already"),
    ({"dtype": "bfloat16"}, "run_id", "the setup differs from the other rows of this run"),
    ({"output_tokens": 513, "finish_reason": "stop"}, "output_tokens", "is above max_new_tokens"),
    ({"finish_reason": "error"}, "finish_reason", "is error in a row that did not fail"),
    ({"status": "failed", "finish_reason": "stop"}, "finish_reason", "is stop in a row that failed"),
    ({"weights": "golden"}, "weights", "must be pretrained or dummy"),
    ({"concurrency": 0}, "concurrency", "is below 1"),
]
HONEST: list[dict[str, object]] = [
    {"energy_j": None, "energy_error_j": None, "energy_reason": "no counter"},
    {"energy_j": 0.0, "energy_error_j": 5.0},
    {"gpu_temperature_c": -3.0},
    {"itl_s": None},
    {"itl_s": []},
    {"output_tokens": 0},
    {"output_tokens": 512, "finish_reason": "length"},
    {"output_tokens": 900, "max_new_tokens": None},
    {"finish_reason": None},
]
TOGETHER = Together()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("rejects"))


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a run of its own, in a file of its own, for every bad and every honest row."""
    folder = tmp_path_factory.mktemp("judged")
    for number, (changes, _, _) in enumerate(BAD):
        rows = [factories.record(f"bad-{number}", index) for index in range(5)]
        rows[3] |= changes
        factories.write(factories.frame(rows), folder / f"bad-{number}.parquet")
    for number, changes in enumerate(HONEST):
        factories.write(factories.frame([factories.record(f"honest-{number}", 0, **changes)]), folder / f"honest-{number}.parquet")
    report = warehouses.ingest(folder, into=folder / "w.duckdb")
    assert report.status == 1
    assert {Path(line.path).stem for line in report.lines if line.rejected} == {f"bad-{number}" for number in range(len(BAD))}
    return folder / "w.duckdb"


@pytest.mark.parametrize("number", range(len(BAD)), ids=lambda number: f"{BAD[number][1]} {BAD[number][2]} {number}")
def test_a_bad_row_is_refused_and_the_others_load(judged: Path, number: int) -> None:
    _, column, reason = BAD[number]
    refused = warehouses.rows(judged, f"""select "row", "column", reason from rejects where path like '%bad-{number}.parquet'""")
    assert refused.rows() == [(4, column, reason)]
    kept = warehouses.rows(judged, f"select sequence from requests where run_id = 'bad-{number}' order by all")["sequence"].to_list()
    assert kept == [0, 1, 2, 4]


def test_what_stands_in_the_bad_cell_is_told(judged: Path) -> None:
    refused = warehouses.rows(judged, 'select path, "column", cell from rejects')
    cells = {int(Path(path).stem.removeprefix("bad-")): cell for path, _, cell in refused.rows()}
    for number, (changes, column, reason) in enumerate(BAD):
        value = (factories.record(f"bad-{number}", 3) | changes)[column]
        cell = cells[number]
        assert (cell is None) == (value is None), reason
        if isinstance(value, int | float):
            assert float(cell) == pytest.approx(value, nan_ok=True), reason
        elif isinstance(value, str):
            assert cell == value
    assert cells[4] == "[0.1, -0.1]"


def test_a_long_cell_is_cut_and_words_of_an_answer_are_not_told(tmp_path: Path) -> None:
    rows = factories.records(4, "run").with_columns(
        finish_reason=pl.when(pl.col("sequence") == 1).then(pl.lit("x" * 500)).otherwise("finish_reason")
    )
    factories.write(rows, tmp_path / "long.parquet")
    assert warehouses.ingest(tmp_path / "long.parquet", into=tmp_path / "w.duckdb").status == 1
    assert warehouses.rows(tmp_path / "w.duckdb", "select cell from rejects").item() == "x" * 80
    assert records._cell(["output_text", "prompt_text", "no column"]) == "null"
    assert "energy_j" in records._cell(["output_text", "energy_j"])


@pytest.mark.parametrize("number", range(len(HONEST)), ids=lambda number: str(HONEST[number]))
def test_an_odd_but_honest_row_loads(judged: Path, number: int) -> None:
    assert warehouses.rows(judged, f"select count(*) from requests where run_id = 'honest-{number}'").item() == 1
    assert warehouses.rows(judged, f"select count(*) from rejects where path like '%honest-{number}.parquet'").item() == 0


def test_a_row_that_is_in_the_warehouse_already(results: Path, ingested: Path) -> None:
    overlapping = factories.frame([factories.record("run-1", index) for index in range(28, 33)])
    factories.write(overlapping, results / "run-1" / "part-1.parquet")
    assert warehouses.ingest(results, into=ingested).status == 1
    assert [row for row, *_ in rejects(ingested)] == [1, 2]
    assert warehouses.rows(ingested, "select prompts from runs").item() == 33


def a_bad_file_between(folder: Path, keep: int) -> None:
    """Two parts that overlap, and between them the first bytes of another."""
    run = f"between {keep}"
    whole = factories.write(factories.records(30, run), folder / "part-0.parquet").read_bytes()
    (folder / "part-1.parquet").write_bytes(whole[:keep])
    factories.write(factories.frame([factories.record(run, index) for index in range(28, 33)]), folder / "part-2.parquet")
    factories.run_json(folder / "run.json", run)


KEPT = [2000, -1]
for of_bytes in KEPT:
    TOGETHER.add(f"between {of_bytes}", partial(a_bad_file_between, keep=of_bytes))


@pytest.mark.parametrize("keep", KEPT)
def test_a_bad_file_between_two_parts_hides_no_duplicate(loaded: Loaded, keep: int) -> None:
    report = warehouse = loaded[f"between {keep}"]
    accepted = {Path(line.path).name: (line.state, line.accepted) for line in report.lines}
    assert accepted == {
        "part-0.parquet": ("loaded", 30),
        "part-1.parquet": ("unreadable", 0),
        "part-2.parquet": ("loaded", 3),
        "run.json": ("loaded", 1),
    }
    refused = [(row, "prompt_id", "this run, task, prompt and repetition were loaded already") for row in (1, 2)]
    assert [reject for reject in rejects(warehouse) if reject[0] is not None] == refused


def test_a_setup_that_differs_from_that_of_an_earlier_file(results: Path, ingested: Path) -> None:
    other = factories.frame([factories.record("run-1", index, temperature=0.1) for index in range(30, 33)])
    factories.write(other, results / "run-1" / "part-1.parquet")
    assert warehouses.ingest(results, into=ingested).status == 1
    assert rejects(ingested) == [(row, "run_id", "the setup differs from the other rows of this run") for row in (1, 2, 3)]


TOGETHER.add("wrong task", lambda folder: factories.records(3).drop("task").write_parquet(folder / "part.parquet"))
TOGETHER.add(
    "wrong energy_j",
    lambda folder: factories.records(3).with_columns(pl.col("energy_j").cast(pl.String)).write_parquet(folder / "part.parquet"),
)


@pytest.mark.parametrize(
    ("column", "reason"),
    [("task", "the column is missing"), ("energy_j", "the column is large_string, the contract wants float64")],
)
def test_a_file_with_a_wrong_column_is_refused_whole(loaded: Loaded, column: str, reason: str) -> None:
    report = warehouse = loaded[f"wrong {column}"]
    assert rejects(warehouse) == [(None, column, reason)]
    assert (report.status, report.lines[0].rejected) == (1, 3)


@TOGETHER.of
def a_newer_file_is_refused_with_a_sentence(folder: Path) -> None:
    factories.write(factories.records(3, schema_version=99), folder / "part.parquet")


def test_a_newer_file_is_refused_with_a_sentence(loaded: Loaded) -> None:
    report = loaded[a_newer_file_is_refused_with_a_sentence]
    assert report.status == 1
    assert "newer version of Prompt Joules (schema version 99" in report.lines[0].why


def cut_off(folder: Path, keep: int) -> None:
    """A run, and the first bytes of its part once more."""
    part = factories.write(factories.records(30, f"cut {keep}"), folder / "run" / "part-0.parquet")
    factories.run_json(folder / "run" / "run.json", f"cut {keep}")
    (folder / "cut.parquet").write_bytes(part.read_bytes()[:keep])


CUT = [4, 100, 2000, -1]
for of_bytes in CUT:
    TOGETHER.add(f"cut {of_bytes}", partial(cut_off, keep=of_bytes))


@pytest.mark.parametrize("keep", CUT)
def test_a_cut_off_file_is_named_and_the_others_load(loaded: Loaded, keep: int) -> None:
    report = warehouse = loaded[f"cut {keep}"]
    states = {Path(line.path).name: line.state for line in report.lines}
    assert states == {"cut.parquet": "unreadable", "part-0.parquet": "loaded", "run.json": "loaded"}
    assert report.status == 1
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 30


@TOGETHER.of
def a_damaged_page_leaves_nothing_half_loaded(folder: Path) -> None:
    factories.write(factories.records(200, "run-2"), folder / "damaged.parquet")
    factories.write(factories.records(30, "run-1"), folder / "whole.parquet")
    data = bytearray((folder / "damaged.parquet").read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    (folder / "damaged.parquet").write_bytes(data)


def test_a_damaged_page_leaves_nothing_half_loaded(loaded: Loaded) -> None:
    report = warehouse = loaded[a_damaged_page_leaves_nothing_half_loaded]
    assert {Path(line.path).name: line.state for line in report.lines} == {
        "damaged.parquet": "unreadable",
        "whole.parquet": "loaded",
    }
    assert warehouses.rows(warehouse, "select run_id, prompts from runs").rows() == [("run-1", 30)]


@TOGETHER.of
def a_number_too_large_for_its_column(folder: Path) -> None:
    rows = factories.records(3).with_columns(pl.lit(2**40).alias("output_chars"))
    rows.write_parquet(folder / "part.parquet")


def test_a_number_too_large_for_its_column(loaded: Loaded) -> None:
    report = warehouse = loaded[a_number_too_large_for_its_column]
    assert report.status == 1
    assert rejects(warehouse) == [(row, "output_chars", "is too large") for row in (1, 2, 3)]


def test_foreign_files(tmp_path: Path, warehouse: Path) -> None:
    (tmp_path / "notes.json").write_text('{"a": 1}')
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    report = warehouses.ingest(tmp_path / "table.csv", into=warehouse)
    assert report.status == 1
    assert report.lines[0].why.startswith("is of no format that Prompt Joules reads")
    assert "--map FILE" in report.lines[0].why


@TOGETHER.of
def a_bad_cell_of_a_published_table(folder: Path) -> None:
    table = "model,throughput,response_length,latency,energy\na/one,1,2,3,4\na/two,1,2,x,4\na/three,1,2,3,-4\n"
    (folder / "A40_chat_benchmark.csv").write_text(table)


def test_a_bad_cell_of_a_published_table(loaded: Loaded) -> None:
    report = warehouse = loaded[a_bad_cell_of_a_published_table]
    assert report.status == 1
    assert rejects(warehouse) == [
        (3, "latency_s", "is not a number"),
        (4, "energy_j", "is negative or not a finite number"),
    ]
    assert warehouses.rows(warehouse, "select published_model_id from published").item() == "a/one"


@TOGETHER.of
def text_that_is_not_utf8(folder: Path) -> None:
    table = b"model,throughput,response_length,latency,energy\na/\xff,1,2,3,4\n"
    (folder / "A40_chat_benchmark.csv").write_bytes(table)


def test_text_that_is_not_utf8(loaded: Loaded) -> None:
    report = warehouse = loaded[text_that_is_not_utf8]
    assert report.status == 1
    assert rejects(warehouse) == [(2, None, "is no row of a table: it has zero bytes, is not UTF-8 or is too long")]


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
    assert {verdict.state for verdict in reading.check(str(warehouse))} == {"ok"}
    (results / "torn.parquet").write_bytes(factories.write(factories.records(4, "late"), results / "late").read_bytes())
    assert warehouses.ingest(results / "torn.parquet", into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select path from rejects").item() == "results/empty.json"
    (results / "empty.json").unlink()
    assert warehouses.ingest(results, into=warehouse).changed
    assert warehouses.rows(warehouse, "from rejects").is_empty()
    assert not warehouses.ingest(results, into=warehouse).changed
