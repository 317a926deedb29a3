"""Arrow files and streams: read when they are whole, and damaged, compressed or vast ones refused by name."""

import random
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.front import columnar
from prompt_joules.ingest.front.content import Content
from prompt_joules.ingest.front.unpack import Unreadable
from tests import warehouses

ROWS = pa.table({"gpu": pa.array(["A", "B", "A"]).dictionary_encode(), "joules": [1.5, None, 3.0]})
MAPPING = """
columns: {energy_j: {column: mj, times: 0.001}, output_tokens: n, latency_s: s}
values: {run_id: lab, model_id: acme/tiny-1B, task: chat, energy_source: nvml-counter, gpu_model: X}
"""


def written(path: Path, table: pa.Table = ROWS, *, stream: bool = False, compression: str | None = None) -> Path:
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with path.open("wb") as file, new(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in table.to_batches(max_chunksize=2):
            writer.write_batch(batch)
    return path


@pytest.mark.parametrize("stream", [False, True])
def test_a_file_and_a_stream_have_the_same_rows(stream: bool, tmp_path: Path) -> None:
    content = Content.of(written(tmp_path / "a.arrow", stream=stream))
    assert (content.kind, content.columns, content.problem) == ("arrow", {"gpu", "joules"}, None)
    assert content.frame().with_columns(pl.col("gpu").cast(pl.String)).rows() == [("A", 1.5), ("B", None), ("A", 3.0)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_one_is_refused_before_it_is_unpacked(compression: str, stream: bool, tmp_path: Path) -> None:
    """40 MB of one letter are some kB when they are compressed; nothing of them is unpacked."""
    table = pa.table({"text": ["x" * 4_000_000] * 10})
    path = written(tmp_path / "a.arrow", table, stream=stream, compression=compression)
    before = pa.total_allocated_bytes()
    with pytest.raises(Unreadable, match="is a compressed Arrow file"):
        columnar.read(path, "arrow")
    assert path.stat().st_size < 400_000 and pa.total_allocated_bytes() - before < 4_000_000


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.arrow").read_bytes()
    for length in range(columnar.HEAD, len(whole), 7):
        (tmp_path / "b.arrow").write_bytes(whole[:length])
        with pytest.raises(Unreadable, match="is not a whole Arrow file"):
            Content.of(tmp_path / "b.arrow").frame()


def test_a_damaged_one_is_refused_by_name(tmp_path: Path) -> None:
    """Whatever bytes are changed; of 20,000 such files in one run none crashed."""
    whole = (warehouses.DATA / "exported" / "leaderboard.arrow").read_bytes()
    outcomes = set()
    for number in range(300):
        chance = random.Random(number)
        content = bytearray(whole)
        for place in chance.sample(range(chance.choice((200, len(whole)))), 3):
            content[place] = chance.randrange(256)
        (tmp_path / "a.arrow").write_bytes(content)
        found = Content.of(tmp_path / "a.arrow")
        try:
            outcomes.add(found.frame().shape if found.columnar else "other")
        except Unreadable as error:
            outcomes.add(str(error).split(" (")[0])
            assert found.columns or found.problem or not found.columnar
    assert {(8, 58), "is not a whole Arrow file"} <= outcomes


def test_a_file_that_is_gone_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        columnar.read(tmp_path / "a.arrow", "arrow")


def test_values_that_lie_outside_of_their_column_are_refused(tmp_path: Path) -> None:
    """A text that would end behind the end of the file."""
    content = written(tmp_path / "a.arrow", pa.table({"text": ["abcd"]})).read_bytes()
    place = content.index(b"abcd") - 4  # where the second of two offsets stands
    assert content[place : place + 4] == (4).to_bytes(4, "little")
    (tmp_path / "a.arrow").write_bytes(content[:place] + (2**30).to_bytes(4, "little") + content[place + 4 :])
    with pytest.raises(Unreadable, match="is not a whole Arrow file"):
        columnar.read(tmp_path / "a.arrow", "arrow")


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_more_rows_or_columns_than_a_table_may_have(kind: columnar.Columnar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.arrow")
    if kind == "parquet":
        pl.DataFrame({"a": [1, 2, 3], "b": [1, 2, 3]}).write_parquet(path)
    for name in ("MOST_ROWS", "MOST_COLUMNS"):
        with monkeypatch.context() as patch:
            patch.setattr(columnar, name, 1)
            with pytest.raises(Unreadable, match=r"has 2 columns and \d rows; such a file may have"):
                columnar.read(path, kind)


@pytest.mark.parametrize("kind", ["arrow", "parquet"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_time_that_python_does_not_know_costs_its_row(kind: columnar.Columnar, unit: str, tmp_path: Path) -> None:
    """Years 2026 and beyond 9999, where the unit reaches it: the first is read, the second is refused with its row."""
    second, farthest = {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit], 2**62
    times = pa.array([1_769_940_000 * second, farthest], pa.timestamp(unit, "UTC"))
    table = pa.table({"mj": [1500.0, 2500.0], "n": [3.0, 4.0], "s": [0.5, 0.25], "t": times})
    path = tmp_path / f"lab.{kind}"
    written(path, table) if kind == "arrow" else pl.DataFrame(table).write_parquet(path)
    (tmp_path / "m.yaml").write_text(MAPPING.replace("columns: {", "columns: {started_at: t, "))
    assert main([str(path), "--map", str(tmp_path / "m.yaml"), "--warehouse", str(tmp_path / "w.duckdb"), "--quiet"]) == 1
    found = warehouses.rows(tmp_path / "w.duckdb", "select started_at::varchar from requests").rows()
    assert found == [("2026-02-01 10:00:00+00",)]
    assert [row for row, *_ in warehouses.rejects(tmp_path / "w.duckdb")] == [2]


@pytest.mark.parametrize("stream", [False, True])
def test_a_table_in_arrow_is_mapped(stream: bool, tmp_path: Path) -> None:
    written(tmp_path / "lab.arrow", pa.table({"mj": [1500.0, 2500.0], "n": [3.0, 4.0], "s": [0.5, 0.25]}), stream=stream)
    (tmp_path / "m.yaml").write_text(MAPPING)
    asked = [str(tmp_path / "lab.arrow"), "--map", str(tmp_path / "m.yaml"), "--warehouse", str(tmp_path / "w.duckdb"), "--quiet"]
    assert main(asked) == 0
    found = warehouses.rows(tmp_path / "w.duckdb", "select energy_j, output_tokens from requests order by sequence").rows()
    assert found == [(1.5, 3), (2.5, 4)]


def test_a_foreign_arrow_file_in_a_folder_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    written(tmp_path / "in" / "a.arrow")
    report = warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    assert [(line.state, report.status) for line in report.lines] == [("foreign", 0)]
