"""Configurations and what the filters can be set to, recomputed from the rows with a few lines of polars."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from prompt_joules.warehouse import energy_shown, query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.unit.queries.made import EVERYTHING, Cases, shown

CASES = Cases()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the cases of this file."""
    return CASES.loaded(tmp_path_factory.mktemp("results"))


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
    assert kept.height == warehouses.PUBLISHED["v1"] + 4
    assert_frame_equal(kept, anew, check_column_order=False)


def test_leaderboard_hides_invalid_runs_and_random_weights(warehouse: str) -> None:
    shown_runs = set(query.load("leaderboard", Selection(sources=("Prompt Joules",)), warehouse)["result_id"])
    assert shown_runs == {"run:run-a", "run:run-d"}
    every = query.load("leaderboard", EVERYTHING, warehouse)
    assert every.height == warehouses.PUBLISHED["v1"] + 4
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


def test_options(warehouse: str) -> None:
    found = query.options(warehouse)
    board = query.load("leaderboard", EVERYTHING, warehouse)
    for kind, column in (("gpu", "gpu_model"), ("task", "task"), ("model", "model_id"), ("weights", "weights")):
        counts = dict(found.filter(pl.col("kind") == kind).select("value", "count").iter_rows())
        assert counts == dict(board[column].value_counts().iter_rows()), kind
    assert found.filter(pl.col("kind") == "batch")["value"].to_list() == ["1"]
    labels = dict(found.filter(pl.col("kind") == "model").select("value", "label").iter_rows())
    assert labels["metaai/llama-7B"] == "llama-7B"
    row = found.filter(pl.col("value") == "metaai/llama-7B").row(0, named=True)
    assert (row["family"], row["params_total_b"], row["is_random"]) == ("LLaMA", 7, False)
    assert found.filter(pl.col("kind") != "model")["is_random"].null_count() == found.filter(pl.col("kind") != "model").height


def test_setups_say_what_a_run_was(warehouse: str) -> None:
    every = query.load("setups", EVERYTHING, warehouse)["result_id"]
    assert set(every) == set(query.load("leaderboard", EVERYTHING, warehouse)["result_id"])
    row = query.load("setups", None, warehouse).filter(pl.col("result_id") == "run:run-a").row(0, named=True)
    assert row["sampling"] == "temperature 0.7, top-p 1.0, repetition penalty 1.0"
    assert (row["engine"], row["prompt_set"], row["power_limit_w"]) == ("transformers-eager", "default", "")


@CASES.of
def limited() -> list[pl.DataFrame]:
    capped = {"free": [False] * 8, "capped": [True] * 2 + [False] * 6, "unknown": [None] * 8}
    return [
        factories.records(8, name, task=name, weights_format=None if name == "unknown" else "safetensors").with_columns(
            pl.Series("power_capped", values, dtype=pl.Boolean)
        )
        for name, values in capped.items()
    ]


def test_setups_say_whether_the_gpu_kept_to_its_power_limit_and_where_weights_are_from(apart: str) -> None:
    found = query.load("setups", limited.selection, apart).select(limited.bare(), "power_capped", "weights_format").sort("result_id")
    assert found.rows() == [("capped", "yes", "safetensors"), ("free", "no", "safetensors"), ("unknown", "", "")]
    shares = dict(query.load("leaderboard", limited.selection, apart).select("task", "power_capped_share").iter_rows())
    assert shares == {"free": 0.0, "capped": 0.25, "unknown": None}


@CASES.of
def batched() -> list[pl.DataFrame]:
    """Two windows of two requests, 4 s and 6 s long: 400 tokens in 10 s, at 200 J in 10 s, although the latencies add up to 16 s."""
    latency_s = [4.0, 2.0, 6.0, 4.0]
    shared = {"batch_size": 2, "energy_attribution": "shared", "output_tokens": 100, "finish_reason": "stop", "energy_j": 50.0}
    rows = [factories.record("run-b", n, window_id=n // 2 * 2, latency_s=latency_s[n], **shared) for n in range(4)]
    for n in (1, 3):
        rows[n]["started_at"] = rows[n - 1]["started_at"]
    return [factories.frame(rows)]


def test_the_time_of_a_batch_counts_once(apart: str) -> None:
    row = query.load("leaderboard", batched.selection, apart).row(0, named=True)
    assert row["throughput_tps"] == pytest.approx(40)
    assert row["power_w"] == pytest.approx(20)
    assert row["latency_s"] == pytest.approx(4)


@CASES.of
def waiting() -> list[pl.DataFrame]:
    return [
        factories.records(9, "alone", active_idle_power_w=101.0),
        factories.records(8, "shared", active_idle_power_w=101.0, energy_attribution="shared", batch_size=8, window_id=0),
        factories.records(5, "unknown", task="instruct", active_idle_power_w=None),
    ]


def test_energy_above_a_waiting_gpu_is_a_number_of_its_own(apart: str) -> None:
    found = query.load("leaderboard", waiting.selection, apart)
    of = dict(found.select(waiting.bare(), "energy_above_active_idle_j").iter_rows())
    alone, *_ = waiting.runs
    expected = (alone["energy_j"] - 101.0 * alone["latency_s"]).mean()
    assert of == {"alone": pytest.approx(expected), "shared": None, "unknown": None}
    forced = energy_shown.without_forced(found.with_columns(weights=pl.lit("dummy")))
    assert forced["energy_above_active_idle_j"].null_count() == forced.height, "the length of an answer of random weights was forced"


@CASES.of
def without_energy() -> list[pl.DataFrame]:
    """Two runs of one setup, one of which lost the energy of all but five answers."""
    gone = {"energy_j": None, "energy_error_j": None, "energy_error_edge_j": None, "energy_reason": "the counter did not answer"}
    return [
        factories.frame([factories.record(run, index, **(gone if run == "b" and index >= 5 else {})) for index in range(20)])
        for run in "ab"
    ]


def test_answers_without_energy_weigh_nothing_in_a_mean_over_runs(apart: str) -> None:
    row = query.load("answers", without_energy.selection, apart).row(0, named=True)
    known = pl.concat(without_energy.runs).filter(pl.col("energy_j").is_not_null())
    assert (row["runs"], row["prompts"], known.height) == (2, 40, 25)
    assert row["answer_j"] == pytest.approx(known["energy_j"].mean())
    assert row["energy_per_token_j"] == pytest.approx(known["energy_j"].sum() / known["output_tokens"].sum())


@CASES.of
def half_invalid() -> list[pl.DataFrame]:
    """Two runs of one setup; during a fifth of the answers of one the GPU was throttled, so that it does not count."""
    slowed = {"invalid": 4, "valid": 0}
    return [
        factories.frame([factories.record(run, n, throttled=n < slow, energy_j=10.0 + slow) for n in range(20)])
        for run, slow in slowed.items()
    ]


def test_sums_of_a_setup_are_of_its_valid_runs_or_of_all(apart: str) -> None:
    for selection, kept in (
        (half_invalid.selection, {"valid": 20}),
        (replace(half_invalid.selection, only_valid=False), {"invalid": 16, "valid": 20}),
    ):
        (answer,) = query.load("answers", selection, apart).iter_rows(named=True)
        assert (answer["runs"], answer["prompts"]) == (len(kept), sum(kept.values()))
        assert answer["result_id"] == half_invalid.result(min(kept)), "names are those of the first run"
        assert answer["answer_j"] == pytest.approx(sum(kept[run] * {"invalid": 14, "valid": 10}[run] for run in kept) / sum(kept.values()))
        (step,) = query.load("software_steps", selection, apart).iter_rows(named=True)
        assert (step["runs"], step["answers"], len(step["logs"])) == (len(kept), sum(kept.values()), len(kept))


def test_all_runs_of_a_setup_have_the_labels_that_filters_ask_for(apart: str) -> None:
    labels = "model_id, gpu_model, task, prompt_set, engine, source, batch_size, weights"
    several = f"select setup from results where setup is not null group by setup having count(distinct ({labels})) > 1"
    assert warehouses.rows(Path(apart), several).is_empty()
    kept = f"select setup, {labels} from setup_sums where not only_valid order by all"
    told = "where coalesce(energy_j, estimated_energy_j) > 0"
    assert warehouses.rows(Path(apart), kept).equals(
        warehouses.rows(Path(apart), f"select distinct coalesce(setup, result_id) as setup, {labels} from results {told} order by all")
    )
