"""Two sides compared: published means, pairs of prompts, and the blocks that a bootstrap draws from."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from tests import factories, warehouses
from tests.unit.queries.made import shown


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


def test_a_prompt_is_in_the_same_block_in_every_run(tmp_path: Path) -> None:
    asked = {"one": range(0, 40), "other": range(20, 60)}
    for run, prompts in asked.items():
        rows = [factories.record(run, index, energy_j=float(index + 1)) for index in prompts]
        factories.write(factories.frame(rows), tmp_path / "in" / f"{run}.parquet")
    warehouses.ingest(tmp_path / "in", into=tmp_path / "w.duckdb")
    blocks = query.load("blocks", None, str(tmp_path / "w.duckdb"), results="run:one\nrun:other", above_idle=False)
    by_block = {key: part["energy_j"].to_list() for (key,), part in blocks.group_by("block")}
    assert len(by_block) == 60 and sorted(len(energies) for energies in by_block.values()) == [1] * 40 + [2] * 20
    assert all(len(set(energies)) == 1 for energies in by_block.values()), "the same energy is the same prompt"


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
