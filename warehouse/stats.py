"""What the numbers are worth: intervals, paired changes, lines of least squares, frontiers. Frames in, frames out.

Every interval is a 95 % interval. Bootstraps are seeded: the same rows give the same interval.
Knows nothing of SQL and of screens; units are those of the frames.
"""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

SEED = 20260101
RESAMPLES = 2000
FEWEST_FOR_A_LINE = 4
Floats = NDArray[np.float64]


def lines(points: pl.DataFrame, x: str, y: str, by: list[str], log: bool) -> pl.DataFrame:
    """Least squares of y on x, one line per group that has at least four points at three different x.

    Args:
        points: rows with both numbers; with `log` both positive.
        by: columns that keep groups apart.
        log: fit the logarithms, so that the slope is the exponent of a power law.

    Returns:
        One row per line: the `by` columns, `line` (its name), `points`, `slope`, `slope_low`, `slope_high`, and the ends `x_low`, `x_high`,
        `y_low`, `y_high`; most points first.
    """
    found = [
        dict(zip(by, names, strict=True)) | {"line": " · ".join(_named(by, names))} | _line(group[x].to_numpy(), group[y].to_numpy(), log)
        for names, group in points.group_by(by, maintain_order=True)
        if group.height >= FEWEST_FOR_A_LINE and group[x].n_unique() >= 3
    ]
    schema: dict[str, pl.DataType | type[pl.DataType]] = {name: points.schema[name] for name in by}
    numbers = ("slope", "slope_low", "slope_high", "x_low", "x_high", "y_low", "y_high")
    schema |= {"line": pl.String, "points": pl.Int64} | dict.fromkeys(numbers, pl.Float64)
    return pl.DataFrame(found, schema=schema, orient="row").sort("points", "line", descending=[True, False])


def _named(by: list[str], names: tuple[object, ...]) -> list[str]:
    return [f"batch {name}" if column == "batch_size" else str(name) for column, name in zip(by, names, strict=True)]


def _line(x: Floats, y: Floats, log: bool) -> dict[str, float | int]:
    across, up = (np.log(x), np.log(y)) if log else (x.astype(float), y.astype(float))
    centred = across - across.mean()
    spread = float(centred @ centred)
    slope = float(centred @ up) / spread
    residuals = up - up.mean() - slope * centred
    half = student(len(x) - 2) * math.sqrt(float(residuals @ residuals) / (len(x) - 2) / spread)
    ends = np.array([across.min(), across.max()])
    heights = up.mean() + slope * (ends - across.mean())
    (x_low, x_high), (y_low, y_high) = (np.exp(ends), np.exp(heights)) if log else (ends, heights)
    numbers = {"slope": slope, "slope_low": slope - half, "slope_high": slope + half}
    return numbers | {"points": len(x), "x_low": x_low, "x_high": x_high, "y_low": y_low, "y_high": y_high}


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
