"""`results.json` of the ML.ENERGY v3 benchmark: requests, and the figures of its steady state.

The `energy` of a request in this file is modelled (J/token of the steady state × length): it is dropped, and `energy_j`
is null with that reason. The steady state itself was measured: it becomes one row of `published`, with the energy of a
request in `estimated_energy_j`.
"""

from collections.abc import Mapping
from typing import Any

import duckdb

from prompt_joules.ingest.formats import figures
from prompt_joules.ingest.formats.base import Facts, Format, Loaded, Source, Unreadable, content_of, one_by_one
from prompt_joules.ingest.formats.fields import at, between, failed, share, taken
from prompt_joules.ingest.formats.foreign import Row, environment, is_number, run_name, store_requests, to_server, words
from prompt_joules.ingest.formats.mlenergy.v3 import TEXT_TASKS

KEYS = {"results", "steady_state_energy_per_token", "model_id"}
REASON = "ML.ENERGY v3 models the energy of a request; measured is that of the steady state"
TIMES = {"output_tokens": at("output_len"), "ttft_s": at("ttft"), "latency_s": at("latency")}
FACTS = ("max_output_tokens", "request_rate", "seed", "steady_state_duration", "steady_state_energy", "duration")


def setup_of(content: Mapping[str, Any], task: str, source: Source) -> dict[str, Any]:
    """The columns that are equal in all requests."""
    return to_server(
        REASON,
        run_id=run_name("mlenergy-v3", source),
        task=task,
        model_id=content["model_id"],
        engine="vllm",
        harness_version="mlenergy-v3",
        gpu_model=content.get("gpu_model"),
        num_gpus=content.get("num_gpus"),
        concurrency=content.get("max_num_seqs"),
        max_new_tokens=content.get("max_output_tokens"),
        environment=environment(**{name: content.get(name) for name in FACTS}),
    )


def row_of(result: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    prompt = result.get("prompt")
    row = {
        "sequence": index,
        "prompt_id": f"request-{index:06d}",
        "input_tokens": result.get("input_len"),
        "prompt_text": prompt if isinstance(prompt, str) else None,
    }
    if result.get("success") is not True:
        return row | failed(result.get("error") or "no reason given")
    gaps = between(result.get("itl"), result.get("output_len"))
    return row | words(result.get("output_text")) | taken(TIMES, result) | {"itl_s": gaps}


def figure_of(content: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The row of `published` that the steady state stands for."""
    good = [r for r in content["results"] if isinstance(r, dict) and r.get("success") is True and is_number(r.get("output_len"))]
    length = sum(r["output_len"] for r in good) / len(good) if good else None
    per_token = content["steady_state_energy_per_token"]
    return {
        "source": "ML.ENERGY v3 benchmark",
        "generation": "v3",
        "published_model_id": content["model_id"],
        "gpu_model": content.get("gpu_model") or "unknown",
        "num_gpus": content.get("num_gpus") or 1,
        "task": task,
        "engine": "vllm",
        "batch_size": content.get("max_num_seqs"),
        "prompts": len(good),
        "energy_per_token_j": per_token,
        "estimated_energy_j": per_token * length if is_number(per_token) and length is not None else None,
        "throughput_tps": content.get("output_throughput"),
        "output_tokens": length,
        "power_w": share(content.get("steady_state_energy"), content.get("steady_state_duration")),
        "harness_version": "mlenergy-v3",
    }


def _load(connection: duckdb.DuckDBPyConnection, source: Source) -> Loaded:
    content = content_of(source).json
    results = content.get("results") if isinstance(content, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise Unreadable("is a v3 benchmark result whose `results` are not objects")
    task = next((part for part in reversed(source.path.parts[:-1]) if part in TEXT_TASKS), "mlenergy-v3")
    setup = setup_of(content, task, source)
    figure = figures.store(connection, source, [(1, figure_of(content, task))])
    rows = (Row(index + 1, setup | row_of(result, index)) for index, result in enumerate(results))
    requests = store_requests(connection, source, rows)
    return Loaded(source, requests.accepted, requests.rejected + figure.rejected)


FORMAT = Format(
    Facts(
        "mlenergy-v3-run",
        "ML.ENERGY v3 benchmark results.json: requests and the steady state",
        "the benchmark of 2025 (structure from its source)",
        source="ML.ENERGY v3",
    ),
    into="requests",
    recognises=lambda content: content.kind == "document" and content.keys >= KEYS,
    load=one_by_one(_load),
)
