"""Runs of one setup are one result on every page that shows results, with how many they are and an interval over them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prompt_joules.pages.ui import data
from prompt_joules.pages.ui.of import energy_vs_parameters, tradeoffs
from prompt_joules.pages.ui.pure import axes, shape, words
from prompt_joules.warehouse import called, query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import lines, pooled, runs
from tests import warehouses
from tests.app.conftest import open_app, opened, table, text

OURS = {"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "gpu": "H200", "task": "chat", "engine": "transformers-compiled:searched"}


@pytest.fixture
def setup(shipped_warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """The answers of two shipped setups with several runs, alike but for the prompts, and the app on the shipped warehouse."""
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(shipped_warehouse))
    rows = warehouses.rows(
        shipped_warehouse,
        "select runs.prompt_set, runs.run_number, requests.prompt_id, requests.energy_j, requests.output_tokens "
        "from requests join runs using (run_number) where requests.valid "
        f"and runs.model_id = '{OURS['model']}' and gpu = 'H200' and runs.task = 'chat' and runs.engine = '{OURS['engine']}' "
        "and runs.harness_version = '2.1' and runs.batch_size = 1",
    )
    runs_of_each = rows.group_by("prompt_set").agg(pl.col("run_number").n_unique())["run_number"]
    assert len(runs_of_each) == 2 and runs_of_each.min() > 1
    return rows


def each(setups: pl.DataFrame) -> list[pl.DataFrame]:
    """The answers of each setup."""
    return setups.partition_by("prompt_set")


def per_token(answers: pl.DataFrame) -> float:
    """J/token of a setup in which every prompt counts once."""
    prompts = once(answers)
    return float(prompts["energy_j"].sum() / prompts["output_tokens"].sum())


def once(answers: pl.DataFrame) -> pl.DataFrame:
    """One row per prompt, the mean of its answers: the shipped runs asked some prompts more often than others."""
    counts = answers.group_by("prompt_id").len()["len"]
    assert counts.n_unique() > 1
    return answers.group_by("prompt_id").agg(pl.col("energy_j", "output_tokens").mean())


@pytest.mark.parametrize(
    ("page", "more", "frame"),
    [
        ("energy_vs_parameters", {"show": "Everything", "y": "Energy per token (J/token)"}, "energy-and-parameters"),
        ("tradeoffs", {"show": "Everything", "band": "All sizes", "x": "Throughput (token/s)"}, "trade-offs-rows"),
        ("home", {}, "answers"),
    ],
    ids=["parameters", "tradeoffs", "home"],
)
def test_runs_of_a_setup_are_one_row_of_a_page(setup: pl.DataFrame, page: str, more: dict[str, str], frame: str) -> None:
    app = opened(open_app(page, **OURS, **more), frame)
    assert not app.exception
    tokens = sorted(per_token(answers) for answers in each(setup))
    shown = table(app, -1)["energy_per_token_j"].sort().to_list()
    if page == "home":
        assert shown in ([pytest.approx(token)] for token in tokens), "one setup stands for a model"
    else:
        assert shown == pytest.approx(tokens), "a row a setup"


def test_a_plan_is_made_with_all_runs(setup: pl.DataFrame) -> None:
    app = open_app("planner", **OURS)
    assert not app.exception
    box = app.selectbox(key="plan_result")
    assert len(box.options) == len(each(setup)), "several runs of a setup are one choice"
    said = [text(box.set_value(option).run()).replace(",", "") for option in box.options]
    for answers in each(setup):
        assert sum(f"{once(answers)['energy_j'].mean():.0f} J" in words_ for words_ in said) == 1


def test_a_plan_of_a_length_takes_the_energy_of_a_token_of_all_runs(setup: pl.DataFrame) -> None:
    app = open_app("planner", **OURS, tokens="300")
    assert not app.exception
    box = app.selectbox(key="plan_result")
    said = [text(box.set_value(option).run()) for option in box.options]
    for answers in each(setup):
        assert sum(f"≈ **{words.figure(300 * per_token(answers), 3)} J**" in words_ for words_ in said) == 1


def test_a_point_has_its_interval_and_says_how_many_runs_it_is(setup: pl.DataFrame, shipped_warehouse: Path) -> None:
    path = str(shipped_warehouse)
    own = query.load("leaderboard", Selection(models=(OURS["model"],), gpus=("H200",)), path)
    asked = {"per": "response", "idle": "gross"}
    known = query.load("repetitions", None, path)
    rows = pooled.with_intervals(pooled.pooled(own), pooled.spreads(query.load("spreads", None, path, **asked)), "energy_j", known)
    y = "energy_per_token_j"
    drawn = axes.with_ends(axes.with_texts(rows, y), y)
    several = drawn.filter(engine=called.engine(OURS["engine"]), task="chat")
    assert several.height == len(each(setup))
    for answers in each(setup):
        (point,) = several.filter(prompt_set=answers["prompt_set"][0]).iter_rows(named=True)
        by_run = answers.group_by("run_number").agg((pl.col("energy_j").sum() / pl.col("output_tokens").sum()).log().alias("ln"))
        assert point["runs_are"] == str(by_run.height)
        assert point["end_low"] < point[y] < point["end_high"]
        luck = runs.of_mean([runs.Run(ln) for ln in by_run["ln"]], runs.known(known).of(["2.1"]))
        assert luck is not None and point["end_high"] > point[y] * (1 + luck.reach), "it holds what the runs add"
    fits = lines.lines(shape.on_screen(rows), "params_total_b", y, ["gpu_model"], True)
    found = shape.on_screen(rows).filter(pl.col(y) > 0, pl.col("throughput_tps") > 0)
    scatter = energy_vs_parameters.scatter(found, "params_total_b", y, "gpu_model", True, fits).to_dict()
    marked = found.with_columns(frontier=pl.lit(False), inside=pl.lit(True))
    trade = tradeoffs.tradeoff(marked, "throughput_tps", y, {"throughput_tps": None, y: None}).to_dict()
    for chart in (scatter, trade):
        rules = [layer for layer in chart["layer"] if layer["encoding"].get("y2", {}).get("field") == "end_high"]
        assert len(rules) == 1
    published = axes.with_ends(axes.with_texts(drawn.drop("end_low", "end_high").with_columns(runs=pl.lit(None, pl.Int64)), y), y)
    assert set(published["runs_are"]) == {"published average"}
    assert axes.with_ends(rows, "params_total_b")["end_low"].null_count() == rows.height


@pytest.mark.parametrize("page", ["tradeoffs", "energy_vs_parameters", "leaderboard"])
def test_runs_are_put_together_once_for_a_page_and_not_again_for_the_next(
    app_warehouse: Path, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPT_JOULES_WAREHOUSE", str(app_warehouse))
    asked: list[int] = []
    whole = pooled.pooled

    def watched(rows: pl.DataFrame) -> pl.DataFrame:
        if "between_runs" not in rows.columns:
            asked.append(rows.height)
        return whole(rows)

    monkeypatch.setattr(pooled, "pooled", watched)
    data.forget()
    assert not open_app(page).exception
    kept = [key for key in data._ROWS.rows if isinstance(key, tuple) and key[0] == "results" and key[3]]
    assert len(asked) == len(kept) > 0, "each selection of results once"
    asked.clear()
    assert not open_app(page).exception
    assert asked == []


def test_a_percentile_is_the_same_on_leaderboard_and_compare(setup: pl.DataFrame) -> None:
    asked = {"model": OURS["model"], "gpu": "H200", "engine": OURS["engine"], "batch": "1", "statistic": "p95"}
    board, side = open_app("leaderboard", **asked, columns=["Protocol"]), open_app("compare", **asked)
    assert not board.exception and not side.exception
    compared = table(side)
    assert compared.height > 1
    shown = table(board)["energy_p95_j"].to_list()
    for answers in each(setup):
        weighed = answers.with_columns(weight=1 / pl.len().over("prompt_id")).sort("energy_j", "weight")
        places = weighed["weight"].cum_sum() - weighed["weight"] / 2
        expected = np.interp(places[0] + 0.95 * (places[-1] - places[0]), places, weighed["energy_j"])
        assert pytest.approx(expected) in shown
    for value in compared["value"]:
        assert pytest.approx(value) in shown
