"""What results and columns are called. A result has a full name that no other has, and a short one without what all share."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure.headings import LABELS
from prompt_joules.warehouse import called
from prompt_joules.warehouse.called import ENGINES, PROMPT_SETS, VARIANTS
from prompt_joules.warehouse.energy_shown import NUMBERS

UNIT_OF_NAME = re.compile(r"_(j|w|s|c|mhz)(?=_|$)")
SPELLED = {"gpu": "GPU", "gpus": "GPU", "cpu": "CPU", "cpus": "CPUs", "gguf": "GGUF", "ecc": "ECC", "sm": "SM", "itl": "ITL"}
SPELLED |= {"sha256": "SHA-256"}
UNITS = {"j": "J", "w": "W", "s": "s", "c": "°C", "mhz": "MHz"}
# Engines that are servers: a run of one is measured as one window.
SERVERS = ("vllm", "sglang", "openai", "llama.cpp", "transformers serve", "server with OpenAI API")
# What marks a model whose weights are random.
RANDOM = pl.when(pl.col("weights") == "dummy").then(pl.lit("random weights"))
BATCH, PROTOCOL = pl.format("batch {}", "batch_size"), pl.format("protocol {}", "harness_version")
PROTOCOL_OF_OURS = pl.when(pl.col("source") == "Prompt Joules").then(PROTOCOL)
# The number format of the weights as people write it, like the macro `precision_label`; null where the source does not say.
PRECISIONS = {"float32": "FP32", "float16": "FP16", "bfloat16": "BF16", "float8": "FP8"}


def precision(column: str) -> pl.Expr:
    """A number format as people write it.

    Args:
        column: its name; as in a file, e.g. "bfloat16" or "fp8".
    """
    return pl.col(column).cast(pl.String).str.to_lowercase().replace(PRECISIONS).str.to_uppercase()


def engine(column: str = "engine") -> pl.Expr:
    """An engine as people call it: `transformers-compiled:searched` is "Compiled (searched)".

    Args:
        column: its name; other texts in it stay as they are.
    """
    told = pl.col(column).cast(pl.String)  # a column of one row without a name has no type
    named = told.replace(ENGINES)
    for prefix, name in VARIANTS.items():
        variant = pl.format("{} ({})", pl.lit(name), told.str.strip_prefix(prefix))
        named = pl.when(told.str.starts_with(prefix)).then(variant).otherwise(named)
    return named.alias(column)


def prompt_set(column: str = "prompt_set") -> pl.Expr:
    """A prompt set as people call it."""
    return pl.col(column).cast(pl.String).replace(PROMPT_SETS)  # as in `engine`


def prompts_of() -> pl.Expr:
    """What a setup of a prompt set is called: "built-in prompts", "prompts of mmlu"."""
    known = pl.col("prompt_set").cast(pl.String).replace_strict(PROMPT_SETS, default=None, return_dtype=pl.String)
    return pl.coalesce(known, pl.format("prompts of {}", "prompt_set"))


def in_words(name: str) -> str:
    """A name of parts, with engines and prompt sets as people call them."""
    sets = PROMPT_SETS | {f"prompts of {name}": said for name, said in PROMPT_SETS.items()}
    return " · ".join(called.engine(part) if part.startswith(tuple(ENGINES)) else sets.get(part, part) for part in name.split(" · "))


def gpu(columns: Collection[str]) -> pl.Expr:
    """A GPU in full, e.g. "2×B200 · FP8"; "CPU" where there is none.

    Args:
        columns: of the rows: `gpu_model`, and where they are known `num_gpus` and `dtype`.
    """
    name = pl.col("gpu_model").fill_null("CPU")
    if "num_gpus" in columns:
        name = pl.when(pl.col("num_gpus") > 1).then(pl.format("{}×{}", "num_gpus", name)).otherwise(name)
    return joined(name, precision("dtype")) if "dtype" in columns else name


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
    return numbered(with_setup(rows))


def joined(*parts: str | pl.Expr) -> pl.Expr:
    """A name, `label`: those of its parts that are known, with " · " between them."""
    return pl.concat_str(parts, separator=" · ", ignore_nulls=True).alias("label")


def with_setup(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `label`: everything that names a result; runs and answers of one setup have one name."""
    return rows.with_columns(
        joined("model_name", gpu(rows.columns), "task", engine(), BATCH, prompt_set(), RANDOM, PROTOCOL_OF_OURS, "source")
    )


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
    """Our own runs first, those of protocol 1.x behind later ones, then one prompt at a time, then most prompts, then the newest."""
    newest = -pl.col("started_at").dt.epoch()
    early = (pl.col("source") == "Prompt Joules") & pl.col("harness_version").str.starts_with("1.")
    first = (pl.col("origin"), early, pl.col("batch_size") != 1, -pl.col("prompts").cast(pl.Int64), newest)
    return rows.sort(*first, nulls_last=True, maintain_order=True)


def shared(names: Iterable[str]) -> set[str]:
    """The parts that all of several names have."""
    parts = [set(name.split(" · ")) for name in names]
    return set.intersection(*parts) if len(parts) > 1 else set()


def short(names: Iterable[str]) -> dict[str, str]:
    """Names without the parts that all of them share; a name that would be empty, or is the only one, stays whole."""
    names = list(names)
    alike = shared(names)
    return {name: in_words(" · ".join(part for part in name.split(" · ") if part not in alike) or name) for name in names}


def alike(names: Iterable[str]) -> str:
    """What several names share, in the order of the first."""
    names = list(names)
    found = shared(names)
    return in_words(" · ".join(part for part in names[0].split(" · ") if part in found)) if names else ""


def with_short_names(rows: pl.DataFrame, names: Mapping[str, str], column: str = "series") -> pl.DataFrame:
    """Adds `shown_as`, the short names of a column."""
    return rows.with_columns(pl.col(column).replace_strict(names, return_dtype=pl.String).alias("shown_as"))


def in_short(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `shown_as`, the short names of `label`."""
    return with_short_names(rows, short(rows["label"]), "label")


def title_of(name: str) -> str:
    """What a column is called."""
    return NUMBERS[name].title if name in NUMBERS else LABELS.get(name, (spelled(name), ""))[0]


def spelled(name: str) -> str:
    """The name of a column in words, its unit behind it: `power_limit_w` is "Power limit (W)"."""
    unit = UNIT_OF_NAME.search(name)
    words = " ".join(SPELLED.get(word, word) for word in UNIT_OF_NAME.sub("", name, count=1).replace("_", " ").split(" "))
    return f"{words[:1].upper()}{words[1:]}" + (f" ({UNITS[unit[1]]})" if unit else "")
