"""Frames that are kept as they are: a cache of Streamlit would write each out and read it in again for every page that asks.

Nobody can spoil what is kept: whoever asks gets a frame of his own, which shares the columns and no more.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import polars as pl


@dataclass
class Kept:
    """Frames by what was asked, of so many bytes together; those that nobody asked for the longest go first."""

    most_bytes: int  # how many bytes are kept
    rows: OrderedDict[Hashable, pl.DataFrame] = field(default_factory=OrderedDict)  # what is kept
    bytes: int = 0  # how many these are
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turns: dict[Hashable, threading.Lock] = field(default_factory=dict)

    def get(self, asked: Hashable, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """What is kept for a question, else what is made now: once, however many ask at the same time."""
        if (found := self._found(asked)) is not None:
            return found
        with self._lock:
            turn = self._turns.setdefault(asked, threading.Lock())
        with turn:
            if (found := self._found(asked)) is not None:
                return found
            try:
                made = make()
                self._keep(asked, made)
            finally:
                with self._lock:
                    self._turns.pop(asked, None)
        return made.clone()

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self.rows.clear()
            self.bytes = 0

    def _found(self, asked: Hashable) -> pl.DataFrame | None:
        with self._lock:
            rows = self.rows.get(asked)
            if rows is None:
                return None
            self.rows.move_to_end(asked)
            return rows.clone()

    def _keep(self, asked: Hashable, rows: pl.DataFrame) -> None:
        with self._lock:
            self._drop(asked)
            self.rows[asked] = rows
            self.bytes += int(rows.estimated_size())
            while self.bytes > self.most_bytes:
                self._drop(next(iter(self.rows)))

    def _drop(self, asked: Hashable) -> None:
        rows = self.rows.pop(asked, None)
        self.bytes -= 0 if rows is None else int(rows.estimated_size())
