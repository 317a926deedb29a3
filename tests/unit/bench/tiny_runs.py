"""Whole runs with a tiny random model on the CPU: the setup, the run and its rows."""

import json
from pathlib import Path

import polars as pl
from rich.console import Console

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run.local import run_benchmark

PROMPTS = {"tea": "How do I make tea?", "sea": "Why is the sea salt?", "sum": "What is 2 + 2?", "cat": "A cat?"}


def config_of(model: Path, folder: Path) -> RunConfig:
    """Four prompts, six tokens each, without a warm-up."""
    path = folder / "four.jsonl"
    path.write_text("".join(json.dumps({"id": key, "prompt": text}) + "\n" for key, text in PROMPTS.items()))
    return RunConfig(str(model), prompts=str(path), out=folder / "out", device="cpu", max_new_tokens=6, warmup=0)


def run(config: RunConfig) -> int:
    return run_benchmark(config, Console(quiet=True))


def rows(config: RunConfig) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(config.out.glob("*/part-*.parquet"))]).sort("run_id", "sequence")
