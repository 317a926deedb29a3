"""Whole runs with tiny random models that something breaks: prompts, the GPU, the meter, the disk, Ctrl-C; the same command goes on."""

import errno
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")


from prompt_joules.bench import errors  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines.base import Generation, Prepared, PromptFailed, Sampling  # noqa: E402
from prompt_joules.bench.engines.transformers import TransformersEngine  # noqa: E402
from prompt_joules.bench.meter.counters import CounterLost  # noqa: E402
from prompt_joules.bench.meter.replay import ReplayCounter  # noqa: E402
from prompt_joules.bench.prompts.sets import load_prompts  # noqa: E402
from prompt_joules.bench.run import local, sink  # noqa: E402
from prompt_joules.bench.run.folder import read_run  # noqa: E402
from prompt_joules.bench.run.job import execution_order  # noqa: E402
from tests.unit.bench.tiny_runs import PROMPTS, rows, run  # noqa: E402


class Breaks(TransformersEngine):
    """Does `act` just before the answer number `at` of the run; the prefills before the first window are not counted."""

    at = 1
    act: Any = None

    def generate(self, prompts: list[Prepared], sampling: Sampling) -> list[Generation]:
        self.calls = getattr(self, "calls", -1) + (sampling.max_new_tokens > 1)
        if sampling.max_new_tokens > 1 and self.calls == self.at:
            return self.act(lambda: TransformersEngine.generate(self, prompts, sampling))  # type: ignore[no-any-return]
        return super().generate(prompts, sampling)


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch, config: RunConfig) -> Any:
    """Install `act(self, answer)` for the second answer; no warm-up."""

    def install(act: Any) -> RunConfig:
        monkeypatch.setitem(local._ENGINES, "transformers-eager", type("Broken", (Breaks,), {"act": act}))
        return replace(config, warmup=0)

    return install


@pytest.mark.parametrize("temperature", [0.7, 0.0])
def test_nan_logits_are_a_failed_row(breaking: Any, temperature: float) -> None:
    def nan_once(self: Breaks, answer: Any) -> Any:
        weight = self._model.lm_head.weight
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.fill_(float("nan"))
        try:
            return answer()
        finally:
            with torch.no_grad():
                weight.copy_(kept)

    config = replace(breaking(nan_once), temperature=temperature)
    assert run(config) == 0
    frame = rows(config)
    assert frame["status"].to_list() == ["ok", "failed", "ok", "ok"]
    assert "NaN logits" in frame["reason"][1]
    assert frame["energy_reason"][1] == "the prompt failed"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB"), "out of memory"),
        (lambda: ZeroDivisionError("in the model's own code"), "ZeroDivisionError: in the model's own code"),
    ],
)
def test_crashing_prompt_is_a_failed_row_and_the_run_goes_on(breaking: Any, error: Any, reason: str) -> None:
    def crash(self: Breaks, answer: Any) -> Any:
        def forward(*_: Any, **__: Any) -> None:
            raise error()

        self._model.forward = forward
        try:
            return answer()
        finally:
            del self._model.forward

    config = breaking(crash)
    assert run(config) == 0
    frame = rows(config)
    assert frame["status"].to_list() == ["ok", "failed", "ok", "ok"]
    assert reason in frame["reason"][1]


def test_lost_gpu_ends_the_run_after_writing_and_the_next_command_goes_on(breaking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(self: Breaks, answer: Any) -> Any:
        with self._faults(None):
            raise RuntimeError("CUDA error: device-side assert triggered")

    config = breaking(lost)
    with pytest.raises(errors.GpuLost, match="same command again"):
        run(config)
    assert rows(config)["status"].to_list() == ["ok", "failed"]
    monkeypatch.setitem(local._ENGINES, "transformers-eager", TransformersEngine)
    assert run(config) == 0
    assert rows(config)["status"].to_list() == ["ok", "failed", "ok", "ok"]


@pytest.fixture
def half_way(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run beside a counter of 100 W; from its third answer on, reading the counter raises what is asked."""
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(20000)]]}))
    read, answers = ReplayCounter.read_j, [0]

    class Counts(TransformersEngine):
        def generate(self, prompts: list[Prepared], sampling: Sampling) -> list[Generation]:
            answers[0] += sampling.max_new_tokens > 1
            return super().generate(prompts, sampling)

    def install(error: Exception | None) -> RunConfig:
        def broken(self: ReplayCounter) -> list[float]:
            if error is not None and answers[0] >= 3:
                raise error
            return read(self)

        monkeypatch.setattr(ReplayCounter, "read_j", broken)
        return replace(config, replay=trace, max_new_tokens=60, dummy_weights=True, idle=False)

    monkeypatch.setitem(local._ENGINES, "transformers-eager", Counts)
    return install


def test_a_counter_that_fails_half_way_leaves_joules_before_it_and_reasons_after(half_way: Any) -> None:
    config = half_way(CounterLost("GPU 0 stopped answering"))
    assert run(config) == 0
    frame = rows(config)
    assert set(frame["status"]) == {"ok"} and frame.height == 4
    assert frame["energy_j"].is_not_null().to_list() == [True, True, False, False]
    assert frame["energy_reason"].to_list() == [None, None, "GPU 0 stopped answering", "GPU 0 stopped answering"]
    (path,) = config.out.glob("*/run.json")
    balance = read_run(path.parent).sessions[0]["books"]
    assert balance["lost_windows"] == 2 and balance["ratio"] is None


def test_a_meter_that_breaks_half_way_keeps_the_rows_and_the_same_command_goes_on(half_way: Any) -> None:
    config = half_way(ZeroDivisionError("no name for this"))
    with pytest.raises(ZeroDivisionError):
        run(config)
    before = rows(config)
    assert before.height == 2 and before["energy_j"].null_count() == 0
    assert run(half_way(None)) == 0
    after = rows(config)
    assert after.head(2).equals(before) and set(after["prompt_id"]) == set(PROMPTS) and after.height == 4
    assert after["energy_j"].null_count() == 0
    (path,) = config.out.glob("*/run.json")
    assert [session["end"] for session in read_run(path.parent).sessions] == ["failed", "finished"]


def test_a_full_disk_keeps_the_parts_before_it_and_the_same_command_goes_on(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part every second row; the second part finds no room."""
    real, parts = sink.write_atomically, iter([True, False, False])

    def full(path: Path, data: bytes) -> None:
        if not next(parts):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(sink.PartSink.__init__, "__defaults__", (2, 60.0, time.monotonic))
    with monkeypatch.context() as broken:
        broken.setattr(sink, "write_atomically", full)
        with pytest.raises(errors.DiskFull, match="same command again"):
            run(config)
    assert rows(config).height == 2
    (path,) = config.out.glob("*/run.json")
    assert [(session["rows"], session["end"]) for session in read_run(path.parent).sessions] == [(2, "failed")]
    assert run(config) == 0
    assert set(rows(config)["prompt_id"]) == set(PROMPTS) and rows(config).height == 4
    assert [session["rows"] for session in read_run(path.parent).sessions] == [2, 2]


def test_a_gpu_lost_before_a_batch_fails_all_of_it(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(TransformersEngine):
        def prepare(self, text: str, seed: int, sampling: Sampling) -> Prepared:
            if text == PROMPTS[order[1]]:
                raise PromptFailed("CUDA error: illegal address", fatal=True)
            return super().prepare(text, seed, sampling)

    order = [item[0].id for item in execution_order(load_prompts(config.prompts), 1, config.seed)]
    monkeypatch.setitem(local._ENGINES, "transformers-eager", Lost)
    with pytest.raises(errors.GpuLost, match="illegal address"):
        run(replace(config, batch_size=2, warmup=0))
    frame = rows(config)
    assert frame["prompt_id"].to_list() == order[:2]
    assert set(frame["status"]) == {"failed"} and set(frame["reason"]) == {"CUDA error: illegal address"}


def test_first_ctrl_c_finishes_the_prompt_and_the_same_command_goes_on(breaking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(self: Breaks, answer: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return answer()

    config = breaking(press)
    before = signal.getsignal(signal.SIGINT)
    assert run(config) == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert rows(config)["status"].to_list() == ["ok", "ok"]
    monkeypatch.setitem(local._ENGINES, "transformers-eager", TransformersEngine)
    assert run(config) == 0
    frame = rows(config)
    assert frame["run_id"].n_unique() == 1
    assert frame["sequence"].to_list() == [0, 1, 2, 3]
    assert set(frame["prompt_id"]) == set(PROMPTS)
    (path,) = config.out.glob("*/run.json")
    assert [session["end"] for session in read_run(path.parent).sessions] == ["interrupted", "finished"]


def test_second_ctrl_c_drops_the_prompt_in_hand_and_keeps_the_others(breaking: Any) -> None:
    def press_twice(self: Breaks, answer: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return answer()

    config = breaking(press_twice)
    with pytest.raises(KeyboardInterrupt):
        run(config)
    assert rows(config)["sequence"].to_list() == [0]
