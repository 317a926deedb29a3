"""The steps of software, from the eager loop of 2023 to a server: names, intervals, and what each saves. Frames in, frames out."""

import math
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import certainty, shape
from prompt_joules.pages.ui.pure.words import figure, minus
from prompt_joules.warehouse.statistics import intervals, runs
from prompt_joules.warehouse.statistics.estimates import ONE_RUN, Cards, basis_of, behind

# The steps of the query `software_steps`, by number.
STEPS = {1: "Eager (2023)", 2: "Compiled", 3: "Batch of 8", 4: "Batch of 32", 5: "Server"}
# How the cards of a step and of the eager loop are alike.
SAME_CARDS, OTHER_CARDS, NO_CARDS = "on the same cards", "on different cards", "on cards that were not recorded"
# Fewer measurements than this have no interval. Below `certainty.FEW` a mark is hollow.
FEWEST = intervals.FEWEST_UNITS


def complete(steps: pl.DataFrame, known: runs.Known = runs.NOTHING) -> pl.DataFrame:
    """Adds names, intervals and what each step saves against the first of its row: that of its size and its weights, pretrained or random.

    Args:
        steps: rows of the query `software_steps`.
        known: the luck of the runs of all setups that were repeated.

    Returns:
        The rows with `size_name`, `step_name`, `few` (fewer than five measurements), `hollow` (fewer than ten), `eager_j`, `token_low_j`
        and `token_high_j` (J/token, with what the runs add), `token_within_low_j` and `token_within_high_j` (within the runs), `basis`
        (what the interval is about), and
        `saved`, `saved_low`, `saved_high`, shares of the eager loop's energy; null without an eager loop, and the ends without an interval
        of both; `cards`, how the cards of the two are alike (SAME_CARDS, OTHER_CARDS, NO_CARDS; null without an eager loop); `is_cold`,
        whether the eager loop of the size is of protocol 1.x, whose few answers hold a cold one: what is saved is then at most that.
    """
    first = pl.when(pl.col("step") == 1).then
    by = ["gpu_model", "size", "weights"]
    halves = [_halves(row, known) for row in steps.iter_rows(named=True)]
    of_eager = {tuple(row[key] for key in by): _cards(row) for row in steps.filter(pl.col("step") == 1).iter_rows(named=True)}
    cards = [_alike(_cards(row), of_eager.get(tuple(row[key] for key in by))) for row in steps.iter_rows(named=True)]
    sizes = shape.each(steps["size"], lambda size: f"{figure(size, 2)}B", pl.String)
    named = steps.with_columns(
        pl.when(pl.col("weights") == "dummy", pl.col("weights").n_unique().over("gpu_model", "size") > 1)
        .then(pl.format("{} random", sizes))
        .otherwise(sizes)
        .alias("size_name"),
        pl.col("step").replace_strict(STEPS, return_dtype=pl.String).alias("step_name"),
        (pl.col("units") < FEWEST).alias("few"),
        (pl.col("units") < certainty.FEW).alias("hollow"),
        pl.Series("within", [within for within, _, _ in halves], dtype=pl.Float64),
        pl.Series("half", [half for _, half, _ in halves], dtype=pl.Float64),
        pl.Series("cards", cards, dtype=pl.String),
        pl.Series("basis", [basis for *_, basis in halves], dtype=pl.String),
    ).with_columns(
        first(pl.col("energy_per_token_j")).max().over(by).alias("eager_j"),
        first(pl.col("half")).max().over(by).alias("eager_half"),
        first(pl.col("harness_version").str.starts_with("1.")).max().over(by).fill_null(False).alias("is_cold"),
        (pl.col("energy_per_token_j") * (-pl.col("half")).exp()).alias("token_low_j"),
        (pl.col("energy_per_token_j") * pl.col("half").exp()).alias("token_high_j"),
        (pl.col("energy_per_token_j") * (-pl.col("within")).exp()).alias("token_within_low_j"),
        (pl.col("energy_per_token_j") * pl.col("within").exp()).alias("token_within_high_j"),
    )
    ratio, reach = pl.col("energy_per_token_j") / pl.col("eager_j"), (pl.col("half") ** 2 + pl.col("eager_half") ** 2).sqrt()
    later = pl.when(pl.col("step") > 1).then
    return named.with_columns(
        later(1 - ratio).alias("saved"),
        later(1 - ratio * reach.exp()).alias("saved_low"),
        later(1 - ratio * (-reach).exp()).alias("saved_high"),
    ).drop("half", "eager_half", "within", "logs", "calibration")


def _halves(row: dict[str, Any], known: runs.Known) -> tuple[float | None, float | None, str | None]:
    """Half the width of the interval of ln(J/token) within the runs and with what they add, and what the latter is about.

    One window of a server has nothing to vary within; several runs of it still have the spread between them.
    """
    is_repeated = row["runs"] > 1
    within = intervals.student(row["units"] - 1) * row["log_error"] if row["units"] >= FEWEST and row["log_error"] is not None else None
    if within is None and not (is_repeated and row["units"] == 1):
        return None, None, None
    side = [runs.Run(**run) for run in row["logs"]]
    luck = runs.of_mean(side, known.of([row["harness_version"]]))
    level = Cards.LEVEL if len({run.card for run in side}) >= runs.ENOUGH_CARDS else Cards.MEASURED
    count, is_one_search = behind(side)
    basis = ONE_RUN if luck is None else basis_of(count, level, is_one_search)
    return within, math.hypot(within or 0.0, luck.reach if luck else 0.0, row["calibration"]), basis


def _cards(row: dict[str, Any]) -> set[str | None]:
    return {run["card"] for run in row["logs"]}


def _alike(own: set[str | None], of_eager: set[str | None] | None) -> str | None:
    if of_eager is None:
        return None
    return NO_CARDS if None in own | of_eager else SAME_CARDS if own == of_eager else OTHER_CARDS


def gpus(rows: pl.DataFrame) -> list[str]:
    """The GPUs with something to compare, the one with most sizes of which the eager loop is known first."""
    ordered = (
        comparable(rows)
        .group_by("gpu_model")
        .agg(
            pl.col("size").filter(pl.col("eager_j").is_not_null()).n_unique().alias("started"),
            pl.col("size").n_unique().alias("sizes"),
            pl.len().alias("points"),
        )
        .sort("started", "sizes", "points", "gpu_model", descending=[True, True, True, False])
    )
    names: list[str] = ordered["gpu_model"].to_list()
    return names


def comparable(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of sizes with at least two steps of one kind of weights: the others compare nothing."""
    return rows.filter(pl.len().over("gpu_model", "size", "weights") > 1)


def share(part: float) -> str:
    """A share in percent, closer where it is near all: 99.4 %."""
    percent = 100 * part
    return minus(f"{percent:.1f} %" if abs(percent) >= 99 else f"{percent:.0f} %")
