"""What results and columns are called. A result has a full name that no other has, and a short one without what all share."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from prompt_joules.warehouse.energy_shown import NUMBERS

# Where the full title of a metric would be wider than its numbers.
SHORT = {
    "energy_per_token_j": "J/token",
    "throughput_tps": "token/s",
    "output_tokens": "Length (token)",
    "params_total_b": "Parameters (B)",
}
LABELS: dict[str, tuple[str, str]] = {
    "energy_mark": (
        "",
        "How the energy is known. Nothing: measured, the GPU answered this alone. ÷: measured for several answers at once and divided "
        "among them by a rule. ≈: estimated by the source.",
    ),
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
    "series": ("Group", "The group that the numbers belong to."),
    "shown_as": ("Name", "The group that the numbers belong to: what tells it from the others."),
    "answers_per_prompt": ("Answers a prompt", "How many answers to one prompt there can be: runs of one prompt set times repetitions."),
    "divided": ("Divided", "Whether energy of a run was divided by a rule among answers given together."),
    "unmeasured": ("Not measured", "Prompts without this number; they are in none of the others."),
    "valid": ("Valid", "Whether the run counts in comparisons."),
    "remarks": ("Remarks", "What to know about the run, problems first; the list below the table explains each."),
    "reasons": ("Remarks", "What to know about the run; the list below the table explains each."),
    "started_at": ("Started", "When the run began: in UTC, or by the clock of its machine where a tool wrote a time without a zone."),
    "project": ("Project", "The name that its user gave."),
    "part": ("Part", "The whole run, or the part that the tool was told to count alone."),
    "ended_at": ("Ended (local)", "When the tool wrote the total, by the clock of its machine."),
    "duration_s": ("Length (s)", "Length of the run."),
    "gpu_energy_j": ("GPU (J)", "All GPUs that the tool watched."),
    "cpu_energy_j": ("CPU (J)", "As the tool measured or guessed it; never added to the GPU's."),
    "dram_energy_j": ("Memory (J)", "As the tool measured or guessed it; never added to the GPU's."),
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
    "meaning": ("Meaning", "In words."),
    "better": ("Better", "Which way is better, where one is."),
    "format": ("Format", "What kind of file it is."),
    "accepted": ("Rows loaded", "Rows that passed all checks."),
    "rejected": ("Rows refused", "Rows that broke the format; each is listed with its reason."),
    "ingested_at": ("Loaded (UTC)", "When the file was loaded."),
    "mean": ("Mean", "Sum over count."),
    **{f"p{n}_low": (f"p{n} from", "Low end of the 95 % interval over prompts; empty where the values reach none.") for n in (50, 95)},
    **{
        f"p{n}_high": (f"p{n} to", "High end of the 95 % interval over prompts; empty: no upper limit with so few answers.")
        for n in (50, 95)
    },
    "minimum": ("Smallest", "The smallest value."),
    "maximum": ("Largest", "The largest value."),
    "energy_j_total": ("Energy of all prompts (J)", "Sum over the prompts whose energy was measured."),
    "books_ratio": ("Windows over counter", "Energy of responses and gaps over the counter of the whole run; 1 is perfect."),
    "adds_up": ("Adds up to the counter", "How closely responses and gaps add up to the GPU's counter over the whole run; 2 % is refused."),
    "temperature_low_c": ("Coolest GPU (°C)", "The lowest temperature at the end of a response."),
    "temperature_high_c": ("Hottest GPU (°C)", "The highest temperature at the end of a response."),
    "error_median_percent": ("Usual error of a response (%)", "Energy error over energy; half of the responses are better."),
    "error_most_percent": ("Largest error of a response (%)", "Energy error over energy of the worst response."),
    "scope": ("Holds for", "A single prompt (request) or a whole run."),
    "invalidates": ("Left out", "Whether rows with this remark are left out of averages."),
    "frontier": ("Frontier", "No other shown configuration is as good on both numbers and better on one."),
    "edition": ("Edition", "Year and edition of the benchmark, or our own runs."),
    "edition_a": ("From", "The earlier edition."),
    "edition_b": ("To", "The later edition."),
    "value_a": ("Earlier", "The energy in the earlier edition."),
    "value_b": ("Later", "The energy in the later edition."),
    "batches": ("Batch sizes", "Prompts answered together."),
    "count": ("Results", "How many results are behind the numbers."),
    "label": ("Result", "Model, GPU, task, engine, batch size, who measured."),
    "value": ("Energy", "As the switches of the sidebar state it."),
    "value_low": ("from", "Low end of the 95 % interval; empty for a published average."),
    "value_high": ("to", "High end of the 95 % interval; empty for a published average."),
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
    "country": ("Country", "Of the electricity."),
    "grid_g_per_kwh": ("Grid (g CO₂e/kWh)", "Emissions over the life cycle, of a kWh generated: Ember, by way of Our World in Data."),
    "grid_year": ("In", "Year of the emissions."),
    "price_per_kwh": ("Price per kWh", "In the currency beside it, without taxes that companies get back."),
    "currency": ("Currency", "Of the price."),
    "price_period": ("In", "Year or half-year of the price."),
    "price_source": ("Price from", "Who published it."),
    "prompt_id": ("Prompt", "Id of the prompt in its set."),
    "prompt_text": ("Text", "The prompt, where its text was kept."),
    "prompt_set": ("Prompt set", "The collection that the prompt is from."),
    "times_run_mean": (
        "Times its run's mean",
        "Energy of an answer over the mean energy of the run that it is from; the mean over its answers that had the GPU for themselves.",
    ),
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
    "result_id": ("Result id", "Names the row in the warehouse."),
    "family": ("Family", "Models of one origin; they share a colour."),
    "num_gpus": ("GPUs", "GPUs whose energy is summed."),
    "dtype": ("Number format", "Of the weights."),
    "weights": ("Weights", "pretrained, or dummy: random weights; energy is real, text is not."),
    "url": ("Published at", "Where the figure was published."),
    "edges": ("Window edges", "How the measured window meets the counter's steps: plain or aligned."),
    "harness_version": ("Protocol", "Version of the measuring protocol; numbers of two versions are not quite alike."),
    "licence": ("Licence", "Of the figure."),
    "number": ("Number", "What is known."),
    "is": ("Is", "In the unit of the first column."),
    "range_bar": (
        "p5 to p95",
        "Answers from p5 to p95, their middle half, median (tick) and mean (point), all rows on one logarithmic axis. Our own runs only; "
        "others have their mean.",
    ),
    "interval": (
        "95 % interval",
        "Of the mean, over prompts and runs; – for divided energy, published averages and under five prompts.",
    ),
    "runs_of": ("Runs", "Runs of this setup in the row; – for published averages."),
    "spread": ("Percentiles", "Energy of the answers at p5, p25, p50, p75, p90, p95, p99. Our own runs only."),
    "between_runs": ("Between runs", "Standard deviation of J/token between the runs of the setup; empty for one run."),
    "provenance": ("Weights from", "What the weights were loaded from."),
    "weights_format": ("Format of the weights", "What the weights were loaded from, as the run wrote it down."),
    "experiment_id": ("Experiment", "Shared by the runs of one experiment."),
    "pareto": ("★", "★: no other row shown is as fast (latency) and as cheap, and better in one."),
    "measure_reason": ("Why this energy is not known", "What kept it from being known."),
    "formula": ("Formula", "The column of your own formula, in the units of its columns (J, s, token)."),
    "a": ("A", "The side that is compared with."),
    "b": ("B", "The side that is compared."),
    "change": ("Change", "Energy of B, or of the later edition, over that of A, or of the earlier, less 1."),
    "median_change": ("Median change", "Energy on side B over energy on side A, less 1, of each prompt; the median over prompts."),
    "change_low": ("from", "Low end of the 95 % interval of the median over models; empty below five models."),
    "change_high": ("to", "High end of the 95 % interval of the median over models; empty below five models."),
    "median_change_low": ("from", "Low end of the 95 % interval, with the spread between runs where it is known."),
    "median_change_high": ("to", "High end of the 95 % interval, with the spread between runs where it is known."),
    "median_change_within_low": ("from, in these runs", "Low end of the 95 % interval over prompts alone."),
    "median_change_within_high": ("to, in these runs", "High end of the 95 % interval over prompts alone."),
    "whole_change": ("Median of whole pairs", "The median change over the pairs whose answers are both whole."),
    "whole_change_low": ("from", "Low end of its 95 % interval, with the spread between runs where it is known."),
    "whole_change_high": ("to", "High end of its 95 % interval, with the spread between runs where it is known."),
    "whole_pairs": ("Whole pairs", "Pairs in which no answer was cut short."),
    "least_change": ("Median at least", "What the median would be at least, whatever the cut answers would have cost; empty: no bound."),
    "most_change": ("Median at most", "What the median would be at most, whatever the cut answers would have cost; empty: no bound."),
    "total_change": ("Change of all", "Energy of all answers together on side B over that on side A, less 1."),
    "total_change_low": ("from", "Low end of its 95 % interval, with the spread between runs where it is known."),
    "total_change_high": ("to", "High end of its 95 % interval, with the spread between runs where it is known."),
    "cut_either": ("Cut pairs", "Pairs in which an answer was cut short; they count as they were spent."),
    "runs_a": ("Runs A", "Runs of side A."),
    "runs_b": ("Runs B", "Runs of side B."),
    "runs": ("Runs", "Runs of this setup."),
    "basis": ("The interval is", "across runs, or within one run, with or without the spread that other setups show between runs."),
    "ratio_within_low": ("from, in these runs", "Low end of the 95 % interval over prompts or batches alone."),
    "ratio_within_high": ("to, in these runs", "High end of the 95 % interval over prompts or batches alone."),
    "reason_of_spread": ("Because of", "Which chance it is."),
    "meaning_of_part": ("That is", "What differs."),
    "sd_of_energy": ("Energy", "Standard deviation of the energy of an answer."),
    "share_of_energy": ("Share of its variance", "Of the variance of the energy of one answer in one run."),
    "sd_of_length": ("Length", "Standard deviation of the length of an answer."),
    "sd_of_token": ("J/token", "Standard deviation of the energy of a token."),
    "setups": ("Setups", "How many setups it was measured on."),
    "prompts_asked": ("Prompts", "Prompts that either side answers in each run."),
    "with_1_run": ("One run a side", "The smallest difference that can be shown: about how far the interval of no difference reaches."),
    "with_3_runs": ("Three runs a side", "As with one run; each run with a seed of its own."),
    "with_9_runs": ("Nine runs a side", "As with one run; each run with a seed of its own."),
    "check": ("Check", "What was asked of a setup and itself."),
    "of": ("Of", "Two halves of the prompts of one run, or two runs of one setup."),
    "checks": ("Intervals", "How many intervals that makes."),
    "shown": ("Show a difference", "Intervals that leave out no difference."),
    "share_shown": ("Share", "At most 5 % should."),
    "grows": ("Grows", "Whether the energy of one more output token is above 0 for certain."),
    "below_zero": ("Below 0", "Whether the fixed energy is below 0 for certain: the line then does not hold for short answers."),
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
    "answer_j": ("J per answer", "Mean energy of an answer; the kind says how it is known."),
    "kind": (
        "Kind of number",
        "measured: of one answer alone. divided: by a rule among answers given together. estimated: by the source from J/token.",
    ),
    "configurations": ("Best of", "How many configurations of the model there are on this GPU."),
    "band": ("Size", "Parameters in billions."),
    "size_name": ("Size", "Parameters in billions, two digits."),
    "step_name": ("Step", "The software that ran the model."),
    "token_low_j": ("from (J/token)", "Low end of the 95 % interval within the run; empty below five measurements."),
    "token_high_j": ("to (J/token)", "High end of the 95 % interval within the run; empty below five measurements."),
    "saved": ("Saved", "Of the energy of a token in the eager loop of the same size."),
    "saved_low": ("from", "Low end of the 95 % interval of what is saved; empty where either side has fewer than five measurements."),
    "saved_high": ("to", "High end of the 95 % interval of what is saved."),
    "units": ("n", "How many things were measured by themselves: answers, batches, or the window of a server."),
    "measured_on": ("Measured on", "What the energy was read for."),
    "concurrency": ("At once", "Requests sent to a server at the same time."),
    "top5_share": (
        "Costliest 5 %",
        "How much of all the energy the costliest 5 % of the prompts used.",
    ),
}
# The columns whose unit is that of the number which the table is about.
MEASURED = (
    "mean",
    "minimum",
    "maximum",
    "value",
    "value_low",
    "value_high",
    "value_a",
    "value_b",
    "p50_low",
    "p50_high",
    "p95_low",
    "p95_high",
)
PERCENTILES = {f"p{n}": (f"p{n}", f"{n} % of the prompts are at or below this value.") for n in (5, 25, 50, 75, 90, 95, 99)}
# Shares in storage, percent on screen; with a sign where it is a change.
CHANGES = (
    *("change", "change_low", "change_high", "least_change", "most_change", "length_effect_log", "token_effect_log"),
    *(f"{name}_change{end}" for name in ("median", "whole", "total") for end in ("", "_low", "_high", "_within_low", "_within_high")),
)
SHARES = (
    *("sd_of_energy", "share_of_energy", "sd_of_length", "sd_of_token", "with_1_run", "with_3_runs", "with_9_runs", "share_shown"),
    *("saved", "saved_low", "saved_high", "more_share", "top5_share", "explained", "between_runs"),
)
FOUR_DIGITS = ("input_token_j", "output_token_j", "token_low_j", "token_high_j")

UNIT_OF_NAME = re.compile(r"_(j|w|s|c|mhz)(?=_|$)")
SPELLED = {"gpu": "GPU", "gpus": "GPU", "gguf": "GGUF", "ecc": "ECC", "sm": "SM", "itl": "ITL", "sha256": "SHA-256"}
UNITS = {"j": "J", "w": "W", "s": "s", "c": "°C", "mhz": "MHz"}
# What marks a model whose weights are random.
RANDOM = pl.when(pl.col("weights") == "dummy").then(pl.lit("random weights"))
# The number format of the weights as people write it, like the macro `precision_label`; null where the source does not say.
PRECISIONS = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16", "float8": "FP8"}
PRECISION = pl.col("dtype").str.to_lowercase().replace(PRECISIONS).str.to_uppercase()


def gpu(columns: Collection[str]) -> pl.Expr:
    """A GPU in full, e.g. "2×B200 · FP8"; "CPU" where there is none.

    Args:
        columns: of the rows: `gpu_model`, and where they are known `num_gpus` and `dtype`.
    """
    name = pl.col("gpu_model").fill_null("CPU")
    if "num_gpus" in columns:
        name = pl.when(pl.col("num_gpus") > 1).then(pl.format("{}×{}", "num_gpus", name)).otherwise(name)
    return pl.concat_str([name, PRECISION], separator=" · ", ignore_nulls=True) if "dtype" in columns else name


def provenance(columns: Collection[str]) -> pl.Expr:
    """What the weights of a result were loaded from, as people write it, e.g. "GGUF Q4_1, dequantised".

    Args:
        columns: of the rows; `weights_format`, `weights` and `origin` where they are known.
    """
    form = pl.col("weights_format") if "weights_format" in columns else pl.lit(None, pl.String)
    dummy = pl.col("weights") == "dummy" if "weights" in columns else pl.lit(False)
    published = pl.col("origin") == "published" if "origin" in columns else pl.lit(False)
    said = form.str.replace("gguf:", "GGUF ", literal=True).str.replace(" dequantised", ", dequantised", literal=True)
    return (
        pl.when(dummy)
        .then(pl.lit("random"))
        .when(form.is_not_null())
        .then(said)
        .when(published)
        .then(pl.lit("pretrained, as the source loaded them"))
        .otherwise(pl.lit("pretrained, format not recorded"))
    )


def gpu_of(row: Mapping[str, Any]) -> str:
    """A GPU in full, as `gpu`, of a row that has been taken out of its frame."""
    count, dtype = row.get("num_gpus") or 0, row.get("dtype")
    name = f"{count}×{row['gpu_model']}" if count > 1 else row["gpu_model"] or "CPU"
    return f"{name} · {PRECISIONS.get(dtype.lower(), dtype).upper()}" if dtype else name


def with_label(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`: everything that names a result, and a number where two results would have one name."""
    protocol = pl.when(pl.col("source") == "Prompt Joules").then(pl.format("protocol {}", "harness_version"))
    batch = pl.format("batch {}", "batch_size")
    parts: list[str | pl.Expr] = ["model_name", gpu(rows.columns), "task", "engine", batch, "prompt_set", RANDOM, protocol, "source"]
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


def newest_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Our own runs first, then one prompt at a time, then most prompts, then the newest."""
    newest = -pl.col("started_at").dt.epoch()
    first = (pl.col("origin"), pl.col("batch_size") != 1, -pl.col("prompts").cast(pl.Int64), newest)
    return rows.sort(*first, nulls_last=True, maintain_order=True)


def labelled(rows: pl.DataFrame, needs: str = "energy_per_token_j") -> pl.DataFrame:
    """Adds `label`. Only results that have the number; our own runs first, then one prompt at a time, then most prompts."""
    return with_label(newest_first(rows.filter(pl.col(needs) > 0)))


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


def title_of(name: str) -> str:
    """What a column is called."""
    return NUMBERS[name].title if name in NUMBERS else (LABELS | PERCENTILES).get(name, (spelled(name), ""))[0]


def spelled(name: str) -> str:
    """The name of a column in words, its unit behind it: `power_limit_w` is "Power limit (W)"."""
    unit = UNIT_OF_NAME.search(name)
    words = " ".join(SPELLED.get(word, word) for word in UNIT_OF_NAME.sub("", name, count=1).replace("_", " ").split(" "))
    return f"{words[:1].upper()}{words[1:]}" + (f" ({UNITS[unit[1]]})" if unit else "")
