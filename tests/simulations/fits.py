"""Scenarios of what is fitted to prompts or read off their order: the cost of a token, lines through models, percentiles."""

from functools import lru_cache

import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import software
from prompt_joules.warehouse.statistics import cost, lines, percentiles, runs
from tests.simulations.measurements import (
    MANY,
    Chance,
    Scenario,
    World,
    energies,
    holds,
    lengths,
    of_others,
    repetitions,
    runs_in_a_table,
    units,
)


def coefficient(prompts: int, name: str, *, counts: int = 1) -> Scenario:
    """Cost of a token: a coefficient of the fit, where the errors grow with the length of the answer."""
    world = World(noise=0.08, start_j=6.0)
    expected = {"fixed_j": world.start_j, "input_token_j": 0.0, "output_token_j": world.token_j}[name]

    def measured(chance: Chance) -> bool:
        row = cost.fits(cost_units(world, prompts, counts, chance)).row(0, named=True)
        return holds(row[f"{name}_low"], row[f"{name}_high"], expected)

    return measured


def cost_units(world: World, prompts: int, count: int, chance: Chance) -> pl.DataFrame:
    """Rows of the query `cost_units`: each prompt answered so often, its answers all a little above or below the line."""
    asked = np.repeat(np.arange(prompts), count)
    ins = np.exp(chance.normal(3.5, 1, prompts))[asked].round()
    outs = lengths(world, chance.standard_normal(prompts)[asked], chance)
    own = 1 + 0.05 * chance.standard_normal(prompts)[asked]
    joules = energies(world, outs, 0.0, chance) * own
    sums = {"ins": ins, "outs": outs, "joules": joules, "in_in": ins * ins, "in_out": ins * outs, "out_out": outs * outs}
    sums |= {"in_joules": ins * joules, "out_joules": outs * joules, "joules_joules": joules * joules}
    names = pl.DataFrame(
        {
            "unit": asked,
            "result_id": "a",
            "run_number": 0,
            "pass_id": None,
            "search": None,
            "card": "one",
            "harness_version": "2.0",
            "calibration": 0.0,
            "answers": 1,
            "longest": 512,
        }
    )
    return names.with_columns(pl.Series(key, value) for key, value in sums.items())


def coefficient_of_runs(prompts: int, count: int, spread: float) -> Scenario:
    """Cost of a token: J per output token over runs that differ, with what is known of four other setups that were run three times."""
    world = World(noise=0.08, start_j=6.0)

    def measured(chance: Chance) -> bool:
        answers = cost_units(world, prompts, count, chance)
        run = pl.int_range(pl.len()).mod(count).alias("run_number")
        joules = ("joules", "in_joules", "out_joules")
        luck = pl.col("run_number").replace_strict(dict(enumerate(np.exp(spread * chance.standard_normal(count)).tolist())))
        sums = answers.with_columns(run).with_columns(*(pl.col(name) * luck for name in joules), pl.col("joules_joules") * luck**2)
        row = cost.fits(sums, of_others(repetitions(spread, 4, 3, chance))).row(0, named=True)
        return holds(row["output_token_j_low"], row["output_token_j_high"], world.token_j)

    return measured


def served(count: int, spread: float) -> Scenario:
    """What software saves: J/token of a server that was run several times, one window each."""

    def measured(chance: Chance) -> bool:
        logs = (spread * chance.standard_normal(count)).tolist()
        luck = runs.of_mean([runs.Run(ln) for ln in logs], of_others(repetitions(spread, 4, 3, chance)))
        return luck is not None and abs(float(np.mean(logs))) <= luck.reach

    return measured


def saved(answers: int, spread: float) -> Scenario:
    """What software saves: a step against the eager loop, one run each on a card, with what others say of runs."""
    steps = (World(), World(token_j=0.1, start_j=2.0))

    def measured(chance: Chance) -> bool:
        expected = 1 - token_of(steps[1]) / token_of(steps[0])
        asked, rows = chance.standard_normal(answers), []
        for place, world in enumerate(steps):
            own = units(world, asked, spread * chance.standard_normal(1), chance)
            _, kept = runs_in_a_table(own)
            token, error = kept.select("energy_per_token_j", "token_log_error").row(0)
            logs = [{"ln": float(np.log(token)), "card": "one"}]
            row = {"gpu_model": "one", "size": 1.0, "step": place + 1, "energy_per_token_j": token, "log_error": error, "logs": logs}
            rows.append(row | {"units": answers, "calibration": 0.0, "runs": 1, "harness_version": "2.1", "weights": "dummy"})
        found = software.complete(pl.DataFrame(rows), of_others(repetitions(spread, 4, 3, chance))).row(1, named=True)
        return holds(found["saved_low"], found["saved_high"], expected)

    return measured


@lru_cache
def token_of(world: World) -> float:
    """J/token in a run without luck."""
    chance = np.random.default_rng(0)
    tokens = lengths(world, chance.standard_normal(MANY), chance)
    return float((world.start_j + world.token_j * tokens).sum() / tokens.sum())


def expected_energy(prompts: int) -> Scenario:
    """Cost of a token: the what-if at 100 and 300 tokens."""
    world = World(noise=0.08, start_j=6.0)

    def measured(chance: Chance) -> bool:
        _, low, high = cost.what_if(cost.fits(cost_units(world, prompts, 1, chance)).row(0, named=True), 100, 300)
        return holds(low, high, world.start_j + 300 * world.token_j)

    return measured


def slope(models: int, each: int) -> Scenario:
    """Energy and parameters: the exponent of a power law through models that are measured several times each."""

    def measured(chance: Chance) -> bool:
        size = np.exp(chance.uniform(0, 4, models))
        own = np.repeat(np.exp(0.3 * chance.standard_normal(models)) * size**0.8, each) * np.exp(
            0.05 * chance.standard_normal(models * each)
        )
        points = pl.DataFrame(
            {"x": np.repeat(size, each), "y": own, "model_id": np.repeat(np.arange(models), each).astype(str), "gpu": "one"}
        )
        line = lines.lines(points, "x", "y", ["gpu"], log=True).row(0, named=True)
        return holds(line["slope_low"], line["slope_high"], 0.8)

    return measured


@lru_cache
def percentile_of(world: World, level: float) -> float:
    """A percentile of the energy of an answer in a run without luck (J)."""
    chance = np.random.default_rng(0)
    return float(np.quantile(energies(world, lengths(world, chance.standard_normal(MANY), chance), 0.0, chance), level))


def percentile(prompts: int, level: float) -> Scenario:
    """A percentile of the energy of an answer."""
    world = World()

    def measured(chance: Chance) -> bool:
        values = energies(world, lengths(world, chance.standard_normal(prompts), chance), 0.0, chance)
        _, low, high = percentiles.interval(values, level)
        return holds(low, high, percentile_of(world, level))

    return measured


def percentile_of_steps(prompts: int, level: float) -> Scenario:
    """Distributions: a percentile of the energy of an answer, read off the 200 steps that the page has."""
    world = World()
    places = np.unique(np.ceil(np.arange(1, percentiles.STEPS + 1) / percentiles.STEPS * prompts).astype(int))

    def measured(chance: Chance) -> bool:
        values = np.sort(energies(world, lengths(world, chance.standard_normal(prompts), chance), 0.0, chance))
        return holds(*percentiles.of_steps(places / prompts, values[places - 1], level, prompts), percentile_of(world, level))

    return measured
