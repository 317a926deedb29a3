"""Where the spread of an answer's energy comes from: the prompt, the answer that was drawn, the run, the card; and what that leaves to be
shown."""

import math
from dataclasses import replace

import polars as pl

from prompt_joules.warehouse.statistics import runs
from prompt_joules.warehouse.statistics.intervals import student

PROMPT, SAMPLE, BOTH, RUN, CARD = "prompt", "sample", "prompt and sample", "run", "card"
MEANINGS = {
    PROMPT: "which prompt is asked",
    SAMPLE: "which answer the model draws to one prompt",
    BOTH: "which prompt is asked, and which answer is drawn to it: no prompt was answered with two seeds",
    RUN: "two runs of one setup on one card",
    CARD: "two cards of one kind, and what else changed from one to the other: host, day, compiled kernels",
}
NUMBERS = ("energy_j", "output_tokens", "energy_per_token_j")
SCHEMA = {"number": pl.String, "part": pl.String, "sd": pl.Float64, "share": pl.Float64, "freedom": pl.Int64, "setups": pl.Int64}


def table(sums: pl.DataFrame, repetitions: pl.DataFrame) -> pl.DataFrame:
    """The variance of the logarithm of a number, in parts.

    Args:
        sums: rows of the query `variances`.
        repetitions: rows of the query `repetitions`.

    Returns:
        One row per `number` (energy of an answer, its length, its J/token) and `part` that is known: `sd`, its standard deviation (0.05 is
        about 5 %), `share` of the variance of one answer, `freedom`, the degrees of freedom behind it, and `setups`, how many setups. Runs
        and cards shift J/token, and with it the energy; what two runs differ by because they drew other answers is no part of the run.
    """
    card = runs.known(repetitions).cards
    known = between_runs(repetitions, _of_answers(sums.filter(pl.col("number") == "energy_per_token_j")))
    found = []
    for number in NUMBERS:
        parts = _of_answers(sums.filter(pl.col("number") == number))
        if parts and number != "output_tokens":
            parts |= {RUN: known} if known else {}
            parts |= {CARD: card} if card else {}
        whole = sum(part.sd**2 for part in parts.values())
        for name, part in parts.items():
            found.append((number, name, part.sd, part.sd**2 / whole if whole else None, part.freedom, part.setups))
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def _of_answers(sums: pl.DataFrame) -> dict[str, runs.Spread]:
    """The spread between prompts and between answers to one prompt, pooled over setups; of both together where no prompt has two
    answers."""
    again = sums.filter(pl.col("answers") > pl.col("prompts"))
    if sums.is_empty():
        return {}
    if again.is_empty():
        freedom = int((sums["prompts"] - 1).sum())
        return {BOTH: runs.Spread(math.sqrt(float(sums["between"].sum()) / freedom), freedom, sums.height)}
    within = float(again["within"].sum()) / int((again["answers"] - again["prompts"]).sum())
    usual = float((again["answers"] - again["answers_squared"] / again["answers"]).sum()) / int((again["prompts"] - 1).sum())
    between = float(again["between"].sum()) / int((again["prompts"] - 1).sum())
    of_prompts = max(between - within, 0.0) / usual
    return {
        PROMPT: runs.Spread(math.sqrt(of_prompts), int((again["prompts"] - 1).sum()), again.height),
        SAMPLE: runs.Spread(math.sqrt(within), int((again["answers"] - again["prompts"]).sum()), again.height),
    }


def between_runs(repetitions: pl.DataFrame, of_tokens: dict[str, runs.Spread]) -> runs.Spread | None:
    """The spread between runs of one setup on one card, without what the answers that they happened to draw explain; None where nothing was
    run twice.

    J/token of a run is over answers to the same prompts, so of its error within the run only the part of the draws counts here. The
    intervals do not take it out: they hold for both together (docs/statistics.md).

    Args:
        repetitions: rows of the query `repetitions`.
        of_tokens: the parts of J/token of one answer.
    """
    known = runs.known(repetitions).alone
    if known is None or SAMPLE not in of_tokens:
        return known
    drawn = of_tokens[SAMPLE].sd ** 2 / max(of_tokens[SAMPLE].sd ** 2 + of_tokens[PROMPT].sd ** 2, 1e-300)
    again = repetitions.filter("valid").filter(pl.len().over("setup", "card") > 1, pl.col("token_log_error").is_not_null())
    other_seeds = again.filter(pl.col("seed").n_unique().over("setup", "card") > 1)
    within = float((other_seeds["token_log_error"] ** 2).sum()) / again.height if again.height else 0.0
    return replace(known, sd=math.sqrt(max(known.sd**2 - drawn * within, 0.0)))


def smallest_difference(parts: pl.DataFrame, prompts: int, count: int) -> float | None:
    """The smallest ratio of energies that can be shown on the same prompts, less 1: about as far as the 95 % interval of no difference
    reaches.

    Args:
        parts: rows of `table` of the energy.
        prompts: answered by either side in each run.
        count: runs of either side, each with seeds of its own.
    """
    sds = dict(parts.filter(pl.col("number") == "energy_j").select("part", "sd").iter_rows())
    freedom = dict(parts.select("part", "freedom").iter_rows())
    sample = sds.get(SAMPLE, sds.get(BOTH))
    if sample is None or RUN not in sds:
        return None
    # Either side has its own runs; what is known of other setups counts for at most so many degrees of freedom.
    own = 2 * (count - 1) + min(freedom[RUN], runs.MOST_FREEDOM)
    half = student(own) * math.sqrt(2 * (sample**2 / (prompts * count) + sds[RUN] ** 2 / count))
    return math.expm1(half)
