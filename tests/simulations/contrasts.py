"""Scenarios of the same prompts on two sides: the change of a prompt and of the total."""

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import pairs
from tests.simulations.measurements import (
    Chance,
    Scenario,
    World,
    holds,
    of_others,
    repetitions,
    units,
    windows,
)
from tests.simulations.values import CONCISE, median_change, of_windows, truth


def total_of_batches(count: int, size: int) -> Scenario:
    """Concise or verbose: the change of the total of batches of the same prompts, within one run each."""
    a, b = World(), World(**CONCISE)
    named = {"unit": "answered_together", "energy_j": "joules", "prompts": "answers"}

    def measured(chance: Chance) -> bool:
        expected = of_windows(b, size) / of_windows(a, size) - 1
        asked = chance.standard_normal(count * size)
        both = [windows(side, asked, size, 0.0, chance).select(named.keys()).rename(named) for side in (a, b)]
        together = pl.concat([side.with_columns(is_b=pl.lit(place == 1)) for place, side in enumerate(both)])
        row = {"shared": True, "harness_version": "2.0", "pair_list": None, "windows": together.to_dicts(), "runs": []}
        schema = {"pair_list": pl.List(pl.Int64), "runs": pl.List(pl.Struct({"is_b": pl.Boolean}))}
        found = pairs.paired(pl.DataFrame([row], schema_overrides=schema)).row(0, named=True)
        return holds(found["total_change_low"], found["total_change_high"], expected)

    return measured


def of_pairs(
    prompts: int,
    count: int,
    spread: float,
    name: str = "median_change",
    *,
    in_turns: bool = False,
    parts: tuple[tuple[int, int], ...] = (),
    searches: int | None = None,
) -> Scenario:
    """The same prompts on two sides: the median change of a prompt, or the change of the total.

    Args:
        parts: of each run the first prompt that it asks and the one behind its last; all of them where nothing is said.
        searches: how many draws of kernels the runs share, which are all of their luck; each has its own, or searches none, where nothing
            is said.
    """
    a, b = World(between_runs=spread, of_side=0.02), World(between_runs=spread, of_side=0.02, **CONCISE)

    def measured(chance: Chance) -> bool:
        expected = (median_change(a, b) if name == "median_change" else truth(b)[0] / truth(a)[0]) - 1
        asked = chance.standard_normal(prompts)
        drawn = np.arange(count) % (searches or count)
        common = spread * chance.standard_normal(count)[drawn]
        lucks = [
            common + side.of_side * chance.standard_normal(count)[drawn] if in_turns else spread * chance.standard_normal(count)[drawn]
            for side in (a, b)
        ]
        both = [units(side, asked, luck, chance) for side, luck in zip((a, b), lucks, strict=True)]
        if parts:
            asks = pl.DataFrame(
                [(run, unit) for run, part in enumerate(parts) for unit in range(*part)],
                {"run_number": pl.Int32, "unit": pl.Int64},
                orient="row",
            )
            both = [side.join(asks, on=["run_number", "unit"], how="semi", maintain_order="left") for side in both]
        known = of_others(repetitions(spread, 4, 3, chance))
        row = pairs.paired(contrast(*both, in_turns=in_turns, searches=searches), known).row(0, named=True)
        return holds(row[f"{name}_low"], row[f"{name}_high"], expected)

    return measured


def contrast(a: pl.DataFrame, b: pl.DataFrame, *, in_turns: bool = False, searches: int | None = None) -> pl.DataFrame:
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
            "search": f"search {run % searches}" if searches else None,
            "calibration": 0.0,
            "weight": float(len(part)),
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
