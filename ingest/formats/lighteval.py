"""lighteval: `results_*.json` → `quality`, one row per task and metric. Shares become percent (`scales.py`).

The mean over all tasks (`all`) mixes metrics and is dropped; the mean of a group (`mmlu:_average`) stays, without its standard error, which
lighteval takes as the mean of the parts'. A run on part of a task says so in its source. A revision or an adapter makes another model.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats import scales
from prompt_joules.ingest.formats.base import Facts, Format, Unreadable
from prompt_joules.ingest.formats.fields import first_text
from prompt_joules.ingest.formats.foreign import dug
from prompt_joules.ingest.formats.published import each_result

KEYS = {"config_general", "results", "versions"}
AVERAGE = ":_average"


def model_of(content: Mapping[str, Any]) -> str:
    """The model's name, with what makes it another one. Raises Unreadable when the result names none."""
    general, config = content.get("config_general"), dug(content, "config_general", "model_config")
    model = first_text(general, "model_name", "model_config.model_name", "model_config.pretrained")
    if model is None:
        raise Unreadable("is a lighteval result that names no model")
    revision, adapter = dug(config, "revision"), dug(config, "adapter_weights") or dug(config, "delta_weights")
    at = f"@{revision}" if isinstance(revision, str) and revision not in ("", "main") else ""
    base = dug(config, "base_model")
    added = f" on {base}" if adapter is True and isinstance(base, str) else ""
    return f"{model}{at}{added}"


def task_of(name: str) -> tuple[str, str | None]:
    """The task and the number of shots in "suite|task|shots|0", "suite|task|shots" or "task|shots"."""
    parts = name.split("|")
    if len(parts) > 2:
        parts = parts[1:]
    return parts[0], parts[1] if len(parts) > 1 and parts[1].isdecimal() else None


def scores_of(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of `quality.csv` that a result stands for."""
    model, source = model_of(content), source_of(content)
    for name, scores in content["results"].items():
        if name == "all" or not isinstance(scores, dict):
            continue
        task, fewshot = task_of(name)
        for metric, score in scores.items():
            if metric.endswith("_stderr"):
                continue
            stderr = None if task.endswith(AVERAGE) else scores.get(f"{metric}_stderr")
            said, value, error = scales.scaled(task, metric, score, stderr)
            yield {
                "published_model_id": model,
                "benchmark": task,
                "metric": said,
                "score": value,
                "stderr": error,
                "fewshot": fewshot,
                "version": _version(content, name),
                "source": source,
            }


def _version(content: Mapping[str, Any], name: str) -> Any:
    """The version of a task; since 0.13 in its configuration alone."""
    listed = dug(content, "versions", name)
    return dug(content, "config_tasks", name, "version") if listed is None else listed


def source_of(content: Mapping[str, Any]) -> str:
    """The tool, with the commit where it was known, and how many samples of a task were taken when not all were."""
    sha, most = (dug(content, "config_general", key) for key in ("lighteval_sha", "max_samples"))
    name = f"lighteval {sha[:10]}" if isinstance(sha, str) and sha not in ("", "?") else "lighteval"
    return name if most is None else f"{name}, limit {most}"


FORMAT = Format(
    Facts("lighteval", "lighteval results_*.json: benchmark scores", "0.11 and 0.13 (real files), 0.6 (structure from its source)"),
    into="quality",
    recognises=lambda content: content.kind == "document" and content.keys >= KEYS,
    load=each_result(scores_of, "lighteval"),
)
