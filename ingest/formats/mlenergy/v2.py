"""ML.ENERGY Leaderboard v2 (2024): one JSON file per model, GPU and server setup, `<task>/<GPU>/<model>/bs…+tp…+pp….json`.

A vLLM server answered many requests at once. `Energy/req (J)` is measured: the energy of all GPUs over the run, divided
by its requests. Energy per token is that over the mean length. The task stands only in the name of a folder.
"""

from collections.abc import Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import at, positive, taken
from prompt_joules.ingest.formats.figures import Run, format_of

KEYS = {"Model", "GPU", "TP", "PP", "Energy/req (J)", "Avg Output Tokens", "Max BS (reqs)"}
TASKS = ("chat", "code")
LICENCE = "Apache-2.0 repository"
URL = "https://github.com/ml-energy/leaderboard"


FIELDS = {
    "published_model_id": at("Model"),
    "gpu_model": at("GPU"),
    "batch_size": at("Max BS (reqs)"),
    "mean_batch_size": at("Avg BS (reqs)"),
    "energy_j": at("Energy/req (J)"),
    "throughput_tps": at("Token tput (tok/s)"),
    "output_tokens": at("Avg Output Tokens"),
    "tpot_s": at("Avg TPOT (s)"),
}


def figure_of(content: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The row of `figures.csv` that one file stands for. Raises Unreadable when it does not say how many GPUs there were."""
    tensor, pipeline = (positive(content[key], 10_000) for key in ("TP", "PP"))
    if tensor is None or pipeline is None:
        raise Unreadable("is a v2 result whose TP and PP are not counts of GPUs")
    return taken(FIELDS, content) | {
        "source": "ML.ENERGY v2",
        "generation": "v2",
        "num_gpus": tensor * pipeline,
        "parallelism": f"tp{tensor} pp{pipeline}",
        "task": task,
        "engine": "vllm",
        "harness_version": "mlenergy-v2",
        "licence": LICENCE,
        "url": URL,
    }


def _task(source: Source) -> str:
    """The nearest folder that is a task of v2. Raises Unreadable."""
    task = next((part for part in reversed(source.path.parts[:-1]) if part in TASKS), None)
    if task is None:
        raise Unreadable(f"is a v2 result outside of a folder named {' or '.join(TASKS)}, which says the task")
    return task


def _read(source: Source, content: Content) -> list[Run]:
    found = content.json
    if not isinstance(found, dict) or not found.keys() >= KEYS:
        raise Unreadable("is not a whole v2 result")
    return [(1, figure_of(found, _task(source)))]


FORMAT = format_of(
    Facts("mlenergy-v2", "ML.ENERGY v2: one JSON per model, GPU and server setup", "the leaderboard of 2024 (real files)"),
    recognises=lambda content: content.kind == "document" and content.keys >= KEYS,
    read=_read,
    batch=100,
)
