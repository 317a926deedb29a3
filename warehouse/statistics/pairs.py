"""The same prompts on two sides, A and B: what going from A to B does to the energy of an answer.

Every prompt counts once, however often it was asked, and a pair as it was spent, an answer that was cut short included: leaving those out
leaves out the long ones, on which asking for less acts most. Beside that stand the pairs whose answers are both whole, and the bounds of
what whole answers would have given. Energy that was divided among the prompts of a window says nothing of one prompt: there the totals of
the windows are compared.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import intervals, percentiles, runs
from prompt_joules.warehouse.statistics.estimates import ENDS, Estimate, Meter, behind, calibration_of_ratio, luck_of_ratio
from prompt_joules.warehouse.statistics.intervals import Floats, Sums

NUMBERS = tuple(f"{name}{end}" for name in ("median_change", "whole_change", "total_change") for end in ENDS)
COUNTS = ("more", "whole_pairs", "runs_a", "runs_b")


def paired(contrasts: pl.DataFrame, known: runs.Known = runs.NOTHING) -> pl.DataFrame:
    """Change of energy from side A to side B, per setup.

    Args:
        contrasts: rows of the query `contrast_prompts`.
        known: the luck of the runs of all setups that were repeated.

    Returns:
        The same rows without their lists, with, each with `_low` and `_high`, and `_within_low` and `_within_high`, the interval without
        the luck of the runs: `median_change`, of the energy of a prompt as it was spent, over all pairs, of which those of a prompt count
        as much as one; `whole_change`, the same over the `whole_pairs` in which both answers are whole; `total_change`, of the energy of
        all prompts together. Also `more`, how many pairs cost more on side B, and `more_share`, the share of the prompts;
        `least_change` and `most_change`, between which the median lies whatever the cut answers would have cost, null for no bound;
        `runs_a`, `runs_b`, and `basis`, what the intervals are about. Of divided energy only the totals are known.
    """
    rows, lists = contrasts.drop("pair_list").iter_rows(named=True), contrasts["pair_list"]
    found = [_contrast(row, pairs, known.of([row["harness_version"]])) for row, pairs in zip(rows, lists, strict=True)]
    schema: dict[str, Any] = dict.fromkeys((*NUMBERS, "more_share", "least_change", "most_change"), pl.Float64)
    schema |= dict.fromkeys(COUNTS, pl.Int64) | {"basis": pl.String}
    return contrasts.drop("pair_list", "windows", "runs").hstack(pl.DataFrame(found, schema=schema, orient="row"))


def _contrast(row: dict[str, Any], listed: pl.Series | None, known: runs.Known) -> dict[str, Any]:
    """The numbers of one contrast.

    Args:
        listed: its pairs, millions at most: a Python object of each would take gigabytes.
    """
    a, b = (
        {
            run["turn"] if run["is_pass"] else f"{side} {run['turn']}": runs.Run(run["ln"], run["card"], run["weight"], run["search"])
            for run in row["runs"]
            if run["is_b"] == side
        }
        for side in (False, True)
    )
    (luck, cards), (fewest, is_one_search) = luck_of_ratio(a, b, known), behind(a.values(), b.values())
    meters = [_meter([run for run in row["runs"] if run["is_b"] == side]) for side in (False, True)]
    calibration = calibration_of_ratio(*meters)
    estimate = partial(Estimate, luck=luck, runs=fewest, is_one_search=is_one_search, calibration=calibration, cards=cards)
    found: dict[str, Any] = dict.fromkeys((*NUMBERS, "more_share", "least_change", "most_change", *COUNTS)) | {
        "runs_a": len(a),
        "runs_b": len(b),
    }
    if row["shared"]:
        total = estimate(*_total_of_windows(row["windows"]))
        return found | total.row("total_change", 0, less=1) | {"basis": total.basis}
    of = {column.name: column.to_numpy() for column in pl.Series(listed).struct.unnest()}
    ratios, weights, whole = of["energy_b_j"] / of["energy_a_j"], percentiles.once(of["prompt"]), ~(of["cut_a"] | of["cut_b"])
    total = estimate(*_total_of_pairs(of))
    median = estimate(*_median(ratios, of["prompt"]))
    of_whole = estimate(*_median(ratios[whole], of["prompt"][whole])) if whole.any() else Estimate(None)
    least = percentiles.quantile(np.where(of["cut_a"], 0, ratios), weights, 0.5)
    most = percentiles.quantile(np.where(of["cut_b"], math.inf, ratios), weights, 0.5)
    found |= {"least_change": least - 1 if least > 0 else None, "most_change": most - 1 if math.isfinite(most) else None}
    found |= {
        "more": int((ratios > 1).sum()),
        "more_share": float(weights[ratios > 1].sum() / weights.sum()),
        "whole_pairs": int(whole.sum()),
    }
    found |= total.row("total_change", 0, less=1) | median.row("median_change", 0, less=1) | of_whole.row("whole_change", 0, less=1)
    return found | {"basis": median.basis}


def _meter(own: list[dict[str, Any]]) -> Meter:
    """What measured the runs of a side."""
    return Meter(frozenset(run["card"] for run in own), max((run["calibration"] or 0.0 for run in own), default=0.0))


def _median(ratios: Floats, prompts: Floats) -> tuple[float, Floats | None]:
    """The median of ratios of pairs, by the order of the ratios, and draws of its logarithm; pairs of one prompt count once together."""
    value, low, high = percentiles.clustered(ratios, 0.5, prompts, percentiles.once(prompts))
    return value, None if low is None and high is None else percentiles.log_draws(value, low, high, 0)


def _total_of_pairs(of: dict[str, Floats]) -> tuple[float, Floats | None]:
    """The ratio of the energies of all prompts, of each the mean of its pairs, and draws of its logarithm over prompts."""
    _, prompts, counts = np.unique(of["prompt"], return_inverse=True, return_counts=True)
    a, b = (Sums(np.bincount(prompts, of[name]) / counts, np.ones(len(counts))) for name in ("energy_a_j", "energy_b_j"))
    return b.value / a.value, intervals.log_draws(intervals.resamples((len(a.upper),)), b, a)


def _total_of_windows(windows: list[dict[str, Any]]) -> tuple[float, Floats | None]:
    """The ratio of the energies per answer of all windows, and draws of its logarithm; windows of the same prompts are drawn together."""
    rows = pl.DataFrame(windows).group_by("answered_together", "is_b").agg(pl.col("joules", "answers").sum())
    sides = pl.col("is_b").unique().sort().cast(pl.String).str.join(",").alias("stratum")
    every = rows.group_by("answered_together").agg(sides).sort("stratum", "answered_together")
    a, b = (_sums_of_windows(every, rows.filter(pl.col("is_b") == side)) for side in (False, True))
    return b.value / a.value, intervals.log_draws(intervals.resamples(tuple(every["stratum"].rle().struct["len"])), b, a)


def _sums_of_windows(every: pl.DataFrame, own: pl.DataFrame) -> Sums:
    joined = every.join(own, on="answered_together", how="left", maintain_order="left")
    joules, answers = (joined[name].fill_null(0).to_numpy().astype(float) for name in ("joules", "answers"))
    return Sums(joules, answers, windows=True)


def change_of_means(published: pl.DataFrame) -> pl.DataFrame:
    """Change of the mean energy from side A to side B over all models of a table.

    Args:
        published: rows of the query `contrast_published`.

    Returns:
        One row per table (`source`, `gpu_model`, `task`, `engine`, `batch_size`, `a`, `b`): `count`, `more` (how many use more on side B),
        `median_change`, and its interval by the order of the changes, `change_low`, `change_high`: null below five models; the largest
        first, then by name.
    """
    by = ["source", "gpu_model", "task", "engine", "batch_size", "a", "b"]
    found = []
    for names, group in published.group_by(by, maintain_order=True):
        median, low, high = percentiles.interval(group["change"].to_numpy(), 0.5)
        numbers = {"median_change": median, "change_low": low, "change_high": high}
        found.append(dict(zip(by, names, strict=True)) | {"count": group.height, "more": int((group["change"] > 0).sum())} | numbers)
    schema = {name: published.schema[name] for name in by} | {"count": pl.Int64, "more": pl.Int64}
    schema |= dict.fromkeys(("median_change", "change_low", "change_high"), pl.Float64())
    return pl.DataFrame(found, schema=schema, orient="row").sort("count", *by, descending=[True] + [False] * len(by), nulls_last=True)
