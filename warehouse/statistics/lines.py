"""Lines through the results of a table: does one number grow with another?"""

from typing import Any

import numpy as np
import polars as pl

from prompt_joules.warehouse.statistics import least_squares
from prompt_joules.warehouse.statistics.intervals import Floats

FEWEST_POINTS = 5
FEWEST_PLACES = 3
BAND = pl.List(pl.Struct({"x": pl.Float64, "low": pl.Float64, "high": pl.Float64}))
BAND_PLACES = 25


def lines(points: pl.DataFrame, x: str, y: str, by: list[str], log: bool) -> pl.DataFrame:
    """Least squares of y on x, one line per group of at least five different points at three different x.

    The intervals are those of a jackknife over models: results of one model are no more than one model.

    Args:
        points: rows with both numbers and `model_id`; with `log` both positive.
        by: columns that keep groups apart.
        log: fit the logarithms, so that the slope is the exponent of a power law.

    Returns:
        One row per line: the `by` columns, `line` (its name), `points`, `models`, `slope`, `slope_low`, `slope_high`, `grows` (whether the
        interval of the slope leaves 0 out: others say nothing of a growth and should not be drawn), `explained` (share of the variance),
        and the ends `x_low`, `x_high`, `y_low`, `y_high`, and `band`, the interval of the line itself from end to end (list of `x`, `low`,
        `high`); most points first.
    """
    found = []
    for names, group in points.group_by(by, maintain_order=True):
        if group.select(x, y).n_unique() >= FEWEST_POINTS and group[x].n_unique() >= FEWEST_PLACES:
            line = _line(group[x].to_numpy().astype(float), group[y].to_numpy().astype(float), group["model_id"].to_numpy(), log)
            values = dict(zip(by, names, strict=True))
            called = " · ".join(f"batch {name}" if column == "batch_size" else str(name) for column, name in values.items())
            found += [values | {"line": called, "points": group.height, "models": group["model_id"].n_unique()} | line] if line else []
    schema: dict[str, pl.DataType | type[pl.DataType]] = {name: points.schema[name] for name in by}
    schema |= {"line": pl.String, "points": pl.Int64, "models": pl.Int64, "grows": pl.Boolean}
    numbers = ("slope", "slope_low", "slope_high", "explained", "x_low", "x_high", "y_low", "y_high")
    schema |= dict.fromkeys(numbers, pl.Float64) | {"band": BAND}
    return pl.DataFrame(found, schema=schema, orient="row").sort("points", "line", descending=[True, False])


def _line(x: Floats, y: Floats, models: Any, log: bool) -> dict[str, Any] | None:
    across, up = (np.log(x), np.log(y)) if log else (x, y)
    middle = across.mean()
    fit = least_squares.clustered(np.column_stack([np.ones_like(across), across - middle]), up, models)
    if fit is None:
        return None
    slope, half = fit.at(np.array([0.0, 1.0]))
    places = np.linspace(across.min(), across.max(), BAND_PLACES)
    heights = np.array([fit.at(np.array([1.0, place - middle])) for place in places])
    band = np.column_stack([places, heights[:, 0] - heights[:, 1], heights[:, 0] + heights[:, 1]])
    drawn, ends = (np.exp(band), np.exp(heights[:, 0])) if log else (band, heights[:, 0])
    varied = float(((up - up.mean()) ** 2).sum())
    numbers: dict[str, Any] = {"slope": slope, "slope_low": slope - half, "slope_high": slope + half}
    numbers |= {"grows": not slope - half <= 0 <= slope + half}
    numbers |= {"explained": 1 - fit.left / varied if varied else None}
    numbers |= {"x_low": drawn[0, 0], "x_high": drawn[-1, 0], "y_low": ends[0], "y_high": ends[-1]}
    return numbers | {"band": [dict(zip(("x", "low", "high"), place, strict=True)) for place in drawn.tolist()]}
