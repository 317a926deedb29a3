"""Runs of `vllm bench serve` without `--save-detailed`, and of `vllm bench sweep serve` → `published`.

Means over the answered requests, in ms and tokens. vLLM measures no energy. The files of a sweep (`run=N.json`, `summary.json` and
`summary.csv`) hold the same runs: each counts once.
"""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts
from prompt_joules.ingest.formats.fields import Fields, at, at_rate, first_of, first_text, mean, number, spread, taken
from prompt_joules.ingest.formats.figures import each_run, format_of
from prompt_joules.ingest.formats.foreign import count_of
from prompt_joules.ingest.formats.vllm_bench import LISTS

KEYS = {"model_id", "num_prompts", "completed", "duration", "total_output_tokens"}
WARM_UP = -1
FIELDS: Fields = {
    "published_model_id": at("model_id"),
    "throughput_tps": (at("output_throughput", unit="tokens/s"), mean("total_output_tokens", "duration")),
    "output_tokens": mean("total_output_tokens", "completed"),
    "input_tokens": mean("total_input_tokens", "completed"),
    "latency_s": at("mean_e2el_ms", unit="ms"),
    "ttft_s": at("mean_ttft_ms", unit="ms"),
    "tpot_s": at("mean_tpot_ms", unit="ms"),
    "itl_p50_s": at("median_itl_ms", unit="ms"),
    "itl_p99_s": at("p99_itl_ms", unit="ms"),
}


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of one run, or why it is none."""
    answered = count_of(number(run["completed"]))
    if not isinstance(run["model_id"], str):
        return "names no model"
    if run.keys() >= set(LISTS):
        return "holds its requests, which are read out of the run's own file (run=N.json)"
    if not answered:
        return "has no answered request"
    concurrency = count_of(number(run.get("max_concurrency"))) or None
    return taken(FIELDS, run) | {
        "source": "vLLM",
        "generation": "vllm",
        "gpu_model": first_text(run, "gpu_model", "gpu") or "unknown",
        "parallelism": spread(first_of(run, "tensor_parallel_size", "tp")),
        "task": "vllm-bench",
        "engine": first_of(run, "backend", "endpoint_type") or "vllm",
        "batch_size": concurrency,
        "concurrency": concurrency,
        "prompts": answered,
        "harness_version": f"vllm-bench-serve{at_rate(run.get('request_rate'))}",
    }


def _recognises(content: Content) -> bool:
    if content.kind == "table":
        return set(content.header) >= KEYS
    return content.keys >= KEYS and content.first.get("run_number") != WARM_UP


FORMAT = format_of(
    Facts(
        "vllm-bench-runs",
        "vllm bench serve without --save-detailed, and vllm bench sweep serve: means of runs",
        "0.22.1 (real files), 0.6 to 0.26 and sweep of 2026 (structure from its source)",
    ),
    recognises=_recognises,
    read=each_run(figure_of, KEYS),
)
