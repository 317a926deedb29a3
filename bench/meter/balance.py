"""The balance of a run: does the counter's gain equal the windows plus the gaps between them?"""

from dataclasses import asdict, dataclass, field


@dataclass
class Balance:
    """The accounts of a run: what the counter gained, against windows and the gaps between them.

    A gap runs from the end of a window to the start of the next, read from the counter; it holds the tails that were
    taken off. A window that gave no joules is counted as lost and its energy is in neither sum, so the ratio falls
    below 1: the balance shows what is missing.
    """

    first_j: float
    mark_j: float | None
    windows_j: float = 0.0
    gaps_j: float = 0.0
    tails_j: float = 0.0
    windows: int = 0
    lost_windows: int = 0
    power_capped_windows: int = 0
    throttled_windows: int = 0
    notes: list[str] = field(default_factory=list)

    def open_window(self, start_j: float) -> None:
        """A window starts at this point of the counter; what came since the last one is a gap."""
        if self.mark_j is not None:
            self.gaps_j += start_j - self.mark_j

    def close_window(self, energy_j: float, end_j: float, tail_j: float = 0.0) -> None:
        """A window has these joules and ended at this point of the counter."""
        self.windows += 1
        self.windows_j += energy_j
        self.tails_j += tail_j
        self.mark_j = end_j

    def lose_window(self, note: str) -> None:
        """A window gave no joules."""
        self.windows += 1
        self.lost_windows += 1
        self.mark_j = None
        if note not in self.notes:
            self.notes.append(note)

    def close(self, last_j: float | None) -> dict[str, object]:
        """The totals in J, and `ratio` = (windows + gaps) / counter; None if the counter cannot be read any more."""
        if last_j is not None and self.mark_j is not None:
            self.gaps_j += last_j - self.mark_j
        counter_j = None if last_j is None or last_j <= self.first_j else last_j - self.first_j
        ratio = None if counter_j is None else (self.windows_j + self.gaps_j) / counter_j
        kept = {name: value for name, value in asdict(self).items() if name not in ("first_j", "mark_j")}
        return {"counter_j": counter_j, "ratio": ratio, **kept}
