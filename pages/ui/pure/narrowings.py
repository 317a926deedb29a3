"""What leaves only some of a page's rows, besides the filters: each rule says itself in words, from which it can be read back."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from prompt_joules.pages.ui.pure import naming
from prompt_joules.pages.ui.pure.models import SEPARATORS, squeezed
from prompt_joules.warehouse import visitor_formula
from prompt_joules.warehouse.called import AS_THEY_ARE, OF_ENGINES, OF_PROMPT_SETS, Names
from prompt_joules.warehouse.energy_shown import NUMBERS
from prompt_joules.warehouse.selection import one_of, said
from prompt_joules.warehouse.statistics import pooled

TITLES = [metric.title for metric in NUMBERS.values()]
# A number in words; two numbers with one title are called by their columns.
NAME_OF = {key: metric.title if TITLES.count(metric.title) == 1 else key for key, metric in NUMBERS.items()}
# Columns of which a page shows some values only, and what they are called in a sentence.
CALLED = {
    "prompt_set": "prompt set",
    "generation": "edition",
    "result_id": "result",
    "prompt_id": "prompt",
    "series": "series",
    "set": "table",
    "size": "size",
    "size_name": "curves of size",
    "model_name": "named model",
    "engine": "named engine",
    "run_id": "run",
    "answer": "answer",
}
# What their values are called; the others are called what they are.
NAMES = {"prompt_set": OF_PROMPT_SETS, "engine": OF_ENGINES}
SEARCHED = ("model_name", "model_id", "gpu_model", "task", "engine", "source")
# Keys of widgets, and the values with which a narrowing ends.
Way = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Narrowing:
    """A rule that keeps only some of the rows, besides the filters."""

    without: Way = field(default=(), compare=False, kw_only=True)  # how to end it; empty where the page needs it

    def words(self) -> str:
        """As a person would say it; no two narrowings say the same (`tests/from_words.py` reads them back)."""
        raise NotImplementedError

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that are left: all, unless it says otherwise. Values are in storage units."""
        return rows


@dataclass(frozen=True)
class Contains(Narrowing):
    """Rows whose model, GPU, task, engine or source contains every word of a text, however it is spelled: spaces, hyphens, case."""

    text: str
    without: Way = field(default=(("search", ""),), compare=False, kw_only=True)

    def words(self) -> str:
        return f"with the words {quoted(self.text)}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        places = [pl.col(name).fill_null("").str.replace_all(SEPARATORS.pattern, "") for name in SEARCHED if name in rows.columns]
        # Engines are found by either name.
        places += [naming.engine().fill_null("").str.replace_all(SEPARATORS.pattern, "")] if "engine" in rows.columns else []
        haystack = pl.concat_str(places, separator=" ").str.to_lowercase()
        return rows.filter(haystack.str.contains(squeezed(word), literal=True) for word in self.text.split())


@dataclass(frozen=True)
class Within(Narrowing):
    """Rows with a number between two ends; a row that lacks it is out."""

    key: str  # of NUMBERS
    # low, high: in screen units; None where it is open.
    low: float | None = None
    high: float | None = None
    above: bool = False  # whether the low end itself is out

    def words(self) -> str:
        ends = [f"{'above' if self.above else 'at least'} {_number(self.low)}"] if self.low is not None else []
        ends += [f"at most {_number(self.high)}"] if self.high is not None else []
        return f"{NAME_OF[self.key]} {' and '.join(ends)}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        factor, value = NUMBERS[self.key].display_factor, pl.col(self.key)
        if self.low is not None:
            rows = rows.filter(value > self.low / factor if self.above else value >= self.low / factor)
        return rows if self.high is None else rows.filter(value <= self.high / factor)


@dataclass(frozen=True)
class Known(Narrowing):
    """Rows that have all of some numbers, above 0 where the axis is logarithmic."""

    keys: tuple[str, ...]
    positive: bool = False

    def words(self) -> str:
        return f"with {' and '.join(NAME_OF[key] for key in self.keys)} {'above 0' if self.positive else 'known'}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col(key) > 0 if self.positive else pl.col(key).is_not_null() for key in self.keys)


@dataclass(frozen=True)
class Among(Narrowing):
    """Rows with some values of a column of CALLED."""

    column: str
    values: tuple[str, ...]

    def words(self) -> str:
        return f"{CALLED[self.column]} {one_of(self.values, NAMES.get(self.column, AS_THEY_ARE))}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col(self.column).is_in(self.values))


@dataclass(frozen=True)
class Least(Narrowing):
    """The row of each model with the least of a number, least first."""

    key: str

    def words(self) -> str:
        return f"of each model the least {NAME_OF[self.key]}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort(self.key, maintain_order=True).unique("model_id", keep="first", maintain_order=True)


@dataclass(frozen=True)
class Computed(Narrowing):
    """All rows, with a column `formula` of the visitor's own."""

    formula: str
    without: Way = field(default=(("formula", ""),), compare=False, kw_only=True)

    def words(self) -> str:
        return f"with a column {quoted(self.formula)}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        parsed = visitor_formula.parse(self.formula, [key for key in NUMBERS if key in rows.columns])
        return rows.with_columns(parsed.alias("formula"))


@dataclass(frozen=True)
class Pooled(Narrowing):
    """One row per setup: runs of ours that repeat each other are one result."""

    def words(self) -> str:
        return "one row per setup"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        return pooled.pooled(rows)


@dataclass(frozen=True)
class Sides(Narrowing):
    """Comparisons of a side A with a side B."""

    kind: str  # what differs: task, model, engine or gpu
    # a, b: the sides; empty for every task and its concise twin.
    a: str = ""
    b: str = ""
    some: tuple[str, ...] = ()  # of which one side must be one; empty for any

    def words(self) -> str:
        names = NAMES.get(self.kind, AS_THEY_ARE)
        a, b = quoted(self.a, names), quoted(self.b, names)
        sides = f"from {self.kind} {a} to {b}" if self.a else "from each task to its concise twin"
        one = f" where one of them is {one_of(self.some, names)}" if self.some else ""
        return f"{sides}{one}"

    def apply(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of a query of two sides."""
        rows = rows.filter(pl.col("a") == self.a, pl.col("b") == self.b) if self.a else rows
        return rows.filter(pl.col("a").is_in(self.some) | pl.col("b").is_in(self.some)) if self.some else rows


@dataclass(frozen=True)
class Grouped(Narrowing):
    """All rows, in series of those that are alike in something."""

    by: str

    def words(self) -> str:
        return f"one series per {said(self.by)}"


@dataclass(frozen=True)
class Planned(Narrowing):
    """All rows, as what a workload of their answers uses."""

    requests: float  # responses a day
    overhead: float  # PUE
    # price, currency: money per kWh.
    price: float
    currency: str
    intensity: float  # g CO₂e per kWh
    length: float | None = None  # tokens of an answer; None: as measured

    def words(self) -> str:
        tokens = "" if self.length is None else f" of {_number(self.length)} tokens"
        kwh = f"{_number(self.price)} {self.currency} and {_number(self.intensity)} g CO₂e a kWh"
        return f"{_number(self.requests)} responses a day{tokens} at PUE {_number(self.overhead)} with {kwh}"


def among(column: str, values: Iterable[str]) -> Among:
    """An `Among` of any values."""
    return Among(column, tuple(values))


def quoted(text: str, names: Names = AS_THEY_ARE) -> str:
    """A value that always stands in quotes."""
    words = said(text, names)
    return words if words.startswith("“") else f"“{words}”"


def _number(value: float) -> str:
    """A number that reads back as it is, without a power of ten."""
    return str(np.format_float_positional(value, trim="-"))
