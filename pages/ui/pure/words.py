"""Sentences that several pages say, and how numbers and names are written in them."""

import math
import re
from collections.abc import Callable
from typing import Any

import polars as pl

from prompt_joules.warehouse import create
from prompt_joules.warehouse.energy_shown import GROSS, UNITS, Measure
from prompt_joules.warehouse.metrics import Metric

MOST_LINES = 6
SCOPE = "Energy is that of the GPU only, as read by software from the GPU's own counter; CPU, memory and cooling are not in it."
# Columns that tell whether a row is of a run of ours.
OURS = {"origin": "measured", "source": "Prompt Joules"}
FORCED = "Random weights answer at a length that is forced on them: J/token says something, J per answer does not and is not shown."
RANDOM_POINTS = "Some points are models with random weights: the energy of their tokens is real, but their text means nothing."
NEEDS_PROMPTS = (
    "Only our own runs keep single prompts; published tables have averages. "
    "Measure some with “make demo”, or see the Leaderboard for the averages."
)


ONE_POINT = (
    "Runs of one setup are one point, the mean in which every prompt counts once. Its bar is the 95 % interval over prompts (of "
    "batches: windows) and runs; there is none below five prompts (20 or 50 where their energies lie far apart), for servers "
    "and for published averages. A hollow point is of fewer than ten prompts, batches or runs of a server; its tooltip has n."
)


def first_view(tasks: tuple[str, ...], others: int, everything: bool) -> str:
    """What the first view leaves out, or what mixes when it leaves out nothing."""
    if everything:
        return (
            "All tasks and batch sizes together: the number of answers at once changes what one of them takes, and tasks differ in length. "
            "Compare within a task and a batch size."
        )
    return (
        f"Batch size 1, task {plain(' or '.join(tasks))}. {others:,} more results, of other tasks or of GPUs that answer many prompts at "
        "once, are under “Everything”: they are not like for like."
    )


def first_lines(rows: pl.DataFrame, say: Callable[[dict[str, Any]], str], more: str = "more in the chart") -> str:
    """One item for each of the first rows, and how many more there are."""
    items = [say(row) for row in rows.head(MOST_LINES).iter_rows(named=True)]
    return "\n".join(items + ([f"- and {rows.height - MOST_LINES} {more}"] if rows.height > MOST_LINES else []))


def alike(shared: str) -> str:
    """What the results of a page have in common, which their short names leave out."""
    return f"All of them: {plain(shared)}." if shared else ""


def listed(keys: pl.DataFrame) -> str:
    """Names of keys as a list in words."""
    names = {"power_limit_w": "power limit (W)", "gpu_model": "GPU model", "num_gpus": "number of GPUs"}
    return ", ".join(names.get(key, key.replace("_", " ")) for key in keys["key"])


def stated(measure: Measure, rows: pl.DataFrame) -> str:
    """Which energy is shown, and why some results do not have it."""
    lacking = rows[measure.key].null_count()
    shown = f"Energy is shown as {measure.words} ({UNITS[measure.per]})."
    if not lacking:
        return shown
    if measure.idle != GROSS:
        why = f"where {measure.idle.removeprefix('above ')} power was recorded and the GPU was not shared"
    elif measure.statistic != "mean":
        why = "where single prompts were kept"
    else:
        why = f"where {measure.per}s were counted"
    return f"{shown} It is known only {why}: {lacking:,} of {rows.height:,} results have none."


def ignored(names: list[str], why: str) -> str:
    """Which switches of energy do not act on the page, and why; what else there is to know where all act."""
    return f"{' and '.join(names).capitalize()} {'does' if len(names) == 1 else 'do'} not act on this page. {why}" if names else why


def first_of(known: int, most: int, noun: str, where: str = "the download has all") -> str:
    """Says where a list is cut, and where the rest can be found."""
    return f"The first {most:,} of {known:,} {noun} are listed; {where}." if known > most else ""


def drawn(rows: pl.DataFrame, noun: str) -> str:
    """What is drawn, from the rows themselves: how many models, published or measured.

    Args:
        rows: with what they have of `model_name` and `origin`.
        noun: what a row is.
    """
    models = rows["model_name"].drop_nulls().n_unique() if "model_name" in rows.columns else 0
    what = f"{count(models, 'model')} in {count(rows.height, noun)}" if models else count(rows.height, noun)
    origins = rows["origin"].to_list() if "origin" in rows.columns else []
    kinds = {kind: origins.count(kind) for kind in ("published", "measured") if kind in origins}
    told = {"published": f"published{_by(rows)}", "measured": "measured"}
    said = " and ".join(f"{number:,} {told[kind]}" if len(kinds) > 1 else told[kind] for kind, number in kinds.items())
    return f"{what}, {said}".removesuffix(", ")


def _by(rows: pl.DataFrame) -> str:
    """Who published rows of `drawn`; empty where that is not known."""
    if not {"origin", "source"} <= set(rows.columns):
        return ""
    names = rows.filter(pl.col("origin") == "published")["source"].drop_nulls()
    return f" by {plain(several(names))}" if names.len() else ""


def places(rows: pl.DataFrame) -> str:
    """On which GPUs the rows are, and at which batch sizes; empty where they have neither.

    Args:
        rows: with what they have of `gpu_model` and `batch_size`.
    """
    named = (("gpu_model", "GPU"), ("batch_size", "Batch size"))
    known = [(name, rows[column]) for column, name in named if column in rows.columns and rows[column].null_count() < rows.height]
    return " ".join(f"{name}: {plain(several(values))}." for name, values in known)


def source_line(shown: str, drawn: pl.DataFrame) -> str:
    """The line below a picture of a chart: what is shown, whose the rows are, what the numbers cover.

    Args:
        shown: the filters in words.
        drawn: the rows, with `source` where they have it.
    """
    names = sources(drawn)
    by = "" if OURS["source"] in names else " Drawn by Prompt Joules."
    return f"Shown: {shown}. Source: {', '.join(names)}.{by} {SCOPE}"


def citation(shown: str, drawn: pl.DataFrame) -> str:
    """How a view is cited, without its question, address and date."""
    return f"Prompt Joules {create.project_version()}, shown: {shown}, sources: {', '.join(sources(drawn))}"


def sources(drawn: pl.DataFrame) -> list[str]:
    """Who measured the rows, by name."""
    names = drawn["source"].drop_nulls().unique().sort().to_list() if "source" in drawn.columns else []
    return names or [OURS["source"]]


def several(values: pl.Series, most: int = 6) -> str:
    """Distinct values as a list in words, the first few of many."""
    names = [str(value) for value in values.drop_nulls().unique().sort()]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "") or "not known"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def figure(value: float, digits: int) -> str:
    """A number of so many significant digits, never in powers of ten where it is shown: 4,470 and not 4.47e+03."""
    return f"{float(f'{value:.{digits}g}'):,.12g}"


def unbroken(sentence: str) -> str:
    """A sentence whose percentages stay on one line."""
    return re.sub(r"(?<=\d) (?=%)", "\u00a0", sentence)


def exact(value: float, digits: int) -> str:
    """A number beside others that it is compared with: all of its significant digits, 0.10 beside 0.098, where `figure` says 0.1."""
    rounded = float(f"{value:.{digits}g}")
    decimals = digits - 1 - math.floor(math.log10(abs(rounded))) if rounded else 0
    return f"{rounded:,.{max(decimals, 0)}f}"


def unit(metric: Metric) -> str:
    """The unit of a number as it stands behind it in a sentence: 339 tokens, 84.3 J."""
    return f"{metric.display_unit}s" if metric.display_unit == "token" else metric.display_unit


def percent(share: float) -> str:
    """A change as a signed percentage, e.g. −4.0 %, or +1,306 %."""
    return f"{signed(100 * share, 1 if abs(share) < 10 else 0)} %"


def signed(change: float, decimals: int = 0) -> str:
    """A number with its sign; what rounds to 0 has none."""
    number = f"{change:+,.{decimals}f}"
    return minus(number if number.strip("+-0.") else number[1:])


def minus(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


# What Markdown makes a link of by itself, even where its signs are escaped, and where a sign without width stops it.
LINKS_BY_THEMSELVES = re.compile(r"(?i)(https?:/(?=/)|www(?=\.)|@(?=\w))")
WORD_JOINER = "\u2060"


def plain(text: str) -> str:
    """Text that Markdown shows as it is: names come from files, and files come from anywhere."""
    unlinked = LINKS_BY_THEMSELVES.sub(rf"\1{WORD_JOINER}", text)
    escaped = re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", unlinked)
    return escaped.replace("\n", " ")


def label(text: str) -> str:
    """Text for the choices of a widget that reads Markdown and has them in its link: unchanged where nothing in it could be Markdown."""
    return text if re.fullmatch(r"[^\W_](?:[^\W_]|[ .+-])*", text) else plain(text)
