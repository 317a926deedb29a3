"""Protocol 2.0: nothing is paid for the first time inside a window, tasks take turns, whole runs repeat each other, one balance for all."""

import dataclasses
import io
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from rich.console import Console  # noqa: E402

from prompt_joules.bench import errors  # noqa: E402
from prompt_joules.bench.config import STARTED, InProcess, RunConfig, check  # noqa: E402
from prompt_joules.bench.engines.base import Generation, Prepared, Sampling  # noqa: E402
from prompt_joules.bench.engines.compiled import attention, kernels  # noqa: E402
from prompt_joules.bench.engines.compiled.engine import CompiledEngine  # noqa: E402
from prompt_joules.bench.engines.compiled.layers import ATTENTION  # noqa: E402
from prompt_joules.bench.engines.compiled.prefill import padded_length  # noqa: E402
from prompt_joules.bench.engines.servers import RUNTIMES  # noqa: E402
from prompt_joules.bench.engines.transformers import TransformersEngine  # noqa: E402
from prompt_joules.bench.meter.reading import Reading  # noqa: E402
from prompt_joules.bench.prompts.sets import Prompt, load_prompts  # noqa: E402
from prompt_joules.bench.run import local  # noqa: E402
from prompt_joules.bench.run.folder import Run, read_run  # noqa: E402
from prompt_joules.bench.run.job import Job, execution_order, turns  # noqa: E402
from prompt_joules.bench.run.local import run_benchmark  # noqa: E402
from prompt_joules.bench.run.warmup import TEXTS, warm_up  # noqa: E402

TOKENS = 6
PROMPTS = {"tea": "How do I make tea?", "sea": "Why is the sea salt, and since when?", "sum": "2 + 2?", "cat": "A cat?", "dot": "."}
FOUR = ("chat", "chat-concise", "instruct", "instruct-concise")


@pytest.fixture
def config(model: Path, tmp_path: Path) -> RunConfig:
    path = tmp_path / "five.jsonl"
    path.write_text("".join(json.dumps({"id": key, "prompt": text}) + "\n" for key, text in PROMPTS.items()))
    return RunConfig(str(model), prompts=str(path), out=tmp_path / "out", device="cpu", max_new_tokens=TOKENS, warmup=0)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A counter of 100 W that steps every 5 ms."""
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(20000)]]}))
    return path


def run(config: RunConfig) -> int:
    return run_benchmark(config, Console(quiet=True))


def rows(config: RunConfig) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(config.out.glob("*/part-*.parquet"))]).sort("started_at")


def watched(kind: type[TransformersEngine], log: list[tuple[int, int, int, int]]) -> type[TransformersEngine]:
    """An engine that logs (prompts, longest prompt, most new tokens, builds of static buffers) of every answer, after it."""

    class Watched(kind):  # type: ignore[misc,valid-type]
        def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
            found: list[Generation] = super().generate(prompts, sampling)
            decoder = getattr(self, "_decoder", None)
            longest = max(prompt.input_tokens for prompt in prompts)
            log.append((len(prompts), longest, sampling.max_new_tokens, decoder.builds if decoder else 0))
            return found

    return Watched


@pytest.mark.parametrize(("name", "kind"), [("transformers-eager", TransformersEngine), ("transformers-compiled", CompiledEngine)])
@pytest.mark.parametrize("batch_size", [1, 2])
def test_no_window_is_the_first_of_its_length_and_buffers_are_made_before_the_first(
    config: RunConfig, monkeypatch: pytest.MonkeyPatch, name: Any, kind: Any, batch_size: int
) -> None:
    log: list[tuple[int, int, int, int]] = []
    monkeypatch.setitem(local._ENGINES, name, watched(kind, log))
    asked = replace(config, engine=name, task=("chat", "instruct-concise"), batch_size=batch_size, max_new_tokens=70)
    assert run(asked) == 0
    first = next(place for place, (_, _, most, _) in enumerate(log) if most > 1)
    before, windows = log[:first], log[first:]
    assert len(windows) == 2 * -(-len(PROMPTS) // batch_size) and all(most == 70 for _, _, most, _ in windows)
    assert {shape[:2] for shape in windows} == {shape[:2] for shape in before}
    assert len(before) == len({shape[:2] for shape in before}), "every length once"
    built = {builds for *_, builds in windows}
    assert len(built) == 1, "a window made buffers"
    if kind is CompiledEngine:
        # One answer at a time prompts are read in graphs, one a padded length.
        graphs = {(size, padded_length(size, longest)) for size, longest, *_ in windows if batch_size == 1}
        assert built == {len({size for size, *_ in windows}) + len(graphs)}, "one buffer a batch size, however long the prompts"


def test_the_lengths_that_a_resumed_run_has_left_are_run_first(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[tuple[int, int, int, int]] = []

    class Stops(watched(TransformersEngine, log)):  # type: ignore[misc]
        def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
            if sampling.max_new_tokens > 1 and sum(most > 1 for _, _, most, _ in log) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().generate(prompts, sampling)  # type: ignore[no-any-return]

    monkeypatch.setitem(local._ENGINES, "transformers-eager", Stops)
    assert run(replace(config, batch_size=2)) == 130
    assert rows(config).height == 4
    log.clear()
    monkeypatch.setitem(local._ENGINES, "transformers-eager", watched(TransformersEngine, log))
    assert run(replace(config, batch_size=2)) == 0
    assert [(size, most) for size, _, most, _ in log] == [(1, 1), (1, TOKENS)]
    assert rows(config).height == 5 and rows(config)["run_id"].n_unique() == 1


@pytest.mark.parametrize(("later", "said"), [("a", False), ("b", True)])
def test_a_run_that_goes_on_with_other_kernels_says_so(config: RunConfig, monkeypatch: pytest.MonkeyPatch, later: str, said: bool) -> None:
    class Stops(CompiledEngine):
        def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
            if sampling.max_new_tokens > 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().generate(prompts, sampling)

    asked, screen = replace(config, engine="transformers-compiled", limit=2), Console(record=True, file=io.StringIO(), width=200)
    monkeypatch.setitem(local._ENGINES, "transformers-compiled", Stops)
    monkeypatch.setattr(kernels, "described", lambda: {"count": 1, "hash": "a"})
    assert run(asked) == 130
    monkeypatch.setitem(local._ENGINES, "transformers-compiled", CompiledEngine)
    monkeypatch.setattr(kernels, "described", lambda: {"count": 1, "hash": later})
    assert run_benchmark(asked, screen) == 0
    assert ("compiled other kernels" in screen.export_text()) == said
    assert {json.loads(told)["kernels"]["hash"] for told in rows(config)["environment"]} == {"a"}, "a run keeps its setup"


@pytest.mark.parametrize("engine", ["transformers-eager", "transformers-compiled"])
def test_cudnn_attention_is_off_and_the_rows_say_so(config: RunConfig, engine: Any) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    run(replace(config, limit=1, engine=engine))
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    environment = json.loads(rows(config)["environment"][0])
    assert environment["cudnn_attention"] is False and environment["attention"] == "sdpa"
    assert environment.get("decode_attention") == (ATTENTION if engine == "transformers-compiled" else None)


@pytest.mark.parametrize(
    ("engine", "batch", "version"), [("transformers-compiled", 1, "2.1"), ("transformers-eager", 2, "2.1"), ("vllm", 1, "2.2")]
)
def test_the_protocol_of_a_run_goes_by_what_it_changed(config: RunConfig, engine: Any, batch: int, version: str) -> None:
    assert replace(config, engine=engine, batch_size=batch).harness_version == version


def test_rows_of_a_batch_say_how_it_attends_and_are_of_a_protocol_of_their_own(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "way_for", lambda batch, *_, **__: "matmul" if batch == 1 else "sdpa, grouped")
    monkeypatch.setitem(attention.WAYS, "sdpa, grouped", attention.matmul)
    assert run(replace(config, limit=2, engine="transformers-compiled", batch_size=2)) == 0
    frame = rows(config)
    assert set(frame["harness_version"]) == {"2.4"}
    assert json.loads(frame["environment"][0])["decode_attention"] == f"{ATTENTION}:sdpa, grouped"


def test_tasks_take_turns_prompt_by_prompt_in_an_order_that_the_seed_draws(config: RunConfig) -> None:
    assert run(replace(config, task=FOUR)) == 0
    frame = rows(config)
    asked = [list(part["prompt_id"]) for part in (frame[place : place + 4] for place in range(0, 20, 4))]
    assert all(len(set(four)) == 1 for four in asked), "the four tasks of a prompt stand together"
    order = [prompt.id for prompt, _ in execution_order(load_prompts(config.prompts), 1, 0)]
    assert [four[0] for four in asked] == order
    orders = {tuple(frame["task"][place : place + 4]) for place in range(0, 20, 4)}
    assert len(orders) > 1, "not always the same task first"
    for _, part in frame.group_by("run_id"):
        assert part["sequence"].to_list() == list(range(5)) and part["window_id"].to_list() == list(range(5))
    assert frame["pass_id"].n_unique() == frame["experiment_id"].n_unique() == 1 and frame["run_id"].n_unique() == 4


def test_turns_are_the_same_everywhere_and_leave_nothing_out() -> None:
    prompts = tuple((Prompt(f"p{n}", "x"), repetition) for n in range(40) for repetition in range(2))
    jobs = [Job(Run(Path(task), "f", {}, {}, 80), task, prompts) for task in FOUR]
    rests = [prompts, prompts[30:], prompts, ()]
    drawn = turns(jobs, rests, 8, seed=3)
    assert drawn == turns(jobs, rests, 8, seed=3) != turns(jobs, rests, 8, seed=4)
    for which, rest in enumerate(rests):
        assert [item for place, batch in drawn if place == which for item in batch] == list(rest)
    first = [which for which, _ in turns(jobs, [prompts] * 4, 1, 0)][::4]
    assert all(5 <= first.count(which) <= 40 for which in range(4)), "no task is always the first"


def test_one_balance_for_the_runs_of_a_pass(config: RunConfig, recording: Path) -> None:
    run(replace(config, task=("chat", "instruct"), replay=recording, max_new_tokens=60, idle=False))
    found = [read_run(path.parent) for path in config.out.glob("*/run.json")]
    first, second = (run.sessions[-1]["books"] for run in found)
    assert first["shared_by"] == second["shared_by"] == sorted((run.run_id for run in found), key=first["shared_by"].index)
    assert first["windows_j"] == second["windows_j"] == pytest.approx(first["own_windows_j"] + second["own_windows_j"])
    assert first["ratio"] == second["ratio"] == pytest.approx(1, abs=1e-6)
    energy = dict(rows(config).group_by("run_id").agg(pl.col("energy_j").sum()).rows())
    for whole in found:
        assert whole.sessions[-1]["books"]["own_windows_j"] == pytest.approx(energy[whole.run_id])


def test_a_stopped_command_of_several_tasks_goes_on(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = replace(config, task=FOUR), 0

    class Stops(TransformersEngine):
        def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
            nonlocal answered
            answered += sampling.max_new_tokens > 1
            if sampling.max_new_tokens > 1 and answered == 7:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().generate(prompts, sampling)

    monkeypatch.setitem(local._ENGINES, "transformers-eager", Stops)
    before = signal.getsignal(signal.SIGTERM)
    assert run(asked) == 130
    assert signal.getsignal(signal.SIGTERM) is before
    assert rows(config).height == 7
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame.select("task", "prompt_id").rows()) == {(task, key) for task in FOUR for key in PROMPTS} and frame.height == 20
    assert frame["run_id"].n_unique() == 4 and frame["pass_id"].n_unique() == 1
    assert {session["end"] for path in config.out.glob("*/run.json") for session in read_run(path.parent).sessions} == {
        "interrupted",
        "finished",
    }


def test_whole_runs_have_seeds_of_their_own_and_share_an_experiment(config: RunConfig) -> None:
    asked = replace(config, task=("chat", "instruct"), runs=2, seed=5)
    assert run(asked) == 0
    frame = rows(config)
    assert set(frame["seed"]) == {5, 6} and frame["run_id"].n_unique() == 4 and frame["pass_id"].n_unique() == 2
    assert frame["experiment_id"].n_unique() == 1
    texts = {seed: part.sort("task", "prompt_id")["output_text"].to_list() for (seed,), part in frame.group_by("seed")}
    assert texts[5] != texts[6]
    assert run(replace(asked, runs=3)) == 0, "one more run joins those that are there"
    assert set(rows(config)["seed"]) == {5, 6, 7} and rows(config)["experiment_id"].n_unique() == 1
    assert rows(config).height == 30


def test_a_named_experiment_is_joined_by_other_commands_and_is_part_of_what_a_run_is(config: RunConfig) -> None:
    for seed in (0, 10):
        run(replace(config, seed=seed, experiment="two cards", limit=1))
    run(replace(config, limit=1))
    frame = rows(config)
    assert frame["run_id"].n_unique() == 3
    assert frame["experiment_id"].to_list()[:2] == ["two cards"] * 2 and frame["experiment_id"][2] != "two cards"


def test_repetitions_are_other_draws(config: RunConfig) -> None:
    run(replace(config, repetitions=3, temperature=1.5, limit=2))
    for _, part in rows(config).group_by("prompt_id"):
        assert part["output_text"].n_unique() > 1


class Scripted:
    """An engine and a meter in one: answers `tokens`, costs as scripted."""

    def __init__(self, costs: Sequence[float], tokens: int = 10_000) -> None:
        self.costs, self.tokens = iter(costs), tokens
        self.asked: list[tuple[str, int]] = []

    def prepare(self, text: str, seed: int, sampling: Sampling) -> Prepared:
        self.asked.append((text, sampling.max_new_tokens))
        return Prepared(text, 5, seed)

    def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
        self.made = min(self.tokens, sampling.max_new_tokens)
        return [Generation((1,) * self.made, tuple(range(self.made)), "length") for _ in prompts]

    def end(self) -> Reading:
        return Reading(energy_j=next(self.costs) * self.made, edge_j=0.0)

    def ready(self, *_: Any) -> None: ...
    def synchronize(self) -> None: ...
    def begin(self) -> None: ...


def scripted(costs: Sequence[float], most: int = 12, tokens: int = 10_000) -> tuple[Any, Scripted]:
    both = Scripted(costs, tokens)
    return warm_up(both, both, 1, Sampling(max_new_tokens=64), most, lambda: False), both  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("costs", "answers", "warm"),
    [
        ([9, 1, 1], 3, True),
        ([1, 1, 1, 1], 3, True),
        ([9, 5, 2, 1.2, 1.19], 5, True),
        ([9, *[1, 2] * 6], 12, False),
    ],
)
def test_a_warm_up_ends_when_two_answers_in_a_row_agree_and_never_before_three(costs: list[float], answers: int, warm: bool) -> None:
    done, both = scripted(costs)
    assert (done.answers, done.warm) == (answers, warm)
    assert done.columns == {"warm": warm, "warmup_answers": answers}
    assert {text for text, _ in both.asked} <= set(TEXTS)
    assert len({text for text, _ in both.asked}) == 1, "only the same text can be compared"
    assert both.asked[0][1] == 32 and both.asked[1][1] == 64, "the first tells how long the others may be"


def test_a_warm_up_text_with_a_short_answer_gives_way_to_the_next() -> None:
    done, both = scripted([9, 1, 2, 1, 2, 1, 1], tokens=4)
    assert done.warm and len({text for text, _ in both.asked}) > 1


def test_warm_up_texts_are_in_no_prompt_set_and_rows_say_how_warm_they_are(config: RunConfig) -> None:
    assert not {prompt.text for prompt in load_prompts("default").prompts} & set(TEXTS)
    run(config)
    assert set(rows(config)["warm"]) == {False} and set(rows(config)["warmup_answers"]) == {0}
    with pytest.raises(errors.BadOption, match="at least 3 answers"):
        check(replace(config, warmup=2))


def test_power_while_awake_stands_beside_idle_power(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = []
    monkeypatch.setattr(TransformersEngine, "tick", lambda self: ticks.append(1))
    run(replace(config, replay=recording, limit=1))
    frame = rows(config)
    # Within 0.3 s a busy machine sees a step of the recording some hundredths of a second late.
    assert frame["idle_power_w"][0] == pytest.approx(100, rel=0.3)
    assert frame["active_idle_power_w"][0] == pytest.approx(100, rel=0.3)
    assert len(ticks) > 1, "the device was launched meanwhile"


def test_error_bars_have_a_part_of_their_own_and_a_common_one(config: RunConfig, recording: Path) -> None:
    run(replace(config, replay=recording, max_new_tokens=60, idle=False))
    for row in rows(config).iter_rows(named=True):
        common_j = row["energy_error_calibration"] * row["energy_j"]
        assert row["energy_error_edge_j"] > 0 and common_j > 0
        assert row["energy_error_j"] ** 2 == pytest.approx(row["energy_error_edge_j"] ** 2 + common_j**2)


def test_conditions_of_a_window_reach_its_row(config: RunConfig, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prompt_joules.bench.meter.counter_meter import CounterMeter

    good = CounterMeter.end
    told = {"power_capped": True, "neighbour_power_w": 312.0, "other_processes": 2, "throttled": False}
    monkeypatch.setattr(CounterMeter, "end", lambda self: dataclasses.replace(good(self), **told))
    monkeypatch.setattr(os, "getloadavg", lambda: (3.0 * (os.cpu_count() or 1), 0.0, 0.0))
    run(replace(config, replay=recording, limit=1, idle=False))
    (row,) = rows(config).iter_rows(named=True)
    assert {name: row[name] for name in told} == told
    assert row["host_load"] == pytest.approx(3.0)


def test_provenance_of_weights_is_a_column(config: RunConfig, model: Path) -> None:
    run(replace(config, limit=1))
    run(replace(config, limit=1, model=str(model / "config.json"), dummy_weights=True))
    assert rows(config)["weights_format"].to_list() == ["safetensors", "random"]


def test_every_engine_that_can_be_named_is_there() -> None:
    assert set(get_args(InProcess)) == local._ENGINES.keys()
    assert set(STARTED) == RUNTIMES.keys()
