"""The state of the measured GPUs: throttled or not, how hot, at which clocks and power limit, and who else uses them.

A question that the driver does not answer is None, never a guess.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prompt_joules.bench.machine import short_hash

SW_POWER_CAP = 0x4
THROTTLE_BITS = {0x8: "hw-slowdown", 0x20: "sw-thermal-slowdown", 0x40: "hw-thermal-slowdown", 0x80: "hw-power-brake"}
OTHER_BITS = {
    0x1: "idle",
    0x2: "application-clocks",
    SW_POWER_CAP: "sw-power-cap",
    0x10: "sync-boost",
    0x100: "display-clocks",
}


@dataclass(frozen=True)
class State:
    """The GPUs at one moment."""

    temperature_c: float | None = None  # of the hottest GPU, °C
    throttled: bool | None = None  # a GPU had lowered its clocks for heat or power brake; the software power cap does not count
    power_capped: bool | None = None  # a GPU had lowered its clocks to keep to its power limit
    # Of the busiest GPU of this host that is not measured, W; None where there is none or it is not known.
    neighbour_power_w: float | None = None
    other_processes: int | None = None  # processes of others on these GPUs; None where the driver does not say


class Conditions:
    """The state of the measured GPUs, as far as it is known. This class knows nothing; its subclasses ask a driver."""

    def state(self) -> State:
        """Temperature and throttling now."""
        return State()

    def snapshot(self) -> list[dict[str, object]]:
        """Everything worth storing with the run, one dict per GPU."""
        return []

    def other_processes(self) -> int | None:
        """Processes of others on these GPUs; None where the driver does not say."""
        return None


def cards_of(gpus: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The hashed numbers that GPUs of a snapshot say; empty where they say none."""
    return frozenset(str(gpu["card"]) for gpu in gpus if gpu.get("card"))


class ZeusConditions(Conditions):
    """Temperature and power limit through Zeus alone: AMD. Not yet run on such a machine by us."""

    def __init__(self, gpus: Sequence[Any]) -> None:
        self._gpus = list(gpus)

    def state(self) -> State:
        """Temperature only; AMD's throttling is not read."""
        return State(temperature_c=max((t for t in map(_zeus_temperature_c, self._gpus) if t is not None), default=None))

    def snapshot(self) -> list[dict[str, object]]:
        """Name and temperature per GPU."""
        return [{"name": str(gpu.get_name()), "temperature_c": _zeus_temperature_c(gpu)} for gpu in self._gpus]


def _zeus_temperature_c(gpu: Any) -> float | None:
    from zeus.exception import ZeusBaseError

    try:
        return float(gpu.get_gpu_temperature())
    except ZeusBaseError:
        return None


def describe_reasons(bits: int) -> list[str]:
    """NVML's clocks-event reasons, a bit mask, as names. Source: NVML `nvmlClocksEventReasons`."""
    return [name for bit, name in sorted((THROTTLE_BITS | OTHER_BITS).items()) if bits & bit]


class NvmlConditions(Conditions):
    """The state of NVIDIA GPUs, by NVML.

    Processes: those on the GPUs when this object is made, before the model is loaded, are others'. Later ones are
        others' too, except our own; in a container whose process numbers differ from the driver's, a single unknown
        newcomer is taken to be ourselves, and stays so when others come.

    Args:
        handles: NVML device handles.
        nvml: the `pynvml` module, or a stand-in with its functions.
    """

    def __init__(self, handles: Sequence[Any], nvml: Any = None) -> None:
        if nvml is None:
            import pynvml

            nvml = pynvml
        self._handles = list(handles)
        self._nvml = nvml
        self._before = self._process_ids()
        self._ourselves: int | None = None
        self._neighbours = self._others()

    def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return question(*arguments)
        except self._nvml.NVMLError:
            return None

    def _others(self) -> list[Any]:
        """Handles of the GPUs of this host that are not measured, as far as the driver shows them."""
        nvml, ask = self._nvml, self._ask
        own = {ask(nvml.nvmlDeviceGetUUID, handle) for handle in self._handles}
        every = [ask(nvml.nvmlDeviceGetHandleByIndex, index) for index in range(ask(nvml.nvmlDeviceGetCount) or 0)]
        return [handle for handle in every if handle is not None and ask(nvml.nvmlDeviceGetUUID, handle) not in own]

    def _neighbour_power_w(self) -> float | None:
        powers_mw = (self._ask(self._nvml.nvmlDeviceGetPowerUsage, handle) for handle in self._neighbours)
        return max((power_mw / 1000 for power_mw in powers_mw if power_mw is not None), default=None)

    def _process_ids(self) -> set[int] | None:
        """The processes on these GPUs, this one among them; None where the driver does not say."""
        found: set[int] = set()
        for handle in self._handles:
            processes = self._ask(self._nvml.nvmlDeviceGetComputeRunningProcesses, handle)
            if processes is None:
                return None
            found |= {int(process.pid) for process in processes}
        return found

    def other_processes(self) -> int | None:
        """How many processes that are not ours have work on these GPUs now."""
        now, own = self._process_ids(), os.getpid()
        if now is None or self._before is None:
            return None
        newcomers = now - self._before
        if self._ourselves is None and len(newcomers) == 1 and own not in now:
            (self._ourselves,) = newcomers
        return len(now - {self._ourselves, own})

    def state(self) -> State:
        """Hottest temperature, whether any GPU is throttled or at its limit, the busiest neighbour, and who else is on the GPUs, now."""
        nvml = self._nvml
        temperatures = [self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU) for handle in self._handles]
        masks = [self._ask(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle) for handle in self._handles]
        known = [int(mask) for mask in masks if mask is not None]
        return State(
            temperature_c=max((float(value) for value in temperatures if value is not None), default=None),
            throttled=any(mask & sum(THROTTLE_BITS) for mask in known) if known else None,
            power_capped=any(mask & SW_POWER_CAP for mask in known) if known else None,
            neighbour_power_w=self._neighbour_power_w(),
            other_processes=self.other_processes(),
        )

    def snapshot(self) -> list[dict[str, object]]:
        """Name, a hash of its number, driver, limits, clocks, temperature, persistence, ECC and clock-event reasons of each GPU.

        Unanswered questions are None.
        """
        return [self._describe(handle) for handle in self._handles]

    def _describe(self, handle: Any) -> dict[str, object]:
        nvml, ask = self._nvml, self._ask
        limit_mw = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        default_mw = ask(nvml.nvmlDeviceGetPowerManagementDefaultLimit, handle)
        ecc = ask(nvml.nvmlDeviceGetEccMode, handle)
        persistence = ask(nvml.nvmlDeviceGetPersistenceMode, handle)
        reasons = ask(nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
        uuid = ask(nvml.nvmlDeviceGetUUID, handle)
        return {
            "name": ask(nvml.nvmlDeviceGetName, handle),
            "card": None if uuid is None else short_hash(str(uuid)),
            "driver": ask(nvml.nvmlSystemGetDriverVersion),
            "power_limit_w": None if limit_mw is None else limit_mw / 1000,
            "default_power_limit_w": None if default_mw is None else default_mw / 1000,
            "sm_clock_mhz": ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
            "max_sm_clock_mhz": ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
            "temperature_c": ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            "persistence_mode": None if persistence is None else bool(persistence),
            "ecc": None if ecc is None else bool(ecc[0]),
            "clock_event_reasons": None if reasons is None else describe_reasons(int(reasons)),
        }
