"""What is computed of the rows: totals, percentiles and verdicts of touched runs, results; whether the sums add up."""

from collections.abc import Iterator, Sequence

import duckdb
import polars as pl

from prompt_joules.ingest.formats import FORMATS
from prompt_joules.ingest.statements import statement
from prompt_joules.warehouse import create, export
from prompt_joules.warehouse.energy_shown import IDLE, PER
from prompt_joules.warehouse.errors import ForPeople
from prompt_joules.warehouse.metrics import PROMPT_METRICS
from prompt_joules.warehouse.statistics import percentiles

# Rows whose runs are summarised at once.
SLICE_ROWS = 500_000
# Tables of what the runs of a setup have together.
TOGETHER = ("evened", "setup_summary")


# What DuckDB raises for values that it cannot add up. A full disk or a lack of memory raises other errors.
ODD_VALUES = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)


class CannotSum(Exception):
    """A run has values that cannot be added up."""

    def __init__(self, run_id: str, why: str) -> None:
        super().__init__(f"has rows of the run {run_id}, which cannot be summed ({why})")
        self.run_id = run_id


class UnsoundBuild(ForPeople):
    """The new warehouse failed its own checks and was thrown away; the old one is untouched."""


def refresh_runs(connection: duckdb.DuckDBPyConnection, *, together: bool = True) -> None:
    """Compute totals, percentiles and verdicts of the touched runs.

    Args:
        together: also what is computed of several runs: `evened`, `setup_summary`, `results` and `setup_sums`.

    Raises:
        CannotSum: the same call goes on when that run is gone.
    """
    connection.execute("set variable setup = $names", {"names": [column.name for column in create.SETUP]})
    connection.execute("set variable prompt_metrics = $names", {"names": PROMPT_METRICS})
    sources = {reader.name: reader.facts.source for reader in FORMATS if reader.facts.source}
    connection.execute("set variable sources = map($formats, $sources)", {"formats": list(sources), "sources": list(sources.values())})
    connection.execute(statement("models_of_runs"))
    connection.execute(statement("models_named"))
    touched = [run for (run,) in connection.execute("select run_id from touched order by run_id").fetchall()]
    alike = runs_alike(connection, touched) if together else []
    connection.execute("delete from runs where run_id in (select run_id from touched)")
    connection.execute("delete from run_summary where run_id in (select run_id from touched)")
    for first, last in connection.execute(statement("slices"), {"rows": SLICE_ROWS}).fetchall():
        try:
            _summarise(connection, first, last)
        except ODD_VALUES as error:
            raise _culprit(connection, first, last) from error
    if together:
        refresh_together(connection, alike)
        refresh_results(connection)


def _summarise(connection: duckdb.DuckDBPyConnection, first: str, last: str) -> None:
    for name in ("runs", "run_summary"):
        connection.execute(statement(name), {"first": first, "last": last})


def _culprit(connection: duckdb.DuckDBPyConnection, first: str, last: str) -> Exception:
    """The first run of a range that cannot be summed alone."""
    for (run_id,) in connection.execute(statement("runs_between"), {"first": first, "last": last}).fetchall():
        connection.execute("begin")
        try:
            _summarise(connection, run_id, run_id)
        except ODD_VALUES as error:
            return CannotSum(run_id, str(error).splitlines()[0])
        finally:
            connection.execute("rollback")
    return UnsoundBuild(f"Runs from {first} to {last} can be summed one by one and not together.")


def runs_alike(connection: duckdb.DuckDBPyConnection, touched: Sequence[str]) -> list[str]:
    """Some runs, and those that the warehouse has of their setups now: a run that goes leaves the others with other weights."""
    found = connection.execute(statement("runs_alike"), {"touched": list(touched)}).fetchall()
    return sorted({*touched, *(run for (run,) in found)})


def refresh_together(connection: duckdb.DuckDBPyConnection, alike: Sequence[str]) -> None:
    """Compute again what setups of several runs have together, for the setups of some runs: sums and percentiles in which every prompt
    counts once.

    Args:
        alike: of `runs_alike`, asked before the runs were written anew.
    """
    ((possible,),) = connection.execute(statement("uneven_possible")).fetchall()
    if not possible:
        for table in TOGETHER:
            connection.execute(f"delete from {table}")
        return
    touched = {"touched": list(alike)}
    for name in ("evened_gone", "evened", "setup_summary_gone"):
        connection.execute(statement(name), touched)
    for first, last in connection.execute(statement("setup_slices"), {"rows": SLICE_ROWS, **touched}).fetchall():
        connection.execute(statement("counted_together"), {"first": first, "last": last, **touched})
        connection.execute(statement("setup_summary"))
        _summarise_uneven(connection)


def _summarise_uneven(connection: duckdb.DuckDBPyConnection) -> None:
    """Percentiles of setups of `alike` that asked their prompts unequally often: every prompt counts once."""
    if not connection.execute("select bool_or(uneven) from alike").fetchall()[0][0]:
        return
    for per in PER:  # one after another: a setup may have millions of answers
        answers = connection.sql(statement("asked_unevenly"), params={"per": per}).pl()
        found = [
            {"setup": setup, "only_valid": only_valid, **kept}
            for (setup, only_valid), group in answers.group_by("setup", "only_valid")
            for kept in _percentiles(connection, group, per)
        ]
        if found:
            connection.register("found", pl.DataFrame(found).to_arrow())
            connection.execute("insert into setup_summary by name from found")
            connection.unregister("found")


def _percentiles(connection: duckdb.DuckDBPyConnection, answers: pl.DataFrame, per: str) -> Iterator[dict[str, object]]:
    """The energies of a setup that are known: `metric`, `answers`, `asked_prompts`, `prompt_stddev` and percentiles."""
    for idle in IDLE:
        # Sorted: the last digit of a sum does not depend on the order of the files.
        known = answers.select("prompt", joules=idle.replace(" ", "_")).drop_nulls("joules").sort("prompt", "joules")
        if known.is_empty():
            continue
        ((metric,),) = connection.execute(statement("metric_of"), {"per": per, "idle": idle}).fetchall()
        prompts = known.group_by("prompt", maintain_order=True).agg(pl.col("joules").mean())["joules"]
        weights = percentiles.once(known["prompt"].to_numpy())
        levels = percentiles.quantiles(known["joules"].to_numpy(), weights, list(percentiles.KEPT.values()))
        of_prompts = {"asked_prompts": len(prompts), "prompt_stddev": prompts.std()}
        yield {"metric": metric, "answers": known.height, **of_prompts, **dict(zip(percentiles.KEPT, levels, strict=True))}


def refresh_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the rows of `results` again, all of them: names and scores of a model are in each of its rows; then those of `setup_sums`.
    Runs that ship with the project have its licence; of others nobody said one."""
    connection.execute("delete from results")
    connection.execute(statement("results"), {"shipped": sorted(export.shipped_runs()), "licence": export.SHIPPED_LICENCE})
    connection.execute("delete from setup_sums")
    connection.execute(statement("setup_sums"))


def require_sound(connection: duckdb.DuckDBPyConnection, name: str, **given: Sequence[str]) -> None:
    """Raise UnsoundBuild for what the statement `name` or `problems_anywhere` finds."""
    problems = connection.execute(statement(name), given).fetchall() + connection.execute(statement("problems_anywhere")).fetchall()
    if problems:
        raise UnsoundBuild("; ".join(problem for (problem,) in problems))
