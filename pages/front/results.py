"""Results of a warehouse as polars frames, for notebooks and scripts. The same questions as those of the app, in base SI units."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Literal, TypedDict, Unpack

import duckdb
import polars as pl

from prompt_joules.bench.record import BY_NAME
from prompt_joules.warehouse import connect, energy_shown, query
from prompt_joules.warehouse.energy_shown import NUMBERS, Measure
from prompt_joules.warehouse.metrics import PROMPT_METRICS
from prompt_joules.warehouse.selection import DEFAULT_WEIGHTS, TEXT_FILTERS, Selection
from prompt_joules.warehouse.statistics import pairs as paired_prompts
from prompt_joules.warehouse.statistics import percentiles, runs

Texts = str | Sequence[str]
SERIES = ("result", "model", "task", "gpu", "engine", "batch size", "prompt set")
MOST_NAMED = 12
# Columns that are neither numbers of a result nor columns of a row: unit and meaning.
MEANINGS: dict[str, tuple[str, str]] = {
    "result_id": ("", "name of the configuration: run:… is ours, published:… is a row of a table"),
    "origin": ("", "published, or measured by us"),
    "source": ("", "who measured it"),
    "a": ("", "the task on side A"),
    "b": ("", "the task on side B"),
    "pairs": ("", "prompts that were answered on both sides"),
    "dropped": ("", "prompts that are in no pair"),
    "more": ("", "pairs that cost more on side B"),
    "more_share": ("1", "share of the pairs that cost more on side B"),
    "answers_per_prompt": ("", "how many answers to one prompt there can be: runs of one prompt set times repetitions"),
    "divided": ("", "whether energy of a run was divided by a rule among answers given together"),
    **{
        f"p{level}_{end}": (
            "",
            f"{end} end of the 95 % interval of the p{level} over prompts, in the unit of the metric; null for no such end",
        )
        for level in (50, 95)
        for end in ("low", "high")
    },
    "median_change": ("1", "median over the pairs of energy B / energy A − 1"),
    **{
        f"{name}{end}": ("1", meaning)
        for name in ("median_change", "whole_change", "total_change")
        for end, meaning in {
            "_low": "lower end of its 95 % interval, with the spread between runs where it is known",
            "_high": "upper end of its 95 % interval, with the spread between runs where it is known",
            "_within_low": "lower end of its 95 % interval over what was measured by itself, in these runs",
            "_within_high": "upper end of its 95 % interval over what was measured by itself, in these runs",
        }.items()
    },
    "whole_change": ("1", "median change over the pairs whose answers are both whole"),
    "total_change": ("1", "energy of all answers together on side B over that on side A, − 1"),
    "whole_pairs": ("", "pairs in which no answer was cut short"),
    "least_change": ("1", "what median_change would be at least, whatever the cut answers would have cost; null: no bound"),
    "most_change": ("1", "what median_change would be at most, whatever the cut answers would have cost; null: no bound"),
    "cut_a": ("", "pairs whose answer on side A was cut short"),
    "cut_b": ("", "pairs whose answer on side B was cut short"),
    "cut_either": ("", "pairs in which an answer was cut short"),
    "runs_a": ("", "runs of side A"),
    "runs_b": ("", "runs of side B"),
    "basis": ("", "what the intervals are about: across runs, or one run, with or without the spread known between runs"),
    "shared": ("", "whether the energy was divided among the prompts of a window: then only the totals are compared"),
    "change": ("1", "energy of all pairs on side B / on side A − 1"),
    "length_change": ("1", "tokens of all pairs on side B / on side A − 1"),
    "energy_a_j": ("J", "mean energy of a response on side A"),
    "energy_b_j": ("J", "mean energy of a response on side B"),
    "output_tokens_a": ("token", "mean length of a response on side A"),
    "output_tokens_b": ("token", "mean length of a response on side B"),
    "energy_per_token_a_j": ("J/token", "energy over tokens on side A"),
    "energy_per_token_b_j": ("J/token", "energy over tokens on side B"),
    "energy_effect_log": ("1", "ln(energy of all pairs on side B / on side A): the sum of the next two"),
    "length_effect_log": ("1", "ln(tokens of all pairs on side B / on side A)"),
    "token_effect_log": ("1", "ln(J/token of all pairs on side B / on side A)"),
    "measure_reason": ("", "why the energy that was asked for is empty"),
    "series": ("", "what the prompts have in common"),
    "unmeasured": ("", "prompts that lack the number"),
    "least_positive": ("", "smallest above 0, in the metric's unit"),
    "steps": ("", "the whole distribution: share_of_prompts have at most value and share_of_total of the sum"),
    "top5_share": ("1", "share of the sum that the largest 5 % of the prompts have"),
}


class UnknownValue(ValueError):
    """A filter has a value that no result has, or an option one that it does not know; the text names those that there are."""


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
        self, statistic: str = "mean", per: str = "response", *, above_idle: bool = False, **filters: Unpack[Filters]
    ) -> pl.DataFrame:
        """One row per configuration, published or measured, least energy first.

        Args:
            statistic: mean, median, p90, p95 or p99 over prompts.
            per: what the energy is divided by: response, output token, total token, word or character.
            above_idle: without the energy that the idle GPU would have used.
            filters: see `Filters`.

        Returns:
            The columns of `results`. The energy that was asked for is the column that `columns` calls so, energy_j at first; null with
            `measure_reason` where it is not known. Energies that were modelled are `estimated_energy_j`, never energy_j.

        Raises:
            UnknownValue: there is no such statistic, denominator or value of a filter.
        """
        measure = Measure(_one_of("statistic", statistic, energy_shown.STATISTICS), _one_of("per", per, energy_shown.PER), above_idle)
        selection = self._selection(filters)
        rows = query.load("leaderboard", selection, self.warehouse)
        if measure.is_kept:
            return rows.sort(measure.key, nulls_last=True, maintain_order=True)
        energies = query.load("energies", selection, self.warehouse, **measure.parameters())
        return energy_shown.joined(rows, energies, measure).sort(measure.key, nulls_last=True, maintain_order=True)

    def prompts(self, **filters: Unpack[Filters]) -> pl.DataFrame:
        """One row per prompt answered in our own runs, by run and order: the columns of `bench/record.py` and what is derived from them."""
        return query.load("prompts", self._selection(filters), self.warehouse)

    def pairs(self, a: str = "chat", b: str = "chat-concise", *, above_idle: bool = False, **filters: Unpack[Filters]) -> pl.DataFrame:
        """What going from task A to task B does to the energy of the same prompts, one row per setup of ours that has both.

        Args:
            a, b: two tasks.
            above_idle: without the energy that the idle GPU would have used.
            filters: see `Filters`; `task` is not one of them.

        Returns:
            `median_change` over all `pairs` as they were spent, with its 95 % interval `median_change_low` to `median_change_high` and
            what that is about, `basis`; `whole_change`, over the pairs whose answers are both whole; `total_change`, of all answers
            together; `more_share`, and the means on both sides; see `columns`.

        Raises:
            UnknownValue: there is no such task, or no such value of a filter.
        """
        tasks = query.options(self.warehouse).filter(pl.col("kind") == "task")["value"].to_list()
        sides = {"a": _one_of("a", a, tasks), "b": _one_of("b", b, tasks)}
        if "task" in filters:
            raise UnknownValue("pairs() compares two tasks, a and b; there is no filter `task`.")
        selection = self._selection(filters)
        asked = {"contrast": "task", "above_idle": above_idle, **sides}
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
        asked = {"metric": _one_of("metric", metric, PROMPT_METRICS), "by": _one_of("by", by, SERIES), "prompt_set": "", "only_series": ""}
        return percentiles.with_intervals(query.load("distribution", self._selection(filters), self.warehouse, **asked), metric)

    def sql(self, text: str, **parameters: object) -> pl.DataFrame:
        """The answer to SQL of your own, read-only; `columns()` lists tables and columns.

        Args:
            text: one statement of DuckDB's SQL, e.g. "select task, median(energy_j) from requests group by task".
            parameters: the values of `$name` in it.

        Raises:
            duckdb.Error: what is wrong with the text.
        """
        connection = connect.once(self.warehouse)
        try:
            relation = connection.sql(text, params=parameters or None)
            if relation is None:
                raise duckdb.InvalidInputException("Only a statement that gives rows can be asked, e.g. a SELECT.")
            rows: pl.DataFrame = relation.pl()
            return rows
        finally:
            connection.close()

    def columns(self, rows: pl.DataFrame | None = None) -> pl.DataFrame:
        """What columns mean.

        Args:
            rows: a frame from here; None: all tables and views of the warehouse.

        Returns:
            Of a frame `column`, `unit` (base SI, "" for names and counts) and `meaning`; without one `table`, `column`, `type`, `meaning`.
        """
        known = query.load("columns", None, self.warehouse)
        if rows is None:
            return known
        comments = dict(known.filter(pl.col("meaning") != "").select("column", "meaning").iter_rows())
        found = [(name, *_meaning(name, comments)) for name in rows.columns]
        return pl.DataFrame(found, schema={"column": pl.String, "unit": pl.String, "meaning": pl.String}, orient="row")

    def _selection(self, filters: Filters) -> Selection:
        """The filters with names looked up. Raises UnknownValue."""
        if unknown := filters.keys() - Filters.__annotations__.keys():
            _one_of("filter", next(iter(unknown)), Filters.__annotations__)
        options = query.options(self.warehouse)
        texts = {field: _known(key, filters.get(key, ()), options) for key, field in TEXT_FILTERS.items()}
        batches = tuple(int(size) for size in _known("batch", filters.get("batch", ()), options))
        weights = _one_of("weights", filters.get("weights", "pretrained"), ("pretrained", "dummy", "both"))
        kinds = {"pretrained": DEFAULT_WEIGHTS, "dummy": ("dummy",), "both": ()}[weights]
        return Selection(**texts, batch_sizes=batches, weights=kinds, only_valid=filters.get("valid", True))


def _known(key: str, asked: object, options: pl.DataFrame) -> tuple[str, ...]:
    """The values of a filter as the warehouse has them; a name may be given in any case. Raises UnknownValue."""
    values = [asked] if isinstance(asked, str | int) else list(asked)  # type: ignore[call-overload]
    there = options.filter(pl.col("kind") == key)
    names = {str(value).lower(): str(value) for value in there["value"].drop_nulls()}
    labels = {str(label).lower(): str(value) for value, label in there.select("value", "label").drop_nulls().iter_rows()}
    found = []
    for value in values:
        text = str(value).lower()
        if text not in names and text not in labels:
            raise UnknownValue(f"There are no results with {key} {value!r}. {_there_are(str(value), there['label'].drop_nulls().unique())}")
        found.append(names.get(text) or labels[text])
    return tuple(dict.fromkeys(found))


def _one_of(what: str, value: str, known: Iterable[str]) -> str:
    """The value, if it is known. Raises UnknownValue."""
    if value not in known:
        raise UnknownValue(f"There is no {what} {value!r}. {_there_are(value, known)}")
    return value


def _there_are(value: str, known: Iterable[str]) -> str:
    names = sorted({str(name) for name in known}, key=lambda name: (int(name) if name.isdigit() else 0, name.lower()))
    close = [] if value.isdigit() else get_close_matches(value, names, 3)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    return f"{meant}There are: {', '.join(names[:MOST_NAMED])}{more}." if names else "There are none."


def _meaning(name: str, comments: dict[str, str]) -> tuple[str, str]:
    if name in MEANINGS:
        return MEANINGS[name]
    if name in NUMBERS:
        return NUMBERS[name].unit, NUMBERS[name].meaning
    if name in BY_NAME:
        return BY_NAME[name].unit, BY_NAME[name].meaning
    return "", comments.get(name, "")
