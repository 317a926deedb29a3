"""Files that are written whole or not at all, and ids that sort by time."""

import contextlib
import os
import secrets
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def uuid7() -> str:
    """A UUID version 7 (RFC 9562): 48 bits of Unix time in ms, then random bits; ids sort by time of making."""
    value = (time.time_ns() // 1_000_000 & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the name `path` at the end of the block, so that a reader, or a crash, sees the old file or the whole new one.

    Raises:
        OSError: the file cannot be written; nothing is left behind under either name.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # another command may be writing the same file
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    make_names_durable(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Put `data` at `path`; as `replacing`."""
    with replacing(path) as file:
        file.write(data)


def make_names_durable(folder: Path) -> None:
    """Make the names in a folder durable. Windows cannot open a folder and keeps its names durable by itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
