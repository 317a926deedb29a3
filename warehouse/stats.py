"""What the numbers are worth: intervals, paired changes, lines of least squares, frontiers. Frames in, frames out.

Every interval is a 95 % interval. Bootstraps are seeded: the same rows give the same interval.
Knows nothing of SQL and of screens; units are those of the frames.
"""

import math
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

SEED = 20260101
RESAMPLES = 2000
FEWEST_FOR_A_LINE = 4
BAND = pl.List(pl.Struct({"x": pl.Float64, "low": pl.Float64, "high": pl.Float64}))
BAND_PLACES = 25
Floats = NDArray[np.float64]


def lines(points: pl.DataFrame, x: str, y: str, by: list[str], log: bool) -> pl.DataFrame:
    """Least squares of y on x, one line per group that has at least four points at three different x.

    Args:
        points: rows with both numbers; with `log` both positive.
        by: columns that keep groups apart.
        log: fit the logarithms, so that the slope is the exponent of a power law.

    Returns:
        One row per line: the `by` columns, `line` (its name), `points`, `slope`, `slope_low`, `slope_high`, and the ends `x_low`, `x_high`,
        `y_low`, `y_high`, and `band`, the interval of the line itself from end to end (list of `x`, `low`, `high`); most points first.
    """
    found = [
        dict(zip(by, names, strict=True)) | {"line": " · ".join(_named(by, names))} | _line(group[x].to_numpy(), group[y].to_numpy(), log)
        for names, group in points.group_by(by, maintain_order=True)
        if group.height >= FEWEST_FOR_A_LINE and group[x].n_unique() >= 3
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {name: points.schema[name] for name in by}
    numbers = ("slope", "slope_low", "slope_high", "x_low", "x_high", "y_low", "y_high")
    schema |= {"line": pl.String, "points": pl.Int64} | dict.fromkeys(numbers, pl.Float64) | {"band": BAND}
    return pl.DataFrame(found, schema=schema, orient="row").sort("points", "line", descending=[True, False])


def _named(by: list[str], names: tuple[object, ...]) -> list[str]:
    return [f"batch {name}" if column == "batch_size" else str(name) for column, name in zip(by, names, strict=True)]


def _line(x: Floats, y: Floats, log: bool) -> dict[str, Any]:
    across, up = (np.log(x), np.log(y)) if log else (x.astype(float), y.astype(float))
    centred = across - across.mean()
    spread = float(centred @ centred)
    slope = float(centred @ up) / spread
    residuals = up - up.mean() - slope * centred
    error = student(len(x) - 2) * math.sqrt(float(residuals @ residuals) / (len(x) - 2))
    half = error / math.sqrt(spread)
    places = np.linspace(across.min(), across.max(), BAND_PLACES)
    heights = up.mean() + slope * (places - across.mean())
    halves = error * np.sqrt(1 / len(x) + (places - across.mean()) ** 2 / spread)
    band = np.column_stack([places, heights - halves, heights + halves])
    drawn, ends = (np.exp(band), np.exp(heights)) if log else (band, heights)
    numbers: dict[str, Any] = {"slope": slope, "slope_low": slope - half, "slope_high": slope + half, "points": len(x)}
    numbers |= {"x_low": drawn[0, 0], "x_high": drawn[-1, 0], "y_low": ends[0], "y_high": ends[-1]}
    return numbers | {"band": [dict(zip(("x", "low", "high"), place, strict=True)) for place in drawn.tolist()]}


def student(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, by the expansion of Cornish and Fisher; right to 1 % from two degrees of freedom on."""
    z = 1.959963984540054
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))


def median_interval(values: Floats) -> tuple[float, float, float]:
    """Median of the values and its bootstrap interval.

    The median of a resample is the sample's value at a rank that follows a Beta distribution, so the ranks are drawn
    and no resample is made: as fast for millions of values as for ten.

    Args:
        values: at least one number, in any order.
    """
    ordered = np.sort(values)
    half = (len(ordered) + 1) / 2
    ranks = np.random.default_rng(SEED).beta(half, half, RESAMPLES)
    medians = ordered[np.minimum((ranks * len(ordered)).astype(int), len(ordered) - 1)]
    return float(np.median(ordered)), float(np.quantile(medians, 0.025)), float(np.quantile(medians, 0.975))


def paired(pairs: pl.DataFrame) -> pl.DataFrame:
    """Change of each prompt's energy from side A to side B, per setup.

    Args:
        pairs: rows of the query `contrast_prompts`.

    Returns:
        The same rows without `changes`, with `median_change`, its interval `change_low` and `change_high`, and `more_share`, the share of
        the prompts that cost more on side B.
    """
    found = [median_interval(np.array(changes)) for changes in pairs["changes"]]
    names = ("median_change", "change_low", "change_high")
    numbers = pl.DataFrame(found, schema=dict.fromkeys(names, pl.Float64), orient="row")
    share = (pl.col("more") / pl.col("pairs")).alias("more_share")
    return pairs.drop("changes").hstack(numbers).with_columns(share)


def change_of_means(published: pl.DataFrame) -> pl.DataFrame:
    """Change of the mean energy from side A to side B over all models of a table.

    Args:
        published: rows of the query `contrast_published`.

    Returns:
        One row per table (`source`, `gpu_model`, `task`, `engine`, `batch_size`, `a`, `b`): `count`, `more` (how many use more on side B),
        `median_change`, `change_low`, `change_high`; the largest first, then by name.
    """
    by = ["source", "gpu_model", "task", "engine", "batch_size", "a", "b"]
    found = []
    for names, group in published.group_by(by, maintain_order=True):
        median, low, high = median_interval(group["change"].to_numpy())
        numbers = {"median_change": median, "change_low": low, "change_high": high}
        found.append(dict(zip(by, names, strict=True)) | {"count": group.height, "more": int((group["change"] > 0).sum())} | numbers)
    schema = {name: published.schema[name] for name in by} | {"count": pl.Int64, "more": pl.Int64}
    schema |= dict.fromkeys(("median_change", "change_low", "change_high"), pl.Float64())
    return pl.DataFrame(found, schema=schema, orient="row").sort("count", *by, descending=[True] + [False] * len(by), nulls_last=True)


def iso_energy(rows: pl.DataFrame) -> pl.DataFrame:
    """Curves of equal energy through a chart of J/token against response length, cut at the edges of the chart.

    Args:
        rows: `output_tokens` and `energy_per_token_j`, positive.

    Returns:
        Two rows per curve, its ends: `energy_j` (J), `output_tokens`, `energy_per_token_j`, `end` (whether it is the right end).
    """
    margin = 1.25
    (left, right), (low, high) = (_ends(rows[key]) for key in ("output_tokens", "energy_per_token_j"))
    left, right, low, high = left / margin, right * margin, low / margin, high * margin
    found = []
    for energy in (step * 10.0**power for power in range(-6, 9) for step in (1, 1.5, 2, 3, 5, 7)):
        start, end = max(left, energy / high), min(right, energy / low)
        if end > start * 1.2:
            found += [(energy, start, energy / start, False), (energy, end, energy / end, True)]
    numbers = dict.fromkeys(("energy_j", "output_tokens", "energy_per_token_j"), pl.Float64)
    return pl.DataFrame(found, schema=numbers | {"end": pl.Boolean}, orient="row")


def _ends(values: pl.Series) -> tuple[float, float]:
    """The smallest and the largest value."""
    numbers = values.to_numpy().astype(float)
    return float(numbers.min()), float(numbers.max())


def spread(rows: pl.DataFrame) -> dict[str, float]:
    """How far apart configurations are: smallest and largest energy, length and J/token, and the ratios.

    Args:
        rows: at least one row of `results` with `energy_j`, `output_tokens` and `energy_per_token_j`.
    """
    found: dict[str, float] = {"count": rows.height}
    for key in ("energy_j", "output_tokens", "energy_per_token_j"):
        low, high = _ends(rows[key])
        found |= {f"{key}_low": low, f"{key}_high": high, f"{key}_ratio": high / low}
    return found


def frontier(rows: pl.DataFrame, x: str, y: str, x_is_good: bool) -> pl.DataFrame:
    """Marks the configurations that no other beats: none is as good on both numbers and better on one.

    Args:
        rows: both numbers present; less of `y` is better.
        x_is_good: more of `x` is better.

    Returns:
        The rows with `frontier` (true or false), best `x` first; of identical points one is on the frontier.
    """
    ordered = rows.sort(x, y, descending=[x_is_good, False], maintain_order=True)
    before = pl.col(y).cum_min().shift(1)
    return ordered.with_columns((before.is_null() | (pl.col(y) < before)).alias("frontier"))


def levels(rows: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    """Smallest, median and largest value of each group, in the order of the groups.

    Returns:
        One row per group: the `by` columns, `count`, `minimum`, `p50`, `maximum`.
    """
    numbers = (pl.len().alias("count"), pl.col(value).min().alias("minimum"), pl.col(value).median().alias("p50"))
    return rows.group_by(by).agg(*numbers, pl.col(value).max().alias("maximum")).sort(by)


def steps(low: float, high: float) -> list[float]:
    """Round numbers 1, 1.5, 2, 3, 5, 7 and their tenfolds from just below `low` to just above `high`; both positive."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = [float(f"{step}e{power}") for power in range(first, last + 1) for step in (1, 1.5, 2, 3, 5, 7)]
    start = max((i for i, value in enumerate(every) if value <= low), default=0)
    end = min((i for i, value in enumerate(every) if value >= high), default=len(every) - 1)
    return every[start : end + 1]


JOULES_PER_KWH = 3.6e6
PERIODS = {"day": 1.0, "month": 365.25 / 12, "year": 365.25}


def workload(energy: tuple[float, float, float], requests: float, overhead: float, price: float, intensity: float) -> pl.DataFrame:
    """What many responses use: an estimate from the mean of one, times the assumptions.

    Args:
        energy: J of one response: mean, low and high end of its interval.
        requests: responses a day.
        overhead: PUE, energy of the building over energy of the computers.
        price: money per kWh.
        intensity: g CO2e per kWh.

    Returns:
        One row per day, month, year: `period`, and `kwh`, `money`, `co2_kg`, each with `_low` and `_high`.
    """
    found = []
    for period, days in PERIODS.items():
        row: dict[str, str | float] = {"period": period}
        for end, joules in zip(("", "_low", "_high"), energy, strict=True):
            kwh = joules * requests * days * overhead / JOULES_PER_KWH
            row |= {f"kwh{end}": kwh, f"money{end}": kwh * price, f"co2_kg{end}": kwh * intensity / 1000}
        found.append(row)
    return pl.DataFrame(found)


# The columns of the query `cost_sums` from which a fit is computed.
SUMS = (
    *("prompts", "mean_in", "mean_out", "mean_energy_j", "var_in", "var_out", "var_energy"),
    *("cov_in_out", "cov_in_energy", "cov_out_energy"),
)


def cost_of_tokens(sums: pl.DataFrame) -> pl.DataFrame:
    """E = a + b · input tokens + c · output tokens, by least squares, per run.

    Args:
        sums: rows of the query `cost_sums`.

    Returns:
        The same rows with `fixed_j` (a, J), `input_token_j` (b, J), `output_token_j` (c, J), each with `_low` and `_high`, `residual_j`
        (standard deviation of what is left) and `explained` (share of the variance); runs in which the lengths do not vary enough are left
        out.
    """
    var_in, var_out, cov = (sums[name].to_numpy() for name in ("var_in", "var_out", "cov_in_out"))
    apart = sums.filter(var_in * var_out - cov**2 > 1e-9 * np.maximum(1.0, var_in * var_out))
    return apart.with_columns(pl.Series(name, values) for name, values in _fits(apart).items())


def _fits(sums: pl.DataFrame) -> dict[str, Floats]:
    """Coefficients and intervals from means, variances and covariances of runs in which the lengths can be told apart."""
    of = {name: sums[name].to_numpy().astype(float) for name in SUMS}
    count, mean_in, mean_out = of["prompts"], of["mean_in"], of["mean_out"]
    # The inverse of the matrix of variances and covariances of the two lengths.
    area = of["var_in"] * of["var_out"] - of["cov_in_out"] ** 2
    in_in, in_out, out_out = of["var_out"] / area, -of["cov_in_out"] / area, of["var_in"] / area
    per_in = in_in * of["cov_in_energy"] + in_out * of["cov_out_energy"]
    per_out = in_out * of["cov_in_energy"] + out_out * of["cov_out_energy"]
    left = np.maximum(0.0, of["var_energy"] - per_in * of["cov_in_energy"] - per_out * of["cov_out_energy"]) * count / (count - 3)
    at_nothing = 1 + in_in * mean_in**2 + 2 * in_out * mean_in * mean_out + out_out * mean_out**2
    half = np.array([student(int(freedom)) for freedom in count - 3]) * np.sqrt(left / count)
    varies = of["var_energy"] != 0
    unexplained = np.divide(left * (count - 3) / count, of["var_energy"], out=np.zeros_like(left), where=varies)
    found: dict[str, Floats] = {}
    coefficients = {
        "fixed_j": (of["mean_energy_j"] - per_in * mean_in - per_out * mean_out, at_nothing),
        "input_token_j": (per_in, in_in),
        "output_token_j": (per_out, out_out),
    }
    for key, (value, variance) in coefficients.items():
        reach = half * np.sqrt(variance)
        found |= {key: value, f"{key}_low": value - reach, f"{key}_high": value + reach}
    return found | {"residual_j": np.sqrt(left), "explained": 1 - unexplained}


def what_if(fit: dict[str, float], tokens_in: float, tokens_out: float) -> tuple[float, float, float]:
    """Energy (J) that the fit gives for a prompt and an answer of these lengths, and the 95 % interval of the mean of such answers.

    Args:
        fit: a row of `cost_of_tokens`.
    """
    spread = np.array([[fit["var_in"], fit["cov_in_out"]], [fit["cov_in_out"], fit["var_out"]]])
    away = np.array([tokens_in - fit["mean_in"], tokens_out - fit["mean_out"]])
    energy = fit["fixed_j"] + fit["input_token_j"] * tokens_in + fit["output_token_j"] * tokens_out
    error = fit["residual_j"] * math.sqrt((1 + float(away @ np.linalg.inv(spread) @ away)) / fit["prompts"])
    half = student(int(fit["prompts"]) - 3) * error
    return energy, energy - half, energy + half
