"""Empty warehouses for tests are copies of one file: making one costs 0.12 s of CPU, most of it for comments on columns. Copying the file
and opening it costs 5 ms more than opening a new one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from prompt_joules.ingest import file
from prompt_joules.warehouse import create

built = file._build
"""The real thing, which makes its own."""


def template(folder: Path) -> None:
    """Make the one that is copied."""
    with duckdb.connect(folder / "empty.duckdb", config={"storage_compatibility_version": file.STORAGE}) as connection:
        create.empty(connection)


@contextmanager
def copied(path: Path) -> Iterator[None]:
    """In this process, while the block runs, an ingest into a new file begins with a copy of the one at `path`."""

    def build(*words: Any, fresh: bool, **more: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if fresh:
                patch.setattr(file, "copy", lambda _, building: shutil.copyfile(path, building))
            built(*words, fresh=False, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "_build", build)
        yield
