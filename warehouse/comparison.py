"""Configurations side by side: energy of each against the first, with bootstrap intervals and ranks, and what is not alike in their setups.

Knows nothing of SQL and of screens; `stats.py` has the seed, and all that needs one set of rows only.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from warehouse.measure import DEFAULT, Measure
from warehouse.stats import RESAMPLES, SEED, Floats

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

    Where single prompts are known, intervals are a bootstrap over them; each configuration is drawn on its own, which is
    wider than need be where the prompts are the same. A published average has no interval.

    Args:
        rows: rows of `results`, the first is what the others are compared with; needs `result_id` and the column of the measure.
        blocks: rows of the query `blocks`, gross or above idle like the measure. Where a block holds more than one prompt, a percentile
            has no interval.
        measure: which energy.

    Returns:
        `result_id`, `value` (J), `value_low`, `value_high`, `ratio` to the first, `ratio_low`, `ratio_high`, `rank_low`, `rank_high`, in
        the order of `rows`. Numbers that are not known are null.
    """
    draws = [
        _draws(row[measure.key], blocks.filter(pl.col("result_id") == row["result_id"]), measure, place)
        for place, row in enumerate(rows.iter_rows(named=True))
    ]
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


def _draws(value: float | None, blocks: pl.DataFrame, measure: Measure, place: int) -> Floats | None:
    """The value itself, then RESAMPLES bootstrap values of it; None when it is not known."""
    parts = DENOMINATORS[measure.per]
    if measure.statistic != "mean":
        known = blocks.filter(pl.col(parts) > 0)
        if not known.is_empty() and known["prompts"].max() == 1:
            return _levels((known["energy_j"] / known[parts]).to_numpy(), LEVELS[measure.statistic], place)
        blocks = blocks.clear()
    if blocks.is_empty():
        return None if value is None else np.full(RESAMPLES + 1, float(value))
    energy, count = (blocks[name].fill_null(0).to_numpy().astype(float) for name in ("energy_j", parts))
    weights = _weights(place, len(energy))
    below = weights @ count
    return (weights @ energy) / below if bool((below > 0).all()) else None


@lru_cache(maxsize=4)
def _weights(place: int, count: int) -> NDArray[np.float32]:
    """How often each of `count` blocks is in the sample itself, then in each of RESAMPLES resamples. The same for everybody: drawn once."""
    drawn = np.random.default_rng([SEED, place]).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return np.vstack([np.ones(count), drawn]).astype(np.float32)


def _levels(values: Floats, level: float, place: int) -> Floats:
    """A percentile of the values, then of RESAMPLES resamples."""
    again = np.random.default_rng([SEED, place]).integers(0, len(values), (RESAMPLES, len(values)))
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
