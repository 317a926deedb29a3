"""CodeCarbon: `emissions.csv`, one or more lines per tracked run → `run_totals`.

It knows neither prompts nor tokens, so its rows are totals and never averages. kWh become joules. Its CPU and memory
energies are often guessed from a table of powers; they are never added to that of the GPU. Emissions are dropped.

A line is what the run had used until then: of a run that wrote several (`flush()`) the last counts. A file of tasks
(`task_name`) has a line a task, each with its own energy. All energies hold the PUE that the user gave; it is taken out again.
"""

import polars as pl

from prompt_joules.ingest.formats import totals
from prompt_joules.ingest.formats.base import Facts, Source
from prompt_joules.ingest.formats.published import TEXT, checked

JOULES_PER_KWH = 3.6e6
KEYS = {"timestamp", "run_id", "duration", "emissions", "gpu_energy", "cpu_energy", "energy_consumed"}
SCHEMA: dict[str, type[pl.DataType]] = {
    "run_id": TEXT,
    "task_name": TEXT,
    "project_name": TEXT,
    "timestamp": TEXT,
    "duration": pl.Float64,
    "gpu_energy": pl.Float64,
    "cpu_energy": pl.Float64,
    "ram_energy": pl.Float64,
    "gpu_model": TEXT,
    "gpu_count": pl.Float64,
    "codecarbon_version": TEXT,
    "pue": pl.Float64,
}


def totals_of(_: Source, cells: pl.DataFrame) -> totals.Totals:
    """The rows of `run_totals`, without the file, and the lines that are refused. Without a GPU its energy is null, not 0."""
    rows, rejects = checked(cells, SCHEMA, ("run_id", "duration"))
    last = rows.sort("duration", maintain_order=True).unique(["run_id", "task_name"], keep="last", maintain_order=True)
    has_gpu = pl.col("gpu_count").fill_null(0) > 0
    pue = pl.when(pl.col("pue") > 0).then(pl.col("pue")).otherwise(1.0)
    return last.select(
        pl.lit("CodeCarbon").alias("source"),
        "run_id",
        pl.col("task_name").alias("task"),
        pl.col("project_name").alias("project"),
        pl.col("timestamp").str.to_datetime(time_unit="us", time_zone="UTC", strict=False).dt.replace_time_zone(None).alias("ended_at"),
        pl.col("duration").alias("duration_s"),
        pl.when(has_gpu).then(pl.col("gpu_energy") * JOULES_PER_KWH / pue).alias("gpu_energy_j"),
        (pl.col("cpu_energy") * JOULES_PER_KWH / pue).alias("cpu_energy_j"),
        (pl.col("ram_energy") * JOULES_PER_KWH / pue).alias("dram_energy_j"),
        "gpu_model",
        pl.col("gpu_count").cast(pl.Int16, strict=False).alias("num_gpus"),
        ("codecarbon-" + pl.col("codecarbon_version")).alias("harness_version"),
    ), rejects


FORMAT = totals.format_of_tables(
    Facts("codecarbon", "CodeCarbon emissions.csv: totals of runs", "2.8.4 and 3.3.2 (real files, without a GPU)"),
    recognises=lambda content: set(content.header) >= KEYS,
    totals_of=totals_of,
)
