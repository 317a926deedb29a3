"""The leaderboard: its columns, its search, its sentence, and the views that it leads to."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import NUMBERS

# Views worth a first look: page, label, the filters of the link.
PRESETS: tuple[tuple[str, str, dict[str, str | list[str]]], ...] = (
    ("leaderboard", "All models on A40, chat", {"gpu": "A40", "task": "chat"}),
    ("leaderboard", "Cheapest 7B", {"gpu": "A40", "task": "chat", "search": "7b"}),
    ("verbosity", "Concise or verbose on A40", {"gpu": "A40"}),
    ("verbosity", "Why does one 7B model use five times another?", {"gpu": "A40", "task": "chat", "view": "Models of one size"}),
    ("compare", "H100: eager against compiled", {"model": "llama-2-7b", "weights": "dummy", "per": "output token"}),
    (
        "energy_vs_parameters",
        "One card, 0.1 to 71 billion parameters",
        {"gpu": "H200", "weights": "dummy", "y": "Energy per token (J/token)", "colour": "engine"},
    ),
    ("distributions", "One prompt and the next", {"source": "Prompt Joules"}),
    ("methods", "How it was measured", {}),
)
COLUMNS = (
    "model_name",
    "model_url",
    "energy_j",
    "pareto",
    "spread",
    "energy_per_token_j",
    "source",
    "gpu_model",
    "task",
    "prompt_set",
    "output_tokens",
    "throughput_tps",
    "latency_s",
    "params_total_b",
    "batch_size",
    "harness_version",
    "arc",
    "hellaswag",
    "truthfulqa",
    "quality_mean",
    "origin",
    "engine",
    "generation",
    "prompts",
    "energy_reason",
    "measure_reason",
)
# The numbers that can be narrowed to a range on the leaderboard.
RANGES = ("params_total_b", "output_tokens", "latency_s", "throughput_tps", "quality_mean")


def columns(rows: pl.DataFrame, energy: str, picked: Iterable[str]) -> tuple[str, ...]:
    """The columns of the leaderboard; the energy that ranks it, and the visitor's own column, come first.

    Args:
        picked: the columns that the visitor wants besides; empty columns are left out of the usual ones.
    """
    own = ("formula",) if "formula" in rows.columns else ()
    return tuple(dict.fromkeys((*COLUMNS[:2], energy, *own, *picked)))


def least(rows: pl.DataFrame, key: str) -> str:
    """Which of the rows takes the least and which the most, and how far they are apart; nothing where fewer than two have the number.

    Args:
        rows: rows of `results`, least first.
        key: of NUMBERS, the energy.
    """
    known = rows.filter(pl.col(key) > 0)
    if known.height < 2:
        return ""
    ends = (known.row(0, named=True), known.row(-1, named=True))
    low, high = (
        f"**{plain(row['model_name'])}**{_size(row)} on {plain(naming.gpu_of(row))} with {figure(row[key], 3)} {NUMBERS[key].display_unit}"
        for row in ends
    )
    return f"Least: {low}; most: {high}, {figure(ends[1][key] / ends[0][key], 2)}× as much."


def _size(row: dict[str, Any]) -> str:
    """The parameters of a model in brackets, where they are known: models of different sizes are not compared as if they were alike."""
    return f" ({figure(row['params_total_b'], 2)} billion parameters)" if row["params_total_b"] else ""
