"""The SQL of the ingest: files of named blocks in `ingest/sql/`, one file a topic.

A line `-- name: records_insert` begins a block; it ends where the next one begins. Names are unique over all files.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"
NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class BadStatements(Exception):
    """Two blocks have one name, or none has the name that is asked for."""


def statement(name: str) -> str:
    """The text of a block. Raises BadStatements."""
    if name not in blocks():
        raise BadStatements(f"No file in {SQL} has a block `-- name: {name}`.")
    return blocks()[name]


@cache
def blocks() -> Mapping[str, str]:
    """Name → text of all blocks. Raises BadStatements."""
    found: dict[str, str] = {}
    for path in sorted(SQL.glob("*.sql")):
        _, *parts = NAME.split(path.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise BadStatements(f"{path}: a block `-- name: {name}` is in another file, too.")
            found[name] = text.strip()
    return found
