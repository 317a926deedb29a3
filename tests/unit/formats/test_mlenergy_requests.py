"""Single requests of ML.ENERGY: the prompts of 2023 and the runs of its benchmark of 2026."""

import json
import shutil
from pathlib import Path

import pytest

from prompt_joules.bench.tasks import TASKS
from tests import warehouses
from tests.unit.formats.conftest import requests

DATA = warehouses.DATA


def test_v1_prompts_that_were_cut_off(warehouse: Path) -> None:
    folder = DATA / "mlenergy_v1_prompts"
    report = warehouses.ingest(folder, into=warehouse)
    assert report.status == 1
    torn = (4, None, "is no whole JSON object; where a list is cut off, nothing more is read")
    assert warehouses.rejects(warehouse) == [(3, "output_tokens", "is negative"), torn]
    first, second = requests(warehouse)
    assert (first["energy_j"], first["latency_s"], first["output_tokens"], first["energy_source"]) == (50.0, 0.5, 5, "zeus")
    assert (first["task"], first["temperature"], first["repetition_penalty"], first["max_new_tokens"]) == ("chat", 0.7, 1.0, None)
    assert json.loads(first["environment"])["repetition_penalty_asked"] == 1.2
    assert (first["energy_attribution"], first["prompt_set"]) == ("exclusive", "sample.json")
    run = warehouses.rows(warehouse, "from runs").row(0, named=True)
    assert (run["model_id"], run["source"]) == ("lmsys/vicuna-7B", "ML.ENERGY v1")
    assert first["prompt_id"] != second["prompt_id"]


def test_v1_prompts_pair_across_tasks(tmp_path: Path, warehouse: Path) -> None:
    """The same question under the four system prompts of 2023 has one prompt_id; the closing bracket may be there or not."""
    systems = {task: TASKS[task].system for task in ("chat", "chat-concise", "instruct", "instruct-concise")}
    systems["chat-concise"] = systems["chat"] + " The assistnat's answers are concise but high-quality."
    systems["instruct-concise"] = systems["instruct"] + "The response should be concise but high-quality."
    for task, system in systems.items():
        answer = {"model": "a--b", "throughput": 1.0, "response_length": 2, "latency": 2.0, "energy": 3.0}
        answer |= {"input": f"{system} Human: Why? Assistant:", "output": "So."}
        folder = tmp_path / "data" / task / "a--b"
        folder.mkdir(parents=True)
        (folder / "benchmark.json").write_text("[\n" + json.dumps(answer) + ("\n]\n" if task == "chat" else ""))
    assert warehouses.ingest(tmp_path / "data", into=warehouse).status == 0
    rows = requests(warehouse)
    assert {row["task"] for row in rows} == set(systems)
    assert len({row["prompt_id"] for row in rows}) == 1


def test_v1_prompts_need_a_task(tmp_path: Path, warehouse: Path) -> None:
    shutil.copy(DATA / "mlenergy_v1_prompts" / "benchmark_batch_1.json", tmp_path)
    report = warehouses.ingest(tmp_path, into=warehouse)
    assert report.lines[0].why == "needs its config*.json beside it, which says the task"


def test_v3_run(warehouse: Path) -> None:
    assert warehouses.ingest(DATA / "mlenergy_v3_run", into=warehouse).status == 0
    first, second, failed = requests(warehouse)
    assert {row["energy_j"] for row in (first, second, failed)} == {None}
    assert first["energy_reason"].startswith("ML.ENERGY v3 models the energy")
    assert (first["itl_s"], second["itl_s"]) == (pytest.approx([0.1, 0.1]), None)
    assert (failed["status"], failed["reason"], first["task"]) == ("failed", "timed out", "gpqa")
    figure = warehouses.rows(warehouse, "from published").row(0, named=True)
    assert (figure["energy_j"], figure["energy_per_token_j"], figure["estimated_energy_j"]) == (None, 2.0, 8.0)
    assert (figure["power_w"], figure["prompts"], figure["gpu_model"]) == (250.0, 2, "H100")


def test_a_whole_number_beyond_all_measure_is_refused_not_a_crash(tmp_path: Path) -> None:
    huge = "1" + "0" * 400
    path = tmp_path / "models.json"
    path.write_text(f'{{"a/b": {{"url": "https://example.org", "nickname": "b", "params": {huge}}}}}')
    report = warehouses.ingest(path, into=tmp_path / "w.duckdb")
    assert report.status == 1
    assert "params" in report.lines[0].why
