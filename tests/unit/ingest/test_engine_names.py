"""`openai` is the API that a run spoke: its engine is the server behind it, or that the run does not say which."""

import json
from pathlib import Path

import pytest

from tests import factories, warehouses

OURS = "01a213d7-f8e1-7624-be1e-2ceaf7856a53"


@pytest.mark.parametrize(
    ("run_id", "engine", "environment", "shown"),
    [
        ("run-1", "openai", {"server_owner": "vllm"}, "vllm"),
        ("run-1", "openai", {"server_owner": "llamacpp"}, "llama.cpp"),
        ("run-1", "openai", {"server_owner": "somebody"}, "server with OpenAI API"),
        ("run-1", "openai", None, "server with OpenAI API"),
        (OURS, "openai", None, "transformers serve"),
        ("run-1", "transformers-eager", {"server_owner": "vllm"}, "transformers-eager"),
    ],
    ids=["vllm", "llama.cpp", "unknown", "nothing", "ours", "other"],
)
def test_the_engine_of_a_run_is_what_ran_the_model(
    tmp_path: Path, warehouse: Path, run_id: str, engine: str, environment: dict[str, str] | None, shown: str
) -> None:
    more = {"engine": engine, "environment": environment and json.dumps(environment)}
    factories.write(factories.frame([factories.record(run_id, index, **more) for index in range(2)]), tmp_path / "part-0.parquet")
    warehouses.ingest(tmp_path / "part-0.parquet", into=warehouse)
    for table in ("runs", "results", "prompts"):
        assert warehouses.rows(warehouse, f"select distinct engine from {table}")["engine"].to_list() == [shown], table
