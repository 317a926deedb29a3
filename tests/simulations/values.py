"""Scenarios of one value: the mean energy of an answer and J/token, within a run, over runs and in a table; and what is true of a world."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import polars as pl

from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, pooled, runs
from tests.simulations.measurements import (
    MANY,
    Chance,
    Scenario,
    World,
    energies,
    holds,
    lengths,
    of_others,
    of_sizes,
    on_cards,
    repetitions,
    repetitions_of,
    runs_in_a_table,
    units,
    windows,
)

CONCISE = {"length": 150.0}
TOKENS = Measure(per="output token")


@lru_cache
def truth(world: World) -> tuple[float, float]:
    """The mean energy of an answer (J) and J/token in a run without luck."""
    chance = np.random.default_rng(0)
    tokens = lengths(world, chance.standard_normal(MANY), chance)
    energy = world.start_j + world.token_j * tokens
    return float(energy.mean()), float(energy.sum() / tokens.sum())


@lru_cache
def median_change(a: World, b: World) -> float:
    """The median of B over A of the same prompt, in a run without luck."""
    chance = np.random.default_rng(0)
    prompts = chance.standard_normal(MANY)
    ratio = [energies(world, lengths(world, prompts, chance), 0.0, chance) for world in (a, b)]
    return float(np.median(ratio[1] / ratio[0]))


@lru_cache
def of_windows(world: World, size: int) -> float:
    """The mean energy of an answer in batches (J)."""
    chance = np.random.default_rng(0)
    many = windows(replace(world, noise=0.0), chance.standard_normal(MANY // size * size), size, 0.0, chance)
    return float(many["energy_j"].sum() / many["prompts"].sum())


def named_rows(*names: str, key: str = "energy_j") -> pl.DataFrame:
    return pl.DataFrame({"result_id": list(names), key: [1.0] * len(names)})


def value_of_one_run(prompts: int, per: str = "response", world: World | None = None) -> Scenario:
    """The mean energy of an answer, or J/token, within one run."""
    world, measure = world or World(), Measure(per=per)

    def measured(chance: Chance) -> bool:
        own = units(world, chance.standard_normal(prompts), np.zeros(1), chance)
        row = comparison.compared(named_rows("a", key=measure.key), own, measure).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[per != "response"])

    return measured


def value_across_runs(prompts: int, count: int, spread: float) -> Scenario:
    """The mean energy of an answer over runs that differ, with what is known of four other setups that were run three times."""
    world = World(between_runs=spread)

    def measured(chance: Chance) -> bool:
        own = units(world, chance.standard_normal(prompts), spread * chance.standard_normal(count), chance)
        known = of_others(repetitions(spread, 4, 3, chance))
        row = comparison.compared(named_rows("a"), own, Measure(), known).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[0])

    return measured


def runs_alone(prompts: int, count: int, spread: float, cards: int = 1, of_cards: float = 0.0) -> Scenario:
    """J/token over runs, where nothing was repeated but these. On several cards the truth is that of their kind.

    Args:
        of_cards: standard deviation between cards.
    """
    world = World(between_runs=spread)

    def measured(chance: Chance) -> bool:
        own = units(world, chance.standard_normal(prompts), spread * chance.standard_normal(count), chance)
        of_card = of_cards * chance.standard_normal(cards)
        places = [run % cards for run in range(count)]
        own = on_cards(own, [f"card {place}" for place in places], of_card[places])
        row = comparison.compared(named_rows("a", key=TOKENS.key), own, TOKENS, runs.known(repetitions_of(own))).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[1])

    return measured


def runs_of_one_search(prompts: int, count: int, spread: float, within: float) -> Scenario:
    """J/token over runs that one process asked with the kernels that it had searched, beside four setups whose three runs searched each.

    Args:
        spread: standard deviation between searches.
        within: the same between runs of one search.
    """
    world = World(between_runs=spread)

    def measured(chance: Chance) -> bool:
        lucks = spread * chance.standard_normal() + within * chance.standard_normal(count)
        own = units(world, chance.standard_normal(prompts), lucks, chance).with_columns(search=pl.lit("one"))
        rows = pl.concat([repetitions_of(own), repetitions(float(np.hypot(spread, within)), 4, 3, chance)], how="diagonal_relaxed")
        row = comparison.compared(named_rows("a", key=TOKENS.key), own, TOKENS, runs.known(rows)).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[1])

    return measured


def in_a_table(
    prompts: int,
    count: int,
    spread: float,
    per: str = "response",
    *,
    uneven: float = 0.0,
    times: float = 1.0,
    sizes: tuple[int, ...] = (),
    world: World | None = None,
) -> Scenario:
    """Leaderboard: the mean energy of an answer, or J/token, of a setup with several runs, from what the ingest keeps of each.

    Args:
        uneven: how much setups differ in how steady they are: the standard deviation of the logarithm of their spread.
        times: how many times the spread of others this setup has.
        sizes: how many of the prompts each run answered, if not all.
    """
    world = world or World(between_runs=spread)
    names = pooled.VALUE_ENDS if per == "response" else pooled.TOKEN_ENDS

    def measured(chance: Chance) -> bool:
        each = spread * np.exp(uneven * chance.standard_normal(5))
        own = units(world, chance.standard_normal(prompts), times * each[0] * chance.standard_normal(count), chance)
        own = of_sizes(own, sizes)
        spreads, kept = runs_in_a_table(own)
        energy, tokens = float(own["energy_j"].sum()), float(own["output_tokens"].sum())
        row = {"setup": "own", "origin": "measured", "harness_version": "2.0"}
        table = pl.DataFrame([row | {"energy_j": energy / float(own["prompts"].sum()), "energy_per_token_j": energy / tokens}])
        others = [repetitions(sd, 1, 3, chance).with_columns(setup=pl.lit(f"other {place}")) for place, sd in enumerate(each[1:])]
        known = pl.concat([kept, *others], how="diagonal_relaxed")
        found = pooled.with_intervals(table, pooled.spreads(spreads), "energy_j", known).row(0, named=True)
        return holds(found[names[0]], found[names[1]], truth(world)[per != "response"])

    return measured
