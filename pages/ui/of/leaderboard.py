"""The leaderboard: its columns, its sentence, the facts of a row, and the views that it leads to."""

from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming, shape
from prompt_joules.pages.ui.pure.words import figure, plain, unit
from prompt_joules.warehouse import called, energy_shown
from prompt_joules.warehouse.energy_shown import NUMBERS

# Views worth a first look: page, label, the filters of the link.
PRESETS: tuple[tuple[str, str, dict[str, str | list[str]]], ...] = (
    ("leaderboard", "All models on A40, chat", {"gpu": "A40", "task": "chat"}),
    ("leaderboard", "Cheapest 7B", {"gpu": "A40", "task": "chat", "search": "7b"}),
    ("verbosity", "Concise or verbose on A40", {"gpu": "A40", "view": "Published averages"}),
    ("verbosity", "Why does one 7B model use five times another?", {"gpu": "A40", "task": "chat", "view": "Models of one size"}),
    ("compare", "H100: eager against compiled", {"model": "llama-2-7b", "weights": "dummy", "per": "output token"}),
    (
        "energy_vs_parameters",
        "One card, 0.1 to 71 billion parameters",
        {"gpu": "H200", "weights": "dummy", "y": "Energy per token (J/token)", "colour": "engine"},
    ),
    ("distributions", "One prompt and the next", {"source": "Prompt Joules"}),
    ("methods", "How it was measured", {}),
)
COLUMNS = (
    *("model_name", "gpu_model", "energy_j", "pareto", "range_bar", "engine", "batch_size", "interval", "prompts"),
    *("energy_per_token_j", "token_interval", "task", "output_tokens", "max_new_tokens", "throughput_tps", "latency_s", "params_total_b"),
    *("runs_of", "model_url", "source", "quality_mean", "energy_reason", "measure_reason"),
)
# Columns for those who look closer.
MORE = (
    *("prompt_set", "harness_version", "arc", "hellaswag", "truthfulqa", "quality_source", "quality_sources", "origin", "generation"),
    *("between_runs", "provenance"),
    *("model_id", "family", "dtype", "num_gpus", "weights", "experiment_id"),
)
# The numbers that can be narrowed to a range on the leaderboard.
RANGES = ("params_total_b", "output_tokens", "latency_s", "throughput_tps", "quality_mean")
POOLED = (
    "Runs of one setup are one row: means and percentiles in which every prompt counts once, however often it was asked; “Prompts” counts "
    "the answers. Compare has the same numbers. The 95 % "
    "intervals are those of the mean and of J/token over prompts and runs; there is none below five prompts, below 20 or 50 whose energies "
    "lie far apart, and for published averages. "
    "Divided energy has none of an answer, but one of J/token over its windows."
)
TOKEN = "energy_per_token_j"
CLICK = "Click a row to see its facts; tick one to plan with it, or two to four to compare them."
TAP = "Tap a name to see its facts, to compare it or to plan with it."
MOST_COMPARED = 4
NONE = "–"


def with_limits(rows: pl.DataFrame, setups: pl.DataFrame) -> pl.DataFrame:
    """Adds `max_new_tokens`, the longest answer (token) that a run of ours allowed; null for published averages, which do not say it.

    Args:
        rows: of the leaderboard.
        setups: rows of the query `setups`.
    """
    limit = pl.col("max_new_tokens").cast(pl.Int64, strict=False)
    return rows.join(setups.select("result_id", limit), on="result_id", how="left", maintain_order="left")


def limits(rows: pl.DataFrame) -> str:
    """Where rows differ in how long an answer may be: one that stops earlier takes less. Empty where they do not.

    Args:
        rows: of `with_limits`.
    """
    known = rows["max_new_tokens"].drop_nulls().unique().sort().to_list()
    if len(known) < 2:
        return ""
    named = f"{', '.join(f'{limit:,}' for limit in known[:-1])} or {known[-1]:,}"
    return f"Answers of our own runs stop at {named} tokens (column “Longest answer”): at a lower limit long answers take less."


def in_words(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Rows as the table shows them: `pareto` as a star (hollow where only `maybe`), and `interval`, `token_interval` and `runs_of` in
    words, – where there is none.

    Args:
        rows: of the leaderboard.
        key: of NUMBERS, the energy.
    """
    return rows.with_columns(
        pl.when("pareto").then(pl.lit("★")).when("maybe").then(pl.lit("☆")).otherwise(pl.lit("")).alias("pareto"),
        _intervals(rows, ("value_low", "value_high"), NUMBERS[key].display_factor).alias("interval"),
        _intervals(rows, ("token_low_j", "token_high_j"), NUMBERS[TOKEN].display_factor).alias("token_interval"),
        pl.col("runs").cast(pl.String).fill_null(NONE).alias("runs_of"),
    )


def _intervals(rows: pl.DataFrame, ends: tuple[str, str], factor: float) -> pl.Series:
    """Intervals in words."""
    pairs = rows.select(pl.col(ends) * factor).iter_rows()
    said = [f"{figure(low, 3)} to {figure(high, 3)}" if low is not None and high is not None else NONE for low, high in pairs]
    return pl.Series(said, dtype=pl.String)


def least(rows: pl.DataFrame, key: str) -> str:
    """Which takes the least and which the most among results that are alike: GPU, task, batch size, engine, size of model, kind of number.

    Of several such groups the one with the most models; nothing where none has two models with the number.

    Args:
        rows: rows of `results`.
        key: of NUMBERS, the energy.
    """
    parameters = pl.col("params_total_b")
    above = [(low, name) for name, (low, _) in reversed(shape.BANDS.items())]
    size = pl.coalesce(*(pl.when(parameters > (low or 0)).then(pl.lit(name)) for low, name in above))
    estimated = ["estimated_energy_j"] if key == energy_shown.DEFAULT.key and "estimated_energy_j" in rows.columns else []
    known = rows.with_columns(pl.coalesce(key, *estimated).alias(key), energy_shown.kind(key, rows.columns).alias("kind"))
    known = known.filter(pl.col(key) > 0, pl.col("params_total_b").is_not_null())
    known = known.with_columns(size.alias("band"), naming.gpu(rows.columns).alias("gpu"))
    alike = ("gpu", "task", "batch_size", "engine", "prompt_set", "weights", "source", "band", "kind")
    counted = known.with_columns(pl.col("model_id").n_unique().over(alike).alias("models")).filter(pl.col("models") > 1)
    if counted.is_empty():
        return ""
    most = counted.sort("models", *alike, descending=[True] + [False] * len(alike), nulls_last=True)
    group = counted.join(most.head(1).select(alike), on=alike, how="semi", nulls_equal=True).sort(key)
    first, last = group.row(0, named=True), group.row(-1, named=True)
    mark = energy_shown.MARKS.get(first["kind"], "")
    unit = NUMBERS[key].display_unit
    low, high = (f"**{plain(row['model_name'])}** with {mark} {figure(row[key], 3)} {unit}".replace("  ", " ") for row in (first, last))
    batch = "one at a time" if first["batch_size"] == 1 else f"batch {first['batch_size']}"
    kind = "" if first["kind"] == energy_shown.MEASURED else f", {first['kind']}"
    where = f"{plain(first['gpu'])}, {plain(first['task'] or 'no task')}, {batch}{kind}"
    return (
        f"Of {first['models']} models of {shape.said(first['band'])} parameters on {where}: least {low}, most {high}, "
        f"**{figure(last[key] / first[key], 2)}×** as much."
    )


def about(row: dict[str, Any]) -> str:
    """What a row is of: engine, batch size, weights, source; and whether the GPU kept to its power limit."""
    parts = [
        called.engine(row["engine"]) if row["engine"] else "engine not stated",
        f"batch {row['batch_size'] or 'not stated'}",
        f"weights: {row['provenance']}",
        row["source"],
    ]
    if row.get("max_new_tokens"):
        parts.append(f"answers of at most {row['max_new_tokens']:,} tokens")
    if row["origin"] == "measured" and row["gpu_model"] != "CPU":
        share = row["power_capped_share"]
        parts.append("power limit: not recorded" if share is None else f"at the power limit in {100 * share:.0f} % of the answers")
    return "; ".join(parts) + "."


def facts(row: dict[str, Any], key: str) -> list[tuple[str, str, str]]:
    """Four facts of a row: label, value and what to know of it.

    Args:
        row: of the leaderboard.
        key: of NUMBERS, the energy that ranks it.
    """
    energy = NUMBERS[key]
    low, high = row.get("value_low"), row.get("value_high")
    interval = f"95 % interval {figure(low, 3)} to {figure(high, 3)}" if low is not None and high is not None else "no interval"
    ranked = f"n = {row['prompts']:,}, {interval}" if row.get("prompts") else interval
    value, kind = row.get(key), row.get("energy_is")
    if value is None and key == energy_shown.DEFAULT.key and row.get("estimated_energy_j") is not None:
        value, kind, ranked = row["estimated_energy_j"], energy_shown.ESTIMATED, "estimated by the source from J/token"
    elif kind == energy_shown.DIVIDED:
        ranked = f"divided by a rule, {ranked}"
    known = (
        (energy, value, ranked),
        (NUMBERS["energy_per_token_j"], row.get("energy_per_token_j"), _between(row)),
        (NUMBERS["output_tokens"], row.get("output_tokens"), "mean length of an answer"),
        (NUMBERS["throughput_tps"], row.get("throughput_tps"), "mean speed"),
    )
    marks = {key: energy_shown.MARKS.get(kind or "", "")}
    shown = {metric.key: (metric, value, note) for metric, value, note in reversed(known)}
    said = {
        name: f"{marks.get(name, '')} {figure(value * metric.display_factor, 3)} {unit(metric)}".strip()
        for name, (metric, value, _) in shown.items()
        if value is not None
    }
    return [(metric.label, said.get(name, "not measured"), note) for name, (metric, _, note) in reversed(shown.items())]


def _between(row: dict[str, Any]) -> str:
    low, high = row.get("token_low_j"), row.get("token_high_j")
    interval = f"95 % interval {figure(low, 3)} to {figure(high, 3)}; " if low is not None and high is not None else ""
    return f"{interval}{_runs(row)}"


def _runs(row: dict[str, Any]) -> str:
    if (row.get("runs") or 0) > 1 and row.get("between_runs") is not None:
        return f"{figure(100 * row['between_runs'], 2)} % between {row['runs']} runs (one standard deviation)"
    return "one run" if row.get("runs") else "published average"


def links(row: dict[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Pages that say more of a row of ours, with the filters that lead to it: page, label, link."""
    if row["origin"] != "measured":
        return []
    view = {"model": row["model_id"], "gpu": row["gpu_model"], "task": row["task"] or "", "engine": row["engine"] or "", "weights": "both"}
    pages = {"distributions": "Its prompts", "cost_of_a_token": "Cost of a token", "runs": "Its verdict"}
    return [(page, label, {name: value for name, value in view.items() if value}) for page, label in pages.items()]


def together(ticked: pl.DataFrame) -> list[tuple[str, str, dict[str, str | list[str]]]]:
    """Where ticked rows lead: two to four of them to Compare, one to the Planner; page, label, link.

    Args:
        ticked: rows of the leaderboard.
    """
    labels = naming.with_label(ticked)["label"].to_list()
    forced = shape.has_random_weights(ticked)
    more: dict[str, str | list[str]] = {"weights": "both", "per": "output token"} if forced else {}
    found: list[tuple[str, str, dict[str, str | list[str]]]] = []
    if 2 <= ticked.height <= MOST_COMPARED:
        found.append(("compare", f"Compare the {ticked.height} ticked", {"results": list(labels), **more}))
    if ticked.height == 1:
        found.append(("planner", "Plan a workload with it", {"result": str(labels[0]), **more}))
    return found


def curve_of(rows: pl.DataFrame, row: dict[str, Any]) -> pl.DataFrame:
    """J/token of a model on the GPU of a row over batch sizes, for each engine the mean of its results; none where there is one size only.

    Args:
        rows: of `pooled.pooled`, of the model.

    Returns:
        `engine`, `batch_size`, `energy_per_token_j` (J/token).
    """
    alike = [pl.col(name).eq_missing(pl.lit(row[name])) for name in ("gpu_model", "num_gpus", "dtype", "weights", "task")]
    found = rows.filter(pl.col("energy_per_token_j") > 0, pl.col("batch_size").is_not_null(), *alike)
    each = found.group_by("engine", "batch_size").agg(pl.col("energy_per_token_j").mean()).sort("engine", "batch_size")
    return each if each["batch_size"].n_unique() > 1 else each.clear()
