"""Joules of one response, or None with the reason: never 0, never a guess.

A counter shows energy in steps (100 ms on an H100), so reading it before and after a short response is wrong by up to a
step's worth. With *aligned* edges the meter waits for a step before the response (ts, E0), lets it run from t0 to t1, and waits for the
next step that is at least `SETTLE_S` away (t2, E2) and one more (t3, E3); what the waiting device used before t0 and after t1 is taken off
at the power w seen from t2 to t3:

    E = E2 − E0 − w · ((t2 − t1) + (t0 − ts)),    w = (E3 − E2) / (t3 − t2)

Neither wait is part of the latency. *Plain* edges read before and after. What this module does not know: whether the
counter itself is right; it is the driver's. Several GPUs are summed, each aligned to its own steps.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from prompt_joules.bench.meter.counters import Counter, CounterLost
from prompt_joules.bench.meter.edges import ALIGNED_BIAS, SETTLE_S, Reader, Step, aligned_energy, plain_bound_j
from prompt_joules.bench.meter.gpu import Conditions, cards_of
from prompt_joules.bench.meter.host import Host, HostEnergy, no_host
from prompt_joules.bench.meter.reading import Meter, Reading, SharedGpu, WindowNotOpen, WindowOpen, check_edges, join_names

SHORTEST_TIMEOUT_S = 1.0
STEPS_TO_TIMEOUT = 10.0
"""A counter that has not moved for ten steps, or a second, is stuck."""
READS_TO_BLUNT = 5
"""Two reads that are more than a step and five usual pauses apart do not tell when the counter moved."""


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


@dataclass(frozen=True)
class _Window:
    """An open window: when it began, and per device the last step before it (or the plain reading)."""

    begun_s: float
    host: HostEnergy
    starts: tuple[Step, ...] = ()
    waiting_w: tuple[float | None, ...] = ()
    failure: str | None = None


class CounterMeter(Meter):
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
        self.calibration: float | None = ALIGNED_BIAS if edges == "aligned" else 0.0
        self.gpu_model, self.num_gpus = join_names(counter.gpu_models), len(counter.gpu_models)
        self.cpu_source, self.dram_source, self.host_reason = host.cpu_source, host.dram_source, host.reason
        self._host, self._conditions = host, conditions or Conditions()
        self._reader = Reader(counter, clock, sleep)
        self.steps = self._reader.detect()
        self._reader.usual_s = READS_TO_BLUNT * self.steps.poll_gap_s
        self._reader.sharp_s = self.steps.step_s + self._reader.usual_s
        self._timeout_s = max(SHORTEST_TIMEOUT_S, STEPS_TO_TIMEOUT * self.steps.step_s)
        first_j = sum(counter.read_j())
        self._balance = Balance(first_j, first_j)
        self._window: _Window | None = None

    def power_w(self, seconds: float) -> float | None:
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

    def restart(self) -> None:
        """Begin the balance anew. If the counter does not answer, the old balance goes on, and the next windows count as lost in it."""
        first_j = self.read_j()
        if first_j is not None:
            self._balance = Balance(first_j, first_j)

    def begin(self) -> None:
        """Open a window; with aligned edges, right after a step.

        `end()` reports a counter that fails, so that the response still runs. Raises WindowOpen.
        """
        if self._window is not None:
            raise WindowOpen("begin() while a window is open: end() it first")
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
        """Close the window. With aligned edges this waits for two steps, up to 0.25 s on an H100.

        Raises WindowNotOpen.
        """
        ended_s = self._reader.clock()
        window, self._window = self._window, None
        if window is None:
            raise WindowNotOpen("end() without begin(): a window is opened by begin() and closed once")
        host = self._host.read().since(window.host)
        state = self._conditions.state()
        self._balance.throttled_windows += bool(state.throttled)
        self._balance.power_capped_windows += bool(state.power_capped)
        energy_j: float | None
        edge_j: float | None
        reason: str | None = None
        try:
            if window.failure is not None:
                raise CounterLost(window.failure)
            energy_j, edge_j = self._aligned_end(window, ended_s) if self.edges == "aligned" else self._plain_end(window, ended_s)
        except CounterLost as error:
            self._balance.lose_window(str(error))
            energy_j, edge_j, reason = None, None, str(error)
        return Reading(
            energy_j=energy_j,
            edge_j=edge_j,
            calibration=self.calibration,
            reason=reason,
            cpu_energy_j=host.cpu_j,
            dram_energy_j=host.dram_j,
            **asdict(state),
        )

    def _aligned_end(self, window: _Window, ended_s: float) -> tuple[float, float]:
        found = self._reader.steps(2, self._timeout_s, ended_s + SETTLE_S)
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
        self._balance.open_window(end_j - energy_j)
        self._balance.close_window(energy_j, end_j, tail_j)
        return energy_j, sum(part.error_j for part in parts)

    def _plain_end(self, window: _Window, ended_s: float) -> tuple[float, float]:
        values = self._reader.counter.read_j()
        gained = [value - start.energy_j for value, start in zip(values, window.starts, strict=True)]
        if min(gained) < 0:
            raise CounterLost("the energy counter went back during the response: it was reset")
        duration_s = ended_s - window.begun_s
        if min(gained) == 0:
            raise CounterLost(f"the counter did not move in the {duration_s:.4f} s of the response (its step is {self.steps.step_s:.3f} s)")
        self._balance.open_window(sum(start.energy_j for start in window.starts))
        self._balance.close_window(sum(gained), sum(values))
        bound_j = sum(plain_bound_j(part, duration_s, self.steps.step_s) + self.steps.resolution_j for part in gained)
        return sum(gained), bound_j

    def read_j(self) -> float | None:
        """The counter now, summed over the GPUs, J; None if it fails."""
        try:
            return sum(self._reader.counter.read_j())
        except CounterLost:
            return None

    def cards(self) -> frozenset[str]:
        """The hashed numbers of the GPUs; empty where they say none."""
        return cards_of(self._conditions.snapshot())

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
        """The balance of the session.

        `counter_j`, `windows_j`, `gaps_j`, `tails_j` in J, `ratio`, counts of windows, `step_s`, and notes of what went
        wrong.
        """
        return {**self._balance.close(self.read_j()), **asdict(self.steps)}
