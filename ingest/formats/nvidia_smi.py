"""nvidia-smi: the CSV of `--query-gpu=timestamp,index,name,power.draw --format=csv -l 1` → `run_totals`, one row a file.

It samples power, and this reader makes energy of it: mean of two neighbouring samples × the time between them, each GPU by itself, then all
GPUs together. What is between two samples is not known: the method and the usual step stand in `harness_version`. A pause of the log (ten
times the usual step) is left out of time and energy.
"""

import re

import polars as pl

from prompt_joules.ingest.formats import totals
from prompt_joules.ingest.formats.base import Facts, Source, Unreadable
from prompt_joules.ingest.formats.foreign import run_name
from prompt_joules.ingest.formats.published import TEXT, checked
from prompt_joules.ingest.front.table import LINE

POWER = re.compile(r"power\.draw(?:\.instant|\.average)? \[W\]")
# Columns that tell GPUs apart, the surest first.
GPUS = ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "index")
WHEN = "%Y/%m/%d %H:%M:%S%.f"
PAUSE = 10


def power_of(names: tuple[str, ...]) -> str | None:
    """The column with the power of a GPU."""
    return next((name for name in sorted(names, key=len) if POWER.fullmatch(name)), None)


def totals_of(source: Source, cells: pl.DataFrame) -> totals.Totals:
    """The row of `run_totals` that a log stands for, and the lines that are refused. Raises Unreadable for a log that gives no energy."""
    power = power_of(tuple(cells.columns))
    gpu = next((name for name in GPUS if name in cells.columns), None)
    named = cells.select(
        LINE,
        pl.col("timestamp").str.to_datetime(WHEN, strict=False, time_unit="us").dt.epoch("us").alias("timestamp"),
        pl.col(power or "").str.strip_suffix("W").str.strip_chars().alias("power_w"),
        (pl.col(gpu) if gpu else pl.lit("")).alias("gpu"),
        (pl.col("name") if "name" in cells.columns else pl.lit(None, TEXT)).alias("gpu_model"),
    )
    schema: dict[str, type[pl.DataType]] = {"timestamp": pl.Int64, "power_w": pl.Float64, "gpu": TEXT, "gpu_model": TEXT}
    rows, rejects = checked(named, schema, ("timestamp", "power_w", "gpu"))
    if gpu is None and rows["timestamp"].is_duplicated().any():
        raise Unreadable("does not say of which GPU a line is: add index or uuid to --query-gpu")
    steps = rows.sort("gpu", "timestamp").with_columns(
        (pl.col("timestamp").diff().over("gpu") / 1e6).alias("seconds"), pl.col("power_w").rolling_mean(2).over("gpu").alias("mean_w")
    )
    usual = steps["seconds"].median()
    if not isinstance(usual, float) or usual <= 0:
        raise Unreadable("has no two samples of one GPU: it gives no energy")
    told = steps.filter(pl.col("seconds") <= PAUSE * usual)
    pauses = steps["seconds"].count() - told.height
    energies = told.group_by("gpu").agg(pl.col("seconds").sum(), (pl.col("seconds") * pl.col("mean_w")).sum().alias("joules"))
    method = f"nvidia-smi, sampled power every {usual:.2g} s" + (f", pauses left out: {pauses}" if pauses else "")
    total = {
        "source": "nvidia-smi",
        "run_id": run_name("nvidia-smi", source),
        "ended_at": rows.select(pl.from_epoch(pl.col("timestamp").max(), "us")).item(),
        "duration_s": energies["seconds"].max(),
        "gpu_energy_j": energies["joules"].sum(),
        "gpu_model": " + ".join(rows["gpu_model"].drop_nulls().unique().sort()) or None,
        "num_gpus": energies.height,
        "harness_version": method,
    }
    return pl.DataFrame([total]), rejects


FORMAT = totals.format_of_tables(
    Facts(
        "nvidia-smi",
        "nvidia-smi --query-gpu=timestamp,index,power.draw --format=csv: energy out of sampled power",
        "drivers of 2023 to 2026 (structure from its manual)",
    ),
    recognises=lambda content: "timestamp" in content.header and power_of(content.header) is not None,
    totals_of=totals_of,
)
