"""Runs: its tables, and how many runs count."""

import polars as pl

from prompt_joules.pages.ui.pure.words import figure

RUNS = (
    "model_name",
    "task",
    "valid",
    "reasons",
    "books_ratio",
    "energy_error_j",
    "idle_power_w",
    "gpu_model",
    "engine",
    "batch_size",
    "prompt_set",
    "harness_version",
    "prompts",
    "measured",
    "truncated",
    "failed",
    "energy_j_total",
    "energy_reason",
    "started_at",
    "run_id",
)
TOTALS = (
    "source",
    "project",
    "part",
    "ended_at",
    "duration_s",
    "gpu_energy_j",
    "power_w",
    "gpu_model",
    "num_gpus",
    "cpu_energy_j",
    "dram_energy_j",
    "run_id",
)
REMARKS = ("code", "scope", "invalidates", "meaning")
FILES = ("path", "format", "accepted", "rejected", "ingested_at")
REJECTS = ("path", "row", "column", "reason")


def with_short_paths(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose `path` and `reason` say nothing of the folders of the server: paths are whole below the warehouse, else the name alone."""
    short = [pl.col("path").str.replace(r"^([\w.-]+:)?[/\\].*[/\\]", "…/")]
    if "reason" in rows.columns:
        short.append(pl.col("reason").str.replace_all(r"""(["'])([\w.-]+:)?[/\\][^"']*[/\\]""", "${1}…/"))
    return rows.with_columns(short)


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Totals of other tools as they are listed: what a total is of, in words."""
    return rows.with_columns(pl.col("task").fill_null("whole run").alias("part"), pl.col("project").fill_null("not stated"))


def verdicts(runs: pl.DataFrame) -> str:
    """How many runs count, how many answers have energy, and how close the energy books are."""
    valid, answers, measured = runs["valid"].sum(), int(runs["ok"].sum()), int(runs["measured"].sum())
    worst = (runs["books_ratio"] - 1).abs().max()
    books = (
        " The energy of answers and of the gaps between them adds up to the GPU's own counter within "
        f"{figure(max(100 * worst, 0.01), 2)} %."
        if isinstance(worst, float)
        else ""
    )
    return f"**{valid} of {runs.height}** runs count; {measured:,} of {answers:,} answers have their energy measured.{books}"
