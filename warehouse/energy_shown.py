"""What "energy" means on screen: which statistic, per what, gross, above idle or above active idle. One choice for all pages.

Knows the 75 combinations as metrics; the numbers come from `results` or the query `energies`.
"""

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from prompt_joules.warehouse.metrics import METRICS, OURS, Metric

STATISTICS = ("mean", "median", "p90", "p95", "p99")
PER = ("response", "output token", "total token", "word", "character")
# Energy per token is meaningful for random weights too.
TOKENS = ("output token", "total token")
# All of it; less what the GPU drew before the model was loaded; less what it drew loaded and waiting.
GROSS, ABOVE_IDLE, ABOVE_ACTIVE_IDLE = IDLE = ("gross", "above idle", "above active idle")
UNITS = {"response": "J", "output token": "J/token", "total token": "J/token", "word": "J/word", "character": "J/character"}
# Combinations that every configuration has as a column of `results`.
KEPT = {
    ("mean", "response", GROSS): "energy_j",
    ("median", "response", GROSS): "energy_median_j",
    ("p90", "response", GROSS): "energy_p90_j",
    ("p95", "response", GROSS): "energy_p95_j",
    ("p99", "response", GROSS): "energy_p99_j",
    ("mean", "response", ABOVE_IDLE): "energy_above_idle_j",
    ("mean", "response", ABOVE_ACTIVE_IDLE): "energy_above_active_idle_j",
    ("mean", "output token", GROSS): "energy_per_token_j",
}


@dataclass(frozen=True)
class Measure:
    """One way to state the energy of a configuration."""

    statistic: str = STATISTICS[0]  # one of STATISTICS, over prompts; a mean is a ratio of sums
    per: str = PER[0]  # one of PER, what the energy is divided by
    idle: str = GROSS  # one of IDLE; above idle is less idle power × latency, above active idle less active idle power × latency

    @property
    def key(self) -> str:
        """The column that holds it: a metric of `results`, or a name of its own."""
        idle = "" if self.idle == GROSS else f"_{self.idle.replace(' ', '_')}"
        own = f"energy{idle}_{self.statistic}_per_{self.per.replace(' ', '_')}_j"
        return KEPT.get((self.statistic, self.per, self.idle), own)

    @property
    def is_kept(self) -> bool:
        """Whether `results` has the column."""
        return (self.statistic, self.per, self.idle) in KEPT

    @property
    def words(self) -> str:
        """As people say it, e.g. "p95 of the energy above idle per word"."""
        return f"{self.statistic} of the {self.energy} per {self.per}"

    @property
    def energy(self) -> str:
        """Which energy: "gross energy", "energy above idle" or "energy above active idle"."""
        return "gross energy" if self.idle == GROSS else f"energy {self.idle}"

    def parameters(self) -> dict[str, str]:
        """The parameters of the query `energies`."""
        return {"statistic": self.statistic, "per": self.per, "idle": self.idle}

    def metric(self) -> Metric:
        """Label, unit and meaning, like those of METRICS."""
        if self.is_kept:
            return METRICS[self.key]
        label = "Energy" + ("" if self.idle == GROSS else f" {self.idle}") + (f" {self.statistic}" if self.statistic != "mean" else "")
        over = {"mean": "Σ energy / Σ", "median": "50th percentile of energy over"}.get(
            self.statistic, f"{self.statistic[1:]}th percentile of energy over"
        )
        meaning = f"The {self.words}. Only single prompts give it: published averages have at most a mean per token."
        label = label if self.per == "response" else f"{label} per {self.per}"
        decimals = 2 if self.per == "response" else 3
        return Metric(self.key, label, UNITS[self.per], UNITS[self.per], 1.0, "lower", f"{over} {self.per}s", OURS, meaning, decimals)


# Why the energy of an answer of random weights is not shown: the run was told how long the answer had to be, and that decides its energy.
FORCED = "random weights: the lengths of the answers were forced"
# Three kinds of number. What one answer took is measured where the GPU answered it alone. Where several answers shared the GPU, their
# energy is measured and divided among them by a rule. Some sources estimate it from the energy of a token.
MEASURED, DIVIDED, ESTIMATED = KINDS = ("measured", "divided by a rule", "estimated")
MARKS = {MEASURED: "", DIVIDED: "÷", ESTIMATED: "≈"}
DEFAULT = Measure()
EVERY = tuple(Measure(statistic, per, idle) for idle in IDLE for per in PER for statistic in STATISTICS)
# Every number that a table or an axis can show.
NUMBERS: dict[str, Metric] = (
    METRICS
    | {measure.key: measure.metric() for measure in EVERY if not measure.is_kept}
    | {"formula": Metric("formula", "Formula", "", "", 1.0, None, "a visitor's own", OURS, "A column of your own, in base units.", 3)}
)


BY_KEY = {measure.key: measure for measure in EVERY}


def of_answers(key: str) -> bool:
    """Whether a number is made of the energies of single answers. A mean per token is not: it is that of a run over all its tokens."""
    measure = BY_KEY.get(key)
    return measure is not None and (measure.per == DEFAULT.per or measure.statistic != "mean")


def shared(columns: Collection[str]) -> pl.Expr:
    """Whether several answers shared the GPU.

    Args:
        columns: of the rows; `batch_size`, and `concurrency` where it is known.
    """
    several = (pl.col(name) > 1 for name in ("batch_size", "concurrency") if name in columns)
    return pl.any_horizontal(*several).fill_null(False)


def kind(key: str, columns: Collection[str]) -> pl.Expr:
    """Which of KINDS a number of each row is; null where the row lacks it and has no estimate.

    Args:
        key: of NUMBERS.
        columns: of the rows: the number, `batch_size`, and where they are known `concurrency` and `estimated_energy_j`.
    """
    known = pl.col(key).is_not_null() if key in columns else pl.lit(False)
    if key == "estimated_energy_j":
        return pl.when(known).then(pl.lit(ESTIMATED))
    if not of_answers(key):
        return pl.when(known).then(pl.lit(MEASURED))
    found = pl.when(known & shared(columns)).then(pl.lit(DIVIDED)).when(known).then(pl.lit(MEASURED))
    if key == DEFAULT.key and "estimated_energy_j" in columns:
        return found.when(pl.col("estimated_energy_j").is_not_null()).then(pl.lit(ESTIMATED))
    return found


def without_forced(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without the energies of answers of random weights; `energy_reason` and `measure_reason` say why.

    Args:
        rows: of results or answers, with `weights` and any energies.
    """
    forced = pl.col("weights") == "dummy"
    lost = [name for name in rows.columns if of_answers(name)]
    if not lost or not (rows["weights"] == "dummy").any():
        return rows
    known = pl.any_horizontal(pl.col(name).is_not_null() for name in lost)
    why = [name for name in ("energy_reason", "measure_reason") if name in rows.columns]
    return rows.with_columns(
        *(pl.when(~forced).then(pl.col(name)).alias(name) for name in lost),
        *(pl.when(forced & known).then(pl.lit(FORCED)).otherwise(pl.col(name)).alias(name) for name in why),
    )


def joined(rows: pl.DataFrame, energies: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Rows of `results` with the column of the measure and `measure_reason`, why it is empty.

    Args:
        rows: rows of `results`.
        energies: rows of the query `energies` for this measure.
    """
    found = energies.select("result_id", pl.col("value").alias(measure.key), pl.col("reason").alias("measure_reason"))
    return rows.drop(measure.key, strict=False).join(found, on="result_id", how="left", maintain_order="left")


def with_reason(rows: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """Rows of `results` with `measure_reason`, why they lack an energy above an idle power that `results` has a column of.

    The words are those of the query `energies`, which reads every prompt.
    """
    if measure.idle == GROSS:
        return rows
    words = (
        pl.when(pl.col(measure.key).is_not_null()).then(pl.lit(None, pl.String))
        .when(pl.col("origin") == "published").then(pl.lit("the source records no idle power"))
        .when(pl.col("energy_reason").is_not_null()).then(pl.col("energy_reason"))
        .when(shared(rows.columns)).then(pl.lit("idle power belongs to all requests that shared the GPU"))
        .otherwise(pl.lit(f"no {measure.idle.removeprefix('above ')} power was recorded"))
    )  # fmt: skip
    return rows.with_columns(words.alias("measure_reason"))


def per_prompt(measure: Measure) -> pl.Expr:
    """The energy (J) of one answer by this measure; the statistic needs more than one and does not matter. Null where parts are missing.

    The frame needs `energy_j`, the energy above the idle power that is asked for, `input_tokens`, `output_tokens`, `output_words` and
    `output_chars`.
    """
    parts = {
        "response": pl.lit(1),
        "output token": pl.col("output_tokens"),
        "total token": pl.col("input_tokens") + pl.col("output_tokens"),
        "word": pl.col("output_words"),
        "character": pl.col("output_chars"),
    }[measure.per]
    joules = pl.col(Measure(idle=measure.idle).key)
    return pl.when(parts > 0).then(joules / parts)
