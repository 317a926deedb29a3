"""Windows around code of one's own: true joules of a simulated GPU, nesting, what is refused, and the decorator."""

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from prompt_joules.bench.meter import counters, opening, windows
from prompt_joules.bench.meter.counter_meter import CounterMeter
from prompt_joules.bench.meter.opening import AbsentMeter
from prompt_joules.bench.meter.reading import WindowNotOpen, WindowOpen
from prompt_joules.bench.meter.windows import Meter, MeterClosed, NotMeasurable, OtherThread, WindowsCross, measured
from prompt_joules.bench.run.own import record
from tests.simulated import SimulatedCounter
from tests.timed_meter import assert_power, timed

IDLE_W = 78.0


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedCounter:
    """A GPU that every meter of the test finds, whatever device it asks for."""
    simulated = SimulatedCounter((IDLE_W,))
    monkeypatch.setattr(
        opening, "open_meter", lambda _, edges, __: CounterMeter(simulated, edges, clock=simulated.clock, sleep=simulated.sleep)
    )
    return simulated


@pytest.fixture
def meter(gpu: SimulatedCounter) -> Iterator[Meter]:
    with Meter("cuda:0", clock=gpu.clock) as opened:
        yield opened


def test_a_window_has_the_true_joules_within_its_error(meter: Meter, gpu: SimulatedCounter) -> None:
    with meter.window("rag", input_tokens=412) as window:
        assert (window.energy_j, window.reason) == (None, "the window is still open")
        gpu.work(1.7, (300.0,))
        window.output_tokens = 51
    assert window.energy_j is not None and window.error_j is not None
    assert window.energy_j == pytest.approx(510.0, abs=window.error_j)
    assert window.error_j < 0.05 * 510
    assert window.latency_s == pytest.approx(1.7, abs=0.001), "waiting for the counter is no part of it"
    assert window.energy_per_token_j == pytest.approx(window.energy_j / 51)
    assert window.power_w == pytest.approx(300, rel=0.02)
    assert (window.reason, window.edges, window.failed) == (None, "aligned", None)
    assert list(meter.windows) == [window]
    assert meter.idle_power_w == pytest.approx(IDLE_W, rel=0.01)


def test_windows_nest_by_name_and_the_inner_ones_add_nothing_to_the_outer(meter: Meter, gpu: SimulatedCounter) -> None:
    with meter.window("agent") as agent:
        gpu.work(0.5, (100.0,))
        for step in ("search", "answer"):
            with meter.window(step) as inner:
                gpu.work(1.0, (300.0,))
            assert inner.energy_j is not None and inner.error_j is not None
            assert inner.energy_j == pytest.approx(300, abs=inner.error_j), "a plain reading is off by no more than its bar"
            assert (inner.edges, inner.cpu_energy_j) == ("plain", None)
        gpu.work(0.5, (100.0,))
    assert agent.energy_j == pytest.approx(700, abs=agent.error_j)
    assert agent.latency_s == pytest.approx(3.0, abs=0.01), "nobody waited inside"
    assert [window.name for window in meter.windows] == ["search", "answer", "agent"]


def test_an_inner_window_too_short_for_the_counter_has_a_reason(meter: Meter, gpu: SimulatedCounter) -> None:
    with meter.window("outer"), meter.window("inner") as inner:
        gpu.work(0.001, (300.0,))
    assert inner.energy_j is None and inner.error_j is None
    assert "did not move in the 0.0" in str(inner.reason)


@pytest.mark.parametrize(("fault", "said"), [("lost_at_s", "could not be read"), ("reset_at_s", "went back")])
def test_a_counter_that_fails_inside_leaves_a_reason(meter: Meter, gpu: SimulatedCounter, fault: str, said: str) -> None:
    with meter.window("outer") as outer, meter.window("inner") as inner:
        gpu.work(0.5, (300.0,))
        setattr(gpu, fault, gpu.now_s)
    assert inner.energy_j is None and said in str(inner.reason)
    assert outer.energy_j is None and outer.reason


def test_a_second_begin_of_an_open_window_is_an_error_and_the_first_goes_on(meter: Meter, gpu: SimulatedCounter) -> None:
    with meter.window("rag") as first:
        gpu.work(0.5, (300.0,))
        with pytest.raises(WindowOpen, match="'rag' is open already"):
            meter.begin("rag")
        gpu.work(0.5, (300.0,))
    assert first.energy_j == pytest.approx(300, abs=first.error_j)


def test_windows_end_from_the_inside_out(meter: Meter) -> None:
    meter.begin("outer")
    meter.begin("inner")
    with pytest.raises(WindowsCross, match="'outer' cannot end before 'inner'"):
        meter.end("outer")
    with pytest.raises(WindowNotOpen, match="'other' is not open"):
        meter.end("other")
    meter.end("inner")
    meter.end("outer")
    with pytest.raises(WindowNotOpen):
        meter.end("outer")


def test_a_block_that_raises_is_measured_and_the_meter_goes_on(meter: Meter, gpu: SimulatedCounter) -> None:
    with pytest.raises(ValueError, match="no"), meter.window("rag") as window:
        gpu.work(0.5, (300.0,))
        raise ValueError("no")
    assert window.energy_j == pytest.approx(150, abs=window.error_j)
    assert window.failed == "ValueError: no"
    with meter.window("rag"):
        gpu.work(0.5, (300.0,))


def test_another_thread_may_not_open_a_window_meanwhile(meter: Meter) -> None:
    caught: list[Exception] = []

    def intrude() -> None:
        try:
            meter.begin("theirs")
        except OtherThread as error:
            caught.append(error)

    with meter.window("ours"):
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
    assert len(caught) == 1


def test_the_device_is_synchronized_at_both_ends_of_every_window(gpu: SimulatedCounter) -> None:
    moments: list[float] = []
    with Meter("cuda", clock=gpu.clock, idle_s=0, synchronize=lambda: moments.append(gpu.now_s)) as meter:
        assert meter.idle_power_w is None
        with meter.window("outer"), meter.window("inner"):
            gpu.work(0.5, (300.0,))
    assert len(moments) == 4


def test_closing_tells_the_balance_and_a_closed_meter_refuses(gpu: SimulatedCounter) -> None:
    meter = Meter("cuda", clock=gpu.clock)
    with meter.window("rag"):
        gpu.work(1.0, (300.0,))
    balance = meter.close()
    assert balance["ratio"] == pytest.approx(1.0, abs=0.02)
    with pytest.raises(MeterClosed):
        meter.begin("rag")


def test_without_a_counter_every_energy_is_none_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "open_meter", lambda *_: AbsentMeter("no GPU on this machine"))
    with Meter() as meter, meter.window("outer") as outer, meter.window("inner") as inner:
        pass
    for window in (outer, inner):
        assert (window.energy_j, window.error_j, window.energy_per_token_j, window.power_w) == (None, None, None, None)
        assert window.reason == "no GPU on this machine"
        assert window.latency_s is not None
    assert (meter.reason, meter.gpu_model, meter.source) == ("no GPU on this machine", None, "none")


@pytest.mark.parametrize("device", ["nonsense", "cuda:x", "cuda:0,", "cuda1", "gpu", "server", ""])
@pytest.mark.parametrize("with_gpus", [True, False])
def test_a_device_that_cannot_exist_is_an_error_that_names_what_does(
    device: str, with_gpus: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed() -> SimpleNamespace:
        if not with_gpus:
            raise counters.CounterUnavailable("no GPU driver answers")
        return SimpleNamespace(gpus=[SimpleNamespace(get_name=lambda: "NVIDIA H200")] * 2)

    monkeypatch.setattr(counters, "zeus_gpus", listed)
    monkeypatch.setattr(counters.sys, "platform", "linux")
    named = "cpu, cuda:0 (NVIDIA H200), cuda:1 (NVIDIA H200)" if with_gpus else "cpu. Whether it has cuda:0 cannot be seen"
    for open_it in (
        lambda: Meter(device),
        lambda: record(pytest.fail, model_id="org/x", prompts=["a"], out=tmp_path, device=device),
        lambda: measured(meter=Meter(device)),
    ):
        with pytest.raises(
            counters.NoSuchDevice, match=f"--device '{device}': there is no such device. This machine has: {re.escape(named)}"
        ):
            open_it()
    assert list(tmp_path.iterdir()) == []


def test_the_gpu_of_a_mac_is_on_a_mac_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters.sys, "platform", "linux")
    with pytest.raises(counters.NoSuchDevice, match="this is no Mac"):
        Meter("mps")
    monkeypatch.setattr(counters.sys, "platform", "darwin")
    counters.check_device("mps")


def test_this_machine_gives_joules_or_a_reason() -> None:
    with Meter(idle_s=0) as meter, meter.window("sleep") as window:
        time.sleep(0.3)
    assert (window.energy_j is None) == (window.reason is not None)


def test_a_recording_plays_whatever_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meters, recording = timed(monkeypatch, opening), tmp_path / "trace.json"
    recording.write_text(json.dumps({"gpu_models": ["Recorded GPU"], "traces": [[[n / 50, 2000 * n] for n in range(50)]]}))
    with Meter(replay=recording) as meter, meter.window("sleep") as window:
        time.sleep(0.3)
    assert (meter.gpu_model, meter.source) == ("Recorded GPU", "replay")
    assert_power(100, [(meters[0].spans()[0], window.energy_j, window.error_j)])


def test_a_measured_function_answers_as_before_and_leaves_its_windows(meter: Meter, gpu: SimulatedCounter) -> None:
    @measured(meter=meter)
    def answer(question: str, *, times: int = 1) -> str:
        """Say it."""
        gpu.work(0.5, (300.0,))
        return question * times if times < 3 else answer(question, times=2)

    assert answer("ab", times=2) == "abab"
    assert (answer.__name__, answer.__doc__) == ("answer", "Say it.")
    assert answer.last.energy_j == pytest.approx(150, abs=answer.last.error_j)
    answer("ab", times=3)
    assert answer.last.energy_j == pytest.approx(300, abs=answer.last.error_j), "what it asks itself is part of its window"
    assert len(meter.windows) == 2


def test_measured_functions_share_a_meter_where_they_name_none(gpu: SimulatedCounter, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Meter] = []
    monkeypatch.setattr(windows, "shared_meter", lambda: opened[0] if opened else opened.append(Meter(clock=gpu.clock)) or opened[0])

    @measured
    def outer() -> int:
        gpu.work(0.5, (100.0,))
        return inner() + 1

    @measured
    def inner() -> int:
        gpu.work(0.5, (300.0,))
        return 1

    assert outer() == 2
    assert len(opened) == 1
    assert [window.name.split(".")[-1] for window in opened[0].windows] == ["inner", "outer"]
    assert outer.last.energy_j == pytest.approx(200, abs=outer.last.error_j)  # type: ignore[attr-defined]


def test_what_gives_control_back_early_cannot_be_measured_by_its_call() -> None:
    async def later() -> None: ...

    def stream() -> Iterator[int]:
        yield 1

    for function in (later, stream):
        with pytest.raises(NotMeasurable, match="gives control back before its work is done"):
            measured(function)
