"""A meter that notes when its windows were asked for and given: joules of a recorded counter are held against these times.

Whoever compares them with a time of its own compares two clocks that are read at different moments, and a machine may stand still between.
"""

import time
from collections.abc import Iterable
from typing import Any

import pytest

from prompt_joules.bench.meter.reading import Meter, Reading


class Timed:
    """A meter around a meter.

    Attributes:
        begun_s: for each window, when `begin` was called and when it returned.
        ended_s: the same of `end`.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter, self.begun_s, self.ended_s = meter, list[tuple[float, float]](), list[tuple[float, float]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.meter, name)

    def begin(self) -> None:
        before_s = time.perf_counter()
        self.meter.begin()
        self.begun_s.append((before_s, time.perf_counter()))

    def end(self) -> Reading:
        before_s = time.perf_counter()
        reading = self.meter.end()
        self.ended_s.append((before_s, time.perf_counter()))
        return reading

    def spans(self) -> list[tuple[float, float]]:
        """How long each window lasted, s: at least, and at most."""
        return [(end[0] - begin[1], end[1] - begin[0]) for begin, end in zip(self.begun_s, self.ended_s, strict=True)]


def timed(monkeypatch: pytest.MonkeyPatch, owner: object, name: str = "open_meter") -> list[Timed]:
    """Every meter that `owner.name` opens from now on, as they come."""
    opened, found = getattr(owner, name), list[Timed]()
    monkeypatch.setattr(owner, name, lambda *asked: found.append(Timed(opened(*asked))) or found[-1])
    return found


def assert_power(watts: float, windows: Iterable[tuple[tuple[float, float], float | None, float | None]]) -> None:
    """The joules of each window are those of a device that uses `watts` all the time, within their error.

    Args:
        watts: the power.
        windows: (least and most seconds, joules, error in J) of each.
    """
    for (least_s, most_s), energy_j, error_j in windows:
        assert energy_j is not None and error_j is not None and error_j > 0
        assert watts * least_s - error_j <= energy_j <= watts * most_s + error_j
