"""What a page shows: the filters, what it narrows its rows to besides, and which energy: what words, links, headers and queries all read.

The words of a view say all of it: `tests/from_words.py` reads the same view back from them, and with it the same rows come out.
"""

from dataclasses import dataclass, replace

import polars as pl

from prompt_joules.pages.ui.pure.narrowings import Among, Known, Narrowing, Pooled
from prompt_joules.warehouse.energy_shown import DEFAULT, Measure
from prompt_joules.warehouse.selection import Selection

EVERYTHING = Selection()


@dataclass(frozen=True)
class View:
    """What a page shows."""

    selection: Selection = EVERYTHING  # the filters, with what the page sets of its own, e.g. one prompt at a time
    narrowings: tuple[Narrowing, ...] = ()  # what else leaves only some of the rows, in order
    measure: Measure = DEFAULT  # which energy

    def narrowed(self, *more: Narrowing) -> "View":
        """The view with more narrowings."""
        return replace(self, narrowings=(*self.narrowings, *more))

    def over(self, selection: Selection) -> "View":
        """The view with other filters."""
        return replace(self, selection=selection)

    def per(self, per: str) -> "View":
        """The view with the energy per something else, where the switch stands at the response."""
        return replace(self, measure=replace(self.measure, per=per)) if self.measure.per == DEFAULT.per else self

    def rows(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Of rows that the filters leave, those that the narrowings leave.

        Args:
            rows: in storage units, with the columns that the narrowings speak of.
        """
        for narrowing in self.narrowings:
            rows = narrowing.apply(rows)
        return rows

    def words(self) -> str:
        """All of it as a person would say it."""
        return ", ".join([self.filters(), f"energy as {self.measure.words}"])

    def filters(self) -> str:
        """Filters and narrowings as a person would say them."""
        return ", ".join([self.selection.words(), *(narrowing.words() for narrowing in self.narrowings)])

    def on_screen(self) -> str:
        """Filters and narrowings for the page itself, where what was chosen by name is counted."""
        return ", ".join([self.selection.words(), *map(_short, self.narrowings)])

    def asked(self) -> "View":
        """The view with what a visitor can choose alone: without what the page always does to its rows."""
        kept = (each for each in self.narrowings if not isinstance(each, Pooled | Known) and getattr(each, "column", "") != "generation")
        return replace(self, narrowings=tuple(kept))

    def to_query(self) -> dict[str, str | list[str]]:
        """The filters as parameters of a link."""
        return self.selection.to_query()


def _short(narrowing: Narrowing) -> str:
    if isinstance(narrowing, Among) and narrowing.column.endswith("_id"):
        # Runs of one verdict are named in the words that a file has, and never chosen by a visitor one by one.
        return f"{len(narrowing.values)} chosen by {'verdict' if narrowing.column == 'run_id' else 'name'}"
    return narrowing.words()
