"""Files made to do harm, and files that change under the reader: each is named, the others load."""

import io
import os
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from prompt_joules.ingest import find
from prompt_joules.ingest.__main__ import main
from prompt_joules.ingest.formats import records
from prompt_joules.ingest.formats.base import Source
from tests import factories, warehouses

GOOD = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good run."""
    factories.write(factories.records(GOOD), tmp_path / "in" / "good.parquet")
    return tmp_path / "in"


def states(folder: Path, warehouse: Path) -> dict[str, tuple[str, str]]:
    report = warehouses.ingest(folder, into=warehouse)
    assert warehouses.rows(warehouse, "select count(*) from requests where run_id = 'run-1'").item() == GOOD
    assert main(["check", "--warehouse", str(warehouse)]) == 0
    return {Path(line.path).name: (line.state, line.why) for line in report.lines}


def test_a_bomb_that_says_so(folder: Path, tmp_path: Path) -> None:
    """300 rows of a text of 2 MB: 600 MB that pack into a few kilobytes."""
    table = pa.table({"run_id": ["r"], "prompt_id": ["p"], "prompt_text": ["0" * 2_000_000]})
    options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
    with pq.ParquetWriter(folder / "bomb.parquet", table.schema, **options) as writer:
        for _ in range(300):
            writer.write_table(table)
    assert (folder / "bomb.parquet").stat().st_size < 1_000_000
    state, why = states(folder, tmp_path / "w.duckdb")["bomb.parquet"]
    assert state == "unreadable"
    assert why.startswith("unpacks from") and why.endswith("it is not read")


def test_a_bomb_in_a_dictionary(folder: Path, tmp_path: Path) -> None:
    """One text of 2 MB that 20,000 rows point to: the footer says 2 MB, the rows are 40 GB."""
    rows = factories.records(1, "bomb")
    many = pl.concat([rows] * 20_000).with_row_index("n")
    many = many.with_columns(pl.format("p{}", pl.col("n")).alias("prompt_id"), pl.col("n").cast(pl.Int32).alias("sequence")).drop("n")
    table = many.drop("prompt_text").to_arrow()
    indices = pa.array([0] * table.num_rows, pa.int32())
    texts = pa.DictionaryArray.from_arrays(indices, pa.array(["0" * 2_000_000]))
    pq.write_table(table.append_column("prompt_text", texts), folder / "bomb.parquet", compression="zstd", dictionary_pagesize_limit=2**23)
    assert (folder / "bomb.parquet").stat().st_size < 3_000_000
    state, why = states(folder, tmp_path / "w.duckdb")["bomb.parquet"]
    assert state == "unreadable" and "to 40," in why


def test_ten_thousand_columns(folder: Path, tmp_path: Path) -> None:
    extra = {f"c{number}": [1.0] for number in range(10_000)}
    pl.DataFrame({"run_id": ["r"], "prompt_id": ["p"], **extra}).write_parquet(folder / "wide.parquet")
    state, why = states(folder, tmp_path / "w.duckdb")["wide.parquet"]
    assert state == "unreadable"
    assert why.startswith("has 10002 columns")


def test_ten_thousand_columns_of_a_csv(folder: Path, tmp_path: Path) -> None:
    names = ["model", "throughput", "response_length", "latency", "energy", *(f"c{number}" for number in range(10_000))]
    (folder / "A40_chat_benchmark.csv").write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert states(folder, tmp_path / "w.duckdb")["A40_chat_benchmark.csv"][0] == "foreign"


def test_deep_and_broken_json(folder: Path, tmp_path: Path) -> None:
    (folder / "deep.json").write_text("[" * 200_000)
    (folder / "half.json").write_text('{"run_id": "r", "sessions": [')
    (folder / "zero.json").write_bytes(b'{"run_id": \x00}')
    found = states(folder, tmp_path / "w.duckdb")
    # Python 3.14 has room for such a depth, and comes to where the file is cut off.
    cut_off = "is no whole JSON: it is cut off (line 1, byte 200,000)"
    deep = {"is JSON that is nested too deeply"} | ({cut_off} if sys.version_info >= (3, 14) else set())
    assert found["deep.json"][0] == "unreadable" and found["deep.json"][1] in deep
    assert found["half.json"] == ("unreadable", "is no whole JSON: it is cut off (line 1, byte 29)")
    assert found["zero.json"] == ("unreadable", "is no whole JSON: invalid character (line 1, byte 11)")


def test_text_that_is_too_large_is_not_read(folder: Path, tmp_path: Path) -> None:
    for name, start in (("large.csv", b"a,b\n"), ("large.json", b"{")):
        with (folder / name).open("wb") as file:
            file.write(start)
            file.truncate(2**30)
    found = states(folder, tmp_path / "w.duckdb")
    assert {found[name] for name in ("large.csv", "large.json")} == {
        ("unreadable", "has 1,073,741,824 bytes; a text file may have 536,870,912")
    }


def test_a_file_that_changes_while_it_is_read(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader sees the old content; a writer replaces it before the rows are committed. Nothing of it may stay."""
    path = factories.write(factories.records(12, "moving"), folder / "moving.parquet")
    later = io.BytesIO()
    factories.records(13, "moving").write_parquet(later)
    load = records.load_fit

    def load_and_change(connection: object, sources: list[Source]) -> object:
        loaded = load(connection, sources)
        if any(source.path == path for source in sources):
            path.write_bytes(later.getvalue())
        return loaded

    with monkeypatch.context() as patch:
        patch.setattr(records, "load_fit", load_and_change)
        state, why = states(folder, tmp_path / "w.duckdb")["moving.parquet"]
    assert (state, why) == ("unreadable", "changed while it was read; run the same command again")
    assert warehouses.rows(tmp_path / "w.duckdb", "select count(*) from requests where run_id = 'moving'").item() == 0
    assert warehouses.ingest(folder, into=tmp_path / "w.duckdb").status == 0
    assert warehouses.rows(tmp_path / "w.duckdb", "select count(*) from requests where run_id = 'moving'").item() == 13


def test_a_change_that_sets_size_and_time_back(folder: Path) -> None:
    path = folder / "good.parquet"
    before, times = find.stamp(path), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=times)
    assert find.stamp(path) != before


def test_a_file_that_may_not_be_read(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe.parquet")
    state, why = states(folder, tmp_path / "w.duckdb")["pipe.parquet"]
    assert (state, why) == ("unreadable", "is not a regular file")


def test_an_old_warehouse_names_the_command_that_rebuilds_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file whose tables are those of another version: refused, untouched, and the printed command makes a new one."""
    import duckdb

    monkeypatch.chdir(tmp_path)
    connection = duckdb.connect("old.duckdb")
    connection.execute("create table meta (schema_version integer, project_version varchar); insert into meta values (1, '0.0.9')")
    connection.execute("create table requests (run_id varchar)")
    connection.close()
    before = Path("old.duckdb").read_bytes()
    assert main(["in", "--warehouse", "old.duckdb"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "old.duckdb has schema version 1" in said
    assert Path("old.duckdb").read_bytes() == before
    command = said[said.index("python -m ingest ") :].split()[3:]
    assert command == ["warehouse/data", "--warehouse", "old.duckdb", "--rebuild"], "without `results`, which is not here"
    assert main(["in", *command[1:]]) == 0
    assert warehouses.rows(Path("old.duckdb"), "select count(*) from requests").item() == GOOD
