"""The parts of the variance, recovered from made-up answers, and the query behind them."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prompt_joules.pages.ui.pure import certainty
from prompt_joules.warehouse import query
from prompt_joules.warehouse.statistics import runs, variance
from tests import factories, warehouses
from tests.unit.statistics.test_runs import repetitions

OF_PROMPT, OF_SAMPLE = 0.5, 0.8


def answers(prompts: int, seeds: int, chance: np.random.Generator) -> pl.DataFrame:
    """A setup run with so many seeds: rows of the contract. Every run has luck of its own, which is none of the answers' variance."""
    mean = np.exp(5 + OF_PROMPT * chance.normal(size=prompts))
    rows = [
        factories.record(f"run-{seed}", index, seed=seed, energy_j=float(energy), output_tokens=100)
        for seed in range(seeds)
        for index, energy in enumerate(mean * np.exp(OF_SAMPLE * chance.normal(size=prompts) + 0.3 * seed))
    ]
    return factories.frame(rows)


def measured(folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """What the query gives of these rows."""
    for (run,), part in rows.group_by("run_id"):
        factories.write(part, folder / "in" / f"{run}.parquet")
    warehouses.ingest(folder / "in", into=folder / "w.duckdb")
    return query.load("variances", None, str(folder / "w.duckdb"))


def test_the_variance_falls_into_that_of_prompts_and_that_of_answers(tmp_path: Path) -> None:
    sums = measured(tmp_path, answers(300, 3, np.random.default_rng(1)))
    parts = variance.table(sums, repetitions())
    of = {row["part"]: row for row in parts.filter(pl.col("number") == "energy_j").iter_rows(named=True)}
    assert of["prompt"]["sd"] == pytest.approx(OF_PROMPT, rel=0.2)
    assert of["sample"]["sd"] == pytest.approx(OF_SAMPLE, rel=0.06)
    assert of["prompt"]["share"] + of["sample"]["share"] == pytest.approx(1)
    assert (of["prompt"]["freedom"], of["sample"]["freedom"], of["prompt"]["setups"]) == (299, 600, 1)
    assert set(parts["number"]) == set(variance.NUMBERS)


def test_the_sums_are_those_of_the_rows(tmp_path: Path) -> None:
    rows = answers(20, 2, np.random.default_rng(2)).filter(~((pl.col("run_id") == "run-1") & (pl.col("sequence") > 14)))
    found = measured(tmp_path, rows).filter(pl.col("number") == "energy_j").row(0, named=True)
    logs = rows.select("prompt_id", (pl.col("energy_j").log() - pl.col("energy_j").log().mean().over("run_id")).alias("x"))
    within = (pl.col("x").var(ddof=0) * pl.len()).alias("within")
    prompts = logs.group_by("prompt_id").agg(pl.len().alias("n"), pl.col("x").mean().alias("mean"), within)
    assert (found["prompts"], found["answers"], found["answers_squared"]) == (20, 35, (prompts["n"].cast(pl.Int64) ** 2).sum())
    assert found["within"] == pytest.approx(prompts["within"].sum())
    middle = (prompts["n"] * prompts["mean"]).sum() / 35
    assert found["between"] == pytest.approx((prompts["n"] * (prompts["mean"] - middle) ** 2).sum())


def test_answers_of_one_seed_are_no_second_draw(tmp_path: Path) -> None:
    sums = measured(tmp_path, answers(30, 2, np.random.default_rng(3)).with_columns(seed=pl.lit(0, pl.Int64)))
    found = variance.table(sums, repetitions()).filter(pl.col("number") == "energy_j")
    assert found["part"].to_list() == ["prompt and sample"]
    assert found["sd"].item() == pytest.approx(math.hypot(OF_PROMPT, OF_SAMPLE), rel=0.3)


def test_cards_differ_by_more_than_their_runs() -> None:
    rows = [("a", card, None, 0.2 * math.exp(shift + luck)) for card, shift in (("x", 0.0), ("y", 0.3)) for luck in (-0.01, 0.01)]
    spread = runs.known(repetitions(*rows)).cards
    known = 0.02 / math.sqrt(2)
    assert spread is not None and spread.sd == pytest.approx(math.sqrt(0.3**2 / 2 - known**2 / 2))
    assert runs.known(repetitions(("a", "x", None, 0.2), ("a", None, None, 0.3))).cards is None
    assert runs.known(repetitions(("a", "x", None, 0.2), ("b", "y", None, 0.3))).cards is None


def test_setups_on_the_same_cards_tell_of_these_cards_once() -> None:
    """Four tasks on one pair of cards are one pair; another pair, or a third card, is news."""
    pair = [(task, card, None, 0.2 * math.exp(shift)) for task in "abcd" for card, shift in (("x", 0.0), ("y", 0.3))]
    one = runs.known(repetitions(*pair)).cards
    assert one is not None and (one.freedom, one.setups, one.runs) == (1, 4, 2)
    assert one.sd == pytest.approx(0.3 / math.sqrt(2))
    more = runs.known(repetitions(*pair, ("e", "x", None, 0.2), ("e", "y", None, 0.2), ("e", "z", None, 0.2))).cards
    assert more is not None and (more.freedom, more.setups, more.runs) == (2, 5, 3) and more.sd < one.sd


def test_what_other_draws_explain_is_no_part_of_the_run() -> None:
    of_tokens = {variance.PROMPT: runs.Spread(0.08, 9), variance.SAMPLE: runs.Spread(0.06, 20)}
    rows = repetitions(("a", "x", None, 0.2), ("a", "x", None, 0.2 * math.exp(0.1)), ("b", "x", None, 0.3))
    whole = variance.between_runs(rows, {})
    assert whole is not None and whole.sd == pytest.approx(0.1 / math.sqrt(2))
    known = rows.with_columns(token_log_error=pl.lit(0.05))
    less = variance.between_runs(known, of_tokens)
    assert less is not None and less.sd == pytest.approx(math.sqrt(whole.sd**2 - 0.36 * 0.05**2)), "0.06² of 0.06² + 0.08² is of the draws"
    assert variance.between_runs(known.with_columns(seed=pl.lit(0)), of_tokens) == whole, "runs of one seed draw the same answers"
    much = variance.between_runs(known.with_columns(token_log_error=pl.lit(1.0)), of_tokens)
    assert much is not None and much.sd == 0, "never below nothing"


def test_more_runs_show_smaller_differences_and_more_prompts_do_not_help_for_ever() -> None:
    rows = [("energy_j", "prompt", 0.6, 76), ("energy_j", "sample", 0.8, 160), ("energy_j", "run", 0.05, 8)]
    parts = pl.DataFrame(rows, schema=["number", "part", "sd", "freedom"], orient="row")
    few, many, endless = (variance.smallest_difference(parts, prompts, 1) for prompts in (20, 1000, 10**9))
    assert few is not None and many is not None and endless is not None and few > many > endless
    assert endless == pytest.approx(math.expm1(2.776 * math.sqrt(2) * 0.05), rel=1e-3), "one run each: their luck stays"
    several = variance.smallest_difference(parts, 1000, 9)
    assert several is not None and several < endless
    assert variance.smallest_difference(parts.filter(pl.col("part") != "run"), 100, 1) is None


def test_how_far_cards_lie_apart_is_said_beside_the_runs() -> None:
    alone = runs.Spread(0.03, 4, 2, 6)
    assert "between runs (6 runs of 2 setups" in certainty.of_runs(runs.Known(alone))
    assert "No setup ran on two cards" in certainty.of_runs(runs.Known(alone))
    said = certainty.of_runs(runs.Known(alone, None, runs.Spread(0.09, 1, 4, 2)))
    assert "Between cards of one kind it is 9 % (2 cards), which is in no interval" in said
    said = certainty.of_runs(runs.Known(alone, None, runs.Spread(0.09, 2, 4, 3)))
    assert "it is 9 % (3 cards). That is in the intervals of setups that ran on 3 cards or more" in said
