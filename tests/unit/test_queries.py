"""Every named query, recomputed from the rows with a few lines of polars."""

import random
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pages.ui import shape
from tests import factories, warehouses
from warehouse import query, stats, store
from warehouse.metrics import METRICS, PROMPT_METRICS
from warehouse.selection import Selection

EXTRA = {"result": "", "c": 0.0, "search": "", "prompt": "", "results": "", "contrast": "task", "a": "", "b": "", "finished": True}
EXTRA |= {"statistic": "mean", "per": "response", "above_idle": False, "series": "", "low": 0.0, "high": 1.0, "prompt_set": "", "run": ""}
EVERYTHING = Selection(weights=(), only_valid=False)


def made_rows() -> pl.DataFrame:
    """A sound run with failed, throttled and unmeasured prompts; one with bad books; one on random weights."""
    sound = [factories.record("run-a", index) for index in range(250)]
    sound[1] |= {"throttled": True}
    sound[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    sound[3] |= {"finish_reason": "length"}
    sound.append(factories.failed("run-a", 250))
    books = [factories.record("run-b", index, task="chat-concise") for index in range(40)]
    dummy = [
        factories.record("run-c", index, weights="dummy", model_id="me/other", model_name="other", gpu_model=None) for index in range(20)
    ]
    return factories.frame(sound + books + dummy)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("queries")
    factories.write(made_rows(), folder / "results" / "part-0.parquet")
    factories.run_json(folder / "results" / "run.json", "run-b", ratio=1.5)
    bad = factories.frame([factories.record("run-d", 0, energy_j=-1.0), factories.record("run-d", 1)])
    factories.write(bad, folder / "results" / "part-1.parquet")
    path = folder / "warehouse.duckdb"
    assert warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v1", folder / "results", into=path).status == 1
    return str(path)


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


def test_every_query_runs_on_an_empty_warehouse(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    warehouses.ingest(tmp_path, into=path)
    for name in query.names():
        given = EXTRA | ({"a": 0.0, "b": 0.0} if name == "cost_prompts" else {})
        rows = query.load(name, None, str(path), metric="energy_j", by="model", bins=10, log=True, **given)
        assert rows.is_empty() or name in ("reason_codes", "tasks", "columns"), name
        with query.stream(name, None, str(path), part_rows=1000, metric="energy_j", by="model", bins=10, log=True, **given) as parts:
            assert pl.concat(parts).equals(rows), name


def test_every_query_says_what_a_row_is() -> None:
    for name in query.names():
        assert query.text(name).startswith("-- One row "), name


def test_leaderboard_averages(warehouse: str) -> None:
    board = query.load("leaderboard", Selection(sources=("Prompt Joules",)), warehouse)
    run = board.filter(pl.col("result_id") == "run:run-a").row(0, named=True)
    rows = shown().filter(pl.col("run_id") == "run-a")
    measured = rows.filter(pl.col("energy_j").is_not_null())
    assert run["prompts"] == rows.height == 249
    assert run["energy_j"] == pytest.approx(measured["energy_j"].mean())
    assert run["energy_median_j"] == pytest.approx(measured["energy_j"].median())
    assert run["energy_p99_j"] == pytest.approx(measured["energy_j"].quantile(0.99, "linear"))
    assert run["energy_per_token_j"] == pytest.approx(measured["energy_j"].sum() / measured["output_tokens"].sum())
    assert run["throughput_tps"] == pytest.approx(rows["output_tokens"].sum() / rows["latency_s"].sum())
    assert run["power_w"] == pytest.approx(measured["energy_j"].sum() / measured["latency_s"].sum())
    above = measured["energy_j"] - 78.0 * measured["latency_s"]
    assert run["energy_above_idle_j"] == pytest.approx(above.mean())
    gaps = rows["itl_s"].explode().drop_nulls().cast(pl.Float64)
    assert run["itl_p50_s"] == pytest.approx(gaps.median())
    assert run["itl_p99_s"] == pytest.approx(gaps.quantile(0.99, "linear"))
    assert run["truncated_share"] == pytest.approx(1 / 250)


def test_the_results_that_are_kept_are_the_configurations(warehouse: str) -> None:
    kept, anew = (warehouses.rows(Path(warehouse), f"from {name} order by result_id") for name in ("results", "configurations"))
    assert kept.height == 252
    assert_frame_equal(kept, anew)


def test_leaderboard_hides_invalid_runs_and_random_weights(warehouse: str) -> None:
    shown_runs = set(query.load("leaderboard", Selection(sources=("Prompt Joules",)), warehouse)["result_id"])
    assert shown_runs == {"run:run-a", "run:run-d"}
    every = query.load("leaderboard", EVERYTHING, warehouse)
    assert every.height == 248 + 4
    assert every.filter(pl.col("result_id") == "run:run-c")["gpu_model"].item() == "CPU"


def test_leaderboard_is_in_order(warehouse: str) -> None:
    assert query.load("leaderboard", EVERYTHING, warehouse)["energy_j"].is_sorted(nulls_last=True)


def test_leaderboard_puts_modelled_energies_in_order_after_the_measured_ones(tmp_path: Path) -> None:
    warehouses.ingest(warehouses.SHIPPED / "published" / "mlenergy_v3", into=tmp_path / "w.duckdb")
    board = query.load("leaderboard", EVERYTHING, str(tmp_path / "w.duckdb"))
    assert board.height == 565
    assert board["estimated_energy_j"].is_sorted(nulls_last=True)


@pytest.mark.parametrize(
    ("selection", "column", "values"),
    [
        (Selection(models=("lmsys/vicuna-7B",)), "model_id", {"lmsys/vicuna-7B"}),
        (Selection(gpus=("A40", "CPU"), weights=()), "gpu_model", {"A40", "CPU"}),
        (Selection(tasks=("chat-concise",), only_valid=False), "task", {"chat-concise"}),
        (Selection(sources=("ML.ENERGY v1",)), "source", {"ML.ENERGY v1"}),
        (Selection(weights=("dummy",)), "weights", {"dummy"}),
        (Selection(batch_sizes=(7,)), "batch_size", set()),
        (Selection(engines=("none such",)), "engine", set()),
    ],
)
def test_filters(warehouse: str, selection: Selection, column: str, values: set[str]) -> None:
    assert set(query.load("leaderboard", selection, warehouse)[column]) == values


@pytest.mark.parametrize("metric", PROMPT_METRICS)
def test_percentiles(warehouse: str, metric: str) -> None:
    found = shape.without_steps(query.load("distribution", None, warehouse, metric=metric, by="task", prompt_set=""))
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
    assert_frame_equal(found, expected.sort("p50", "series"), check_exact=False)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("by", ["model", "task", "gpu", "engine", "batch size", "prompt set", "result"])
def test_bins(warehouse: str, log: bool, by: str) -> None:
    asked = {"metric": "energy_j", "by": by, "prompt_set": ""}
    span = shape.span(query.load("distribution", EVERYTHING, warehouse, **asked), log)
    found = query.load("distribution_bins", EVERYTHING, warehouse, bins=12, log=log, **span, **asked)
    rows = shown(only_valid=False).with_columns(gpu=pl.col("gpu_model").replace("NVIDIA H100 80GB HBM3", "H100").fill_null("CPU"))
    batch = pl.format("batch {}", pl.col("batch_size"))
    random = pl.when(pl.col("weights") == "dummy").then(pl.lit("random weights"))
    protocol = pl.format("protocol {}", "harness_version")
    name = pl.concat_str("model_name", "gpu", "task", "engine", batch, "prompt_set", random, protocol, separator=" · ", ignore_nulls=True)
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


def test_bins_of_a_logarithm_leave_out_what_is_not_positive(tmp_path: Path) -> None:
    rows = [factories.record("run-a", index, energy_j=energy) for index, energy in enumerate([0.0, 0.0, 1.0, 10.0, 100.0])]
    rows += [factories.record("run-b", index, task="instruct", energy_j=0.0) for index in range(3)]
    factories.write(factories.frame(rows), tmp_path / "run-a" / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    asked = {"metric": "energy_j", "by": "task", "prompt_set": ""}
    spread = query.load("distribution", None, str(tmp_path / "w.duckdb"), **asked)
    assert shape.span(spread, log=True) == {"low": 1.0, "high": 100.0}
    assert shape.span(spread, log=False) == {"low": 0.0, "high": 100.0}
    found = query.load("distribution_bins", None, str(tmp_path / "w.duckdb"), bins=2, log=True, **shape.span(spread, log=True), **asked)
    assert found.select("series", "count").rows() == [("chat", 1), ("chat", 2)]
    zeros = shape.span(spread.filter(pl.col("series") == "instruct"), log=True)
    assert query.load("distribution_bins", None, str(tmp_path / "w.duckdb"), bins=2, log=True, **zeros, **asked).is_empty()


def test_bins_of_equal_values(tmp_path: Path) -> None:
    factories.write(factories.records(25, input_tokens=7), tmp_path / "part.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    asked = {"metric": "input_tokens", "by": "task", "prompt_set": "", "bins": 5, "log": False}
    found = query.load("distribution_bins", None, str(tmp_path / "w.duckdb"), low=7.0, high=7.0, **asked)
    assert found.rows() == [("chat", 7.0, 7.0, 25, 1.0)]


def assert_steps(steps: list[tuple[float, float, float | None]], values: np.ndarray[Any, Any]) -> None:
    """Each step is exact, and none is missing.

    Args:
        steps: share of the prompts, value, share of the total.
        values: of all prompts, smallest first.
    """
    ranks = [round(share * len(values)) for share, *_ in steps]
    assert [share for share, *_ in steps] == [rank / len(values) for rank in ranks]
    assert (ranks[0], ranks[-1]) == (0, len(values))
    assert len(ranks) <= 202
    assert all(1 <= later - rank <= 1 + 0.015 * len(values) for rank, later in pairwise(ranks))
    assert [value for _, value, _ in steps] == [values[0], *(values[rank - 1] for rank in ranks[1:])]
    if values.min() >= 0 and values.sum():
        expected = [values[:rank].sum() / values.sum() for rank in ranks]
        assert [total for *_, total in steps] == pytest.approx(expected)


@pytest.mark.parametrize("metric", ["energy_j", "output_tokens", "energy_error_j"])
def test_steps_of_a_distribution(warehouse: str, metric: str) -> None:
    found = shape.steps_of(query.load("distribution", None, warehouse, metric=metric, by="task", prompt_set=""))
    values = shown()[metric].drop_nulls().sort().cast(pl.Float64)
    assert_steps(found.select("share_of_prompts", "value", "share_of_total").rows(), values.to_numpy())
    costliest = values.tail(-(-values.len() // 20)).sum() / values.sum()
    assert found["top5_share"].unique().to_list() == [pytest.approx(costliest)]


@pytest.mark.parametrize("energies", [[7.0], [3.0, 0.0, 5.0, 3.0], [0.0, 0.0]])
def test_steps_of_few_prompts(tmp_path: Path, energies: list[float]) -> None:
    rows = [factories.record("run-a", index, energy_j=energy) for index, energy in enumerate(energies)]
    factories.write(factories.frame(rows), tmp_path / "run-a" / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = shape.steps_of(query.load("distribution", None, str(tmp_path / "w.duckdb"), metric="energy_j", by="model", prompt_set=""))
    ordered = sorted(energies)
    assert found["value"].to_list() == [ordered[0], *ordered]
    assert found["share_of_prompts"].to_list() == [place / len(ordered) for place in range(len(ordered) + 1)]
    if total := sum(ordered):
        assert found["share_of_total"].to_list() == pytest.approx([sum(ordered[:place]) / total for place in range(len(ordered) + 1)])
        assert found["top5_share"][0] == pytest.approx(ordered[-1] / total)


@pytest.mark.parametrize("metric", ["energy_j", "energy_above_idle_j"])
def test_distributions_of_any_size_and_shape(tmp_path: Path, metric: str) -> None:
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
    factories.write(factories.frame(rows), tmp_path / "rows" / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("distribution", None, str(tmp_path / "w.duckdb"), metric=metric, by="model", prompt_set="")
    made = factories.frame(rows).with_columns(energy_above_idle_j=pl.col("energy_j") - pl.col("idle_power_w") * pl.col("latency_s"))
    assert sorted(found["series"]) == sorted(name for name, *_ in runs)
    for row in found.iter_rows(named=True):
        values = np.sort(made.filter(pl.col("model_name") == row["series"])[metric].to_numpy())
        levels = [row[name] for name in ("p5", "p25", "p50", "p75", "p90", "p95", "p99")]
        assert levels == pytest.approx(np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])), row["series"]
        assert (row["prompts"], row["minimum"], row["maximum"]) == (len(values), values[0], values[-1])
        assert_steps([(step["share_of_prompts"], step["value"], step["share_of_total"]) for step in row["steps"]], values)
        if metric == "energy_j" and values.sum():
            assert row["top5_share"] == pytest.approx(values[len(values) - -(-len(values) // 20) :].sum() / values.sum()), row["series"]


def test_distributions_of_one_prompt_set(tmp_path: Path) -> None:
    other = factories.frame([factories.record("run-e", index, prompt_set="other", energy_j=1.0 + index) for index in range(30)])
    for name, rows in (("run-a", factories.records(30, "run-a")), ("run-e", other)):
        factories.write(rows, tmp_path / name / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    given = {"metric": "energy_j", "by": "result", "bins": 10, "log": False, "low": 0.0, "high": 1e9}
    given["series"] = f"{other['model_name'][0]} · H100 · chat · transformers-eager · batch 1 · other · protocol 1"
    for question in ("distribution_bins", "distribution", "prompts_between"):
        found = query.load(question, None, str(tmp_path / "w.duckdb"), prompt_set="other", **given)
        assert found["series"].unique().to_list() == [given["series"]], question
    assert sorted(found["energy_j"]) == other["energy_j"].to_list()
    assert query.load("distribution", None, str(tmp_path / "w.duckdb"), prompt_set="", **given)["series"].n_unique() == 2


def test_hidden(warehouse: str) -> None:
    found = query.load("hidden", Selection(), warehouse)
    assert dict(found.iter_rows()) == {"run: books": 40, "failed": 1, "throttled": 1}
    assert dict(query.load("hidden", EVERYTHING, warehouse).iter_rows()) == {"failed": 1}


def test_prompts(warehouse: str) -> None:
    found = query.load("prompts", None, warehouse)
    expected = shown().sort("run_id", "sequence")
    assert found.select("run_id", "sequence", "energy_j").rows() == expected.select("run_id", "sequence", "energy_j").rows()


def test_options(warehouse: str) -> None:
    found = query.options(warehouse)
    board = query.load("leaderboard", EVERYTHING, warehouse)
    for kind, column in (("gpu", "gpu_model"), ("task", "task"), ("model", "model_id"), ("weights", "weights")):
        counts = dict(found.filter(pl.col("kind") == kind).select("value", "count").iter_rows())
        assert counts == dict(board[column].value_counts().iter_rows()), kind
    assert found.filter(pl.col("kind") == "batch")["value"].to_list() == ["1"]
    labels = dict(found.filter(pl.col("kind") == "model").select("value", "label").iter_rows())
    assert labels["metaai/llama-7B"] == "llama-7B"


def test_runs(warehouse: str) -> None:
    found = query.load("runs", EVERYTHING, warehouse)
    assert set(found["run_id"]) == {"run-a", "run-b", "run-c", "run-d"}
    made = made_rows().group_by("run_id").len()
    assert {(run, count) for run, count in made.iter_rows()} < set(found.select("run_id", "prompts").iter_rows())
    assert found.filter(~pl.col("valid"))["run_id"].to_list() == ["run-b"]
    errors = shown().filter(pl.col("run_id") == "run-a")["energy_error_j"]
    assert found.filter(pl.col("run_id") == "run-a")["energy_error_j"].item() == pytest.approx(errors.mean())


def test_what_the_windows_of_a_run_went_through(warehouse: str) -> None:
    rows = made_rows().filter(pl.col("run_id") == "run-a")
    error = (rows["energy_error_j"] / rows["energy_j"]).drop_nulls()
    ends = (rows["gpu_temperature_c"].min(), rows["gpu_temperature_c"].max(), 100 * error.median(), 100 * error.max())
    found = query.load("run_windows", None, warehouse, run="run-a")
    assert found.row(0) == pytest.approx(ends)
    assert found.columns == ["temperature_low_c", "temperature_high_c", "error_median_percent", "error_most_percent"]
    assert query.load("run_windows", None, warehouse, run="no such run").is_empty()


def test_rejects_and_files(warehouse: str) -> None:
    rejects = query.load("rejects", None, warehouse)
    assert rejects.select("row", "column", "reason").rows() == [(1, "energy_j", "is negative")]
    files = query.load("ingested_files", None, warehouse)
    assert files.filter(pl.col("format") == "records")["accepted"].sum() == made_rows().height + 1
    assert files["sha256"].str.len_chars().unique().to_list() == [64]


def test_reason_codes(warehouse: str) -> None:
    codes = query.load("reason_codes", None, warehouse)
    assert {code for code, scope in codes.filter("invalidates").select("code", "scope").iter_rows() if scope == "run"} == {
        "no-valid-rows",
        "books",
        "throttled",
    }


def test_published_sides(warehouse: str) -> None:
    assert query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="task", a="", b="").is_empty()
    rows = query.load("contrast_published", Selection(tasks=("chat",)), warehouse, contrast="gpu", a="A40", b="A100")
    figures = pl.read_csv(warehouses.SHIPPED / "published" / "mlenergy_v1" / "figures.csv").filter(pl.col("task") == "chat")
    a, b = (figures.filter(pl.col("gpu_model") == gpu) for gpu in ("A40", "A100"))
    expected = a.join(b, on="published_model_id").select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series().sort()
    assert rows["change"].sort().to_list() == pytest.approx(expected.to_list())
    split = rows["length_effect_log"] + rows["token_effect_log"]
    assert split.to_list() == pytest.approx(rows["energy_effect_log"].to_list())


@pytest.mark.parametrize(("finished", "above_idle"), [(True, False), (False, False), (True, True)])
def test_pairs_of_prompts(tmp_path: Path, finished: bool, above_idle: bool) -> None:
    wordy = [factories.record("run-1", index) for index in range(40)]
    brief = [factories.record("run-2", index, task="chat-concise") for index in range(40)]
    older = [factories.record("run-0", index, started_at=factories.START - timedelta(days=1)) for index in range(40)]
    longer = [factories.record("run-3", index, task="chat-concise", max_new_tokens=9) for index in range(40)]
    wordy[0]["finish_reason"] = brief[1]["finish_reason"] = "length"
    wordy[2] |= {"energy_j": None, "energy_error_j": None, "energy_reason": "the counter went back"}
    wordy[3] = factories.failed("run-1", 3)
    for rows in (wordy, brief, older, longer):
        factories.write(factories.frame(rows), tmp_path / str(rows[0]["run_id"]) / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load(
        "contrast_prompts", None, str(tmp_path / "w.duckdb"), contrast="task", a="", b="", finished=finished, above_idle=above_idle
    )
    idle = pl.col("idle_power_w") * pl.col("latency_s") if above_idle else 0.0
    a, b = (
        factories.frame(rows).filter(pl.col("energy_j").is_not_null()).with_columns(pl.col("energy_j") - idle) for rows in (wordy, brief)
    )
    pairs = a.join(b, on="prompt_id", suffix="_b")
    if finished:
        pairs = pairs.filter(pl.col("finish_reason") != "length", pl.col("finish_reason_b") != "length")
    row = found.row(0, named=True)
    assert found.height == 1
    assert (row["pairs"], row["dropped"], row["truncated"]) == (pairs.height, 40 - pairs.height, 2)
    assert row["more"] == (pairs["energy_j_b"] > pairs["energy_j"]).sum()
    assert row["changes"] == pytest.approx((pairs["energy_j_b"] / pairs["energy_j"] - 1).sort().to_list())
    assert row["energy_b_j"] == pytest.approx(pairs["energy_j_b"].mean())
    assert row["energy_per_token_a_j"] == pytest.approx(pairs["energy_j"].sum() / pairs["output_tokens"].sum())
    assert row["length_effect_log"] + row["token_effect_log"] == pytest.approx(row["energy_effect_log"])


def test_blocks_add_up_to_the_run(warehouse: str) -> None:
    blocks = query.load("blocks", None, warehouse, results="run:run-a\nrun:none", above_idle=False)
    rows = shown().filter(pl.col("run_id") == "run-a", pl.col("energy_j").is_not_null())
    assert blocks.height == blocks["prompts"].sum() == rows.height
    assert blocks["energy_j"].sum() == pytest.approx(rows["energy_j"].sum())
    assert blocks["total_tokens"].sum() == (rows["input_tokens"] + rows["output_tokens"]).sum()
    assert blocks["output_words"].sum() == rows["output_words"].sum()


def test_setups_say_what_a_run_was(warehouse: str) -> None:
    every = query.load("setups", EVERYTHING, warehouse)["result_id"]
    assert set(every) == set(query.load("leaderboard", EVERYTHING, warehouse)["result_id"])
    row = query.load("setups", None, warehouse).filter(pl.col("result_id") == "run:run-a").row(0, named=True)
    assert row["sampling"] == "temperature 0.7, top-p 1.0, repetition penalty 1.0"
    assert (row["engine"], row["prompt_set"], row["power_limit_w"]) == ("transformers-eager", "default", "")


def test_top_k_keeps_two_runs_from_being_alike(tmp_path: Path) -> None:
    """Null is what a source does not say, and counts as off."""
    for number, top_k in enumerate((0, None, 40)):
        rows = factories.records(4, f"run-{number}", task="chat" if number == 0 else "chat-concise", top_k=top_k, energy_j=10.0 + number)
        factories.write(rows, tmp_path / f"{number}.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    sampling = query.load("setups", None, str(tmp_path / "w.duckdb"))["sampling"].unique().sort().to_list()
    plain = "temperature 0.7, top-p 1.0, repetition penalty 1.0"
    assert sampling == [plain, f"{plain}, top-k 40"]
    sides = {"contrast": "task", "a": "chat-concise", "b": "chat", "finished": False, "above_idle": False}
    pairs = query.load("contrast_prompts", None, str(tmp_path / "w.duckdb"), **sides)
    assert pairs.select("pairs", "energy_a_j", "energy_b_j").rows() == [(4, 11.0, 10.0)]


def with_times_run_mean(rows: pl.DataFrame) -> pl.DataFrame:
    """Adds the energy over the mean of its run."""
    return rows.with_columns(times_run_mean=pl.col("energy_j") / pl.col("energy_j").mean().over("run_id"))


def test_prompts_and_their_answers(warehouse: str) -> None:
    listed = query.load("prompt_list", None, warehouse, search="PROMPT-0000")
    rows = with_times_run_mean(shown()).filter(pl.col("prompt_id").str.contains("prompt-0000"))
    expected = (
        rows.group_by("prompt_id")
        .agg(pl.col("times_run_mean").mean(), pl.len().alias("answers"))
        .sort("times_run_mean", "prompt_id", descending=[True, False], nulls_last=True)
    )
    assert listed["times_run_mean"].to_list() == pytest.approx(expected["times_run_mean"].to_list())
    assert listed["prompt_id"].to_list() == expected["prompt_id"].to_list()
    assert listed["answers"].to_list() == expected["answers"].to_list()
    one = rows.filter(pl.col("prompt_id") == "prompt-00005")
    answers = query.load("prompt_answers", None, warehouse, prompt="prompt-00005")
    assert answers["energy_j"].to_list() == pytest.approx(one["energy_j"].sort().to_list())
    for name in ("energy_per_token_j", "power_w"):
        assert sorted(answers[name]) == pytest.approx(sorted(one[name]))
    assert sorted(answers["energy_above_idle_j"]) == pytest.approx(sorted(one["energy_j"] - one["idle_power_w"] * one["latency_s"]))
    assert answers["output_text"].to_list() == ["Answer 5."] * one.height
    assert query.load("prompt_list", None, warehouse, search="question 7?")["prompt_id"].to_list() == ["prompt-00007"]


def test_a_prompt_that_only_a_costly_run_answered_does_not_come_first(tmp_path: Path) -> None:
    """Prompt 3 takes three times the mean of a cheap run; prompt 5 is as usual in a run in which every answer costs a lot."""
    cheap = [factories.record("run-a", index, energy_j=60.0 if index == 3 else 10.0) for index in range(5)]
    costly = [factories.record("run-b", index, task="instruct", energy_j=1000.0) for index in range(3, 6)]
    factories.write(factories.frame(cheap + costly), tmp_path / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("prompt_list", None, str(tmp_path / "w.duckdb"), search="")
    assert found.select("prompt_id", "times_run_mean").rows()[:2] == [("prompt-00003", 2.0), ("prompt-00005", 1.0)]
    assert found["energy_j"][0] == 530.0


def test_prompts_whose_texts_were_kept_come_first(tmp_path: Path) -> None:
    kept = [factories.record("run-a", index, energy_j=10.0) for index in range(3)]
    secret = {"prompt_set": "secret", "prompt_set_sha256": "3" * 64, "prompt_text": None}
    dear = [factories.record("run-b", index, **secret, energy_j=1.0 + 9.0 * (index == 9)) for index in range(5, 10)]
    factories.write(factories.frame(kept), tmp_path / "part-0.parquet")
    factories.write(factories.frame(dear), tmp_path / "part-1.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("prompt_list", None, str(tmp_path / "w.duckdb"), search="")
    assert found["prompt_text"].is_null().to_list() == [False] * 3 + [True] * 5
    assert found["prompt_id"][3] == "prompt-00009", "the costliest of those without a text"


@pytest.mark.parametrize("search", ["", "sea", "lake", "prompt-00001"])
def test_prompts_are_looked_for_in_every_text(tmp_path: Path, search: str) -> None:
    def run(name: str, text: str | None, **changes: object) -> pl.DataFrame:
        return factories.frame([factories.record(name, index, prompt_text=text and f"{text} {index}", **changes) for index in range(5)])

    runs = [
        run("run-a", "Sea"),
        run("run-b", None),
        run("run-c", "Lake", prompt_set_sha256="1" * 64),
        run("run-d", "Sea", prompt_set_sha256=None),
        run("run-e", "Lake", prompt_set_sha256=None, model_id="me/b", model_name="b"),
        run("run-f", "Hill", prompt_set="hills", prompt_set_sha256="2" * 64),
    ]
    for rows in runs:
        factories.write(rows, tmp_path / str(rows["run_id"][0]) / "part-0.parquet")
    warehouses.ingest(tmp_path, into=tmp_path / "w.duckdb")
    found = query.load("prompt_list", None, str(tmp_path / "w.duckdb"), search=search)
    # Run b was measured without texts; its prompts are those of run a, as the hash of the set says.
    texts = pl.concat(runs).with_columns(pl.col("prompt_text").fill_null(pl.format("Sea {}", "sequence")))
    contained = pl.concat_str("prompt_id", "prompt_text").str.to_lowercase().str.contains(search, literal=True)
    expected = (
        with_times_run_mean(texts)
        .filter(contained)
        .group_by("prompt_id", "prompt_set")
        .agg(
            pl.col("prompt_text").max(),
            pl.len().alias("answers"),
            pl.col("model_id").n_unique().alias("models"),
            *(pl.col(name).mean() for name in ("times_run_mean", "energy_j", "input_tokens", "output_tokens")),
        )
        .sort("times_run_mean", "prompt_id", "prompt_set", descending=[True, False, False])
    )
    assert_frame_equal(found, expected, check_dtypes=False)


def test_every_column_can_be_looked_up(warehouse: str) -> None:
    columns = query.load("columns", None, warehouse)
    assert {"results", "prompts", "published"} <= set(columns["table"])
    assert columns.filter(pl.col("table") == "published", pl.col("column") == "energy_j")["meaning"].item().startswith("J:")


@pytest.mark.parametrize("above_idle", [False, True])
def test_the_cost_of_tokens_is_that_of_least_squares(warehouse: str, above_idle: bool) -> None:
    fits = stats.cost_of_tokens(query.load("cost_sums", None, warehouse, above_idle=above_idle))
    fit = fits.filter(pl.col("result_id") == "run:run-a").row(0, named=True)
    rows = shown().filter(pl.col("run_id") == "run-a", pl.col("energy_j").is_not_null())
    rows = rows.with_columns(pl.col("energy_j") - (78.0 * pl.col("latency_s") if above_idle else 0.0))
    across = np.column_stack([np.ones(rows.height), rows["input_tokens"], rows["output_tokens"]])
    found, left, *_ = np.linalg.lstsq(across, rows["energy_j"].to_numpy(), rcond=None)
    assert [fit[key] for key in ("fixed_j", "input_token_j", "output_token_j")] == pytest.approx(list(found))
    variance = left.item() / (rows.height - 3)
    errors = np.sqrt(variance * np.diag(np.linalg.inv(across.T @ across)))
    assert fit["output_token_j_high"] - fit["output_token_j"] == pytest.approx(errors[2] * 1.9697, rel=1e-3)
    assert fit["fixed_j_high"] - fit["fixed_j"] == pytest.approx(errors[0] * 1.9697, rel=1e-3)
    assert stats.what_if(fit, 100, 50)[0] == pytest.approx(found @ [1, 100, 50])
    prompts = query.load("cost_prompts", None, warehouse, result="run:run-a", above_idle=above_idle, a=found[0], b=found[1], c=found[2])
    residuals = rows["energy_j"].to_numpy() - across @ found
    assert prompts["residual_j"].abs().max() == pytest.approx(np.abs(residuals).max())
    assert prompts.height == rows.height


def test_unknown_names() -> None:
    with pytest.raises(query.UnknownQuery, match="leaderboard"):
        query.load("nothing", None, "x")
    with pytest.raises(query.UnknownQuery):
        query.load("../schema", None, "x")
    with pytest.raises(query.MissingParameter, match="metric"):
        query.load("distribution_bins", None, "x", by="model", bins=3, log=False)


def test_a_missing_warehouse_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(store.NoWarehouse, match="python -m ingest"):
        query.load("leaderboard", None, str(tmp_path / "none.duckdb"))


def test_hostile_values_are_only_values(warehouse: str) -> None:
    hostile = Selection(models=("'; drop table runs; --", '"', "$models", "%"))
    assert query.load("leaderboard", hostile, warehouse).is_empty()
    assert query.load("leaderboard", EVERYTHING, warehouse).height == 252


def test_every_metric_is_a_column(warehouse: str) -> None:
    board = query.load("leaderboard", None, warehouse)
    assert set(METRICS) - set(board.columns) == {"energy_per_word_j"}
    assert set(PROMPT_METRICS) <= set(METRICS)
    for key, metric in METRICS.items():
        assert (metric.key, metric.label != "", metric.meaning.endswith(".")) == (key, True, True)
    assert METRICS["energy_j"].title == "Energy (J)"
    assert (METRICS["ttft_s"].title, METRICS["ttft_s"].display_factor) == ("TTFT (ms)", 1000.0)


def test_every_column_of_every_table_says_what_it_is(warehouse: str) -> None:
    silent = "select table_name, column_name from duckdb_columns() where database_name = 'results' and not internal "
    tables = "and table_name in (select table_name from duckdb_tables() where database_name = 'results') "
    assert warehouses.rows(Path(warehouse), silent + tables + "and comment is null").is_empty()
    assert warehouses.rows(Path(warehouse), silent + tables).height > 200


def test_the_time_of_a_batch_counts_once(tmp_path: Path) -> None:
    """Two windows of two requests, 4 s and 6 s long: 400 tokens in 10 s, at 200 J in 10 s, although the latencies add up to 16 s."""
    latency_s = [4.0, 2.0, 6.0, 4.0]
    shared = {"batch_size": 2, "energy_attribution": "shared", "output_tokens": 100, "finish_reason": "stop", "energy_j": 50.0}
    rows = [factories.record("run-b", n, window_id=n // 2 * 2, latency_s=latency_s[n], **shared) for n in range(4)]
    for n in (1, 3):
        rows[n]["started_at"] = rows[n - 1]["started_at"]
    factories.write(factories.frame(rows), tmp_path / "in" / "part-0.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    row = query.load("leaderboard", None, str(tmp_path / "w.duckdb")).row(0, named=True)
    assert row["throughput_tps"] == pytest.approx(40)
    assert row["power_w"] == pytest.approx(20)
    assert row["latency_s"] == pytest.approx(4)


def test_of_two_reasons_as_frequent_the_first_by_alphabet_is_shown(tmp_path: Path) -> None:
    reasons = ["no counter", "a stuck counter"]
    for n, order in enumerate((reasons, reasons[::-1])):
        nothing = {"energy_j": None, "energy_error_j": None}
        rows = [factories.record(f"run-{n}", place, energy_reason=reason, **nothing) for place, reason in enumerate(order)]
        factories.write(factories.frame(rows), tmp_path / "in" / f"part-{n}.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    assert warehouses.rows(tmp_path / "w.duckdb", "select energy_reason from runs")["energy_reason"].to_list() == ["a stuck counter"] * 2
