"""Configurations side by side: energy of each against the first, with bootstrap intervals and ranks, and what is not alike in their setups.

Knows nothing of SQL and of screens; `stats.py` has the seed, and all that needs one set of rows only.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prompt_joules.warehouse.energy_shown import DEFAULT, Measure
from prompt_joules.warehouse.stats import RESAMPLES, SEED, Floats

LEVELS = {"median": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
# What energy is divided by: the name on screen → the sum in `blocks`.
DENOMINATORS = {
    "response": "prompts",
    "output token": "output_tokens",
    "total token": "total_tokens",
    "word": "output_words",
    "character": "output_chars",
}


def compared(rows: pl.DataFrame, blocks: pl.DataFrame, measure: Measure = DEFAULT) -> pl.DataFrame:
    """Energy per response (or token, word, ...) of a few configurations, each against the first, with intervals and ranks.

    Where single prompts are known, intervals are a bootstrap over them. All configurations are drawn together, so that the chance of which
    prompts were asked falls out of a ratio of two that answered the same ones. A published average has no interval.

    Args:
        rows: rows of `results`, the first is what the others are compared with; needs `result_id` and the column of the measure.
        blocks: rows of the query `blocks`, gross or above idle like the measure. Where a block holds more than one prompt, a percentile
            has no interval.
        measure: which energy.

    Returns:
        `result_id`, `value` (J), `value_low`, `value_high`, `ratio` to the first, `ratio_low`, `ratio_high`, `rank_low`, `rank_high`, in
        the order of `rows`. Numbers that are not known are null.
    """
    every = strata(blocks)
    own = [blocks.filter(pl.col("result_id") == name).sort("block") for name in rows["result_id"]]
    draws = [_draws(value, part, every, measure) for value, part in zip(rows[measure.key], own, strict=True)]
    known = [draw for draw in draws if draw is not None]
    found = [
        {"result_id": name}
        | _interval("value", draw)
        | _interval("ratio", None if draw is None or draws[0] is None else draw / draws[0])
        | _ranks(draw, known)
        for name, draw in zip(rows["result_id"], draws, strict=True)
    ]
    numbers = [f"{name}{end}" for name in ("value", "ratio") for end in ("", "_low", "_high")]
    schema = {"result_id": pl.String()} | dict.fromkeys(numbers, pl.Float64()) | dict.fromkeys(("rank_low", "rank_high"), pl.Int64())
    return pl.DataFrame(found, schema=schema, orient="row")


def _draws(value: float | None, own: pl.DataFrame, every: pl.DataFrame, measure: Measure) -> Floats | None:
    """The value itself, then RESAMPLES bootstrap values of it; None when it is not known.

    Args:
        own: the blocks of one configuration.
        every: of `strata`.
    """
    parts = DENOMINATORS[measure.per]
    if measure.statistic != "mean":
        known = own.filter(pl.col(parts) > 0)
        if not known.is_empty() and known["prompts"].max() == 1:
            values = (known["energy_j"] / known[parts]).to_numpy()
            return _levels(values, LEVELS[measure.statistic], tuple(known["block"]))
        own = own.clear()
    if own.is_empty():
        return None if value is None else np.full(RESAMPLES + 1, float(value))
    sums = every.join(own, on="block", how="left", maintain_order="left")
    energy, count = (sums[name].fill_null(0).to_numpy().astype(float) for name in ("energy_j", parts))
    weights = _weights(tuple(every["stratum"].rle().struct["len"]))
    below = weights @ count
    return (weights @ energy) / below if bool((below > 0).all()) else None


def strata(blocks: pl.DataFrame) -> pl.DataFrame:
    """`block` and `stratum`, by stratum: the blocks that the same configurations have. Each stratum is drawn from on its own.

    So a resample of a configuration always has as many blocks as it has, and what several have is drawn for all of them at once.
    """
    names = pl.col("result_id").sort().str.join("\n").alias("stratum")
    return blocks.group_by("block").agg(names).sort("stratum", "block")


@lru_cache(maxsize=4)
def _weights(sizes: tuple[int, ...]) -> NDArray[np.float32]:
    """How often each block is in the sample itself, then in each of RESAMPLES resamples. The same for everybody: drawn once.

    Args:
        sizes: how many blocks each stratum has.
    """
    chance = np.random.default_rng(SEED)
    drawn = [chance.multinomial(size, np.full(size, 1 / size), RESAMPLES) for size in sizes]
    return np.vstack([np.ones(sum(sizes)), np.hstack(drawn)]).astype(np.float32)


def _levels(values: Floats, level: float, blocks: tuple[int, ...]) -> Floats:
    """A percentile of the values, then of RESAMPLES resamples: the same ones for configurations of the same blocks, others for others."""
    seed = int.from_bytes(hashlib.sha256(repr(blocks).encode()).digest()[:8])
    again = np.random.default_rng([SEED, seed]).integers(0, len(values), (RESAMPLES, len(values)))
    return np.concatenate([[np.quantile(values, level)], np.quantile(values[again], level, axis=1)])


def _interval(name: str, draw: Floats | None) -> dict[str, float | None]:
    if draw is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    if np.ptp(draw) == 0 and name == "value":
        return {name: float(draw[0]), f"{name}_low": None, f"{name}_high": None}
    return {name: float(draw[0]), f"{name}_low": float(np.quantile(draw[1:], 0.025)), f"{name}_high": float(np.quantile(draw[1:], 0.975))}


def _ranks(draw: Floats | None, known: list[Floats]) -> dict[str, int | None]:
    if draw is None:
        return {"rank_low": None, "rank_high": None}
    ranks = 1 + sum((other < draw).astype(int) for other in known)[1:]  # type: ignore[index]
    return {"rank_low": int(np.quantile(ranks, 0.025, method="nearest")), "rank_high": int(np.quantile(ranks, 0.975, method="nearest"))}


def differing(setups: pl.DataFrame) -> pl.DataFrame:
    """The keys on which configurations do not agree.

    Args:
        setups: rows of the query `setups`, one per configuration, in order.

    Returns:
        One row per key: `key`, and `value_1`, `value_2`, ... of the configurations.
    """
    found = [
        {"key": key} | {f"value_{place}": value or "not stated" for place, value in enumerate(setups[key], 1)}
        for key in setups.columns
        if key != "result_id" and setups[key].n_unique() > 1
    ]
    return pl.DataFrame(found, schema=["key", *(f"value_{place}" for place in range(1, setups.height + 1))], orient="row")


def band(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Value, low and high end of a row of `compared`; without an interval the value three times."""
    value = row["value"]
    low, high = (value if row[end] is None else row[end] for end in ("value_low", "value_high"))
    return value, low, high
