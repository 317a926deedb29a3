"""Scenarios of Compare: the ratio of two configurations, over runs, cards, batches and percentiles, and with a meter that is off."""

import numpy as np
import polars as pl

from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, estimates, intervals, runs
from tests.simulations.fits import percentile_of
from tests.simulations.measurements import (
    Chance,
    Scenario,
    World,
    holds,
    of_others,
    of_sizes,
    on_cards,
    repetitions,
    repetitions_of,
    units,
    windows,
)
from tests.simulations.values import CONCISE, TOKENS, named_rows, of_windows, truth


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
        row = comparison.compared(named_rows("a", "b", key=TOKENS.key), pl.concat(both), TOKENS, known).row(1, named=True)
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
        row = comparison.compared(named_rows("a", "b", key=TOKENS.key), pl.concat(both), TOKENS, of_others(others)).row(1, named=True)
        return row["basis"] == estimates.ACROSS_CARDS and holds(row["ratio_low"], row["ratio_high"], truth(b)[1] / truth(a)[1])

    return measured


def ratio(
    prompts: int,
    count: int,
    spread: float,
    *,
    in_turns: bool = False,
    per: str = "response",
    setups: int = 4,
    sizes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
    world: World | None = None,
) -> Scenario:
    """Compare: the ratio of two configurations on the same prompts.

    Args:
        sizes: of either side, how many of the prompts each run answered, if not all; 0 for a run that was not.
        world: what is true of both sides; else B answers shorter than A.
    """
    a, b = (world, world) if world else (World(between_runs=spread, of_side=0.02), World(between_runs=spread, of_side=0.02, **CONCISE))
    measure = Measure(per=per)

    def measured(chance: Chance) -> bool:
        expected = truth(b)[per != "response"] / truth(a)[per != "response"]
        asked = chance.standard_normal(prompts)
        common = spread * chance.standard_normal(count)
        lucks = [
            common + side.of_side * chance.standard_normal(count) if in_turns else spread * chance.standard_normal(count) for side in (a, b)
        ]
        both = [
            of_sizes(units(side, asked, luck, chance, name, 10 * place, in_turns), sizes[place])
            for place, (side, luck, name) in enumerate(zip((a, b), lucks, ("a", "b"), strict=True))
        ]
        known = of_others(repetitions(spread, setups, 3, chance))
        row = comparison.compared(named_rows("a", "b", key=measure.key), pl.concat(both), measure, known).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], expected)

    return measured


def ratio_of_batches(count: int, size: int) -> Scenario:
    """Compare: the ratio of two configurations in static batches, within one run each; windows of the same prompts."""
    a, b = World(), World(**CONCISE)

    def measured(chance: Chance) -> bool:
        expected = of_windows(b, size) / of_windows(a, size)
        asked = chance.standard_normal(count * size)
        both = [windows(side, asked, size, 0.0, chance, name, place) for place, (side, name) in enumerate(((a, "a"), (b, "b")))]
        row = comparison.compared(named_rows("a", "b"), pl.concat(both)).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], expected)

    return measured


def off_by_the_meter(prompts: int, what: str, calibration: float = 0.03) -> Scenario:
    """Compare: what two meters are off in all of their energies. A value has it, a ratio on one card does not, one of two cards has both.

    Args:
        what: "value", "one card" or "two cards".
        calibration: half-width of 95 %, relative.
    """
    a, b = World(), World(**CONCISE)

    def measured(chance: Chance) -> bool:
        expected = truth(a)[0] if what == "value" else truth(b)[0] / truth(a)[0]
        asked = chance.standard_normal(prompts)
        off = np.exp(calibration / intervals.NORMAL * chance.standard_normal(2))
        off[1] = off[1] if what == "two cards" else off[0]
        both = [
            units(side, asked, np.zeros(1), chance, name, place).with_columns(
                pl.col("energy_j") * off[place], calibration=pl.lit(calibration), card=pl.lit(name if what == "two cards" else "one")
            )
            for place, (side, name) in enumerate(((a, "a"), (b, "b")))
        ]
        names, name = (("a",), "value") if what == "value" else (("a", "b"), "ratio")
        row = comparison.compared(named_rows(*names), pl.concat(both)).row(-1, named=True)
        return holds(row[f"{name}_low"], row[f"{name}_high"], expected)

    return measured


def ratio_of_percentiles(prompts: int, statistic: str, spread: float) -> Scenario:
    """Compare: the ratio of a percentile of two configurations, one run each."""
    a, b = World(between_runs=spread), World(between_runs=spread, **CONCISE)
    measure, level = Measure(statistic=statistic), comparison.LEVELS[statistic]

    def measured(chance: Chance) -> bool:
        asked = chance.standard_normal(prompts)
        both = [
            units(side, asked, spread * chance.standard_normal(1), chance, name, place)
            for place, (side, name) in enumerate(((a, "a"), (b, "b")))
        ]
        known = of_others(repetitions(spread, 4, 3, chance)) if spread else runs.NOTHING
        row = comparison.compared(named_rows("a", "b", key=measure.key), pl.concat(both), measure, known).row(1, named=True)
        return holds(row["ratio_low"], row["ratio_high"], percentile_of(b, level) / percentile_of(a, level))

    return measured
