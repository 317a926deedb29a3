"""`python -m tests.covered`: which runs of protocol 1.x that ship are covered by runs of protocol 2.x, and may be taken out.

A run is covered where runs of one setup of protocol 2.x have measured every prompt that it measured, with the same model and weights, on
the same GPU, in the same engine, batch, task and prompt set, with a length limit that is no shorter. The loops of an engine count as one:
`transformers-compiled` of 1.x is the loop that 2.x calls `transformers-compiled:searched`. A run without any valid answer is covered by any
that has its prompts. The command takes nothing out itself:

    python -m tests.covered --paths | xargs git rm -r && python -m tests.figures --write
"""

import argparse
import sys
import tempfile
from pathlib import Path

import polars as pl

from tests import warehouses

MEASURED = warehouses.SHIPPED / "measured"
KEYS = ("model_id", "weights", "dtype", "gpu", "num_gpus", "batch_size", "concurrency", "task", "prompt_set")
# One row per run of 1.x and setup of 2.x that is alike: how many of its prompts the setup has measured.
ALIKE = f"""
with every as (
    select runs.run_number, runs.run_id, repetitions.setup, runs.valid, runs.engine, runs.max_new_tokens, runs.harness_version,
        split_part(runs.engine, ':', 1) as loop, {", ".join(f"runs.{key}" for key in KEYS)},
        try_cast(split_part(runs.harness_version, '.', 1) as integer) as protocol
    from runs join repetitions using (run_number) where runs.source = own_source()
),
answers as (
    -- A prompt is the same where its name and its number of tokens are: one that was changed has another length.
    select run_number, prompt_id, input_tokens, bool_or(valid and energy_j is not null) as measured
    from requests group by all
),
wanted as (
    select every.*, answers.prompt_id, answers.input_tokens from every join answers using (run_number) where protocol = 1
    qualify answers.measured or count_if(answers.measured) over (partition by every.run_number) = 0
),
counted as (select *, count(*) over (partition by run_number) as asked from wanted),
known as (
    select setup, loop, {", ".join(KEYS)}, prompt_id, input_tokens, any_value(engine) as by_engine, max(max_new_tokens) as longest,
        any_value(harness_version) as by_protocol, count(distinct run_number) as by_runs
    from every join answers using (run_number) where protocol >= 2 and every.valid and answers.measured group by all
)
select wanted.run_id, {", ".join(f"any_value(wanted.{key}) as {key}" for key in KEYS)}, any_value(wanted.engine) as engine,
    any_value(wanted.harness_version) as protocol, any_value(wanted.asked) as asked, known.setup, any_value(by_engine) as by_engine,
    any_value(by_protocol) as by_protocol, max(by_runs) as by_runs, count(known.prompt_id) as answered
from counted as wanted
left join known on {" and ".join(f"known.{key} is not distinct from wanted.{key}" for key in (*KEYS, "loop", "prompt_id", "input_tokens"))}
    and known.longest >= wanted.max_new_tokens
group by wanted.run_id, known.setup
"""


def coverage(warehouse: Path) -> pl.DataFrame:
    """How far each run of protocol 1.x is covered.

    Returns:
        One row per run of 1.x and setup of 2.x that covers most of it: `run_id`, what it measured, `asked`, how many prompts it measured,
        `answered`, how many of them the runs of 2.x have, `by_engine`, `by_protocol`, `by_runs`, and `covered`. Covered runs come first.
    """
    found = warehouses.rows(warehouse, ALIKE).with_columns((pl.col("answered") >= pl.col("asked")).alias("covered"))
    order = ["answered", "by_runs", "by_engine"]
    best = found.sort(order, descending=[True, True, False], nulls_last=True).unique("run_id", keep="first", maintain_order=True)
    return best.sort("covered", "gpu", "model_id", "engine", "batch_size", "prompt_set", "task", "run_id", descending=[True] + 7 * [False])


def folders(runs: list[str], shipped: Path = MEASURED) -> list[Path]:
    """The folders of runs. Raises LookupError where a run has none or several."""
    found = []
    for run in runs:
        places = sorted(shipped.glob(f"*/{run}"))
        if len(places) != 1:
            raise LookupError(f"Run {run} is in {len(places)} folders under {shipped}: it must be in one.")
        found += places
    return found


def said(row: dict[str, object]) -> str:
    """A run in one line."""
    what = f"{row['gpu']} {row['model_id']} {row['engine']} batch {row['batch_size']} {row['prompt_set']} {row['task']} ({row['protocol']})"
    if not row["answered"]:
        return f"{row['run_id']}  not covered  {what}"
    share = "covered" if row["covered"] else f"{row['answered']} of {row['asked']} prompts"
    return f"{row['run_id']}  {share}  {what}, by {row['by_runs']} × {row['by_engine']} ({row['by_protocol']})"


def main() -> int:
    """Print the runs of 1.x, those that may be taken out first."""
    parser = argparse.ArgumentParser(prog="python -m tests.covered", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--paths", action="store_true", help="only the folders of the covered runs, one a line")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.duckdb"
        warehouses.ingest(warehouses.SHIPPED, into=path)
        found = coverage(path)
    covered = found.filter("covered")["run_id"].to_list()
    if asked.paths:
        print("\n".join(str(place.relative_to(warehouses.ROOT)) for place in folders(covered)))
    else:
        print(
            "\n".join([*(said(row) for row in found.iter_rows(named=True)), f"{len(covered)} of {found.height} runs of 1.x are covered."])
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
