"""A simulated GPU with the interface of a real counter, for exact tests of everything above it."""

import math
from collections.abc import Sequence

from prompt_joules.bench.meter.counters import MJ_PER_J, CounterLost


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
