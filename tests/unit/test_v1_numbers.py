"""The shipped v1 figures give the numbers that are known of the original leaderboard."""

from pathlib import Path

import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import warehouses

V1 = warehouses.SHIPPED / "published" / "mlenergy_v1"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("shipped") / "warehouse.duckdb"
    report = warehouses.ingest(V1, into=path)
    assert report.status == 0
    return str(path)


def published(warehouse: str, *gpus: str) -> pl.DataFrame:
    return query.load("contrast_published", Selection(gpus=gpus), warehouse, contrast="task", a="", b="")


def test_the_first_three_on_an_a40(shipped: str) -> None:
    board = query.load("leaderboard", Selection(gpus=("A40",), tasks=("chat",)), shipped)
    first = [(name, round(energy, 2)) for name, energy in board.select("model_name", "energy_j").head(3).iter_rows()]
    assert first == [("llama-7B", 525.71), ("alpaca-7B", 916.05), ("BiLLa-7B-SFT", 1218.64)]
    assert board.height == 23


def test_every_figure_is_there(shipped: str) -> None:
    board = query.load("leaderboard", None, shipped)
    assert board.height == warehouses.PUBLISHED["v1"]
    assert set(board["gpu_model"]) == {"A40", "A100", "V100"}
    assert board["quality_mean"].null_count() == 0
    assert board["model_url"].null_count() == 0
    assert board["model_id"].n_unique() == 23
    scored = warehouses.rows(Path(shipped), "select distinct model_id from quality")
    assert set(scored["model_id"]) == set(board["model_id"])


@pytest.mark.parametrize(
    ("gpu", "family", "models", "median"),
    [
        ("A40", "chat", 23, -3.8),
        ("A40", "instruct", 23, -12.9),
        ("A100", "chat", 21, -3.3),
        ("A100", "instruct", 21, -17.8),
        ("V100", "chat", 21, -0.1),
        ("V100", "instruct", 21, -14.6),
    ],
)
def test_concise_against_verbose(shipped: str, gpu: str, family: str, models: int, median: float) -> None:
    pairs = published(shipped, gpu).filter(pl.col("a") == family)
    assert pairs.height == models
    assert round(100 * pairs["change"].median(), 1) == median


@pytest.mark.parametrize(("gpu", "use_more"), [("A40", 6), ("A100", 7), ("V100", 10)])
def test_some_models_use_more_when_asked_to_be_brief(shipped: str, gpu: str, use_more: int) -> None:
    pairs = published(shipped, gpu).filter(pl.col("a") == "chat")
    assert (pairs["change"] > 0).sum() == use_more


def test_the_split_into_length_and_token_is_exact(shipped: str) -> None:
    pairs = published(shipped)
    split = pairs["length_effect_log"] + pairs["token_effect_log"]
    assert (split - pairs["energy_effect_log"]).abs().max() < 1e-12
    assert ((1 + pairs["change"]).log() - pairs["energy_effect_log"]).abs().max() < 1e-12


def test_every_mean_is_over_2978_prompts(shipped: str) -> None:
    board = query.load("leaderboard", None, shipped)
    tokens = board["output_tokens"] * board["prompts"]
    assert (tokens - tokens.round()).abs().max() < 1e-4
    assert board["prompts"].unique().to_list() == [2978]


def test_energy_per_token_is_mean_energy_over_mean_length(shipped: str) -> None:
    vicuna = query.load("leaderboard", Selection(models=("lmsys/vicuna-7B",), gpus=("A40",), tasks=("chat",)), shipped).row(0, named=True)
    assert vicuna["energy_per_token_j"] == pytest.approx(2239.068904633984 / 284.27266621893887)
    assert vicuna["throughput_tps"] == pytest.approx(30.071255281840546)
    assert vicuna["energy_above_idle_j"] is None


def test_the_original_tables_give_the_same_warehouse(shipped: str, tmp_path: Path) -> None:
    """Tables in the original layout, made from the shipped figures: both readers agree; loading both counts once."""
    figures = pl.read_csv(warehouses.SHIPPED / "published" / "mlenergy_v1" / "figures.csv")
    (tmp_path / "v1").mkdir()
    names = {"published_model_id": "model", "throughput_tps": "throughput", "output_tokens": "response_length"}
    for (gpu, task), part in figures.group_by("gpu_model", "task"):
        columns = [*names, "latency_s", "energy_j"]
        table = part.select(columns).rename(names | {"latency_s": "latency", "energy_j": "energy"})
        table.write_csv(tmp_path / "v1" / f"{gpu}_{task}_benchmark.csv")
    raw = tmp_path / "raw.duckdb"
    assert warehouses.ingest(tmp_path / "v1", into=raw).status == 0
    again = warehouses.content(raw)["published"]
    assert again == warehouses.content(Path(shipped))["published"]
    assert warehouses.ingest(V1, into=raw).status == 0
    assert warehouses.content(raw) == warehouses.content(Path(shipped))
