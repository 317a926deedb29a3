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


with FILE.open(encoding="utf-8", newline="") as lines:
    ROWS = tuple(csv.DictReader(lines))
# Column → title and meaning.
LABELS = {row["column"]: (row["title"], row["meaning"]) for row in ROWS}
# Columns in the unit of the number that a table is about; changes, percent with a sign on screen; shares, percent; joules with four digits.
MEASURED, CHANGES, SHARES, FOUR_DIGITS = (
    tuple(row["column"] for row in ROWS if row["shown"] == how) for how in ("measured", "change", "share", "four digits")
)
