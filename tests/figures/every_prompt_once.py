"""The figures of docs/statistics.md: what it makes to count every prompt once."""

import numpy as np
import polars as pl

import prompt_joules as pj
from prompt_joules.warehouse import query
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.statistics import comparison, pooled
from tests.figures.marked import Figure


def asked_unevenly(results: pj.Results) -> list[str]:
    """What a mean of answers gave instead of one of prompts, where a setup asked some prompts more often."""
    rows = results.sql(
        "select sum(e.energy_j) / sum(e.measured) as mean_j, sum(e.energy_j) / sum(e.measured_output_tokens) as token_j, "
        "sum(r.energy_j_total) / sum(r.measured) as mean_of_answers_j, "
        "sum(r.energy_j_total) / sum(r.measured_output_tokens_total) as token_of_answers_j "
        "from evened as e join runs as r using (run_id) join repetitions as p on p.run_id = e.run_id group by p.setup"
    )
    counts = results.sql(
        "select min(answers) as least, max(answers) as most from (select p.setup, q.prompt_id, count(*) as answers from requests as q "
        "join evened as e using (run_id) join repetitions as p on p.run_id = e.run_id where q.valid group by all)"
    ).row(0)
    less = 100 * (rows["mean_j"] / rows["mean_of_answers_j"] - 1)
    token = 100 * (rows["token_j"] / rows["token_of_answers_j"] - 1)
    prompts, tokens = (f"{part.min():+.{digits}f} to {part.max():+.{digits}f} %" for part, digits in ((less, 0), (token, 1)))
    said = f"a mean of prompts is {prompts} off one of answers, J/token {tokens}"
    return [f"setups (of the shipped ones: {rows.height}) with {counts[0]} to {counts[1]} answers a prompt", said.replace("-", "−")]


def percentiles_of_answers(results: pj.Results) -> list[str]:
    """How far the percentiles of all answers, each alike, are from those of Leaderboard and Compare, where every prompt counts once."""
    rows = query.load("leaderboard", None, results.warehouse).filter(origin="measured")
    asked = {"results": "\n".join(rows["result_id"]), "idle": "gross", "pooled": True}
    units = query.load("units", None, results.warehouse, **asked)
    answers = results.sql("select 'run:' || run_id as result_id, requests.energy_j from requests join evened using (run_id) where valid")
    apart: dict[str, list[float]] = {"median": [], "p95": []}
    for name, changes in apart.items():
        measure = Measure(statistic=name)
        kept = query.load("setup_percentiles", None, results.warehouse, per=measure.per, idle=measure.idle)
        several = pooled.pooled(pooled.with_percentiles(rows, kept, measure)).filter(pl.col("runs") > 1)
        for place, row in enumerate(several.iter_rows(named=True)):
            compared = comparison.compared(several[place], units.filter(result_id=row["result_id"]), measure)["value"].item()
            assert abs(compared / row[measure.key] - 1) < 1e-9, (row["result_id"], "the Leaderboard's is Compare's")
            alike = rows.filter(setup=row["setup"]).join(answers, on="result_id")["energy_j_right"]
            if alike.len():
                changes.append(100 * (float(np.quantile(alike.to_numpy(), comparison.LEVELS[name])) / row[measure.key] - 1))
    median, p95 = (f"{min(part):+.1f} to {max(part):+.1f} %".replace("-", "−") for part in apart.values())
    return [f"apart by {median} (median) and {p95} (p95) in these {len(apart['p95'])} setups"]


FIGURES = tuple(Figure(say, "docs/statistics.md") for say in (asked_unevenly, percentiles_of_answers))
