"""What a table of results shows at a glance: the frontier, levels of a group, how far apart results are, curves of equal energy."""

import math

import polars as pl


def iso_energy(rows: pl.DataFrame) -> pl.DataFrame:
    """Curves of equal energy through a chart of J/token against response length, cut at the edges of the chart.

    Args:
        rows: `output_tokens` and `energy_per_token_j`, positive.

    Returns:
        Two rows per curve, its ends: `energy_j` (J), `output_tokens`, `energy_per_token_j`, `end` (whether it is the right end).
    """
    margin = 1.25
    (left, right), (low, high) = (ends(rows[key]) for key in ("output_tokens", "energy_per_token_j"))
    left, right, low, high = left / margin, right * margin, low / margin, high * margin
    found = []
    for energy in (step * 10.0**power for power in range(-6, 9) for step in (1, 1.5, 2, 3, 5, 7)):
        start, end = max(left, energy / high), min(right, energy / low)
        if end > start * 1.2:
            found += [(energy, start, energy / start, False), (energy, end, energy / end, True)]
    numbers = dict.fromkeys(("energy_j", "output_tokens", "energy_per_token_j"), pl.Float64)
    return pl.DataFrame(found, schema=numbers | {"end": pl.Boolean}, orient="row")


def ends(values: pl.Series) -> tuple[float, float]:
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
        low, high = ends(rows[key])
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


def not_surely_beaten(
    rows: pl.DataFrame, x: str, y: str, x_is_good: bool, ends: tuple[str, str] = ("value_low", "value_high")
) -> pl.DataFrame:
    """Adds `maybe`: another configuration is as good on `x` and better on `y`, but their intervals of `y` meet, so that it may be luck.

    Two intervals that meet do not say that the two are alike: a comparison of both, on the same prompts, is narrower.

    Args:
        rows: of `frontier`.
        x_is_good: more of `x` is better.
        ends: the columns of the interval of `y`, null or absent where a number has none and counts as it is.
    """
    found = [pl.coalesce(name, y) if name in rows.columns else pl.col(y) for name in ends]
    speed, low, high = (rows.select(number.cast(pl.Float64)).to_series().to_numpy() for number in (pl.col(x), *found))
    speed = speed if x_is_good else -speed
    # One row of this table for each that may beat it: at least as fast and surely cheaper, or faster and as cheap.
    surely = (speed[:, None] >= speed) & (high[:, None] < low) | (speed[:, None] > speed) & (high[:, None] <= low)
    return rows.with_columns(pl.Series("maybe", ~surely.any(axis=0), dtype=pl.Boolean) & ~pl.col("frontier"))


def levels(rows: pl.DataFrame, value: str, by: list[str]) -> pl.DataFrame:
    """Smallest, median and largest value of each group, in the order of the groups.

    Returns:
        One row per group: the `by` columns, `count`, `minimum`, `p50`, `maximum`.
    """
    numbers = (pl.len().alias("count"), pl.col(value).min().alias("minimum"), pl.col(value).median().alias("p50"))
    return rows.group_by(by).agg(*numbers, pl.col(value).max().alias("maximum")).sort(by)


def steps(low: float, high: float, of_ten: tuple[float, ...] = (1, 1.5, 2, 3, 5, 7)) -> list[float]:
    """Round numbers and their tenfolds from just below `low` to just above `high`; both positive."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    every = [float(f"{step}e{power}") for power in powers for step in of_ten]
    start = max((i for i, value in enumerate(every) if value <= low), default=0)
    end = min((i for i, value in enumerate(every) if value >= high), default=len(every) - 1)
    return every[start : end + 1]
