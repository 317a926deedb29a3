"""Concise or verbose?: its views and sides, the rows that are compared, and its sentences."""

from collections.abc import Iterable
from typing import Any

import polars as pl

from prompt_joules.pages.ui.pure import certainty, naming, words
from prompt_joules.pages.ui.pure.words import percent, plain
from prompt_joules.warehouse.energy_shown import DEFAULT, GROSS, Measure

# What Concise or verbose? can show.
CONTRASTS = OF_PAIRS, OF_MEANS, OF_ONE_SIZE = "The same prompts", "Published averages", "Models of one size"
SIDES = {"Each task with its concise twin": "task", "Two tasks": "task", "Two models": "model", "Two engines": "engine", "Two GPUs": "gpu"}
# A task and its concise twin in few words, other sides in full.
TWIN = pl.col("b") == pl.format("{}-concise", "a")
FROM_TO = pl.format("{} to {}", naming.engine("a"), naming.engine("b"))
SIDES_IN_WORDS = pl.when(TWIN).then(pl.format("{} to concise", "a")).otherwise(FROM_TO)
MOST_TABLES = 6
# Of more answers the page starts without their pairs: those of ten million take 9 s.
MOST_AT_FIRST = 500_000
# What two results must share to be two sides of one thing.
ALIKE = ("source", "model_id", "gpu_model", "num_gpus", "dtype", "task", "engine", "batch_size", "prompt_set", "weights", "harness_version")
PAIRS = (
    *("model_name", "gpu_model", "task", "engine", "batch_size", "prompt_set", "harness_version", "a", "b"),
    *("median_change", "median_change_low", "median_change_high", "median_change_within_low", "median_change_within_high"),
    *("more_share", "pairs", "cut_either", "whole_pairs", "whole_change", "whole_change_low", "whole_change_high"),
    *("least_change", "most_change", "total_change", "total_change_low", "total_change_high", "dropped", "runs_a"),
    *("runs_b", "basis", "energy_a_j", "energy_b_j", "length_effect_log", "token_effect_log"),
)
MEANS = (
    *("model_name", "change", "energy_a_j", "energy_b_j", "output_tokens_a", "output_tokens_b", "energy_per_token_a_j"),
    *("energy_per_token_b_j", "length_effect_log", "token_effect_log", "gpu_model", "task", "a", "b", "source"),
)
NO_PAIRS = "No run of ours has both sides with all else alike: the same prompts, model, GPU, engine and sampling."
NO_MEANS = "No published average has both sides with all else alike. Our own runs, prompt by prompt, are under “The same prompts”."
NO_TWO_OF_ONE_SIZE = (
    "These filters leave no two models of one size that were measured alike: the same source, GPU, task, engine, batch size and prompts."
)
SPLIT = (
    "The change in energy is exactly the sum of two effects: the length of the answers, and the energy of a token. The tick is the sum; "
    "small numbers are about percent (−5 is −4.9 %, −50 is −39 %)."
)
GROSS_ONLY = "Published averages and the chart of models of one size show the gross energy: published tables record no idle power."
AS_SPENT = (
    "A mark is the median change of the pairs of a setup. Every prompt counts once, however many runs asked it, and every pair as it was "
    "spent, answers that were cut at the length limit included. Beside it stands the median of the pairs whose answers are both "
    "whole (a hollow mark); the table also has the bounds between which the median would lie, whatever the cut answers would have cost."
)
ONE_BY_ONE, TOTALS = "One answer at a time", "A server or batches, the machine's total"
EARLY = "Runs of protocol 1.x"
ABOUT_EARLY = "Measured by an earlier protocol. A thin bar has the spread between runs, a thick one that within them."
DIVIDED = (
    "On a server, and where several prompts are answered at once, the energy is divided among them by a rule, so a single prompt says "
    "nothing there: a short answer saves at the expense of the long ones beside it. The energy of all batches together is compared (a "
    "square)."
)
ISO = (
    "Along a grey line every response costs the same. Models at the same height pay the same for a token: the one further right "
    "writes longer answers."
)
ENDS = ("energy_j", "output_tokens", "energy_per_token_j")


def first_form(results: pl.DataFrame) -> str:
    """Of CONTRASTS the one that the page starts with: the same prompts where both tasks of a twin were measured on a GPU, else averages; of
    more than MOST_AT_FIRST answers the averages, where there are some.

    Args:
        results: of the query `leaderboard`.
    """
    measured = results.filter(pl.col("origin") == "measured").select("model_id", "gpu_model", "task", "prompts")
    concise = measured.filter(pl.col("task").str.ends_with("-concise")).with_columns(pl.col("task").str.strip_suffix("-concise"))
    twins = measured.join(concise, on=("model_id", "gpu_model", "task"), how="semi")
    if measured.height == results.height:
        return OF_PAIRS
    return OF_PAIRS if twins.height and (measured["prompts"].sum() or 0) <= MOST_AT_FIRST else OF_MEANS


def pair_labels(changes: pl.DataFrame) -> pl.DataFrame:
    """Adds `label` and `shown_as`, what tells one comparison of the same prompts from the others; a number where nothing does.

    Args:
        changes: rows of `pairs.paired`.
    """
    place = ("model_name", naming.gpu(changes.columns), "task", naming.engine(), naming.BATCH)
    named = changes.with_columns(naming.joined(SIDES_IN_WORDS, *place, naming.prompt_set(), naming.RANDOM, naming.PROTOCOL))
    return naming.in_short(naming.numbered(named)).sort("a", "b", "shared", maintain_order=True)


def in_groups(changes: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order of the chart: what was measured one answer at a time, then totals of servers and batches; those of protocol 1.x
    last. In each group the sides that change most come first, of them the setups of most runs.

    Args:
        changes: rows of `pair_labels`.

    Returns:
        The rows with `is_early` (protocol 1.x, where others are of a later one), and with `group`, what its rows share, which their
        `shown_as` then lack.
    """
    early = pl.col("harness_version").str.starts_with("1.")
    rows = changes.with_columns((early & ~early.all()).alias("is_early"))
    change, sides, runs = pl.coalesce("median_change", "total_change"), ("is_early", "a", "b"), pl.min_horizontal("runs_a", "runs_b")
    rows = rows.sort("is_early", "shared", -change.abs().max().over(*sides), -runs.cast(pl.Int64), change, nulls_last=True)
    parts = []
    for part in rows.partition_by("is_early", "shared", maintain_order=True):
        alike, kind = naming.alike(part["label"]), TOTALS if part["shared"][0] else ONE_BY_ONE
        head = kind if part.height == 1 or not alike else f"{kind}: {alike}"
        parts.append(naming.in_short(part).with_columns(pl.lit(head).alias("group")))
    named = pl.concat(parts)
    # A name that occurs again in another group gets characters without width, so that it is another name.
    again = pl.int_range(pl.len()).over("is_early", "shown_as")
    return named.with_columns((pl.col("shown_as") + pl.lit("\u2060").repeat_by(again).list.join("")).alias("shown_as"))


def first_sides(rows: pl.DataFrame, kind: str, ours: bool) -> list[tuple[str, str]]:
    """Pairs of sides that results have with all else in ALIKE alike, the pair of most results first, in it the one that takes more per
    token. How answers were drawn is not looked at, so a pair may have no prompts in common that count.

    Results of one answer at a time count before those of several, whose energy is divided by a rule.

    Args:
        rows: rows of `results`.
        kind: what differs: task, model, engine or gpu.
        ours: of our own runs, prompt by prompt; else of published averages.
    """
    side = {"model": "model_name", "gpu": "gpu_model"}.get(kind, kind)
    same = [name for name in ALIKE if name not in (side, "model_id" if kind == "model" else "")]
    known = rows.filter(pl.col("origin") == ("measured" if ours else "published"), pl.col("energy_j") > 0, pl.col(side).is_not_null())
    known = known.group_by(*same, side, maintain_order=True).agg(pl.col("energy_per_token_j").mean())
    both = known.join(known, on=same, nulls_equal=True, suffix="_b", maintain_order="left")
    both = both.filter(pl.col(side) != pl.col(f"{side}_b"), pl.col("energy_per_token_j") >= pl.col("energy_per_token_j_b"))
    counts = both.group_by(side, f"{side}_b").agg(pl.len(), (pl.col("batch_size") == 1).sum().alias("alone"))
    counts = counts.sort("alone", "len", side, f"{side}_b", descending=[True, True, False, False])
    return counts.select(side, f"{side}_b").rows()


def labels_of_means(summary: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Adds `shown_as`, what tells one published table from the others, with how many models use more on side B.

    Args:
        summary: rows of `pairs.change_of_means`.
    """
    noun = "models" if kind != "model" else "results"
    named = summary.with_columns(naming.joined(SIDES_IN_WORDS, "gpu_model", "task", naming.engine(), naming.BATCH, "source"))
    counted = pl.format("{} of {} {} use more", "more", "count", pl.lit(noun))
    return naming.in_short(naming.numbered(named)).with_columns(pl.format("{} · {}", "shown_as", counted).alias("shown_as"))


def headline_of_means(summary: pl.DataFrame, kind: str) -> str:
    """What going from side A to side B does in the table of most models, and in its other tasks."""
    first = summary.row(0, named=True)
    alike = summary.filter(pl.col(name).eq_missing(first[name]) for name in ("source", "gpu_model", "engine", "batch_size")).head(2)
    noun = "models" if kind != "model" else "results"
    parts = []
    for row in alike.iter_rows(named=True):
        known = row["change_low"] is not None and row["change_high"] is not None
        shown = known and not row["change_low"] <= 0 <= row["change_high"]
        interval = f", 95 % interval {certainty.span(row['change_low'], row['change_high'], percent)}" if known else ""
        verdict = "" if shown or not known else ": no difference is shown"
        of = f"median of {row['count']} {noun}{interval}{verdict}" if row["count"] > 1 else "one result"
        task = f", task {plain(str(row['task']))}" if row["task"] is not None else ""
        parts.append(f"**{percent(row['median_change'])}** from {plain(row['a'])} to {plain(row['b'])}{task} ({of})")
    place = " · ".join(plain(str(first[name])) for name in ("gpu_model", "source") if first[name] is not None)
    return f"{place}: the energy of a response changes by {'; by '.join(parts)}."


ONCE = "one run each, no interval"
"""Why nothing is said of luck; a sentence gives the reason once."""


def said_of_pairs(changes: pl.DataFrame) -> str:
    """What matters of the same prompts: for each two sides what the setups of several runs show, or all where none has several; beside it
    the total of servers, and of static batches in a sentence of its own. The sides that change most come first.

    Args:
        changes: rows of `in_groups` that are drawn first.
    """
    if changes.height == 1:
        return pairs(changes, DEFAULT).removeprefix("- ")
    said = []
    for a, b in changes.select("a", "b").unique(maintain_order=True).rows():
        rows = changes.filter(pl.col("a") == a, pl.col("b") == b)
        alone, totals = rows.filter(~pl.col("shared")), rows.filter("shared")
        several = alone.filter(pl.col("basis").is_in(certainty.SEVERAL))
        shown, how = (several, "across runs") if several.height else (alone, "one answer at a time")
        parts = [f"{_less(shown, 'median_change')} {how} ({_setups(shown, 'median_change')})"] if alone.height else []
        on_servers = pl.col("engine").is_in(naming.SERVERS)
        served, batches = totals.filter(on_servers), totals.filter(~on_servers)
        if served.height:
            parts.append(f"{_less(served, 'total_change')} in all on a server ({_setups(served, 'total_change')})")
        to = "concise" if b == f"{a}-concise" else naming.in_words(b)
        said += [f"From {plain(naming.in_words(a))} to {plain(to)}: {'; '.join(parts)}."] if parts else []
        if batches.height:
            sides = "" if parts else f", from {plain(naming.in_words(a))} to {plain(to)}"
            said.append(f"In static batches{sides}: {_less(batches, 'total_change')} ({_setups(batches, 'total_change')}).")
    first, reason, rest = " ".join(said).partition(ONCE)
    return first + reason + rest.replace(ONCE, "alike")


def _setups(rows: pl.DataFrame, key: str) -> str:
    """How many setups these are, and of how many of them a difference is shown where that is not all or none."""
    said, known = words.count(rows.height, "setup"), _intervals(rows, key)
    if known.is_empty():
        once = (rows["runs_a"].fill_null(0) < 2).all() or (rows["runs_b"].fill_null(0) < 2).all()
        bare = rows[f"{key}_low"].null_count() == rows.height
        return f"{said}, {(ONCE if bare else 'one run each') if once else 'no interval'}"
    shown = known.filter((pl.col(f"{key}_low") > 0) | (pl.col(f"{key}_high") < 0)).height
    return said if shown in (0, rows.height) else f"{said}, shown in {shown}"


def _intervals(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The intervals that a sentence goes by, of totals those of several runs a side: the windows of one run say nothing of another."""
    runs = pl.min_horizontal("runs_a", "runs_b")
    return rows.filter(runs >= (2 if key == "total_change" else 1)).select(f"{key}_low", f"{key}_high").drop_nulls()


def _less(rows: pl.DataFrame, key: str) -> str:
    """How much less or more, from the least to the most, as a median of pairs or in all; whether it is a difference at all.

    Without an interval that counts it is a change with its sign, not in bold: one run a side does not say whether another would show it.
    """
    values, ends = rows[key].drop_nulls(), _intervals(rows, key)
    least, most = float(values.to_numpy().min()), float(values.to_numpy().max())
    if ends.is_empty():
        return " to ".join(dict.fromkeys(words.signed(100 * end) for end in (least, most))) + " %"
    low, high = sorted((least, most), key=abs)
    none = ((ends[f"{key}_low"] <= 0) & (ends[f"{key}_high"] >= 0)).all()
    if none or low * high <= 0:
        return "no difference is shown" if none else _range(values)
    shares = [f"{100 * abs(end):.0f}" for end in (low, high)]
    return f"**{' to '.join(dict.fromkeys(shares))} % {'less' if high < 0 else 'more'} energy**"


def headline_of_pairs(changes: pl.DataFrame) -> str:
    """What going from side A to side B does to the same prompts, as they were spent: from the least to the most over the setups."""
    if changes.height == 1:
        return pairs(changes, DEFAULT).removeprefix("- ")
    parts = []
    alone = changes.filter(~pl.col("shared"))
    for a, b in alone.select("a", "b").unique(maintain_order=True).rows():
        values = alone.filter(pl.col("a") == a, pl.col("b") == b)["median_change"].drop_nulls()
        parts.append(f"{_range(values)} from {plain(a)} to {plain(b)} ({words.count(len(values), 'setup')})")
    batches = changes.filter("shared")["total_change"].drop_nulls()
    said = f"As spent, the energy of the same prompts changes by a median of {'; '.join(parts)}." if parts else ""
    if len(batches):
        said += f" Where answers were given together, all of a run: {_range(batches)} ({words.count(len(batches), 'setup')})."
    return said.strip()


def _range(values: pl.Series) -> str:
    """The least and the most of several changes."""
    low, high = (percent(float(end)) for end in (values.to_numpy().min(), values.to_numpy().max()))
    return f"**{low}**" if low == high else f"**{low} to {high}**"


def in_sets(rows: pl.DataFrame, by: Iterable[str]) -> pl.DataFrame:
    """Adds `set`, the name of the table that a row belongs to: its values of the columns `by`.

    One prompt at a time comes first, then the largest set.
    """
    texts = {"batch_size": naming.BATCH, "prompt_set": naming.prompts_of(), "engine": naming.engine()}
    named = rows.with_columns(naming.joined(*(texts.get(name, pl.col(name)) for name in by)).alias("set"))
    batched = (pl.col("batch_size") != 1).fill_null(True)
    return named.with_columns(pl.len().over("set").alias("set_size")).sort(
        batched, -pl.col("set_size").cast(pl.Int64), "set", maintain_order=True
    )


def of_several_models(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of sets and sizes that have more than one model: those that say something about models.

    Args:
        rows: with `set` and `size`.
    """
    return rows.filter(pl.col("model_id").n_unique().over("set", "size") > 1)


def in_sizes(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds `size`, the parameters of the model in words; the size of most models first. Only rows with length and J/token."""
    sized = rows.filter(pl.col("energy_j") > 0, pl.col("output_tokens") > 0, pl.col("params_total_b").is_not_null())
    sized = sized.with_columns(
        pl.format("{} billion parameters", pl.col("params_total_b").round(1).cast(pl.String).str.strip_suffix(".0")).alias("size")
    )
    return sized.with_columns(pl.len().over("size").alias("size_count")).sort(
        "size_count", "size", descending=[True, False], maintain_order=True
    )


def changes(summary: pl.DataFrame, kind: str) -> str:
    """One item per published table: what going from side A to side B does."""
    return "\n".join(f"- {_change(row, kind)}" for row in summary.iter_rows(named=True))


def _change(row: dict[str, Any], kind: str) -> str:
    """What going from side A to side B does, over the models of one published table."""
    noun = "models" if kind != "model" else "results"
    place = " · ".join(plain(str(row[name])) for name in ("source", "gpu_model", "task") if row[name] is not None)
    median = percent(row["median_change"])
    change = f"**{place}**: going from {plain(row['a'])} to {plain(row['b'])}, the energy of a response changes by **{median}**"
    if row["count"] == 1:
        return f"{change}."
    known = row["change_low"] is not None or row["change_high"] is not None
    interval = f", 95 % interval {certainty.span(row['change_low'], row['change_high'], percent)}" if known else ""
    return f"{change} (median over {row['count']} {noun}{interval}). **{row['more']} of {row['count']}** {noun} use more."


def pairs(changes: pl.DataFrame, measure: Measure) -> str:
    """What going from side A to side B does to the same prompt, one item per setup.

    Args:
        changes: rows of `pairs.paired` with `shown_as`.
        measure: of what energy they are.
    """
    energy = "the energy" if measure.idle == GROSS else f"the {measure.energy}"
    return words.first_lines(changes, lambda row: _pair(row, energy))


def _pair(row: dict[str, Any], energy: str) -> str:
    if row["shared"]:
        interval = certainty.interval(row, "total_change", percent)
        said = (
            f"- **{plain(row['shown_as'])}**: {energy} of all batches together, per answer, changes by **{percent(row['total_change'])}**"
        )
        return f"{said}{f' ({interval})' if interval else ''}. {certainty.verdict(row, 'total_change', nothing=0)}".rstrip()
    interval = certainty.interval(row, "median_change", percent)
    said = (
        f"- **{plain(row['shown_as'])}**: {energy} of the same prompt changes by **{percent(row['median_change'])}** (median of "
        f"{row['pairs']:,} pairs{f'; {interval}' if interval else ''}); {row['more']:,} of {row['pairs']:,} pairs cost more. "
        f"{certainty.verdict(row, 'median_change', nothing=0)}"
    )
    if not row["cut_either"] or not row["whole_pairs"]:
        return said
    return f"{said} Of the {row['whole_pairs']:,} pairs whose answers are both whole: {percent(row['whole_change'])}."


def same_size(spread: dict[str, float], size: str) -> str:
    """Why models of one size differ in energy."""
    low, high, ratio = ({key: spread[f"{key}_{end}"] for key in ENDS} for end in ("low", "high", "ratio"))
    longer = ratio["output_tokens"] > ratio["energy_per_token_j"]
    why = "**because one says more than another**" if longer else "**because a token costs one more than another**"
    return (
        f"Mostly {why}. {int(spread['count'])} results of {size}: {low['energy_j']:,.1f} to {high['energy_j']:,.1f} J per response, "
        f"**{ratio['energy_j']:.1f}×** apart. Their responses are {low['output_tokens']:,.0f} to {high['output_tokens']:,.0f} tokens "
        f"long, **{ratio['output_tokens']:.1f}×** apart; a token costs {low['energy_per_token_j']:#.2g} to "
        f"{high['energy_per_token_j']:#.2g} J, **{ratio['energy_per_token_j']:.1f}×** apart."
    )
