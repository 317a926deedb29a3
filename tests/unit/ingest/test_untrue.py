"""Parquet files that say untrue things of themselves, flipped bits, and runs that cannot be summed: named, and nothing else is lost."""

import io
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from prompt_joules.bench.run.sink import PartSink
from prompt_joules.ingest import derive, statements
from prompt_joules.ingest.formats import checksums
from prompt_joules.ingest.formats.base import Unreadable
from tests import factories, warehouses
from tests.together import Loaded, Together

TOGETHER = Together()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Files whose statistics are untrue."""
    return TOGETHER.loaded(tmp_path_factory.mktemp("untrue"))


HONEST = {"latency_s": 0.5, "ttft_s": 0.1, "energy_j": 50.0, "started_at": factories.record()["started_at"]}
IMPOSSIBLE = [
    ("latency_s", -3.0, "is negative"),
    ("latency_s", 9e38, "is more than a year"),
    ("ttft_s", -1.0, "is negative"),
    ("energy_j", 1e12, "is more than a gigajoule, which no answer takes"),
    ("energy_j", float("nan"), "is not a finite number"),
]


def parquet(rows: pl.DataFrame) -> bytes:
    """Plain pages, so that other values of the same types give a file of the same layout."""
    out = io.BytesIO()
    pq.write_table(rows.to_arrow(), out, compression="none", use_dictionary=False)
    return out.getvalue()


def with_footer_of(said: pl.DataFrame, held: pl.DataFrame) -> bytes:
    """A file that holds one frame and whose footer, with its statistics, speaks of another."""
    footer, body = parquet(said), parquet(held)
    length = int.from_bytes(footer[-8:-4], "little") + 8
    assert len(footer) == len(body)
    assert length == int.from_bytes(body[-8:-4], "little") + 8
    return body[:-length] + footer[-length:]


def least(path: Path, column: str) -> Any:
    group = pq.read_metadata(path).row_group(0)
    (place,) = [n for n in range(group.num_columns) if group.column(n).path_in_schema == column]
    return group.column(place).statistics.min


def untrue(folder: Path, number: int) -> None:
    """A file that says that an impossible value is honest, and a good one."""
    column, value, _ = IMPOSSIBLE[number]
    rows = factories.records(6, f"untrue {number}", **HONEST)
    held = rows.with_columns(pl.when(pl.col("sequence") == 4).then(value).otherwise(pl.col(column)).alias(column))
    (folder / "untrue.parquet").write_bytes(with_footer_of(rows, held))
    factories.write(factories.records(6, f"good {number}"), folder / "good.parquet")


for place in range(len(IMPOSSIBLE)):
    TOGETHER.add(f"untrue {place}", partial(untrue, number=place))


@pytest.mark.parametrize(("number", "column", "reason"), [(number, column, why) for number, (column, _, why) in enumerate(IMPOSSIBLE)])
def test_statistics_of_a_file_are_not_believed(number: int, column: str, reason: str, loaded: Loaded) -> None:
    warehouse = loaded[f"untrue {number}"]
    assert least(warehouse.roots[0] / "untrue.parquet", column) == HONEST[column]
    assert warehouse.status == 1
    assert warehouses.rejects(warehouse) == [(5, column, reason)]
    found = warehouses.rows(warehouse, "select run_id, prompts from runs order by all").rows()
    assert found == [(f"good {number}", 6), (f"untrue {number}", 5)]


def test_no_row_is_lost_to_statistics(tmp_path: Path, warehouse: Path) -> None:
    """The footer says that the run is another one: a join that looked at it would find no row."""
    said, held = factories.records(6, "run-a", **HONEST), factories.records(6, "run-b", **HONEST)
    (tmp_path / "untrue.parquet").write_bytes(with_footer_of(said, held))
    assert warehouses.ingest(tmp_path, into=warehouse).status == 0
    assert warehouses.rows(warehouse, "select run_id, prompts from runs").rows() == [("run-b", 6)]


def test_pages_that_bench_writes_have_checksums_and_a_flipped_bit_is_named(tmp_path: Path, warehouse: Path) -> None:
    sink = PartSink(tmp_path)
    for index in range(40):
        sink.add(factories.record("sound", index))
    sink.flush()
    (part,) = sink.parts()
    assert pl.read_parquet(part).equals(factories.records(40, "sound"))
    assert warehouses.ingest(part, into=warehouse).lines[0].accepted == 40
    content, footer = part.read_bytes(), pq.read_metadata(part)
    broken = tmp_path / "broken.parquet"
    for place in range(footer.num_columns):
        column = footer.row_group(0).column(place)
        start = min(column.data_page_offset, column.dictionary_page_offset or column.data_page_offset)
        flipped = bytearray(content)
        flipped[start + column.total_compressed_size - 1] ^= 1
        broken.write_bytes(flipped)
        with pytest.raises(Unreadable, match=f"a page of the column {column.path_in_schema} differs from its checksum"):
            checksums.verify(broken, footer)
    line = warehouses.ingest(broken, into=tmp_path / "other.duckdb").lines[0]
    assert (line.state, line.why) == ("unreadable", "is damaged: a page of the column environment differs from its checksum")


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_pages_that_are_not_all_there_are_named(cut: int, tmp_path: Path) -> None:
    """A footer that speaks of bytes which the file no longer has, or has elsewhere."""
    path = factories.write(factories.records(40, "sound"), tmp_path / "sound.parquet")
    footer, content = pq.read_metadata(path), path.read_bytes()
    path.write_bytes(content[cut:])
    with pytest.raises(Unreadable, match=r"holds no whole pages|differs from its checksum"):
        checksums.verify(path, footer)


def test_a_run_that_cannot_be_summed_is_named_and_the_others_are_loaded(
    tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a value had passed the checks that DuckDB cannot add up: the file goes, and what its run had before stays."""
    early = factories.records(8, "odd").head(4)
    factories.write(early, tmp_path / "early.parquet")
    warehouses.ingest(tmp_path, into=warehouse)
    factories.write(factories.records(8, "odd").tail(4), tmp_path / "late.parquet")
    factories.write(factories.records(6, "good"), tmp_path / "good.parquet")

    def statement(name: str) -> str:
        text = statements.statement(name)
        refused = "from judged where case when run_id = 'odd' and prompts > 4 then error('too much') else true end"
        return text.replace("from judged", refused) if name == "runs" else text

    monkeypatch.setattr(derive, "statement", statement)
    report = warehouses.ingest(tmp_path, into=warehouse)
    states = {line.path: (line.state, line.why) for line in report.lines}
    assert states["good.parquet"] == ("loaded", "")
    assert states["late.parquet"][0] == "unreadable"
    assert "has rows of the run odd, which cannot be summed" in states["late.parquet"][1]
    assert warehouses.rows(warehouse, "select run_id, prompts from runs order by all").rows() == [("good", 6), ("odd", 4)]
    assert warehouses.rows(warehouse, "select count(*) from requests").item() == 10


def test_answers_of_any_length_are_evened(tmp_path: Path) -> None:
    """A prompt and its answer may together have more tokens than a column of either holds."""
    longest = {"input_tokens": 2**31 - 1, "output_tokens": 2**31 - 1, "max_new_tokens": 2**31 - 1}
    factories.write(factories.records(2, "both", **longest), tmp_path / "both.parquet")
    factories.write(factories.records(1, "one", **longest), tmp_path / "one.parquet")
    assert warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb").status == 0
    found = warehouses.rows(tmp_path / "w.duckdb", "select measured_total_tokens / measured as each from evened")["each"].to_list()
    assert found == [2**32 - 2] * 2
