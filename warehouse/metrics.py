"""What every number means: label, unit, which way is better, formula, source. The table is `metrics.csv`.

Pages show these texts; none writes its own.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).parent / "metrics.csv"
# The source of a metric for which the table names none.
OURS = "Prompt Joules, docs/verdicts.md and warehouse/definitions"


@dataclass(frozen=True)
class Metric:
    """One number of the warehouse."""

    key: str  # column in `results` or `prompts`
    label: str  # what people call it
    unit: str  # unit in storage, base SI; "" for a count
    display_unit: str  # unit on screen
    display_factor: float  # storage × factor = screen
    better: Literal["lower", "higher"] | None  # which way is better, or None when neither
    formula: str  # how it is computed
    source: str  # who defined it
    meaning: str  # one or two sentences for the column help
    decimals: int  # digits after the point on screen
    of: Literal["results", "prompts", "both"] = "results"  # what has a column of it: `results`, `prompts` or both
    follows_length: bool = False  # whether how long an answer is, or what it says, decides it: random weights are told both
    divisor: str | None = None  # for a ratio, the column that a mean over several runs weighs it by, beside their prompts

    @property
    def title(self) -> str:
        """Label and display unit, e.g. "Energy (J)"."""
        return f"{self.label} ({self.display_unit})" if self.display_unit else self.label

    @property
    def in_words(self) -> str:
        """Unit, formula and meaning, e.g. "s: mean of latency_s. Time of a whole response."."""
        return f"{self.unit}: {self.formula}. {self.meaning}" if self.unit else f"{self.formula}. {self.meaning}"


def _metric(row: dict[str, Any]) -> Metric:
    """A metric out of a line of the table, all of whose cells are text."""
    typed = {
        "display_factor": float(row["display_factor"]),
        "decimals": int(row["decimals"]),
        "follows_length": bool(row["follows_length"]),
    }
    return Metric(**row | typed | {name: row[name] or None for name in ("better", "divisor")} | {"source": row["source"] or OURS})


with FILE.open(encoding="utf-8", newline="") as lines:
    METRICS: dict[str, Metric] = {row["key"]: _metric(row) for row in csv.DictReader(lines)}

# The numbers that a configuration has, and those that one prompt has: what the distribution queries take as $metric.
RESULT_METRICS, PROMPT_METRICS = (
    tuple(key for key, metric in METRICS.items() if metric.of in (rows, "both")) for rows in ("results", "prompts")
)
