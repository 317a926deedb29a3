"""How long does each named query take, beside a bare scan of the columns that it needs? Both in the same run.

Every query in `warehouse/queries` has a case here: what it must read at least, and, where it needs one, a representative choice. A query
over prompts should take under 3 times the CPU of the bare scan; one over runs under 20 ms, whatever the number of prompts.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from prompt_joules.warehouse import connect, query
from prompt_joules.warehouse.selection import Selection

MOST_TIMES = 3.0
MOST_MS = 20.0
EVERYTHING = Selection(weights=(), only_valid=False)
# Columns of the SELECT that keeps and labels prompts.
KEPT = ("run_number", "valid", "status")
# What Distributions asks first; the made-up energies lie between the two ends.
METRIC: dict[str, object] = {
    "metric": "energy_j",
    "by": "model",
    "prompt_set": "",
    "only_series": "",
    "bins": 40,
    "low": 5.0,
    "high": 6200.0,
    "log": True,
}


@dataclass(frozen=True)
class Case:
    """What a query must read at least, and with which choice it is asked.

    Attributes:
        table: the table that decides.
        columns: its columns.
        choice: the query's own parameters.
        selection: the filters.
    """

    table: str
    columns: tuple[str, ...]
    choice: dict[str, object] = field(default_factory=dict)
    selection: Selection = EVERYTHING

    @property
    def over_prompts(self) -> bool:
        """Whether the query reads a row per prompt; if not, its aim is a time and not a ratio."""
        return self.table == "requests"


def _prompts(*columns: str, selection: Selection = EVERYTHING, **choice: object) -> Case:
    return Case("requests", KEPT + columns, choice, selection)


def cases(warehouse: Path) -> dict[str, Case]:
    """A case for each named query; the choices are the first runs and models of the warehouse."""
    connection = connect.once(str(warehouse))
    runs = [run for (run,) in connection.execute("select run_id from runs order by run_id limit 3").fetchall()]
    models = connection.execute(
        "select name, model_id from models where model_id in (select model_id from runs where task = 'chat') order by all limit 2"
    ).fetchall()
    connection.close()
    (name_a, model_a), (name_b, _) = models
    contrast = {"contrast": "model", "a": name_a, "b": name_b, "finished": False, "idle": "gross"}
    over_prompts = _over_prompts(runs, contrast, Selection(models=(model_a,), weights=(), only_valid=False))
    return dict(sorted((over_prompts | _over_runs(contrast)).items()))


def _over_prompts(runs: Sequence[str], contrast: dict[str, object], one_model: Selection) -> dict[str, Case]:
    results = [f"run:{run}" for run in runs]
    lengths = ("input_tokens", "output_tokens", "energy_j")
    counted = ("output_words", "output_chars")
    metrics = (*lengths, "energy_error_j", *counted, "latency_s", "ttft_s", "prompt_id", "sequence", "repetition", "reasons")
    of_units = (*lengths, "prompt_id", "repetition", "window_id", *counted)
    return {
        "contrast_prompts": _prompts("prompt_id", "repetition", "energy_j", "output_tokens", "finish_reason", **contrast),
        "cost_prompts": _prompts("prompt_id", *lengths, idle="gross", result=results[0], a=1.0, b=0.1, c=3.0),
        "cost_units": _prompts("prompt_id", *lengths, selection=Selection(), idle="gross", results=results[0], pooled=True),
        "distribution": _prompts("energy_j", **METRIC),
        "distribution_bins": _prompts("energy_j", **METRIC),
        "hidden": _prompts("reasons"),
        "prompt_answers": _prompts("prompt_id", *lengths, "sequence", "repetition", prompt="prompt-7"),
        "prompt_list": _prompts("prompt_id", "prompt_set", "prompt_text", *lengths, search=""),
        "prompt_order": _prompts("prompt_id", "energy_j"),
        "prompts": _prompts(*metrics, selection=one_model),
        "prompts_between": _prompts(*metrics, metric="energy_j", by="model", prompt_set="", series=contrast["a"], low=1000.0, high=1100.0),
        "run_windows": _prompts("gpu_temperature_c", "energy_j", "energy_error_j", run=runs[0]),
        "units": _prompts(*of_units, results="\n".join(results), idle="gross", pooled=True),
        "variances": _prompts("prompt_id", *lengths),
    }


def _over_runs(contrast: dict[str, object]) -> dict[str, Case]:
    return {
        "answers": Case("setup_sums", ("setup", "kind", "answer_j", "runs")),
        "columns": Case("meta", ("schema_version",)),
        "contrast_published": Case("published", ("result_id", "energy_j", "output_tokens"), contrast),
        "cost_results": Case("runs", ("run_id", "measured", "energy_attribution")),
        "energies": Case("run_summary", ("run_id", "metric", "p95"), {"per": "output token", "statistic": "p95", "idle": "above idle"}),
        "ingested_files": Case("ingested_files", ("file_id", "path", "sha256")),
        "evened": Case("evened", ("run_id", "energy_j")),
        "leaderboard": Case("run_summary", ("run_id", "metric", "mean", "p50", "p90", "p95", "p99")),
        "measured_answers": Case("runs", ("run_id", "measured", "counted", "measured_output_tokens_total")),
        "meta": Case("meta", ("schema_version", "project_version")),
        "options": Case("runs", ("model_id", "gpu", "task", "engine", "batch_size", "weights")),
        "reason_codes": Case("reason_codes", ("code",)),
        "rejects": Case("rejects", ("path", "reason")),
        "repetitions": Case("runs", ("run_id", "measured", "setup", "card")),
        "run_totals": Case("run_totals", ("run_id",)),
        "runs": Case("runs", ("run_id", "valid", "reasons")),
        "series": Case("run_summary", ("run_id", "metric", "prompts"), METRIC),
        "setup_percentiles": Case("setup_summary", ("setup", "metric", "p50", "p95"), {"per": "response", "idle": "gross"}),
        "setups": Case("runs", ("run_id", "card", "server_options")),
        "software_curves": Case("setup_sums", ("setup", "newest_id", "energy_per_token_j")),
        "software_steps": Case("setup_sums", ("setup", "newest_id", "energy_per_token_j", "logs")),
        "spreads": Case("run_summary", ("run_id", "metric", "mean", "p5", "p50", "p95", "p99"), {"per": "response", "idle": "gross"}),
        "tasks": Case("tasks", ("task",)),
    }


def seconds(work: Callable[[], object]) -> float:
    """Wall clock of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@dataclass(frozen=True)
class Spent:
    """What a call takes (ms): by the clock, and of all cores together, which neighbours on the machine move less."""

    wall: float
    cpu: float


def spent(work: Callable[[], object]) -> Spent:
    """Time and CPU of one call in this process, DuckDB's threads included."""
    cpu = time.process_time()
    wall = seconds(work)
    return Spent(1000 * wall, 1000 * (time.process_time() - cpu))


def ask(name: str, case: Case, warehouse: Path) -> None:
    """Run a query as a page does."""
    query.load(name, case.selection, str(warehouse), **case.choice)


def scan(case: Case, warehouse: Path) -> None:
    """Read every value of the columns, through the same reader as a query."""
    with connect.reading(str(warehouse)) as connection:
        parts = [duckdb.SQLExpression(f"max({column})") for column in case.columns]
        connection.table(case.table).aggregate(parts).fetchall()


@dataclass(frozen=True)
class Timing:
    """A query beside the bare scan of its columns.

    Attributes:
        name: the query.
        over_prompts: whether it reads a row per prompt.
        taken: what the query takes.
        least: what the scan takes.
    """

    name: str
    over_prompts: bool
    taken: Spent
    least: Spent

    @property
    def times(self) -> float:
        """CPU of the query as a multiple of that of the scan."""
        return self.taken.cpu / self.least.cpu

    @property
    def aim(self) -> str:
        """What is asked of a query of its kind."""
        return f"< {MOST_TIMES:.0f}×" if self.over_prompts else f"< {MOST_MS:.0f} ms"

    @property
    def met(self) -> bool:
        """Whether it keeps its aim. Whatever the clock says here, on a free machine a query takes no longer than its CPU."""
        return self.times < MOST_TIMES if self.over_prompts else min(self.taken.wall, self.taken.cpu) < MOST_MS


def timed(warehouse: Path, repeats: int) -> Iterator[Timing]:
    """Ask every query once to warm up, then `repeats` times in turns with its scan; the least of each, which neighbours move least."""
    for name, case in cases(warehouse).items():
        ask(name, case, warehouse)
        mine, scans = [], []
        for _ in range(repeats):
            mine.append(spent(lambda name=name, case=case: ask(name, case, warehouse)))  # type: ignore[misc]
            scans.append(spent(lambda case=case: scan(case, warehouse)))  # type: ignore[misc]
        yield Timing(name, case.over_prompts, _least(mine), _least(scans))


def _least(calls: Sequence[Spent]) -> Spent:
    return Spent(min(call.wall for call in calls), min(call.cpu for call in calls))


def measure(warehouse: Path, repeats: int) -> list[Timing]:
    """Print a line a query: time and CPU of it and of its scan, the ratio of CPU, the aim and the verdict."""
    print(f"{'query':26}{'ms':>9}{'CPU ms':>9}{'scan ms':>9}{'CPU ms':>9}{'times':>7}  aim      met")
    timings = []
    for timing in timed(warehouse, repeats):
        timings.append(timing)
        numbers = "".join(f"{number:9.1f}" for one in (timing.taken, timing.least) for number in (one.wall, one.cpu))
        print(f"{timing.name:26}{numbers}{timing.times:7.1f}  {timing.aim:9}{'yes' if timing.met else 'NO'}", flush=True)
    return timings
