"""`openai` is the API that a run spoke: its engine is the server behind it, or that the run does not say which."""

import json
from pathlib import Path

import pytest

from tests import factories, warehouses

OURS = "01a213d7-f8e1-7624-be1e-2ceaf7856a53"


# By the name of a test: the run, its engine, its environment, and the engine that is shown.
RUNS: dict[str, tuple[str, str, dict[str, str] | None, str]] = {
    "vllm": ("run-1", "openai", {"server_owner": "vllm"}, "vllm"),
    "llama.cpp": ("run-2", "openai", {"server_owner": "llamacpp"}, "llama.cpp"),
    "unknown": ("run-3", "openai", {"server_owner": "somebody"}, "server with OpenAI API"),
    "nothing": ("run-4", "openai", None, "server with OpenAI API"),
    "ours": (OURS, "openai", None, "transformers serve"),
    "other": ("run-5", "transformers-eager", {"server_owner": "vllm"}, "transformers-eager"),
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of all of them."""
    folder = tmp_path_factory.mktemp("named")
    for run_id, engine, environment, _ in RUNS.values():
        more = {"engine": engine, "environment": environment and json.dumps(environment)}
        factories.write(factories.frame([factories.record(run_id, index, **more) for index in range(2)]), folder / f"{run_id}.parquet")
    warehouses.ingest(folder, into=folder / "w.duckdb")
    return folder / "w.duckdb"


@pytest.mark.parametrize("name", RUNS)
def test_the_engine_of_a_run_is_what_ran_the_model(named: Path, name: str) -> None:
    run_id, _, _, shown = RUNS[name]
    for table, column in (("runs", "run_id"), ("results", "result_id"), ("prompts", "run_id")):
        found = warehouses.rows(named, f"select distinct engine from {table} where ends_with({column}, '{run_id}')")
        assert found["engine"].to_list() == [shown], table
