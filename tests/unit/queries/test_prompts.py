"""Single prompts and their answers, and the cost of a token, recomputed with polars and numpy."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import cost, least_squares
from tests import factories, warehouses
from tests.unit.queries.made import Cases, shown

CASES = Cases()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the cases of this file."""
    return CASES.loaded(tmp_path_factory.mktemp("prompts"))


def test_prompts(warehouse: str) -> None:
    found = query.load("prompts", None, warehouse)
    expected = shown().sort("run_id", "sequence")
    assert found.select("run_id", "sequence", "energy_j").rows() == expected.select("run_id", "sequence", "energy_j").rows()


def with_times_run_mean(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the energy over the mean of its run."""
    return rows.with_columns(times_run_mean=pl.col("energy_j") / pl.col("energy_j").mean().over("run_id"))


def test_prompts_and_their_answers(warehouse: str) -> None:
    listed = query.load("prompt_list", None, warehouse, search="PROMPT-0000")
    rows = with_times_run_mean(shown()).filter(pl.col("prompt_id").str.contains("prompt-0000"))
    expected = (
        rows.group_by("prompt_id")
        .agg(pl.col("times_run_mean").mean(), pl.len().alias("answers"))
        .sort("times_run_mean", "prompt_id", descending=[True, False], nulls_last=True)
    )
    assert listed["times_run_mean"].to_list() == pytest.approx(expected["times_run_mean"].to_list())
    assert listed["prompt_id"].to_list() == expected["prompt_id"].to_list()
    assert listed["answers"].to_list() == expected["answers"].to_list()
    one = rows.filter(pl.col("prompt_id") == "prompt-00005")
    answers = query.load("prompt_answers", None, warehouse, prompt="prompt-00005")
    assert answers["energy_j"].to_list() == pytest.approx(one["energy_j"].sort().to_list())
    for name in ("energy_per_token_j", "power_w"):
        assert sorted(answers[name]) == pytest.approx(sorted(one[name]))
    for name in ("idle", "active_idle"):
        above = one["energy_j"] - one[f"{name}_power_w"] * one["latency_s"]
        assert sorted(answers[f"energy_above_{name}_j"]) == pytest.approx(sorted(above))
    assert answers["output_text"].to_list() == ["Answer 5."] * one.height
    assert query.load("prompt_list", None, warehouse, search="question 7?")["prompt_id"].to_list() == ["prompt-00007"]


def list_of_prompts(warehouse: str, selection: Selection | None = None) -> pl.DataFrame:
    """The whole list. What a page asks for before anybody opens it has the same order."""
    found = query.load("prompt_list", selection, warehouse, search="")
    assert query.load("prompt_order", selection, warehouse)["prompt_id"].to_list() == found["prompt_id"].to_list()
    return found


@CASES.of
def costly_run() -> list[pl.DataFrame]:
    """Prompt 3 takes three times the mean of a cheap run; prompt 5 is as usual in a run in which every answer costs a lot."""
    cheap = [factories.record("run-a", index, energy_j=60.0 if index == 3 else 10.0) for index in range(5)]
    costly = [factories.record("run-b", index, task="instruct", energy_j=1000.0) for index in range(3, 6)]
    return [factories.frame(cheap + costly)]


def test_a_prompt_that_only_a_costly_run_answered_does_not_come_first(apart: str) -> None:
    found = list_of_prompts(apart, costly_run.selection)
    assert found.select("prompt_id", "times_run_mean").rows()[:2] == [("prompt-00003", 2.0), ("prompt-00005", 1.0)]
    assert found["energy_j"][0] == 530.0


@CASES.of
def shares_of_batches() -> list[pl.DataFrame]:
    alone = [factories.record("run-a", index, energy_j=20.0 if index == 2 else 10.0) for index in range(4)]
    batch = {"batch_size": 2, "energy_attribution": "shared"}
    shares = [factories.record("run-b", index, **batch, energy_j=9.0 if index == 3 else 1.0) for index in range(6)]
    return [factories.frame(alone), factories.frame(shares)]


def test_a_share_of_a_batch_neither_ranks_a_prompt_nor_is_in_its_mean(apart: str) -> None:
    found = list_of_prompts(apart, shares_of_batches.selection)
    assert found["prompt_id"][0] == "prompt-00002", "and not prompt 3, of which a rule gave a large share"
    of = {name: (energy, answers) for name, energy, answers in found.select("prompt_id", "energy_j", "answers").rows()}
    assert of["prompt-00003"] == (10.0, 2)
    assert of["prompt-00005"] == (None, 1), "measured among others only"


@CASES.of
def texts_kept() -> list[pl.DataFrame]:
    kept = [factories.record("run-a", index, energy_j=10.0) for index in range(3)]
    secret = {"prompt_set": "secret", "prompt_set_sha256": "3" * 64, "prompt_text": None}
    dear = [factories.record("run-b", index, **secret, energy_j=1.0 + 9.0 * (index == 9)) for index in range(5, 10)]
    return [factories.frame(kept), factories.frame(dear)]


def test_prompts_whose_texts_were_kept_come_first(apart: str) -> None:
    found = list_of_prompts(apart, texts_kept.selection)
    assert found["prompt_text"].is_null().to_list() == [False] * 3 + [True] * 5
    assert found["prompt_id"][3] == "prompt-00009", "the costliest of those without a text"


@pytest.fixture(scope="module")
def worded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[pl.DataFrame], str]:
    """Runs with and without texts, and a warehouse of them."""

    def run(name: str, text: str | None, **changes: object) -> pl.DataFrame:
        return factories.frame([factories.record(name, index, prompt_text=text and f"{text} {index}", **changes) for index in range(5)])

    runs = [
        run("run-a", "Sea"),
        run("run-b", None),
        run("run-c", "Lake", prompt_set_sha256="1" * 64),
        run("run-d", "Sea", prompt_set_sha256=None),
        run("run-e", "Lake", prompt_set_sha256=None, model_id="me/b", model_name="b"),
        run("run-f", "Hill", prompt_set="hills", prompt_set_sha256="2" * 64),
    ]
    folder = tmp_path_factory.mktemp("worded")
    for rows in runs:
        factories.write(rows, folder / str(rows["run_id"][0]) / "part-0.parquet")
    warehouses.ingest(folder, into=folder / "w.duckdb")
    return runs, str(folder / "w.duckdb")


@pytest.mark.parametrize("search", ["", "sea", "lake", "prompt-00001"])
def test_prompts_are_looked_for_in_every_text(worded: tuple[list[pl.DataFrame], str], search: str) -> None:
    runs, path = worded
    found = query.load("prompt_list", None, path, search=search) if search else list_of_prompts(path)
    # Run b was measured without texts; its prompts are those of run a, as the hash of the set says.
    texts = pl.concat(runs).with_columns(pl.col("prompt_text").fill_null(pl.format("Sea {}", "sequence")))
    contained = pl.concat_str("prompt_id", "prompt_text").str.to_lowercase().str.contains(search, literal=True)
    expected = (
        with_times_run_mean(texts)
        .filter(contained)
        .group_by("prompt_id", "prompt_set")
        .agg(
            pl.col("prompt_text").last(),
            pl.len().alias("answers"),
            pl.col("model_id").n_unique().alias("models"),
            *(pl.col(name).mean() for name in ("times_run_mean", "energy_j", "input_tokens", "output_tokens")),
        )
        .sort("times_run_mean", "prompt_id", "prompt_set", descending=[True, False, False])
    )
    assert_frame_equal(found, expected, check_dtypes=False)


@pytest.mark.parametrize("idle", factories.IDLE_W)
def test_the_cost_of_tokens_is_that_of_least_squares(warehouse: str, idle: str) -> None:
    asked = {"results": "run:run-a", "pooled": False, "idle": idle}
    fit = cost.fits(query.load("cost_units", None, warehouse, **asked)).row(0, named=True)
    rows = shown().filter(pl.col("run_id") == "run-a", pl.col("energy_j").is_not_null())
    rows = rows.with_columns(pl.col("energy_j") - factories.IDLE_W[idle] * pl.col("latency_s"))
    across = np.column_stack([np.ones(rows.height), rows["input_tokens"], rows["output_tokens"]])
    found, *_ = np.linalg.lstsq(across, rows["energy_j"].to_numpy(), rcond=None)
    assert [fit[key] for key in cost.COEFFICIENTS] == pytest.approx(list(found))
    assert (fit["units"], fit["answers"], fit["longest"]) == (rows.height, rows.height, rows["output_tokens"].max())
    direct = least_squares.clustered(across, rows["energy_j"].to_numpy(), rows["prompt_id"].to_numpy())
    assert direct is not None
    for name, place in zip(cost.COEFFICIENTS, np.eye(3), strict=True):
        half = np.hypot(direct.at(place)[1], 0.003 * fit[name])
        assert fit[f"{name}_high"] - fit[name] == pytest.approx(half, rel=1e-6), "the meter may be off in all of it"
    prompts = query.load("cost_prompts", None, warehouse, result="run:run-a", idle=idle, a=found[0], b=found[1], c=found[2])
    residuals = rows["energy_j"].to_numpy() - across @ found
    assert prompts["residual_j"].abs().max() == pytest.approx(np.abs(residuals).max())
    assert prompts.height == rows.height + 1, "and the only prompt of run-d, which repeats run-a"


@CASES.of
def many_answers() -> list[pl.DataFrame]:
    return [factories.records(1000, "run-1").with_columns(energy_j=1000.0 + pl.int_range(1000))]


def test_of_many_answers_the_farthest_from_the_fit_are_drawn_and_others_by_chance(apart: str) -> None:
    asked = {"result": many_answers.result("run-1"), "idle": "gross", "a": 1000.0, "b": 0.0, "c": 0.0}
    drawn = query.load("cost_prompts", many_answers.selection, apart, **asked)["residual_j"].to_list()
    assert len(drawn) == len(set(drawn)) == 400 and drawn == sorted(drawn, reverse=True)
    assert drawn[:100] == [999.0 - place for place in range(100)]
    others = np.array(drawn[100:])
    assert abs(others.mean() - 450) < 4 * 260 / np.sqrt(300), "the others are no more of one end than of the other"
    again = query.load("cost_prompts", many_answers.selection, apart, **asked)["residual_j"].to_list()
    assert again == drawn, "every visitor sees the same ones"


@CASES.of
def fitted() -> list[pl.DataFrame]:
    return [
        factories.records(20, "run-1"),
        factories.records(20, "run-2"),
        factories.records(20, "run-3", batch_size=4, energy_attribution="shared"),
        factories.records(7, "run-4", engine="other"),
    ]


def test_only_prompts_that_were_alone_are_fitted_and_repeated_runs_together(apart: str) -> None:
    first, second, _, fourth = (fitted.result(f"run-{number}") for number in (1, 2, 3, 4))
    results = query.load("cost_results", fitted.selection, apart)
    assert results.select("result_id", "runs", "prompts").rows() == [(second, 2, 40)], "of the same age the larger id is the newest"
    every = {"results": "", "idle": "gross"}
    together = query.load("cost_units", fitted.selection, apart, pooled=True, **every)
    assert set(together["result_id"]) == {first, second, fourth}
    fit = cost.fits(together).filter(pl.col("result_id") == second).row(0, named=True)
    assert (fit["units"], fit["answers"], fit["runs"]) == (20, 40, 2)
    alone = cost.fits(query.load("cost_units", fitted.selection, apart, pooled=False, **every))
    assert sorted(alone.select("result_id", "answers").rows()) == [(first, 20), (second, 20)]
