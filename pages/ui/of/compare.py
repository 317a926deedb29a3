"""Compare: which two results come first, and what their ratio says."""

from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import certainty, charts, theme
from prompt_joules.pages.ui.pure.words import count, exact, figure, listed, plain
from prompt_joules.warehouse import energy_shown
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import aa, variance

COMPARED = (
    *("shown_as", "energy_mark", "value", "value_low", "value_high", "ratio", "ratio_low", "ratio_high"),
    *("ratio_within_low", "ratio_within_high", "rank_low", "rank_high", "runs", "units", "basis"),
)
BOOTSTRAP = (
    "Intervals are 95 % intervals by bootstrap over what was measured by itself, prompts or whole batches; results that answered the same "
    "prompts are drawn together. All runs of a setup count. Published averages have no interval, nor have fewer than five prompts or "
    "batches, or fewer than 20 to 50 prompts whose energies lie far apart; fewer than ten are hollow marks."
)
# How sure a difference can be: where the spread comes from, what can be shown, and whether setups differ from themselves.
CERTAINTY = "How sure can a difference be?"
REASONS = (
    "The energy of an answer varies for four reasons. More prompts, and more answers to each, make the first two smaller. Only "
    "more runs make the third smaller, and only more cards the last. The numbers are standard deviations of the logarithm: 5 is "
    "about 5 %."
)
PARTS = ("reason_of_spread", "meaning_of_part", "sd_of_energy", "share_of_energy", "sd_of_length", "sd_of_token", "setups")
SMALLEST = ("prompts_asked", "with_1_run", "with_3_runs", "with_9_runs")
CHECKS = ("check", "of", "checks", "independent", "shown", "share_shown")
PROMPTS, RUNS = (20, 100, 1000), (1, 3, 9)
NO_PARTS = "No run of ours has prompts that were alone on the GPU, so it is not known where the spread comes from."
NO_LUCK = "No setup was run twice, so the smallest difference that can be shown is not known."
# What two results may differ in besides model and task, and how much it spoils a comparison: the protocol more than a choice of the user.
UNLIKE = {"gpu_model": 1, "engine": 1, "batch_size": 1, "prompt_set": 1, "weights": 1, "source": 1, "harness_version": 2}


def with_kinds(rows: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Adds `energy_is`, how the energy is known; where a source gives no energy of an answer but an estimate, that stands in for it.

    Args:
        rows: rows of `results` with the energy of the measure.
    """
    rows = rows.with_columns(energy_shown.kind(measure.key, rows.columns).alias("energy_is"))
    return rows.with_columns(pl.coalesce("energy_j", "estimated_energy_j").alias("energy_j")) if measure == energy_shown.DEFAULT else rows


def with_marks(found: pl.DataFrame) -> pl.DataFrame:
    """Adds `energy_mark`, ÷ or ≈, where some energy is not measured."""
    marks = found["energy_is"].replace_strict(energy_shown.MARKS, default=None, return_dtype=pl.String)
    return found.with_columns(marks.alias("energy_mark")) if marks.is_in(["÷", "≈"]).any() else found


def kinds_of(found: pl.DataFrame) -> str:
    """What the marks of the energies say, where some are not measured."""
    said = {
        energy_shown.DIVIDED: "÷ is the energy of many answers given together, divided by how many they are.",
        energy_shown.ESTIMATED: "≈ is an estimate of the source, from J/token.",
    }
    return " ".join(words for kind, words in said.items() if (found["energy_is"] == kind).any())


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


def differing(keys: pl.DataFrame, models: int) -> tuple[str, bool]:
    """What a ratio of setups that are not alike is about, and whether that is one thing.

    Args:
        keys: those on which they differ, one at least.
        models: how many models they are of.
    """
    if models > 1:
        return f"Not alike in {listed(keys)}. The ratio holds for these setups; it is not only about the model.", False
    if keys.height > 1:
        return f"Not alike in {listed(keys)}. The ratio is what these change together.", False
    return f"Alike in all but {listed(keys)}: the ratio is about that.", True


def compared(found: pl.DataFrame, measure: Measure) -> str:
    """Each result against the first, one item a line.

    Args:
        found: rows of `comparison.compared` with `shown_as`.
    """
    unit = f"energy per {measure.per}" if measure == Measure(per=measure.per) else measure.words
    first = found.row(0, named=True)
    items = [_times(row, first, unit) for row in found.tail(-1).iter_rows(named=True)]
    return "\n".join(f"- {item}" for item in items) if len(items) > 1 else "".join(items)


def _times(row: dict[str, Any], first: dict[str, Any], unit: str) -> str:
    name = plain(row["shown_as"])
    if row["ratio"] is None:
        return f"**{name}**: the {unit} is not known here or for the first result."
    interval = certainty.interval(row, "ratio", lambda end: exact(end, 3)) or _no_interval(row, first)
    said = f"**{name}** uses **{exact(row['ratio'], 3)}×** the {unit} of {plain(first['shown_as'])} ({interval})."
    kind = row["energy_is"]
    known = "" if kind in (None, energy_shown.MEASURED) else f" Its energy is {kind}{' by the source' * (kind == energy_shown.ESTIMATED)}."
    return f"{said}{known} {certainty.verdict(row, 'ratio', nothing=1)}".rstrip()


def _no_interval(row: dict[str, Any], first: dict[str, Any]) -> str:
    if not row["runs"] or not first["runs"]:
        return "no interval: a published average has none"
    return f"no interval, n = {row['units']:,} and {first['units']:,}"


def intervals(found: pl.DataFrame, title: str) -> theme.Chart:
    """One value per result with its interval over prompts (thick) and with the spread between runs (thin); of fewer than ten prompts a
    hollow mark, of divided energy a pale one.

    Args:
        found: rows of `comparison.compared` with `label`, `shown_as` and `energy_is`.
        title: what the value is, with its unit.
    """
    names = {"": title, "_within_low": "from", "_within_high": "to", "_low": "from, with the runs", "_high": "to, with the runs"}
    values = {f"value{end}": (name, ",.4~g") for end, name in names.items()}
    counts = {"units": ("Measured by themselves", ","), "runs": ("Runs", ",")}
    few = (pl.col("units") > 0) & (pl.col("units") < certainty.FEW)
    drawn = found.select("label", "shown_as", "energy_is", "units", "runs", *(f"value{end}" for end in names), few.alias("few"))
    runs = pl.when(pl.col("runs") > 1).then(pl.format(", {} runs", "runs")).otherwise(pl.lit(""))
    counted = pl.when(pl.col("units") > 0).then(pl.format("{} · n = {}{}", "shown_as", "units", runs)).otherwise("shown_as")
    drawn = drawn.with_columns(counted.alias("shown_as"))
    return charts.forest(charts.with_numbers(drawn, title), title, {"label": "Result", "energy_is": "Energy is", **values, **counts})


def parts(table: pl.DataFrame) -> pl.DataFrame:
    """The parts of the variance, one row each, with the numbers side by side.

    Args:
        table: of `variance.table`.
    """
    of = {number: table.filter(pl.col("number") == number) for number in variance.NUMBERS}
    rows = of["energy_j"].select("part", pl.col("sd").alias("sd_of_energy"), pl.col("share").alias("share_of_energy"), "setups")
    for number, name in (("output_tokens", "sd_of_length"), ("energy_per_token_j", "sd_of_token")):
        rows = rows.join(of[number].select("part", pl.col("sd").alias(name)), on="part", how="left", maintain_order="left")
    return rows.with_columns(pl.col("part").replace_strict(variance.MEANINGS, return_dtype=pl.String).alias("meaning_of_part")).rename(
        {"part": "reason_of_spread"}
    )


def smallest(table: pl.DataFrame) -> pl.DataFrame:
    """The smallest difference that can be shown, by prompts and runs of either side; empty where nothing is known of runs.

    Args:
        table: of `variance.table`.
    """
    found = [[variance.smallest_difference(table, prompts, runs) for runs in RUNS] for prompts in PROMPTS]
    rows = [{"prompts_asked": prompts} | dict(zip(SMALLEST[1:], line, strict=True)) for prompts, line in zip(PROMPTS, found, strict=True)]
    return pl.DataFrame(rows).drop_nulls()


def said_of_smallest(found: pl.DataFrame) -> str:
    """What the table of smallest differences says, in one sentence."""
    first, last = found.row(0, named=True), found.row(-1, named=True)
    return (
        f"On the same prompts, one run of {first['prompts_asked']:,} a side can show differences above about "
        f"**{figure(100 * first['with_1_run'], 2)} %**, nine runs of {last['prompts_asked']:,} above "
        f"**{figure(100 * last['with_9_runs'], 2)} %**."
    )


def said_of_checks(shares: pl.DataFrame) -> str:
    """How many comparisons of a setup with itself showed a difference.

    Args:
        shares: of `aa.shares`.
    """
    if shares.is_empty():
        return "No run has enough prompts to be compared with itself."
    every, shown = int(shares["checks"].sum()), int(shares["shown"].sum())
    return (
        f"**A/A check**: {aa.HALVES}, and {aa.TWO_RUNS} where there are some, went through Compare, the pairs and the cost of a token. "
        f"Of {count(every, 'interval')} {shown:,} ({figure(100 * shown / every, 2)} %) show a difference where there is none; at most 5 % "
        "should. Numbers of one run and tasks answered in turns go up and down together, so they are fewer comparisons than intervals."
    )
