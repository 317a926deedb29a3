"""Figures of a run for other people's trackers while it goes on.

They get numbers between two measured windows, and never inside one. What was not measured is left out and is not 0. A tracker that fails
is left alone from then on, with a sentence: the run and its files do not depend on it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run import trackers
from prompt_joules.bench.run.progress import Tally
from prompt_joules.bench.run.trackers import Log, Setup

OF_A_ROW = ("energy_j", "latency_s", "ttft_s", "input_tokens", "output_tokens")


class Totals:
    """Sums over the answers of one session of a run.

    Args:
        at_once: answers overlap, so that power is by the clock.
    """

    def __init__(self, *, at_once: bool) -> None:
        self._all, self._measured = Tally(None, at_once=at_once), Tally(None, at_once=at_once)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row."""
        self._all.add(dict(row))
        if row.get("energy_j") is not None:
            self._measured.add(dict(row))

    def figures(self) -> dict[str, float]:
        """Answers, failures and tokens; of the measured answers their energy (J), J/token (sum over sum) and mean power (W)."""
        known, counted = self._measured, self._all
        found = {"answers": float(counted.rows - counted.failed), "failed": float(counted.failed), "output_tokens": float(counted.tokens)}
        if not known.rows:
            return found
        ratios = {"energy_per_token_j": known.tokens, "power_w": known.seconds}
        return found | {"energy_j": known.joules} | {name: known.joules / over for name, over in ratios.items() if over}


def of_row(row: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one answer. Power is not that of an answer whose window others share."""
    found = {name: float(row[name]) for name in OF_A_ROW if row.get(name) is not None}
    if "energy_j" in found and found.get("output_tokens"):
        found["energy_per_token_j"] = found["energy_j"] / found["output_tokens"]
    if "energy_j" in found and found.get("latency_s") and row.get("energy_attribution") == "exclusive":
        found["power_w"] = found["energy_j"] / found["latency_s"]
    return found


@dataclass
class Logs:
    """The trackers of a command."""

    console: Console  # where it is said that one has failed
    logs: dict[str, Log]  # those that work, by name
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, what: Callable[[Log], None]) -> None:
        """Tell all trackers; one that raises anything is left alone from then on. From any thread."""
        with self._one_at_a_time:
            for name, log in list(self.logs.items()):
                try:
                    what(log)
                except Exception as error:  # other people's code and networks: a measurement must not end by them
                    del self.logs[name]
                    self.console.print(f"{name} gets no more figures ({type(error).__name__}: {error}); the run goes on.", soft_wrap=True)


class RunLog:
    """The trackers, told of one session of work on one run."""

    def __init__(self, logs: Logs, setup: Setup, *, at_once: bool) -> None:
        self._logs, self._totals = logs, Totals(at_once=at_once)
        self._setup = {name: setup[name] for name in trackers.SETUP if setup.get(name) is not None}
        logs.tell(lambda log: log.begin(self._setup))

    def add(self, row: Mapping[str, Any]) -> None:
        """A row was written."""
        if not self._logs.logs:
            return
        self._totals.add(row)
        figures, total = of_row(row), self._totals.figures()
        self._logs.tell(lambda log: log.add(self._setup, figures, total, row["sequence"]))

    def end(self, how: str) -> None:
        """The session is over."""
        self._logs.tell(lambda log: log.end(self._setup, self._totals.figures(), how))


@contextlib.contextmanager
def opened(config: RunConfig, console: Console) -> Iterator[Logs]:
    """The trackers that a command asks for. Raises BadOption: the port of --metrics-port is taken."""
    made: dict[str, Log] = {name: trackers.KINDS[name]() for name in config.log}
    if config.metrics_port is not None:
        made["prometheus"] = trackers.Prometheus(config.metrics_host, config.metrics_port)
    logs = Logs(console, made)
    try:
        yield logs
    finally:
        logs.tell(lambda log: log.close())
