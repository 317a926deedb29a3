"""Runs: its tables, which runs have problems, and how many count. Frames in, frames and words out."""

from collections.abc import Iterable

import polars as pl

from prompt_joules.pages.ui.pure.words import figure

RUNS = (
    *("model_name", "task", "verdict", "remarks", "adds_up", "energy_error_j", "idle_power_w", "active_idle_power_w", "gpu_model"),
    *("engine", "batch_size", "prompt_set", "harness_version", "prompts", "measured", "truncated", "failed", "properties"),
    *("energy_j_total", "energy_reason", "started_at", "clock", "run_id"),
)
TOTALS = (
    *("source", "project", "part", "ended_at", "duration_s", "gpu_energy_j", "power_w", "gpu_model", "num_gpus"),
    *("cpu_energy_j", "dram_energy_j", "run_id"),
)
# Every remark of a run as people say it; `reason_codes` has the sentence behind it.
SAID = {
    "no-valid-rows": "No answer counts",
    "balance": "Does not add up to the counter",
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
    "other-process": "Another process on the GPU",
    "seeded-requests": "vLLM drew tokens request by request",
}
# The kinds of runs, worst first: what a run is called, and what its remarks have among them. A run is of the first kind that fits. What
# says how a run was meant and what its answers are like is no remark but a property: nearly every run has some.
INVALID, DOUBTFUL, ROUGH, SOUND, ALL = "Invalid", "To check", "Rough", "Sound", "All"
OF_KIND = {
    INVALID: ("no-valid-rows", "balance", "throttled"),
    DOUBTFUL: ("no-energy", "failed", "unfinished", "cold", "beside-busy", "other-process", "power-capped", "seeded-requests"),
    ROUGH: ("not-resolved", "too-few-prompts"),
    SOUND: ("no-idle-power", "truncated", "looped", "dummy-weights"),
}
KIND_OF = {code: kind for kind, codes in OF_KIND.items() for code in codes}
PROPERTIES = OF_KIND[SOUND]
ABOUT_KINDS = {
    INVALID: "in no average",
    DOUBTFUL: "something may have moved the energy",
    ROUGH: "few answers, or short ones: a wide interval",
    SOUND: "no check found anything",
}
# Kinds that an older link may name.
FORMER = {"With remarks": DOUBTFUL, "Without remarks": SOUND}
REMARKS = ("remark", "of_runs", "verdict", "scope", "meaning", "code")
FILES = ("path", "format", "accepted", "rejected", "ingested_at")
REJECTS = ("path", "row", "column", "cell", "reason")


def listed(runs: pl.DataFrame) -> pl.DataFrame:
    """Runs as they are listed, the worst kind first, each in the order that it had: `verdict`, `remarks` (worst first) and `properties` in
    words, and how the energy adds up.

    Args:
        runs: rows of the query `runs`.
    """
    order = list(KIND_OF)
    worst = pl.when(~pl.col("valid")).then(pl.lit(INVALID)).otherwise(_worst(order))
    percent = (100 * (pl.col("balance_ratio") - 1)).abs()
    off = pl.when(percent < 0.01).then(pl.lit("within 0.01 %")).otherwise(pl.format("{} % off", percent.round(2)))
    judged = runs.with_columns(worst.alias("verdict"))
    return judged.sort(
        pl.col("verdict").replace_strict({kind: place for place, kind in enumerate(OF_KIND)}), maintain_order=True
    ).with_columns(
        _said([code for code in order if code not in PROPERTIES]).alias("remarks"),
        _said(PROPERTIES).alias("properties"),
        pl.when(percent.is_null()).then(pl.lit("no balance")).otherwise(off).alias("adds_up"),
        pl.col("gpu").alias("gpu_model"),
    )


def _worst(order: Iterable[str]) -> pl.Expr:
    """The kind of the worst remark; SOUND where there is none. A remark that this list does not know is to be checked."""
    found = [pl.when(pl.col("reasons").list.contains(code)).then(pl.lit(KIND_OF[code])) for code in order if KIND_OF[code] != INVALID]
    unknown = pl.col("reasons").list.set_difference(list(KIND_OF)).list.len() > 0
    return pl.coalesce(pl.when(unknown).then(pl.lit(DOUBTFUL)), *found, pl.lit(SOUND))


def _said(codes: Iterable[str]) -> pl.Expr:
    """Those of the remarks in words, in the order of the codes."""
    each = [pl.when(pl.col("reasons").list.contains(code)).then(pl.lit(SAID[code])) for code in codes]
    return pl.concat_list(each).list.drop_nulls()


def explained(codes: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Remarks as the table of runs says them, in `remark`; those of runs first, worst first, with how many runs have each in `of_runs` and
    what it makes of a run in `verdict`.

    Args:
        codes: rows of the query `reason_codes`.
        runs: rows of the query `runs`.
    """
    of_run = pl.col("scope") == "run"
    counts = runs.select(pl.col("reasons").explode().alias("code")).drop_nulls().group_by("code").agg(pl.len().alias("of_runs"))
    places = {code: place for place, code in enumerate(KIND_OF)}
    return (
        codes.join(counts, on="code", how="left", maintain_order="left")
        .with_columns(
            pl.when(of_run).then(pl.col("code").replace(SAID)).otherwise("code").alias("remark"),
            pl.when(of_run).then(pl.col("of_runs").fill_null(0)).alias("of_runs"),
            pl.when(of_run).then(pl.col("code").replace_strict(KIND_OF, default=None)).alias("verdict"),
        )
        .sort(~of_run, pl.col("code").replace_strict(places, default=len(places)), maintain_order=True)
    )


def of_kind(runs: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The runs of a kind.

    Args:
        runs: of `listed`.
    """
    return runs if kind == ALL else runs.filter(verdict=kind)


def kinds(runs: pl.DataFrame) -> dict[str, str]:
    """The kinds that there are, with how many runs each has, as the buttons say it.

    Args:
        runs: of `listed`.
    """
    counts = {kind: of_kind(runs, kind).height for kind in (ALL, *OF_KIND)}
    return {kind: f"{kind} {count:,}" if kind == ALL else f"{count:,} {kind.lower()}" for kind, count in counts.items() if count}


def about(runs: pl.DataFrame, kind: str) -> str:
    """What a kind means, and its most frequent remarks with how many runs have each; of all runs what each kind means.

    Args:
        runs: of `listed`, of this kind.
    """
    if kind == ALL:
        return "; ".join(f"{found.lower()}: {ABOUT_KINDS[found]}" for found in OF_KIND if found in set(runs["verdict"])).capitalize() + "."
    column = "properties" if kind == SOUND else "remarks"
    counts = runs[column].explode().drop_nulls().value_counts().sort("count", column, descending=[True, False])
    most = ", ".join(f"{said} ({count:,})" for said, count in counts.head(4).iter_rows())
    about = f"{kind}: {ABOUT_KINDS[kind]}."
    return f"{about} {'Properties' if kind == SOUND else 'Most frequent'}: {most}." if most else about


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
    worst = (runs["balance_ratio"] - 1).abs().max()
    off = f"{figure(max(100 * worst, 0.01), 2)} %" if isinstance(worst, float) else ""
    balance = f" The energy of answers and of the gaps between them adds up to the GPU's own counter within {off}." if off else ""
    marked = " Runs and rows that failed a check are marked, stay in this list and are in no average." if valid < runs.height else ""
    shared = int(runs.filter(pl.col("batch_size") > 1)["measured"].sum())
    divided = f", {shared:,} of them a share of what was measured for several together" if shared else ""
    return f"**{valid} of {runs.height}** runs count; {measured:,} of {answers:,} answers have an energy{divided}.{balance}{marked}"
