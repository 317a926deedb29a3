"""What is said in two ways, once for people who name one number and once for a plan that is made quickly, is the same."""

from pathlib import Path

import duckdb
import polars as pl

from prompt_joules.ingest import load
from prompt_joules.warehouse.metrics import PROMPT_METRICS
from tests import factories, warehouses

DIVIDED = [
    f"energy{idle}_mean_per_{per}_j"
    for idle in ("", "_above_idle", "_above_active_idle")
    for per in ("output_token", "total_token", "word", "character")
    if idle or per in ("total_token", "character")
]


def test_the_energies_that_an_ingest_divides_are_those_that_are_divided_by_name(tmp_path: Path) -> None:
    for run in ("run-1", "run-2"):
        rows = [
            factories.record(run, 0, output_tokens=0, output_words=0, output_chars=0),
            factories.record(run, 1, energy_j=None, energy_error_j=None, energy_reason="no counter"),
            factories.record(run, 2, output_words=None),
            *(factories.record(run, index) for index in range(3, 25)),
        ]
        factories.write(factories.frame(rows), tmp_path / "rows" / run / "part.parquet")
    warehouses.ingest(tmp_path / "rows", into=tmp_path / "w.duckdb")
    connection = duckdb.connect(tmp_path / "w.duckdb", read_only=True)
    for metric in DIVIDED:
        by_name = f"""
            select {{}}, count(value), min(value), max(value), median(value)
            from (
                select run_id, prompt_value(
                    '{metric}', {", ".join(PROMPT_METRICS)},
                    energy_error_j, energy_above_idle_j, energy_above_active_idle_j, output_words, output_chars
                ) as value
                from prompts
                where valid
            )
            group by 1
            order by 1"""
        of_runs = "select run_id, prompts, minimum, maximum, p50 from run_summary where metric = $metric order by run_id"
        found = connection.execute(of_runs, {"metric": metric}).fetchall()
        assert len(found) == 2 and found == connection.execute(by_name.format("run_id")).fetchall()
        together = connection.execute("select answers, p50 from setup_summary where metric = $metric", {"metric": metric}).fetchall()
        assert together == [(answers, median) for _, answers, *_, median in connection.execute(by_name.format("''")).fetchall()]
        assert together[0][0] == 2 * (24 if "total_token" in metric else 23 if "output_token" in metric else 22 if "word" in metric else 23)


def test_a_run_has_the_model_that_its_names_stand_for(tmp_path: Path) -> None:
    for place, (model, name) in enumerate(
        [
            ("HuggingFaceTB/SmolLM2-135M-Instruct", "x"),
            ("huggingfacetb/smollm2-135m-instruct", "x"),
            ("a/b", "SmolLM2-135M-Instruct"),
            ("A/b", "c"),
        ]
    ):
        run = f"run-{place}"
        factories.write(factories.records(2, run_id=run, model_id=model, model_name=name), tmp_path / "rows" / run / "part.parquet")
    warehouses.ingest(tmp_path / "rows", into=tmp_path / "w.duckdb")
    found = warehouses.rows(
        tmp_path / "w.duckdb", "select run_id, model_id, canonical_model(loaded_model_id, model_name) as said from runs order by run_id"
    )
    assert found["model_id"].to_list() == found["said"].to_list()
    smol = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert found["model_id"].to_list()[:2] == [smol, smol] and found["model_id"].n_unique() > 1


def test_the_columns_of_the_reviewed_models_are_those_of_their_file() -> None:
    assert list(load.MODEL_COLUMNS) == pl.read_csv(load.MODELS).columns
