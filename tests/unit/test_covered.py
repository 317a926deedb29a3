"""Which runs of protocol 1.x runs of 2.x cover."""

from pathlib import Path

import polars as pl
import pytest

from tests import covered, factories, warehouses

OLD = {"harness_version": "1.1", "input_tokens": 20}
NEW = {"harness_version": "2.1", "input_tokens": 20, "max_new_tokens": 2048}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Rows of `coverage` by run: a run of 1.1 that is covered, and others to each of which something is missing."""
    folder = tmp_path_factory.mktemp("covered")
    runs = {
        "whole": factories.records(6, "whole", **OLD),
        "more": factories.records(9, "more", task="instruct", **OLD),
        "batch": factories.records(6, "batch", batch_size=8, energy_attribution="shared", window_id=0, **OLD),
        "card": factories.records(6, "card", gpu_model="NVIDIA H200", **OLD),
        "random": factories.records(6, "random", weights="dummy", **OLD),
        "longer": factories.records(6, "longer", task="chat-concise", max_new_tokens=4096, **OLD),
        "changed": factories.records(6, "changed", task="instruct-concise", harness_version="1.1", input_tokens=21),
        "crashed": factories.frame([factories.failed("crashed", place, **OLD) for place in range(6)]),
        "new-0": factories.records(6, "new-0", engine="transformers-eager:other", **NEW),
        "new-1": factories.records(6, "new-1", engine="transformers-eager:other", seed=1, **NEW),
        "new-2": factories.records(6, "new-2", task="instruct", **NEW),
        "new-3": factories.records(6, "new-3", task="chat-concise", **NEW),
        "new-4": factories.records(6, "new-4", task="instruct-concise", **NEW),
    }
    for name, rows in runs.items():
        factories.write(rows, folder / name / "part-0.parquet")
    path = folder / "w.duckdb"
    assert warehouses.ingest(folder, into=path).status == 0
    return {row["run_id"]: row for row in covered.coverage(path).iter_rows(named=True)}


def test_only_what_was_measured_again_is_covered(found: dict[str, dict[str, object]]) -> None:
    assert {name for name, row in found.items() if row["covered"]} == {"whole", "crashed"}
    assert set(found) == {"whole", "more", "batch", "card", "random", "longer", "changed", "crashed"}
    assert (found["more"]["answered"], found["more"]["asked"]) == (6, 9)
    assert all(found[name]["answered"] == 0 for name in ("batch", "card", "random", "longer", "changed"))


def test_it_is_said_by_what(found: dict[str, dict[str, object]]) -> None:
    said = covered.said(found["whole"])
    assert said.startswith("whole  covered  H100 ") and said.endswith("by 2 × transformers-eager:other (2.1)")
    assert "6 of 9 prompts" in covered.said(found["more"])
    assert "not covered" in covered.said(found["card"])


def test_a_run_has_one_folder(tmp_path: Path) -> None:
    (tmp_path / "h100" / "run-1").mkdir(parents=True)
    assert covered.folders(["run-1"], tmp_path) == [tmp_path / "h100" / "run-1"]
    with pytest.raises(LookupError, match="Run run-2 is in 0 folders"):
        covered.folders(["run-2"], tmp_path)


def test_the_order_is_the_same_every_time(shipped_warehouse: Path) -> None:
    rows = covered.coverage(shipped_warehouse)
    assert rows.equals(covered.coverage(shipped_warehouse))
    assert rows["run_id"].is_unique().all() and not rows.filter(pl.col("covered") & (pl.col("answered") < pl.col("asked"))).height
