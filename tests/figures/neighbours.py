"""Does a busy GPU beside the measured one change J/token? The same setup on the same card, with and without one, out of the rows that ship.

Prompts of one run may be on either side, when the neighbour began or stopped in its middle; then the luck of the run cancels as that of a
pass does.
"""

import polars as pl

import prompt_joules as pj
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, runs
from prompt_joules.warehouse.statistics.intervals import FEWEST_UNITS
from tests.figures.readme import tenths

TOKENS = Measure(per="output token")
SIDES = ("alone", "beside")
NONE = "| none of the shipped setups was measured both ways on one card | | | | |"
ANSWERS = (
    "select repetitions.setup, repetitions.card, repetitions.search, repetitions.calibration, runs.run_number, "
    "coalesce(runs.pass_id, runs.run_id) as pass_id, "
    "coalesce(runs.model_name, runs.model_id) || ', ' || runs.engine || ', ' || coalesce(runs.task, '') as name, runs.harness_version, "
    "prompt_id, energy_j, output_tokens, list_contains(requests.reasons, 'busy-neighbour') as beside "
    "from requests join runs using (run_number) join repetitions using (run_number) "
    "where requests.valid and energy_j > 0 and output_tokens > 0 and runs.energy_attribution = 'exclusive' "
    "and repetitions.card is not null and requests.neighbour_power_w is not null"
)


def beside_and_alone(answers: pl.DataFrame, known: runs.Known = runs.NOTHING) -> pl.DataFrame:
    """J/token beside a busy GPU over J/token without one, of each setup and card that was measured both ways.

    Args:
        answers: one row an answer: `setup`, `card`, `search`, `calibration`, `run_number`, `pass_id`, `name`, `harness_version`,
            `prompt_id`, `energy_j`, `output_tokens`, `beside`.
        known: the luck of the runs of all setups that were repeated.

    Returns:
        One row each, by name and card: `name`, `card`, `alone` and `beside`, how many answers, `value` (J/token alone), and `ratio`,
        `ratio_low`, `ratio_high`, `basis` of `comparison.compared`. A side with too few answers for an interval counts as none.
    """
    found = []
    for (name, _, card), own in answers.group_by("name", "setup", "card", maintain_order=True):
        counts = [own.filter(pl.col("beside") == side).height for side in (False, True)]
        if min(counts) < FEWEST_UNITS:
            continue
        units = own.select(
            pl.when("beside").then(pl.lit("beside")).otherwise(pl.lit("alone")).alias("result_id"),
            (2 * pl.col("run_number") + pl.col("beside")).alias("run_number"),
            pl.col("prompt_id").rank("dense").cast(pl.Int64).alias("unit"),
            *("pass_id", "card", "search", "calibration", "energy_j", "output_tokens"),
            pl.lit(1).alias("prompts"),
            pl.lit(False).alias("shared"),
        )
        rows = pl.DataFrame({"result_id": SIDES}).with_columns(pl.lit(None, pl.Float64).alias(TOKENS.key))
        both = comparison.compared(rows, units, TOKENS, known.of(own["harness_version"].unique()))
        row = both.row(1, named=True)
        if row["ratio_low"] is None:
            continue
        of = {key: row[key] for key in ("ratio", "ratio_low", "ratio_high", "basis")}
        found.append({"name": name, "card": card, "alone": counts[0], "beside": counts[1], "value": both["value"][0]} | of)
    texts, numbers = ("name", "card", "basis"), ("value", "ratio", "ratio_low", "ratio_high")
    schema = dict.fromkeys(texts, pl.String) | dict.fromkeys(("alone", "beside"), pl.Int64) | dict.fromkeys(numbers, pl.Float64)
    order = ["name", "card", "alone", "beside", "value", "ratio", "ratio_low", "ratio_high", "basis"]
    return pl.DataFrame(found, schema={name: schema[name] for name in order}, orient="row").sort("name", "card")


def table_of_neighbours(results: pj.Results) -> list[str]:
    """The rows of the table of neighbours: setup, answers alone and beside, J/token alone, change beside with its interval."""
    known = runs.known(query.load("repetitions", None, results.warehouse))
    found = beside_and_alone(results.sql(ANSWERS), known)
    return [_line(row) for row in found.iter_rows(named=True)] or [NONE]


def reach_of_neighbours(results: pj.Results) -> list[str]:
    """Whether an effect is shown, and how large one could be: the ends of the intervals of the table."""
    known = runs.known(query.load("repetitions", None, results.warehouse))
    found = beside_and_alone(results.sql(ANSWERS), known)
    least, most = float(found["ratio_low"].min()) - 1, float(found["ratio_high"].max()) - 1  # type: ignore[arg-type]
    assert (found["ratio_low"] < 1).all() and (found["ratio_high"] > 1).all(), "every interval holds 0"
    return [f"single intervals reach from {100 * least:.0f} to +{100 * most:.0f} %".replace("-", "−")]


def _line(row: dict[str, object]) -> str:
    ratio, low, high = (float(row[name]) - 1 if row[name] is not None else None for name in ("ratio", "ratio_low", "ratio_high"))  # type: ignore[arg-type]
    interval = f" ({tenths(low)} to {tenths(high)} %)" if low is not None and high is not None else ""
    return f"| {row['name']} | {row['alone']} | {row['beside']} | {row['value']:.3f} | {tenths(ratio or 0.0)} %{interval} |"
