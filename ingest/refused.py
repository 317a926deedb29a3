"""Files that could not be read at all, in the warehouse: rows of `rejects` without a number of a file, until the file is read or gone.

A file that is refused is looked at again by every ingest, so what is noted is what the last one that looked at it found.
"""

from collections.abc import Callable, Collection, Mapping

import duckdb

from prompt_joules.ingest.statements import statement


def noted(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name of a file → why it was refused, as the warehouse has it."""
    return dict(connection.execute(statement("refused")).fetchall())


def now(before: Mapping[str, str], looked: Collection[str], found: Mapping[str, str], is_gone: Callable[[str], bool]) -> dict[str, str]:
    """What should be noted after an ingest.

    Args:
        before: what is noted.
        looked: names of all files that this ingest looked at.
        found: those of them that it refused, and why.
        is_gone: whether a file is known to exist no longer.
    """
    kept = {name: why for name, why in before.items() if name not in looked and not is_gone(name)}
    return kept | dict(found)


def write(connection: duckdb.DuckDBPyConnection, refused: Mapping[str, str]) -> None:
    """Note these files and no others."""
    connection.execute("delete from rejects where file_id is null")
    for name, why in sorted(refused.items()):
        connection.execute(statement("reject"), {"file_id": None, "path": name, "row": None, "column": None, "reason": why})
