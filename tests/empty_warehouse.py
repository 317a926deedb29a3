"""Empty warehouses for tests are copies: making one costs 0.12 s of CPU, most of it for comments on columns. Copying a file and opening it costs 5 ms more
than opening a new one; copying into a connection that is open, 0.02 s."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from prompt_joules.ingest import file
from prompt_joules.warehouse import create

made, built = create.empty, file._build
"""The real things, of which all are copies."""
OLDER = duckdb.__version__.startswith("1.")
"""DuckDB 1.5 would copy macros from one database to another in a syntax that it has given up: where a connection is open, it makes them anew."""


def template(folder: Path) -> None:
    """Make the one that is copied."""
    with duckdb.connect(folder / "empty.duckdb", config={"storage_compatibility_version": file.STORAGE}) as connection:
        made(connection)


@contextmanager
def copied(path: Path) -> Iterator[None]:
    """In this process, while the block runs, empty warehouses are copies of the one at `path`."""

    def copy(connection: duckdb.DuckDBPyConnection, *, keys: bool = True, comments: bool = True) -> None:
        if not (keys and comments):
            made(connection, keys=keys, comments=comments)
            return
        ((name,),) = connection.execute("select current_database()").fetchall()
        target = '"' + name.replace('"', '""') + '"'
        connection.execute(f"attach '{path}' as made_before (read_only); copy from database made_before to {target}; detach made_before")

    def build(*words: Any, fresh: bool, **more: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if fresh:
                patch.setattr(file, "copy", lambda _, building: shutil.copyfile(path, building))
            built(*words, fresh=False, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file, "_build", build)
        if not OLDER:
            patch.setattr(create, "empty", copy)
        yield
