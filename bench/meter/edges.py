"""The edges of a window: finding a counter's steps, and the energy between them.

The arithmetic of aligned and plain windows for one device, and the polling that finds the steps. `counter_meter.py` says
why.
"""

import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from prompt_joules.bench.meter.counters import MJ_PER_J, Counter, CounterLost

ALIGNED_SPREAD = 0.0103
"""One standard deviation of aligned windows, relative. Source: the truth test in `docs/measurement.md` (two H100 and two H200,
windows of 0.25 to 5 s): 0.08 to 1.03 %; the worst of them.
"""
SIGMAS = 2.0
"""Half-width of an aligned row's error bar, in standard deviations: about 95 %."""
ALIGNED_BIAS = 0.003
"""What aligned windows are off on average, relative: the largest of four cards in the same test. It is common to all windows of a card."""
SETTLE_S = 0.05
"""A step this soon after a window's end does not close it. On an H100 the counter lacks 1.5 to 2.3 J of the answer in the first 20 ms after
its end, 0.2 to 0.3 J between 40 and 80 ms (medians; `python -m tests.perf.tail`, `docs/measurement.md`).
"""
POLL_S = 0.0002
"""Pause between two reads while waiting for a step."""
BLUNT_ENOUGH = 5
"""After so many reads in a row that were too far apart, a move between two of them counts all the same."""
STEPS_TO_DETECT = 10
DETECT_FOR_S = 2.0
"""The step is the median over ten steps, or over those of two seconds."""


@dataclass(frozen=True)
class Step:
    """The moment at which a counter moved."""

    t_s: float  # middle of the two reads between which it moved, s
    # Time between those two reads, s: the moment is known to half of it. If the first read took longer than usual, the excess is added
    # twice, because the counter may have moved while that read waited.
    gap_s: float
    energy_j: float  # what the counter shows from then on, J


@dataclass(frozen=True)
class CounterSteps:
    """How a counter moves: its step in s, its resolution in J, and the time between two of our reads in s."""

    step_s: float
    resolution_j: float
    poll_gap_s: float


def plain_bound_j(difference_j: float, duration_s: float, step_s: float) -> float:
    """How far a difference of two plain reads can be off: a step at the highest mean power that fits it, J.

    Between the steps that were seen lies at least the duration less one step, and at least one step; so the mean power
    is at most difference / max(step, duration − step). Assumes that the power at the edges is not above that.
    """
    return step_s * difference_j / max(step_s, duration_s - step_s)


@dataclass(frozen=True)
class Aligned:
    """An aligned window of one device.

    `energy_j` and half-width `error_j` of what its edges leave open, and `tail_j` taken off at its end, all in J.
    """

    energy_j: float
    error_j: float
    tail_j: float


def aligned_energy(
    start: Step, begun_s: float, ended_s: float, after: Step, later: Step, *, steps: CounterSteps, waiting_w: float | None = None
) -> Aligned:
    """The energy of one device from `begun_s` to `ended_s`, from the steps around it.

    Args:
        start: the last step before the window.
        begun_s, ended_s: the window itself.
        after, later: two steps after it, the first no sooner than `SETTLE_S`.
        steps: how this counter moves.
        waiting_w: power between `start` and `begun_s`, W; None takes the power between `after` and `later`, at which the device waits too.

    Returns:
        Energy, with an error bar that is the smaller of two, the spread found in the truth test plus what the poll gap leaves open at the
        edges, and the bound of a plain reading, and to it what the poll gap leaves open of the power after the end.
    """
    raw_j = after.energy_j - start.energy_j
    tail_w = (later.energy_j - after.energy_j) / (later.t_s - after.t_s)
    tail_j = tail_w * (after.t_s - ended_s)
    head_w = tail_w if waiting_w is None else waiting_w
    energy_j = raw_j - tail_j - head_w * (begun_s - start.t_s)
    power_w = max(energy_j / max(ended_s - begun_s, steps.poll_gap_s), tail_w)
    edges_j = max(head_w, tail_w) * (start.gap_s + after.gap_s) / 2
    tail_error_j = tail_j * (after.gap_s + later.gap_s) / 2 / (later.t_s - after.t_s)
    modelled_j = SIGMAS * ALIGNED_SPREAD * abs(energy_j) + edges_j + 3 * steps.resolution_j
    blunt_s = max(steps.step_s, start.gap_s, after.gap_s)
    return Aligned(energy_j, min(modelled_j, blunt_s * power_w + steps.resolution_j) + tail_error_j, tail_j)


@dataclass
class Reader:
    """Reads a counter against a clock. Clock and sleep are given, so that tests need not wait."""

    counter: Counter
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    # Two reads that are further apart do not tell when the counter moved, because this process was kept waiting: a move between them does
    # not count, except after BLUNT_ENOUGH such reads in a row.
    sharp_s: float = math.inf
    usual_s: float = math.inf  # a read that takes longer was kept waiting

    def steps(self, needed: int, timeout_s: float, not_before_s: float = -math.inf) -> list[list[Step]]:
        """Wait until every device has moved `needed` times, moves before `not_before_s` not counted, and return the moves of each.

        Raises:
            CounterLost: a counter does not answer, has not moved for `timeout_s`, or went back.
        """
        asked_s = self.clock()
        values = self.counter.read_j()
        read_s = self.clock()
        found: list[list[Step]] = [[] for _ in values]
        moved_s = [max(read_s, not_before_s) for _ in values]
        blunt = 0
        while min(map(len, found)) < needed:
            self.sleep(POLL_S)
            next_s = self.clock()
            now = self.counter.read_j()
            now_s = self.clock()
            blunt = 0 if now_s - asked_s <= self.sharp_s else blunt + 1
            for device, (old_j, new_j) in enumerate(zip(values, now, strict=True)):
                if new_j < old_j:
                    raise CounterLost(f"the energy counter went back from {old_j:.3f} to {new_j:.3f} J: it was reset")
                if new_j > old_j and (read_s + now_s) / 2 >= not_before_s:
                    moved_s[device] = now_s
                    if not 0 < blunt < BLUNT_ENOUGH:
                        late_s = max(0.0, read_s - asked_s - self.usual_s)
                        found[device].append(Step((read_s + now_s) / 2, now_s - read_s + 2 * late_s, new_j))
                if len(found[device]) < needed and next_s - moved_s[device] > timeout_s:
                    raise CounterLost(f"the energy counter has not moved for {timeout_s:g} s: GPU lost, or counter stuck")
            values, asked_s, read_s = now, next_s, now_s
        return found

    def detect(self) -> CounterSteps:
        """Find the counter's step: the slowest device counts. Takes one to two seconds.

        Raises CounterLost if it does not move.
        """
        found = self.steps(2, DETECT_FOR_S)
        interval_s = max(moves[-1].t_s - moves[-2].t_s for moves in found)
        more = max(1, min(STEPS_TO_DETECT, int(DETECT_FOR_S / interval_s) - 2))
        found = self.steps(more + 1, DETECT_FOR_S)
        gaps_s = [[b.t_s - a.t_s for a, b in itertools.pairwise(moves)] for moves in found]
        shown_mj = [round(move.energy_j * MJ_PER_J) for moves in found for move in moves]
        return CounterSteps(
            step_s=max(statistics.median(gaps) for gaps in gaps_s),
            resolution_j=resolution_mj(shown_mj) / MJ_PER_J,
            poll_gap_s=statistics.median(move.gap_s for moves in found for move in moves),
        )


def resolution_mj(shown_mj: list[int]) -> int:
    """The largest unit, in mJ, of which all these values of counters are multiples. One mJ, the unit of the driver, if every step was just
    one such unit: then nothing is known about what lies between.
    """
    unit = math.gcd(*shown_mj)
    gains = [abs(b - a) for a, b in itertools.pairwise(shown_mj) if b != a]
    return unit if unit and any(gain >= 2 * unit for gain in gains) else 1
