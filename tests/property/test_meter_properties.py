"""What must hold for any power, any length of response, any phase of the counter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_joules.bench.meter.counter_meter import CounterMeter
from tests.simulated import SimulatedCounter

watts = st.floats(60, 700)
response = st.lists(st.tuples(st.floats(0.005, 0.6), watts), min_size=1, max_size=6)
phase = st.floats(0, 0.0999)
STEP_S = 0.1


def opened(edges: str, phase_s: float) -> tuple[CounterMeter, SimulatedCounter]:
    gpu = SimulatedCounter(phase_s=(phase_s,))
    return CounterMeter(gpu, edges, clock=gpu.clock, sleep=gpu.sleep), gpu


@settings(max_examples=60, deadline=None)
@given(response, phase, st.floats(0, 0.1))
def test_aligned_is_within_its_bar_and_within_the_plain_bound(trace: list[tuple[float, float]], phase_s: float, wait_s: float) -> None:
    instrument, gpu = opened("aligned", phase_s)
    gpu.sleep(wait_s)
    instrument.begin()
    before_j = gpu.true_j[0]
    for seconds, power_w in trace:
        gpu.work(seconds, (power_w,))
    true_j = gpu.true_j[0] - before_j
    reading = instrument.end()
    assert reading.energy_j is not None and reading.error_j is not None
    highest_w = max(78.0, *(power_w for _, power_w in trace))
    assert abs(reading.energy_j - true_j) <= STEP_S * highest_w
    assert abs(reading.energy_j - true_j) <= reading.error_j + 0.002
    assert reading.error_j <= STEP_S * 1.02 * highest_w + 0.02


@settings(max_examples=60, deadline=None)
@given(st.floats(0.12, 3.0), watts, phase, st.floats(0, 0.1))
def test_plain_is_within_its_bound_at_steady_power(seconds: float, power_w: float, phase_s: float, wait_s: float) -> None:
    instrument, gpu = opened("plain", phase_s)
    gpu.work(0.3 + wait_s, (power_w,))
    instrument.begin()
    before_j = gpu.true_j[0]
    gpu.work(seconds, (power_w,))
    true_j = gpu.true_j[0] - before_j
    reading = instrument.end()
    assert reading.energy_j is not None and reading.error_j is not None
    assert abs(reading.energy_j - true_j) <= reading.error_j * 1.01 + 0.02


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(response, st.floats(0, 0.5)), min_size=1, max_size=4),
    st.sampled_from(["aligned", "plain"]),
    phase,
)
def test_windows_and_gaps_make_the_counter(run: list[tuple[list[tuple[float, float]], float]], edges: str, phase_s: float) -> None:
    instrument, gpu = opened(edges, phase_s)
    total_j, lost = 0.0, 0
    for trace, gap_s in run:
        instrument.begin()
        for seconds, power_w in trace:
            gpu.work(seconds, (power_w,))
        reading = instrument.end()
        lost += reading.energy_j is None
        total_j += reading.energy_j or 0.0
        gpu.work(gap_s, (130.0,))
    gpu.sleep(0.3)
    balance = instrument.close()
    assert balance["windows_j"] == pytest.approx(total_j)
    assert balance["lost_windows"] == lost
    if not lost:
        assert balance["ratio"] == pytest.approx(1.0, abs=1e-9)
    else:
        # A lost window in which the counter showed no joule is missing nothing.
        assert balance["ratio"] <= 1.0 + 1e-9  # type: ignore[operator]
