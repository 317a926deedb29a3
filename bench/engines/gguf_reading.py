"""GGUF files, read once and quickly: what their reader does for every string and every layer is done once, or cheaply."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

READER: Any = gguf.GGUFReader


def _held(reader: Any) -> Any:
    return reader.__dict__["data"]


def _hold_plain(reader: Any, mapped: Any) -> None:
    """The mapped file as an ordinary array: each slice of a `memmap` costs ten times as much, and the words of a tokenizer are slices."""
    reader.__dict__["data"] = np.asarray(mapped)


@functools.lru_cache(maxsize=1)
def _read(path: str, changed_ns: int, size: int) -> Any:
    return READER(path)


def read(path: str | Path) -> Any:
    """The reader of a file, kept until `forget`: transformers asks for one for the configuration (twice), the tokenizer and the weights.

    Raises:
        OSError: there is no such file.
        ValueError: it is no GGUF.
    """
    about = Path(path).stat()
    return _read(str(path), about.st_mtime_ns, about.st_size)


def forget() -> None:
    """Let go of the reader that is kept, and of its memory: a tokenizer of 128,000 words holds some 100 MB."""
    _read.cache_clear()


@contextlib.contextmanager
def quick_reading(gguf_file: str | None) -> Iterator[None]:
    """While the block runs, GGUF files are read once, sliced as plain arrays, and the table of tensor names is made once, not once a layer.

    Where no GGUF file is named nothing is changed.
    """
    if gguf_file is None:
        yield
        return
    reader, made, before = gguf.GGUFReader, gguf.get_tensor_name_map, vars(READER).get("data")
    READER.data = property(_held, _hold_plain)
    gguf.GGUFReader, gguf.get_tensor_name_map = read, functools.cache(made)
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.get_tensor_name_map = reader, made
        if before is None:
            del READER.data
        else:
            READER.data = before
