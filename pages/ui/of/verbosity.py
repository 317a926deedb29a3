"""Concise or verbose?: its views and sides, the rows that are compared, and its sentences."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import certainty, naming, words
from prompt_joules.pages.ui.pure.words import percent, plain

# What Concise or verbose? can show.
CONTRASTS = OF_MEANS, OF_PAIRS, OF_ONE_SIZE = "Published averages", "The same prompts", "Models of one size"
SIDES = {
    "Each task with its concise twin": "task",
    "Two tasks": "task",
    "Two models": "model",
    "Two engines": "engine",
    "Two GPUs": "gpu",
}
MOST_TABLES = 6
PAIRS = (
    "model_name",
    "gpu_model",
    "task",
    "engine",
    "batch_size",
    "prompt_set",
    "harness_version",
    "a",
    "b",
    "median_change",
    "median_change_low",
    "median_change_high",
    "median_change_within_low",
    "median_change_within_high",
    "more_share",
    "pairs",
    "cut_either",
    "whole_pairs",
    "whole_change",
    "whole_change_low",
    "whole_change_high",
    "least_change",
    "most_change",
    "total_change",
    "total_change_low",
    "total_change_high",
    "dropped",
    "runs_a",
    "runs_b",
    "basis",
    "energy_a_j",
    "energy_b_j",
    "length_effect_log",
    "token_effect_log",
)
MEANS = (
    "model_name",
    "change",
    "energy_a_j",
    "energy_b_j",
    "output_tokens_a",
    "output_tokens_b",
    "energy_per_token_a_j",
    "energy_per_token_b_j",
    "length_effect_log",
    "token_effect_log",
    "gpu_model",
    "task",
    "a",
    "b",
    "source",
)
NO_PAIRS = "No run of ours has both sides with all else alike: the same prompts, model, GPU, engine and sampling."
NO_MEANS = "No published average has both sides with all else alike. Our own runs, prompt by prompt, are under “The same prompts”."
NO_TWO_OF_ONE_SIZE = (
    "These filters leave no two models of one size that were measured alike: the same source, GPU, task, engine, batch size and prompts."
)
SPLIT = (
    "The change in energy is exactly the sum of two effects: the length of the answers, and the energy of a token. The tick is the sum; "
    "small numbers are about percent (−5 is −4.9 %, −50 is −39 %)."
)
GROSS_ONLY = "Published averages and the chart of models of one size show the gross energy: published tables record no idle power."
AS_SPENT = (
    "Every pair counts as it was spent, answers that were cut at the length limit included. Beside it stands the median of the pairs whose "
    "answers are both whole (a hollow mark); the table also has the bounds between which the median would lie, whatever the cut answers "
    "would have cost."
)
DIVIDED = (
    "Where several prompts are answered at once, the energy is divided among them by a rule, so one prompt says nothing there: what a "
    "short answer saves is borne by the long ones beside it. Compared is what all batches together took."
)
ISO = (
    "Along a grey line every response costs the same. Models at the same height pay the same for a token: the one further right says more."
)
ENDS = ("energy_j", "output_tokens", "energy_per_token_j")


def pair_labels(changes: pl.DataFrame) -> pl.DataFrame:
    """Adds `label` and `shown_as`, what tells one comparison of the same prompts from the others; a number where nothing does.

    Args:
        changes: rows of `pairs.paired`.
    """
    sides = pl.format("{} to {}", "a", "b")
    batch, prompts = pl.format("batch {}", "batch_size"), pl.format("prompts of {}", "prompt_set")
    protocol = pl.format("protocol {}", "harness_version")
    parts = [sides, "model_name", naming.gpu(changes.columns), "task", "engine", batch, prompts, naming.RANDOM, protocol]
    named = changes.with_columns(pl.concat_str(parts, separator=" · ", ignore_nulls=True).alias("label"))
    return naming.in_short(naming.numbered(named))


def in_sets(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Adds `set`, the name of the table that a row belongs to: its values of the columns `by`.

    One prompt at a time comes first, then the largest set.
    """
    texts = {"batch_size": pl.format("batch {}", "batch_size"), "prompt_set": pl.format("prompts of {}", "prompt_set")}
    named = rows.with_columns(
        pl.concat_str([texts.get(name, pl.col(name)) for name in by], separator=" · ", ignore_nulls=True).alias("set")
    )
    batched = (pl.col("batch_size") != 1).fill_null(True)
    return named.with_columns(pl.len().over("set").alias("set_size")).sort(
        batched, -pl.col("set_size").cast(pl.Int64), "set", maintain_order=True
    )


def of_several_models(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of sets and sizes that have more than one model: those that say something about models.

    Args:
        rows: with `set` and `size`.
    """
    return rows.filter(pl.col("model_id").n_unique().over("set", "size") > 1)


def in_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `size`, the parameters of the model in words; the size of most models first. Only rows with length and J/token."""
    sized = rows.filter(pl.col("energy_j") > 0, pl.col("output_tokens") > 0, pl.col("params_total_b").is_not_null())
    sized = sized.with_columns(
        pl.format("{} billion parameters", pl.col("params_total_b").round(1).cast(pl.String).str.strip_suffix(".0")).alias("size")
    )
    return sized.with_columns(pl.len().over("size").alias("size_count")).sort(
        "size_count", "size", descending=[True, False], maintain_order=True
    )


def changes(summary: pl.DataFrame, kind: str) -> str:
    """One item per published table: what going from side A to side B does."""
    return "\n".join(f"- {_change(row, kind)}" for row in summary.iter_rows(named=True))


def _change(row: dict[str, Any], kind: str) -> str:
    """What going from side A to side B does, over the models of one published table."""
    noun = "models" if kind != "model" else "results"
    place = " · ".join(plain(str(row[name])) for name in ("source", "gpu_model", "task") if row[name] is not None)
    median = percent(row["median_change"])
    change = f"**{place}**: going from {plain(row['a'])} to {plain(row['b'])}, the energy of a response changes by **{median}**"
    if row["count"] == 1:
        return f"{change}."
    known = row["change_low"] is not None or row["change_high"] is not None
    interval = f", 95 % interval {certainty.span(row['change_low'], row['change_high'], percent)}" if known else ""
    return f"{change} (median over {row['count']} {noun}{interval}). **{row['more']} of {row['count']}** {noun} use more."


def pairs(changes: pl.DataFrame, above_idle: bool) -> str:
    """What going from side A to side B does to the same prompt, one item per setup.

    Args:
        changes: rows of `pairs.paired` with `shown_as`.
    """
    energy = "the energy above idle" if above_idle else "the energy"
    return words.first_lines(changes, lambda row: _pair(row, energy))


def _pair(row: dict[str, Any], energy: str) -> str:
    if row["shared"]:
        interval = certainty.interval(row, "total_change", percent)
        said = (
            f"- **{plain(row['shown_as'])}**: {energy} of all batches together, per answer, changes by **{percent(row['total_change'])}**"
        )
        return f"{said}{f' ({interval})' if interval else ''}. {certainty.verdict(row, 'total_change', nothing=0)}".rstrip()
    interval = certainty.interval(row, "median_change", percent)
    said = (
        f"- **{plain(row['shown_as'])}**: {energy} of the same prompt changes by **{percent(row['median_change'])}** (median of "
        f"{row['pairs']:,} pairs{f'; {interval}' if interval else ''}); {row['more']:,} of {row['pairs']:,} prompts cost more. "
        f"{certainty.verdict(row, 'median_change', nothing=0)}"
    )
    if not row["cut_either"] or not row["whole_pairs"]:
        return said
    return f"{said} Of the {row['whole_pairs']:,} pairs whose answers are both whole: {percent(row['whole_change'])}."


def same_size(spread: dict[str, float], size: str) -> str:
    """Why models of one size differ in energy."""
    low, high, ratio = ({key: spread[f"{key}_{end}"] for key in ENDS} for end in ("low", "high", "ratio"))
    longer = ratio["output_tokens"] > ratio["energy_per_token_j"]
    why = "**because one says more than another**" if longer else "**because a token costs one more than another**"
    return (
        f"Mostly {why}. {int(spread['count'])} results of {size}: {low['energy_j']:,.1f} to {high['energy_j']:,.1f} J per response, "
        f"**{ratio['energy_j']:.1f}×** apart. Their responses are {low['output_tokens']:,.0f} to {high['output_tokens']:,.0f} tokens "
        f"long, **{ratio['output_tokens']:.1f}×** apart; a token costs {low['energy_per_token_j']:#.2g} to "
        f"{high['energy_per_token_j']:#.2g} J, **{ratio['energy_per_token_j']:.1f}×** apart."
    )
