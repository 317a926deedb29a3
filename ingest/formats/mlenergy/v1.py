"""ML.ENERGY Leaderboard v1 (2023): `<GPU>_<task>_benchmark.csv`, `score.csv` and `models.json`.

Each figure is a mean over the same 2,978 ShareGPT prompts: every published response length times 2,978 is a whole
number. Energy per token is therefore mean energy over mean length, exactly. `throughput` is the mean of each prompt's
ratio, not total tokens over total time, and is kept as published. GPU and task stand only in the file's name.
"""

import re

import duckdb
import polars as pl

from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Source, Unreadable, content_of, finite, one_by_one
from prompt_joules.ingest.formats.published import PUBLISHED, name_models, of_table
from prompt_joules.ingest.formats.published import SCORES as QUALITY
from prompt_joules.ingest.front.table import LINE

SOURCE = "ML.ENERGY v1"
LICENCE = "Apache-2.0 repository; research preview, non-commercial"
URL = "https://github.com/ml-energy/leaderboard"
# What all figures of the tables have alike.
ALIKE = {
    **{"source": SOURCE, "generation": "v1", "harness_version": "mlenergy-v1", "licence": LICENCE, "url": URL},
    **{"engine": "transformers-eager", "dtype": "float16", "num_gpus": "1", "batch_size": "1", "concurrency": "1", "prompts": "2978"},
}
FIGURES = {
    "model": "published_model_id",
    "throughput": "throughput_tps",
    "response_length": "output_tokens",
    "latency": "latency_s",
    "energy": "energy_j",
}
BENCHMARK_HEADER = tuple(FIGURES)
SCORE_HEADER = ("model", "arc", "hellaswag", "truthfulqa")
FILE_NAME = re.compile(r"(?P<gpu>[^_]+)_(?P<task>.+)_benchmark\.csv(?:\.gz|\.zst)?")
LARGEST_MODELS = 1024 * 1024
MODEL_KEYS = {"url", "nickname", "params"}


def figures_of(source: Source, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows of one benchmark table in the columns of `figures.csv`; cells stay text. Raises Unreadable."""
    match = FILE_NAME.fullmatch(source.path.name)
    if match is None:
        raise Unreadable("is a v1 table whose name does not say the GPU and the task (<GPU>_<task>_benchmark.csv)")
    said = ALIKE | {"gpu_model": match["gpu"], "task": match["task"]}
    return cells.rename(FIGURES).with_columns(pl.lit(value).alias(name) for name, value in said.items())


def quality_of(_: Source, cells: pl.DataFrame) -> pl.DataFrame:
    """The rows of score.csv in the columns of `quality.csv`: three a model, in the file's order; cells stay text."""
    long = cells.unpivot(index=[LINE, "model"], on=list(SCORE_HEADER[1:]), variable_name="benchmark", value_name="score")
    return long.sort(LINE, maintain_order=True).select(
        LINE, pl.col("model").alias("published_model_id"), "benchmark", "score", pl.lit(SOURCE).alias("source")
    )


def _is_models(content: Content) -> bool:
    """An object of objects, each with the keys of a model; only a small one is looked into."""
    looked = bool(content.keys) and not content.is_list and content.size < LARGEST_MODELS
    models = content.json if looked else None
    return isinstance(models, dict) and all(isinstance(model, dict) and model.keys() >= MODEL_KEYS for model in models.values())


def _load_models(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    """Names, links and sizes of models that the reviewed `warehouse/models.csv` does not know."""
    content = content_of(source).json
    try:
        sizes = {key: finite(model["params"]) for key, model in content.items()}
        rows = [(key, key.split("/")[-1], content[key]["url"], size, size) for key, size in sizes.items()]
    except (TypeError, ValueError, AttributeError) as error:
        raise Unreadable("is not a v1 models.json: `params` must be a number") from error
    return name_models(connection, source, rows)


BENCHMARK = Format(
    Facts("mlenergy-v1", "ML.ENERGY v1 <GPU>_<task>_benchmark.csv", "the tables of 2023 (real files)"),
    into="published",
    recognises=lambda content: content.header == BENCHMARK_HEADER,
    load=of_table(BENCHMARK_HEADER, PUBLISHED, figures_of),
)
SCORES = Format(
    Facts("mlenergy-v1-scores", "ML.ENERGY v1 score.csv", "the tables of 2023 (real files)"),
    into="quality",
    recognises=lambda content: content.header == SCORE_HEADER,
    load=of_table(SCORE_HEADER, QUALITY, quality_of),
)
MODELS = Format(
    Facts("mlenergy-v1-models", "ML.ENERGY v1 and v2 models.json", "the tables of 2023 (real files)"),
    recognises=_is_models,
    load=one_by_one(_load_models),
)
