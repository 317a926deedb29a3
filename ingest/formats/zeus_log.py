"""Zeus: the log of `ZeusMonitor(log_file=…)`, one line a measured window → `run_totals`, one row per name of a window.

It knows neither prompts nor tokens, so its rows are totals and never averages. A line has seconds and the J of each GPU; windows of one
name are added up. Windows may lie in one another: names are never added up.
"""

import re

import polars as pl

from prompt_joules.ingest.formats import totals
from prompt_joules.ingest.formats.base import Facts, Source
from prompt_joules.ingest.formats.foreign import run_name
from prompt_joules.ingest.formats.published import TEXT, checked

KEYS = {"start_time", "window_name", "elapsed_time"}
GPU = re.compile(r"gpu\d+_energy")


def gpus_of(names: list[str]) -> list[str]:
    """The columns with the energy of a GPU."""
    return [name for name in names if GPU.fullmatch(name)]


def totals_of(source: Source, cells: pl.DataFrame) -> totals.Totals:
    """The rows of `run_totals`, without the file, and the lines that are refused. Energies of all GPUs are added up."""
    gpus = gpus_of(cells.columns)
    numbers: dict[str, type[pl.DataType]] = dict.fromkeys(("start_time", "elapsed_time", *gpus), pl.Float64)
    rows, rejects = checked(cells, {"window_name": TEXT} | numbers, ("window_name", *numbers))
    ended = pl.from_epoch(((pl.col("start_time") + pl.col("elapsed_time")) * 1e6).cast(pl.Int64, strict=False), time_unit="us")
    return rows.group_by("window_name", maintain_order=True).agg(
        pl.lit("Zeus").alias("source"),
        pl.lit(run_name("zeus", source)).alias("run_id"),
        ended.max().alias("ended_at"),
        pl.col("elapsed_time").sum().alias("duration_s"),
        pl.sum_horizontal(gpus).sum().alias("gpu_energy_j"),
        pl.lit(len(gpus)).alias("num_gpus"),
        pl.format("zeus, windows: {}", pl.len()).alias("harness_version"),
    ).rename({"window_name": "task"}), rejects


FORMAT = totals.format_of_tables(
    Facts("zeus-log", "Zeus: log of a ZeusMonitor, totals of windows", "0.16 (structure from its source)"),
    recognises=lambda content: set(content.header) >= KEYS and bool(gpus_of(list(content.header))),
    totals_of=totals_of,
)
