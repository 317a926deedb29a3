"""What can this machine measure? One line per GPU, and one each for the CPU and the memory."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from prompt_joules.bench import screen
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.counters import CounterUnavailable, MeterError, zeus_gpus
from prompt_joules.bench.meter.host import open_host
from prompt_joules.bench.meter.opening import open_meter

IDLE_FOR_S = 2.0


@dataclass(frozen=True)
class Device:
    """One device and its counter."""

    name: str  # as people know it
    source: str  # the method, or `none`
    step_s: float | None = None  # time between two steps of the counter, s
    resolution_j: float | None = None  # smallest change of the counter, J
    idle_power_w: float | None = None  # mean power just now, W; idle power only if nothing runs
    reason: str | None = None  # why there is no counter, or what else to know


def find_devices() -> list[Device]:
    """Every device of this machine, measured briefly; takes about four seconds a GPU."""
    host = open_host("cpu")
    cpu = Device("CPU", host.cpu_source, reason=host.reason if host.cpu_source == "none" else None)
    dram = Device("memory", host.dram_source, reason=host.reason if host.dram_source == "none" else None)
    return [*_gpus(), cpu, dram]


def _gpus() -> list[Device]:
    try:
        count = len(zeus_gpus())
    except CounterUnavailable as error:
        apple = open_meter("mps")
        return [_measured(apple)] if isinstance(apple, CounterMeter) else [Device("GPU", "none", reason=str(error))]
    except MeterError as error:
        return [Device("GPU", "none", reason=str(error))]
    return [_gpu(index) for index in range(count)]


def _gpu(index: int) -> Device:
    try:
        instrument = open_meter(f"cuda:{index}")
    except MeterError as error:
        return Device(f"GPU {index}", "none", reason=str(error))
    if not isinstance(instrument, CounterMeter):
        return Device(instrument.gpu_model or f"GPU {index}", "none", reason=instrument.reason)
    return _measured(instrument)


def _measured(instrument: CounterMeter) -> Device:
    others = instrument.environment()["other_processes"]
    note = f"{others} other process(es) are using it" if others else None
    idle_w = instrument.power_w(IDLE_FOR_S)
    name = instrument.gpu_model or "GPU"
    return Device(name, instrument.source, instrument.steps.step_s, instrument.steps.resolution_j, idle_w, note)


def _shown(value: float | None, scale: float, digits: int) -> str:
    return "" if value is None else f"{value * scale:.{digits}f}"


def print_devices(console: Console | None = None) -> list[Device]:
    """Print what this machine can measure, as a table; below it, why a device has no counter and what else to know.

    Returns:
        The devices.
    """
    console = console or screen.console()
    table = Table(title="What this machine can measure")
    for heading in ("device", "energy by", "step (ms)", "resolution (mJ)", "idle power (W)"):
        table.add_column(heading, overflow="fold")
    notes: dict[str, list[str]] = {}
    found = find_devices()
    for device in found:
        if device.reason:
            notes.setdefault(device.reason, []).append(device.name)
        table.add_row(
            device.name,
            device.source if device.source != "none" else "not measured",
            _shown(device.step_s, 1000, 1),
            _shown(device.resolution_j, 1000, 0),
            _shown(device.idle_power_w, 1, 1),
        )
    console.print(table)
    for reason, names in notes.items():
        console.print(f"{', '.join(names)}: {reason}", soft_wrap=True, highlight=False)
    return found
