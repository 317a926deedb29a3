"""Empty warehouses for tests are copies: making one costs 0.12 s of CPU, most of it for comments on columns, copying it 0.02 s."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from prompt_joules.warehouse import create

made = create.empty
"""The real thing, of which all are copies."""


def template(folder: Path) -> None:
    """Make the one that is copied."""
    with duckdb.connect(folder / "empty.duckdb") as connection:
        made(connection)


@contextmanager
def copied(path: Path) -> Iterator[None]:
    """In this process, while the block runs, an empty warehouse with keys is a copy of the one at `path`.

    DuckDB 1.5 makes each anew: it would copy macros in a syntax that it has given up.
    """

    def copy(connection: duckdb.DuckDBPyConnection, *, keys: bool = True, comments: bool = True) -> None:
        if not (keys and comments):
            made(connection, keys=keys, comments=comments)
            return
        ((name,),) = connection.execute("select current_database()").fetchall()
        target = '"' + name.replace('"', '""') + '"'
        connection.execute(f"attach '{path}' as made_before (read_only); copy from database made_before to {target}; detach made_before")

    with pytest.MonkeyPatch.context() as patch:
        if not duckdb.__version__.startswith("1."):
            patch.setattr(create, "empty", copy)
        yield
