"""Three years: editions like for like, all results over time, and what the medians of whole editions hide."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.words import count, figure, first_lines, plain, signed
from prompt_joules.warehouse.metrics import Metric

EDITIONS = {"v1": "2023 · v1", "v2": "2024 · v2", "v3": "2026 · v3", "own": "own runs"}
COLUMNS = ("edition", "gpu_model", "engine", "batches", "count", "p50", "minimum", "maximum")
PAIRS = ("model_name", "gpu_model", "batch_size", "edition_a", "edition_b", "value_a", "value_b", "change")
NO_PAIRS = (
    "No model of these filters is in two editions on the same GPU at the same batch size: nothing can be compared like for like. What "
    "follows has other models and batch sizes in each edition."
)
ALIKE = (
    "The two sides have the same model, GPUs, precision, batch size and kind of task. They differ in the software and in the "
    "prompts of the benchmark. Published averages have no interval."
)
UNSTATED = " Where one edition states no precision, the other has one only."
OVER_TIME = (
    "One point per result, larger for a larger batch; a tick is the median of its column. Later editions serve many prompts at once, which "
    "alone lowers J/token, and v2 and v3 have other, often larger models than v1: columns are not like for like."
)
RANDOM = " Some results are of models with random weights: their energy per token is real, their text is not."


def with_edition(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `edition`, the year and name of the edition of rows of a generation of EDITIONS."""
    return rows.with_columns(pl.col("generation").replace_strict(EDITIONS).alias("edition"))


def batches(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """One row per group: the columns `by` and `batches`, the smallest and the largest batch size in words."""
    low, high = pl.col("batch_size").min(), pl.col("batch_size").max()
    words = pl.when(low == high).then(low.cast(pl.String)).otherwise(pl.format("{} to {}", low, high))
    return rows.group_by(*by).agg(words.alias("batches"))


def of_models(pairs: pl.DataFrame) -> pl.DataFrame:
    """One row per model, GPU and two editions of `editions.matched`: its changes, the largest saving first.

    Returns:
        `model_name`, `gpu_model`, `num_gpus`, `dtype`, `edition_a`, `edition_b`, `pairs`, `batch_low`, `batch_high`, `change_low`,
        `change_high`.
    """
    by = ("model_id", "model_name", "gpu_model", "num_gpus", "dtype", "edition_a", "edition_b")
    change, batch = pl.col("change"), pl.col("batch_size")
    numbers = (pl.len().cast(pl.Int64).alias("pairs"), batch.min().alias("batch_low"), batch.max().alias("batch_high"))
    found = pairs.group_by(by).agg(*numbers, change.min().alias("change_low"), change.max().alias("change_high"))
    return found.sort("change_low", *by).drop("model_id")


def like_for_like(models: pl.DataFrame, what: str) -> str:
    """How far the same model on the same GPU at the same batch size has come: one sentence, and one item a model.

    Args:
        models: of `of_models`, at least one.
        what: what the energy is divided by.
    """
    low, high, pairs = float(models["change_low"].min()), float(models["change_high"].max()), int(models["pairs"].sum())  # type: ignore[arg-type]
    first, last = models["edition_a"].min(), models["edition_b"].max()
    head = (
        f"**Like for like, the energy per {what} changed by {ends(low, high)}** from {plain(str(first))} to {plain(str(last))}: the "
        f"same model on the same GPU at the same batch size, in {count(pairs, 'pair')}."
    )
    several = models.select("edition_a", "edition_b").n_unique() > 1
    return f"{head}\n{first_lines(models, lambda row: _model(row, several))}"


def _model(row: dict[str, Any], several: bool) -> str:
    sizes = (
        f"batch {row['batch_low']}" if row["pairs"] == 1 else f"{row['pairs']} batch sizes from {row['batch_low']} to {row['batch_high']}"
    )
    which = f" ({plain(row['edition_a'])} to {plain(row['edition_b'])})" if several else ""
    return (
        f"- **{plain(row['model_name'])}** on {plain(naming.gpu_of(row))}: {ends(row['change_low'], row['change_high'])} at {sizes}{which}."
    )


def ends(low: float, high: float) -> str:
    """Two changes in whole percent, the smaller step first, e.g. "−27 to −42 %"."""
    near, far = sorted((low, high), key=abs)
    first, second = (signed(100 * end) for end in (near, far))
    return f"{first} %" if first == second else f"{first} to {second} %"


def hidden(steps: pl.DataFrame, metric: Metric) -> str:
    """From which median to which one GPU has come over all its results, one item for each GPU of several editions.

    Args:
        steps: one row per GPU and edition, in order: `gpu_model`, `edition`, `p50`, `count`, `batches`.
    """
    items = [
        _step(gpu, group.row(0, named=True), group.row(-1, named=True), metric)
        for (gpu,), group in steps.group_by("gpu_model", maintain_order=True)
        if group.height > 1
    ]
    return "\n".join(items)


def _step(gpu: object, first: dict[str, Any], last: dict[str, Any], metric: Metric) -> str:
    said = " to ".join(
        f"{figure(row['p50'], 3)} {metric.display_unit} ({plain(row['edition'])}, {count(row['count'], 'result')}, batch {row['batches']})"
        for row in (first, last)
    )
    return f"- **{plain(str(gpu))}**: the median of all results goes from {said}; these are other models and batch sizes."


def alone(levels: pl.DataFrame, metric: Metric) -> str:
    """What one prompt at a time costs over the editions, with how many results; nothing where only one edition has it.

    Args:
        levels: one row per edition, GPU and engine at batch size 1, in order: `edition`, `gpu_model`, `engine`, `p50`, `count`.
    """
    if levels["edition"].n_unique() < 2:
        return ""
    parts = [
        f"{figure(row['p50'], 3)} on {plain(row['gpu_model'])} ({plain(row['edition'])}, {plain(row['engine'])}, n = {row['count']})"
        for row in levels.with_columns(naming.engine()).iter_rows(named=True)
    ]
    return f"\n- **One prompt at a time**, median in {metric.display_unit}: {'; '.join(parts)}."
