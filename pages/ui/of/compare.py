"""Compare: which two results come first, and what their ratio says."""

from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure.words import figure, plain
from prompt_joules.warehouse.energy_shown import Measure

COMPARED = ("shown_as", "value", "value_low", "value_high", "ratio", "ratio_low", "ratio_high", "rank_low", "rank_high")
BOOTSTRAP = (
    "Intervals are 95 % intervals by bootstrap over single prompts; results that answered the same prompts are drawn together. Published "
    "averages have none."
)
# What two results may differ in besides model and task, and how much it spoils a comparison: the protocol more than a choice of the user.
UNLIKE = {"gpu_model": 1, "engine": 1, "batch_size": 1, "prompt_set": 1, "weights": 1, "source": 1, "harness_version": 2}


def first_pair(rows: pl.DataFrame) -> list[str]:
    """The labels of two results that are like the first in all but model and task, in the order of their tasks: chat, its concise twin.

    Where there is no such pair, of the first result and of the next one that is most like it.
    """
    first = rows.row(0, named=True)
    unlike = pl.sum_horizontal(pl.col(name).ne_missing(first[name]) * weight for name, weight in UNLIKE.items())
    alike = rows.filter(unlike == 0).unique(("model_id", "task"), keep="first", maintain_order=True).sort("task", maintain_order=True)
    pair = alike if alike.height > 1 else pl.concat([rows.head(1), rows.tail(-1).sort(unlike, maintain_order=True)])
    labels: list[str] = pair["label"].head(2).to_list()
    return labels


def compared(found: pl.DataFrame, measure: Measure) -> str:
    """Each result against the first, one item a line.

    Args:
        found: rows of `comparison.compared` with `shown_as`.
    """
    unit = f"energy per {measure.per}" if measure == Measure(per=measure.per) else measure.words
    first = plain(found["shown_as"][0])
    return "\n".join(_times(row, first, unit) for row in found.tail(-1).iter_rows(named=True))


def _times(row: dict[str, Any], first: str, unit: str) -> str:
    name = plain(row["shown_as"])
    if row["ratio"] is None:
        return f"- **{name}**: the {unit} is not known here or for the first result."
    interval = (
        "" if row["ratio_low"] == row["ratio_high"] else f" (95 % interval {figure(row['ratio_low'], 3)} to {figure(row['ratio_high'], 3)})"
    )
    apart = " No difference is shown: the interval includes 1." if row["ratio_low"] < 1 < row["ratio_high"] else ""
    return f"- **{name}** uses **{figure(row['ratio'], 3)}×** the {unit} of {first}{interval}.{apart}"
