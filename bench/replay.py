"""Counters that need no GPU: a recorded trace played again, and a simulated GPU for exact tests.

Both have the interface of a real counter, so everything above the counter runs unchanged.
"""

import itertools
import json
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.counters import MJ_PER_J, CounterLost, MeterError


class ReplayFileBroken(MeterError):
    """A recorded trace that cannot be played: the text names the file and the fault."""


@dataclass(frozen=True)
class Trace:
    """A recorded counter.

    Attributes:
        gpu_models: one name per device.
        points: per device, (seconds, mJ) pairs; time rises, the counter never falls.
    """

    gpu_models: tuple[str, ...]
    points: tuple[tuple[tuple[float, float], ...], ...]


def load_trace(path: Path) -> Trace:
    """Read a trace: `{"gpu_models": ["name"], "traces": [[[t_s, energy_mj], ...]]}`, one trace per device.

    Raises:
        ReplayFileBroken: missing, not JSON, not such a trace, or with NaN or Infinity in it (Python's JSON reads those).
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        models = tuple(str(name) for name in raw["gpu_models"])
        points = tuple(tuple((float(t_s), float(mj)) for t_s, mj in trace) for trace in raw["traces"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReplayFileBroken(f"{path}: not a recorded counter: {type(error).__name__}: {error}") from error
    if not models or len(models) != len(points):
        raise ReplayFileBroken(f"{path}: {len(models)} gpu_models but {len(points)} traces; one each")
    for trace in points:
        if not all(math.isfinite(number) for point in trace for number in point):
            raise ReplayFileBroken(f"{path}: a trace holds a number that is not finite")
        if len(trace) < 2 or any(b[0] <= a[0] or b[1] < a[1] for a, b in itertools.pairwise(trace)):
            raise ReplayFileBroken(f"{path}: a trace needs two points or more, rising in time, never falling in mJ")
    return Trace(models, points)


class ReplayCounter:
    """Plays a recorded counter against the clock, from its first point, again and again.

    After the last point the trace starts over and goes on counting from the value reached, so that a run may be longer
    than the recording.

    Args:
        trace: what was recorded.
        clock: seconds, monotonic.
    """

    source: str = "replay"

    def __init__(self, trace: Trace, clock: Callable[[], float] = time.perf_counter) -> None:
        self._trace = trace
        self._clock = clock
        self._started_s = clock()
        self.gpu_models = trace.gpu_models

    def read_j(self) -> tuple[float, ...]:
        """Energy since the start of the replay, in J, one value per device."""
        elapsed_s = self._clock() - self._started_s
        return tuple(_energy_mj(points, elapsed_s) / MJ_PER_J for points in self._trace.points)


def _energy_mj(points: Sequence[tuple[float, float]], elapsed_s: float) -> float:
    (first_s, first_mj), (last_s, last_mj) = points[0], points[-1]
    rounds, within_s = divmod(elapsed_s, last_s - first_s)
    index = bisect_right(points, within_s + first_s, key=lambda point: point[0]) - 1
    return rounds * (last_mj - first_mj) + points[max(index, 0)][1] - first_mj


class SimulatedCounter:
    """GPUs whose power is known exactly, with a clock that moves only when told: the truth that tests compare with.

    Each device's counter shows the energy up to its last step, rounded down to mJ, as a real one does.

    Args:
        idle_w: power of each device while nothing runs.
        step_s: the counter's step.
        phase_s: when each device's first step falls.
        read_s: how long one read of the counters takes.
        lag_s: time constant with which the counter follows the power (a first-order filter); no energy is lost by it.
    """

    source: str = "simulated"

    def __init__(
        self,
        idle_w: Sequence[float] = (78.0,),
        step_s: float = 0.1,
        phase_s: Sequence[float] = (0.03,),
        read_s: float = 20e-6,
        lag_s: float = 0.0,
    ) -> None:
        self.idle_w = tuple(idle_w)
        self._seen_w = list(idle_w)
        self._lag_s = lag_s
        self.gpu_models = ("Simulated GPU",) * len(self.idle_w)
        self.now_s = 0.0
        self.true_j = [0.0] * len(self.idle_w)
        self.shown_j = [0.0] * len(self.idle_w)
        self.lost_at_s = float("inf")
        self.stuck_at_s = float("inf")
        self.reset_at_s = float("inf")
        self._step_s = step_s
        self._next_step_s = list(phase_s)
        self._read_s = read_s

    def clock(self) -> float:
        """Simulated seconds."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass at idle power."""
        self.work(seconds, self.idle_w)

    def work(self, seconds: float, power_w: Sequence[float]) -> None:
        """Let time pass at the given power, in W, one value per device."""
        end_s = self.now_s + seconds
        for device, watts in enumerate(power_w):
            at_s = self.now_s
            while self._next_step_s[device] <= end_s:
                step_s = self._next_step_s[device]
                self._use(device, watts, step_s - at_s)
                at_s = step_s
                self._next_step_s[device] = step_s + self._step_s
                if step_s < self.stuck_at_s:
                    behind_j = self._lag_s * (self._seen_w[device] - self.idle_w[device])
                    self.shown_j[device] = self.true_j[device] - behind_j
            self._use(device, watts, end_s - at_s)
        self.now_s = end_s

    def _use(self, device: int, watts: float, seconds: float) -> None:
        self.true_j[device] += watts * seconds
        kept = math.exp(-seconds / self._lag_s) if self._lag_s else 0.0
        self._seen_w[device] = watts + (self._seen_w[device] - watts) * kept

    def read_j(self) -> tuple[float, ...]:
        """The counters as a driver shows them, in J. Raises CounterLost from `lost_at_s` on."""
        self.sleep(self._read_s)
        if self.now_s >= self.lost_at_s:
            raise CounterLost("the GPU's energy counter stopped answering: GPU is lost")
        offset_j = 1e6 if self.now_s >= self.reset_at_s else 0.0
        return tuple(int(value * MJ_PER_J) / MJ_PER_J - offset_j for value in self.shown_j)
