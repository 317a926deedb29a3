"""Whole runs with tiny random models: rows, order, failures, resume, Ctrl-C, joules of a replayed counter."""

import errno
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from rich.console import Console  # noqa: E402

from prompt_joules.bench import errors, record  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines.base import Generation, Prepared, PromptFailed, Sampling  # noqa: E402
from prompt_joules.bench.engines.transformers import TransformersEngine  # noqa: E402
from prompt_joules.bench.meter.counters import CounterLost  # noqa: E402
from prompt_joules.bench.meter.replay import ReplayCounter  # noqa: E402
from prompt_joules.bench.prompts.sets import load_prompts  # noqa: E402
from prompt_joules.bench.run import local, sink  # noqa: E402
from prompt_joules.bench.run.folder import read_run  # noqa: E402
from prompt_joules.bench.run.job import execution_order  # noqa: E402
from prompt_joules.bench.run.local import run_benchmark  # noqa: E402
from tests.timed_meter import assert_power, timed  # noqa: E402
from tests.tiny_models import llama, t5  # noqa: E402

PROMPTS = {"tea": "How do I make tea?", "sea": "Why is the sea salt?", "sum": "What is 2 + 2?", "cat": "A cat?"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llama(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture
def config(model: Path, tmp_path: Path) -> RunConfig:
    path = tmp_path / "four.jsonl"
    path.write_text("".join(json.dumps({"id": key, "prompt": text}) + "\n" for key, text in PROMPTS.items()))
    return RunConfig(str(model), prompts=str(path), out=tmp_path / "out", device="cpu", max_new_tokens=6, warmup=0)


def run(config: RunConfig) -> int:
    return run_benchmark(config, Console(quiet=True))


def rows(config: RunConfig) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(config.out.glob("*/part-*.parquet"))]).sort("run_id", "sequence")


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


def test_rows_of_two_tasks(config: RunConfig) -> None:
    assert run(replace(config, task=("chat", "instruct"), nickname="Tiny", repetitions=2)) == 0
    frame = rows(config)
    assert frame.columns == list(record.NAMES)
    assert frame.height == 16
    assert frame["run_id"].n_unique() == 2
    for name in (column.name for column in record.COLUMNS if column.required):
        assert frame[name].null_count() == 0, name
    for _, part in frame.group_by("run_id"):
        assert part["sequence"].to_list() == list(range(8))
        assert set(part.select("prompt_id", "repetition").rows()) == {(key, n) for key in PROMPTS for n in (0, 1)}
        assert all(part[name].n_unique() == 1 for name in record.SETUP_NAMES)
    assert set(frame["prompt_template"]) == {"tokenizer"}
    assert set(frame["status"]) == {"ok"}


def test_times_and_tokens_agree(config: RunConfig) -> None:
    run(config)
    for row in rows(config).iter_rows(named=True):
        assert row["output_tokens"] == 6 or row["finish_reason"] == "stop"
        assert len(row["itl_s"]) == row["output_tokens"] - 1
        assert 0 < row["ttft_s"] <= row["ttft_s"] + sum(row["itl_s"]) <= row["latency_s"] + 1e-5
        assert row["output_chars"] == len(row["output_text"])


def test_input_tokens_are_those_of_the_rendered_text(config: RunConfig) -> None:
    from prompt_joules.bench.tasks import TASKS

    run(config)
    text = f"<system>{TASKS['chat'].system}<user>{PROMPTS['tea']}<assistant>"
    (row,) = rows(config).filter(pl.col("prompt_id") == "tea").iter_rows(named=True)
    assert row["input_tokens"] == len(text.encode())
    assert row["prompt_text"] == PROMPTS["tea"]


def test_energy_without_a_counter_is_null_with_a_reason(config: RunConfig) -> None:
    run(config)
    frame = rows(config)
    assert frame["energy_j"].null_count() == frame.height
    assert all("CPU" in reason for reason in frame["energy_reason"])
    assert set(frame["energy_source"]) == {"none"}


def test_energy_of_a_replayed_counter(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter of 100 W that steps every 5 ms: joules are 100 times the seconds of each window."""
    monkeypatch.setattr(local, "IDLE_SECONDS", 1.0)
    meters = timed(monkeypatch, local)
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(20000)]]}))
    asked = replace(config, replay=trace, max_new_tokens=200, dummy_weights=True, idle=True, limit=3)
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame["energy_source"]) == {"replay"}
    assert set(frame["gpu_model"]) == {"Replayed GPU"}
    for row in frame.iter_rows(named=True):
        assert row["energy_j"] >= 100 * row["latency_s"] - row["energy_error_j"], "the whole answer is in the window"
    assert_power(100, zip(meters[-1].spans()[-3:], frame["energy_j"], frame["energy_error_j"], strict=True))
    assert frame["idle_power_w"][0] == pytest.approx(100, rel=0.02)
    (path,) = config.out.glob("*/run.json")
    (session,) = read_run(path.parent).sessions
    assert session["books"]["windows_j"] == pytest.approx(frame["energy_j"].sum())
    assert session["books"]["ratio"] == pytest.approx(1, abs=0.02)


def test_same_seed_same_answers_other_seed_other_answers(config: RunConfig) -> None:
    for seed, again in ((0, False), (0, True), (1, False)):
        run(replace(config, seed=seed, again=again))
    runs = [part.sort("prompt_id")["output_text"].to_list() for part in rows(config).partition_by("run_id", maintain_order=True)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_answers_do_not_depend_on_the_other_prompts(config: RunConfig) -> None:
    run(config)
    run(replace(config, limit=2))
    first, second = (dict(part.select("prompt_id", "output_text").rows()) for part in rows(config).partition_by("run_id"))
    assert len(second) == 2
    assert second.items() <= first.items()


def test_no_text_leaves_the_counts(config: RunConfig) -> None:
    run(replace(config, text=False))
    frame = rows(config)
    assert frame["prompt_text"].null_count() == frame["output_text"].null_count() == frame.height
    assert frame["output_chars"].null_count() == 0


def test_greedy_answers_do_not_depend_on_the_seed(config: RunConfig) -> None:
    for seed in (0, 1):
        run(replace(config, seed=seed, temperature=0.0))
    runs = [part.sort("prompt_id")["output_text"].to_list() for part in rows(config).partition_by("run_id")]
    assert runs[0] == runs[1]


def test_encoder_decoder_does_not_count_the_start_token(config: RunConfig, tmp_path: Path) -> None:
    run(replace(config, model=str(t5(tmp_path / "t5")), temperature=0.0, repetition_penalty=1.5))
    frame = rows(config)
    assert set(frame["status"]) == {"ok"}
    assert set(frame["prompt_template"]) == {"plain"}
    for row in frame.iter_rows(named=True):
        assert row["output_tokens"] == 6 or row["finish_reason"] == "stop"
        assert len(row["itl_s"]) == row["output_tokens"] - 1


def test_context_too_long_is_a_failed_row_and_nothing_is_cut(config: RunConfig, tmp_path: Path) -> None:
    short = llama(tmp_path / "short", positions=240)
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"id": "long", "prompt": "x" * 300}) + "\n" + json.dumps({"id": "short", "prompt": "x"}))
    assert run(replace(config, model=str(short), prompts=str(long))) == 0
    by_id = {row["prompt_id"]: row for row in rows(config).iter_rows(named=True)}
    assert by_id["short"]["status"] == "ok"
    assert by_id["long"]["status"] == "failed"
    assert "context too long" in by_id["long"]["reason"] and "240" in by_id["long"]["reason"]
    assert by_id["long"]["output_tokens"] is None and by_id["long"]["finish_reason"] == "error"


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
    books = read_run(path.parent).sessions[0]["books"]
    assert books["lost_windows"] == 2 and books["ratio"] is None


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


def test_finished_run_is_not_repeated_unless_asked(config: RunConfig) -> None:
    for again, expected in ((False, 4), (False, 4), (True, 8)):
        assert run(replace(config, again=again)) == 0
        assert rows(config).height == expected


@pytest.mark.parametrize("change", [{"seed": 1}, {"max_new_tokens": 5}, {"limit": 2}, {"top_k": 3}, {"dtype": "bfloat16"}])
def test_other_setup_is_another_run(config: RunConfig, change: dict[str, Any]) -> None:
    run(config)
    run(replace(config, **change))
    assert rows(config)["run_id"].n_unique() == 2


def test_dummy_weights_from_a_config_file_have_the_length_asked(config: RunConfig, model: Path) -> None:
    asked = replace(config, model=str(model / "config.json"), dummy_weights=True, dummy_prompt_tokens=17, max_new_tokens=9)
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame["weights"]) == {"dummy"}
    assert set(frame["input_tokens"]) == {17}
    assert set(frame["output_tokens"]) == {9}
    assert frame["output_text"].null_count() == frame["prompt_template"].null_count() == 4


def test_parameters_are_counted(config: RunConfig) -> None:
    from transformers import AutoModelForCausalLM

    run(config)
    count = sum(weight.numel() for weight in AutoModelForCausalLM.from_pretrained(config.model).parameters())
    assert rows(config)["params_total_b"][0] * 1e9 == pytest.approx(count)
    assert rows(config)["params_active_b"][0] * 1e9 == pytest.approx(count)
