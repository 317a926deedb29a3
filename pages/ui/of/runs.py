"""Runs: its tables, which runs have problems, and how many count. Frames in, frames and words out."""

import polars as pl

from prompt_joules.pages.ui.pure.words import figure

RUNS = (
    "model_name",
    "task",
    "valid",
    "remarks",
    "adds_up",
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
    "clock",
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
# Every remark of a run as people say it; `reason_codes` has the sentence behind it.
SAID = {
    "no-valid-rows": "No answer counts",
    "books": "Does not add up to the counter",
    "throttled": "The GPU was throttled",
    "failed": "Some prompts failed",
    "too-few-prompts": "Fewer than 20 answers",
    "no-energy": "Energy not measured",
    "not-resolved": "Answers too short for the counter",
    "no-idle-power": "Idle power not known",
    "truncated": "Answers cut short",
    "dummy-weights": "Random weights",
    "unfinished": "Stopped early",
    "power-capped": "At the power limit of the GPU",
    "cold": "Measured before it was warm",
    "looped": "Answers repeat themselves",
    "beside-busy": "Others were busy on the host",
    "seeded-requests": "vLLM drew tokens request by request",
}
# What says how a run was meant, not that something is wrong with it.
NO_PROBLEM = ("dummy-weights",)
ALL, INVALID, REMARKED, CLEAN = "All", "Invalid", "With remarks", "Without remarks"
REMARKS = ("remark", "scope", "invalidates", "meaning", "code")
FILES = ("path", "format", "accepted", "rejected", "ingested_at")
REJECTS = ("path", "row", "column", "reason")


def listed(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs as they are listed: problems first, each group newest first; remarks in words, and how the energy adds up.

    Args:
        runs: rows of the query `runs`.
    """
    problems = pl.col("reasons").list.set_difference(list(NO_PROBLEM)).list.len()
    percent = (100 * (pl.col("books_ratio") - 1)).abs()
    off = pl.when(percent < 0.01).then(pl.lit("within 0.01 %")).otherwise(pl.format("{} % off", percent.round(2)))
    return runs.sort("valid", problems == 0, maintain_order=True).with_columns(
        pl.col("reasons").list.eval(pl.element().replace(SAID)).alias("remarks"),
        pl.when(percent.is_null()).then(pl.lit("no balance")).otherwise(off).alias("adds_up"),
        pl.col("gpu").alias("gpu_model"),
    )


def explained(codes: pl.DataFrame) -> pl.DataFrame:
    """Remarks as the table of runs says them, in `remark`; those of runs first.

    Args:
        codes: rows of the query `reason_codes`.
    """
    said = pl.when(pl.col("scope") == "run").then(pl.col("code").replace(SAID)).otherwise("code")
    return codes.with_columns(said.alias("remark")).sort("scope", descending=True, maintain_order=True)


def of_kind(runs: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The runs of one of the four kinds."""
    remarked = pl.col("reasons").list.len() > 0
    return runs.filter({ALL: pl.lit(True), INVALID: ~pl.col("valid"), REMARKED: remarked, CLEAN: ~remarked}[kind])


def kinds(runs: pl.DataFrame) -> dict[str, str]:
    """The kinds that there are, with how many runs each has, as the buttons say it."""
    counts = {kind: of_kind(runs, kind).height for kind in (ALL, INVALID, REMARKED, CLEAN)}
    return {kind: f"{kind} {count:,}" if kind == ALL else f"{count:,} {kind.lower()}" for kind, count in counts.items() if count}


# Run ids are UUIDs.
SHIPPED = r"published[/\\]mlenergy_v\d+[/\\][^/\\]+"
RUN_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def with_short_paths(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose `path` and `reason` say nothing of the folders of the server: paths are whole below the warehouse, else the name alone; a
    file of a run keeps the id of the run, a published table that ships its edition."""
    place = r"^([\w.-]+:)?[/\\].*[/\\]"
    path = pl.col("path").str.replace(f"{place}({SHIPPED})$", "…/${2}").str.replace(f"{place}({RUN_ID}[/\\\\][^/\\\\]+)$", "…/${2}")
    short = [path.str.replace(place, "…/")]
    if "reason" in rows.columns:
        short.append(pl.col("reason").str.replace_all(r"""(["'])([\w.-]+:)?[/\\][^"']*[/\\]""", "${1}…/"))
    return rows.with_columns(short)


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Totals of other tools as they are listed: what a total is of, in words."""
    return rows.with_columns(pl.col("task").fill_null("whole run").alias("part"), pl.col("project").fill_null("not stated"))


def verdicts(runs: pl.DataFrame) -> str:
    """How many runs count, how many answers have energy, and how close the energy balance is."""
    valid, answers, measured = runs["valid"].sum(), int(runs["ok"].sum()), int(runs["measured"].sum())
    worst = (runs["books_ratio"] - 1).abs().max()
    books = (
        " The energy of answers and of the gaps between them adds up to the GPU's own counter within "
        f"{figure(max(100 * worst, 0.01), 2)} %."
        if isinstance(worst, float)
        else ""
    )
    marked = " Runs and rows that failed a check are marked, stay in this list and are in no average." if valid < runs.height else ""
    shared = int(runs.filter(pl.col("batch_size") > 1)["measured"].sum())
    divided = f", {shared:,} of them a share of what was measured for several together" if shared else ""
    return f"**{valid} of {runs.height}** runs count; {measured:,} of {answers:,} answers have an energy{divided}.{books}{marked}"
