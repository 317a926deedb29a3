"""What a meter is, and what it gives for one window: joules, or None with the reason; never 0, never a guess."""

import math
from dataclasses import dataclass

from prompt_joules.bench.meter.counters import MeterError
from prompt_joules.bench.meter.gpu import State

IDLE_SECONDS = 3.0
"""How long a run measures idle power, and active idle power, before its first window (s)."""


class UnknownEdges(MeterError):
    """Edges are `aligned` or `plain`."""


class WindowNotOpen(MeterError):
    """`end()` was called without `begin()`."""


class WindowOpen(MeterError):
    """`begin()` was called while a window was open: the first one would be lost."""


class SharedGpu(UserWarning):
    """Another process has work on the measured GPU: its joules are counted too."""


@dataclass(frozen=True)
class Reading(State):
    """What one window used, and the state of the measured GPUs right after it."""

    energy_j: float | None = None  # GPU energy, J; None if it could not be measured
    edge_j: float | None = None  # half-width of the part of its error that is this window's own, J
    calibration: float | None = None  # the part that all windows of the meter have in common, relative
    reason: str | None = None  # why the energy is None
    cpu_energy_j: float | None = None  # CPU package energy, J; not part of `energy_j`
    dram_energy_j: float | None = None  # memory energy, J; not part of `energy_j`

    @property
    def error_j(self) -> float | None:
        """Half-width of the whole error bar, J: the window's own part and the common one are independent of each other."""
        if self.energy_j is None or self.edge_j is None:
            return None
        return math.hypot(self.edge_j, (self.calibration or 0.0) * self.energy_j)


class Meter:
    """Measures windows: `begin()`, the response, device synchronized, `end()`. The methods here are those of a meter without a counter."""

    source: str  # the `energy_source` column
    edges: str | None  # `plain`, `aligned`, or None without a counter
    calibration: float | None  # the part of the error that all windows have in common, relative; None without a counter
    reason: str | None  # why this meter cannot give joules; None if it can
    gpu_model: str | None  # name of the GPU; names joined by " + " if they differ
    num_gpus: int  # GPUs whose energy is summed; 0 without a GPU
    # cpu_source, dram_source, host_reason: the same for CPU and memory.
    cpu_source: str
    dram_source: str
    host_reason: str | None

    def power_w(self, seconds: float) -> float | None:
        """Mean power over at least so many seconds, W: idle power while the GPU is idle. None if it cannot be measured."""
        return None

    def begin(self) -> None:
        """Open a window. May wait for a step of the counter: start the latency clock after it."""
        raise NotImplementedError

    def end(self) -> Reading:
        """Close the window; call it right after the device is synchronized, with the latency already taken."""
        raise NotImplementedError

    def read_j(self) -> float | None:
        """The counter now, summed over the GPUs, J; None if it cannot be read. It may be called while a window is open, from any thread."""
        return None

    def restart(self) -> None:
        """Begin the balance anew: what was measured so far, to warm up, is no part of the run."""

    def environment(self) -> dict[str, object]:
        """State of the devices now, and who else uses them."""
        raise NotImplementedError

    def cards(self) -> frozenset[str]:
        """The hashed numbers of the GPUs that are measured, which tell cards apart; empty where they say none."""
        return frozenset()

    def close(self) -> dict[str, object]:
        """The balance of the session, or {} without a counter."""
        return {}


def join_names(names: tuple[str, ...]) -> str | None:
    """One name if all are the same, else each kind once, joined; None without GPUs."""
    return " + ".join(dict.fromkeys(names)) or None


def check_edges(edges: str) -> str:
    """The edges, if they are known. Raises UnknownEdges."""
    if edges not in ("aligned", "plain"):
        raise UnknownEdges(f"--edges {edges}: use aligned or plain")
    return edges
