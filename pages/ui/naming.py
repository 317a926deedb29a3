"""What results are called: a full name that no other has, and a short one without what all share. Frames in, frames out; no Streamlit."""

from collections.abc import Iterable, Mapping

import polars as pl

# What marks a model whose weights are random.
RANDOM = pl.when(pl.col("weights") == "dummy").then(pl.lit("random weights"))


def with_label(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`, all that names a result, and a number where that names two: a name that no other row has."""
    gpu = pl.col("gpu_model").fill_null("CPU")
    if "num_gpus" in rows.columns:
        gpu = pl.when(pl.col("num_gpus") > 1).then(pl.format("{}×{}", "num_gpus", gpu)).otherwise(gpu)
    protocol = pl.when(pl.col("source") == "Prompt Joules").then(pl.format("protocol {}", "harness_version"))
    batch = pl.format("batch {}", "batch_size")
    parts: list[str | pl.Expr] = ["model_name", gpu, "task", "engine", batch, "prompt_set", RANDOM, protocol, "source"]
    named = rows.with_columns(pl.concat_str(parts, separator=" · ", ignore_nulls=True).alias("label"))
    return numbered(named)


def numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """A number after each `label` that several rows have."""
    place, several = pl.int_range(1, pl.len() + 1).over("label"), pl.len().over("label") > 1
    return rows.with_columns(pl.when(several).then(pl.format("{} · no. {}", "label", place)).otherwise("label").alias("label"))


def picked_by(rows: pl.DataFrame, field: str) -> pl.Series:
    """The names by which the rows of a chart are chosen without a mouse: of results, of bars, or the field itself."""
    if field == "result_id":
        return with_label(rows)["label"]
    if field == "bar":
        bar = pl.format("{}: {} to {}", "shown_as", pl.col("bin_low").round_sig_figs(3), pl.col("bin_high").round_sig_figs(3))
        return numbered(rows.select(bar.alias("label")))["label"]
    return rows[field].alias("label")


def labelled(rows: pl.DataFrame, needs: str = "energy_per_token_j") -> pl.DataFrame:
    """Adds `label`. Only results that have the number; our own runs first, then one prompt at a time, then most prompts."""
    newest = -pl.col("started_at").dt.epoch()
    first = (pl.col("origin"), pl.col("batch_size") != 1, -pl.col("prompts").cast(pl.Int64), newest)
    return with_label(rows.filter(pl.col(needs) > 0).sort(*first, nulls_last=True, maintain_order=True))


# What two results may differ in besides model and task, and how much it spoils a comparison: the protocol more than a choice of the user.
UNLIKE = {"gpu_model": 1, "engine": 1, "batch_size": 1, "prompt_set": 1, "weights": 1, "source": 1, "harness_version": 2}


def first_pair(rows: pl.DataFrame) -> list[str]:
    """The labels of two results that are like the first in all but model and task, in the order of their tasks: chat, its concise twin.

    Where there is no such pair, of the first result and of the next one that is most like it.
    """
    first = rows.row(0, named=True)
    unlike = pl.sum_horizontal(pl.col(name).ne_missing(first[name]) * weight for name, weight in UNLIKE.items())
    alike = rows.filter(unlike == 0).unique(("model_id", "task"), keep="first", maintain_order=True).sort("task", maintain_order=True)
    pair = alike if alike.height > 1 else pl.concat([rows.head(1), rows.tail(-1).sort(unlike, maintain_order=True)])
    labels: list[str] = pair["label"].head(2).to_list()
    return labels


def shared(names: Iterable[str]) -> set[str]:
    """The parts that all of several names have."""
    parts = [set(name.split(" · ")) for name in names]
    return set.intersection(*parts) if len(parts) > 1 else set()


def short(names: Iterable[str]) -> dict[str, str]:
    """Names without the parts that all of them share; a name that would be empty, or is the only one, stays whole."""
    names = list(names)
    alike = shared(names)
    return {name: " · ".join(part for part in name.split(" · ") if part not in alike) or name for name in names}


def alike(names: Iterable[str]) -> str:
    """What several names share, in the order of the first."""
    names = list(names)
    found = shared(names)
    return " · ".join(part for part in names[0].split(" · ") if part in found) if names else ""


def with_short_names(rows: pl.DataFrame, names: Mapping[str, str], column: str = "series") -> pl.DataFrame:
    """Adds `shown_as`, the short names of a column."""
    return rows.with_columns(pl.col(column).replace_strict(names, return_dtype=pl.String).alias("shown_as"))


def in_short(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `shown_as`, the short names of `label`."""
    return with_short_names(rows, short(rows["label"]), "label")


def pair_labels(changes: pl.DataFrame) -> pl.DataFrame:
    """Adds `label` and `shown_as`, what tells one comparison of the same prompts from the others; a number where nothing does.

    Args:
        changes: rows of `stats.paired`.
    """
    sides = pl.format("{} to {}", "a", "b")
    batch, prompts = pl.format("batch {}", "batch_size"), pl.format("prompts of {}", "prompt_set")
    protocol = pl.format("protocol {}", "harness_version")
    parts = [sides, "model_name", "gpu_model", "task", "engine", batch, prompts, RANDOM, protocol]
    named = changes.with_columns(pl.concat_str(parts, separator=" · ", ignore_nulls=True).alias("label"))
    return in_short(numbered(named))
