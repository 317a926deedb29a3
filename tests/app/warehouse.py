"""What the app tests look at: the shipped tables, two measured models, a CPU run without energy, a failed prompt."""

import functools
from pathlib import Path

import polars as pl

from prompt_joules.ingest import loading
from tests import factories

SHIPPED = Path(__file__).parents[2] / "warehouse" / "data"

HOSTILE = "<script>alert(1)</script> **bold** [x](http://x) $a$"


@functools.cache
def measured_rows() -> pl.DataFrame:
    """The prompts of our own runs in the test warehouse, failed one included."""
    big = {"model_id": "org/big-1B", "model_name": "big-1B", "params_total_b": 1.1, "params_active_b": 1.1}
    cpu = {
        "model_id": "org/hostile",
        "model_name": HOSTILE,
        "gpu_model": None,
        "device": "cpu",
        "num_gpus": 0,
        "energy_j": None,
        "energy_error_j": None,
        "energy_source": "none",
        "energy_edges": None,
        "energy_reason": "no energy counter on this machine",
        "idle_power_w": None,
        "active_idle_power_w": None,
    }
    return pl.concat(
        [
            factories.records(60, "run-small", energy_reason=None),
            factories.records(60, "run-small-concise", task="chat-concise"),
            factories.records(60, "run-big", **big),
            factories.records(25, "run-cpu", **cpu),
            factories.frame([factories.failed("run-big", 60, **big)]),
        ]
    )


def make(folder: Path) -> Path:
    """Ingest the published tables and the measured rows into a new warehouse."""
    rows = measured_rows()
    for (run_id,), run in rows.partition_by("run_id", as_dict=True).items():
        factories.write(run, folder / "results" / str(run_id) / "part-00000.parquet")
        factories.run_json(folder / "results" / str(run_id) / "run.json", str(run_id))
    path = folder / "warehouse.duckdb"
    paths = [str(SHIPPED / "published"), str(folder / "results")]
    loading.ingest(paths, str(path))
    return path
