"""Titles and meanings of columns that are no number of a result (`headings.csv`), and how numbers of each kind are shown in a table."""

import csv
from pathlib import Path

FILE = Path(__file__).parent / "headings.csv"
# Short titles of metrics whose full title would be wider than their numbers.
SHORT = {
    "energy_per_token_j": "J/token",
    "throughput_tps": "token/s",
    "output_tokens": "Length (token)",
    "params_total_b": "Parameters (B)",
}


def _labels() -> dict[str, tuple[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {row["column"]: (row["title"], row["meaning"]) for row in csv.DictReader(lines)}


# Column → title and meaning.
LABELS = _labels()
# The columns whose unit is that of the number which the table is about.
MEASURED = (
    "mean",
    "minimum",
    "maximum",
    "value",
    "value_low",
    "value_high",
    "value_a",
    "value_b",
    "p50_low",
    "p50_high",
    "p95_low",
    "p95_high",
)
PERCENTILES = {f"p{n}": (f"p{n}", f"{n} % of the prompts are at or below this value.") for n in (5, 25, 50, 75, 90, 95, 99)}
# Shares in storage, percent on screen; with a sign where it is a change.
CHANGES = (
    *("change", "change_low", "change_high", "least_change", "most_change", "length_effect_log", "token_effect_log"),
    *(f"{name}_change{end}" for name in ("median", "whole", "total") for end in ("", "_low", "_high", "_within_low", "_within_high")),
)
SHARES = (
    *("sd_of_energy", "share_of_energy", "sd_of_length", "sd_of_token", "with_1_run", "with_3_runs", "with_9_runs", "share_shown"),
    *("saved", "saved_low", "saved_high", "more_share", "top5_share", "explained", "between_runs"),
)
FOUR_DIGITS = ("input_token_j", "output_token_j", "token_low_j", "token_high_j", "token_within_low_j", "token_within_high_j")
