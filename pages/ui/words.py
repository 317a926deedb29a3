"""Sentences about numbers that were computed elsewhere. Pure: no Streamlit, no arithmetic beyond rounding."""

import re

import polars as pl

from warehouse.metrics import METRICS

MOST_LINES = 6


def first_view(tasks: tuple[str, ...], others: int, everything: bool) -> str:
    """What the first view leaves out, or what mixes when it leaves out nothing."""
    if everything:
        return (
            "All tasks and batch sizes together. A GPU that answers many prompts at once uses far less for each, and tasks differ in "
            "length: compare within a task and a batch size."
        )
    return (
        f"Batch size 1, task {plain(' or '.join(tasks))}. {others:,} more results, of other tasks or of GPUs that answer many prompts at "
        "once, are under “Everything”: they use far less energy per answer and are no fair comparison."
    )


def lines(fits: pl.DataFrame, x: str, y: str, log: bool) -> str:
    """What the dashed lines say, one item a line."""
    if fits.is_empty():
        return "No line is drawn: it needs four points of one colour, edition and batch size, at three different places."
    kind = "power laws, fitted to the logarithms" if log else "fitted"
    start = f"Dashed lines are {kind} by least squares, one for each colour, edition and batch size, with a 95 % interval:\n"
    items = [_line(row, x, y, log) for row in fits.head(MOST_LINES).iter_rows(named=True)]
    more = f"\n- and {fits.height - MOST_LINES} more lines" if fits.height > MOST_LINES else ""
    return "\n".join([start, *items]) + more


def _line(row: dict[str, float], x: str, y: str, log: bool) -> str:
    interval = f"{row['slope_low']:.3g} to {row['slope_high']:.3g}"
    if log:
        grows = f"{METRICS[y].label.lower()} grows as {METRICS[x].label.lower()} to the power **{row['slope']:.2f}** ({interval})"
        return f"- {plain(str(row['line']))}: {grows}; {row['points']} points"
    unit = f"{METRICS[y].display_unit} per {METRICS[x].display_unit or 'unit'}"
    return f"- {plain(str(row['line']))}: **{row['slope']:.3g}** {unit} ({interval}); {row['points']} points"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: names come from files, and files come from anywhere."""
    escaped = re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", text)
    return escaped.replace("\n", " ")
