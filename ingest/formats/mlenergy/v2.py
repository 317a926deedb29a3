"""ML.ENERGY Leaderboard v2 (2024): one JSON file per model, GPU and server setup, `<task>/<GPU>/<model>/bs…+tp…+pp….json`.

A vLLM server answered many requests at once. `Energy/req (J)` is measured: the energy of all GPUs over the run, divided
by its requests. Energy per token is that over the mean length. The task stands only in the name of a folder.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Content, Format, Loaded, Source, Unreadable, content_of
from prompt_joules.ingest.formats.published import FIGURES_SCHEMA, cells_of, store_figures

KEYS = {"Model", "GPU", "TP", "PP", "Energy/req (J)", "Avg Output Tokens", "Max BS (reqs)"}
TASKS = ("chat", "code")
LICENCE = "Apache-2.0 repository"
URL = "https://github.com/ml-energy/leaderboard"


def figure_of(content: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The row of `figures.csv` that one file stands for. Raises Unreadable when it does not say how many GPUs there were."""
    tensor, pipeline = content["TP"], content["PP"]
    if not all(isinstance(count, int) and 0 < count < 10_000 for count in (tensor, pipeline)):
        raise Unreadable("is a v2 result whose TP and PP are not counts of GPUs")
    return {
        "source": "ML.ENERGY v2",
        "generation": "v2",
        "published_model_id": content["Model"],
        "gpu_model": content["GPU"],
        "num_gpus": tensor * pipeline,
        "parallelism": f"tp{tensor} pp{pipeline}",
        "task": task,
        "engine": "vllm",
        "batch_size": content["Max BS (reqs)"],
        "mean_batch_size": content.get("Avg BS (reqs)"),
        "energy_j": content["Energy/req (J)"],
        "throughput_tps": content.get("Token tput (tok/s)"),
        "output_tokens": content["Avg Output Tokens"],
        "tpot_s": content.get("Avg TPOT (s)"),
        "harness_version": "mlenergy-v2",
        "licence": LICENCE,
        "url": URL,
    }


def _recognises(content: Content) -> bool:
    return content.kind == "document" and content.keys >= KEYS


def _task(source: Source) -> str:
    """The nearest folder that is a task of v2. Raises Unreadable."""
    task = next((part for part in reversed(source.path.parts[:-1]) if part in TASKS), None)
    if task is None:
        raise Unreadable(f"is a v2 result outside of a folder named {' or '.join(TASKS)}, which says the task")
    return task


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded = []
    for source in sources:
        content = content_of(source).json
        if not isinstance(content, dict) or not content.keys() >= KEYS:
            raise Unreadable("is not a whole v2 result")
        cells = cells_of([figure_of(content, _task(source))], list(FIGURES_SCHEMA))
        loaded.append(store_figures(connection, source, cells))
    return loaded


FORMAT = Format(
    name="mlenergy-v2",
    tried="the leaderboard of 2024 (real files)",
    meaning="ML.ENERGY v2: one JSON per model, GPU and server setup",
    recognises=_recognises,
    load=_load,
    batch=100,
    into="published",
)
