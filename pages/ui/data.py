"""Rows for the pages: named queries and a visitor's SQL, kept while filters and warehouse stay the same.

What is kept is of the newest version of the warehouse alone, and so many bytes: an ingest every minute does not fill the server's memory
with rows that nobody asks for again, and neither does a visitor who tries every filter.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, TypeVar

import polars as pl
import streamlit as st

from prompt_joules.pages.ui import watched
from prompt_joules.pages.ui.pure.kept import Kept
from prompt_joules.pages.ui.pure.narrowings import Pooled
from prompt_joules.pages.ui.pure.view import View
from prompt_joules.warehouse import connect, energy_shown, query, visitor_sql, visitor_sql_memory
from prompt_joules.warehouse.energy_shown import DEFAULT
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import aa, pooled, runs

Made = TypeVar("Made")
Place = tuple[str, tuple[int, int]]
"""A warehouse and its version."""
# What is kept of named queries for all visitors (byte).
MOST_KEPT = 96 * 2**20
# Queries that read the energy of every prompt: of ten millions that takes tenths of a second, and a visitor sees why he waits. A sign for
# every query would cost the browser more than most queries take.
SLOW = {
    *("contrast_prompts", "cost_prompts", "cost_units", "distribution", "distribution_bins", "prompt_answers"),
    *("prompt_list", "prompt_order", "prompts", "prompts_between", "units", "variances"),
}
_ROWS = Kept(MOST_KEPT)
_LOCK = threading.Lock()
_SEEN: deque[Place] = deque(maxlen=64)
"""Versions that were asked, the newest last. A page that is pinned to an older one does not make it the newest again."""


def load(name: str, selection: Selection, **parameters: str | bool | float) -> pl.DataFrame:
    """The rows of a named query, from the cache while filters and warehouse stay the same."""
    path, version = _place()

    def read() -> pl.DataFrame:
        with st.spinner("Reading the warehouse …") if name in SLOW or connect.place_of(path).shared else nullcontext():
            return query.load(name, selection, path, **parameters)

    return _ROWS.get((name, selection, tuple(sorted(parameters.items())), path, version), read)


def ask(sql: str) -> visitor_sql.Answer:
    """The answer to a visitor's SQL, remembered while text and warehouse stay the same. Raises visitor_sql.RefusedSql."""
    with watched.statement(), st.spinner("Asking the warehouse …"):
        return visitor_sql_memory.run(sql, connect.default_warehouse())


def results(view: View) -> pl.DataFrame:
    """The configurations of a view with the energy that it asks for, least first; those that lack it stay, last.

    The energy of an answer of random weights is not among them: its length was forced. Where the view has one row per setup, every prompt
    counts once in its means and percentiles.
    """
    first = view.narrowings[:1] if view.narrowings[:1] == (Pooled(),) else ()
    rows = _ROWS.get(("results", view.selection, view.measure, first, *_place()), lambda: _with_energy(replace(view, narrowings=first)))
    return replace(view, narrowings=view.narrowings[len(first) :]).rows(rows)


def _with_energy(view: View) -> pl.DataFrame:
    """What `results` makes of rows before it narrows them: a page asks for that several times, and pooling takes longer than the rest."""
    rows = load("leaderboard", view.selection)
    measure = view.measure
    if not measure.is_kept:
        energies = load("energies", view.selection, **measure.parameters())
        parts = energies.select("result_id", pl.col("parts").alias(pooled.PARTS))
        rows = energy_shown.joined(rows, energies, measure).join(parts, on="result_id", how="left", maintain_order="left")
    else:
        rows = energy_shown.with_reason(rows, measure)
    rows = energy_shown.without_forced(rows)
    rows = rows if measure == DEFAULT else rows.sort(measure.key, nulls_last=True, maintain_order=True)
    evened = load("evened", Selection())
    if evened.height:
        rows = rows.join(evened, on="result_id", how="left", maintain_order="left")
    rows = _with_percentiles(rows, view) if view.narrowings else rows
    return view.rows(rows).drop(pooled.WEIGHTS, strict=False)


def _with_percentiles(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """Rows with the percentiles of their setups, of the energy of an answer and of that of the view (`pooled.with_percentiles`)."""
    for measure in dict.fromkeys((DEFAULT, replace(view.measure, statistic=DEFAULT.statistic))):
        kept = load("setup_percentiles", view.selection, per=measure.per, idle=measure.idle)
        rows = pooled.with_percentiles(rows, kept, measure)
    return rows


def of_whole_setups(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """Rows of runs that stand for their setups, with the percentiles of these in place of their own."""
    return pooled.of_whole_setups(_with_percentiles(rows, view))


def with_intervals(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """Rows with `spread`, `answers` and the 95 % intervals of `pooled.with_intervals`; of an energy that is no mean per answer or output
    token, and of the answers of random weights, there is none.

    Args:
        rows: the results of a view that is `Pooled`.
    """
    measure = view.measure
    spreads = _spreads(measure.per, measure.idle)
    found = pooled.with_intervals(rows, spreads, measure.key, load("repetitions", Selection()), luck())
    has_interval = measure.statistic == DEFAULT.statistic and measure.per == DEFAULT.per
    if measure.key == "energy_per_token_j":
        found, has_interval = found.with_columns(value_low="token_low_j", value_high="token_high_j"), True
    forced = energy_shown.of_answers(measure.key) & (pl.col("weights") == "dummy").fill_null(False)
    return found.with_columns(
        pl.when(~forced).then(pl.col("spread")).alias("spread"),
        *(pl.when(pl.lit(has_interval) & ~forced).then(pl.col(name)).alias(name) for name in pooled.VALUE_ENDS),
    )


def with_intervals_of_answers(answers: pl.DataFrame) -> pl.DataFrame:
    """Rows of the query `answers` with `value_low` and `value_high`, the 95 % interval of J of an answer of our own runs."""
    return pooled.with_intervals(answers, _spreads(DEFAULT.per, DEFAULT.idle), "answer_j", load("repetitions", Selection()), luck())


def _spreads(per: str, idle: str) -> pl.DataFrame:
    """`pooled.spreads` of all setups, kept."""
    return _ROWS.get(("spreads of setups", per, idle, *_place()), lambda: pooled.spreads(load("spreads", Selection(), per=per, idle=idle)))


def options() -> pl.DataFrame:
    """What the filters can be set to: rows (kind, value, label, count)."""
    path, version = _place()
    return _ROWS.get(("options", path, version), lambda: query.options(path))


def own(selection: Selection) -> pl.DataFrame:
    """The configurations of our own runs: those that single prompts come from."""
    return load("leaderboard", selection).filter(pl.col("origin") == "measured")


def luck(protocols: Iterable[str | None] = ()) -> runs.Known:
    """How far runs of one setup lie apart, from all setups that were run more than once; by these protocols where they have A/A data."""
    return kept("luck", lambda: runs.known(load("repetitions", Selection()))).of(protocols)


def kept(name: str, make: Callable[[], Made]) -> Made:
    """What is made of the whole warehouse, whatever the filters: from the cache while the warehouse stays the same.

    Args:
        name: of what is made, each its own.
    """
    made: Made = _kept(name, *_place(), make)
    return made


def against_themselves() -> pl.DataFrame:
    """How many checks of configurations with themselves showed a difference, from the runs that say most."""
    path, version = _place()

    def shares() -> pl.DataFrame:
        with st.spinner("Comparing runs with themselves …"):
            known, every = load("repetitions", Selection()), Selection(weights=())
            asked: dict[str, object] = {"results": "\n".join(aa.telling(known)["result_id"]), "pooled": False, "idle": DEFAULT.idle}
            units, sums = (query.load(name, every, path, **asked) for name in ("units", "cost_units"))
            return aa.shares(aa.checks(units, sums, known))

    return _ROWS.get(("against themselves", path, version), shares)


def _place() -> Place:
    path = connect.default_warehouse()
    place = path, connect.version(path)
    with _LOCK:
        if place not in _SEEN:
            _SEEN.append(place)
            forget()
    return place


def forget() -> None:
    """Keep no rows: those of an older version would be found by no question again."""
    for kept in (_ROWS, _kept):
        kept.clear()


@st.cache_data(max_entries=16, show_spinner=False)
def _kept(name: str, path: str, version: tuple[int, int], _make: Callable[[], Any]) -> Any:
    return _make()
