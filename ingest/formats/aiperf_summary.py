"""Summaries of AIPerf (`profile_export_aiperf.json`) and of genai-perf, which came before it (`…_genai_perf.json`) → `published`.

A summary becomes a figure when it says something that no request does: the energy that `--gpu-telemetry` measured, or
when the requests are not beside it. Energy is that of all GPUs over the run, by the counter of DCGM or else mean power ×
time, over the answered requests; AIPerf says which GPUs, and the figure says which way.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prompt_joules.ingest.formats import aiperf
from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import first_text, in_base
from prompt_joules.ingest.formats.figures import Run, format_of
from prompt_joules.ingest.formats.foreign import count_of, dug, is_number
from prompt_joules.ingest.front.content import beside

VENDORS = ("nvidia", "amd")
COUNTER = "energy_consumption"


def gpus_of(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The GPUs whose telemetry was read."""
    endpoints = dug(summary, "telemetry_data", "endpoints")
    found = [dug(endpoint, "gpus") for endpoint in endpoints.values()] if isinstance(endpoints, dict) else []
    return [gpu for gpus in found if isinstance(gpus, dict) for gpu in gpus.values() if isinstance(gpu, dict)]


def energy_of(summary: Mapping[str, Any], what: str) -> Any:
    """A sum over the vendors of what telemetry measured, in base units; None when it did not."""
    values = [in_base(summary.get(f"{vendor}_{what}")) for vendor in VENDORS]
    known = [value for value in values if value is not None]
    return sum(known) if known and all(is_number(value) for value in known) else next(iter(known), None)


def has_counter(gpu: Mapping[str, Any]) -> bool:
    """Whether the counter of a GPU was read."""
    metrics = gpu.get("metrics")
    return isinstance(metrics, dict) and any(COUNTER in name for name in metrics)


def problem_of(gpus: Sequence[Mapping[str, Any]]) -> str | None:
    """Why an energy is not that of these GPUs. AIPerf adds up the counters that it read, by vendor, and does not compare its endpoints."""
    vendors = {str(gpu.get("platform")) for gpu in gpus}
    if any(len({has_counter(gpu) for gpu in gpus if str(gpu.get("platform")) == vendor}) > 1 for vendor in vendors):
        return "gives the energy of some of its GPUs alone: AIPerf leaves out those whose energy counter it did not read"
    known = [(str(gpu.get("hostname")), str(gpu["gpu_uuid"])) for gpu in gpus if gpu.get("gpu_uuid")]
    if len(set(known)) < len(known):
        return "counts the energy of a GPU more than once: several endpoints of its telemetry report the same one"
    return None


def method_of(gpus: Sequence[Mapping[str, Any]]) -> str:
    """How the energy came about: each GPU's own counter, or its mean power over the time."""
    return "energy counters" if gpus and all(map(has_counter, gpus)) else "mean power × time"


def figure_of(summary: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The row of `figures.csv` that an AIPerf summary stands for."""
    gpus, energy = gpus_of(summary), energy_of(summary, "energy_per_request")
    names = sorted({str(gpu["gpu_name"]) for gpu in gpus if gpu.get("gpu_name")})
    load = aiperf.load_of(summary)
    method = f", {method_of(gpus)}" if energy is not None else ""
    concurrency = [count for name, count in load.concurrency.items() if name != "warmup"]
    return times_of(summary) | {
        "source": "AIPerf",
        "generation": "aiperf",
        "published_model_id": model,
        "gpu_model": " + ".join(names) or "unknown",
        "num_gpus": len(gpus),
        "task": "aiperf",
        "engine": aiperf.engine_of(summary),
        "concurrency": concurrency[0] if len(concurrency) == 1 else None,
        "batch_size": concurrency[0] if len(concurrency) == 1 else None,
        "energy_j": energy,
        "energy_per_token_j": energy_of(summary, "energy_per_output_token"),
        "power_w": energy_of(summary, "average_gpu_power"),
        "harness_version": f"{aiperf.version_of(summary)}{method}",
    }


def times_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that AIPerf and genai-perf write alike: means over the answered requests.

    A prompt is as long as the server counted, with the template. J/token and throughput are over AIPerf's own count of the answers, which
    therefore stays.
    """
    prompt = in_base(summary.get("usage_prompt_tokens"))
    return {
        "prompts": count_of(in_base(summary.get("request_count"))),
        "throughput_tps": in_base(summary.get("output_token_throughput")),
        "output_tokens": in_base(summary.get("output_sequence_length")),
        "input_tokens": in_base(summary.get("input_sequence_length")) if prompt is None else prompt,
        "latency_s": in_base(summary.get("request_latency")),
        "ttft_s": in_base(summary.get("time_to_first_token")),
        "tpot_s": in_base(summary.get("inter_token_latency")),
    }


def requests_beside(path: Path) -> bool:
    """Whether the requests of a summary lie beside it."""
    stem = path.name.split(".json")[0]
    names = {stem, stem.removesuffix("_aiperf"), "profile_export"} if stem.endswith("_aiperf") else {stem}
    return any(beside(path.with_name(f"{name}.jsonl")).exists() for name in names)


def _is_summary(content: Content) -> bool:
    if content.kind != "document" or "input_config" not in content.keys:
        return False
    return bool({"aiperf_version", "request_latency"} & content.keys) and aiperf.model_of(content.json) is not None


def _read(source: Source, content: Content) -> list[Run]:
    summary = content.json
    model = aiperf.model_of(summary) if isinstance(summary, dict) else None
    if model is None:
        raise Unreadable("is no AIPerf summary that names a model")
    figure = figure_of(summary, model)
    problem = None if figure["energy_j"] is None else problem_of(gpus_of(summary))
    if problem is not None:
        return [(1, problem)]
    # A summary without energy says nothing that the requests beside it do not say.
    return [] if figure["energy_j"] is None and requests_beside(source.path) else [(1, figure)]


FORMAT = format_of(
    Facts(
        "aiperf-summary",
        "AIPerf profile_export_aiperf.json: energy by --gpu-telemetry, and the facts of the requests beside it",
        "0.5.0 and 0.13.0 (real files), 0.2 and 0.8 (structure from its source)",
    ),
    recognises=_is_summary,
    read=_read,
    may_be_empty=True,
)


def _genai_model(content: Any) -> str | None:
    """The model of a genai-perf summary; its older versions wrote their arguments flat."""
    places = ("model_names", "model_names.0", "model", "model.0")
    return first_text(content, *(f"input_config.{place}" for place in places))


def genai_figure_of(content: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The row of `figures.csv` that a genai-perf summary stands for. Its telemetry is that of counters, not of the run: no energy."""
    stimulus = dug(content, "input_config", "perf_analyzer", "stimulus", "concurrency")
    said = stimulus if stimulus is not None else dug(content, "input_config", "concurrency")
    concurrency = int(said) if isinstance(said, int | str) and len(str(said)) < 10 and str(said).isdecimal() else None
    endpoint = dug(content, "input_config", "endpoint", "type") or dug(content, "input_config", "endpoint_type")
    return times_of(content) | {
        "source": "genai-perf",
        "generation": "genai-perf",
        "published_model_id": model,
        "task": "genai-perf",
        "engine": f"openai-{endpoint or 'unknown'}",
        "concurrency": concurrency,
        "batch_size": concurrency,
        "harness_version": "genai-perf",
    }


def _is_genai(content: Content) -> bool:
    return content.kind == "document" and content.keys >= {"input_config", "request_latency"} and _genai_model(content.json) is not None


def _read_genai(_: Source, content: Content) -> list[Run]:
    model = _genai_model(content.json)
    if model is None:
        raise Unreadable("is no genai-perf summary that names a model")
    return [(1, genai_figure_of(content.json, model))]


GENAI = format_of(
    Facts("genai-perf", "genai-perf profile_export_genai_perf.json: means of a run", "0.0.16 (structure from its source)"),
    recognises=_is_genai,
    read=_read_genai,
)
