"""How far has the energy of a token come, like for like? The same model on the same GPU at the same batch size in two editions.

Medians of whole editions cannot tell: each edition has other models and other batch sizes, and these move a median more than two years of
software do. Published averages have no interval; that of several batch sizes of one model would be about the batch sizes.
"""

import polars as pl

# Open-ended chat: the prompts of two editions differ, what is asked for is alike.
CHAT = ("chat", "lm-arena-chat")
ALIKE = ("model_id", "weights", "gpu_model", "num_gpus", "batch_size", "asks")
BOTH = (*ALIKE, "model_name", "edition_a", "edition_b", "dtype", "stated", "results_a", "results_b", "value_a", "value_b", "change")


def matched(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Pairs of an earlier and a later edition: the same model, GPU, number of GPUs, precision, batch size and kind of task.

    An edition that states no precision is paired where the other has one precision only. Several results of one edition that are alike in
    all count as their median.

    Args:
        rows: rows of `results` with `edition`, a year or name that sorts by time.
        key: the number, an energy; rows without it are left out.

    Returns:
        One row per pair, by model, GPU and batch size: BOTH, where `value_a` is of the earlier edition, `dtype` the precision (null: none
        is stated), `stated` whether both state it, and `change` value_b / value_a - 1.
    """
    known = rows.filter(pl.col(key) > 0, pl.col("batch_size").is_not_null()).with_columns(
        pl.when(pl.col("task").is_in(CHAT)).then(pl.lit("chat")).otherwise("task").alias("asks")
    )
    each = known.group_by(*ALIKE, "edition", "dtype").agg(
        pl.col("model_name").first(), pl.col(key).median().alias("value"), pl.len().cast(pl.Int64).alias("results")
    )
    each = each.with_columns(pl.len().over(*ALIKE, "edition").alias("precisions"))
    pairs = each.join(each, on=ALIKE, suffix="_b", nulls_equal=True).filter(pl.col("edition") < pl.col("edition_b"))
    same = pl.col("dtype").eq_missing(pl.col("dtype_b"))
    only = (pl.col("dtype").is_null() & (pl.col("precisions_b") == 1)) | (pl.col("dtype_b").is_null() & (pl.col("precisions") == 1))
    found = pairs.filter(same | only).with_columns(
        pl.coalesce("dtype", "dtype_b").alias("dtype"),
        pl.all_horizontal(pl.col("dtype", "dtype_b").is_not_null()).alias("stated"),
        (pl.col("value_b") / pl.col("value") - 1).alias("change"),
    )
    named = found.rename({"edition": "edition_a", "value": "value_a", "results": "results_a"})
    return named.select(BOTH).sort("model_name", "gpu_model", "num_gpus", "batch_size", "edition_a", "edition_b")
