"""Joules of one response, or None with the reason: never 0, never a guess.

A counter shows energy in steps (100 ms on an H100), so reading it before and after a short response is wrong by up to a
step's worth. With *aligned* edges the meter waits for a step before the response (t0, E0), lets it run, takes the time
at its end (t1), and waits for the next step (t2, E2) and one more (t3, E3); the energy from t1 to t2 is taken off at
the power seen from t2 to t3:

    E = E2 − E0 − (E3 − E2) / (t3 − t2) · (t2 − t1)

Neither wait is part of the latency. *Plain* edges read before and after. What this module does not know: whether the
counter itself is right; it is the driver's. Several GPUs are summed, each aligned to its own steps.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.books import Books
from bench.conditions import (
    Conditions,
    Host,
    HostEnergy,
    NoConditions,
    NvmlConditions,
    ZeusConditions,
    no_host,
    open_host,
)
from bench.counters import (
    Counter,
    CounterLost,
    CounterUnavailable,
    MeterError,
    NoSuchGpu,
    open_apple_counter,
    open_zeus_counter,
)
from bench.edges import Reader, Step, aligned_energy, plain_bound_j
from bench.replay import ReplayCounter, load_trace

SHORTEST_TIMEOUT_S = 1.0
STEPS_TO_TIMEOUT = 10.0
"""A counter that has not moved for ten steps, or a second, is stuck."""


class UnknownEdges(MeterError):
    """Edges are `aligned` or `plain`."""


class WindowNotOpen(MeterError):
    """`end()` was called without `begin()`."""


class SharedGpu(UserWarning):
    """Another process has work on the measured GPU: its joules are counted too."""


@dataclass(frozen=True)
class Reading:
    """What one window used.

    Attributes:
        energy_j: GPU energy, J; None if it could not be measured.
        error_j: half-width of its error bar, J.
        reason: why the energy is None.
        cpu_energy_j: CPU package energy, J; not part of `energy_j`.
        dram_energy_j: memory energy, J; not part of `energy_j`.
        temperature_c: hottest GPU right after the window, °C.
        throttled: clocks were lowered for heat or power brake at the window's end.
    """

    energy_j: float | None = None
    error_j: float | None = None
    reason: str | None = None
    cpu_energy_j: float | None = None
    dram_energy_j: float | None = None
    temperature_c: float | None = None
    throttled: bool | None = None


class Meter(Protocol):
    """Measures windows: `begin()`, the response, device synchronized, `end()`.

    Attributes:
        source: the `energy_source` column.
        edges: `plain`, `aligned`, or None without a counter.
        reason: why this meter cannot give joules; None if it can.
        gpu_model: name of the GPU; names joined by " + " if they differ.
        num_gpus: how many are summed; 0 without a GPU.
        cpu_source, dram_source, host_reason: the same for CPU and memory.
    """

    source: str
    edges: str | None
    reason: str | None
    gpu_model: str | None
    num_gpus: int
    cpu_source: str
    dram_source: str
    host_reason: str | None

    def idle_power_w(self, seconds: float) -> float | None:
        """Mean power over at least so many seconds, W; call it while the GPU is idle. None if it cannot be measured."""
        ...

    def begin(self) -> None:
        """Open a window. May wait for a step of the counter: start the latency clock after it."""
        ...

    def end(self) -> Reading:
        """Close the window; call it right after the device is synchronized, with the latency already taken."""
        ...

    def read_j(self) -> float | None:
        """The counter now, summed over the GPUs, J; None if it cannot be read. Safe beside an open window, from any thread."""
        ...

    def environment(self) -> dict[str, object]:
        """State of the devices now, and who else uses them."""
        ...

    def close(self) -> dict[str, object]:
        """The run's books, or {} without a counter."""
        ...


@dataclass(frozen=True)
class _Window:
    """An open window: when it began, and per device the last step before it (or the plain reading)."""

    begun_s: float
    host: HostEnergy
    starts: tuple[Step, ...] = ()
    waiting_w: tuple[float | None, ...] = ()
    failure: str | None = None


class CounterMeter:
    """Measures with a counter: real, replayed or simulated.

    Opening it takes one to two seconds, to learn the counter's step.

    Args:
        counter: what to read.
        edges: `aligned` or `plain`.
        conditions: the state of the GPUs.
        host: the counters of CPU and memory.
        clock, sleep: seconds; replaced in tests.

    Raises:
        UnknownEdges: edges are neither.
        CounterLost: the counter does not move.
    """

    reason: str | None = None
    edges: str | None

    def __init__(
        self,
        counter: Counter,
        edges: str = "aligned",
        *,
        conditions: Conditions | None = None,
        host: Host | None = None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        host = host or no_host("CPU and memory are not measured with this counter")
        self.source = counter.source
        self.edges: str | None = check_edges(edges)
        self.gpu_model, self.num_gpus = join_names(counter.gpu_models), len(counter.gpu_models)
        self.cpu_source, self.dram_source, self.host_reason = host.cpu_source, host.dram_source, host.reason
        self._host, self._conditions = host, conditions or NoConditions()
        self._reader = Reader(counter, clock, sleep)
        self.steps = self._reader.detect()
        self._timeout_s = max(SHORTEST_TIMEOUT_S, STEPS_TO_TIMEOUT * self.steps.step_s)
        first_j = sum(counter.read_j())
        self._books = Books(first_j, first_j)
        self._window: _Window | None = None

    def idle_power_w(self, seconds: float) -> float | None:
        """Mean power from one step to another, `seconds` or more apart, summed over the GPUs, W.

        None if the counter fails.
        """
        try:
            first = [moves[-1] for moves in self._reader.steps(1, self._timeout_s)]
            self._reader.sleep(seconds)
            last = [moves[-1] for moves in self._reader.steps(1, self._timeout_s)]
        except CounterLost:
            return None
        if any(b.energy_j < a.energy_j for a, b in zip(first, last, strict=True)):
            return None
        return sum((b.energy_j - a.energy_j) / (b.t_s - a.t_s) for a, b in zip(first, last, strict=True))

    def begin(self) -> None:
        """Open a window; with aligned edges, right after a step.

        A counter that fails is told by `end()`, so that the response still runs.
        """
        try:
            starts, waiting_w = self._aligned_start() if self.edges == "aligned" else self._plain_start()
            failure = None
        except CounterLost as error:
            starts, waiting_w, failure = (), (), str(error)
        host = self._host.read()
        self._window = _Window(self._reader.clock(), host, starts, waiting_w, failure)

    def _aligned_start(self) -> tuple[tuple[Step, ...], tuple[float | None, ...]]:
        """The last step of each device.

        Several GPUs step at different times, so their power while waiting is measured too.
        """
        if self.num_gpus == 1:
            return (self._reader.steps(1, self._timeout_s)[0][-1],), (None,)
        pairs = [(moves[-2], moves[-1]) for moves in self._reader.steps(2, self._timeout_s)]
        return tuple(b for _, b in pairs), tuple((b.energy_j - a.energy_j) / (b.t_s - a.t_s) for a, b in pairs)

    def _plain_start(self) -> tuple[tuple[Step, ...], tuple[float | None, ...]]:
        now_s, values = self._reader.clock(), self._reader.counter.read_j()
        return tuple(Step(now_s, 0.0, value) for value in values), (None,) * len(values)

    def end(self) -> Reading:
        """Close the window. With aligned edges this waits for two steps, up to 0.2 s on an H100.

        Raises WindowNotOpen.
        """
        ended_s = self._reader.clock()
        window, self._window = self._window, None
        if window is None:
            raise WindowNotOpen("end() without begin(): a window is opened by begin() and closed once")
        host = self._host.read().since(window.host)
        state = self._conditions.state()
        self._books.throttled_windows += bool(state.throttled)
        self._books.power_capped_windows += bool(state.power_capped)
        try:
            if window.failure is not None:
                raise CounterLost(window.failure)
            energy_j, error_j = self._aligned_end(window, ended_s) if self.edges == "aligned" else self._plain_end(window, ended_s)
        except CounterLost as error:
            self._books.lose_window(str(error))
            return Reading(None, None, str(error), host.cpu_j, host.dram_j, state.temperature_c, state.throttled)
        return Reading(energy_j, error_j, None, host.cpu_j, host.dram_j, state.temperature_c, state.throttled)

    def _aligned_end(self, window: _Window, ended_s: float) -> tuple[float, float]:
        found = self._reader.steps(2, self._timeout_s)
        if any(moves[0].energy_j < start.energy_j for moves, start in zip(found, window.starts, strict=True)):
            raise CounterLost("the energy counter went back during the response: it was reset")
        parts = [
            aligned_energy(start, window.begun_s, ended_s, moves[0], moves[1], steps=self.steps, waiting_w=waiting_w)
            for start, moves, waiting_w in zip(window.starts, found, window.waiting_w, strict=True)
        ]
        energy_j, tail_j = sum(part.energy_j for part in parts), sum(part.tail_j for part in parts)
        if energy_j <= 0:
            raise CounterLost(f"the response took {ended_s - window.begun_s:.4f} s: too short for this counter to resolve")
        end_j = sum(moves[0].energy_j for moves in found) - tail_j
        self._books.open_window(end_j - energy_j)
        self._books.close_window(energy_j, end_j, tail_j)
        return energy_j, sum(part.error_j for part in parts)

    def _plain_end(self, window: _Window, ended_s: float) -> tuple[float, float]:
        values = self._reader.counter.read_j()
        gained = [value - start.energy_j for value, start in zip(values, window.starts, strict=True)]
        if min(gained) < 0:
            raise CounterLost("the energy counter went back during the response: it was reset")
        duration_s = ended_s - window.begun_s
        if min(gained) == 0:
            raise CounterLost(f"the counter did not move in the {duration_s:.4f} s of the response (its step is {self.steps.step_s:.3f} s)")
        self._books.open_window(sum(start.energy_j for start in window.starts))
        self._books.close_window(sum(gained), sum(values))
        bound_j = sum(plain_bound_j(part, duration_s, self.steps.step_s) + self.steps.resolution_j for part in gained)
        return sum(gained), bound_j

    def read_j(self) -> float | None:
        """The counter now, summed over the GPUs, J; None if it fails."""
        try:
            return sum(self._reader.counter.read_j())
        except CounterLost:
            return None

    def environment(self) -> dict[str, object]:
        """GPUs, counter and sharing, for the `environment` column.

        Warns (SharedGpu) when another process uses a measured GPU.
        """
        others = self._conditions.other_processes()
        if others:
            warnings.warn(f"{others} other process(es) on the measured GPU: their joules are counted too", SharedGpu, stacklevel=2)
        counter = {"source": self.source, "edges": self.edges, **asdict(self.steps)}
        return {
            "gpus": self._conditions.snapshot(),
            "counter": counter,
            "other_processes": others,
            "gpu_shared": None if others is None else others > 0,
        }

    def close(self) -> dict[str, object]:
        """The books.

        `counter_j`, `windows_j`, `gaps_j`, `tails_j` in J, `ratio`, counts of windows, `step_s`, and notes of what went
        wrong.
        """
        try:
            last_j: float | None = sum(self._reader.counter.read_j())
        except CounterLost:
            last_j = None
        return {**self._books.close(last_j), **asdict(self.steps)}


class AbsentMeter:
    """No joules of a GPU, and why. CPU and memory are still counted where they can be.

    Args:
        reason: why the energy is None, as stored in every row.
        host: the counters of CPU and memory.
        gpu_models: GPUs that are there but have no counter.
    """

    source = "none"
    edges: str | None = None

    def __init__(self, reason: str, host: Host | None = None, gpu_models: tuple[str, ...] = ()) -> None:
        host = host or no_host(reason)
        self.reason: str | None = reason
        self.gpu_model, self.num_gpus = join_names(gpu_models), len(gpu_models)
        self.cpu_source, self.dram_source, self.host_reason = host.cpu_source, host.dram_source, host.reason
        self._host = host
        self._begun: HostEnergy | None = None

    def idle_power_w(self, seconds: float) -> float | None:
        """None: there is no counter."""
        return None

    def begin(self) -> None:
        """Open a window."""
        self._begun = self._host.read()

    def end(self) -> Reading:
        """Close the window: no GPU energy, with the reason. Raises WindowNotOpen."""
        if self._begun is None:
            raise WindowNotOpen("end() without begin(): a window is opened by begin() and closed once")
        host, self._begun = self._host.read().since(self._begun), None
        return Reading(reason=self.reason, cpu_energy_j=host.cpu_j, dram_energy_j=host.dram_j)

    def read_j(self) -> float | None:
        """None: there is no counter."""
        return None

    def environment(self) -> dict[str, object]:
        """Nothing but the reason."""
        return {"gpus": [], "counter": None, "other_processes": None, "gpu_shared": None, "reason": self.reason}

    def close(self) -> dict[str, object]:
        """No books."""
        return {}


def join_names(names: tuple[str, ...]) -> str | None:
    """One name if all are the same, else each kind once, joined; None without GPUs."""
    return " + ".join(dict.fromkeys(names)) or None


def check_edges(edges: str) -> str:
    """The edges, if they are known. Raises UnknownEdges."""
    if edges not in ("aligned", "plain"):
        raise UnknownEdges(f"--edges {edges}: use aligned or plain")
    return edges


def open_meter(device: str, edges: str = "aligned", replay: Path | None = None) -> Meter:
    """The meter of a device; call it before the model is loaded.

    Args:
        device: `cpu`, `mps`, `cuda` (the first GPU), `cuda:1`, `cuda:0,1`, `cuda:all`, or `server` (all GPUs of this
            host).
        edges: `aligned` or `plain`.
        replay: a recorded counter to play instead, see `bench.replay.load_trace`.

    Returns:
        A meter that gives joules, or one that gives the reason why it cannot.

    Raises:
        MigEnabled, NoSuchGpu, UnknownEdges, ReplayFileBroken: the run should not start.
    """
    check_edges(edges)
    if replay is not None:
        return CounterMeter(ReplayCounter(load_trace(replay)), edges)
    host = open_host(device)
    if device.startswith("cpu"):
        return AbsentMeter("the model ran on a CPU: there is no GPU energy", host)
    try:
        counter, conditions = _open_counter(device)
    except CounterUnavailable as error:
        return AbsentMeter(str(error), host, error.gpu_models)
    try:
        return CounterMeter(counter, edges, conditions=conditions, host=host)
    except CounterLost as error:
        return AbsentMeter(str(error), host, counter.gpu_models)


def _open_counter(device: str) -> tuple[Counter, Conditions]:
    if device.startswith("mps"):
        return open_apple_counter(), NoConditions()
    try:
        counter, gpus = open_zeus_counter(device)
    except NoSuchGpu as error:
        if device == "server":
            raise CounterUnavailable(f"no GPU on this host: {error}") from error
        raise
    return counter, _conditions_of(counter.source, gpus)


def _conditions_of(source: str, gpus: list[Any]) -> Conditions:
    return NvmlConditions([gpu.handle for gpu in gpus]) if source == "nvml-counter" else ZeusConditions(gpus)
