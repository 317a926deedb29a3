"""The rows behind the tests of the queries."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import polars as pl

from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses

EVERYTHING = Selection(weights=(), only_valid=False)


@cache
def made_rows() -> pl.DataFrame:
    """A sound run with failed, throttled and unmeasured prompts; one with a bad balance; one on random weights."""
    sound = [factories.record("run-a", index) for index in range(250)]
    sound[1] |= {"throttled": True}
    sound[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    sound[3] |= {"finish_reason": "length"}
    sound.append(factories.failed("run-a", 250))
    concise = [factories.record("run-b", index, task="chat-concise") for index in range(40)]
    dummy = [
        factories.record("run-c", index, weights="dummy", model_id="me/other", model_name="other", gpu_model=None) for index in range(20)
    ]
    return factories.frame(sound + concise + dummy)


@cache
def shown(only_valid: bool = True) -> pl.DataFrame:
    """The pretrained rows of the sound runs, or with only_valid=False all rows that did not fail."""
    rows = pl.concat([made_rows(), factories.frame([factories.record("run-d", 1)])]).filter(pl.col("status") == "ok")
    if only_valid:
        rows = rows.filter(~pl.col("throttled"), pl.col("run_id") != "run-b", pl.col("weights") == "pretrained")
    return rows.with_columns(
        energy_per_token_j=pl.col("energy_j") / pl.col("output_tokens"),
        energy_per_word_j=pl.col("energy_j") / pl.col("output_words"),
        tpot_s=(pl.col("latency_s") - pl.col("ttft_s")) / (pl.col("output_tokens") - 1),
        throughput_tps=pl.col("output_tokens") / pl.col("latency_s"),
        power_w=pl.col("energy_j") / pl.col("latency_s"),
    )


@dataclass
class Case:
    """Runs that one test asks for, each in a file of its own. They are of a model of the case's name, and their ids begin with it."""

    name: str
    make: Callable[[], Sequence[pl.DataFrame]]

    @cached_property
    def runs(self) -> list[pl.DataFrame]:
        """The rows as they are loaded."""
        of_case = {
            "run_id": pl.format("{} {}", pl.lit(self.name), "run_id"),
            "model_id": pl.lit(self.name),
            "model_name": pl.lit(self.name),
        }
        return [rows.with_columns(**of_case) for rows in self.make()]

    @property
    def selection(self) -> Selection:
        """What finds this case and no other."""
        return Selection(models=(self.name,))

    def result(self, run_id: str) -> str:
        """The id of the result of a run, as a query knows it."""
        return f"run:{self.name} {run_id}"

    def only(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows of this case, of a query that gives those of all results."""
        return rows.filter(pl.col("result_id").str.starts_with(self.result("")))

    def bare(self, result: str = "result_id") -> pl.Expr:
        """The id of a run without what the case put before it."""
        return pl.col(result).str.strip_prefix(self.result(""))


class Cases:
    """Cases of one file of tests, all in one warehouse: an ingest takes half a second of CPU, however few rows it loads."""

    def __init__(self) -> None:
        self.all: list[Case] = []

    def of(self, make: Callable[[], Sequence[pl.DataFrame]]) -> Case:
        """A case of the name of a function that gives its rows."""
        return self.add(make.__name__, make)

    def add(self, name: str, make: Callable[[], Sequence[pl.DataFrame]]) -> Case:
        """A case of this name."""
        self.all.append(Case(name, make))
        return self.all[-1]

    def loaded(self, folder: Path) -> str:
        """Load all of them; the path of their warehouse."""
        for place, case in enumerate(self.all):
            for number, rows in enumerate(case.runs):
                factories.write(rows, folder / "results" / f"{place}-{number}.parquet")
        assert warehouses.ingest(folder / "results", into=folder / "w.duckdb").status == 0, warehouses.rejects(folder / "w.duckdb")
        return str(folder / "w.duckdb")
