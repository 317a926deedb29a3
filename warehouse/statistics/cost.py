"""What a token costs: E = a + b · input tokens + c · output tokens, for prompts that were alone on the GPU."""

from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import least_squares, runs
from prompt_joules.warehouse.statistics.estimates import runs_of
from prompt_joules.warehouse.statistics.intervals import student

FEWEST_PROMPTS = 8
FEWEST_POINTS = 5
COEFFICIENTS = ("fixed_j", "input_token_j", "output_token_j")
COVARIANCES = ("aa", "ab", "ac", "bb", "bc", "cc")


def fits(sums: pl.DataFrame, known: runs.Known = runs.NOTHING) -> pl.DataFrame:
    """One fit per result, by least squares; intervals by a jackknife over prompts, widened by what the runs and the meter add.

    Args:
        sums: rows of the query `cost_units`.
        known: the luck of the runs of all setups that were repeated.

    Returns:
        One row per result of at least eight prompts of at least five different lengths: `result_id`, `units` (prompts, or blocks of them),
        `answers`, `runs`; `fixed_j` (a, J), `input_token_j` (b, J), `output_token_j` (c, J), each with `_low` and `_high`; `grows`, whether
        c is above 0 for certain; `below_zero`, whether a is below 0 for certain, so that the line does not hold for short answers;
        `residual_j` (standard deviation of what is left), `explained` (share of the variance), `mean_in`, `mean_out`, `longest`, and what
        `what_if` needs: the covariances `cov_aa` ... `cov_cc`, and `luck`, how far runs and meter can be off, as a logarithm.
    """
    found = [
        row
        for (_,), part in sums.group_by("result_id", maintain_order=True)
        if (row := _fit(part, known.of(part["harness_version"]))) is not None
    ]
    numbers = [f"{name}{end}" for name in COEFFICIENTS for end in ("", "_low", "_high")]
    numbers += ["residual_j", "explained", "mean_in", "mean_out", "luck", *(f"cov_{name}" for name in COVARIANCES)]
    schema: dict[str, Any] = {"result_id": pl.String} | dict.fromkeys(("units", "answers", "runs", "longest"), pl.Int64)
    schema |= dict.fromkeys(("grows", "below_zero"), pl.Boolean) | dict.fromkeys(numbers, pl.Float64)
    return pl.DataFrame(found, schema=schema, orient="row")


def _fit(sums: pl.DataFrame, known: runs.Known) -> dict[str, Any] | None:
    """The fit of one result."""
    totals = pl.col("answers", "ins", "outs", "joules", "in_in", "in_out", "out_out", "in_joules", "out_joules", "joules_joules")
    units = sums.group_by("unit").agg(totals.sum()).sort("unit")
    lengths = units.select(pl.col("ins", "outs") / pl.col("answers"))
    if units.height < FEWEST_PROMPTS or lengths.n_unique() < FEWEST_POINTS:
        return None
    of = {name: units[name].to_numpy().astype(float) for name in units.columns}
    squares = np.stack(
        [of["answers"], of["ins"], of["outs"], of["ins"], of["in_in"], of["in_out"], of["outs"], of["in_out"], of["out_out"]], axis=1
    )
    products = np.stack([of["joules"], of["in_joules"], of["out_joules"]], axis=1)
    fit = least_squares.fit(squares.reshape(-1, 3, 3), products, float(of["joules_joules"].sum()))
    if fit is None:
        return None
    answers = float(of["answers"].sum())
    luck = runs.of_mean(list(runs_of(sums.rename({"joules": "energy_j", "outs": "output_tokens"})).values()), known)
    reach = float(np.hypot(luck.reach if luck else 0.0, float(sums["calibration"].max() or 0)))  # type: ignore[arg-type]
    row: dict[str, Any] = {"result_id": sums["result_id"][0], "units": units.height, "answers": int(answers)}
    row |= {"runs": sums["run_number"].n_unique(), "longest": sums["longest"].max(), "luck": reach}
    for name, place in zip(COEFFICIENTS, np.eye(3), strict=True):
        value, half = fit.at(place)
        half = float(np.hypot(half, reach * value))
        row |= {name: value, f"{name}_low": value - half, f"{name}_high": value + half}
    varied = float(of["joules_joules"].sum()) - float(of["joules"].sum()) ** 2 / answers
    row |= {"grows": row["output_token_j_low"] > 0, "below_zero": row["fixed_j_high"] < 0}
    row |= {"residual_j": float(np.sqrt(fit.left / max(answers - 3, 1))), "explained": 1 - fit.left / varied if varied > 0 else None}
    row |= {"mean_in": of["ins"].sum() / answers, "mean_out": of["outs"].sum() / answers}
    return row | {
        f"cov_{name}": fit.covariance[place] for name, place in zip(COVARIANCES, zip(*np.triu_indices(3), strict=True), strict=True)
    }


def what_if(fit: dict[str, float], tokens_in: float, tokens_out: float) -> tuple[float, float, float]:
    """Energy (J) that the fit gives for a prompt and an answer of these lengths, and the 95 % interval of the mean of such answers.

    Args:
        fit: a row of `fits`.
    """
    place = np.array([1.0, tokens_in, tokens_out])
    covariance = np.zeros((3, 3))
    covariance[np.triu_indices(3)] = [fit[f"cov_{name}"] for name in COVARIANCES]
    covariance = covariance + np.triu(covariance, 1).T
    energy = float(place @ np.array([fit[name] for name in COEFFICIENTS]))
    half = student(int(fit["units"]) - 3) * float(np.sqrt(max(float(place @ covariance @ place), 0)))
    half = float(np.hypot(half, fit["luck"] * energy))
    return energy, energy - half, energy + half
