"""`import prompt_joules as pj`: frames of a warehouse, the app's charts."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

import prompt_joules as pj
from prompt_joules.results import UnknownValue
from prompt_joules.warehouse.errors import NoWarehouse
from tests import warehouses

FIGURES = warehouses.SHIPPED / "published" / "mlenergy_v1" / "figures.csv"


@pytest.fixture(scope="module")
def results(shipped_warehouse: Path) -> pj.Results:
    """All that ships."""
    return pj.open(str(shipped_warehouse))


def python(code: str, **environment: str) -> str:
    """What code prints in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, cwd=warehouses.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_loads_nothing_else() -> None:
    heavy = "{'polars', 'duckdb', 'altair', 'streamlit', 'torch', 'numpy', 'pyarrow'}"
    assert python(f"import sys, prompt_joules; print({heavy} & set(sys.modules))") == "set()"


def test_results_and_charts_need_neither_torch_nor_streamlit(visited_cache: Path) -> None:
    code = "import sys, prompt_joules as pj; pj.chart.scatter(pj.shipped().leaderboard()); print({'streamlit', 'torch'} & set(sys.modules))"
    assert python(code, XDG_CACHE_HOME=str(visited_cache)) == "set()"


def test_there_is_nothing_of_another_name() -> None:
    assert {"open", "shipped", "chart", "Results", "Meter", "measured", "record", "Answer"} <= set(dir(pj))
    assert all(getattr(pj, name) for name in pj.__all__)
    with pytest.raises(AttributeError, match="'prompt_joules' has no attribute 'shiped'"):
        _ = pj.shiped


def test_the_leaderboard_is_what_the_published_table_says(results: pj.Results) -> None:
    figures = pl.read_csv(FIGURES).filter(pl.col("gpu_model") == "A40", pl.col("task") == "chat").sort("energy_j")
    board = results.leaderboard(gpu="a40", task="chat", source=["ML.ENERGY v1"])
    assert board["energy_j"].to_list() == pytest.approx(figures["energy_j"].to_list())
    named = results.leaderboard(model="vicuna-7B", gpu="A40", task="chat")
    assert named["model_name"].to_list() == ["vicuna-7B"]
    assert results.leaderboard(model="vicuna-7B", gpu="A40", task="chat", engine=None).equals(named), "None filters nothing"  # type: ignore[arg-type]


def test_another_statistic_is_a_column_with_a_reason_where_it_is_not_known(results: pj.Results) -> None:
    for idle in ("above_idle", "above_active_idle"):
        board = results.leaderboard("p95", "word", **{idle: True}, task="chat")  # type: ignore[arg-type]
        assert_known(board, f"energy_{idle}_p95_per_word_j")
    with pytest.raises(UnknownValue, match="above idle or above active idle, not both"):
        results.leaderboard(above_idle=True, above_active_idle=True)


def assert_known(board: pl.DataFrame, key: str) -> None:
    """Some have it, least first; the others a reason."""
    assert board.filter(pl.col("source") == "ML.ENERGY v1")[key].null_count() > 0
    assert (board[key].is_null() == board["measure_reason"].is_not_null()).all()
    known = board[key].drop_nulls()
    assert known.len() > 0 and known.is_sorted()


def test_pairs_are_those_of_the_prompts(results: pj.Results) -> None:
    one_run = {"prompt_set": "sharegpt-200", "harness_version": "1.1"}
    (row,) = results.pairs("instruct", "instruct-concise", gpu="H100", batch=1).filter(**one_run).iter_rows(named=True)
    ours = results.prompts(gpu="H100", batch=1).filter(**one_run)
    a, b = (ours.filter(task=task) for task in ("instruct", "instruct-concise"))
    change = a.join(b, on=["prompt_id", "repetition"]).select(pl.col("energy_j_right") / pl.col("energy_j") - 1).to_series()
    assert row["pairs"] == change.len()
    assert row["median_change"] == pytest.approx(change.median())
    assert row["more_share"] == pytest.approx((change > 0).mean())
    assert row["median_change_low"] <= row["median_change"] <= row["median_change_high"]


def test_a_distribution_is_that_of_the_prompts(results: pj.Results) -> None:
    found = results.distribution("output_tokens", by="task", gpu="H100")
    tokens = results.prompts(gpu="H100", task="chat")["output_tokens"]
    row = found.filter(pl.col("series") == "chat").row(0, named=True)
    assert row["prompts"] == tokens.len()
    assert (row["minimum"], row["maximum"]) == (tokens.min(), tokens.max())
    assert row["p50"] == pytest.approx(tokens.median())


def test_sql_with_values_reads_and_does_not_write(results: pj.Results) -> None:
    assert results.sql("select $a + 1 as b", a=41)["b"].to_list() == [42]
    count = results.sql("select count(*) from requests where task = $task", task="chat").item()
    assert count == results.sql("from requests").filter(pl.col("task") == "chat").height
    for refused in ("delete from requests", "create table more as select 1", "select nonsense"):
        with pytest.raises(duckdb.Error):
            results.sql(refused)
    assert results.sql("select count(*) from requests where task = $task", task="chat").item() == count


def test_every_column_of_every_frame_says_what_it_is(results: pj.Results) -> None:
    frames = (results.leaderboard("p90", "word"), results.prompts(task="chat"), results.pairs(), results.distribution())
    for frame in frames:
        meanings = results.columns(frame)
        assert meanings["column"].to_list() == frame.columns
        assert meanings.filter(pl.col("meaning") == "")["column"].to_list() == []
        joules = meanings.filter(pl.col("column").str.contains(r"^energy.*_j$"))["unit"].unique()
        assert set(joules) <= {"J", "J/token", "J/word"}
    assert {"table", "column", "type", "meaning"} == set(results.columns().columns)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"gpu": "A4O"}, "There are no results with gpu 'A4O'. Did you mean A40?"),
        ({"batch": 3}, "There are no results with batch 3. There are: 1, "),
        ({"colour": "red"}, "There is no filter 'colour'"),
        ({"weights": "golden"}, "There is no weights 'golden'. There are: both, dummy, pretrained."),
        ({"statistic": "mode"}, "There is no statistic 'mode'"),
        ({"per": "tokens"}, "There is no per 'tokens'. There are: character, output token"),
    ],
)
def test_what_does_not_exist_is_said(results: pj.Results, asked: dict[str, object], said: str) -> None:
    with pytest.raises(UnknownValue) as error:
        results.leaderboard(**asked)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)


def test_pairs_and_distributions_say_what_there_is(results: pj.Results) -> None:
    with pytest.raises(UnknownValue, match="Did you mean chat-concise"):
        results.pairs("chat", "chat-concis")
    with pytest.raises(UnknownValue, match="there is no filter `task`"):
        results.pairs(task="chat")
    with pytest.raises(UnknownValue, match="There is no metric 'joules'"):
        results.distribution("joules")


def test_a_warehouse_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(NoWarehouse, match="There is no warehouse at"):
        pj.open(str(tmp_path / "none.duckdb"))


def test_a_chart_without_rows_is_a_sentence(results: pj.Results) -> None:
    with pytest.raises(pj.chart.NothingToDraw, match="has both params_total_b and estimated_energy_j"):
        pj.chart.scatter(results.leaderboard(source="ML.ENERGY v1"), y="estimated_energy_j")
    with pytest.raises(pj.chart.NothingToDraw, match="on both sides"):
        pj.chart.pairs(results.pairs(source="ML.ENERGY v1"))
    with pytest.raises(pj.chart.NothingToDraw):
        pj.chart.boxes(results.distribution("energy_j", gpu="H200").with_columns(prompts=pl.lit(0)))
