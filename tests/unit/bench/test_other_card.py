"""A run that stopped goes on by its own command. On another card what it lacks becomes a run of its own: the rows of a run are of the cards
that it names."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

torch = pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench import errors, machine  # noqa: E402
from prompt_joules.bench.config import RunConfig  # noqa: E402
from prompt_joules.bench.engines.base import Generation, Prepared, Sampling  # noqa: E402
from prompt_joules.bench.engines.transformers import TransformersEngine  # noqa: E402
from prompt_joules.bench.meter.gpu import Conditions  # noqa: E402
from prompt_joules.bench.run import job, local  # noqa: E402
from prompt_joules.bench.run.folder import RUN_FILE, read_run  # noqa: E402
from prompt_joules.bench.sweep.cells import Cell, is_finished  # noqa: E402
from tests.unit.bench.tiny_runs import PROMPTS, rows  # noqa: E402


class Bench:
    """A machine with a replayed counter whose card can be changed, and whose GPU is lost after so many answers."""

    def __init__(self, config: RunConfig, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        trace = folder / "trace.json"
        trace.write_text(json.dumps({"gpu_models": ["Replayed GPU"], "traces": [[[n * 0.005, n * 500.0] for n in range(20000)]]}))
        self.config = replace(config, replay=trace, max_new_tokens=60, dummy_weights=True, idle=False)
        self.card: str | None = "a"
        self.answers_left = 0
        bench = self

        class Counts(TransformersEngine):
            def generate(self, prompts: list[Prepared], sampling: Sampling) -> list[Generation]:
                if sampling.max_new_tokens > 1:
                    bench.answers_left -= 1
                    if bench.answers_left < 0:
                        with self._faults(None):
                            raise RuntimeError("CUDA error: device-side assert triggered")
                return super().generate(prompts, sampling)

        monkeypatch.setitem(local._ENGINES, "transformers-eager", Counts)
        monkeypatch.setattr(Conditions, "snapshot", lambda _: [{"name": "Replayed GPU", "card": bench.card}])

    def on(self, card: str | None, answers: int = 99, **options: Any) -> str:
        """Give the command on a card that is lost after so many answers. Returns what was said."""
        self.card, self.answers_left = card, answers
        console = Console(record=True, width=400, file=io.StringIO())
        try:
            local.run_benchmark(replace(self.config, **options), console)
        except errors.GpuLost:
            console.print("lost")
        return console.export_text()

    def by_run(self) -> list[tuple[set[str], int]]:
        """Of each run, in the order in which they were begun, the cards that its rows name, and how many rows it has."""
        frame = rows(self.config).with_columns(card=pl.col("environment").map_elements(_card, pl.String))
        found = frame.group_by("run_id").agg(pl.col("card").unique(), pl.len().alias("rows")).sort("run_id")
        return [(set(row["card"]), row["rows"]) for row in found.to_dicts()]


def _card(environment: str) -> str | None:
    card: str | None = json.loads(environment)["gpus"][0]["card"]
    return card


@pytest.fixture
def bench(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(config, tmp_path, monkeypatch)


def test_another_card_asks_what_the_run_lacks_as_a_run_of_its_own(bench: Bench) -> None:
    bench.on("a", 2)
    (first,) = rows(bench.config)["run_id"].unique().to_list()
    begun = rows(bench.config).height
    said = bench.on("b")
    assert f"{first} was begun on other hardware. The {4 - begun} answers that it lacks become a run of this one." in said
    frame = rows(bench.config)
    assert sorted(frame["prompt_id"]) == sorted(PROMPTS), "every prompt once"
    assert frame["experiment_id"].n_unique() == 1 and frame["pass_id"].n_unique() == 2
    assert bench.by_run() == [({"a"}, begun), ({"b"}, 4 - begun)]
    for card in ("b", "a"):
        assert "finished before" in bench.on(card) and rows(bench.config).equals(frame), "nothing is left, on whatever card"
    (bench.config.out / first).rename(bench.config.out.parent / first)
    assert "finished before" in bench.on("b"), "the first run may be kept elsewhere then"


def test_the_run_of_the_other_card_stops_and_goes_on_too_and_a_third_asks_the_rest(bench: Bench) -> None:
    for card in ("a", "b", "b"):
        assert "lost" in bench.on(card, 0), "the prompt in hand is a failed row"
    assert [cards for cards, _ in bench.by_run()] == [{"a"}, {"b"}]
    assert len(list(bench.config.out.glob(f"*/{RUN_FILE}"))) == 2, "on its own card it went on where it had stopped"
    bench.on("a")
    assert [cards for cards, _ in bench.by_run()] == [{"a"}, {"b"}, {"a"}], "the first run is left as it is: another has gone on from it"
    assert sorted(rows(bench.config)["prompt_id"]) == sorted(PROMPTS)
    last = max(bench.config.out.glob(f"*/{RUN_FILE}")).parent
    assert read_run(last).finished and len(read_run(last).after) == 2


def test_the_same_card_and_a_card_without_a_number_go_on(bench: Bench) -> None:
    bench.on("a", 1)
    bench.on("a", 1)
    bench.on(None)
    assert [cards for cards, _ in bench.by_run()] == [{"a"}]
    assert sorted(rows(bench.config)["prompt_id"]) == sorted(PROMPTS)


def test_every_seed_and_task_has_its_rest_asked(bench: Bench) -> None:
    options = {"runs": 2, "task": ("chat", "chat-concise")}
    bench.on("a", 3, **options)
    bench.on("b", **options)
    frame = rows(bench.config)
    keys = frame.select("task", "seed", "prompt_id")
    assert keys.height == keys.unique().height == 16 and frame["experiment_id"].n_unique() == 1
    assert is_finished(Cell("", replace(bench.config, **options), ()))


def test_a_run_whose_rows_are_all_there_is_closed_on_any_card(bench: Bench) -> None:
    bench.on("a")
    (path,) = bench.config.out.glob(f"*/{RUN_FILE}")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"finished": False}))
    bench.on("b")
    assert read_run(path.parent).finished and len(list(bench.config.out.glob(f"*/{RUN_FILE}"))) == 1
    assert bench.by_run() == [({"a"}, 4)]


def test_a_run_that_is_gone_is_named(bench: Bench) -> None:
    bench.on("a", 0)
    bench.on("b", 0)
    first = min(bench.config.out.glob(f"*/{RUN_FILE}")).parent
    first.rename(bench.config.out.parent / "elsewhere")
    bench.card = "b"
    with pytest.raises(errors.RunGone, match=f"asks what another run lacks, and {first} is not there. Put that back"):
        bench.on("b")


def test_without_a_number_of_a_card_the_processor_decides(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for processor in ("One CPU", "One CPU", "Another CPU"):
        for module in (machine, job):
            monkeypatch.setattr(module, "cpu_name", lambda processor=processor: processor)
        bench.on(None, 0)
    found = rows(bench.config).sort("run_id", "sequence")["environment"].to_list()
    assert [json.loads(each)["cpu"] for each in found] == ["One CPU", "One CPU", "Another CPU"]
    assert rows(bench.config)["run_id"].n_unique() == 2
