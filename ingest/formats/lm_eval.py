"""lm-eval: `results_*.json` → `quality`, one row per task, metric and filter.

A share (acc, exact_match, …) is stored as percent; a metric that is no share (perplexity, bits per byte, BLEU, …) in its
own unit. A run on part of a task says so in its source, because it is not comparable.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Content, Format, Loaded, Reject, Source, Unreadable, content_of
from prompt_joules.ingest.formats.foreign import dug, is_number
from prompt_joules.ingest.formats.published import QUALITY_SCHEMA, cells_of, store_quality

KEYS = {"results", "configs", "versions", "n-shot"}
# Metrics of lm-eval that are no share of one, by the beginning of their names.
NO_SHARE = (
    "perplexity",
    "word_perplexity",
    "byte_perplexity",
    "bits_per_byte",
    "bleu",
    "chrf",
    "ter",
    "rouge",
    "likelihood",
    "loglikelihood",
)


def scores_of(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of `quality.csv` that a results file stands for."""
    model, source = _model(content), _source(content)
    for task, scores in content["results"].items():
        if not isinstance(scores, dict):
            continue
        for key, score in scores.items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            factor = 1 if metric.startswith(NO_SHARE) else 100
            stderr: Any = scores.get(f"{metric}_stderr,{filtered}")
            yield {
                "published_model_id": model,
                "benchmark": task,
                "metric": metric if filtered in ("none", "") else f"{metric} ({filtered})",
                "score": score * factor if is_number(score) else score,
                "stderr": stderr * factor if is_number(stderr) else None,
                "fewshot": dug(content, "n-shot", task),
                "version": dug(content, "versions", task),
                "source": source,
            }


def _model(content: Mapping[str, Any]) -> str:
    """The model's name: from the arguments, else as lm-eval calls it. Raises Unreadable."""
    named = [dug(content, "config", "model_args", "pretrained"), dug(content, "config", "model_args", "model"), content.get("model_name")]
    model = next((name for name in named if isinstance(name, str) and name), None)
    if model is None:
        raise Unreadable("is an lm-eval result that names no model")
    return model


def _source(content: Mapping[str, Any]) -> str:
    limit = dug(content, "config", "limit")
    version = content.get("lm_eval_version")
    name = f"lm-eval {version}" if isinstance(version, str) else "lm-eval"
    return name if limit is None else f"{name}, limit {limit}"


def _recognises(content: Content) -> bool:
    return content.kind == "document" and content.keys >= KEYS


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded = []
    for source in sources:
        content = content_of(source).json
        if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
            raise Unreadable("is not a whole lm-eval result")
        rows = list(scores_of(content))
        empty = [] if rows else [Reject(None, "results", "holds no score")]
        loaded.append(store_quality(connection, source, cells_of(rows, list(QUALITY_SCHEMA)), empty))
    return loaded


FORMAT = Format(
    name="lm-eval",
    meaning="lm-eval results_*.json: benchmark scores",
    recognises=_recognises,
    load=_load,
    into="quality",
)
