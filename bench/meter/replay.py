"""A counter that needs no GPU: a recorded trace played again. It has the interface of a real one, so all above it runs unchanged."""

import itertools
import json
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prompt_joules.bench.meter.counters import MJ_PER_J, MeterError


class ReplayFileBroken(MeterError):
    """A recorded trace that cannot be played: the text names the file and the fault."""


@dataclass(frozen=True)
class Trace:
    """A recorded counter."""

    gpu_models: tuple[str, ...]  # one name per device
    points: tuple[tuple[tuple[float, float], ...], ...]  # per device, (seconds, mJ) pairs; time rises, the counter never falls


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


@dataclass
class ReplayCounter:
    """Plays a recorded counter against the clock, from its first point, again and again.

    After the last point the trace starts over and goes on counting from the value reached, so that a run may be longer
    than the recording.
    """

    trace: Trace  # what was recorded
    clock: Callable[[], float] = time.perf_counter  # seconds
    source: str = "replay"

    def __post_init__(self) -> None:
        self._started_s = self.clock()
        self.gpu_models = self.trace.gpu_models

    def read_j(self) -> tuple[float, ...]:
        """Energy since the start of the replay, in J, one value per device."""
        elapsed_s = self.clock() - self._started_s
        return tuple(_energy_mj(points, elapsed_s) / MJ_PER_J for points in self.trace.points)


def _energy_mj(points: Sequence[tuple[float, float]], elapsed_s: float) -> float:
    (first_s, first_mj), (last_s, last_mj) = points[0], points[-1]
    rounds, within_s = divmod(elapsed_s, last_s - first_s)
    index = bisect_right(points, within_s + first_s, key=lambda point: point[0]) - 1
    return rounds * (last_mj - first_mj) + points[max(index, 0)][1] - first_mj
