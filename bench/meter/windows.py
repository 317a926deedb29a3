"""Windows with names around code of your own, one inside another. This is `prompt_joules.Meter`.

An outermost window has the edges of the meter: aligned ones wait for steps of the counter, outside of its time and its energy. A window
inside another is read as it is (plain edges), because waiting would put idle time into the outer one; its error bar says how far that
can be off. What this does not know: who used the device. All its work between begin and end is counted, that of other processes too.
"""

import contextlib
import functools
import inspect
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from prompt_joules.bench.meter import opening
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.counters import MeterError, NoSuchGpu, check_device
from prompt_joules.bench.meter.edges import plain_bound_j
from prompt_joules.bench.meter.reading import Meter as DeviceMeter
from prompt_joules.bench.meter.reading import Reading, WindowNotOpen, WindowOpen

P = ParamSpec("P")
R = TypeVar("R")
STILL_OPEN = "the window is still open"
KEPT = 100_000


class WindowsCross(MeterError):
    """A window ends before one that was opened inside it."""


class OtherThread(MeterError):
    """Two threads have windows on one meter: whose joules are they?"""


class MeterClosed(MeterError):
    """The meter was closed."""


class NotMeasurable(TypeError):
    """`measured` cannot tell when a call of this function ends."""


@dataclass
class Window:
    """One window. Until it ends, numbers are None and `reason` says so.

    Attributes:
        name: as it was opened.
        input_tokens, output_tokens: yours to set.
        started_at: when it was opened, after the wait for the counter.
        latency_s: device synchronized at both ends, s.
        energy_j: GPU energy, J; None if it could not be measured.
        error_j: half-width of its error bar, J.
        reason: why the energy is None.
        edges: aligned, plain, or None without a counter.
        cpu_energy_j, dram_energy_j: of CPU packages and memory, J, not part of `energy_j`; None inside another window.
        temperature_c: hottest GPU at the end, °C.
        throttled: clocks were lowered for heat or power brake at the end.
        failed: the exception that ended the block, as text.
    """

    name: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    latency_s: float | None = None
    energy_j: float | None = None
    error_j: float | None = None
    reason: str | None = STILL_OPEN
    edges: str | None = None
    cpu_energy_j: float | None = None
    dram_energy_j: float | None = None
    temperature_c: float | None = None
    throttled: bool | None = None
    failed: str | None = None

    @property
    def energy_per_token_j(self) -> float | None:
        """J/token; None without energy or without output tokens."""
        return self.energy_j / self.output_tokens if self.energy_j is not None and self.output_tokens else None

    @property
    def power_w(self) -> float | None:
        """Mean power, W; None without energy."""
        return self.energy_j / self.latency_s if self.energy_j is not None and self.latency_s else None


@dataclass
class _Open:
    window: Window
    start_s: float
    start_j: float | None


class Meter:
    """Measures windows of your own code. Opening it takes some seconds: it learns the counter's step and the power of the idle device.

    Args:
        device: `auto` (the first GPU, or the chip of a Mac; else the CPU), `cuda`, `cuda:1`, `cuda:0,1`, `cuda:all`, `mps`, `cpu`.
        edges: `aligned` or `plain`, of outermost windows.
        idle_s: how long the idle power is measured, s; 0 leaves it out. Open the meter before the model is loaded.
        replay: a recorded counter to play instead of a device, for tests.
        synchronize: waits until the device has done all it was given; None: torch's own, where torch is loaded.
        clock: seconds; replaced in tests.

    Attributes:
        reason: why there are no joules of a GPU; None if there are.
        gpu_model: name of the GPU; names joined by " + " if they differ; None without one.
        source, cpu_source: how joules of GPU and CPU are obtained, e.g. nvml-counter, or none.
        host_reason: why the energy of CPU or memory is None; None if both are there.
        idle_power_w: of the device when the meter was opened, W; None if it was not measured.
        windows: those that have ended, in that order; the last 100,000.

    Raises:
        NoSuchDevice, NoSuchGpu, MigEnabled, UnknownEdges, ReplayFileBroken: the text says what to do.
    """

    def __init__(
        self,
        device: str = "auto",
        *,
        edges: str = "aligned",
        idle_s: float = 1.0,
        replay: str | Path | None = None,
        synchronize: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.device, self._meter = open_device(device, edges, replay)
        self.reason, self.gpu_model = self._meter.reason, self._meter.gpu_model
        self.source, self.cpu_source, self.host_reason = self._meter.source, self._meter.cpu_source, self._meter.host_reason
        self.windows: deque[Window] = deque(maxlen=KEPT)
        self.idle_power_w = self._meter.power_w(idle_s) if idle_s > 0 else None
        self._synchronize = synchronize or functools.partial(synchronize_torch, self.device)
        self._clock = clock
        self._open: list[_Open] = []
        self._thread: int | None = None
        self._closed = False

    @contextlib.contextmanager
    def window(self, name: str, *, input_tokens: int | None = None, output_tokens: int | None = None) -> Iterator[Window]:
        """Measure a block. It is measured, too, when it ends by an exception.

        Raises:
            WindowOpen: a window of this name is open.
            OtherThread: another thread has a window open.
            MeterClosed.
        """
        window = self.begin(name, input_tokens=input_tokens, output_tokens=output_tokens)
        try:
            yield window
        except BaseException as error:
            window.failed = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.end(name)

    def begin(self, name: str, *, input_tokens: int | None = None, output_tokens: int | None = None) -> Window:
        """Open a window; see `window`. The device is synchronized first, so that earlier work is not in it."""
        if self._closed:
            raise MeterClosed(f"Window {name!r}: the meter was closed.")
        if self._open and self._thread != threading.get_ident():
            raise OtherThread(f"Window {name!r}: another thread has a window open on this meter, and their joules cannot be told apart.")
        if any(one.window.name == name for one in self._open):
            raise WindowOpen(f"Window {name!r} is open already: end it first, or give the one inside it another name.")
        self._thread = threading.get_ident()
        self._synchronize()
        start_j = self._meter.read_j() if self._open else None
        if not self._open:
            self._meter.begin()
        window = Window(name, input_tokens, output_tokens, edges=self._edges())
        self._open.append(_Open(window, self._clock(), start_j))
        return window

    def end(self, name: str) -> Window:
        """Close a window: the one that was opened last.

        Raises:
            WindowNotOpen: there is no open window of this name.
            WindowsCross: a window that was opened inside it is still open.
        """
        if not any(one.window.name == name for one in self._open):
            raise WindowNotOpen(f"Window {name!r} is not open.")
        if self._open[-1].window.name != name:
            raise WindowsCross(f"Window {name!r} cannot end before {self._open[-1].window.name!r}, which was opened inside it.")
        self._synchronize()
        ended_s = self._clock()
        one = self._open.pop()
        reading = self._since(one, ended_s) if self._open else self._meter.end()
        window = one.window
        window.latency_s = ended_s - one.start_s
        window.energy_j, window.error_j, window.reason = reading.energy_j, reading.error_j, reading.reason
        window.cpu_energy_j, window.dram_energy_j = reading.cpu_energy_j, reading.dram_energy_j
        window.temperature_c, window.throttled = reading.temperature_c, reading.throttled
        self.windows.append(window)
        return window

    def is_open(self, name: str) -> bool:
        """Whether this thread has a window of this name open."""
        return self._thread == threading.get_ident() and any(one.window.name == name for one in self._open)

    def close(self) -> dict[str, object]:
        """Close the meter: whether the counter's gain equals the windows plus the gaps between them ({} without a counter)."""
        self._closed = True
        return self._meter.close()

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _edges(self) -> str | None:
        """The edges of the window that is about to open."""
        return "plain" if self._open and self._meter.edges is not None else self._meter.edges

    def _since(self, one: _Open, ended_s: float) -> Reading:
        """A plain reading beside the open window around it."""
        if not isinstance(self._meter, CounterMeter):
            return Reading(reason=self._meter.reason)
        steps, end_j, seconds = self._meter.steps, self._meter.read_j(), ended_s - one.start_s
        if one.start_j is None or end_j is None:
            return Reading(reason="the energy counter could not be read")
        gained_j = end_j - one.start_j
        if gained_j < 0:
            return Reading(reason="the energy counter went back during the window: it was reset")
        if gained_j == 0:
            return Reading(reason=f"the counter did not move in the {seconds:.4f} s of the window (its step is {steps.step_s:.3f} s)")
        edge_j = plain_bound_j(gained_j, seconds, steps.step_s) + self._meter.num_gpus * steps.resolution_j
        return Reading(energy_j=gained_j, edge_j=edge_j, calibration=0.0)


def open_device(device: str, edges: str, replay: str | Path | None) -> tuple[str, DeviceMeter]:
    """What `auto` means on this machine, and its meter. Raises NoSuchDevice, and as `opening.open_meter`."""
    check_device(device)
    path = None if replay is None else Path(replay)
    if device == "auto":
        device = "mps" if sys.platform == "darwin" else "cuda"
        with contextlib.suppress(NoSuchGpu):
            return device, opening.open_meter(device, edges, path)
        device = "cpu"
    return device, opening.open_meter(device, edges, path)


def synchronize_torch(device: str) -> None:
    """Wait for the work that torch gave to the device; nothing where torch is not loaded or has not used it."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    if device.startswith("cuda") and torch.cuda.is_initialized():
        for index in range(torch.cuda.device_count()):
            torch.cuda.synchronize(index)
    elif device.startswith("mps") and torch.backends.mps.is_available():
        torch.mps.synchronize()


@functools.cache
def shared_meter() -> Meter:
    """The meter of functions that name none; opened when the first of them is called, and open until the process ends."""
    return Meter()


@overload
def measured(function: Callable[P, R]) -> Callable[P, R]: ...
@overload
def measured(*, meter: Meter | None = None, name: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def measured(function: Callable[..., Any] | None = None, *, meter: Meter | None = None, name: str | None = None) -> Any:
    """Measure every call of a function: `@measured`, or `@measured(meter=meter, name="rag")`.

    The last window is `function.last`, all are in `meter.windows`. A call that the function makes of itself is part of its window.

    Args:
        meter: None takes one for the whole process, of device `auto`, opened by the first call.
        name: of the windows; None: the name of the function.

    Raises:
        NotMeasurable: a coroutine or generator, whose call ends before its work does; use `with meter.window(…)` around the work.
    """
    if function is None:
        return functools.partial(measured, meter=meter, name=name)
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise NotMeasurable(
            f"{function.__qualname__} gives control back before its work is done: use `with meter.window(…)` around the work."
        )
    title = name or function.__qualname__

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        chosen = meter or shared_meter()
        if chosen.is_open(title):
            return function(*arguments, **named)
        with chosen.window(title) as window:
            call.last = window  # type: ignore[attr-defined]
            return function(*arguments, **named)

    return call
