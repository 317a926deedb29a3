"""ML.ENERGY Leaderboard v3 (2026): `index.json`, `tasks/<task>.json` and `models/<model>__<task>.json`.

Measured is the energy of the GPUs while the server's batch is full, over the tokens generated in that time: energy per
token. The energy of a request is modelled from it (J/token × mean length), so it lands in `estimated_energy_j` and
`energy_j` stays null. Only tasks that make text from text are read.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Content, Format, Loaded, Reject, Source, Unreadable, content_of, finite
from prompt_joules.ingest.formats.published import FIGURES_SCHEMA, cells_of, name_models, store_figures

TEXT_TASKS = ("gpqa", "lm-arena-chat", "sourcegraph-fim")
CONFIGURATION_KEYS = {"gpu_model", "num_gpus", "max_num_seqs", "energy_per_token_joules", "energy_per_request_joules"}
MODEL_KEYS = ("activated_params_billions", "weight_precision", "model_id")
LICENCE = "Apache-2.0 repository"
URL = "https://github.com/ml-energy/leaderboard"
WAYS = (("tp", "tensor_parallel"), ("ep", "expert_parallel"), ("dp", "data_parallel"))


def figure_of(row: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The row of `figures.csv` that one configuration stands for; times in s."""
    return {
        "source": "ML.ENERGY v3",
        "generation": "v3",
        "published_model_id": row.get("model_id"),
        "gpu_model": row.get("gpu_model"),
        "num_gpus": row.get("num_gpus"),
        "parallelism": " ".join(f"{short}{row[key]}" for short, key in WAYS if row.get(key) is not None) or None,
        "task": task,
        "engine": "vllm",
        "dtype": row.get("weight_precision"),
        "batch_size": row.get("max_num_seqs"),
        "mean_batch_size": row.get("avg_batch_size"),
        "estimated_energy_j": row.get("energy_per_request_joules"),
        "energy_per_token_j": row.get("energy_per_token_joules"),
        "throughput_tps": row.get("output_throughput_tokens_per_sec"),
        "output_tokens": row.get("avg_output_len"),
        "itl_p50_s": seconds(row.get("median_itl_ms")),
        "itl_p99_s": seconds(row.get("p99_itl_ms")),
        "power_w": row.get("avg_power_watts"),
        "harness_version": "mlenergy-v3",
        "licence": LICENCE,
        "url": URL,
    }


def seconds(milliseconds: Any) -> Any:
    """Milliseconds as seconds; what is no number stays as it is and is refused later."""
    is_number = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool)
    return milliseconds / 1000 if is_number else milliseconds


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


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded = []
    for source in sources:
        content = content_of(source).json
        if not isinstance(content, dict) or not isinstance(content.get("configurations"), list):
            raise Unreadable("is not a whole v3 result")
        if content["task"] not in TEXT_TASKS:
            rejects = [Reject(None, "task", f"is {content['task']}, which does not make text from text")]
            loaded.append(store_figures(connection, source, cells_of([], list(FIGURES_SCHEMA)), rejects))
        else:
            loaded.append(store_figures(connection, source, cells_of(figures_of(content), list(FIGURES_SCHEMA))))
    return loaded


def _is_index(content: Content) -> bool:
    found = content.json if content.keys >= {"tasks", "models"} else None
    models = found.get("models") if isinstance(found, dict) else None
    return isinstance(models, dict) and bool(models) and all(isinstance(m, dict) and "total_params_billions" in m for m in models.values())


def _load_index(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    """Names and sizes of models that the reviewed `warehouse/models.csv` does not know."""
    loaded = []
    for source in sources:
        models = content_of(source).json["models"]
        try:
            rows = [
                (key, str(m["nickname"]), None, finite(m["total_params_billions"]), finite(m["activated_params_billions"]))
                for key, m in models.items()
            ]
        except (TypeError, ValueError, KeyError) as error:
            raise Unreadable("is not a v3 index.json: every model needs a nickname and its parameters") from error
        loaded.append(name_models(connection, source, rows))
    return loaded


FORMAT = Format(
    name="mlenergy-v3",
    tried="the leaderboard of 2025 (real files)",
    meaning="ML.ENERGY v3 tasks/*.json and models/*.json",
    recognises=_recognises,
    load=_load,
    into="published",
)
INDEX = Format(
    name="mlenergy-v3-index",
    tried="the leaderboard of 2025 (real files)",
    meaning="ML.ENERGY v3 index.json: names and sizes of models",
    recognises=_is_index,
    load=_load_index,
)
