"""`python -m tests.merge_parts`: the parts of every shipped run that has several become one file, with the same rows in the same order.

A run is written in parts so that a crash loses little; a run that ships has no use for them. Gaps between tokens are most of a row, and are
half as large when their bytes are split by place.
"""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.warehouses import ROOT

MEASURED = ROOT / "warehouse/data/measured"
SPLIT = "itl_s"
HIGHEST_LEVEL = 19


def merged(parts: list[Path]) -> bytes:
    """One Parquet file with the rows of all parts, read back and compared with them.

    Raises:
        pyarrow.ArrowInvalid: a column has other types in other parts. One that is not in all parts is null there.
        ValueError: what was written is not what was read.
    """
    rows = pa.concat_tables((pq.read_table(part) for part in parts), promote_options="default").combine_chunks()
    split = [f"{name}.list.element" for name in (SPLIT,) if name in rows.column_names]
    buffer = io.BytesIO()
    pq.write_table(
        rows,
        buffer,
        compression="zstd",
        compression_level=HIGHEST_LEVEL,
        use_dictionary=[name for name in rows.column_names if name != SPLIT],
        use_byte_stream_split=split,
        write_page_checksum=True,
    )
    if not pq.read_table(io.BytesIO(buffer.getvalue())).equals(rows, check_metadata=True):
        raise ValueError(f"{parts[0].parent}: the merged rows differ from the parts")
    return buffer.getvalue()


def merge(folder: Path) -> int:
    """The parts of a run become its first part; bytes that this saves, 0 where there is but one."""
    parts = sorted(folder.glob("part-*.parquet"))
    if len(parts) < 2:
        return 0
    before, whole = sum(part.stat().st_size for part in parts), merged(parts)
    parts[0].write_bytes(whole)
    for part in parts[1:]:
        part.unlink()
    return before - len(whole)


if __name__ == "__main__":
    saved = sum(merge(run.parent) for run in sorted(MEASURED.glob("*/*/run.json")))
    print(f"{saved / 2**20:.1f} MiB less")
