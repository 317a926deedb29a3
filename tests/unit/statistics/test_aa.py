"""Configurations against themselves: on the shipped results, and on made-up ones in which something is wrong."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import aa
from tests.simulations.fits import cost_units
from tests.simulations.measurements import World, units


@pytest.fixture(scope="module")
def shipped(shipped_warehouse: Path) -> pl.DataFrame:
    """Every shipped run against itself."""
    path = shipped_warehouse
    every, of_runs = Selection(weights=()), query.load("repetitions", None, str(path))
    asked = {"pooled": False, "idle": "gross"}
    own = query.load("units", every, str(path), results="\n".join(of_runs["result_id"]), **asked)
    return aa.checks(own, query.load("cost_units", every, str(path), results="", **asked), of_runs, splits=2)


def test_no_more_than_one_in_twenty_shows_a_difference_that_is_none(shipped: pl.DataFrame) -> None:
    assert set(shipped.select("check", "of").unique().iter_rows()) == {
        (aa.COMPARE, aa.HALVES),
        (aa.COMPARE, aa.TWO_RUNS),
        (aa.PAIRS, aa.TWO_RUNS),
        (aa.COST, aa.HALVES),
        (aa.COST, aa.TWO_RUNS),
    }
    assert shipped.height > 500
    assert shipped["shown"].mean() <= 0.05, aa.shares(shipped)  # type: ignore[operator]


def test_every_kind_of_check_stays_within_chance(shipped: pl.DataFrame) -> None:
    for row in aa.shares(shipped).iter_rows(named=True):
        # Of checks at 5 % so many show a difference in 99 of 100 cases at most.
        most = 0.05 * row["checks"] + 2.33 * (0.05 * 0.95 * row["checks"]) ** 0.5
        assert row["shown"] <= most, row


def made(spread: float, chance: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Six setups, each run twice on the same prompts, with luck of this spread."""
    parts, rows = [], []
    for place in range(6):
        asked = chance.standard_normal(60)
        for run in range(2):
            number = 2 * place + run
            parts.append(units(World(), asked, np.array([spread * chance.standard_normal()]), chance, f"run {number}", number))
            token = parts[-1]["energy_j"].sum() / parts[-1]["output_tokens"].sum()
            rows.append({"result_id": f"run {number}", "setup": str(place), "card": "one", "energy_per_token_j": token})
    always = {"valid": pl.lit(True), "measured": pl.lit(60), "harness_version": pl.lit("2.0")}
    always |= {name: pl.lit(None, pl.String) for name in ("pass_id", "search")}
    known = pl.DataFrame(rows).with_columns(**always)
    own = pl.concat(parts).with_columns(repetition=pl.lit(0))
    return own, cost_units(World(), 60, 1, chance).with_columns(result_id=pl.lit("run 0")), known


def test_what_the_luck_of_runs_hides_is_shown_when_nobody_knows_of_it() -> None:
    own, sums, known = made(0.1, np.random.default_rng(1))
    found = aa.checks(own, sums, known)
    assert found.filter(pl.col("of") == aa.TWO_RUNS)["shown"].mean() <= 0.1  # type: ignore[operator]
    calm = [
        known.with_columns(pl.when(pl.col("setup") == str(place)).then("energy_per_token_j").otherwise(0.25).alias("energy_per_token_j"))
        for place in range(6)
    ]
    two_runs = [list(aa.two_runs(own, sums, others)) for others in calm]
    blind = pl.concat(
        pl.DataFrame(found, schema=aa.SCHEMA, orient="row").filter(pl.col("result_id") == f"run {2 * place}")
        for place, found in enumerate(two_runs)
    )
    tokens = blind.filter(pl.col("number").str.contains("output token"))
    assert tokens.height == 6 and tokens["shown"].mean() >= 0.5, "the others are said to have no luck"  # type: ignore[operator]
    assert not list(aa.two_runs(own, sums, known.filter(pl.col("setup") == "0"))), "what is about one run promises nothing of two"


def test_tasks_answered_in_turns_are_one_comparison() -> None:
    own, sums, known = made(0.1, np.random.default_rng(4))
    turns = pl.format("pass {}", pl.int_range(pl.len()) % 2)
    beside = known.with_columns(pl.when(pl.col("setup").is_in(["0", "1", "2", "3"])).then(turns).alias("pass_id"))
    apart, together = (aa.shares(aa.checks(own, sums.clear(), rows)).filter(of=aa.TWO_RUNS, check=aa.COMPARE) for rows in (known, beside))
    assert (apart["checks"].item(), apart["independent"].item()) == (18, 6)
    assert (together["checks"].item(), together["independent"].item()) == (18, 3), "four setups in two passes, and two by themselves"
    (of_one,) = {row["shown"] for row in aa.two_runs(own, sums.clear(), beside.filter(pl.col("setup").is_in(["0", "1"])))} or {None}
    assert of_one is None, "a task of the same passes is no evidence"


def test_a_real_difference_between_two_halves_is_shown() -> None:
    own, sums, known = made(0.0, np.random.default_rng(2))
    split = aa.halves(own.with_columns(pl.when(pl.col("unit") < 30).then(9.0).otherwise(1.0).alias("energy_j")), sums, 1)
    assert sum(row["shown"] for row in split if row["check"] == aa.COMPARE) <= 4, "of 36: chance mixes both kinds into both halves"
    twice = own.with_columns(pl.col("energy_j") * (1 + pl.col("run_number") % 2))
    shares = aa.shares(pl.DataFrame(aa.two_runs(twice, sums.clear(), known), schema=aa.SCHEMA, orient="row"))
    assert shares["share_shown"].min() > 0.9  # type: ignore[operator]


def test_runs_of_few_prompts_say_nothing() -> None:
    own, sums, _ = made(0.0, np.random.default_rng(3))
    assert not list(aa.halves(own.filter(pl.col("unit") < 9), sums.clear(), 1))
    assert aa.shares(pl.DataFrame(schema=aa.SCHEMA)).is_empty()
