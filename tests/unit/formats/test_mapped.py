"""Anybody's table: several models, numbers and dates as people write them, means of runs, long tables."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import mapped
from prompt_joules.ingest.formats.mapped_cells import Unfit, number_of, time_of, value_of
from tests import warehouses
from tests.together import Part

CASES = warehouses.DATA / "cases"
SETUP = "columns: {output_tokens: n, latency_s: s}\nvalues: {model_id: org/M, task: chat}\n"


def load(warehouse: Path, table: str, mapping: str, name: str = "a.csv") -> int:
    """Load a table with a mapping; the exit status."""
    folder = warehouse.parent
    (folder / name).write_text(table)
    (folder / "m.yaml").write_text(mapping)
    return main([str(folder / name), "--map", str(folder / "m.yaml"), "--warehouse", str(warehouse)])


def requests(warehouse: Path | Part, columns: str) -> list[tuple[Any, ...]]:
    return warehouses.rows(warehouse, f"select {columns} from requests order by run_id, sequence").rows()


def test_a_table_of_several_models_is_several_runs(warehouse: Path) -> None:
    """The usual comparison. The rows of one model keep one id, whatever stands between them."""
    text = (CASES / "map-manymodels" / "a.csv").read_text()
    header, *lines = text.splitlines()
    mapping = (CASES / "map-manymodels" / "m.yaml").read_text()
    assert load(warehouse, text, mapping) == 0
    runs = warehouses.rows(warehouse, "select model_id, prompts, ok from runs order by model_id").rows()
    assert runs == [("org/A", 2, 2), ("org/B", 2, 2)]
    assert load(warehouse, "\n".join([header, lines[0], lines[2], lines[1], lines[3]]) + "\n", mapping, "b.csv") == 0
    assert warehouses.rows(warehouse, "select model_id, count(*) from runs group by all order by all").rows() == [
        ("org/A", 2),
        ("org/B", 2),
    ]


def test_a_run_that_the_mapping_names_stays_one(warehouse: Path) -> None:
    mapping = "columns: {model_id: model, prompt_id: id, output_tokens: n, latency_s: s}\nvalues: {task: chat, run_id: mine}\n"
    assert load(warehouse, "model,id,n,s\norg/A,q1,20,1\norg/A,q2,20,1\norg/B,q3,20,1\n", mapping) == 1
    assert warehouses.rejects(warehouse) == [(4, "run_id", "the setup differs from the other rows of this run")]


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        (" 12 ", ".", 12),
        ("1_024", ".", 1024),
        ("1 024", ".", 1024),
        ("1\u202f024.5", ".", 1024.5),
        ("1'024", ".", 1024),
        ("\u0661\u0662", ".", 12),
        ("20.0", ".", 20.0),
        ("1e3", ".", 1000.0),
        ("1,5", ",", 1.5),
        ("1.024,5", ",", 1024.5),
        ("12 ms", ".", "12 ms"),
        ("1 02", ".", "1 02"),
    ],
)
def test_numbers_as_people_write_them(text: str, decimal: str, number: float | str) -> None:
    assert number_of(text, decimal) == number


@pytest.mark.parametrize(("text", "decimal", "why"), [("1,5", ".", "decimal: "), ("1,024", ".", "decimal: "), ("1.5", ",", "has a point")])
def test_numbers_that_may_be_read_in_two_ways_are_refused(text: str, decimal: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        number_of(text, decimal)


@pytest.mark.parametrize(
    ("cell", "order", "time"),
    [
        ("2026-02-01T10:00:00Z", None, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01 10:00:00", None, datetime(2026, 2, 1, 10)),
        ("1769940000", None, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        (1769940000.5, None, datetime(2026, 2, 1, 10, 0, 0, 500000, tzinfo=UTC)),
        (1769940000000, None, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("1769940000000000000", None, datetime(2026, 2, 1, 10, tzinfo=UTC)),
        (date(2026, 2, 1), None, datetime(2026, 2, 1)),
        ("01/02/2026", "day/month/year", datetime(2026, 2, 1)),
        ("01/02/2026 9:30", "month/day/year", datetime(2026, 1, 2, 9, 30)),
        ("1.2.2026 10:00:00", "day/month/year", datetime(2026, 2, 1, 10)),
        ("soon", None, "soon"),
    ],
)
def test_times_as_people_write_them(cell: Any, order: str | None, time: Any) -> None:
    assert time_of(cell, order) == time


@pytest.mark.parametrize(
    ("cell", "order", "why"),
    [
        ("01/02/2026", None, "may be day or month first"),
        ("13/02/2026", "month/day/year", "is no date by month/day/year"),
        ("12", None, "is a number that is no time"),
        (5e9, None, "is a number that is no time"),
    ],
)
def test_times_that_may_be_read_in_two_ways_are_refused(cell: Any, order: str | None, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        time_of(cell, order)


@pytest.mark.parametrize(
    ("cell", "name", "kind", "value"),
    [
        (" org/A ", "model_id", "string", "org/A"),
        (" as is ", "output_text", "string", " as is "),
        (" TRUE", "stream", "bool", True),
        ("NaN", "latency_s", "float64", None),
        ("n/a", "output_tokens", "int32", None),
        ("20.0", "output_tokens", "int32", 20),
        ("20.5", "output_tokens", "int32", 20.5),
        (Decimal("20.00"), "output_tokens", "int32", 20),
        (Decimal("1.25"), "latency_s", "float64", 1.25),
    ],
)
def test_cells_as_their_column_wants_them(cell: Any, name: str, kind: str, value: Any) -> None:
    assert value_of(cell, name, kind) == value


def test_a_cell_that_may_be_read_in_two_ways_costs_its_row(warehouse: Path) -> None:
    table = 'n,s,when\n20,1.5,01/02/2026\n# the server was restarted\n20,1.5,2026-02-01\n20,"1,5",2026-02-01\n'
    assert load(warehouse, table, SETUP.replace("latency_s: s", "latency_s: s, started_at: when")) == 1
    assert [(row, column, reason[:28]) for row, column, reason in warehouses.rejects(warehouse)] == [
        (2, "started_at", "may be day or month first: w"),
        (5, "latency_s", "has a comma: write `decimal:"),
    ]
    assert warehouses.rows(warehouse, 'select cell from rejects order by "row"')["cell"].to_list() == ["01/02/2026", "1,5"]
    assert requests(warehouse, "latency_s") == [(1.5,)]


def test_a_table_with_decimal_commas_and_dates_that_the_mapping_explains(warehouse: Path) -> None:
    mapping = SETUP.replace("latency_s: s", "latency_s: s, started_at: when") + 'decimal: ","\ndates: day/month/year\n'
    assert load(warehouse, "n;s;when\n1.024;1,5;01/02/2026 10:00\n", mapping) == 0
    assert requests(warehouse, "output_tokens, latency_s, started_at") == [(1024, 1.5, datetime(2026, 2, 1, 10, tzinfo=UTC))]


def test_two_columns_of_one_name_say_what_to_do(warehouse: Path) -> None:
    assert load(warehouse, "n,s,s\n20,1,2\n", SETUP) == 1
    assert warehouses.rejects(warehouse) == [(None, None, "has two columns named s: rename one of them")]


FIGURES = "columns: {model_id: model, latency_s: {column: lat, times: 0.001}, energy_j: joules}\nvalues: {task: chat, gpu_model: H100}\n"


def test_a_wide_table_of_means_becomes_figures(warehouse: Path) -> None:
    assert load(warehouse, "model,lat,joules\norg/A,500,60\norg/B,900,-1\norg/C,250,\n", FIGURES + "rows: figures\n") == 1
    columns = "published_model_id, latency_s, energy_j, source, harness_version"
    found = warehouses.rows(warehouse, f"select {columns} from published order by all").rows()
    assert found == [("org/A", 0.5, 60.0, "mapped file", "mapped"), ("org/C", 0.25, None, "mapped file", "mapped")]
    assert warehouses.rejects(warehouse) == [(3, "energy_j", "is negative or not a finite number")]
    assert warehouses.rows(warehouse, "select cell from rejects").item() == "-1"


def test_a_long_table_becomes_figures(warehouse: Path) -> None:
    table = "model,Metric,Value\norg/A,lat,500\norg/B,lat,900\norg/A,joules,60\norg/B,joules,70\norg/B,joules,80\n"
    assert load(warehouse, table, FIGURES + "rows: figures\nlong: {metric: Metric, value: Value}\n") == 1
    found = warehouses.rows(warehouse, "select published_model_id, latency_s, energy_j from published order by all").rows()
    assert found == [("org/A", 0.5, 60.0), ("org/B", 0.9, 70.0)]
    assert warehouses.rejects(warehouse) == [(6, "joules", "stands twice in one row of the long table")]


def test_a_table_of_two_columns_is_one_figure(warehouse: Path) -> None:
    mapping = "columns: {latency_s: Mean latency (s)}\nvalues: {model_id: org/A, task: chat}\nrows: figures\n"
    mapping += "long: {metric: Metric, value: Value}\n"
    assert load(warehouse, "Metric,Value\nMean latency (s),1.5\nRequests,40\n", mapping) == 0
    assert warehouses.rows(warehouse, "select published_model_id, latency_s from published").rows() == [("org/A", 1.5)]
    assert load(warehouse, "Metric,Value\nRequests,41\n", mapping, "b.csv") == 1


def test_a_long_parquet_becomes_requests(warehouse: Path) -> None:
    frame = pl.DataFrame({"id": ["a", "a", "b", "b"], "what": ["n", "s"] * 2, "much": [20.0, 1.5, 21.0, 1.6]})
    frame.write_parquet(warehouse.parent / "a.parquet")
    (warehouse.parent / "m.yaml").write_text(SETUP.replace("{output", "{prompt_id: id, output") + "long: {metric: what, value: much}\n")
    assert main([str(warehouse.parent / "a.parquet"), "--map", str(warehouse.parent / "m.yaml"), "--warehouse", str(warehouse)]) == 0
    assert requests(warehouse, "prompt_id, output_tokens, latency_s") == [("a", 20, 1.5), ("b", 21, 1.6)]


TURNED = """Metric;Unit;org/A;org/B;note
GPU;;H100;A100;
Mean latency;ms;500;900;two runs
Energy per request;J;60;-1;
Mean;s;1;2;
Mean;s;3;4;
"""
COLUMNS = "{model_id: Metric, gpu_model: GPU, latency_s: {column: Mean latency, times: 0.001}, energy_j: Energy per request}"


def test_a_transposed_table_has_a_column_a_model(warehouse: Path) -> None:
    """Names of columns are the models; columns that are none are named; what is refused has the number of its column."""
    mapping = f"columns: {COLUMNS}\nvalues: {{task: chat}}\nrows: figures\ntransposed: {{metric: Metric, without: [Unit, note]}}\n"
    assert load(warehouse, TURNED, mapping) == 1
    found = warehouses.rows(warehouse, "select published_model_id, published_gpu_model, latency_s, energy_j from published").rows()
    assert found == [("org/A", "H100", 0.5, 60.0)]
    assert warehouses.rejects(warehouse) == [(4, "energy_j", "is negative or not a finite number")]


def test_a_transposed_table_of_requests(warehouse: Path) -> None:
    """A corner without a name, and a column a prompt; a column without any value is none."""
    mapping = 'columns: {prompt_id: "", output_tokens: n, latency_s: s}\nvalues: {model_id: org/M, task: chat}\ntransposed: ""\n'
    assert load(warehouse, ",q1,q2,\nn,20,30,\ns,1.5,2.5,\n", mapping) == 0
    assert requests(warehouse, "prompt_id, output_tokens, latency_s") == [("q1", 20, 1.5), ("q2", 30, 2.5)]


@pytest.mark.parametrize(
    ("columns", "transposed", "sentence"),
    [
        ("{latency_s: Mean}", "Metric", "has two rows named Mean: rename one of them"),
        ("{latency_s: p99}", "Metric", "has no column p99, which the mapping names"),
        ("{latency_s: Mean latency}", "metric", "has no column metric, which the mapping names"),
        ("{latency_s: Mean latency}", "{metric: Metric, without: [units]}", "has no column units, which the mapping names"),
    ],
)
def test_a_transposed_table_that_cannot_be_used_says_why(columns: str, transposed: str, sentence: str, warehouse: Path) -> None:
    mapping = f"columns: {columns}\nvalues: {{model_id: org/A, task: chat}}\nrows: figures\ntransposed: {transposed}\n"
    assert load(warehouse, TURNED, mapping) == 1
    assert warehouses.rejects(warehouse) == [(None, None, sentence)]


def test_two_models_of_one_name_are_refused(warehouse: Path) -> None:
    mapping = "columns: {model_id: Metric, latency_s: lat}\nvalues: {task: chat}\nrows: figures\ntransposed: Metric\n"
    assert load(warehouse, "Metric,org/A,org/A\nlat,1,2\n", mapping) == 1
    assert warehouses.rejects(warehouse) == [(None, None, "has two columns named org/A: rename one of them")]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("rows: prompts\n", "must give `rows` as 'requests' or 'figures'"),
        ("decimal: ;\n", "must give `decimal`"),
        ("dates: ymd\n", "must give `dates`"),
        ("long: Metric\n", "must give `long`"),
        ("transposed: [Metric]\n", "must give `transposed`"),
        ("transposed: {metric: Metric, without: Unit}\n", "must give `transposed`"),
        ("transposed: Metric\nlong: {metric: Metric, value: Value}\n", "`long` or `transposed`, not both"),
        ("rows: figures\n", "columns that a figure does not have: prompt_id"),
    ],
)
def test_bad_parts_of_a_mapping_are_sentences(tmp_path: Path, more: str, sentence: str) -> None:
    (tmp_path / "m.yaml").write_text("columns: {prompt_id: id, latency_s: s}\n" + more)
    with pytest.raises(mapped.BadMapping, match=sentence):
        mapped.read(str(tmp_path / "m.yaml"))
