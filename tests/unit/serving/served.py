"""Runs against the fake server, and what they wrote."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.run.folder import read_run
from prompt_joules.bench.run.served import run_served
from tests.fake_server import Behaviour, FakeServer, serving

PORTS: dict[Path, int] = {}
"""Where the last server of an output folder was."""
FAKE = shlex.join([sys.executable, "-m", "tests.fake_runtime"])
"""A command for a server that `bench` starts."""


def run(config: RunConfig, server: FakeServer) -> int:
    """The exit status of a run."""
    return run_served(replace(config, base_url=server.url), Console(quiet=True))


def measured(config: RunConfig, behaviour: Behaviour) -> pl.DataFrame:
    """The rows of a run against a server that behaves so. Runs with one `out` find their server at one address."""
    with serving(behaviour, PORTS.get(config.out, 0)) as server:
        PORTS[config.out] = server.port
        run(config, server)
    return rows(config)


def rows(config: RunConfig) -> pl.DataFrame:
    """All rows that were written, in order."""
    return pl.concat([pl.read_parquet(path) for path in sorted(config.out.glob("*/part-*.parquet"))]).sort("run_id", "sequence")


def balance(config: RunConfig) -> dict[str, Any]:
    """The energy balance of the last session."""
    (path,) = config.out.glob("*/run.json")
    return read_run(path.parent).sessions[-1]["books"]  # type: ignore[no-any-return]


def make_gguf(folder: Path) -> Path:
    """An empty file, which is called a GGUF file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "m.gguf"
    path.touch()
    return path
