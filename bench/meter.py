"""Joules around one response: from an energy counter that moves in steps to a number with an error bar.

A counter such as NVML's shows the energy up to its last step (every 100 ms on an H100). Two ways to meet that:

- plain: read before and after. Each edge can be off by the energy of one step.
- aligned: start just after a step (t0, E0); after the response (t1) read on to the next step (t2, E2) and one more (t3, E3);
  the tail between t1 and t2 is taken off at the power of the step that follows it:
  E = E2 − E0 − (E3 − E2) / (t3 − t2) · (t2 − t1). The waits belong to no latency.

What it does not know: how the counter itself is calibrated, and what happened between two of its steps.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from bench import conditions as surroundings
from bench import counters
from bench.counters import Counter, CounterLost, CounterUnavailable
from bench.replay import ReplayCounter, load_trace

POLL_S = 0.0005
"""Pause between two looks at the counter while waiting for a step."""
DETECT_S = 1.5
"""How long the counter is watched at the start of a run to find its step."""
STUCK_STEPS = 20
"""A counter that has not moved for this many steps is taken as lost."""
ALIGNED_SPREAD = 0.006
"""Standard deviation of an aligned window over its value. Source: the truth test in docs/measurement.md."""
SIGMAS = 2.0
"""An error bar is this many standard deviations wide on each side."""


@dataclass(frozen=True)
class Reading:
    """What one window gave.

    Attributes:
        energy_j: GPU energy of the window, J; None when it is not known.
        error_j: half-width of its error bar, J.
        reason: why energy_j is None.
        cpu_energy_j, dram_energy_j: energy outside the GPU, J; None where not counted.
        temperature_c: hottest GPU at the end.
        throttled: clocks lowered for heat or power brake, at the start or the end.
    """

    energy_j: float | None = None
    error_j: float | None = None
    reason: str | None = None
    cpu_energy_j: float | None = None
    dram_energy_j: float | None = None
    temperature_c: float | None = None
    throttled: bool | None = None


class Meter(Protocol):
    """Measures windows. `begin` may wait before the response, `end` after it; neither wait is part of a latency."""

    source: str
    edges: str | None
    reason: str | None
    gpu_model: str | None
    num_gpus: int
    cpu_source: str
    dram_source: str
    host_reason: str | None

    def idle_power_w(self, seconds: float) -> float | None:
        """Mean power of all measured GPUs while nothing runs, W."""

    def begin(self) -> None:
        """Open a window."""

    def end(self) -> Reading:
        """Close it; called right after the device was synchronized."""

    def environment(self) -> dict[str, object]:
        """State of the measured devices, for the run's `environment`."""

    def close(self) -> dict[str, object]:
        """The run's books."""


class AbsentMeter:
    """No counter: every window is null, with the reason.

    Args:
        reason: why there are no joules.
        gpu_models: names of GPUs that are there but have no counter.
        host: counters of CPU and memory, which may be there all the same.
    """

    source = "none"
    edges: str | None = None

    def __init__(self, reason: str, gpu_models: tuple[str, ...] = (), host: surroundings.Host | None = None) -> None:
        self.reason: str | None = reason
        self.gpu_model = _one_name(gpu_models)
        self.num_gpus = len(gpu_models)
        self._host = host or surroundings.no_host("not looked for")
        self.cpu_source, self.dram_source = self._host.cpu_source, self._host.dram_source
        self.host_reason = self._host.reason
        self._before = surroundings.HostEnergy()

    def idle_power_w(self, seconds: float) -> float | None:
        """None."""
        return None

    def begin(self) -> None:
        """Only CPU and memory counters are read."""
        self._before = self._host.read()

    def end(self) -> Reading:
        """Null, with the reason."""
        used = self._host.read().since(self._before)
        return Reading(reason=self.reason, cpu_energy_j=used.cpu_j, dram_energy_j=used.dram_j)

    def environment(self) -> dict[str, object]:
        """Why there is no counter."""
        return {"energy_reason": self.reason}

    def close(self) -> dict[str, object]:
        """No books."""
        return {}


@dataclass(frozen=True)
class Step:
    """The moment each device's counter moved, and what it then showed: seconds and J, one value per device."""

    at_s: tuple[float, ...]
    energy_j: tuple[float, ...]


class CounterMeter:
    """Measures windows with an energy counter.

    Args:
        counter: what is read.
        edges: "plain" or "aligned".
        conditions: temperature, throttling, other processes.
        host: counters of CPU and memory.
        clock: seconds, monotonic.
        sleep: lets seconds pass.

    Raises:
        CounterUnavailable: the counter does not move.
    """

    def __init__(
        self,
        counter: Counter,
        edges: str = "aligned",
        conditions: surroundings.Conditions | None = None,
        host: surroundings.Host | None = None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._counter, self._clock, self._sleep = counter, clock, sleep
        self._conditions = conditions or surroundings.NoConditions()
        self._host = host or surroundings.no_host("not looked for")
        self.source = counter.source
        self.edges: str | None = edges
        self.reason: str | None = None
        self.gpu_model, self.num_gpus = _one_name(counter.gpu_models), len(counter.gpu_models)
        self.cpu_source, self.dram_source = self._host.cpu_source, self._host.dram_source
        self.host_reason = self._host.reason
        self.step_s, self.resolution_j = self._detect()
        self._opened_j = counter.read_j()
        self._books = Books(sum(self._opened_j))
        self._lost: str | None = None

    def _detect(self) -> tuple[float, float]:
        """The counter's step: seconds between two moves of the slowest device, and the smallest move in J."""
        moves: list[list[tuple[float, float]]] = [[] for _ in range(self.num_gpus)]
        shown = self._counter.read_j()
        until_s = self._clock() + DETECT_S
        while self._clock() < until_s:
            self._sleep(POLL_S)
            now_s, values = self._clock(), self._counter.read_j()
            for device, (before, after) in enumerate(zip(shown, values, strict=True)):
                if after != before:
                    moves[device].append((now_s, after - before))
            shown = values
        if any(len(device) < 3 for device in moves):
            raise CounterUnavailable(f"the energy counter moved fewer than three times in {DETECT_S} s", self._counter.gpu_models)
        gaps = [statistics.median(later[0] - earlier[0] for earlier, later in pairwise(device)) for device in moves]
        return max(gaps), min(abs(jump) for device in moves for _, jump in device)

    def _next_step(self) -> Step:
        """Wait until every device's counter has moved. Raises CounterLost when one does not."""
        start = self._counter.read_j()
        at_s: list[float | None] = [None] * len(start)
        energy_j = list(start)
        until_s = self._clock() + STUCK_STEPS * self.step_s
        while None in at_s:
            if self._clock() > until_s:
                raise CounterLost(f"the energy counter has not moved for {STUCK_STEPS * self.step_s:.1f} s")
            self._sleep(POLL_S)
            values, now_s = self._counter.read_j(), self._clock()
            for device, value in enumerate(values):
                if at_s[device] is None and value != start[device]:
                    at_s[device], energy_j[device] = now_s, value
        return Step(tuple(moment for moment in at_s if moment is not None), tuple(energy_j))

    def _edge(self) -> Step:
        """The counter now: at its next step (aligned) or as it stands (plain)."""
        if self.edges == "aligned":
            return self._next_step()
        values = self._counter.read_j()
        return Step((self._clock(),) * len(values), values)

    def idle_power_w(self, seconds: float) -> float | None:
        """Mean power over about `seconds`, from step to step, W; None if the counter is lost."""
        try:
            first = self._next_step()
            self._sleep(seconds)
            last = self._next_step()
        except CounterLost:
            return None
        return sum(
            (after - before) / (end_s - start_s)
            for before, after, start_s, end_s in zip(first.energy_j, last.energy_j, first.at_s, last.at_s, strict=True)
        )

    def begin(self) -> None:
        """Open a window; with aligned edges, just after a step."""
        self._lost = None
        self._state = self._conditions.state()
        try:
            self._start = self._edge()
        except CounterLost as error:
            self._lost = str(error)
            self._books.lose()
        else:
            self._books.gap_ends(sum(self._start.energy_j))
        self._host_before = self._host.read()
        self._began_s = self._clock()

    def end(self) -> Reading:
        """Close the window; with aligned edges, after the two steps that follow it."""
        ended_s = self._clock()
        host = self._host.read().since(self._host_before)
        energy_j: float | None = None
        error_j: float | None = None
        state = surroundings.State()
        if self._lost is None:
            try:
                energy_j, error_j, state = self._aligned(ended_s) if self.edges == "aligned" else self._plain(ended_s)
                if energy_j < 0:
                    raise CounterLost("the energy counter fell during the response: it was reset")
                self._books.window(energy_j)
            except CounterLost as error:
                self._lost, energy_j, error_j = str(error), None, None
                self._books.lose()
        throttled = [flag for flag in (self._state.throttled, state.throttled) if flag is not None]
        return Reading(
            energy_j,
            error_j,
            self._lost,
            host.cpu_j,
            host.dram_j,
            state.temperature_c,
            any(throttled) if throttled else None,
        )

    def _plain(self, ended_s: float) -> tuple[float, float, surroundings.State]:
        last = self._counter.read_j()
        energy_j = sum(last) - sum(self._start.energy_j)
        # Up to one step may be missing from what was counted, so the power is taken over the shortest time it can stand for.
        power_w = energy_j / max(ended_s - self._began_s - self.step_s, self.step_s)
        return energy_j, self.step_s * power_w, self._conditions.state()

    def _aligned(self, ended_s: float) -> tuple[float, float, surroundings.State]:
        second = self._next_step()
        state = self._conditions.state()
        third = self._next_step()
        energy_j = 0.0
        tails_w = 0.0
        for device, (t2, e2, t3, e3) in enumerate(zip(second.at_s, second.energy_j, third.at_s, third.energy_j, strict=True)):
            tail_w = (e3 - e2) / (t3 - t2)
            tails_w += tail_w
            energy_j += e2 - self._start.energy_j[device] - tail_w * (t2 - ended_s)
        mean_w = energy_j / max(ended_s - self._began_s, POLL_S)
        spread_j = ((ALIGNED_SPREAD * energy_j) ** 2 + (POLL_S * abs(mean_w)) ** 2 + self.resolution_floor_j**2) ** 0.5
        return energy_j, SIGMAS * spread_j, state

    @property
    def resolution_floor_j(self) -> float:
        """The least an energy can be off: a counter counts whole mJ."""
        return 1e-3

    def environment(self) -> dict[str, object]:
        """Step, resolution, and the state of the GPUs; other processes on them are counted."""
        return {
            "counter_step_s": round(self.step_s, 5),
            "gpus": self._conditions.snapshot(),
            "other_gpu_processes": self._conditions.other_processes(),
        }

    def close(self) -> dict[str, object]:
        """Counter over the whole run against windows plus gaps, J, and their ratio."""
        try:
            closed_j = sum(self._counter.read_j())
        except CounterLost as error:
            return {"reason": str(error), "step_s": self.step_s}
        return self._books.closed(closed_j) | {
            "step_s": self.step_s,
            "other_gpu_processes": self._conditions.other_processes(),
        }


class Books:
    """Where the run's joules went: windows, the gaps between them, and what was lost with a lost window.

    Args:
        opened_j: the counter at the start of the run.
    """

    def __init__(self, opened_j: float) -> None:
        self._opened_j = opened_j
        self._mark_j: float | None = opened_j
        self._start_j = opened_j
        self.windows_j = self.gaps_j = 0.0

    def gap_ends(self, counter_j: float) -> None:
        """A window begins at this reading."""
        if self._mark_j is not None:
            self.gaps_j += counter_j - self._mark_j
        self._start_j = counter_j

    def window(self, energy_j: float) -> None:
        """A window has ended with this energy."""
        self.windows_j += energy_j
        self._mark_j = self._start_j + energy_j

    def lose(self) -> None:
        """A window's energy is not known: it is missing from the sum, so the ratio shows it."""
        self._mark_j = None

    def closed(self, counter_j: float) -> dict[str, object]:
        """counter_j, windows_j, gaps_j (J) and ratio (windows and gaps over the counter; None if it did not move)."""
        if self._mark_j is not None:
            self.gaps_j += counter_j - self._mark_j
        total_j = counter_j - self._opened_j
        return {
            "counter_j": total_j,
            "windows_j": self.windows_j,
            "gaps_j": self.gaps_j,
            "ratio": (self.windows_j + self.gaps_j) / total_j if total_j > 0 else None,
        }


def _one_name(names: tuple[str, ...]) -> str | None:
    return " + ".join(dict.fromkeys(names)) or None


def absent_meter(reason: str) -> AbsentMeter:
    """A meter that measures nothing and says why."""
    return AbsentMeter(reason)


def open_meter(device: str, edges: str = "aligned", replay: Path | None = None) -> Meter:
    """The best meter for a device.

    Args:
        device: cpu, cuda, cuda:1, cuda:0,1, cuda:all, server (every GPU of this host) or mps.
        edges: "plain" or "aligned".
        replay: a recorded counter instead of a device's, for tests.

    Raises:
        MigEnabled: the GPU is cut into slices.
        NoSuchGpu: the device name asks for a GPU that is not there.
        ReplayFileBroken: the recording cannot be played.
    """
    if replay is not None:
        return CounterMeter(ReplayCounter(load_trace(replay)), edges)
    host = surroundings.open_host(device)
    if device == "cpu":
        return AbsentMeter("the model runs on the CPU: there is no GPU energy to count", host=host)
    try:
        if device.startswith("mps"):
            return CounterMeter(counters.open_apple_counter(), edges, host=host)
        counter, gpus = counters.open_zeus_counter(device)
        nvidia = counter.source == "nvml-counter"
        state: surroundings.Conditions = (
            surroundings.NvmlConditions([gpu.handle for gpu in gpus]) if nvidia else surroundings.ZeusConditions(gpus)
        )
        return CounterMeter(counter, edges, state, host)
    except CounterUnavailable as error:
        return AbsentMeter(str(error), error.gpu_models, host)
    except CounterLost as error:
        return AbsentMeter(str(error), host=host)
