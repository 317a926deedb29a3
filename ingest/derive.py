"""What is computed of the rows: totals, percentiles and verdicts of touched runs, results, sums over prompts; whether the books close."""

from collections.abc import Sequence

import duckdb

from prompt_joules.ingest.statements import statement

# Rows whose runs are summarised at once.
SLICE_ROWS = 500_000
# Tables of numbers of each run, beside `runs` itself.
SUMMARIES = ("run_summary",)


class UnsoundBuild(Exception):
    """The new warehouse failed its own checks and was thrown away; the old one is untouched."""


def refresh_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute totals, percentiles and verdicts of the touched runs."""
    connection.execute(statement("models_of_runs"))
    connection.execute(statement("models_named"))
    connection.execute("delete from runs where run_id in (select run_id from touched)")
    for table in SUMMARIES:
        connection.execute(f"delete from {table} where run_id in (select run_id from touched)")
    for first, last in connection.execute(statement("slices"), {"rows": SLICE_ROWS}).fetchall():
        connection.execute(statement("runs"), {"first": first, "last": last})
        for table in SUMMARIES:
            connection.execute(statement(table), {"first": first, "last": last})
    refresh_results(connection)


def refresh_results(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the rows of `results` again, all of them: names and scores of a model are in each of its rows."""
    connection.execute("delete from results")
    connection.execute("insert into results by name from configurations")


def refresh_prompts(connection: duckdb.DuckDBPyConnection) -> None:
    """Compute the sums over prompts of the runs in the table `touched` again.

    Rows are read of these runs and of those that shared their sums before; a run that is new is added to the sums of the runs alike.
    """
    for name in ("prompts_regrouped", "prompt_groups", "prompts_joined", "prompt_sums"):
        connection.execute(statement(name))


def require_sound(connection: duckdb.DuckDBPyConnection, name: str, **given: Sequence[str]) -> None:
    """Raise UnsoundBuild for what the statement `name` finds, or the one of what is wrong anywhere."""
    problems = connection.execute(statement(name), given).fetchall() + connection.execute(statement("problems_anywhere")).fetchall()
    if problems:
        raise UnsoundBuild("; ".join(problem for (problem,) in problems))
