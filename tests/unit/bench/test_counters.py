"""Which counter a device has, what the driver says of its conditions, and what is refused before anything is loaded."""

import json
import os
from types import SimpleNamespace

import pytest

from prompt_joules.bench.meter import counters
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.counters import CounterLost, CounterUnavailable, MigEnabled, NoSuchGpu, ZeusCounter, gpu_indices
from prompt_joules.bench.meter.gpu import NvmlConditions, State
from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.reading import SharedGpu
from tests.simulated import SimulatedCounter

pytest.importorskip("zeus", reason="needs the bench extra: make test installs it")


@pytest.mark.parametrize(
    ("device", "indices"),
    [("cuda", (0,)), ("cuda:1", (1,)), ("cuda:0,2", (0, 2)), ("cuda:all", (0, 1, 2)), ("server", (0, 1, 2))],
)
def test_device_names(device: str, indices: tuple[int, ...]) -> None:
    assert gpu_indices(device, 3) == indices


@pytest.mark.parametrize("device", ["cuda:3", "cuda:x", "cuda:-1"])
def test_gpus_that_are_not_there(device: str) -> None:
    with pytest.raises(NoSuchGpu, match=device):
        gpu_indices(device, 3)


class NVIDIAGPUs:
    """Stands in for Zeus's class of the same name."""

    def __init__(self, *gpus: object) -> None:
        self.gpus = gpus

    def __len__(self) -> int:
        return len(self.gpus)


def zeus_gpu(energy_mj: object = 1500, supported: bool = True) -> SimpleNamespace:
    from zeus.device.gpu.common import ZeusGPULostError

    def read() -> object:
        if energy_mj is None:
            raise ZeusGPULostError("GPU is lost")
        return energy_mj

    return SimpleNamespace(
        gpu_index=0,
        handle="handle",
        get_name=lambda: "NVIDIA T",
        supports_get_total_energy_consumption=lambda: supported,
        get_total_energy_consumption=read,
    )


def test_zeus_counter_reads_joules_and_reports_a_lost_gpu() -> None:
    assert ZeusCounter([zeus_gpu(), zeus_gpu(2)], "nvml-counter").read_j() == (1.5, 0.002)
    with pytest.raises(CounterLost, match="GPU is lost"):
        ZeusCounter([zeus_gpu(None)], "nvml-counter").read_j()


@pytest.mark.parametrize("gpu", [zeus_gpu(supported=False), zeus_gpu(None)], ids=["too old", "refuses"])
def test_a_driver_without_counter_gives_null_with_the_reason(gpu: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "zeus_gpus", lambda: NVIDIAGPUs(gpu))
    monkeypatch.setattr(counters, "refuse_mig", lambda gpus: None)
    instrument = open_meter("cuda")
    instrument.begin()
    assert instrument.source == "none" and instrument.gpu_model == "NVIDIA T" and instrument.num_gpus == 1
    assert instrument.end().energy_j is None and "counter" in (instrument.reason or "")


def test_no_driver_gives_null_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise CounterUnavailable("no GPU driver answers: NVML unavailable")

    monkeypatch.setattr(counters, "zeus_gpus", none)
    assert "no GPU driver answers" in (open_meter("cuda").reason or "")
    assert open_meter("server").source == "none"


def test_mig_is_refused_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    monkeypatch.setattr(counters, "zeus_gpus", lambda: NVIDIAGPUs(zeus_gpu()))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigMode", lambda handle: [1, 1])
    with pytest.raises(MigEnabled, match="MIG"):
        open_meter("cuda")


def test_mig_slice_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-0f1e")
    with pytest.raises(MigEnabled, match="CUDA_VISIBLE_DEVICES"):
        open_meter("cuda")


class Nvml:
    """NVML with what the tests need; questions it does not know raise, as a driver's do."""

    NVML_TEMPERATURE_GPU = NVML_CLOCK_SM = NVML_CLOCK_MEM = 0

    class NVMLError(Exception):
        pass

    def __init__(self, reasons: int = 0, pids: tuple[int, ...] = ()) -> None:
        self.reasons, self.pids = reasons, pids

    def nvmlDeviceGetComputeRunningProcesses(self, handle: object) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid) for pid in self.pids]

    def nvmlDeviceGetTemperature(self, handle: object, sensor: int) -> int:
        return {"cool": 40, "hot": 71}[str(handle)]

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: object) -> int:
        return self.reasons

    def __getattr__(self, name: str) -> object:
        def unknown(*arguments: object) -> object:
            raise self.NVMLError(name)

        return unknown


@pytest.mark.parametrize(
    ("reasons", "throttled", "capped"),
    [
        (0, False, False),
        (0x4, False, True),
        (0x20, True, False),
        (0x40, True, False),
        (0x80, True, False),
        (0x5, False, True),
    ],
)
def test_throttling_is_heat_or_brake_not_the_power_cap(reasons: int, throttled: bool, capped: bool) -> None:
    state = NvmlConditions(["cool", "hot"], Nvml(reasons)).state()
    assert state == State(71.0, throttled, capped, other_processes=0)


def test_the_busiest_gpu_that_is_not_measured_is_the_neighbour() -> None:
    powers_mw = {"hot": 500_000, "cool": 75_000, "busy": 312_500, "mute": None}

    class Host(Nvml):
        def nvmlDeviceGetCount(self) -> int:
            return 4

        def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
            return list(powers_mw)[index]

        def nvmlDeviceGetUUID(self, handle: str) -> str:
            return f"GPU-{handle}"

        def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
            power_mw = powers_mw[handle]
            if power_mw is None:
                raise self.NVMLError
            return power_mw

    assert NvmlConditions(["hot"], Host()).state().neighbour_power_w == 312.5
    assert NvmlConditions(["hot", "cool"], Host()).state().neighbour_power_w == 312.5
    assert NvmlConditions(["hot"], Nvml()).state().neighbour_power_w is None


def test_other_processes_are_counted_and_warned_of() -> None:
    nvml = Nvml(pids=(11,))
    conditions = NvmlConditions(["hot"], nvml)
    assert conditions.other_processes() == 1
    nvml.pids = (11, 999_999)  # one newcomer under a number that is not ours: ourselves, in a container
    assert conditions.other_processes() == 1
    nvml.pids = (11, 999_999, 999_998)
    assert conditions.other_processes() == 2, "a second newcomer is another's, the first stays ourselves"
    gpu = SimulatedCounter()
    instrument = CounterMeter(gpu, conditions=conditions, clock=gpu.clock, sleep=gpu.sleep)
    with pytest.warns(SharedGpu, match="2 other"):
        assert instrument.environment()["gpu_shared"] is True
    json.dumps(NvmlConditions(["hot"], Nvml()).snapshot())


def test_a_process_that_comes_in_the_middle_is_in_the_reading_of_its_window() -> None:
    nvml = Nvml()
    gpu = SimulatedCounter()
    instrument = CounterMeter(gpu, conditions=NvmlConditions(["hot"], nvml), clock=gpu.clock, sleep=gpu.sleep)
    seen = []
    for pids in ((os.getpid(),), (os.getpid(), 77), (os.getpid(),)):
        nvml.pids = pids
        instrument.begin()
        gpu.sleep(1.0)
        seen.append(instrument.end().other_processes)
    assert seen == [0, 1, 0]
    assert CounterMeter(gpu, clock=gpu.clock, sleep=gpu.sleep).environment()["other_processes"] is None
