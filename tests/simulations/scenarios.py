"""One scenario per interval that the app shows: a function that measures once and says whether the interval holds the truth."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import polars as pl

from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, estimates, pairs, pooled, runs
from tests.simulations.fits import coefficient, coefficient_of_runs, expected_energy, percentile, percentile_of_steps, saved, served, slope
from tests.simulations.measurements import (
    MANY,
    Chance,
    Floats,
    Scenario,
    World,
    energies,
    holds,
    lengths,
    of_others,
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


def _rows(*names: str, key: str = "energy_j") -> pl.DataFrame:
    return pl.DataFrame({"result_id": list(names), key: [1.0] * len(names)})


def value_of_one_run(prompts: int, per: str = "response") -> Scenario:
    """The mean energy of an answer, or J/token, within one run."""
    world, measure = World(), Measure(per=per)

    def measured(chance: Chance) -> bool:
        own = units(world, chance.standard_normal(prompts), np.zeros(1), chance)
        row = comparison.compared(_rows("a", key=measure.key), own, measure).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[per != "response"])

    return measured


def value_across_runs(prompts: int, count: int, spread: float) -> Scenario:
    """The mean energy of an answer over runs that differ, with what is known of four other setups that were run three times."""
    world = World(between_runs=spread)

    def measured(chance: Chance) -> bool:
        own = units(world, chance.standard_normal(prompts), spread * chance.standard_normal(count), chance)
        known = of_others(repetitions(spread, 4, 3, chance))
        row = comparison.compared(_rows("a"), own, Measure(), known).row(0, named=True)
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
        row = comparison.compared(_rows("a", key=TOKENS.key), own, TOKENS, runs.known(repetitions_of(own))).row(0, named=True)
        return holds(row["value_low"], row["value_high"], truth(world)[1])

    return measured


def ratio_alone(prompts: int, count: int, spread: float, *, in_turns: bool = False) -> Scenario:
    """Compare: the ratio of J/token of two configurations, where nothing was repeated but these."""
    a, b = World(between_runs=spread, of_side=0.02), World(between_runs=spread, of_side=0.02, **CONCISE)

    def measured(chance: Chance) -> bool:
        asked, common = chance.standard_normal(prompts), spread * chance.standard_normal(count)
        both = []
        for place, (side, name) in enumerate(((a, "a"), (b, "b"))):
            luck = common + side.of_side * chance.standard_normal(count) if in_turns else spread * chance.standard_normal(count)
            both.append(units(side, asked, luck, chance, name, 10 * place, in_turns))
        known = runs.known(repetitions_of(pl.concat(both)))
        row = comparison.compared(_rows("a", "b", key=TOKENS.key), pl.concat(both), TOKENS, known).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], truth(b)[1] / truth(a)[1])

    return measured


def ratio_of_cards(prompts: int, cards: int, spread: float, of_cards: float) -> Scenario:
    """Compare: the ratio of J/token of two configurations, each run twice on its own card, with what others say of so many cards."""
    a, b = World(between_runs=spread), World(between_runs=spread, **CONCISE)

    def measured(chance: Chance) -> bool:
        asked, shifts = chance.standard_normal(prompts), of_cards * chance.standard_normal(2 + cards)
        both = [
            on_cards(
                units(side, asked, spread * chance.standard_normal(2), chance, name, 10 * place), [name] * 2, np.repeat(shifts[place], 2)
            )
            for place, (side, name) in enumerate(((a, "a"), (b, "b")))
        ]
        others = pl.concat(
            repetitions(spread, 1, 2, chance).with_columns(
                pl.col("energy_per_token_j") * float(np.exp(shift)), card=pl.lit(f"card {place}")
            )
            for place, shift in enumerate(shifts[2:])
        )
        row = comparison.compared(_rows("a", "b", key=TOKENS.key), pl.concat(both), TOKENS, of_others(others)).row(1, named=True)
        return row["basis"] == estimates.ACROSS_CARDS and holds(row["ratio_low"], row["ratio_high"], truth(b)[1] / truth(a)[1])

    return measured


def in_a_table(prompts: int, count: int, spread: float, per: str = "response", *, uneven: float = 0.0, times: float = 1.0) -> Scenario:
    """Leaderboard: the mean energy of an answer, or J/token, of a setup with several runs, from what the ingest keeps of each.

    Args:
        uneven: how much setups differ in how steady they are: the standard deviation of the logarithm of their spread.
        times: how many times the spread of others this setup has.
    """
    world = World(between_runs=spread)
    names = pooled.VALUE_ENDS if per == "response" else pooled.TOKEN_ENDS

    def measured(chance: Chance) -> bool:
        each = spread * np.exp(uneven * chance.standard_normal(5))
        own = units(world, chance.standard_normal(prompts), times * each[0] * chance.standard_normal(count), chance)
        spreads, kept = runs_in_a_table(own)
        energy, tokens = float(own["energy_j"].sum()), float(own["output_tokens"].sum())
        row = {"setup": "own", "origin": "measured", "harness_version": "2.0"}
        table = pl.DataFrame([row | {"energy_j": energy / len(own), "energy_per_token_j": energy / tokens}])
        others = [repetitions(sd, 1, 3, chance).with_columns(setup=pl.lit(f"other {place}")) for place, sd in enumerate(each[1:])]
        known = pl.concat([kept, *others], how="diagonal_relaxed")
        found = pooled.with_intervals(table, pooled.spreads(spreads), "energy_j", known).row(0, named=True)
        return holds(found[names[0]], found[names[1]], truth(world)[per != "response"])

    return measured


def ratio(prompts: int, count: int, spread: float, *, in_turns: bool = False, per: str = "response", setups: int = 4) -> Scenario:
    """Compare: the ratio of two configurations on the same prompts."""
    a, b = World(between_runs=spread, of_side=0.02), World(between_runs=spread, of_side=0.02, **CONCISE)
    measure = Measure(per=per)
    expected = truth(b)[per != "response"] / truth(a)[per != "response"]

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(prompts)
        common = spread * chance.standard_normal(count)
        lucks = [
            common + side.of_side * chance.standard_normal(count) if in_turns else spread * chance.standard_normal(count) for side in (a, b)
        ]
        both = [
            units(side, asked, luck, chance, name, 10 * place, in_turns)
            for place, (side, luck, name) in enumerate(zip((a, b), lucks, ("a", "b"), strict=True))
        ]
        known = of_others(repetitions(spread, setups, 3, chance))
        row = comparison.compared(_rows("a", "b", key=measure.key), pl.concat(both), measure, known).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], expected)

    return measured


def ratio_of_batches(count: int, size: int) -> Scenario:
    """Compare: the ratio of two configurations in static batches, within one run each; windows of the same prompts."""
    a, b = World(), World(**CONCISE)
    expected = _of_windows(b, size) / _of_windows(a, size)

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(count * size)
        both = [windows(side, asked, size, 0.0, chance, name, place) for place, (side, name) in enumerate(((a, "a"), (b, "b")))]
        row = comparison.compared(_rows("a", "b"), pl.concat(both)).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], expected)

    return measured


def total_of_batches(count: int, size: int) -> Scenario:
    """Concise or verbose: the change of the total of batches of the same prompts, within one run each."""
    a, b = World(), World(**CONCISE)
    expected = _of_windows(b, size) / _of_windows(a, size) - 1
    named = {"unit": "answered_together", "energy_j": "joules", "prompts": "answers"}

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(count * size)
        both = [windows(side, asked, size, 0.0, chance).select(named.keys()).rename(named) for side in (a, b)]
        together = pl.concat([side.with_columns(is_b=pl.lit(place == 1)) for place, side in enumerate(both)])
        row = {"shared": True, "harness_version": "2.0", "pair_list": None, "windows": together.to_dicts(), "runs": []}
        schema = {"pair_list": pl.List(pl.Int64), "runs": pl.List(pl.Struct({"is_b": pl.Boolean}))}
        found = pairs.paired(pl.DataFrame([row], schema_overrides=schema)).row(0, named=True)
        return holds(found["total_change_low"], found["total_change_high"], expected)

    return measured


@lru_cache
def _of_windows(world: World, size: int) -> float:
    """The mean energy of an answer in batches (J)."""
    chance = np.random.default_rng(0)
    many = windows(replace(world, noise=0.0), chance.standard_normal(MANY // size * size), size, 0.0, chance)
    return float(many["energy_j"].sum() / many["prompts"].sum())


def of_pairs(prompts: int, count: int, spread: float, name: str = "median_change", *, in_turns: bool = False) -> Scenario:
    """The same prompts on two sides: the median change of a prompt, or the change of the total."""
    a, b = World(between_runs=spread, of_side=0.02), World(between_runs=spread, of_side=0.02, **CONCISE)
    expected = (median_change(a, b) if name == "median_change" else truth(b)[0] / truth(a)[0]) - 1

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(prompts)
        common = spread * chance.standard_normal(count)
        lucks = [
            common + side.of_side * chance.standard_normal(count) if in_turns else spread * chance.standard_normal(count) for side in (a, b)
        ]
        both = [units(side, asked, luck, chance) for side, luck in zip((a, b), lucks, strict=True)]
        known = of_others(repetitions(spread, 4, 3, chance))
        row = pairs.paired(contrast(*both, in_turns=in_turns), known).row(0, named=True)
        return holds(row[f"{name}_low"], row[f"{name}_high"], expected)

    return measured


def contrast(a: pl.DataFrame, b: pl.DataFrame, *, in_turns: bool = False) -> pl.DataFrame:
    """A row of the query `contrast_prompts` out of rows of `units` of two sides."""
    key = ["run_number", "unit"]
    joined = a.join(b, on=key, suffix="_b").select(
        (pl.col("unit") + 1).alias("prompt"),
        pl.col("energy_j").alias("energy_a_j"),
        pl.col("energy_j_b").alias("energy_b_j"),
        pl.col("output_tokens").alias("tokens_a"),
        pl.col("output_tokens_b").alias("tokens_b"),
        (pl.col("output_tokens") >= World().longest).alias("cut_a"),
        (pl.col("output_tokens_b") >= World().longest).alias("cut_b"),
    )
    logs = [
        {
            "is_b": is_b,
            "turn": str(run),
            "is_pass": in_turns,
            "ln": float(np.log(part["energy_j"].sum() / part["output_tokens"].sum())),
            "card": "one",
            "calibration": 0.0,
        }
        for is_b, side in ((False, a), (True, b))
        for (run,), part in side.group_by("run_number", maintain_order=True)
    ]
    return pl.DataFrame(
        {
            "shared": [False],
            "harness_version": ["2.0"],
            "pairs": [joined.height],
            "pair_list": [joined.to_dicts()],
            "windows": [None],
            "runs": [logs],
        }
    )


def off_by_the_meter(prompts: int, what: str, calibration: float = 0.03) -> Scenario:
    """Compare: what two meters are off in all of their energies. A value has it, a ratio on one card does not, one of two cards has both.

    Args:
        what: "value", "one card" or "two cards".
        calibration: half-width of 95 %, relative.
    """
    a, b = World(), World(**CONCISE)
    expected = truth(a)[0] if what == "value" else truth(b)[0] / truth(a)[0]

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(prompts)
        off = np.exp(calibration / estimates.NORMAL * chance.standard_normal(2))
        off[1] = off[1] if what == "two cards" else off[0]
        both = [
            units(side, asked, np.zeros(1), chance, name, place).with_columns(
                pl.col("energy_j") * off[place], calibration=pl.lit(calibration), card=pl.lit(name if what == "two cards" else "one")
            )
            for place, (side, name) in enumerate(((a, "a"), (b, "b")))
        ]
        names, name = (("a",), "value") if what == "value" else (("a", "b"), "ratio")
        row = comparison.compared(_rows(*names), pl.concat(both)).row(-1, named=True)
        return holds(row[f"{name}_low"], row[f"{name}_high"], expected)

    return measured


def ratio_of_percentiles(prompts: int, statistic: str, spread: float) -> Scenario:
    """Compare: the ratio of a percentile of two configurations, one run each."""
    a, b = World(between_runs=spread), World(between_runs=spread, **CONCISE)
    measure, chance = Measure(statistic=statistic), np.random.default_rng(0)
    many = [energies(side, lengths(side, chance.standard_normal(MANY), chance), 0.0, chance) for side in (a, b)]
    level = comparison.LEVELS[statistic]
    expected = float(np.quantile(many[1], level) / np.quantile(many[0], level))

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(prompts)
        both = [
            units(side, asked, spread * chance.standard_normal(1), chance, name, place)
            for place, (side, name) in enumerate(((a, "a"), (b, "b")))
        ]
        known = of_others(repetitions(spread, 4, 3, chance)) if spread else runs.NOTHING
        row = comparison.compared(_rows("a", "b", key=measure.key), pl.concat(both), measure, known).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], expected)

    return measured


SCENARIOS: dict[str, Scenario] = {
    **{f"mean energy, one run, {n} prompts": value_of_one_run(n) for n in (5, 10, 20, 100)},
    **{f"J/token, one run, {n} prompts": value_of_one_run(n, "output token") for n in (5, 10, 20, 100)},
    "mean energy, one run, spread 8 % known from others, 100 prompts": value_across_runs(100, 1, 0.08),
    "mean energy, three runs, spread 8 %, 100 prompts": value_across_runs(100, 3, 0.08),
    **{
        f"J/token, {name} runs and no others, spread {words} %, 40 prompts": runs_alone(40, count, spread)
        for name, count, words, spread in (("two", 2, "8", 0.08), ("three", 3, "2.9", 0.029), ("four", 4, "8", 0.08))
    },
    "J/token, three runs on three cards, 5 % between cards, 40 prompts": runs_alone(40, 3, 0.029, 3, 0.05),
    "J/token, six runs on three cards, 8 % between cards, 40 prompts": runs_alone(40, 6, 0.029, 3, 0.08),
    **{
        f"ratio of J/token, {name} runs {how} and no others, spread 8 %, 40 prompts": ratio_alone(
            40, count, 0.08, in_turns=how == "in turns"
        )
        for name, count, how in (("two", 2, "each"), ("two", 2, "in turns"), ("three", 3, "in turns"))
    },
    "ratio of J/token on two cards, three others known, 5 % between cards, 40 prompts": ratio_of_cards(40, 3, 0.029, 0.05),
    "mean energy in a table, one run, spread 2 %, 20 prompts": in_a_table(20, 1, 0.02),
    "mean energy in a table, two runs, spread 8 %, 100 prompts": in_a_table(100, 2, 0.08),
    "mean energy in a table, three runs, spread 2 %, 20 prompts": in_a_table(20, 3, 0.02),
    "J/token in a table, one run, spread 8 %, 100 prompts": in_a_table(100, 1, 0.08, "output token"),
    "J/token in a table, two runs, spread 2 %, 20 prompts": in_a_table(20, 2, 0.02, "output token"),
    "J/token in a table, three runs, spread 8 %, 100 prompts": in_a_table(100, 3, 0.08, "output token"),
    "J/token in a table, one run, spread 4 % and uneven, 100 prompts": in_a_table(100, 1, 0.04, "output token", uneven=0.5),
    "J/token in a table, three runs, spread 4 % and uneven, 100 prompts": in_a_table(100, 3, 0.04, "output token", uneven=0.5),
    "J/token of a server, two runs, spread 8 %": served(2, 0.08),
    "ratio, one run each, spread 8 % known from others, 100 prompts": ratio(100, 1, 0.08),
    "ratio, one run each, spread 2 % known from others, 20 prompts": ratio(20, 1, 0.02),
    "ratio, one run each, spread 8 % known from one pair of runs, 100 prompts": ratio(100, 1, 0.08, setups=1),
    "ratio, two runs each, spread 8 %, 100 prompts": ratio(100, 2, 0.08),
    "ratio, three runs each, spread 8 %, 100 prompts": ratio(100, 3, 0.08),
    "ratio, three runs in turns, spread 8 %, 100 prompts": ratio(100, 3, 0.08, in_turns=True),
    "ratio of J/token, three runs each, spread 8 %, 20 prompts": ratio(20, 3, 0.08, per="output token"),
    "ratio of J/token, three runs in turns, spread 8 %, 20 prompts": ratio(20, 3, 0.08, in_turns=True, per="output token"),
    "ratio, 8 windows of 32, one run each": ratio_of_batches(8, 32),
    "ratio, 23 windows of 128, one run each": ratio_of_batches(23, 128),
    **{
        f"{what}, meter off by 3 %, {prompts:,} prompts": off_by_the_meter(prompts, key)
        for what, key, prompts in (
            ("mean energy", "value", 3000),
            ("ratio on one card", "one card", 1000),
            ("ratio on two cards", "two cards", 3000),
        )
    },
    "median of pairs, one run each, spread 8 % known from others, 100 pairs": of_pairs(100, 1, 0.08),
    "median of pairs, two runs each, spread 8 %, 100 prompts": of_pairs(100, 2, 0.08),
    "median of pairs, three runs in turns, spread 8 %, 100 prompts": of_pairs(100, 3, 0.08, in_turns=True),
    "median of pairs, three runs each, spread 8 %, 20 prompts": of_pairs(20, 3, 0.08),
    "total of pairs, three runs in turns, spread 8 %, 100 prompts": of_pairs(100, 3, 0.08, "total_change", in_turns=True),
    **{f"J per output token of a fit, {n} prompts": coefficient(n, "output_token_j") for n in (20, 200)},
    "total of pairs of batches, 12 windows of 32, one run each": total_of_batches(12, 32),
    "what a step of software saves, one run each, spread 3 % known from others, 20 answers": saved(20, 0.03),
    "J per input token of a fit, 50 prompts": coefficient(50, "input_token_j"),
    **{f"fixed J of a fit, {n} prompts": coefficient(n, "fixed_j") for n in (20, 200)},
    "J per output token of a fit, 50 prompts answered three times": coefficient(50, "output_token_j", counts=3),
    **{
        f"J per output token of a fit, {name}, spread 8 %, 50 prompts": coefficient_of_runs(50, count, 0.08)
        for name, count in (("one run", 1), ("two runs", 2), ("three runs", 3))
    },
    "energy that a fit gives, 50 prompts": expected_energy(50),
    "exponent of a line, 8 models": slope(8, 1),
    "exponent of a line, 8 models measured four times each": slope(8, 4),
    **{
        f"{name}, {n} prompts": percentile(n, level)
        for name, level in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
        for n in (20, 100, 1000)
    },
    **{f"{name} read off 200 steps, 1000 prompts": percentile_of_steps(1000, level) for name, level in (("median", 0.5), ("p95", 0.95))},
    "ratio of medians, one run each, 20 prompts": ratio_of_percentiles(20, "median", 0.0),
    "ratio of p95, one run each, spread 8 % known from others, 100 prompts": ratio_of_percentiles(100, "p95", 0.08),
}


# What intervals do not promise: a setup that is less steady than all that were measured more than once.
LIMITS: dict[str, Scenario] = {
    f"J/token in a table, {name}, twice as unsteady as others, 100 prompts": in_a_table(100, count, 0.04, "output token", times=2)
    for name, count in (("one run", 1), ("two runs", 2), ("three runs", 3))
}


def coverage(scenario: Scenario, times: int, seed: int = 1) -> float:
    """How often the interval of a scenario holds the truth, of so many times."""
    return sum(scenario(np.random.default_rng([seed, place])) for place in range(times)) / times


__all__ = ["LIMITS", "SCENARIOS", "Floats", "coverage"]
