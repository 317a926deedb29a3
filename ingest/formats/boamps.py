"""BoAmps reports of inference (https://github.com/Boavizta/BoAmps) → `published`: one figure a report.

A report gives one kWh for its whole task. It is the GPUs' where no other component is named and no CPU was tracked, as in the reports that
this project writes; a report about a whole machine is refused, since its GPUs' part is not said.
"""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts
from prompt_joules.ingest.formats.fields import FACTORS, first_of, measured, number, positive, share
from prompt_joules.ingest.formats.figures import each_run, format_of
from prompt_joules.ingest.formats.foreign import dug, whole

KEYS = {"task", "measures", "infrastructure"}
OURS = "Prompt Joules"
HUB = "https://huggingface.co/"


def figure_of(report: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a report, or why it is none."""
    task, measure = report.get("task"), dug(report, "measures", 0)
    requests = whole(number(dug(task, "nbRequest")))
    model = model_of(dug(task, "algorithms"))
    if "inference" not in str(dug(task, "taskStage")).lower() or not isinstance(requests, int) or requests < 1 or model is None:
        return "is no report of inference that names a model (task.algorithms) and a number of requests (task.nbRequest)"
    if not isinstance(measure, Mapping) or len(report["measures"]) > 1:
        return "has not one measure but none or several: which of them counts is not said"
    gpus = [part for part in components_of(report) if part[0] == "gpu"]
    if len(gpus) < len(components_of(report)) or not gpus or first_of(measure, "cpuTrackingMode") is not None:
        return "gives the energy of a whole machine and not that of its GPUs"
    joules = share(measured(measure.get("powerConsumption"), FACTORS["kWh"]), requests)
    tokens = {use: share(quantity_of(task, use), requests) for use in ("input", "output")}
    method = str(measure.get("measurementMethod"))
    alone = requests == 1 or method.startswith(OURS)
    return {
        "source": dug(report, "header", "publisher", "name") or "BoAmps",
        "generation": "boamps",
        "published_model_id": model,
        "gpu_model": " + ".join(sorted({name for _, name, _ in gpus})),
        "num_gpus": sum(count for *_, count in gpus),
        "task": dug(task, "taskDescription") or dug(task, "taskFamily") or "inference",
        "engine": dug(task, "algorithms", 0, "framework") or "unknown",
        "dtype": dug(task, "algorithms", 0, "quantization"),
        "prompts": requests,
        "energy_j": joules,
        "output_tokens": tokens["output"],
        "input_tokens": tokens["input"],
        "latency_s": share(measure.get("measurementDuration"), requests) if alone else None,
        "harness_version": f"{method} {measure.get('version') or ''}".strip(),
        "licence": dug(report, "header", "licensing") or "as its owner says",
    }


def model_of(algorithms: Any) -> str | None:
    """The model of the first algorithm: its id on the Hugging Face Hub, else its name."""
    first = dug(algorithms, 0)
    uris = [dug(first, key) for key in ("foundationModelUri", "algorithmUri")]
    on_hub = next((uri.removeprefix(HUB).strip("/") for uri in uris if isinstance(uri, str) and uri.startswith(HUB)), None)
    name = on_hub or dug(first, "foundationModelName") or dug(first, "algorithmName")
    return name if isinstance(name, str) else None


def components_of(report: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Kind, name and number of the components of a machine."""
    listed = dug(report, "infrastructure", "components")
    parts = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    named = [
        (str(part.get("componentType")).lower(), str(part.get("componentName") or "unknown"), part.get("nbComponent")) for part in parts
    ]
    return [(kind, name, positive(count, 2**15) or 0) for kind, name, count in named]


def quantity_of(task: Any, use: str) -> Any:
    """Tokens that went in or came out, of all requests; null where they were not counted in tokens."""
    listed = dug(task, "dataset")
    sets = [part for part in listed if isinstance(part, Mapping)] if isinstance(listed, list) else []
    return next((part.get("dataQuantity") for part in sets if part.get("dataUsage") == use and part.get("dataType") == "token"), None)


def _recognises(content: Content) -> bool:
    return content.kind == "document" and content.keys >= KEYS and isinstance(dug(content.json, "task", "algorithms"), list)


FORMAT = format_of(
    Facts("boamps", "BoAmps report (JSON) of inference on GPUs", "of this version, and the project's examples of 2025"),
    recognises=_recognises,
    read=each_run(figure_of, KEYS),
)
