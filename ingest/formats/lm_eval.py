"""lm-eval: `results_*.json` → `quality`, one row per task, metric and filter; 0.4, and 0.3, which knew no filters.

Shares are stored as percent (`scales.py`). A run on part of a task says so in its source, because it is not comparable.
An adapter, a revision or a quantisation makes another model: it is part of the model's name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats import scales
from prompt_joules.ingest.formats.base import Content, Facts, Format, Unreadable
from prompt_joules.ingest.formats.fields import first_text
from prompt_joules.ingest.formats.foreign import dug, is_number
from prompt_joules.ingest.formats.published import each_result

KEYS = {"results", "versions", "config"}
# Arguments that add weights to the model (adapters), and those that quantise it.
ADDED = ("peft", "delta", "lora_local_path")
COARSER = ("load_in_8bit", "load_in_4bit", "gptq", "autogptq", "gptqmodel", "quantization", "gguf_file")


def scores_of(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of `quality.csv` that a results file stands for."""
    model = model_of(content)
    for task, scores in content["results"].items():
        if not isinstance(scores, dict):
            continue
        for key, score in scores.items():
            metric, comma, filtered = key.partition(",")
            old = not comma and "lm_eval_version" not in content and isinstance(score, int | float) and not isinstance(score, bool)
            if metric.endswith("_stderr") or not (comma or old) or not scales.was_run(task, metric, score):
                continue
            name, value, stderr = scales.scaled(task, metric, score, scores.get(f"{metric}_stderr{comma}{filtered}"))
            yield {
                "published_model_id": model,
                "benchmark": task,
                "metric": name if filtered in ("none", "") else f"{name} ({filtered})",
                "score": value,
                "stderr": stderr,
                "fewshot": _fewshot(content, task),
                "version": dug(content, "versions", task),
                "source": _source(content, task),
            }


def model_of(content: Mapping[str, Any]) -> str:
    """The model's name, with the adapters and the quantisation that make it another model. Raises Unreadable when the result names none."""
    arguments = _arguments(dug(content, "config", "model_args"))
    model = first_text({**content, "by": arguments}, "by.pretrained", "by.model", "model_name", "by.path")
    if model is None:
        raise Unreadable("is an lm-eval result that names no model")
    revision = arguments.get("revision")
    at = f"@{revision}" if revision not in (None, "", "main") else ""
    added = "".join(f" + {arguments[key]}" for key in ADDED if arguments.get(key))
    coarser = [key if str(arguments[key]).lower() == "true" else f"{key} {arguments[key]}" for key in COARSER if _is_on(arguments.get(key))]
    return f"{model}{at}{added}" + (f" ({', '.join(coarser)})" if coarser else "")


def _is_on(value: Any) -> bool:
    return value is not None and str(value).lower() not in ("", "false", "none")


def _arguments(said: Any) -> Mapping[str, Any]:
    """The arguments of the model, which lm-eval writes as one text or as an object."""
    if isinstance(said, str):
        return {key.strip(): value.strip() for key, equals, value in (part.partition("=") for part in said.split(",")) if equals}
    return said if isinstance(said, dict) else {}


def _fewshot(content: Mapping[str, Any], task: str) -> Any:
    own = dug(content, "n-shot", task)
    return own if own is not None else dug(content, "config", "num_fewshot")


def _source(content: Mapping[str, Any], task: str) -> str:
    """The tool, and which part of the task was run. The configuration names `--limit` alone; of `--samples` the counts tell."""
    limit = dug(content, "config", "limit")
    version = content.get("lm_eval_version")
    name = f"lm-eval {version}" if isinstance(version, str) else "lm-eval"
    if limit is not None:
        return f"{name}, limit {limit}"
    parts = _parts(content)
    if task in parts:
        return f"{name}, {parts[task]} samples"
    # What has no counts is a group of tasks.
    return f"{name}, part of the samples" if parts and dug(content, "n-samples", task) is None else name


def _parts(content: Mapping[str, Any]) -> dict[str, str]:
    """The tasks of which only some samples were run: how many of how many."""
    counts = content.get("n-samples")
    known = {task: (dug(count, "effective"), dug(count, "original")) for task, count in counts.items()} if isinstance(counts, dict) else {}
    return {task: f"{run} of {there}" for task, (run, there) in known.items() if is_number(run) and is_number(there) and run < there}


def _recognises(content: Content) -> bool:
    return content.kind == "document" and content.keys >= KEYS and not content.keys & {"config_general", "config_tasks"}


FORMAT = Format(
    Facts("lm-eval", "lm-eval results_*.json: benchmark scores", "0.4.13 (real files), 0.4.5 and 0.3 (structure)"),
    into="quality",
    recognises=_recognises,
    load=each_result(scores_of, "lm-eval"),
)
