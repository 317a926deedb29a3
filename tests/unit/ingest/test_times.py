"""Times without a zone, whole numbers as floats, numbers too wide for their column: what is read, and that a bad value costs its row."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats.adapt import with_clock
from tests import factories, warehouses
from tests.together import Loaded, Part, Together

CASES = warehouses.DATA / "cases"
TOGETHER = Together()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """The inputs of this file."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("times"))


def requests(warehouse: Path | Part) -> list[dict[str, Any]]:
    return warehouses.rows(warehouse, "from requests order by run_id, sequence").to_dicts()


def vllm(folder: Path, ended: datetime) -> Path:
    """A result of `vllm bench serve` whose local clock showed this time at its end."""
    content = json.loads((CASES / "vllm-rate" / "r.json").read_text()) | {"date": ended.strftime("%Y%m%d-%H%M%S")}
    (folder / "r.json").write_text(json.dumps(content))
    return folder / "r.json"


AHEAD = {13.9: 3, 1.5: 3, -5: 3, 16: 0}
for ahead in AHEAD:
    TOGETHER.add(ahead, lambda folder, hours=ahead: vllm(folder, datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=hours)))


@pytest.mark.parametrize(("hours", "accepted"), AHEAD.items())
def test_a_local_clock_may_be_ahead(hours: float, accepted: int, loaded: Loaded) -> None:
    """East of UTC the local time is ahead, by at most 14 hours: such rows are kept, with the clock named."""
    warehouse = loaded[hours]
    (line,) = warehouse.lines
    assert line.accepted == accepted
    assert {json.loads(row["environment"])["clock"] for row in requests(warehouse)} == ({"local"} if accepted else set())
    if not accepted:
        assert warehouses.rejects(warehouse) == [(row, "started_at", "lies in the future") for row in (1, 2, 3)]


@TOGETHER.of
def hours_ahead(folder: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=5)
    rows = factories.records(4, "zoned").with_columns(pl.lit(ahead).dt.cast_time_unit("us").alias("started_at"))
    factories.write(rows, folder / "zoned.parquet")
    naive = rows.with_columns(pl.col("started_at").dt.replace_time_zone(None), pl.lit("naive").alias("run_id"))
    factories.write(naive, folder / "naive.parquet")


def test_a_time_with_a_zone_may_not_be_ahead(loaded: Loaded) -> None:
    warehouse, rows = loaded[hours_ahead], factories.records(4, "zoned")
    lines = {line.path: line for line in warehouse.lines}
    assert (lines["zoned.parquet"].accepted, lines["naive.parquet"].accepted) == (0, 4)
    environment = json.loads(requests(warehouse)[0]["environment"])
    assert environment["clock"] == "local"
    assert environment.keys() >= json.loads(rows["environment"][0] or "{}").keys()


def test_a_file_of_which_nothing_was_accepted_is_read_again(tmp_path: Path, warehouse: Path) -> None:
    """Tomorrow its times lie in the past. Also under another name; and a file of which a part was accepted is not read again."""
    path = vllm(tmp_path, datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=16))
    assert warehouses.ingest(path, into=warehouse).lines[0].rejected == 3
    again = warehouses.ingest(path, into=warehouse)
    assert (again.lines[0].state, again.lines[0].rejected, again.status) == ("loaded", 3, 1)
    other = path.rename(tmp_path / "other.json")
    assert warehouses.ingest(other, into=warehouse).lines[0].state == "loaded"
    assert warehouses.rows(warehouse, "select path, rejected from ingested_files").rows() == [("other.json", 3)]
    assert warehouses.rows(warehouse, "select count(*) from rejects").item() == 3


CLOCKS = "select runs.clock, results.clock from runs join results on result_id = 'run:' || run_id"


def test_each_run_says_whose_clock_its_times_are(tmp_path: Path, warehouse: Path) -> None:
    """A time with a zone, one without, and none at all: then it is the time of the file. One row of another clock makes it the run's."""
    factories.write(factories.records(4, "zoned"), tmp_path / "zoned.parquet")
    naive = factories.records(4, "naive").with_columns(pl.col("started_at").dt.replace_time_zone(None))
    factories.write(naive, tmp_path / "naive.parquet")
    local = vllm(tmp_path, datetime(2026, 1, 5, 12)).rename(tmp_path / "local.json")
    content = json.loads(local.read_text())
    (tmp_path / "timeless.json").write_text(json.dumps({name: value for name, value in content.items() if name != "date"}))
    (tmp_path / "mixed.csv").write_text("id,out,s,when\n1,5,1.0,2026-01-05T12:00:00Z\n2,5,1.0,2026-01-05 12:00\n3,5,1.0,\n")
    (tmp_path / "m.yaml").write_text(
        "columns: {prompt_id: id, output_tokens: out, latency_s: s, started_at: when}\nvalues: {model_id: a/b, task: chat, run_id: mixed}\n"
    )
    assert main([str(tmp_path), "--map", str(tmp_path / "m.yaml"), "--warehouse", str(warehouse)]) == 1
    found = warehouses.rows(warehouse, CLOCKS.replace("select", "select run_id,")).rows()
    clocks = {run_id: clock for run_id, clock, shown in found if clock == shown}
    assert (clocks.pop("zoned"), clocks.pop("naive"), clocks.pop("mixed")) == ("UTC", "local, zone unknown", "local, zone unknown")
    assert sorted(clocks.values()) == ["local, zone unknown", "time of the file"]
    assert warehouses.rejects(warehouse) == [(4, "started_at", "is missing")]


CHANGED = datetime(2026, 1, 6, 7, 8, 9, tzinfo=UTC)


@TOGETHER.of
def undated(folder: Path) -> None:
    path = vllm(folder, datetime(2026, 1, 5, 12))
    path.write_text(path.read_text().replace('"date"', '"day"'))
    os.utime(path, (CHANGED.timestamp(), CHANGED.timestamp()))


def test_the_time_of_a_file_is_that_of_its_last_change(loaded: Loaded) -> None:
    warehouse = loaded[undated]
    assert warehouse.status == 0
    assert {row["started_at"] for row in requests(warehouse)} == {CHANGED}
    assert {json.loads(row["environment"])["clock"] for row in requests(warehouse)} == {"file"}


PANDAS = TOGETHER.file(CASES / "pq-pandas-ns-naive")


def test_naive_times_of_pandas(loaded: Loaded) -> None:
    warehouse = loaded[PANDAS]
    (line,) = warehouse.lines
    assert (line.accepted, line.rejected) == (4, 0)
    row = requests(warehouse)[0]
    assert row["started_at"] == datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    assert json.loads(row["environment"]) == {"clock": "local"}


def test_one_number_too_large_costs_one_row(warehouse: Path) -> None:
    """The four rows of the file have 20, 40,000, 3,000,000,000 and -1 tokens."""
    line = warehouses.ingest(CASES / "pq-range", into=warehouse).lines[0]
    assert (line.accepted, line.rejected) == (2, 2)
    assert [row["output_tokens"] for row in requests(warehouse)] == [20, 40_000]
    assert warehouses.rejects(warehouse) == [(3, "output_tokens", "is too large"), (4, "output_tokens", "is negative")]


def odd(values: list[Any], kind: pa.DataType, column: str, folder: Path) -> Path:
    """A file of records, one column of which has another type."""
    table = factories.records(len(values), f"odd in {folder.name}").to_arrow()
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, pa.array(values, kind)), folder / "odd.parquet")
    return folder / "odd.parquet"


ODD: list[tuple[str, pa.DataType, list[Any], list[Any], list[str]]] = [
    ("input_tokens", pa.float64(), [20.0, None, 21.5, 3e10], [20, None], ["is not a whole number", "is too large"]),
    ("input_tokens", pa.float64(), [20.0, float("nan"), float("inf"), 1.0], [20, 1], ["is not a whole number"] * 2),
    ("input_tokens", pa.uint64(), [1, 2**63, 2**31, 2**31 - 1], [1, 2**31 - 1], ["is too large"] * 2),
    ("seed", pa.uint64(), [1, 1, 1, 2**63], [1, 1, 1], ["is too large"]),
    ("input_tokens", pa.decimal128(20, 1), [1, 2, 3, 4], [1, 2, 3, 4], []),
    ("repetition", pa.int64(), [0, 0, 40000, -40000], [0, 0], ["is too large"] * 2),
]
for number, (name, type_of, written, *_) in enumerate(ODD):
    TOGETHER.add(f"odd {number}", lambda folder, name=name, type_of=type_of, written=written: odd(written, type_of, name, folder))


@pytest.mark.parametrize(("number", "column", "values", "kept", "refused"), [(n, c, v, k, r) for n, (c, _, v, k, r) in enumerate(ODD)])
def test_whole_numbers_of_other_types(
    number: int, column: str, values: list[Any], kept: list[Any], refused: list[str], loaded: Loaded
) -> None:
    """As pandas writes a column with a gap, or as wide as it can be: 20.0 is 20, and what does not fit is refused with its row."""
    warehouse = loaded[f"odd {number}"]
    assert [row[column] for row in requests(warehouse)] == kept
    bad = [place for place, value in enumerate(values, start=1) if value not in kept]
    assert warehouses.rejects(warehouse) == [(row, column, why) for row, why in zip(bad, refused, strict=True)]


@TOGETHER.of
def refused_twice(folder: Path) -> None:
    rows = factories.records(4, "two").with_columns(
        pl.Series("input_tokens", [1.0, 1.5, 2.0, 3.0]), pl.Series("latency_s", [0.5, 0.5, -1.0, 0.5])
    )
    factories.write(rows, folder / "two.parquet")


def test_rows_refused_before_and_by_the_checks_keep_their_numbers(loaded: Loaded) -> None:
    warehouse = loaded[refused_twice]
    assert warehouses.rejects(warehouse) == [(2, "input_tokens", "is not a whole number"), (3, "latency_s", "is negative")]


TOGETHER.add("wide", lambda folder: odd([1.0, 2.0, 1e300], pa.float64(), "gpu_temperature_c", folder))
TOGETHER.add("no rows", lambda folder: odd([], pa.float64(), "input_tokens", folder))


def test_a_double_that_no_float_holds_is_refused_with_its_row(loaded: Loaded) -> None:
    assert warehouses.rejects(loaded["wide"]) == [(3, "gpu_temperature_c", "is not a finite number")]


def test_a_file_without_rows_but_with_other_types(loaded: Loaded) -> None:
    (line,) = loaded["no rows"].lines
    assert line.state == "loaded"


def test_whole_numbers_as_floats_in_a_mapped_table(tmp_path: Path, warehouse: Path) -> None:
    mapping = tmp_path / "m.yaml"
    columns = (
        "{prompt_id: id, input_tokens: tin, output_tokens: tout, latency_s: lat, started_at: when, energy_j: {column: wh, times: 3600}}"
    )
    mapping.write_text(f"columns: {columns}\nvalues: {{model_id: a/b, task: chat, energy_source: meter}}\n")
    assert main([str(CASES / "map-floatint" / "a.csv"), "--map", str(mapping), "--warehouse", str(warehouse)]) == 0
    first, second = requests(warehouse)
    assert (first["input_tokens"], first["output_tokens"], second["input_tokens"]) == (10, 20, None)
    assert (first["energy_j"], second["energy_j"]) == (36.0, 72.0)
    assert first["started_at"] == second["started_at"] == datetime(2025, 1, 1, 10, tzinfo=UTC)
    assert [json.loads(row["environment"] or "{}").get("clock") for row in (first, second)] == ["local", None]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [(None, {"clock": "local"}), ('{"a": 1}', {"a": 1, "clock": "local"}), ("a lab", {"environment": "a lab", "clock": "local"})],
)
def test_the_environment_names_the_clock(said: str | None, wanted: dict[str, Any]) -> None:
    assert json.loads(with_clock(said, "local")) == wanted
