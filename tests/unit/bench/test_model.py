"""The real SmolLM2-135M-Instruct answers real prompts. Slow; needs no GPU."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.__main__ import main
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.engines.loading import Plan, load
from prompt_joules.bench.engines.transformers import TransformersEngine
from prompt_joules.bench.run import local
from prompt_joules.bench.tasks import TASKS

FOLDER = Path(__file__).parents[3] / "models" / "smollm2-135m"

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not list(FOLDER.glob("*.gguf")), reason=f"no model in {FOLDER}: make test fetches it"),
]


Ran = tuple[Path, Plan, Any, Any]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The folder of a run by the command line, and the model that it loaded: loading it takes 20 s, so that all tests use this one."""
    folder = tmp_path_factory.mktemp("smollm")
    prompts = folder / "one.jsonl"
    prompts.write_text(json.dumps({"id": "hello", "prompt": "Say hello."}))
    options = ["--gguf-file", "auto", "--device", "cpu", "--max-new-tokens", "4", "--warmup", "0"]
    loaded: list[tuple[Plan, Any, Any]] = []

    def load_and_keep(chosen: Plan) -> tuple[Any, Any]:
        loaded.append((chosen, *load(chosen)))
        return loaded[0][1:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "load", load_and_keep)
        assert main(["run", "--model", str(FOLDER), *options, "--prompts", str(prompts), "--out", str(folder / "out")]) == 0
    return folder / "out", *loaded[0]


@pytest.fixture(scope="module")
def engine(ran: Ran) -> TransformersEngine:
    return TransformersEngine(*ran[1:])


def answer(engine: TransformersEngine, task: str, text: str, tokens: int) -> tuple[str | None, str, int]:
    sampling = Sampling(temperature=0, top_p=1, top_k=0, repetition_penalty=1, max_new_tokens=tokens)
    engine.use_task(TASKS[task])
    (generation,) = engine.generate([engine.prepare(text, 0, sampling)], sampling)
    return engine.decode(generation), generation.finish_reason, len(generation.token_ids)


def test_it_knows_a_capital_and_its_stop_token_is_counted(engine: TransformersEngine) -> None:
    text, finish_reason, tokens = answer(engine, "chat-concise", "What is the capital of France? Answer in one word.", 24)
    assert text is not None
    assert "Paris" in text
    assert "<|im_end|>" not in text
    assert finish_reason == "stop"
    assert tokens > len(text.split())


def test_all_tasks_are_rendered_by_the_tokenizer_with_their_system_prompt(engine: TransformersEngine) -> None:
    sampling = Sampling(temperature=0, top_p=1, top_k=0, repetition_penalty=1, max_new_tokens=1)
    lengths = {}
    for name, task in TASKS.items():
        assert engine.use_task(task) == "tokenizer"
        lengths[name] = engine.prepare("Hello", 0, sampling).input_tokens
    assert lengths["chat"] < lengths["chat-concise"]
    assert lengths["instruct"] < lengths["instruct-concise"]


def test_command_line_from_gguf_to_parquet(ran: Ran) -> None:
    (row,) = pl.read_parquet(ran[0] / "*/part-*.parquet").to_dicts()
    assert (row["model_id"], row["status"], row["dtype"]) == ("smollm2-135m", "ok", "float32")
    assert row["params_total_b"] == pytest.approx(0.1345, abs=0.0005)
    assert 1 <= row["output_tokens"] <= 4
    assert len(row["model_revision"]) == 64
