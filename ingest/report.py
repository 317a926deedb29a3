"""What an ingest did: one line a file. Files that could not be read stand in the warehouse, too, as rows of `rejects` without a number of a
file, until they are read or gone: every ingest looks at them again, so what is noted is what the last one found.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import duckdb

from prompt_joules.ingest.statements import statement

Say = Callable[[str], None]
Step = Callable[[int, int], None]


@dataclass(frozen=True)
class Line:
    """One file in the final report: what became of it. `state` is loaded, known, foreign or unreadable."""

    path: str
    format: str
    state: str
    accepted: int = 0
    rejected: int = 0
    why: str = ""


@dataclass
class Report:
    """What an ingest did."""

    lines: list[Line] = field(default_factory=list)  # one per file
    seconds: float = 0.0  # wall clock
    changed: bool = False  # whether a new warehouse was put in place

    @property
    def refused(self) -> dict[str, str]:
        """Files that could not be read, and why."""
        return {line.path: line.why for line in self.lines if line.state == "unreadable"}

    @property
    def status(self) -> int:
        """Exit status: 1 when a row or a whole file was refused, else 0."""
        return int(any(line.rejected or line.state == "unreadable" for line in self.lines))


def refused_before(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name of a file → why it was refused, as the warehouse has it."""
    return dict(connection.execute(statement("refused")).fetchall())


def refused_now(
    before: Mapping[str, str], looked: Collection[str], found: Mapping[str, str], is_gone: Callable[[str], bool]
) -> dict[str, str]:
    """What should be noted after an ingest.

    Args:
        before: what is noted.
        looked: names of all files that this ingest looked at.
        found: those of them that it refused, and why.
        is_gone: whether a file is known to exist no longer.
    """
    kept = {name: why for name, why in before.items() if name not in looked and not is_gone(name)}
    return kept | dict(found)


def write_refused(connection: duckdb.DuckDBPyConnection, refused: Mapping[str, str]) -> None:
    """Note these files and no others."""
    connection.execute("delete from rejects where file_id is null")
    for name, why in sorted(refused.items()):
        connection.execute("insert into rejects (path, reason) values ($1, $2)", [name, why])
