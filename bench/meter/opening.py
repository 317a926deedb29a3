"""The meter of a device: a counter's, or one that gives the reason why there is none."""

from pathlib import Path

from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.counters import Counter, CounterLost, CounterUnavailable, NoSuchGpu, open_apple_counter, open_zeus_counter
from prompt_joules.bench.meter.gpu import Conditions, NvmlConditions, ZeusConditions
from prompt_joules.bench.meter.host import Host, HostEnergy, no_host, open_host
from prompt_joules.bench.meter.reading import Meter, Reading, WindowNotOpen, WindowOpen, check_edges, join_names
from prompt_joules.bench.meter.replay import ReplayCounter, load_trace


class AbsentMeter(Meter):
    """No joules of a GPU, and why. CPU and memory are still counted where they can be.

    Args:
        reason: why the energy is None, as stored in every row.
        host: the counters of CPU and memory.
        gpu_models: GPUs that are there but have no counter.
    """

    source = "none"
    edges: str | None = None
    calibration: float | None = None

    def __init__(self, reason: str, host: Host | None = None, gpu_models: tuple[str, ...] = ()) -> None:
        host = host or no_host(reason)
        self.reason: str | None = reason
        self.gpu_model, self.num_gpus = join_names(gpu_models), len(gpu_models)
        self.cpu_source, self.dram_source, self.host_reason = host.cpu_source, host.dram_source, host.reason
        self._host = host
        self._begun: HostEnergy | None = None

    def begin(self) -> None:
        """Open a window. Raises WindowOpen."""
        if self._begun is not None:
            raise WindowOpen("begin() while a window is open: end() it first")
        self._begun = self._host.read()

    def end(self) -> Reading:
        """Close the window: no GPU energy, with the reason. Raises WindowNotOpen."""
        if self._begun is None:
            raise WindowNotOpen("end() without begin(): a window is opened by begin() and closed once")
        host, self._begun = self._host.read().since(self._begun), None
        return Reading(reason=self.reason, cpu_energy_j=host.cpu_j, dram_energy_j=host.dram_j)

    def environment(self) -> dict[str, object]:
        """The keys of a counter's environment without values, and the reason."""
        return {"gpus": [], "counter": None, "other_processes": None, "gpu_shared": None, "reason": self.reason}


def open_meter(device: str, edges: str = "aligned", replay: Path | None = None) -> Meter:
    """The meter of a device; call it before the model is loaded.

    Args:
        device: `cpu`, `mps`, `cuda` (the first GPU), `cuda:1`, `cuda:0,1`, `cuda:all`, or `server` (all GPUs of this
            host).
        edges: `aligned` or `plain`.
        replay: a recorded counter to play instead, see `replay.load_trace`.

    Returns:
        A meter that gives joules, or one that gives the reason why it cannot.

    Raises:
        MigEnabled, NoSuchGpu, UnknownEdges, ReplayFileBroken: the run should not start.
    """
    check_edges(edges)
    if replay is not None:
        return CounterMeter(ReplayCounter(load_trace(replay)), edges)
    host = open_host(device)
    if device.startswith("cpu"):
        return AbsentMeter("the model ran on a CPU: there is no GPU energy", host)
    try:
        counter, conditions = _open_counter(device)
    except CounterUnavailable as error:
        return AbsentMeter(str(error), host, error.gpu_models)
    try:
        return CounterMeter(counter, edges, conditions=conditions, host=host)
    except CounterLost as error:
        return AbsentMeter(str(error), host, counter.gpu_models)


def _open_counter(device: str) -> tuple[Counter, Conditions]:
    if device.startswith("mps"):
        return open_apple_counter(), Conditions()
    try:
        counter, gpus = open_zeus_counter(device)
    except NoSuchGpu as error:
        if device == "server":
            raise CounterUnavailable(f"no GPU on this host: {error}") from error
        raise
    nvidia = counter.source == "nvml-counter"
    return counter, NvmlConditions([gpu.handle for gpu in gpus]) if nvidia else ZeusConditions(gpus)
