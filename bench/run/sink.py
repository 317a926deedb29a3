"""Rows to Parquet parts, so that a crash at any moment costs at most the rows since the last part.

A part is written under a temporary name, synced, then renamed; whatever has the name `part-NNNNN.parquet` is whole.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from prompt_joules.bench import errors, record
from prompt_joules.bench.files import write_atomically

SCHEMA: dict[str, Any] = record.polars_schema()


def to_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame of exactly the contract's columns; a column a row does not have is null.

    Raises:
        KeyError: a row has a column that the contract does not.
    """
    for row in rows:
        if unknown := row.keys() - SCHEMA.keys():
            raise KeyError(f"not in bench/record.py: {', '.join(sorted(unknown))}")
    return pl.DataFrame(rows, schema=SCHEMA)


def to_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a Parquet file whose pages have checksums, so that the ingest names a flipped bit instead of reading it.

    Gaps between tokens are most of a row: floats that seldom repeat, smaller with their bytes split by place than in a dictionary.
    """
    buffer = io.BytesIO()
    to_frame(rows).write_parquet(
        buffer,
        compression="zstd",
        use_pyarrow=True,
        pyarrow_options={
            "write_page_checksum": True,
            "use_dictionary": [name for name in SCHEMA if name != "itl_s"],
            "use_byte_stream_split": ["itl_s.list.element"],
        },
    )
    return buffer.getvalue()


@dataclass
class PartSink:
    """Appends rows to a run's folder as numbered parts."""

    folder: Path  # the run's folder; must exist
    rows_per_part: int = 64  # a part is written when this many rows wait
    seconds_per_part: float = 60.0  # or when the oldest waiting row is this old
    clock: Callable[[], float] = time.monotonic  # seconds

    def __post_init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []
        self._oldest_s = 0.0
        for stale in self.folder.glob(".*.tmp"):
            stale.unlink()
        self._next = 1 + max((int(path.stem.removeprefix("part-")) for path in self.parts()), default=-1)

    def parts(self) -> list[Path]:
        """The whole parts, in order."""
        return sorted(self.folder.glob("part-[0-9][0-9][0-9][0-9][0-9].parquet"))

    def done(self) -> set[tuple[str, int]]:
        """(prompt_id, repetition) of every row already in a part. Raises RunUnreadable."""
        keys: set[tuple[str, int]] = set()
        for path in self.parts():
            try:
                keys |= set(pl.read_parquet(path, columns=["prompt_id", "repetition"]).iter_rows())
            except (pl.exceptions.PolarsError, OSError) as error:
                raise errors.RunUnreadable(path, str(error)) from error
        return keys

    def answered(self) -> bool:
        """Whether a part holds an answer that did not fail."""
        return any((pl.read_parquet(path, columns=["status"])["status"] == "ok").any() for path in self.parts())

    def add(self, row: dict[str, Any]) -> None:
        """Take a row; write a part when it is time. Raises DiskFull, NotWritable."""
        if not self._waiting:
            self._oldest_s = self.clock()
        self._waiting.append(row)
        old = self.clock() - self._oldest_s >= self.seconds_per_part
        if old or len(self._waiting) >= self.rows_per_part:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait, if any, as one part. Raises DiskFull, NotWritable; the rows then still wait."""
        if not self._waiting:
            return
        part = to_parquet(self._waiting)
        with errors.writing(self.folder):
            write_atomically(self.folder / f"part-{self._next:05d}.parquet", part)
        self._next += 1
        self._waiting = []
