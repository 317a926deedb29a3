"""The bar of a run: how far, how fast, how many joules so far, how much longer.

Why there are no joules is a sentence; it stands on a line of its own above the bar, which on 80 columns would cut it.
"""

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Tally:
    """Rows counted.

    Args:
        energy_reason: why there are no joules; None if there are.
        at_once: answers overlap, so speed is by the clock and not by the sum of the latencies.
    """

    def __init__(self, energy_reason: str | None, *, at_once: bool = False) -> None:
        self.energy_reason = energy_reason
        self._begun_s = time.perf_counter() if at_once else None
        self._window: tuple[Any, Any] | None = None
        self._window_s = 0.0
        self.rows = self.failed = self.unmeasured = self.tokens = 0
        self.seconds = self.joules = 0.0

    def add(self, row: dict[str, Any]) -> None:
        """Count a row."""
        self.rows += 1
        self.failed += row["status"] == "failed"
        self.unmeasured += row["status"] == "ok" and row.get("energy_j") is None
        self.tokens += row.get("output_tokens") or 0
        self._count_seconds(row)
        self.joules += row.get("energy_j") or 0.0

    def _count_seconds(self, row: dict[str, Any]) -> None:
        """Add the seconds of answering: by the clock where answers overlap freely, else the longest answer of each window."""
        if self._begun_s is not None:
            self.seconds = time.perf_counter() - self._begun_s
            return
        window = row.get("run_id"), row.get("window_id")
        if window != self._window or None in window[1:]:
            self._window, self._window_s = window, 0.0
        longest_s = max(self._window_s, row.get("latency_s") or 0.0)
        self.seconds += longest_s - self._window_s
        self._window_s = longest_s

    def rate_words(self) -> str:
        """Prompts and tokens per second of answering, all requests of a batch together; total over total."""
        if not self.seconds:
            return ""
        return f"{(self.rows - self.failed) / self.seconds:.2f} prompt/s, {self.tokens / self.seconds:.1f} token/s"

    def energy_words(self) -> str:
        """Joules so far, or why there are none."""
        if self.energy_reason is not None:
            return f"energy not measured: {self.energy_reason}"
        return f"{self.joules:,.0f} J"


class RunProgress(Tally):
    """A rich progress bar fed with rows.

    Args:
        console: where it is drawn.
        label: the tasks.
        done: rows that an earlier session wrote.
        total: rows of all.
        energy_reason, at_once: see Tally.
    """

    def __init__(self, console: Console, label: str, done: int, total: int, energy_reason: str | None, *, at_once: bool = False) -> None:
        super().__init__(energy_reason, at_once=at_once)
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None if console.is_terminal else 30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}", markup=False),
            TextColumn("{task.fields[energy]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            expand=console.is_terminal,
        )
        self._id = self._bar.add_task(label, total=total, completed=done, rate="", energy=self._short_energy())

    def __enter__(self) -> "RunProgress":
        if self.energy_reason is not None:
            self._console.print(self.energy_words(), soft_wrap=True, highlight=False)
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def add(self, row: dict[str, Any]) -> None:
        """Count a row and redraw."""
        super().add(row)
        rate = f"{self.tokens / self.seconds:.1f} token/s" if self.seconds else ""
        self._bar.update(self._id, advance=1, rate=rate, energy=self._short_energy())

    def _short_energy(self) -> str:
        return "no energy" if self.energy_reason is not None else self.energy_words()
