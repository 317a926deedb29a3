"""Parts on disk: whole or not there, whatever kills the process."""

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from prompt_joules.bench import errors, record
from prompt_joules.bench.run.sink import SCHEMA, PartSink, to_frame


def row(number: int) -> dict[str, Any]:
    return {"prompt_id": f"p{number}", "repetition": 0, "sequence": number, "started_at": datetime.now(UTC)}


def test_schema_is_the_contract() -> None:
    assert list(SCHEMA) == list(record.NAMES)
    assert to_frame([row(0)]).schema["itl_s"] == pl.List(pl.Float32)


def test_column_outside_the_contract_is_refused() -> None:
    with pytest.raises(KeyError, match="joules"):
        to_frame([row(0) | {"joules": 1.0}])


def test_part_by_count(tmp_path: Path) -> None:
    sink = PartSink(tmp_path, rows_per_part=2)
    for number in range(5):
        sink.add(row(number))
    assert [pl.read_parquet(path).height for path in sink.parts()] == [2, 2]
    sink.flush()
    sink.flush()
    assert [path.name for path in sink.parts()] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert sink.done() == {(f"p{number}", 0) for number in range(5)}


def test_part_by_age(tmp_path: Path) -> None:
    now = [0.0]
    sink = PartSink(tmp_path, rows_per_part=100, seconds_per_part=60, clock=lambda: now[0])
    sink.add(row(0))
    now[0] = 59.0
    sink.add(row(1))
    assert not sink.parts()
    now[0] = 60.0
    sink.add(row(2))
    assert pl.read_parquet(sink.parts()[0]).height == 3


def test_later_sink_goes_on_with_the_next_number(tmp_path: Path) -> None:
    for number in range(2):
        sink = PartSink(tmp_path, rows_per_part=1)
        sink.add(row(number))
    assert [path.name for path in sink.parts()] == ["part-00000.parquet", "part-00001.parquet"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_keeps_the_rows_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    sink = PartSink(tmp_path)
    sink.add(row(0))

    def full(handle: int) -> None:
        raise OSError(number, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(errors.DiskFull, match="full"):
            sink.flush()
    assert not list(tmp_path.iterdir())
    sink.flush()
    assert sink.done() == {("p0", 0)}


def test_gaps_between_tokens_are_split_by_byte_and_come_back(tmp_path: Path) -> None:
    gaps = [0.00119 + 1e-6 * (number % 7) for number in range(500)]
    sink = PartSink(tmp_path)
    sink.add(row(0) | {"itl_s": gaps})
    sink.flush()
    (part,) = sink.parts()
    columns = pq.ParquetFile(part).metadata.row_group(0)
    encodings = {columns.column(at).path_in_schema: columns.column(at).encodings for at in range(columns.num_columns)}
    assert "BYTE_STREAM_SPLIT" in encodings["itl_s.list.element"]
    assert "RLE_DICTIONARY" in encodings["model_id"]
    assert pl.read_parquet(part)["itl_s"].to_list() == [pl.Series(gaps, dtype=pl.Float32).to_list()]


def test_foreign_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"not parquet")
    with pytest.raises(errors.RunUnreadable, match=r"part-00000\.parquet"):
        PartSink(tmp_path).done()


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from prompt_joules.bench.run.sink import PartSink
from tests.unit.bench.test_sink import row
sink = PartSink(Path(sys.argv[1]), rows_per_part=2)
for number in range(2):
    sink.add(row(number))
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
for number in range(2, 4):
    sink.add(row(number))
"""


def test_kill_in_the_middle_of_a_part_leaves_no_half_part(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".*.tmp"))) == 1, "the kill came in the middle of writing"
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["part-00000.parquet"]
    sink = PartSink(tmp_path)
    assert sink.done() == {("p0", 0), ("p1", 0)}
    assert not list(tmp_path.glob(".*.tmp"))
    sink.add(row(2))
    sink.flush()
    assert sink.parts()[-1].name == "part-00001.parquet"
