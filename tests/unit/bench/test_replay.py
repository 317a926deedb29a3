"""A recorded counter in place of a GPU, and recordings that are broken."""

import json
import time
from pathlib import Path

import pytest

from prompt_joules.bench.meter.opening import open_meter
from prompt_joules.bench.meter.replay import ReplayCounter, ReplayFileBroken, load_trace
from tests.timed_meter import Timed, assert_power


def write_trace(path: Path, step_s: float = 0.02, watts: float = 100.0) -> Path:
    points = [[step_s * index, step_s * index * watts * 1000] for index in range(200)]
    path.write_text(json.dumps({"gpu_models": ["Recorded GPU"], "traces": [points]}))
    return path


def test_replay_meter_measures_a_recorded_counter(tmp_path: Path) -> None:
    instrument = Timed(open_meter("cpu", replay=write_trace(tmp_path / "trace.json")))
    assert (instrument.source, instrument.gpu_model, instrument.num_gpus) == ("replay", "Recorded GPU", 1)
    instrument.begin()
    time.sleep(0.3)
    reading = instrument.end()
    assert_power(100, [(instrument.spans()[0], reading.energy_j, reading.error_j)])


def test_replay_goes_on_after_the_recording_ends(tmp_path: Path) -> None:
    now = [0.0]
    counter = ReplayCounter(load_trace(write_trace(tmp_path / "t.json")), clock=lambda: now[0])
    seen = []
    for index in range(1000):
        now[0] = 0.011 * index
        seen.append(counter.read_j()[0])
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(100 * now[0], rel=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"gpu_models": ["a"], "traces": []}',
        '{"gpu_models": ["a"], "traces": [[[0, 5], [1, 4]]]}',
        '{"gpu_models": ["a"], "traces": [[[0, 5], [1, NaN]]]}',
        '{"gpu_models": ["a"], "traces": [[[0, 5], [1, Infinity]]]}',
        '{"gpu_models": ["a"], "traces": [[[-Infinity, 5], [1, 6]]]}',
    ],
)
def test_broken_recordings_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ReplayFileBroken, match=r"broken\.json"):
        load_trace(path)
