"""The meter against a simulated GPU whose energy is known exactly, and against faults."""

import sys

import pytest

from prompt_joules.bench.meter import counter_meter, opening
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.counters import CounterLost
from prompt_joules.bench.meter.edges import CounterSteps, Step, aligned_energy, plain_bound_j, resolution_mj
from prompt_joules.bench.meter.host import Host, HostEnergy
from prompt_joules.bench.meter.opening import AbsentMeter, open_meter
from prompt_joules.bench.meter.reading import UnknownEdges, WindowNotOpen
from tests.simulated import SimulatedCounter


def simulated(edges: str = "aligned", **options: object) -> tuple[CounterMeter, SimulatedCounter]:
    gpu = SimulatedCounter(**options)  # type: ignore[arg-type]
    return CounterMeter(gpu, edges, clock=gpu.clock, sleep=gpu.sleep), gpu


def test_aligned_formula_by_hand() -> None:
    steps = CounterSteps(0.1, 0.001, 0.0)
    part = aligned_energy(Step(0, 0, 100), 0.0, 0.35, Step(0.4, 0, 180), Step(0.5, 0, 200), steps=steps)
    assert part.tail_j == pytest.approx(10)  # 200 W for 0.05 s
    assert part.energy_j == pytest.approx(70)
    assert 0 < part.error_j <= 0.1 * 200 + 0.001


def test_what_a_short_step_leaves_open_after_the_end_is_in_the_error() -> None:
    """100 W for 1 s on a counter of 5 ms steps: the power after the end is read off one step whose moments are known to 2 ms."""
    steps = CounterSteps(0.005, 0.001, 0.0002)
    after, later = Step(1.052, 0.002, 105.1), Step(1.055, 0.002, 105.6)  # truly at 1.051 and 1.056
    part = aligned_energy(Step(0.0, 0.0002, 0.0), 0.0, 1.0, after, later, steps=steps)
    assert part.energy_j == pytest.approx(105.1 - 0.5 / 0.003 * 0.052)
    assert abs(part.energy_j - 100) > 3
    assert abs(part.energy_j - 100) <= part.error_j < 10


def test_resolution_is_the_unit_of_the_values_if_they_tell() -> None:
    assert resolution_mj([100, 7300, 14900]) == 100
    assert resolution_mj([103, 7303, 14903]) == 1
    assert resolution_mj([7800, 15600, 23400]) == 1  # steady power: one step is not a unit


def test_plain_bound_by_hand() -> None:
    assert plain_bound_j(300.0, 1.0, 0.1) == pytest.approx(0.1 * 300 / 0.9)
    assert plain_bound_j(30.0, 0.05, 0.1) == pytest.approx(30.0)


def test_detects_step_and_resolution() -> None:
    instrument, gpu = simulated(step_s=0.1)
    assert instrument.steps.step_s == pytest.approx(0.1, abs=0.001)
    assert 0.001 <= instrument.steps.resolution_j < 0.01
    assert gpu.now_s < 2.5
    assert simulated(step_s=0.02)[0].steps.step_s == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("duration_s", [0.25, 0.5, 1.0, 2.0])
def test_aligned_beats_plain(duration_s: float) -> None:
    errors = {}
    for edges in ("aligned", "plain"):
        instrument, gpu = simulated(edges)
        worst = 0.0
        for index in range(10):
            gpu.sleep(0.0137 * index)
            instrument.begin()
            before = gpu.true_j[0]
            gpu.work(duration_s, (255.0,))
            true_j = gpu.true_j[0] - before
            reading = instrument.end()
            assert reading.energy_j is not None and reading.error_j is not None
            assert abs(reading.energy_j - true_j) <= reading.error_j
            worst = max(worst, abs(reading.energy_j - true_j) / true_j)
        errors[edges] = worst
    assert errors["aligned"] < 0.004
    assert errors["plain"] > 3 * errors["aligned"]


def lagging_errors() -> list[float]:
    """Relative errors of aligned windows of 0.25 s, ended at every phase of a counter that follows the power with a lag of 12 ms."""
    errors = []
    for index in range(20):
        instrument, gpu = simulated(lag_s=0.012, idle_w=(125.0,))
        instrument.begin()
        before = gpu.true_j[0]
        gpu.work(0.25 + 0.005 * index, (415.0,))
        true_j = gpu.true_j[0] - before
        errors.append((instrument.end().energy_j or 0.0) / true_j - 1)
    return errors


def test_a_step_right_after_the_end_does_not_close_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(map(abs, lagging_errors())) < 0.003
    monkeypatch.setattr(counter_meter, "SETTLE_S", 0.0)
    assert min(lagging_errors()) < -0.01


def test_several_gpus_are_summed_each_at_its_own_steps() -> None:
    instrument, gpu = simulated(idle_w=(78.0, 90.0, 60.0), phase_s=(0.01, 0.047, 0.083))
    assert instrument.num_gpus == 3
    instrument.begin()
    before = sum(gpu.true_j)
    gpu.work(0.8, (300.0, 410.0, 78.0))
    true_j = sum(gpu.true_j) - before
    reading = instrument.end()
    assert reading.energy_j == pytest.approx(true_j, rel=0.004)


class Stalled:
    """A machine that stands still for a while in one of the pauses between two reads, counted from the moment at which it is told."""

    def __init__(self, seconds: float) -> None:
        self.gpu, self.seconds, self.left = SimulatedCounter(step_s=0.1), seconds, -1

    def sleep(self, seconds: float) -> None:
        self.gpu.sleep(seconds + self.seconds * (self.left == 0))
        self.left -= 1


@pytest.mark.parametrize("pauses", [0, 1, 3, 100, 400, 600])
def test_a_machine_that_stands_still_spoils_no_window_and_no_idle_power(pauses: int) -> None:
    """Whichever edge is hit: a move of the counter that was not seen when it came is no edge."""
    for opens in (True, False):
        machine = Stalled(3.0)
        gpu = machine.gpu
        instrument = CounterMeter(gpu, clock=gpu.clock, sleep=machine.sleep)
        machine.left = pauses if opens else -1
        instrument.begin()
        before_j = gpu.true_j[0]
        gpu.work(0.5, (300.0,))
        true_j = gpu.true_j[0] - before_j
        machine.left = -1 if opens else pauses
        reading = instrument.end()
        assert reading.energy_j is not None and reading.error_j is not None, reading.reason
        assert abs(reading.energy_j - true_j) <= reading.error_j < 0.05 * true_j
        machine.left = pauses
        assert instrument.power_w(1.0) == pytest.approx(78, rel=0.002)


class StalledRead(SimulatedCounter):
    """A counter in whose read this process is kept waiting: its value is there, the time is noted late, and a step falls between."""

    seconds = 0.0

    def read_j(self) -> tuple[float, ...]:
        values = super().read_j()
        if 0.2 * self.seconds < self._next_step_s[0] - self.now_s < 0.8 * self.seconds:
            self.sleep(self.seconds)
            self.seconds = 0.0
        return values


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.08])
def test_a_read_that_was_kept_waiting_widens_the_error(seconds: float) -> None:
    """Whichever edge is hit."""
    for opens in (True, False):
        gpu = StalledRead(idle_w=(300.0,))
        instrument = CounterMeter(gpu, clock=gpu.clock, sleep=gpu.sleep)
        gpu.seconds = seconds if opens else 0.0
        instrument.begin()
        before_j = gpu.true_j[0]
        gpu.work(0.25, (300.0,))
        true_j = gpu.true_j[0] - before_j
        gpu.seconds = 0.0 if opens else seconds
        reading = instrument.end()
        assert reading.energy_j is not None and reading.error_j is not None, reading.reason
        assert gpu.seconds == 0, "the read was kept waiting"
        assert abs(reading.energy_j - true_j) <= reading.error_j


def test_idle_power_is_the_counters_difference() -> None:
    instrument, gpu = simulated(idle_w=(78.0, 90.0), phase_s=(0.01, 0.05))
    began_s = gpu.now_s
    assert instrument.power_w(2.0) == pytest.approx(168.0, rel=0.002)
    assert gpu.now_s - began_s >= 2.0


@pytest.mark.parametrize(("fault", "words"), [("lost_at_s", "stopped answering"), ("stuck_at_s", "has not moved"), ("reset_at_s", "reset")])
@pytest.mark.parametrize("edges", ["aligned", "plain"])
def test_a_failing_counter_gives_no_joules_and_a_reason(fault: str, words: str, edges: str) -> None:
    instrument, gpu = simulated(edges)
    instrument.begin()
    gpu.work(0.3, (200.0,))
    good = instrument.end()
    instrument.begin()
    setattr(gpu, fault, gpu.now_s + 0.0001)
    gpu.work(0.5, (200.0,))
    ended_s = gpu.now_s
    reading = instrument.end()
    assert good.energy_j is not None
    assert reading.energy_j is None and reading.error_j is None and reading.reason
    if (fault, edges) != ("stuck_at_s", "plain"):
        assert words in reading.reason
    assert gpu.now_s - ended_s < 3.0  # never hangs
    balance = instrument.close()
    assert balance["lost_windows"] == 1 and balance["windows"] == 2
    assert reading.reason in balance["notes"]  # type: ignore[operator]


def test_a_counter_lost_before_begin_still_lets_the_response_run() -> None:
    instrument, gpu = simulated()
    gpu.lost_at_s = gpu.now_s
    instrument.begin()
    assert "stopped answering" in (instrument.end().reason or "")
    assert instrument.power_w(0.1) is None
    assert instrument.close()["counter_j"] is None


def test_plain_window_without_a_step_is_null_not_zero() -> None:
    instrument, gpu = simulated("plain", step_s=0.1, phase_s=(0.03,))
    gpu.sleep(0.1 - (gpu.now_s - 0.03) % 0.1 + 0.001)
    instrument.begin()
    gpu.work(0.02, (200.0,))
    reading = instrument.end()
    assert reading.energy_j is None and "did not move" in (reading.reason or "")


@pytest.mark.parametrize("edges", ["aligned", "plain"])
def test_the_balance_closes(edges: str) -> None:
    instrument, gpu = simulated(edges)
    gpu.work(3.0, (150.0,))
    total = 0.0
    for watts in (200.0, 300.0, 250.0):
        instrument.begin()
        gpu.work(0.7, (watts,))
        total += instrument.end().energy_j or 0.0
        gpu.work(0.4, (120.0,))
    balance = instrument.close()
    assert balance["ratio"] == pytest.approx(1.0, abs=1e-9)
    assert balance["windows_j"] == pytest.approx(total)
    assert balance["gaps_j"] > 450  # type: ignore[operator]
    assert balance["lost_windows"] == 0


def test_the_balance_shows_a_window_that_was_lost_for_a_while() -> None:
    instrument, gpu = simulated()
    for fails in (False, True, False):
        instrument.begin()
        gpu.lost_at_s = gpu.now_s if fails else float("inf")
        gpu.work(1.0, (300.0,))
        instrument.end()
        gpu.lost_at_s = float("inf")
    balance = instrument.close()
    assert balance["ratio"] < 0.75  # type: ignore[operator]


def test_end_needs_begin() -> None:
    with pytest.raises(WindowNotOpen):
        simulated()[0].end()
    with pytest.raises(WindowNotOpen):
        AbsentMeter("none").end()


def test_a_counter_that_never_moves_is_found_at_the_start() -> None:
    gpu = SimulatedCounter()
    gpu.stuck_at_s = 0.0
    with pytest.raises(CounterLost, match="has not moved"):
        CounterMeter(gpu, clock=gpu.clock, sleep=gpu.sleep)


def test_cpu_has_no_gpu_joules_and_says_why() -> None:
    instrument = open_meter("cpu")
    instrument.begin()
    reading = instrument.end()
    assert (instrument.source, instrument.edges, instrument.num_gpus, instrument.gpu_model) == ("none", None, 0, None)
    assert reading.energy_j is None and "CPU" in (reading.reason or "")
    assert instrument.host_reason or reading.cpu_energy_j is not None
    assert instrument.power_w(1.0) is None and instrument.close() == {}


def test_unknown_edges_are_refused() -> None:
    with pytest.raises(UnknownEdges, match="aligned or plain"):
        open_meter("cpu", edges="sharp")


def test_host_energy_is_its_own_column() -> None:
    values = iter([HostEnergy(10.0, None), HostEnergy(13.5, None), HostEnergy(1.0, None), HostEnergy(0.5, None)])
    instrument = AbsentMeter("no GPU", Host("rapl", "none", "no memory zone", lambda: next(values)))
    instrument.begin()
    reading = instrument.end()
    assert (reading.cpu_energy_j, reading.dram_energy_j, reading.energy_j) == (3.5, None, None)
    instrument.begin()
    assert instrument.end().cpu_energy_j is None  # a counter that fell is no measurement


def test_importing_the_meter_imports_no_zeus() -> None:
    import subprocess

    code = (
        "import sys; from prompt_joules.bench.meter import opening, devices; "
        "sys.exit(any(m in sys.modules for m in ('zeus', 'pynvml', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert opening.__doc__
