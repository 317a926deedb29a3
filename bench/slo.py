"""Service levels: which share of the answers keeps them. An answer keeps a level when it keeps every limit of it.

Source: DistServe (2024): SLO attainment, the share of requests within the limits of TTFT and TPOT.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_joules.bench import errors

if TYPE_CHECKING:
    import polars as pl

ENOUGH = 0.99
"""An operating point keeps a service level when this share of its answers does."""
_UNITS = {"ms": 1e-3, "s": 1.0}
_LIMIT = re.compile(r"(ttft|tpot|latency)\s*[=<]\s*(\d+(?:\.\d+)?)\s*(ms|s)")


@dataclass(frozen=True)
class Limit:
    """The longest time allowed."""

    what: str  # ttft, tpot or latency
    seconds: float  # the limit, s


def parse(text: str) -> tuple[Limit, ...]:
    """Limits out of words like `ttft=1s,tpot=50ms`. Raises BadOption."""
    found = [_LIMIT.fullmatch(part.strip()) for part in text.split(",")]
    if not all(found):
        raise errors.BadOption(f"--slo {text}", "must be limits like ttft=1s,tpot=50ms,latency=10s.")
    return tuple(Limit(match[1], float(match[2]) * _UNITS[match[3]]) for match in found if match)


def attainment(rows: "pl.DataFrame", limits: tuple[Limit, ...]) -> float | None:
    """Share of the answered prompts that keep all limits; None without an answer.

    Args:
        rows: one per prompt; needs `status`, `ttft_s`, `latency_s` (s) and `output_tokens`. An answer whose time is not known keeps no
            limit; an answer of one token has no TPOT and keeps every limit of it.
    """
    import polars as pl  # imported here, because the help must appear at once

    answered = rows.filter(pl.col("status") == "ok")
    if answered.is_empty():
        return None
    later = pl.col("output_tokens") - 1
    times = {
        "ttft": pl.col("ttft_s"),
        "latency": pl.col("latency_s"),
        "tpot": pl.when(later > 0).then((pl.col("latency_s") - pl.col("ttft_s")) / later).otherwise(0.0),
    }
    kept = [(times[limit.what] <= limit.seconds).fill_null(False) for limit in limits]
    return float(answered.select(pl.all_horizontal(kept).mean()).item())
