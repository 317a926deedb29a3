"""The steps of software, recomputed from made-up runs with a few lines of polars."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from prompt_joules.pages.ui.of import what_software_saves as room
from prompt_joules.pages.ui.of import what_software_saves_curves as lines
from prompt_joules.pages.ui.pure import software
from prompt_joules.pages.ui.pure.words import exact
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import estimates, intervals, runs
from tests import factories, warehouses

SHAPE = {"model_id": "me/shape-8b", "model_name": "shape-8b", "params_total_b": 8.03, "params_active_b": 8.03, "weights": "dummy"}
COMPILED = SHAPE | {"engine": "transformers-compiled"}
SHARED = {"energy_attribution": "shared", "idle_power_w": None}


def batches(run_id: str, size: int, count: int, **changes: Any) -> pl.DataFrame:
    """A run in static batches: every window has `size` rows."""
    common = COMPILED | SHARED | {"batch_size": size, "harness_version": "2.0"} | changes
    return factories.frame([factories.record(run_id, index, window_id=index // size, **common) for index in range(size * count)])


def served(run_id: str, concurrency: int, **changes: Any) -> pl.DataFrame:
    """A run on a server: one window."""
    more = {"engine": "vllm", "batch_size": concurrency, "concurrency": concurrency, "harness_version": "2.0", "window_id": 1} | changes
    return factories.frame([factories.record(run_id, index, **SHAPE | SHARED | more) for index in range(40)])


RUNS = {
    "eager": factories.records(3, "eager", **SHAPE, harness_version="2.0"),
    "eager-1": factories.records(30, "eager-1", **SHAPE, harness_version="1.1"),
    "compiled": factories.records(52, "compiled", **COMPILED, harness_version="2.0").with_columns(pl.col("energy_j") * 0.8),
    "searched": factories.records(30, "searched", **COMPILED | {"engine": "transformers-compiled:searched"}, harness_version="2.0"),
    "real": factories.records(50, "real", **COMPILED | {"weights": "pretrained"}, harness_version="2.0"),
    "batch-8": batches("batch-8", 8, 6),
    "batch-32": batches("batch-32", 32, 2),
    "quantised": batches("quantised", 32, 9, dtype="int4"),
    "server-64": served("server-64", 64),
    "server-128": served("server-128", 128),
    "server-1": served("server-1", 1, params_total_b=0.6, model_id="me/small", harness_version="2.2"),
    "two-cards": factories.records(30, "two-cards", **COMPILED | {"num_gpus": 2}, harness_version="3.0"),
    "compiled-2": factories.records(54, "compiled-2", **COMPILED, harness_version="2.0", seed=1).with_columns(pl.col("energy_j") * 0.816),
    "small": factories.records(6, "small", **COMPILED | {"params_total_b": 0.6, "model_id": "me/small"}, harness_version="2.0"),
    "small-searched": factories.records(
        4,
        "small-searched",
        **COMPILED | {"engine": "transformers-compiled:searched", "params_total_b": 0.6, "model_id": "me/small"},
        harness_version="2.1",
    ).with_columns(pl.col("energy_j") / 2),
}
# The runs of a setup that was run twice count together.
TOGETHER = {"compiled": ("compiled", "compiled-2")}


def rows_of(result: str) -> pl.DataFrame:
    """The answers behind a result."""
    name = result.removeprefix("run:")
    return pl.concat(RUNS[run] for run in TOGETHER.get(name, (name,)))


STEADY = {"server-64": (900.0, 3000.0), "server-128": (600.0, 3000.0)}


@pytest.fixture(scope="module")
def runs_kept(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of these runs."""
    folder = tmp_path_factory.mktemp("software")
    for name, rows in RUNS.items():
        factories.write(rows, folder / "results" / name / "part-0.parquet")
        path = factories.run_json(folder / "results" / name / "run.json", name)
        if name in STEADY:
            content = json.loads(path.read_text())
            joules, tokens = STEADY[name]
            content["sessions"][0]["books"]["server"] = {"steady_state": {"energy_j": joules, "output_tokens": tokens}}
            path.write_text(json.dumps(content))
    path = folder / "warehouse.duckdb"
    assert warehouses.ingest(folder / "results", into=path).status == 0
    return str(path)


@pytest.fixture(scope="module")
def steps(runs_kept: str) -> pl.DataFrame:
    """The steps of all sizes."""
    return query.load("software_steps", Selection(weights=()), runs_kept)


def test_one_run_stands_for_each_step_of_a_size(steps: pl.DataFrame) -> None:
    chosen = steps.select("size", "step", pl.col("result_id").str.strip_prefix("run:")).rows()
    assert steps.filter(pl.col("weights") == "pretrained").select("step", "result_id").rows() == [(2, "run:real")], (
        "never beside random ones"
    )
    chosen = [row for row in chosen if row[2] != "real"]
    assert chosen == [
        (0.6, 2, "small-searched"),
        (8.0, 1, "eager"),
        (8.0, 2, "compiled"),
        (8.0, 3, "batch-8"),
        (8.0, 4, "batch-32"),
        (8.0, 5, "server-128"),
    ], "newest protocol, the loop that takes least (the default of equals), 16 bits, one GPU, best concurrency above 1"
    assert steps.filter(pl.col("step") == 1).select("runs", "choices").row(0) == (1, 2)
    assert steps.filter(pl.col("size") == 8, pl.col("step") == 2, pl.col("weights") == "dummy").select("runs", "answers").row(0) == (
        2,
        106,
    ), "runs of a setup count together"


def test_joules_per_token_are_ratios_of_sums_and_of_the_steady_state(steps: pl.DataFrame) -> None:
    for result, value in steps.filter(pl.col("step") < 5).select("result_id", "energy_per_token_j").iter_rows():
        rows = rows_of(result)
        each = rows.group_by("prompt_id", "window_id").agg(pl.col("energy_j", "output_tokens").mean())
        assert value == pytest.approx(each["energy_j"].sum() / each["output_tokens"].sum()), "a prompt of two runs counts once"
    server = steps.filter(pl.col("step") == 5).row(0, named=True)
    assert (server["energy_per_token_j"], server["measured_on"], server["units"]) == (0.2, "steady state of a server", 1)


@pytest.mark.parametrize(("name", "by", "units"), [("compiled", "sequence", 52), ("batch-8", "window_id", 6), ("eager", "sequence", 3)])
def test_the_spread_is_that_between_what_was_measured_by_itself(steps: pl.DataFrame, name: str, by: str, units: int) -> None:
    row = software.complete(steps).filter(pl.col("result_id") == f"run:{name}").row(0, named=True)
    errors = []
    for run in TOGETHER.get(name, (name,)):
        alone = RUNS[run].group_by(by).agg(pl.col("energy_j", "output_tokens").sum())
        x, y = (alone[name] / alone[name].sum() for name in ("energy_j", "output_tokens"))
        errors.append(math.sqrt(alone.height / (alone.height - 1) * ((x - y) ** 2 * (1 + x + y)).sum()))
    error = sum(errors) / len(errors)
    assert (row["units"], row["few"]) == (units, units < 5)
    assert row["log_error"] == (pytest.approx(error) if units >= 5 else None)
    if units < 5:
        assert (row["token_low_j"], row["token_high_j"]) == (None, None)
    else:
        assert row["token_within_high_j"] == pytest.approx(row["energy_per_token_j"] * math.exp(intervals.student(units - 1) * error))


def luck_of(token_j: float, weight: float) -> runs.Run:
    """A run of this J/token."""
    return runs.Run(math.log(token_j), weight=weight)


def test_the_spread_between_runs_comes_on_top(steps: pl.DataFrame) -> None:
    known = runs.Known(runs.Spread(0.03, 12, 5, 17))
    row, other = (
        software.complete(steps, known).filter(pl.col("result_id") == f"run:{name}").row(0, named=True) for name in ("compiled", "batch-8")
    )
    # Of the 54 prompts the first 52 were asked in both runs; the answers of either run weigh so that each prompt counts once.
    weight = pl.when(pl.col("sequence") < 52).then(106 / 54 / 2).otherwise(106 / 54)
    both = [
        luck_of(
            RUNS[run]["energy_j"].sum() / RUNS[run]["output_tokens"].sum(), RUNS[run].select((weight * pl.col("energy_j")).sum()).item()
        )
        for run in ("compiled", "compiled-2")
    ]
    added = runs.of_mean(both, known)
    assert added is not None
    within = math.log(row["token_within_high_j"] / row["energy_per_token_j"])
    half = math.hypot(within, added.reach, 0.003)
    assert math.log(row["token_high_j"] / row["energy_per_token_j"]) == pytest.approx(half), "runs, and the calibration of the meter"
    assert (row["basis"], other["basis"]) == (estimates.ACROSS_RUNS, estimates.WITH_SPREAD)
    alone = software.complete(steps).filter(pl.col("result_id") == "run:batch-8").row(0, named=True)
    assert alone["basis"] == estimates.ONE_RUN and alone["token_high_j"] < other["token_high_j"]
    twice = steps.filter(pl.col("step") == 5).with_columns(
        runs=pl.lit(2), logs=pl.Series([[{"ln": -1.6, "card": None, "weight": 1.0}, {"ln": -1.5, "card": None, "weight": 1.0}]])
    )
    server = software.complete(twice, known).row(0, named=True)
    assert server["token_within_low_j"] is None and server["token_low_j"] < server["energy_per_token_j"] < server["token_high_j"]


def test_what_is_saved_is_against_the_eager_loop_of_the_size(steps: pl.DataFrame) -> None:
    rows = software.complete(steps)
    eager = RUNS["eager"]["energy_j"].sum() / RUNS["eager"]["output_tokens"].sum()
    server = rows.filter(pl.col("step") == 5).row(0, named=True)
    assert server["saved"] == pytest.approx(1 - 0.2 / eager)
    assert server["saved_low"] is None, "no interval without one of both sides"
    assert rows.filter(pl.col("size") == 0.6)["saved"].item() is None
    drawn = software.comparable(rows)
    assert set(drawn["size"]) == {8.0}
    assert room.left_out(rows, drawn).endswith(": 0.6B, 8B.")
    assert f"**{software.share(server['saved'])}** (8B random) on a server." in room.each_step(drawn)
    assert room.headline(drawn).startswith(f"**{software.share(server['saved'])}** less energy per token on a server than"), (
        "the number first"
    )
    assert "less with compiling alone." in room.headline(drawn)
    assert len(room.headline(drawn)) < 200, "two lines of a desktop"
    assert "Random weights have a row of their own" in room.unlike(drawn)
    real = rows.filter(pl.col("weights") == "pretrained").row(0, named=True)
    assert (real["size_name"], real["saved"]) == ("8B", None), "a pretrained step is not held against an eager loop of random weights"
    assert not room.cold(drawn) and "at most" not in room.headline(drawn) + room.each_step(drawn)
    cold = software.comparable(software.complete(steps.with_columns(harness_version=pl.lit("1.1"))))
    assert room.cold(cold) == room.COLD.format(sizes="")
    some = pl.concat([drawn, cold.with_columns(size_name=pl.lit("15B"))])
    assert room.cold(some) == room.COLD.format(sizes=" (15B)"), "the sizes with a cold first answer are named"
    assert "less energy, at most by " in room.each_step(cold), "a cold first answer is in the eager loop"
    assert room.headline(cold).startswith("At most **")
    mixed = drawn.with_columns(pl.when(pl.col("step") == 1).then(pl.lit("1.1")).otherwise("harness_version").alias("harness_version"))
    assert "Steps differ in protocol at 8B random." in room.unlike(mixed)


def test_a_run_without_a_steady_state_stands_with_its_whole_window(tmp_path: Path) -> None:
    factories.write(served("alone", 8), tmp_path / "results" / "part-0.parquet")
    factories.run_json(tmp_path / "results" / "run.json", "alone")
    warehouses.ingest(tmp_path / "results", into=tmp_path / "w.duckdb")
    row = query.load("software_steps", Selection(weights=()), str(tmp_path / "w.duckdb")).row(0, named=True)
    rows = served("alone", 8)
    assert row["measured_on"] == "whole window of a server"
    assert row["energy_per_token_j"] == pytest.approx(rows["energy_j"].sum() / rows["output_tokens"].sum())


def test_the_marks_of_a_size_are_of_the_task_and_prompts_that_most_of_them_have(tmp_path: Path) -> None:
    """A chat of other prompts with more answers, and a server that takes less for them, stand for no step where others were asked alike."""
    asked = {"task": "instruct", "prompt_set": "mine"}
    shapes = {
        "eager": factories.records(9, "eager", **SHAPE | asked, harness_version="2.0"),
        "compiled": factories.records(20, "compiled", **COMPILED | asked, harness_version="2.0"),
        "others": factories.records(60, "others", **COMPILED | asked | {"prompt_set": "others"}, harness_version="2.0"),
        "chat": factories.records(40, "chat", **COMPILED | asked | {"task": "chat"}, harness_version="2.0"),
        "server": served("server", 8).with_columns(**{name: pl.lit(value) for name, value in asked.items()}),
        "server-chat": served("server-chat", 8).with_columns(pl.col("energy_j") / 2, prompt_set=pl.lit("others")),
    }
    for name, rows in shapes.items():
        factories.write(rows, tmp_path / "results" / name / "part-0.parquet")
        factories.run_json(tmp_path / "results" / name / "run.json", name)
    warehouse = str(tmp_path / "w.duckdb")
    assert warehouses.ingest(tmp_path / "results", into=tmp_path / "w.duckdb").status == 0
    for name in ("software_steps", "software_curves"):
        rows = query.load(name, Selection(weights=()), warehouse)
        assert set(rows["result_id"]) == {"run:eager", "run:compiled", "run:server"}, name


def test_one_run_stands_for_each_engine_and_number_of_answers_at_once(runs_kept: str) -> None:
    curves = query.load("software_curves", Selection(weights=()), runs_kept)
    chosen = curves.filter(pl.col("size") == 8).select("engine", "batch_size", pl.col("result_id").str.strip_prefix("run:")).rows()
    assert chosen == [
        ("transformers-compiled", 1, "compiled"),
        ("transformers-compiled", 8, "batch-8"),
        ("transformers-compiled", 32, "batch-32"),
        ("transformers-compiled", 32, "quantised"),
        ("transformers-compiled:searched", 1, "searched"),
        ("transformers-eager", 1, "eager"),
        ("vllm", 64, "server-64"),
        ("vllm", 128, "server-128"),
    ], "newest protocol, the weights of most points, one GPU; other precisions are curves of their own"
    server = curves.filter(pl.col("size") == 8, pl.col("engine") == "vllm")
    assert server["energy_per_token_j"].to_list() == [0.3, 0.2], "the steady state"
    rows = lines.complete(curves)
    assert lines.sizes(rows) == ["8B"], "one number at a time is no curve"
    assert lines.richest(rows) == "8B"
    small = rows.with_columns(pl.lit(0.1).alias("size"), pl.lit("0.1B").alias("size_name")).head(1)
    assert lines.sizes(pl.concat([rows, small])) == ["0.1B", "8B"], "small sizes first"
    assert lines.richest(pl.concat([rows, small])) == "8B", "the size with most engines is shown first"
    quantised = curves.with_columns(precision=pl.when(pl.col("engine") == "vllm").then(pl.lit("Q4_1")))
    assert set(lines.complete(quantised)["name"]) == {"Compiled", "vLLM · Q4_1"}
    assert set(rows["name"]) == {"Compiled", "vLLM"}
    alone, batch = (rows_of(name)["energy_j"].sum() / rows_of(name)["output_tokens"].sum() for name in ("compiled", "batch-32"))
    assert f"**vLLM**: **{exact(0.2, 2)} J/token at 128**; Compiled:" in lines.headline(rows)
    if batch == curves.filter(pl.col("engine") == "transformers-compiled")["energy_per_token_j"].min():
        assert f"({software.share(1 - batch / alone)} less than one at a time)" in lines.headline(rows)
    assert lines.curves(rows).to_dict()


def test_the_names_of_two_curves_that_end_together_are_both_drawn() -> None:
    ends = [("vllm", 1, 2.0), ("vllm", 64, 0.1), ("sglang", 1, 2.0), ("sglang", 64, 0.1001)]
    same = {
        "size_name": "8B",
        "model_name": "m",
        "measured_on": "x",
        "weights": "dummy",
        "harness_version": "2",
        "answers": 1,
        "runs": 1,
        "throughput_tps": 1.0,
    }
    rows = pl.DataFrame(
        [same | {"engine": name, "name": name, "batch_size": size, "energy_per_token_j": joules} for name, size, joules in ends]
    )
    (texts,) = [layer for layer in lines.curves(rows).layer if layer.mark.type == "text"]
    places = dict(texts.data.select("name", "name_at").iter_rows())
    assert set(places) == {"sglang", "vllm"} and places["sglang"] > places["vllm"], "the one that takes more above the other"
