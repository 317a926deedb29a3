"""Energy counters: who counts the joules of a device, and how to read the number.

A counter only ever grows, and does so in steps (every 100 ms on an NVIDIA H100). How to make a measurement out of it is
the business of `counter_meter.py`. NVIDIA, AMD and Apple are all read through Zeus, which is imported when a counter is
opened and not before.

AMD and Apple follow Zeus's documented interface; we have not run them on such machines.
"""

import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from prompt_joules.bench.errors import BenchError

MJ_PER_J = 1000.0
DEVICE = re.compile(r"auto|cpu|mps|cuda(:(all|\d+(,\d+)*))?")


class MeterError(BenchError):
    """Base of everything the meter refuses to do; the text says what is wrong and what to do."""


class MigEnabled(MeterError):
    """The GPU is cut into MIG slices: its counter counts all slices together."""


class NoSuchGpu(MeterError):
    """The device name asks for a GPU that is not there."""


class NoSuchDevice(MeterError):
    """No machine, or no machine of this kind, has a device of this name; the text says which this one has."""


class CounterUnavailable(MeterError):
    """This device has no counter to read. The text is the reason that is stored beside the null."""

    def __init__(self, reason: str, gpu_models: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.gpu_models = tuple(gpu_models)


class CounterLost(MeterError):
    """The counter answered before and does not answer now: lost GPU, stuck counter, reset."""


class Counter(Protocol):
    """One energy counter per device, read together."""

    source: str  # the method, as stored in `energy_source`
    gpu_models: tuple[str, ...]  # one name per counted device

    def read_j(self) -> tuple[float, ...]:
        """Energy counted so far, in J, one value per device. Raises CounterLost."""
        ...


def gpu_indices(device: str, visible: int) -> tuple[int, ...]:
    """Which visible GPUs a device name means.

    `cuda` is the first GPU, as in PyTorch; `cuda:1` one GPU; `cuda:0,1` several; `cuda:all` and `server` every visible
    GPU, because a server on this host may use any of them. Raises NoSuchGpu: the name is not understood, or there are fewer GPUs.
    """
    name, _, wanted = device.partition(":")
    if visible == 0:
        raise NoSuchGpu(f"--device {device}: no GPU is visible; check nvidia-smi and CUDA_VISIBLE_DEVICES")
    if wanted == "all" or name == "server":
        return tuple(range(visible))
    try:
        indices = tuple(int(index) for index in wanted.split(",")) if wanted else (0,)
    except ValueError:
        raise NoSuchGpu(f"--device {device}: use cuda, cuda:0, cuda:0,1 or cuda:all") from None
    for index in indices:
        if not 0 <= index < visible:
            raise NoSuchGpu(f"--device {device}: there is no GPU {index}; {visible} are visible, numbered from 0")
    return tuple(dict.fromkeys(indices))


def check_device(device: str) -> None:
    """Raise NoSuchDevice for a name that cannot be a device of this machine.

    A device that may be there and has no counter passes: the meter says why it has no joules.
    """
    if not DEVICE.fullmatch(device):
        raise NoSuchDevice(f"--device {device!r}: there is no such device. {_here()}")
    if device == "mps" and sys.platform != "darwin":
        raise NoSuchDevice(f"--device mps: the GPU of a Mac, and this is no Mac. {_here()}")


def _here() -> str:
    """The devices of this machine by name."""
    if sys.platform == "darwin":
        return "This machine has: cpu, mps."
    try:
        gpus = [f"cuda:{index} ({gpu.get_name()})" for index, gpu in enumerate(zeus_gpus().gpus)]
    except MeterError as error:
        return f"This machine has: cpu. Whether it has cuda:0 cannot be seen: {error}"
    return f"This machine has: {', '.join(['cpu', *gpus])}. Several: cuda:0,1 or cuda:all."


class ZeusCounter:
    """NVIDIA and AMD counters through Zeus's GPU objects, mJ turned into float64 J.

    Args:
        gpus: Zeus GPU objects (`zeus.device.gpu.common.GPU`), one per device to count.
        source: `nvml-counter` or `amd-smi`.

    Source: `zeus.device.gpu`, `get_total_energy_consumption`, Zeus 0.16; NVML `nvmlDeviceGetTotalEnergyConsumption`.
    """

    def __init__(self, gpus: Sequence[Any], source: str) -> None:
        self._gpus = list(gpus)
        self.source = source
        self.gpu_models = tuple(str(gpu.get_name()) for gpu in gpus)

    def read_j(self) -> tuple[float, ...]:
        """Energy since the driver was loaded, in J, one value per GPU.

        Raises CounterLost when a GPU stops answering.
        """
        from zeus.exception import ZeusBaseError

        try:
            return tuple(float(gpu.get_total_energy_consumption()) / MJ_PER_J for gpu in self._gpus)
        except ZeusBaseError as error:
            raise CounterLost(f"the GPU's energy counter stopped answering: {error}") from error


class AppleCounter:
    """The on-chip GPU of Apple silicon through Zeus (`zeus-apple-silicon`). Not yet run on such a machine by us.

    Source: `zeus.device.soc.apple.AppleSilicon`, cumulative `gpu_mj`.
    """

    source: str = "apple-soc"

    def __init__(self, soc: Any) -> None:
        self._soc = soc
        self.gpu_models: tuple[str, ...] = ("Apple silicon GPU",)

    def read_j(self) -> tuple[float, ...]:
        """GPU energy since the monitor was made, in J. Raises CounterLost when the chip stops reporting it."""
        value = self._soc.get_total_energy_consumption().gpu_mj
        if value is None:
            raise CounterLost("the chip reports no GPU energy")
        return (float(value) / MJ_PER_J,)


def zeus_gpus() -> Any:
    """All visible GPUs as Zeus sees them.

    Raises:
        CounterUnavailable: Zeus is not installed, no driver answers, or CUDA_VISIBLE_DEVICES cannot be used.
        MigEnabled: CUDA_VISIBLE_DEVICES names a MIG slice.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if visible.startswith("MIG"):
        raise MigEnabled(_mig_text("CUDA_VISIBLE_DEVICES names a MIG slice"))
    try:
        from zeus.device import get_gpus
        from zeus.exception import ZeusBaseError
    except ImportError as error:
        raise CounterUnavailable(f"Zeus cannot be imported ({error}): pip install 'prompt-joules[bench]'") from error
    try:
        return get_gpus()
    except ZeusBaseError as error:
        raise CounterUnavailable(f"no GPU driver answers: {error}") from error
    except ValueError as error:
        raise CounterUnavailable(f"CUDA_VISIBLE_DEVICES={visible!r} must list GPU numbers such as 0,1: {error}") from error


def _mig_text(what: str) -> str:
    return (
        f"{what}: the energy counter belongs to the whole GPU, so a slice's joules cannot be known. "
        "Switch MIG off (nvidia-smi -mig 0) or measure another GPU."
    )


def refuse_mig(gpus: Sequence[Any]) -> None:
    """Raise MigEnabled if one of these NVIDIA GPUs is cut into slices; GPUs that know no MIG pass."""
    import pynvml

    for gpu in gpus:
        try:
            current, _pending = pynvml.nvmlDeviceGetMigMode(gpu.handle)
        except pynvml.NVMLError:
            continue
        if current == pynvml.NVML_DEVICE_MIG_ENABLE:
            raise MigEnabled(_mig_text(f"GPU {gpu.gpu_index} is in MIG mode"))


def open_zeus_counter(device: str) -> tuple[ZeusCounter, list[Any]]:
    """The counter of the GPUs that a device name means, and Zeus's objects for them.

    Raises:
        CounterUnavailable: no GPU, no driver, or a GPU whose driver has no energy counter.
        MigEnabled: a GPU is cut into slices.
        NoSuchGpu: the device name asks for a GPU that is not there.
    """
    every = zeus_gpus()
    from zeus.exception import ZeusBaseError

    chosen = [every.gpus[index] for index in gpu_indices(device, len(every))]
    nvidia = type(every).__name__ == "NVIDIAGPUs"
    if nvidia:
        refuse_mig(chosen)
    counter = ZeusCounter(chosen, "nvml-counter" if nvidia else "amd-smi")
    for gpu, model in zip(chosen, counter.gpu_models, strict=True):
        try:
            supported = bool(gpu.supports_get_total_energy_consumption())
            if supported:
                gpu.get_total_energy_consumption()
        except ZeusBaseError as error:
            raise CounterUnavailable(f"{model}: the driver gives no energy counter: {error}", counter.gpu_models) from error
        if not supported:
            raise CounterUnavailable(f"{model}: this GPU has no energy counter (NVIDIA: Volta or newer)", counter.gpu_models)
    return counter, chosen


def open_apple_counter() -> AppleCounter:
    """The GPU counter of Apple silicon. Raises CounterUnavailable with the reason."""
    try:
        from zeus.device.soc import get_soc
        from zeus.exception import ZeusBaseError
    except ImportError as error:
        raise CounterUnavailable(f"Zeus cannot be imported ({error}): pip install 'prompt-joules[bench]'") from error
    try:
        soc = get_soc()
    except ZeusBaseError as error:
        raise CounterUnavailable(f"{error} On a Mac: pip install 'zeus[apple]'.") from error
    counter = AppleCounter(soc)
    try:
        counter.read_j()
    except (CounterLost, AttributeError) as error:
        raise CounterUnavailable(f"this chip reports no GPU energy: {error}") from error
    return counter
