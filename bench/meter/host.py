"""The energy of the CPU and the memory, beside the GPU's; None where the machine does not count it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prompt_joules.bench.meter.counters import MJ_PER_J


@dataclass(frozen=True)
class HostEnergy:
    """Energy counted so far outside the GPU, J; None where it is not counted."""

    cpu_j: float | None = None
    dram_j: float | None = None

    def since(self, earlier: "HostEnergy") -> "HostEnergy":
        """The difference; None where either end is missing or the counter fell."""
        return HostEnergy(_difference(self.cpu_j, earlier.cpu_j), _difference(self.dram_j, earlier.dram_j))


def _difference(later: float | None, earlier: float | None) -> float | None:
    if later is None or earlier is None or later < earlier:
        return None
    return later - earlier


@dataclass(frozen=True)
class Host:
    """The counters of CPU and memory."""

    cpu_source: str  # `rapl`, `apple-soc` or `none`
    dram_source: str  # the same for memory
    reason: str | None  # why one or both are missing; None if both are there
    read: Callable[[], HostEnergy]  # gives the energy so far


def no_host(reason: str) -> Host:
    """A host without readable counters, and why."""
    return Host("none", "none", reason, HostEnergy)


def open_host(device: str) -> Host:
    """The CPU and DRAM counters of this machine: RAPL on Linux, the chip's own on Apple silicon; or none, and why.

    Source: Zeus 0.16, `zeus.device.cpu.get_cpus` and `zeus.device.soc.get_soc`.
    """
    try:
        import zeus.device  # noqa: F401
    except ImportError as error:
        return no_host(f"Zeus cannot be imported ({error}): pip install 'prompt-joules[bench]'")
    return _apple_host() if device.startswith("mps") or sys.platform == "darwin" else _rapl_host()


def _rapl_host() -> Host:
    from zeus.device import get_cpus
    from zeus.exception import ZeusBaseError

    try:
        cpus = list(get_cpus().cpus)
        with_dram = all(bool(cpu.supports_get_dram_energy_consumption()) for cpu in cpus)
    except (ZeusBaseError, OSError) as error:
        return no_host(f"CPU and memory energy (RAPL) cannot be read: {error}")
    if not cpus:
        return no_host("CPU and memory energy (RAPL): no CPU package is listed")

    def read() -> HostEnergy:
        try:
            parts = [cpu.get_total_energy_consumption() for cpu in cpus]
        except (ZeusBaseError, OSError):
            return HostEnergy()
        dram_j = sum(float(part.dram_mj) for part in parts) / MJ_PER_J if with_dram else None
        return HostEnergy(sum(float(part.cpu_mj) for part in parts) / MJ_PER_J, dram_j)

    if read().cpu_j is None:
        return no_host("CPU and memory energy (RAPL) is listed but cannot be read")
    return Host("rapl", "rapl" if with_dram else "none", None if with_dram else "RAPL has no memory zone on this CPU", read)


def _apple_host() -> Host:
    from zeus.device.soc import get_soc
    from zeus.exception import ZeusBaseError

    try:
        soc = get_soc()
        first = soc.get_total_energy_consumption()
    except ZeusBaseError as error:
        return no_host(f"CPU and memory energy cannot be read: {error}")

    def read() -> HostEnergy:
        now = soc.get_total_energy_consumption()
        return HostEnergy(_joules(now.cpu_total_mj), _joules(now.dram_mj))

    if first.cpu_total_mj is None:
        return no_host("this chip reports no CPU energy")
    has_dram = first.dram_mj is not None
    return Host("apple-soc", "apple-soc" if has_dram else "none", None if has_dram else "this chip reports no memory energy", read)


def _joules(value_mj: Any) -> float | None:
    return None if value_mj is None else float(value_mj) / MJ_PER_J
