"""What an ingest did: one line a file."""

from collections.abc import Callable
from dataclasses import dataclass, field

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
