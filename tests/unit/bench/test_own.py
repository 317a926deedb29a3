"""`prompt_joules.record`: answers of any callable become rows that the ingest loads."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from rich.console import Console

import prompt_joules as pj
from prompt_joules.bench.errors import BadOption, UnknownTask
from prompt_joules.bench.run import own
from prompt_joules.bench.run.own import BadSetup, NothingRecorded
from prompt_joules.bench.run.own_answers import NotCallable, UnknownAnswer, answer_of, asking
from prompt_joules.bench.tasks import TASKS
from tests import warehouses
from tests.timed_meter import assert_power, timed

QUIET = Console(quiet=True)
PROMPTS = ["Why are there two tides a day?", "What is rust?", "Who wrote Faust?"]
Record = Callable[..., Any]


def words(text: str) -> int:
    """A tokenizer for tests."""
    return len(text.split())


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """`pj.record` with a recorded GPU of 100 W and results in a folder of the test."""
    trace = tmp_path / "trace.json"
    trace.write_text(json.dumps({"gpu_models": ["Recorded GPU"], "traces": [[[n / 100, 1000 * n] for n in range(500)]]}))

    def recorded(answer: Any, **options: Any) -> Any:
        usual = {"model_id": "org/x", "prompts": PROMPTS, "out": tmp_path / "results", "replay": trace, "warmup": 0, "console": QUIET}
        return pj.record(answer, **usual | options)

    return recorded


def rows_of(run: Any) -> pl.DataFrame:
    return pl.read_parquet(run.folder / "part-*.parquet").sort("sequence")


def test_a_function_of_a_prompt_becomes_rows_that_load(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meters = timed(monkeypatch, own)

    def answer(prompt: str) -> str:
        time.sleep(0.05)
        return f"I do not know: {prompt}"

    run = record(answer, count=words, name="x", setup={"dtype": "float16", "temperature": 0.0})
    assert run.finished
    rows = rows_of(run)
    assert sorted(rows["prompt_text"]) == sorted(PROMPTS)
    for row in rows.iter_rows(named=True):
        assert row["output_text"] == f"I do not know: {row['prompt_text']}"
        assert row["output_tokens"] == words(row["output_text"])
        assert row["energy_j"] >= 100 * row["latency_s"] - row["energy_error_j"], "the whole answer is in the window"
        assert (row["model_id"], row["model_name"], row["engine"], row["task"]) == ("org/x", "x", "python", "chat")
        assert (row["dtype"], row["temperature"], row["top_p"], row["ttft_s"]) == ("float16", 0.0, None, None)
        assert (row["energy_source"], row["energy_attribution"], row["status"]) == ("replay", "exclusive", "ok")
    assert_power(100, zip(meters[0].spans(), rows["energy_j"], rows["energy_error_j"], strict=True))
    assert warehouses.ingest(run.folder, into=tmp_path / "w.duckdb").status == 0
    loaded = pj.open(str(tmp_path / "w.duckdb")).leaderboard(valid=False)
    assert loaded["energy_j"].item() == pytest.approx(rows["energy_j"].mean())


def test_the_system_prompt_of_the_task_is_there_for_who_takes_it(record: Record) -> None:
    seen: list[str] = []

    def answer(prompt: str, system: str) -> pj.Answer:
        seen.append(system)
        return pj.Answer("yes", output_tokens=2, input_tokens=7, finish_reason="stop", first_token_s=0.01)

    rows = rows_of(record(answer, task="chat-concise"))
    assert set(seen) == {TASKS["chat-concise"].system}
    told = rows.select("output_tokens", "input_tokens", "finish_reason", "ttft_s", "task").unique().rows()
    assert told == [(2, 7, "stop", 0.01, "chat-concise")]


def test_a_prompt_that_raises_is_a_failed_row_and_the_others_are_answered(record: Record) -> None:
    def answer(prompt: str) -> str:
        if "rust" in prompt:
            raise RuntimeError("out of memory")
        return "fine"

    rows = rows_of(record(answer, count=words))
    failed = rows.filter(pl.col("status") == "failed")
    assert failed.select("prompt_text", "reason", "energy_j", "output_tokens").rows() == [
        ("What is rust?", "RuntimeError: out of memory", None, None)
    ]
    assert rows.filter(pl.col("status") == "ok").height == 2


def test_nothing_answered_is_an_error(record: Record) -> None:
    def answer(prompt: str) -> str:
        raise RuntimeError("never")

    with pytest.raises(NothingRecorded, match="Not one of 3 prompts"):
        record(answer, count=words)


def test_the_same_call_goes_on_where_the_last_one_stopped(record: Record) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(prompt)
        return "fine"

    with pytest.raises(KeyboardInterrupt):
        record(answer, count=words)
    asked.append("interrupted here")
    run = record(answer, count=words)
    assert run.finished and len(asked) == 4
    assert sorted(rows_of(run)["prompt_text"]) == sorted(PROMPTS)
    again = record(answer, count=words)
    assert again.folder == run.folder and len(asked) == 4, "a finished run is not repeated"
    assert record(answer, count=words, again=True).folder != run.folder


def test_the_warm_up_is_not_recorded_and_says_how_it_ended(record: Record) -> None:
    asked = itertools.count()

    def answer(prompt: str) -> str:
        next(asked)
        time.sleep(0.1)
        return "one two three"

    rows = rows_of(record(answer, count=words, warmup=6, limit=1))
    answers = rows["warmup_answers"].item()
    assert 3 <= answers <= 6
    assert next(asked) == answers + 1
    assert rows["warm"].item() in (True, False)


def test_what_the_caller_cannot_say_and_what_does_not_exist_is_refused(record: Record) -> None:
    with pytest.raises(BadSetup, match="'energy_j' cannot be said \\(it is found out here\\)"):
        record(str, setup={"energy_j": 1.0})
    with pytest.raises(BadSetup, match="there is no such column"):
        record(str, setup={"colour": "red"})
    with pytest.raises(UnknownTask):
        record(str, task="sing")
    with pytest.raises(BadOption, match="number 1 is empty"):
        record(str, prompts=["a", " "])
    with pytest.raises(NotCallable, match="int cannot be asked"):
        record(42)


def test_without_tokens_it_says_what_to_give(record: Record) -> None:
    with pytest.raises(UnknownAnswer, match="Give count="):
        record(lambda prompt: "text")
    with pytest.raises(UnknownAnswer, match="returned NoneType"):
        record(lambda prompt: None, count=words)


def test_answers_of_known_libraries_tell_their_tokens() -> None:
    """Objects with the attributes that vLLM 0.11 and openai 3.57 document."""
    completion = SimpleNamespace(text="yes", token_ids=[1, 2], finish_reason="stop")
    vllm = [SimpleNamespace(outputs=[completion], prompt_token_ids=[1, 2, 3])]
    assert answer_of(vllm, None) == pj.Answer("yes", 2, 3, "stop")
    choice = SimpleNamespace(message=SimpleNamespace(content="yes"), finish_reason="length")
    openai = SimpleNamespace(choices=[choice], usage=SimpleNamespace(completion_tokens=4, prompt_tokens=9))
    assert answer_of(openai, None) == pj.Answer("yes", 4, 9, "length")


def test_an_llm_of_vllm_is_asked_by_chat() -> None:
    class Llm:
        def generate(self) -> None: ...

        def chat(self, messages: list[dict[str, str]], use_tqdm: bool) -> list[dict[str, str]]:
            return messages

    asked = asking(Llm(), "Be kind.")("Hello")
    assert asked == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]


@pytest.mark.filterwarnings("ignore")
def test_a_real_pipeline_of_transformers_is_asked_with_both_prompts(record: Record, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs the bench extra: make test installs it")
    from transformers import pipeline

    from tests.tiny_models import llama

    pipe = pipeline("text-generation", model=str(llama(tmp_path / "tiny")), device="cpu", max_new_tokens=5, do_sample=False)
    rows = rows_of(record(pipe, limit=2))
    assert rows["status"].to_list() == ["ok", "ok"]
    for row in rows.iter_rows(named=True):
        messages = [{"role": "system", "content": TASKS["chat"].system}, {"role": "user", "content": row["prompt_text"]}]
        asked = pipe.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        whole = pipe(messages, return_tensors=True)[0]["generated_token_ids"]
        assert (row["input_tokens"], row["output_tokens"]) == (len(asked), len(whole) - len(asked))
        assert row["output_text"] == pipe(messages, return_full_text=False)[0]["generated_text"]
        assert row["finish_reason"] is None or whole[-1] == pipe.model.generation_config.eos_token_id
    pipe.model.generation_config.eos_token_id = [whole[len(asked)]]
    (row,) = rows_of(record(pipe, prompts=[row["prompt_text"]])).iter_rows(named=True)
    assert (row["output_tokens"], row["finish_reason"]) == (1, "stop"), "the stop token counts"
