"""ML.ENERGY Leaderboard v3 (2026): `index.json`, `tasks/<task>.json` and `models/<model>__<task>.json`.

Measured is the energy of the GPUs while the server's batch is full, over the tokens generated in that time: energy per
token. The energy of a request is modelled from it (J/token × mean length), so it lands in `estimated_energy_j` and
`energy_j` stays null. Only tasks that make text from text are read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Content, Facts, Format, Loaded, Reject, Source, Unreadable, content_of, finite, one_by_one
from prompt_joules.ingest.formats.fields import at, taken
from prompt_joules.ingest.formats.figures import Run, format_of
from prompt_joules.ingest.formats.foreign import is_number
from prompt_joules.ingest.formats.mlenergy.v2 import LICENCE, URL
from prompt_joules.ingest.formats.published import name_models

TEXT_TASKS = ("gpqa", "lm-arena-chat", "sourcegraph-fim")
CONFIGURATION_KEYS = {"gpu_model", "num_gpus", "max_num_seqs", "energy_per_token_joules", "energy_per_request_joules"}
MODEL_KEYS = ("activated_params_billions", "weight_precision", "model_id")
WAYS = (("tp", "tensor_parallel"), ("ep", "expert_parallel"), ("dp", "data_parallel"))


FIELDS = {
    "published_model_id": at("model_id"),
    "gpu_model": at("gpu_model"),
    "num_gpus": at("num_gpus"),
    "dtype": at("weight_precision"),
    "batch_size": at("max_num_seqs"),
    "mean_batch_size": at("avg_batch_size"),
    "estimated_energy_j": at("energy_per_request_joules"),
    "energy_per_token_j": at("energy_per_token_joules"),
    "throughput_tps": at("output_throughput_tokens_per_sec"),
    "output_tokens": at("avg_output_len"),
    "power_w": at("avg_power_watts"),
}


def figure_of(row: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The row of `figures.csv` that one configuration stands for."""
    return taken(FIELDS, row) | {
        "source": "ML.ENERGY v3",
        "generation": "v3",
        "parallelism": " ".join(f"{short}{row[key]}" for short, key in WAYS if row.get(key) is not None) or None,
        "task": task,
        "engine": "vllm",
        "itl_p50_s": seconds(row.get("median_itl_ms")),
        "itl_p99_s": seconds(row.get("p99_itl_ms")),
        "harness_version": "mlenergy-v3",
        "licence": LICENCE,
        "url": URL,
    }


def seconds(milliseconds: Any) -> Any:
    """Milliseconds as seconds, to the last digit of what ships; what is no number stays as it is and is refused later."""
    return milliseconds / 1000 if is_number(milliseconds) else milliseconds


def figures_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a task's or a model's file. A second figure of the same setup gets the repetition 2. Raises Unreadable."""
    shared = {key: content[key] for key in MODEL_KEYS if key in content}
    seen: Counter[tuple[str, ...]] = Counter()
    figures = []
    for row in content["configurations"]:
        if not isinstance(row, dict):
            raise Unreadable("is not a v3 result: a configuration is not an object")
        parallelization = row.get("parallelization")
        ways = parallelization if isinstance(parallelization, dict) else {}
        figure = figure_of({**shared, **ways, **row}, content["task"])
        setup = tuple(str(figure[key]) for key in ("published_model_id", "gpu_model", "num_gpus", "parallelism", "dtype", "batch_size"))
        seen[setup] += 1
        figures.append(figure | ({"repetition": seen[setup]} if seen[setup] > 1 else {}))
    return figures


def _recognises(content: Content) -> bool:
    found = content.json if content.keys >= {"task", "configurations"} else None
    rows = found.get("configurations") if isinstance(found, dict) and isinstance(found["task"], str) else None
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict) and rows[0].keys() >= CONFIGURATION_KEYS


def _read(_: Source, content: Content) -> Iterator[Run | Reject]:
    found = content.json
    if not isinstance(found, dict) or not isinstance(found.get("configurations"), list):
        raise Unreadable("is not a whole v3 result")
    if found["task"] not in TEXT_TASKS:
        yield Reject(None, "task", f"is {found['task']}, which does not make text from text")
        return
    yield from enumerate(figures_of(found), 1)


def _is_index(content: Content) -> bool:
    found = content.json if content.keys >= {"tasks", "models"} else None
    models = found.get("models") if isinstance(found, dict) else None
    return isinstance(models, dict) and bool(models) and all(isinstance(m, dict) and "total_params_billions" in m for m in models.values())


def _load_index(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    """Names and sizes of models that the reviewed `warehouse/models.csv` does not know."""
    models = content_of(source).json["models"]
    try:
        rows = [
            (key, str(m["nickname"]), None, finite(m["total_params_billions"]), finite(m["activated_params_billions"]))
            for key, m in models.items()
        ]
    except (TypeError, ValueError, KeyError) as error:
        raise Unreadable("is not a v3 index.json: every model needs a nickname and its parameters") from error
    return name_models(connection, source, rows)


FORMAT = format_of(
    Facts("mlenergy-v3", "ML.ENERGY v3 tasks/*.json and models/*.json", "the leaderboard of 2025 (real files)"),
    recognises=_recognises,
    read=_read,
)
INDEX = Format(
    Facts("mlenergy-v3-index", "ML.ENERGY v3 index.json: names and sizes of models", "the leaderboard of 2025 (real files)"),
    recognises=_is_index,
    load=one_by_one(_load_index),
)
