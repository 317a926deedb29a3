"""What is said in two ways, once for people who name one number and once for a plan that is made quickly, is the same."""

from pathlib import Path

import duckdb
import polars as pl
import pytest

from prompt_joules.ingest import load
from prompt_joules.warehouse import create
from tests import factories, warehouses

PARTS = [
    {
        "energy_j": 7.3,
        "energy_above_idle_j": 5.1,
        "energy_above_active_idle_j": -0.7,
        "input_tokens": 11,
        "output_tokens": 3,
        "output_words": 2,
    },
    {
        "energy_j": 0.1,
        "energy_above_idle_j": None,
        "energy_above_active_idle_j": 0.3,
        "input_tokens": None,
        "output_tokens": 0,
        "output_words": 7,
    },
    {
        "energy_j": None,
        "energy_above_idle_j": 1.0,
        "energy_above_active_idle_j": 1e300,
        "input_tokens": 2**31 - 1,
        "output_tokens": 2**31 - 1,
    },
]


@pytest.mark.parametrize("parts", PARTS)
def test_an_energy_divided_by_its_name_is_that_of_all_of_them_at_once(parts: dict[str, float | None]) -> None:
    connection = duckdb.connect()
    create.empty(connection, comments=False)
    whole = ("input_tokens", "output_tokens", "output_words", "output_chars")
    fields = [f"{name} := $p['{name}']::{'integer' if name in whole else 'double'}" for name in (*PARTS[0], "output_chars")]
    given = {
        "p": {name: None if parts.get(name) is None else str(parts[name]) for name in (*PARTS[0], "output_chars")} | {"output_chars": "13"}
    }
    (all_of_them,) = connection.execute(f"select divided_energies(struct_pack({', '.join(fields)}))", given).fetchone()
    assert len(all_of_them) == 10
    for name, value in all_of_them.items():
        (alone,) = connection.execute(f"select divided_energy('{name}', struct_pack({', '.join(fields)}))", given).fetchone()
        assert alone == value, name


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
