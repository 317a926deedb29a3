"""Valid records for tests: what a real run would have written, made from nothing, the same every time.

The columns and types come from `bench/record.py`, so that a change to the contract reaches every test. `records(…)` gives a
frame, `write(…)` a Parquet file as the measuring side writes it.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from prompt_joules.bench.record import SCHEMA_VERSION, polars_schema

IDLE_W = {"gross": 0.0, "above idle": 78.0, "above active idle": 101.0}
"""What is taken off the energy of these rows, by the name of the switch."""
SCHEMA: dict[str, Any] = polars_schema()
START = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


def _setup(run_id: str) -> dict[str, Any]:
    """The columns that are equal in every row of a run on a GPU with a counter."""
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "prompt_set": "default",
        "prompt_set_sha256": "0" * 64,
        "task": "chat",
        "model_id": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "model_name": "SmolLM2-135M-Instruct",
        "model_revision": "abc123",
        "weights": "pretrained",
        "params_total_b": 0.134515,
        "params_active_b": 0.134515,
        "dtype": "float16",
        "engine": "transformers-eager",
        "engine_version": "5.24.0",
        "harness_version": "1",
        "device": "cuda",
        "gpu_model": "NVIDIA H100 80GB HBM3",
        "num_gpus": 1,
        "batch_size": 1,
        "concurrency": 1,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "max_new_tokens": 512,
        "seed": 0,
        "prompt_template": "tokenizer",
        "energy_source": "nvml-counter",
        "energy_edges": "aligned",
        "energy_attribution": "exclusive",
        "cpu_energy_source": "none",
        "dram_energy_source": "none",
        "host_energy_reason": "no RAPL on this machine",
        "idle_power_w": 78.0,
        "active_idle_power_w": 101.0,
        "environment": json.dumps({"driver": "580.159.04"}),
    }


def record(run_id: str = "run-1", index: int = 0, **changes: Any) -> dict[str, Any]:
    """One row as a dict; `changes` replace columns. Values depend on run_id and index alone."""
    chance = random.Random(f"{run_id}/{index}")
    tokens = chance.randint(2, 500)
    ttft = chance.uniform(0.01, 0.05)
    gaps = [chance.uniform(0.01, 0.03) for _ in range(min(tokens, 8) - 1)]
    latency = ttft + 0.02 * (tokens - 1)
    energy = latency * chance.uniform(110.0, 140.0)
    row = {
        **_setup(run_id),
        "sequence": index,
        "prompt_id": f"prompt-{index:05d}",
        "repetition": 0,
        "started_at": START + timedelta(seconds=20 * index),
        "input_tokens": chance.randint(5, 300),
        "output_tokens": tokens,
        "output_words": max(1, tokens * 3 // 4),
        "output_chars": tokens * 4,
        "finish_reason": "stop",
        "ttft_s": ttft,
        "latency_s": latency,
        "itl_s": gaps,
        "energy_j": energy,
        "energy_error_j": 0.01 * energy,
        "window_id": index,
        "gpu_temperature_c": 50.0,
        "throttled": False,
        "status": "ok",
        "prompt_text": f"Question {index}?",
        "output_text": f"Answer {index}.",
    }
    return row | changes


def failed(run_id: str = "run-1", index: int = 0, **changes: Any) -> dict[str, Any]:
    """One row of a prompt that crashed."""
    nothing = dict.fromkeys(("output_tokens", "output_words", "output_chars", "ttft_s", "latency_s", "itl_s", "energy_j", "energy_error_j"))
    return record(run_id, index, status="failed", reason="out of memory", finish_reason="error", **nothing) | changes


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows with exactly the columns and types of the contract; what a row does not name is null."""
    return pl.DataFrame([{name: row.get(name) for name in SCHEMA} for row in rows], schema=SCHEMA)


def records(rows: int = 30, run_id: str = "run-1", **changes: Any) -> pl.DataFrame:
    """A whole valid run; `changes` replace a column in every row."""
    return frame([record(run_id, index, **changes) for index in range(rows)])


def write(rows: pl.DataFrame, path: Path) -> Path:
    """Write a Parquet file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path)
    return path


def run_json(path: Path, run_id: str = "run-1", ratio: float = 1.0, *, finished: bool = True) -> Path:
    """Write the run.json of a run of one session whose balance has the given ratio."""
    path.parent.mkdir(parents=True, exist_ok=True)
    balance = {"counter_j": 1000.0, "windows_j": 900.0 * ratio, "gaps_j": 100.0 * ratio, "ratio": ratio, "step_s": 0.1}
    content = {"run_id": run_id, "fingerprint": "f" * 64, "finished": finished, "sessions": [{"books": balance}]}
    path.write_text(json.dumps(content))
    return path
