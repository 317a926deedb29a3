"""Percentiles, bins and steps of distributions, recomputed with polars and numpy."""

import json
import random
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prompt_joules.pages.ui.of import distributions
from prompt_joules.warehouse import query
from prompt_joules.warehouse.metrics import PROMPT_METRICS
from tests import factories, warehouses
from tests.unit.queries.made import EVERYTHING, Cases, shown

CASES = Cases()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the cases of this file."""
    return CASES.loaded(tmp_path_factory.mktemp("distributions"))


@pytest.mark.parametrize("metric", PROMPT_METRICS)
def test_percentiles(warehouse: str, metric: str) -> None:
    found = distributions.without_steps(
        query.load("distribution", None, warehouse, metric=metric, by="task", prompt_set="", only_series="")
    )
    value = pl.col(metric).cast(pl.Float64)
    levels = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}
    expected = (
        shown()
        .group_by(series="task")
        .agg(
            prompts=value.count().cast(pl.Int64),
            unmeasured=value.null_count().cast(pl.Int64),
            mean=value.mean(),
            **{name: value.quantile(level, "linear") for name, level in levels.items()},
            minimum=value.min(),
            maximum=value.max(),
        )
    )
    assert_frame_equal(found.drop(*levels), expected.sort("p50", "series").drop(*levels))
    assert_frame_equal(found, expected.sort("p50", "series"), rel_tol=1e-4)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("by", ["model", "task", "gpu", "engine", "batch size", "prompt set", "result"])
def test_bins(warehouse: str, log: bool, by: str) -> None:
    asked = {"metric": "energy_j", "by": by, "prompt_set": "", "only_series": ""}
    span = distributions.span(query.load("distribution", EVERYTHING, warehouse, **asked), log)
    found = query.load("distribution_bins", EVERYTHING, warehouse, bins=12, log=log, **span, **asked)
    rows = shown(only_valid=False).with_columns(gpu=pl.col("gpu_model").replace("NVIDIA H100 80GB HBM3", "H100").fill_null("CPU"))
    batch = pl.format("batch {}", pl.col("batch_size"))
    random = pl.when(pl.col("weights") == "dummy").then(pl.lit("random weights"))
    protocol = pl.format("protocol {}", "harness_version")
    name = pl.concat_str(
        "model_name", "gpu", pl.lit("FP16"), "task", "engine", batch, "prompt_set", random, protocol, separator=" · ", ignore_nulls=True
    )
    names = {"model": "model_name", "task": "task", "gpu": "gpu", "engine": "engine", "prompt set": "prompt_set"}
    rows = rows.with_columns(series=batch if by == "batch size" else name if by == "result" else names[by])
    values = rows.drop_nulls("energy_j")
    assert found["count"].sum() == values.height
    for series, low, high, count, share in found.iter_rows():
        mine = values.filter(pl.col("series") == series)["energy_j"]
        # The edges are computed twice, so a value on an edge may fall on either side of it.
        strict = ((mine > low * (1 + 1e-9)) & (mine < high * (1 - 1e-9))).sum()
        loose = ((mine >= low * (1 - 1e-9)) & (mine <= high * (1 + 1e-9))).sum()
        assert strict <= count <= loose
        assert share == pytest.approx(count / mine.len())
    assert found["bin_low"].min() == pytest.approx(values["energy_j"].min())
    assert found["bin_high"].max() == pytest.approx(values["energy_j"].max())


@CASES.of
def zeros() -> list[pl.DataFrame]:
    rows = [factories.record("run-a", index, energy_j=energy) for index, energy in enumerate([0.0, 0.0, 1.0, 10.0, 100.0])]
    rows += [factories.record("run-b", index, task="instruct", energy_j=0.0) for index in range(3)]
    return [factories.frame(rows)]


def test_bins_of_a_logarithm_leave_out_what_is_not_positive(apart: str) -> None:
    asked = {"metric": "energy_j", "by": "task", "prompt_set": "", "only_series": ""}
    spread = query.load("distribution", zeros.selection, apart, **asked)
    assert distributions.span(spread, log=True) == {"low": 1.0, "high": 100.0}
    assert distributions.span(spread, log=False) == {"low": 0.0, "high": 100.0}
    found = query.load("distribution_bins", zeros.selection, apart, bins=2, log=True, **distributions.span(spread, log=True), **asked)
    assert found.select("series", "count").rows() == [("chat", 1), ("chat", 2)]
    nothing = distributions.span(spread.filter(pl.col("series") == "instruct"), log=True)
    assert query.load("distribution_bins", zeros.selection, apart, bins=2, log=True, **nothing, **asked).is_empty()


EQUAL = CASES.add("equal", lambda: [factories.records(25, input_tokens=7)])


def test_bins_of_equal_values(apart: str) -> None:
    asked = {"metric": "input_tokens", "by": "task", "prompt_set": "", "only_series": "", "bins": 5, "log": False}
    found = query.load("distribution_bins", EQUAL.selection, apart, low=7.0, high=7.0, **asked)
    assert found.rows() == [("chat", 7.0, 7.0, 25, 1.0)]


def assert_steps(steps: list[tuple[float, float, float | None]], values: np.ndarray[Any, Any]) -> None:
    """Each step is exact, and none is missing.

    Between two are at most 1 % of the prompts, beside those whose value is within 0.5 % of the second one's.

    Args:
        steps: share of the prompts, value, share of the total.
        values: of all prompts, smallest first.
    """
    ranks = [round(share * len(values)) for share, *_ in steps]
    assert [share for share, *_ in steps] == [rank / len(values) for rank in ranks]
    assert (ranks[0], ranks[-1]) == (0, len(values))
    assert len(ranks) <= 201
    assert [value for _, value, _ in steps] == [values[0], *(values[rank - 1] for rank in ranks[1:])]
    for last, rank in pairwise(ranks):
        alike = np.searchsorted(values, values[rank - 1] - 0.005 * abs(values[rank - 1]))
        assert last < rank
        assert max(alike, last) - last <= 1 + 0.01 * len(values)
    if values.min() >= 0 and values.sum():
        expected = [values[:rank].sum() / values.sum() for rank in ranks]
        assert [total for *_, total in steps] == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["energy_j", "output_tokens", "energy_error_j"])
def test_steps_of_a_distribution(warehouse: str, metric: str) -> None:
    found = distributions.steps_of(query.load("distribution", None, warehouse, metric=metric, by="task", prompt_set="", only_series=""))
    values = shown()[metric].drop_nulls().sort().cast(pl.Float64)
    assert_steps(found.select("share_of_prompts", "value", "share_of_total").rows(), values.to_numpy())
    costliest = values.tail(-(-values.len() // 20)).sum() / values.sum()
    assert found["top5_share"].unique().to_list() == [pytest.approx(costliest)]


FEW = [[7.0], [3.0, 0.0, 5.0, 3.0], [0.0, 0.0]]


def of_energies(energies: Sequence[float]) -> list[pl.DataFrame]:
    """A run of answers that took these energies."""
    return [factories.frame([factories.record("run-a", index, energy_j=energy) for index, energy in enumerate(energies)])]


STEPS = [CASES.add(f"few {place}", partial(of_energies, energies)) for place, energies in enumerate(FEW)]


@pytest.mark.parametrize("energies", FEW)
def test_steps_of_few_prompts(apart: str, energies: list[float]) -> None:
    case = STEPS[FEW.index(energies)]
    found = distributions.steps_of(
        query.load("distribution", case.selection, apart, metric="energy_j", by="model", prompt_set="", only_series="")
    )
    ordered = sorted(energies)
    assert found["value"].to_list() == [ordered[0], *sorted(set(ordered))]
    assert_steps(found.select("share_of_prompts", "value", "share_of_total").rows(), np.array(ordered))
    if total := sum(ordered):
        assert found["top5_share"][0] == pytest.approx(ordered[-1] / total)


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], pl.DataFrame, str]:
    """Runs of any size and shape: their names, their rows, and a warehouse of them."""
    shapes = {
        "wide": lambda chance: 10 ** chance.uniform(-6, 6),
        "equal": lambda chance: 5.0,
        "stepped": lambda chance: float(chance.randint(0, 3)),
        "narrow": lambda chance: 1000 + chance.random(),
        "usual": lambda chance: chance.lognormvariate(5, 0.7),
    }
    runs = [
        (f"{shape}-{size}", draw, size) for shape, draw in shapes.items() for size in (1, 2, 3, 19, 20, 21, 140, 199, 200, 201, 477, 2000)
    ]
    rows = [
        factories.record(name, index, model_id=name, model_name=name, energy_j=draw(random.Random(f"{name}/{index}")))
        for name, draw, size in runs
        for index in range(size)
    ]
    folder, frame = tmp_path_factory.mktemp("shaped"), factories.frame(rows)
    factories.write(frame, folder / "rows" / "part-0.parquet")
    warehouses.ingest(folder / "rows", into=folder / "w.duckdb")
    return [name for name, *_ in runs], frame, str(folder / "w.duckdb")


@pytest.mark.parametrize("metric", ["energy_j", "energy_above_idle_j", "energy_above_active_idle_j"])
def test_distributions_of_any_size_and_shape(shaped: tuple[list[str], pl.DataFrame, str], metric: str) -> None:
    names, rows, path = shaped
    found = query.load("distribution", None, path, metric=metric, by="model", prompt_set="", only_series="")
    above = {
        f"energy_above_{name}_j": pl.col("energy_j") - pl.col(f"{name}_power_w") * pl.col("latency_s") for name in ("idle", "active_idle")
    }
    made = rows.with_columns(**above)
    assert sorted(found["series"]) == sorted(names)
    for row in found.iter_rows(named=True):
        values = np.sort(made.filter(pl.col("model_name") == row["series"])[metric].to_numpy())
        levels = [row[name] for name in ("p5", "p25", "p50", "p75", "p90", "p95", "p99")]
        assert levels == pytest.approx(np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99]), rel=0.0005), row["series"]
        assert (row["prompts"], row["minimum"], row["maximum"]) == (len(values), values[0], values[-1])
        assert_steps([(step["share_of_prompts"], step["value"], step["share_of_total"]) for step in row["steps"]], values)
        if metric == "energy_j" and values.sum():
            share = values[len(values) - -(-len(values) // 20) :].sum() / values.sum()
            assert row["top5_share"] == pytest.approx(share, rel=0.0005), row["series"]


def test_percentiles_of_very_many_prompts(tmp_path: Path) -> None:
    """Then buckets are 0.5 % wide. As many as that takes are not made here: the warehouse is told that there are."""
    chance = random.Random(0)
    energies = [chance.lognormvariate(5, 0.7) for _ in range(3000)]
    rows = [factories.record("run-a", index, energy_j=energy) for index, energy in enumerate(energies)]
    factories.write(factories.frame(rows), tmp_path / "part-0.parquet")
    warehouses.ingest(tmp_path / "part-0.parquet", into=tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("update run_summary set prompts = 10000000")
    asked = {"metric": "energy_j", "by": "model", "prompt_set": "", "only_series": ""}
    (row,) = query.load("distribution", None, str(tmp_path / "w.duckdb"), **asked).iter_rows(named=True)
    levels = [row[name] for name in ("p5", "p25", "p50", "p75", "p90", "p95", "p99")]
    exact = np.quantile(energies, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    assert levels == pytest.approx(exact, rel=0.005)
    assert levels != pytest.approx(exact, rel=1e-4)
    assert (row["prompts"], row["minimum"], row["maximum"]) == (3000, min(energies), max(energies))
    assert row["mean"] == pytest.approx(np.mean(energies), rel=1e-12)
    assert_steps([(step["share_of_prompts"], step["value"], step["share_of_total"]) for step in row["steps"]], np.sort(energies))


@CASES.of
def two_sets() -> list[pl.DataFrame]:
    other = [factories.record("run-e", index, prompt_set="other", energy_j=1.0 + index) for index in range(30)]
    return [factories.records(30, "run-a"), factories.frame(other)]


def test_distributions_of_one_prompt_set(apart: str) -> None:
    _, other = two_sets.runs
    given = {"metric": "energy_j", "by": "result", "bins": 10, "log": False, "low": 0.0, "high": 1e9}
    given["only_series"] = ""
    given["series"] = f"{other['model_name'][0]} · H100 · FP16 · chat · transformers-eager · batch 1 · other · protocol 1"
    for question in ("distribution_bins", "distribution", "prompts_between"):
        found = query.load(question, two_sets.selection, apart, prompt_set="other", **given)
        assert found["series"].unique().to_list() == [given["series"]], question
    assert sorted(found["energy_j"]) == other["energy_j"].to_list()
    assert query.load("distribution", two_sets.selection, apart, prompt_set="", **given)["series"].n_unique() == 2


@pytest.mark.parametrize("by", ["task", "model"])
def test_some_series_of_a_distribution(warehouse: str, by: str) -> None:
    """Series are listed by their prompts, and a distribution of some of them is what it is among all."""
    asked = {"metric": "energy_j", "by": by, "prompt_set": ""}
    listed = query.load("series", EVERYTHING, warehouse, **asked)
    column = {"task": "task", "model": "model_name"}[by]
    valid = shown(only_valid=False).filter(~pl.col("throttled"), pl.col("energy_j").is_not_null())
    expected = valid.group_by(series=column).agg(prompts=pl.len()).sort("prompts", "series", descending=[True, False])
    assert listed.rows() == expected.rows()
    first = listed["series"][:1].to_list()
    some, every = (query.load("distribution", EVERYTHING, warehouse, **asked, only_series=only) for only in (json.dumps(first), ""))
    assert every["series"].n_unique() > 1
    assert_frame_equal(some, every.filter(pl.col("series").is_in(first)))
    span = {"bins": 5, "log": False, "low": 0.0, "high": 1e6}
    bins = query.load("distribution_bins", EVERYTHING, warehouse, **asked, **span, only_series=json.dumps(first))
    assert bins["series"].unique().to_list() == first


def test_a_series_without_a_known_number_is_listed_too(warehouse: str) -> None:
    listed = query.load("series", EVERYTHING, warehouse, metric="energy_mean_per_word_j", by="gpu", prompt_set="")
    assert listed.rows() == query.load("series", EVERYTHING, warehouse, metric="energy_j", by="gpu", prompt_set="").rows()


@CASES.of
def answered() -> list[pl.DataFrame]:
    """Two runs of one prompt set, one of them with two repetitions; a batch whose energy was divided."""
    twice = [factories.record("run-b", index, prompt_id=f"p{index % 5}", repetition=index // 5) for index in range(10)]
    return [
        factories.records(5, "run-a"),
        factories.frame(twice),
        factories.records(8, "run-c", task="instruct", energy_attribution="shared", batch_size=8, window_id=0),
    ]


def test_answers_to_one_prompt_are_counted(apart: str) -> None:
    asked = {"metric": "energy_j", "by": "task", "prompt_set": "", "only_series": ""}
    found = query.load("distribution", answered.selection, apart, **asked).sort("series")
    assert found.select("series", "prompts", "answers_per_prompt", "runs", "divided").rows() == [
        ("chat", 15, 4, 2, False),
        ("instruct", 8, 1, 1, True),
    ]
    assert distributions.counted({"chat": "chat", "instruct": "instruct"}, found) == {
        "chat": "chat · n = 15 of 2 runs",
        "instruct": "instruct · n = 8",
    }
