"""Runs of `vllm bench serve` without `--save-detailed`, and of `vllm bench sweep serve` → `published`.

Means over the answered requests, in ms and tokens. vLLM measures no energy. The files of a sweep (`run=N.json`, `summary.json` and
`summary.csv`) hold the same runs: each counts once.
"""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content
from prompt_joules.ingest.formats.figures import each_run, first_of, format_of, measured, number, share
from prompt_joules.ingest.formats.foreign import count_of, is_number
from prompt_joules.ingest.formats.vllm_bench import LISTS, gpu_of

KEYS = {"model_id", "num_prompts", "completed", "duration", "total_output_tokens"}
MS = 1e-3
WARM_UP = -1


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of one run, or why it is none."""
    if not isinstance(run["model_id"], str):
        return "names no model"
    if run.keys() >= set(LISTS):
        return "holds its requests, which are read out of the run's own file (run=N.json)"
    answered = count_of(number(run["completed"]))
    if not answered:
        return "has no answered request"
    rate = number(run.get("request_rate"))
    concurrency = count_of(number(run.get("max_concurrency"))) or None
    throughput = measured(run.get("output_throughput"))
    return {
        "source": "vLLM",
        "generation": "vllm",
        "published_model_id": run["model_id"],
        **({"gpu_model": gpu} if (gpu := gpu_of(run)) else {}),
        "parallelism": parallelism_of(run),
        "task": "vllm-bench",
        "engine": first_of(run, "backend", "endpoint_type") or "vllm",
        "batch_size": concurrency,
        "concurrency": concurrency,
        "prompts": answered,
        "throughput_tps": share(run["total_output_tokens"], run["duration"]) if throughput is None else throughput,
        "output_tokens": share(run["total_output_tokens"], answered),
        "input_tokens": share(run.get("total_input_tokens"), answered),
        "latency_s": measured(run.get("mean_e2el_ms"), MS),
        "ttft_s": measured(run.get("mean_ttft_ms"), MS),
        "tpot_s": measured(run.get("mean_tpot_ms"), MS),
        "itl_p50_s": measured(run.get("median_itl_ms"), MS),
        "itl_p99_s": measured(run.get("p99_itl_ms"), MS),
        "harness_version": f"vllm-bench-serve{f', {rate:g} requests/s' if is_number(rate) and rate < 1e9 else ''}",
    }


def parallelism_of(run: Mapping[str, Any]) -> str | None:
    """How the model was spread, where a sweep or `--metadata` says it."""
    said = first_of(run, "tensor_parallel_size", "tp")
    count = number(said)
    return f"tp{count:g}" if is_number(count) else None


def _recognises(content: Content) -> bool:
    if content.kind == "table":
        return set(content.header) >= KEYS
    return content.keys >= KEYS and content.first.get("run_number") != WARM_UP


FORMAT = format_of(
    name="vllm-bench-runs",
    meaning="vllm bench serve without --save-detailed, and vllm bench sweep serve: means of runs",
    tried="0.22.1 (real files), 0.6 to 0.26 and sweep of 2026 (structure from its source)",
    recognises=_recognises,
    read=each_run(figure_of, KEYS),
)
