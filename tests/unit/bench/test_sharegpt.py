"""All 2,978 first turns of ShareGPT, as they are in the dump, through templates and tokenizers: nothing raises, nothing is cut."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.config import RunConfig
from prompt_joules.bench.engines.loading import load_tokenizer, plan
from prompt_joules.bench.prompts.templates import Template, choose_template, fastchat_template, plain_template
from prompt_joules.bench.tasks import TASKS
from tests.tiny_models import byte_tokenizer

ROOT = Path(__file__).parents[3]
TURNS = ROOT.parent / "shared" / "data" / "prompts" / "sharegpt_first_turns.json"
MODEL = ROOT / "models" / "smollm2-135m"

pytestmark = pytest.mark.skipif(not TURNS.exists(), reason="the ShareGPT first turns are not beside this checkout (../shared/data/prompts)")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    found = [str(turn["value"]) for entry in json.loads(TURNS.read_text()) for turn in entry["conversations"][:1]]
    assert len(found) == 2978
    return found


def all_whole(template: Template, texts: list[str], tokenizer: Any) -> None:
    """Every text is in its rendered prompt, after the system prompt; every rendered prompt has tokens that say the same again."""
    for text in texts:
        rendered = template.render(text)
        assert text.strip() in rendered
        ids = tokenizer(rendered, add_special_tokens=template.special_tokens)["input_ids"]
        assert len(ids) >= len(rendered.split()) / 2
        assert text.strip()[-20:] in tokenizer.decode(ids)


@pytest.mark.parametrize("task", TASKS)
def test_fastchat_vicuna_takes_every_first_turn(texts: list[str], task: str) -> None:
    template = fastchat_template("lmsys/vicuna-7b-v1.5", TASKS[task])
    assert template is not None and template.name == "fastchat:vicuna_v1.1"
    for text in texts:
        asked = f": {text} " if text else ":"  # FastChat leaves an empty message out; the converter drops such turns
        assert template.render(text) == f"{TASKS[task].system} USER{asked}ASSISTANT:"


def test_plain_template_and_bytes_take_every_first_turn(texts: list[str]) -> None:
    all_whole(plain_template(TASKS["chat"]), texts, byte_tokenizer(chat_template=None))


@pytest.mark.model
@pytest.mark.skipif(not list(MODEL.glob("*.gguf")), reason=f"no model in {MODEL}: make test fetches it")
def test_smollm2_takes_every_first_turn(texts: list[str]) -> None:
    tokenizer = load_tokenizer(plan(RunConfig(str(MODEL), gguf_file="auto", device="cpu")))
    vicuna = fastchat_template("lmsys/vicuna-7b-v1.5", TASKS["chat"])
    own = choose_template("smollm2-135m", tokenizer, TASKS["chat-concise"])
    assert vicuna is not None and own.name == "tokenizer"
    for template in (own, vicuna):
        all_whole(template, texts, tokenizer)
