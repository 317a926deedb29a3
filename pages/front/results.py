"""Results of a warehouse as polars frames, for notebooks and scripts. The same questions as those of the app, in base SI units."""

from collections.abc import Sequence
from typing import Literal, TypedDict, Unpack

import duckdb
import polars as pl

from prompt_joules.warehouse import connect, energy_shown, named, query
from prompt_joules.warehouse.energy_shown import Measure
from prompt_joules.warehouse.meanings import of_columns
from prompt_joules.warehouse.metrics import PROMPT_METRICS
from prompt_joules.warehouse.named import UnknownValue as UnknownValue
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pairs as paired_prompts
from prompt_joules.warehouse.statistics import percentiles, runs

Texts = str | Sequence[str]
SERIES = ("result", "model", "task", "gpu", "engine", "batch size", "prompt set")


class Filters(TypedDict, total=False):
    """The filters of the app, by the names that they have in its links. One value or several; what is left out filters nothing.

    model: id or name of a model. gpu: its name, "CPU" for none. task, engine, source: names. batch: prompts per batch.
    weights: pretrained (the default), dummy (random weights), or both. valid: False adds rows and runs whose verdict is not valid.
    """

    model: Texts
    gpu: Texts
    task: Texts
    engine: Texts
    source: Texts
    batch: int | Sequence[int]
    weights: Literal["pretrained", "dummy", "both"]
    valid: bool


def open(warehouse: str | None = None) -> "Results":
    """The results of a warehouse that `prompt-joules ingest` made.

    Args:
        warehouse: a file or a lake; None: $PROMPT_JOULES_WAREHOUSE, else warehouse.duckdb in this folder.

    Raises:
        WarehouseError: it is missing, old or broken; the text says what to run.
    """
    path = connect.default_warehouse() if warehouse is None else str(warehouse)
    connect.once(path).close()
    return Results(path)


def shipped() -> "Results":
    """The results that ship with the project; the first time they are loaded into a warehouse in the user's cache folder.

    Raises:
        OSError: the cache folder cannot be written.
    """
    from prompt_joules import first_warehouse  # it imports the ingest, which reading does not need

    return Results(str(first_warehouse.ready(lambda _: None)))


class Results:
    """Asks one warehouse. Every method reads it as it is at that moment, and raises WarehouseError when it cannot.

    Args:
        warehouse: a file or a lake.
    """

    def __init__(self, warehouse: str) -> None:
        self.warehouse = warehouse

    def __repr__(self) -> str:
        return f"Results({self.warehouse!r})"

    def leaderboard(
        self,
        statistic: str = "mean",
        per: str = "response",
        *,
        above_idle: bool = False,
        above_active_idle: bool = False,
        **filters: Unpack[Filters],
    ) -> pl.DataFrame:
        """One row per run of ours and per published average, least energy first.

        Args:
            statistic: mean, median, p90, p95 or p99 over prompts.
            per: what the energy is divided by: response, output token, total token, word or character.
            above_idle: without the energy that the idle GPU would have used, before the model was loaded.
            above_active_idle: without that of the loaded GPU that waits; not together with `above_idle`.
            filters: see `Filters`.

        Returns:
            The columns of `results`. The energy that was asked for is the column that `columns` calls so, energy_j at first; null with
            `measure_reason` where it is not known. Energies that were modelled are `estimated_energy_j`, never energy_j.

        Raises:
            UnknownValue: there is no such statistic, denominator or value of a filter, or both idle powers are to be taken off.
        """
        measure = Measure(
            named.one_of("statistic", statistic, energy_shown.STATISTICS),
            named.one_of("per", per, energy_shown.PER),
            _idle(above_idle, above_active_idle),
        )
        selection = self._selection(filters)
        rows = query.load("leaderboard", selection, self.warehouse)
        if measure.is_kept:
            return energy_shown.with_reason(rows, measure).sort(measure.key, nulls_last=True, maintain_order=True)
        energies = query.load("energies", selection, self.warehouse, **measure.parameters())
        return energy_shown.joined(rows, energies, measure).sort(measure.key, nulls_last=True, maintain_order=True)

    def prompts(self, **filters: Unpack[Filters]) -> pl.DataFrame:
        """One row per prompt answered in our own runs, by run and order: columns of `bench/record.csv` and what is derived from them."""
        return query.load("prompts", self._selection(filters), self.warehouse)

    def pairs(
        self,
        a: str = "chat",
        b: str = "chat-concise",
        *,
        above_idle: bool = False,
        above_active_idle: bool = False,
        **filters: Unpack[Filters],
    ) -> pl.DataFrame:
        """What going from task A to task B does to the energy of the same prompts, one row per setup of ours that has both.

        Args:
            a, b: two tasks.
            above_idle: without the energy that the idle GPU would have used, before the model was loaded.
            above_active_idle: without that of the loaded GPU that waits; not together with `above_idle`.
            filters: see `Filters`; `task` is not one of them.

        Returns:
            `median_change` over all `pairs` as they were spent, with its 95 % interval `median_change_low` to `median_change_high` and
            what that is about, `basis`; `whole_change`, over the pairs whose answers are both whole; `total_change`, of all answers
            together; `more_share`, and the means on both sides; see `columns`.

        Raises:
            UnknownValue: there is no such task, no such value of a filter, or both idle powers are to be taken off.
        """
        tasks = query.options(self.warehouse).filter(pl.col("kind") == "task")["value"].to_list()
        sides = {"a": named.one_of("a", a, tasks), "b": named.one_of("b", b, tasks)}
        if "task" in filters:
            raise UnknownValue("pairs() compares two tasks, a and b; there is no filter `task`.")
        selection = self._selection(filters)
        asked = {"contrast": "task", "idle": _idle(above_idle, above_active_idle), **sides}
        known = runs.known(query.load("repetitions", None, self.warehouse))
        return paired_prompts.paired(query.load("contrast_prompts", selection, self.warehouse, **asked), known)

    def distribution(self, metric: str = "energy_j", by: str = "result", **filters: Unpack[Filters]) -> pl.DataFrame:
        """How a number is distributed over the prompts of our own runs, one row per series.

        Args:
            metric: a number that a prompt has, e.g. energy_j, energy_per_token_j, output_tokens, latency_s, ttft_s.
            by: what one series is: result, model, task, gpu, engine, batch size or prompt set.
            filters: see `Filters`.

        Returns:
            `series`, `prompts`, `unmeasured`, `mean`, `p5` to `p99`, `minimum` and `maximum` in the unit of the metric, the 95 % intervals
            `p50_low` to `p95_high`, and `steps`, the whole distribution.

        Raises:
            UnknownValue: there is no such metric, series or value of a filter.
        """
        asked = {
            "metric": named.one_of("metric", metric, PROMPT_METRICS),
            "by": named.one_of("by", by, SERIES),
            "prompt_set": "",
            "only_series": "",
        }
        return percentiles.with_intervals(query.load("distribution", self._selection(filters), self.warehouse, **asked), metric)

    def sql(self, text: str, **parameters: object) -> pl.DataFrame:
        """The answer to SQL of your own, read-only; `columns()` lists tables and columns.

        Args:
            text: one statement of DuckDB's SQL, e.g. "select task, median(energy_j) from requests group by task".
            parameters: the values of `$name` in it.

        Raises:
            duckdb.Error: what is wrong with the text.
        """
        with connect.once(self.warehouse) as connection:
            relation = connection.sql(text, params=parameters or None)
            if relation is None:
                raise duckdb.InvalidInputException("Only a statement that gives rows can be asked, e.g. a SELECT.")
            rows: pl.DataFrame = relation.pl()
            return rows

    def columns(self, rows: pl.DataFrame | None = None) -> pl.DataFrame:
        """What columns mean.

        Args:
            rows: a frame from here; None: all tables and views of the warehouse.

        Returns:
            Of a frame `column`, `unit` (base SI, "" for names and counts) and `meaning`; without one `table`, `column`, `type`, `meaning`.
        """
        known = query.load("columns", None, self.warehouse)
        return known if rows is None else of_columns(rows.columns, known)

    def _selection(self, filters: Filters) -> Selection:
        """The filters with names looked up. Raises UnknownValue."""
        if unknown := filters.keys() - Filters.__annotations__.keys():
            named.one_of("filter", next(iter(unknown)), Filters.__annotations__)
        given = {key: value for key, value in filters.items() if value is not None}
        return named.selection(given, query.options(self.warehouse))


def _idle(above_idle: bool, above_active_idle: bool) -> str:
    """Which idle power is taken off. Raises UnknownValue: both are."""
    if above_idle and above_active_idle:
        raise UnknownValue("Energy is above idle or above active idle, not both: give one of above_idle and above_active_idle.")
    return energy_shown.ABOVE_ACTIVE_IDLE if above_active_idle else energy_shown.ABOVE_IDLE if above_idle else energy_shown.GROSS
