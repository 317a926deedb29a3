"""optimum-benchmark: `benchmark_report.json` with `benchmark_config.json` beside it, or `benchmark.json`, which holds both.

It measures calls of a whole batch: kWh by CodeCarbon and seconds, for prefill and for decode. A response's energy is the
GPU's part of both over the batch. A report without energy becomes a figure of time alone.

Its scenario `energy_star`, with which the AI Energy Score measures, writes kWh and s of all samples of a data set together.
"""

import math
from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import FACTORS, positive
from prompt_joules.ingest.formats.figures import Run, format_of
from prompt_joules.ingest.formats.foreign import companion, dug, is_number

# Scenarios whose figures are of all samples, not of a call.
OF_ALL = ("energy_star", "energy-star")
# Tokens that it asks for where its user says nothing, at most and at least.
USUAL_TOKENS = 100
PARTS = ("prefill", "decode")
SIDES = ("memory", "latency", "throughput", "energy")


def figure_of(report: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `figures.csv` that one report stands for. Raises Unreadable when the config names no model, no batch or no samples."""
    model = dug(config, "backend", "model")
    batch = positive(dug(config, "scenario", "input_shapes", "batch_size"))
    if not isinstance(model, str) or batch is None:
        raise Unreadable("names no backend.model or no scenario.input_shapes.batch_size in its configuration")
    samples = samples_of(config)
    calls = 1 if samples is None else math.ceil(samples / batch)
    kwh = [dug(report, part, "energy", "gpu") for part in PARTS]
    prefill, decode = (_mean_latency(report, part) for part in PARTS)
    gpu, count = gpus_of(config)
    version = dug(config, "environment", "optimum_benchmark_version")
    tokens = tokens_of(config)
    return {
        "source": "optimum-benchmark",
        "generation": "optimum-benchmark",
        "published_model_id": model,
        "gpu_model": gpu,
        "num_gpus": count,
        "task": task_of(config),
        "engine": _engine(config),
        "dtype": weights_of(config),
        "batch_size": batch,
        "concurrency": 1,
        "prompts": samples,
        "energy_j": sum(kwh) * FACTORS["kWh"] / (samples or batch) if count and all(is_number(value) for value in kwh) else None,
        "throughput_tps": dug(report, "decode", "throughput", "value") if tokens is not None else None,
        "output_tokens": tokens,
        "input_tokens": dug(config, "scenario", "input_shapes", "sequence_length"),
        "latency_s": (prefill + decode) / calls if prefill is not None and decode is not None else None,
        "ttft_s": prefill / calls if prefill is not None else None,
        "harness_version": f"optimum-benchmark-{version or 'unknown'}",
    }


def samples_of(config: Mapping[str, Any]) -> int | None:
    """How many samples the figures cover; None for figures of one call. Raises Unreadable when it is not said."""
    if dug(config, "scenario", "name") not in OF_ALL:
        return None
    samples = positive(dug(config, "scenario", "num_samples"))
    if samples is None:
        raise Unreadable("names no number of samples (scenario.num_samples), of all of which its energy is")
    return samples


def tokens_of(config: Mapping[str, Any]) -> Any:
    """The length of a response: as many tokens as it was made to have; null where it might stop sooner, since nobody counted."""
    said = [dug(config, "scenario", "generate_kwargs", f"{end}_new_tokens") for end in ("max", "min")]
    most, least = (USUAL_TOKENS if tokens is None else tokens for tokens in said)
    return most if not (is_number(most) and is_number(least)) or least >= most else None


def task_of(config: Mapping[str, Any]) -> str:
    """What was asked for, and of which data set: figures of two data sets are not alike."""
    task, dataset = dug(config, "backend", "task") or "text-generation", dug(config, "scenario", "dataset_name")
    return f"{task} of {dataset}" if isinstance(dataset, str) and dataset else str(task)


def weights_of(config: Mapping[str, Any]) -> str | None:
    """The number format of the weights: how they were quantised, else the type of their numbers."""
    scheme = dug(config, "backend", "quantization_scheme")
    if not isinstance(scheme, str) or not scheme:
        numbers: str | None = dug(config, "backend", "torch_dtype") or dug(config, "backend", "dtype")
        return numbers
    settings = dug(config, "backend", "quantization_config")
    said = [dug(settings, key) for key in ("bits", "weight_bits")]
    fewer = [bits for key, bits in (("load_in_4bit", 4), ("load_in_8bit", 8)) if dug(settings, key) is True]
    bits = next((bits for bits in (*said, *fewer) if is_number(bits)), None)
    return scheme if bits is None else f"{scheme} {bits:g}-bit"


def gpus_of(config: Mapping[str, Any]) -> tuple[str, int]:
    """Name and number of the GPUs that were used: those of `device_ids`, else all of the machine, else one. A CPU has none."""
    device = str(dug(config, "backend", "device") or "cpu").split(":")[0]
    if device == "cpu":
        return "CPU", 0
    listed, said = dug(config, "environment", "gpu"), dug(config, "backend", "device_ids")
    machine = [str(name) for name in listed] if isinstance(listed, list) else []
    ids = [part.strip() for part in str(said).strip("[]").split(",")] if said not in (None, "", []) else []
    used = [machine[int(place)] for place in ids if place.isdecimal() and len(place) < 6 and int(place) < len(machine)] or machine
    names = sorted(set(used if ids else machine))
    return " + ".join(names) or "unknown", len(ids) or len(machine) or 1


def _engine(config: Mapping[str, Any]) -> str:
    """The backend's name; figures have no column for weights that were made up."""
    name = f"optimum-{dug(config, 'backend', 'name') or 'unknown'}"
    return f"{name}, random weights" if dug(config, "backend", "no_weights") is True else name


def _mean_latency(report: Mapping[str, Any], part: str) -> float | None:
    """Mean seconds of one part of a call: as reported, else over the values."""
    mean, values = dug(report, part, "latency", "mean"), dug(report, part, "latency", "values")
    if is_number(mean):
        return float(mean)
    if isinstance(values, list) and values and all(is_number(value) for value in values):
        return float(sum(values) / len(values))
    return None


def _report(content: Any) -> Mapping[str, Any] | None:
    """The report in a file of either kind."""
    report = content.get("report", content) if isinstance(content, dict) else None
    parts = [report.get(part) for part in PARTS] if isinstance(report, dict) else []
    fits = bool(parts) and all(isinstance(part, dict) and part.keys() >= set(SIDES) for part in parts)
    return report if fits else None


def _read(source: Source, content: Content) -> list[Run]:
    report = _report(content.json)
    if report is None:
        raise Unreadable("is not a whole optimum-benchmark report")
    inside = content.json.get("config")
    config = inside if isinstance(inside, dict) else companion(source.path.with_name("benchmark_config.json"), "the model")
    return [(1, figure_of(report, config))]


FORMAT = format_of(
    Facts(
        "optimum-benchmark",
        "optimum-benchmark benchmark_report.json or benchmark.json",
        "0.6.0 (real files, on a CPU and an H100), energy_star of 2024 (structure from its source)",
    ),
    recognises=lambda content: (content.keys >= {"config", "report"} or content.keys >= set(PARTS)) and _report(content.json) is not None,
    read=_read,
)
