"""Tables: what a column is called, how it is shown, and the rows of a download."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

import polars as pl
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from warehouse import export as exports
from warehouse.measure import DEFAULT, NUMBERS, Measure, per_prompt
from warehouse.metrics import Metric
from warehouse.selection import Selection

NOT_MEASURED = "not measured"
NOT_KEPT = "not kept"
ROW_HEIGHT = 35
TALLEST = 563
LEADERBOARD = (
    "model_name",
    "model_url",
    "energy_j",
    "pareto",
    "spread",
    "energy_per_token_j",
    "source",
    "gpu_model",
    "task",
    "batch_size",
    "throughput_tps",
    "output_tokens",
    "latency_s",
    "params_total_b",
    "arc",
    "hellaswag",
    "truthfulqa",
    "quality_mean",
    "origin",
    "engine",
    "generation",
    "prompts",
    "energy_reason",
    "measure_reason",
)
SPREAD = ("mean", "p5", "p25", "p50", "p75", "p90", "p95", "p99", "minimum", "maximum")
RUNS = (
    "model_name",
    "task",
    "gpu_model",
    "engine",
    "valid",
    "reasons",
    "prompts",
    "ok",
    "failed",
    "measured",
    "truncated",
    "energy_j_total",
    "books_ratio",
    "idle_power_w",
    "energy_reason",
    "started_at",
    "run_id",
)
PAIRS = (
    "model_name",
    "gpu_model",
    "task",
    "engine",
    "a",
    "b",
    "median_change",
    "change_low",
    "change_high",
    "more_share",
    "pairs",
    "dropped",
    "truncated",
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
# Shares in storage, percent on screen; with a sign where it is a change.
CHANGES = ("change", "median_change", "change_low", "change_high", "length_effect_log", "token_effect_log")
SHARES = ("more_share", "top5_share", "explained")
FOUR_DIGITS = ("input_token_j", "output_token_j")
BEST = ("model_name", "frontier", "energy_j", "energy_per_token_j", "gpu_model", "engine", "batch_size", "task", "params_total_b", "source")
OVER_TIME = ("edition", "gpu_model", "engine", "batches", "count", "p50", "minimum", "maximum")
EDITIONS = {"v1": "2023 · v1", "v2": "2024 · v2", "v3": "2026 · v3", "own": "2026 · own"}
CHAT = ("chat", "lm-arena-chat")
COMPARED = ("label", "value", "value_low", "value_high", "ratio", "ratio_low", "ratio_high", "rank_low", "rank_high")
PLAN = ("period", "kwh", "kwh_low", "kwh_high", "money", "money_low", "money_high", "co2_kg", "co2_kg_low", "co2_kg_high")
PROMPTS = ("prompt_id", "prompt_text", "energy_j", "answers", "models", "input_tokens", "output_tokens", "prompt_set")
ANSWERS = (
    "model_name",
    "task",
    "gpu_model",
    "engine",
    "energy_j",
    "shown_j",
    "energy_error_j",
    "output_tokens",
    "energy_per_token_j",
    "power_w",
    "latency_s",
    "cut",
    "input_tokens",
    "reasons",
    "energy_reason",
    "prompt_set",
)
FITS = (
    "label",
    "prompts",
    "fixed_j",
    "fixed_j_low",
    "fixed_j_high",
    "input_token_j",
    "input_token_j_low",
    "input_token_j_high",
    "output_token_j",
    "output_token_j_low",
    "output_token_j_high",
    "residual_j",
    "explained",
)
BEHIND_BARS = ("prompt_id", "energy_j", "output_tokens", "input_tokens", "latency_s", "model_name", "gpu_model", "task", "engine", "run_id")
RESIDUALS = ("prompt_id", "energy_j", "fitted_j", "residual_j", "input_tokens", "output_tokens")
COLUMNS = ("table", "column", "type", "meaning")
REMARKS = ("code", "scope", "invalidates", "meaning")
FILES = ("path", "format", "accepted", "rejected", "ingested_at")
REJECTS = ("path", "row", "column", "reason")
# Where the full title of a metric would be wider than its numbers.
SHORT = {
    "energy_per_token_j": "J/token",
    "throughput_tps": "token/s",
    "output_tokens": "Length (token)",
    "params_total_b": "Parameters (B)",
}
LABELS: dict[str, tuple[str, str]] = {
    "model_name": ("Model", "The model that answered."),
    "model_id": ("Model id", "The name under which the model is published."),
    "model_url": ("Card", "Opens the model's own page."),
    "gpu_model": ("GPU", "The GPU that the model ran on; CPU where there was none."),
    "task": ("Task", "Which system prompt was used; see Methods."),
    "source": ("Source", "Who measured."),
    "origin": ("Kind", "published: an average from a published table. measured: our own run, kept prompt by prompt."),
    "generation": ("Generation", "Which edition of the ML.ENERGY benchmark, or own."),
    "engine": ("Engine", "The software that ran the model."),
    "batch_size": ("Batch", "Prompts answered together."),
    "energy_reason": ("Why energy is not measured", "What kept the energy from being measured."),
    "series": ("Shown", "The group that the numbers belong to."),
    "unmeasured": ("Not measured", "Prompts without this number; they are in none of the others."),
    "valid": ("Valid", "Whether the run counts in comparisons."),
    "reasons": ("Remarks", "What to know about the run; the list below the table explains each."),
    "started_at": ("Started (UTC)", "When the run began."),
    "run_id": ("Run", "Unique name of the run."),
    "ok": ("Answered", "Prompts with an answer."),
    "failed": ("Failed", "Prompts without an answer; they are in no average."),
    "measured": ("With energy", "Prompts whose energy was measured."),
    "truncated": ("Cut short", "Answers that reached the length limit."),
    "path": ("File", "The file as it was loaded."),
    "row": ("Row", "Row in the file."),
    "column": ("Column", "Column in the file."),
    "reason": ("Reason", "Why."),
    "code": ("Remark", "The short name in the tables."),
    "meaning": ("Meaning", "What the remark says."),
    "format": ("Format", "What kind of file it is."),
    "accepted": ("Rows loaded", "Rows that passed all checks."),
    "rejected": ("Rows refused", "Rows that broke the format; each is listed with its reason."),
    "ingested_at": ("Loaded (UTC)", "When the file was loaded."),
    "mean": ("Mean", "Sum over count."),
    "minimum": ("Smallest", "The smallest value."),
    "maximum": ("Largest", "The largest value."),
    "energy_j_total": ("Energy of all prompts (J)", "Sum over the prompts whose energy was measured."),
    "books_ratio": (
        "Energy books",
        "Energy of responses and gaps over the counter of the whole run; 1 is perfect, 2 % off is refused.",
    ),
    "scope": ("Holds for", "A single prompt (request) or a whole run."),
    "invalidates": ("Leaves out", "Whether rows with this remark are left out of averages."),
    "frontier": ("Frontier", "No other shown configuration is as good on both numbers and better on one."),
    "edition": ("Edition", "Year and edition of the benchmark, or our own runs."),
    "batches": ("Batch sizes", "Prompts answered together."),
    "count": ("Results", "How many results are behind the numbers."),
    "label": ("Result", "Model, GPU, task, engine, batch size, who measured."),
    "value": ("Energy (J)", "Energy per unit chosen above."),
    "value_low": ("from (J)", "Low end of the 95 % interval; empty for a published average."),
    "value_high": ("to (J)", "High end of the 95 % interval; empty for a published average."),
    "ratio": ("Times the first", "Energy over that of the first result."),
    "ratio_low": ("from", "Low end of the 95 % interval of the ratio."),
    "ratio_high": ("to", "High end of the 95 % interval of the ratio."),
    "rank_low": ("Rank from", "Best rank within the 95 % interval; 1 is the least energy."),
    "rank_high": ("Rank to", "Worst rank within the 95 % interval."),
    "key": ("Key", "What must be alike for a fair comparison."),
    **{f"value_{place}": (f"Result {place}", "As stated by who measured.") for place in range(1, 5)},
    "period": ("In a", "Period of time."),
    "kwh": ("Energy (kWh)", "Estimate: requests × mean energy × PUE."),
    "kwh_low": ("from (kWh)", "Low end of the band."),
    "kwh_high": ("to (kWh)", "High end of the band."),
    "money": ("Money", "Estimate: energy × price, in the currency of the price."),
    "money_low": ("from", "Low end of the band."),
    "money_high": ("to", "High end of the band."),
    "co2_kg": ("CO₂e (kg)", "Estimate: energy × grid intensity."),
    "co2_kg_low": ("from (kg)", "Low end of the band."),
    "co2_kg_high": ("to (kg)", "High end of the band."),
    "prompt_id": ("Prompt", "Id of the prompt in its set."),
    "prompt_text": ("Text", "The prompt, where its text was kept."),
    "prompt_set": ("Prompt set", "The collection that the prompt is from."),
    "answers": ("Answers", "How often the prompt was answered."),
    "models": ("Models", "By how many models."),
    "cut": ("Cut short", "The answer reached the length limit."),
    "table": ("Table", "Table or view."),
    "type": ("Type", "DuckDB type."),
    "fixed_j": ("Fixed (J)", "a: energy of a response apart from its tokens."),
    "fixed_j_low": ("from", "Low end of the 95 % interval."),
    "fixed_j_high": ("to", "High end of the 95 % interval."),
    "input_token_j": ("Input token (J)", "b: energy of one more token in the prompt."),
    "input_token_j_low": ("from", "Low end of the 95 % interval."),
    "input_token_j_high": ("to", "High end of the 95 % interval."),
    "output_token_j": ("Output token (J)", "c: energy of one more token in the response."),
    "output_token_j_low": ("from", "Low end of the 95 % interval."),
    "output_token_j_high": ("to", "High end of the 95 % interval."),
    "residual_j": ("Residual (J)", "What the fit leaves: measured less fitted energy; over all prompts its standard deviation."),
    "fitted_j": ("Fitted (J)", "What the fit gives for the lengths of this prompt and answer."),
    "explained": ("Explained", "Share of the variance of energy that the fit explains."),
    "shown_j": ("As asked for (J per …)", "The energy as the switches of the sidebar state it."),
    "number": ("Number", "What is known."),
    "is": ("Is", "In the unit of the first column."),
    "spread": ("p5 to p99", "Energy of the prompts at p5, p25, p50, p75, p90, p95, p99: flat where prompts cost alike. Our own runs only."),
    "pareto": ("Pareto", "No other row shown is as fast (latency) and as cheap, and better in one."),
    "measure_reason": ("Why this energy is not known", "What kept it from being known."),
    "formula": ("Formula", "The column of your own formula, in the units of its columns (J, s, token)."),
    "a": ("A", "The side that is compared with."),
    "b": ("B", "The side that is compared."),
    "change": ("Change", "Mean energy of B over mean energy of A, less 1."),
    "median_change": ("Median change", "Energy on side B over energy on side A, less 1, of each prompt; the median over prompts."),
    "change_low": ("from", "Low end of the 95 % interval of the median, by bootstrap over prompts."),
    "change_high": ("to", "High end of the 95 % interval of the median, by bootstrap over prompts."),
    "more_share": ("B costs more", "Share of the prompts that cost more on side B."),
    "pairs": ("Pairs", "Prompts answered on both sides with energy measured."),
    "dropped": ("Dropped", "Prompts of the runs that are in no pair."),
    "energy_a_j": ("Energy A (J)", "Mean energy of a response on side A."),
    "energy_b_j": ("Energy B (J)", "Mean energy of a response on side B."),
    "output_tokens_a": ("Length A (token)", "Mean length of a response on side A."),
    "output_tokens_b": ("Length B (token)", "Mean length of a response on side B."),
    "energy_per_token_a_j": ("J/token A", "Energy over tokens on side A."),
    "energy_per_token_b_j": ("J/token B", "Energy over tokens on side B."),
    "length_effect_log": (
        "Length effect",
        "100 × ln of the ratio of lengths, about percent; with the J/token effect it adds up to the change.",
    ),
    "token_effect_log": ("J/token effect", "100 × ln of the ratio of J/token, about percent."),
    "top5_share": (
        "Costliest 5 %",
        "How much of all the energy the costliest 5 % of the prompts used.",
    ),
}
PERCENTILES = {f"p{n}": (f"p{n}", f"{n} % of the prompts are at or below this value.") for n in (5, 25, 50, 75, 90, 95, 99)}


def on_screen(rows: pl.DataFrame, columns: Iterable[str] = NUMBERS) -> pl.DataFrame:
    """Storage units to screen units, e.g. seconds to milliseconds for TTFT. Columns of no metric stay."""
    factors = {key: NUMBERS[key].display_factor for key in columns if key in rows.columns}
    return rows.with_columns(pl.col(key) * factor for key, factor in factors.items() if factor != 1.0)


def in_units_of(rows: pl.DataFrame, metric: Metric, columns: Iterable[str]) -> pl.DataFrame:
    """The named columns all hold values of one metric: to its screen unit."""
    return rows.with_columns(pl.col(column) * metric.display_factor for column in columns if column in rows.columns)


def search(rows: pl.DataFrame, text: str) -> pl.DataFrame:
    """Rows whose model, GPU, task, engine or source contains every word of the text, whatever the case."""
    places = [name for name in ("model_name", "model_id", "gpu_model", "task", "engine", "source") if name in rows.columns]
    haystack = pl.concat_str([pl.col(name).fill_null("") for name in places], separator=" ").str.to_lowercase()
    for word in text.lower().split():
        rows = rows.filter(haystack.str.contains(word, literal=True))
    return rows


def shown(rows: pl.DataFrame, wanted: Iterable[str]) -> list[str]:
    """The columns of a table in order; the reasons for missing energy only where an energy is missing, no empty names."""
    columns = [name for name in wanted if name in rows.columns]
    if "energy_reason" in columns and rows["energy_reason"].null_count() == rows.height:
        columns.remove("energy_reason")
    return [name for name in columns if name not in ("task", "engine", "model_name") or rows[name].null_count() < rows.height]


def apart(colour: str) -> list[str]:
    """The columns that keep lines of least squares apart: editions and batch sizes are never one line."""
    return list(dict.fromkeys((colour, "generation", "batch_size")))


def within(rows: pl.DataFrame, limits: Mapping[str, float | None]) -> pl.DataFrame:
    """Rows that keep every limit: at least where more is better, else at most."""
    for key, bound in limits.items():
        if bound is not None:
            rows = rows.filter(pl.col(key) >= bound if NUMBERS[key].better == "higher" else pl.col(key) <= bound)
    return rows


def best_of_each_model(rows: pl.DataFrame, y: str) -> pl.DataFrame:
    """The row of each model with the least of `y`, least first."""
    return rows.sort(y, maintain_order=True).unique("model_id", keep="first", maintain_order=True)


def with_edition(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `edition`, the year and name of the edition; results of other tools have none and are left out."""
    return rows.with_columns(pl.col("generation").replace_strict(EDITIONS, default=None).alias("edition")).filter(
        pl.col("edition").is_not_null()
    )


def batches(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per edition, GPU and engine: `batches`, the smallest and the largest batch size in words."""
    low, high = pl.col("batch_size").min(), pl.col("batch_size").max()
    words = pl.when(low == high).then(low.cast(pl.String)).otherwise(pl.format("{} to {}", low, high))
    return rows.group_by("edition", "gpu_model", "engine").agg(words.alias("batches"))


def bounds_on_screen(limits: Mapping[str, float | None]) -> dict[str, float | None]:
    """Limits from storage to screen units."""
    return {key: None if bound is None else bound * NUMBERS[key].display_factor for key, bound in limits.items()}


def labelled(rows: pl.DataFrame, needs: str = "energy_per_token_j") -> pl.DataFrame:
    """Adds `label`, a name that no other result has; our own runs first. Only results that have the number."""
    gpus = pl.when(pl.col("num_gpus") > 1).then(pl.format("{}×{}", "num_gpus", "gpu_model")).otherwise("gpu_model")
    batch = pl.format("batch {}", pl.col("batch_size"))
    label = pl.concat_str(["model_name", gpus, "task", "engine", batch, "source"], separator=" · ", ignore_nulls=True)
    named = rows.filter(pl.col(needs) > 0).with_columns(label.alias("label")).sort("origin", maintain_order=True)
    again = pl.int_range(pl.len()).over("label")
    return named.with_columns(pl.when(again > 0).then(pl.format("{} · no. {}", "label", again + 1)).otherwise("label").alias("label"))


def with_formula(rows: pl.DataFrame, formula: pl.Expr | None) -> pl.DataFrame:
    """Adds `formula`, the visitor's own column, where there is one."""
    return rows if formula is None else rows.with_columns(formula.alias("formula"))


def leaderboard(rows: pl.DataFrame, energy: str, picked: Iterable[str]) -> tuple[str, ...]:
    """The columns of the leaderboard; the energy that ranks it, and the visitor's own column, come first.

    Args:
        picked: the columns that the visitor wants besides; empty columns are left out of the usual ones.
    """
    own = ("formula",) if "formula" in rows.columns else ()
    return tuple(dict.fromkeys((*LEADERBOARD[:2], energy, *own, *picked)))


def upright(row: pl.DataFrame) -> pl.DataFrame:
    """One row as a list of what is known: `number` (its title), `is` (its value on screen), `meaning`."""
    values = on_screen(row.drop("spread", strict=False)).row(0, named=True)
    known = {key: value for key, value in values.items() if value is not None and value != [] and key != "model_url"}
    return pl.DataFrame(
        [
            (title_of(key), f"{value:,.4g}" if isinstance(value, float) else str(value), NUMBERS[key].meaning if key in NUMBERS else "")
            for key, value in known.items()
        ],
        schema={"number": pl.String, "is": pl.String, "meaning": pl.String},
        orient="row",
    )


def in_ranges(rows: pl.DataFrame, ranges: Mapping[str, tuple[float, float]]) -> pl.DataFrame:
    """Rows inside every range; a row that lacks a number is not inside a range of it."""
    return rows.filter(pl.col(key).is_between(low, high) for key, (low, high) in ranges.items()) if ranges else rows


def in_sets(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Adds `set`, the name of the table that a row belongs to: its values of the columns `by`. The largest sets come first."""
    texts = [pl.format("batch {}", name) if name == "batch_size" else pl.col(name) for name in by]
    named = rows.with_columns(pl.concat_str(texts, separator=" · ", ignore_nulls=True).alias("set"))
    return named.with_columns(pl.len().over("set").alias("set_size")).sort("set_size", "set", descending=[True, False], maintain_order=True)


def in_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `size`, the parameters of the model in words; the size of most models first. Only rows with length and J/token."""
    sized = rows.filter(pl.col("energy_j") > 0, pl.col("output_tokens") > 0, pl.col("params_total_b").is_not_null())
    sized = sized.with_columns(
        pl.format("{} billion parameters", pl.col("params_total_b").round(1).cast(pl.String).str.strip_suffix(".0")).alias("size")
    )
    return sized.with_columns(pl.len().over("size").alias("size_count")).sort(
        "size_count", "size", descending=[True, False], maintain_order=True
    )


def names(rows: pl.DataFrame, column: str) -> list[str]:
    """The distinct texts of a column, in order of appearance."""
    found: list[str] = rows[column].unique(maintain_order=True).to_list()
    return found


def with_prompts(summary: pl.DataFrame) -> pl.DataFrame:
    """The series in which at least one prompt has the number."""
    return summary.filter(pl.col("prompts") > 0)


def costliest(steps: pl.DataFrame) -> pl.DataFrame:
    """One row per series of a Lorenz curve: the share of the energy of the costliest 5 % of the prompts."""
    return (
        steps.group_by("series", maintain_order=True)
        .agg(pl.col("top5_share").first())
        .sort("top5_share", "series", descending=[True, False])
    )


def safe_links(rows: pl.DataFrame, column: str = "model_url") -> pl.DataFrame:
    """Only web addresses stay links: anything else in the column becomes empty."""
    web = pl.col(column).str.contains(r"^https?://")
    return rows.with_columns(pl.when(web).then(pl.col(column)).alias(column))


def config(rows: pl.DataFrame, metric: Metric | None = None) -> dict[str, ColumnConfig]:
    """Label, help and number format of every column, from NUMBERS.

    Args:
        rows: the table.
        metric: what the percentile columns hold, where there are some.
    """
    known = LABELS | PERCENTILES
    configured: dict[str, ColumnConfig] = {}
    for name in rows.columns:
        if name == "spread":
            configured[name] = st.column_config.BarChartColumn(known[name][0], help=known[name][1], y_min=0, width=100)
        elif name == "model_url":
            configured[name] = st.column_config.LinkColumn("Card", help=known[name][1], display_text=":material/open_in_new:", width=50)
        elif name in NUMBERS:
            configured[name] = _number(
                SHORT.get(name, NUMBERS[name].title),
                _definition(NUMBERS[name]),
                NUMBERS[name].decimals,
                width=150 if len(NUMBERS[name].title) > 20 else 110 if rows[name].null_count() else None,
            )
        elif metric and name in {*PERCENTILES, "mean", "minimum", "maximum"}:
            configured[name] = _number(f"{known[name][0]} ({metric.display_unit})", known[name][1], metric.decimals)
        elif name in (*CHANGES, *SHARES):
            sign = "+" if name in CHANGES else ""
            configured[name] = st.column_config.NumberColumn(known[name][0], help=known[name][1], format=f"%{sign}.1f %%")
        elif name.startswith(FOUR_DIGITS):
            configured[name] = _number(known[name][0], known[name][1], 4)
        elif rows.schema[name].is_float():
            configured[name] = _number(known.get(name, (name, ""))[0], known.get(name, ("", ""))[1], 2)
        elif name in known:
            configured[name] = st.column_config.Column(known[name][0], help=known[name][1], pinned=True if name == "model_name" else None)
    return configured


def _number(label: str, explanation: str, decimals: int, width: int | None = None) -> ColumnConfig:
    return st.column_config.NumberColumn(label, help=explanation, format=f"%,.{decimals}f", width=width)


def title_of(name: str) -> str:
    """What a column is called."""
    return NUMBERS[name].title if name in NUMBERS else (LABELS | PERCENTILES).get(name, (name.replace("_", " ").capitalize(), ""))[0]


def _definition(metric: Metric) -> str:
    """Column help: meaning, formula, which way is better, who defined it."""
    better = f" {metric.better.capitalize()} is better." if metric.better else ""
    return f"{metric.title}. {metric.meaning}{better}\n\nFormula: `{metric.formula}`\n\nSource: {metric.source}."


def address() -> str:
    """The full address of the view, with what differs from the default."""
    query = urlencode([(key, value) for key in st.query_params for value in st.query_params.get_all(key)])
    return f"{(st.context.url or '').split('?')[0]}{'?' if query else ''}{query}"


def file_of(rows: pl.DataFrame, name: str, kind: str, selection: Selection, link: str, measure: Measure) -> bytes:
    """Rows with the header of an export: filter in words, full link, hash, sources, licences, citation.

    Args:
        kind: of `export.KINDS`.
        link: the address of the view.
    """
    header = exports.header_of(rows, selection, f"{name}, as shown; energy shown as {measure.words}")
    return exports.write(rows, header | {"link": link}, kind)


def downloads(rows: pl.DataFrame, name: str) -> None:
    """Two buttons: exactly these rows, all their columns, in storage units, with a header. The file is made when asked for."""
    made = partial(file_of, rows, name, selection=st.session_state["shown"], link=address(), measure=st.session_state["measure"])
    with st.container(horizontal=True):
        _download("Download CSV", partial(made, "csv"), f"{name}.csv", "text/csv", rows.height)
        _download("Download Parquet", partial(made, "parquet"), f"{name}.parquet", "application/octet-stream", rows.height)


def _download(label: str, make: Callable[[], bytes], name: str, mime: str, height: int) -> None:
    st.download_button(
        label,
        data=make,
        file_name=f"prompt-joules-{name}",
        mime=mime,
        on_click="ignore",
        help=f"The {height:,} rows shown, all columns, in base units (J, s, W); a header says what they are and how to cite them.",
        key=f"download-{name}",
    )


def show(rows: pl.DataFrame, columns: Iterable[str], alt: str, metric: Metric | None = None, key: str | None = None) -> Any:
    """A table: what is missing says so, links lead only to the web, names are shown as text. With a `key` one row can be clicked."""
    listed = rows.select(shown(rows, columns))
    listed = listed.with_columns(pl.col(name) * 100 for name in (*CHANGES, *SHARES) if name in listed.columns)
    if "model_url" in listed.columns:
        listed = safe_links(listed)
    if "gpu_model" in listed.columns:
        listed = listed.with_columns(pl.col("gpu_model").fill_null("CPU"))
    return st.dataframe(
        on_screen(listed),
        column_config=config(listed, metric),
        hide_index=True,
        key=key,
        on_select="rerun" if key else "ignore",
        selection_mode="single-row",
        placeholder="–" if metric else NOT_MEASURED,
        alt=alt,
        height=min(ROW_HEIGHT * (listed.height + 1) + 3, TALLEST),
        row_height=ROW_HEIGHT,
    )


def clickable(rows: pl.DataFrame, column: str, key: str) -> None:
    """The list of prompts; a click on a row puts its `column` into the widget `key`."""
    listed = rows.select(shown(rows, PROMPTS))

    def chosen() -> None:
        if places := st.session_state[f"{key}_rows"]["selection"]["rows"]:
            st.session_state[key] = rows[column][places[0]]

    st.dataframe(
        on_screen(listed),
        column_config=config(listed),
        hide_index=True,
        placeholder=NOT_KEPT,
        height=min(ROW_HEIGHT * (listed.height + 1) + 3, 250),
        row_height=ROW_HEIGHT,
        on_select=chosen,
        selection_mode="single-row",
        key=f"{key}_rows",
        alt="Prompts, the costliest first; choose one to see its answers",
    )


def with_measure(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with `shown_j`, the energy that the switches ask for (statistics need more than one answer), least first; as they are for gross energy per response."""
    if (measure.per, measure.above_idle) == (DEFAULT.per, DEFAULT.above_idle):
        return answers
    return answers.with_columns(per_prompt(measure).alias("shown_j")).sort("shown_j", nulls_last=True, maintain_order=True)


def with_error(answers: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Answers with energy as labelled values with an interval: `label`, `value`, `value_low`, `value_high`; the first twenty."""
    label = pl.concat_str(["model_name", pl.col("gpu_model").fill_null("CPU"), "task", "engine"], separator=" · ", ignore_nulls=True)
    again = pl.int_range(pl.len()).over("label")
    shown_j = per_prompt(measure)
    half = pl.col("energy_error_j") * per_prompt(replace(measure, above_idle=False)) / pl.col("energy_j")
    return (
        answers.filter(shown_j.is_not_null())
        .head(20)
        .with_columns(label.alias("label"))
        .with_columns(pl.when(again > 0).then(pl.format("{} · no. {}", "label", again + 1)).otherwise("label").alias("label"))
        .select(
            "label",
            shown_j.alias("value"),
            (shown_j - half).alias("value_low"),
            (shown_j + half).alias("value_high"),
        )
    )


def labelled_fits(fits: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`, a name that no other run has."""
    label = pl.concat_str(
        ["model_name", "gpu_model", "task", "engine", pl.format("batch {}", pl.col("batch_size"))], separator=" · ", ignore_nulls=True
    )
    again = pl.int_range(pl.len()).over("label")
    named = fits.with_columns(label.alias("label"))
    return named.with_columns(pl.when(again > 0).then(pl.format("{} · no. {}", "label", again + 1)).otherwise("label").alias("label"))
