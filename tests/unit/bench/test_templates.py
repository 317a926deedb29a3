"""Which role template a model gets, and what is in the text it reads."""

import pytest

pytest.importorskip("fastchat", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.prompts.templates import choose_template, fastchat_template, plain_template
from prompt_joules.bench.tasks import TASKS
from tests.tiny_models import CHAT_TEMPLATE, byte_tokenizer

CHAT, INSTRUCT = TASKS["chat"], TASKS["instruct-concise"]
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT_TEMPLATE
DROPS_SYSTEM = "{% for m in messages if m['role'] != 'system' %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}<assistant>"


@pytest.mark.parametrize(
    ("model", "name"), [("lmsys/vicuna-7b-v1.5", "fastchat:vicuna_v1.1"), ("meta-llama/Llama-2-7b-chat-hf", "fastchat:llama-2")]
)
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_model_that_fastchat_knows(model: str, name: str, task) -> None:  # type: ignore[no-untyped-def]
    template = choose_template(model, byte_tokenizer(), task)
    text = template.render("Why {is} the sky blue?")
    assert template.name == name
    assert text.count(task.system) == 1
    assert text.count("Why {is} the sky blue?") == 1
    assert template.special_tokens


def test_vicuna_text_is_exact() -> None:
    text = choose_template("lmsys/vicuna-7b-v1.5", byte_tokenizer(), CHAT).render("Hi")
    assert text == f"{CHAT.system} USER: Hi ASSISTANT:"


@pytest.mark.parametrize("model", ["gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "google/flan-t5-small", "smollm2-135m"])
def test_catch_all_of_fastchat_does_not_count(model: str) -> None:
    assert fastchat_template(model, CHAT) is None


def test_stops_of_the_conversation_are_taken() -> None:
    template = fastchat_template("Qwen/Qwen-7B-Chat", CHAT)
    assert template is not None
    assert template.stop_strings == ("<|endoftext|>",)
    assert template.stop_token_ids == (151643, 151644, 151645)


def test_rendering_twice_keeps_nothing_of_the_first() -> None:
    template = fastchat_template("lmsys/vicuna-7b-v1.5", CHAT)
    assert template is not None
    template.render("first")
    assert "first" not in template.render("second")


def test_tokenizer_template_with_a_system_role() -> None:
    template = choose_template("gpt2", byte_tokenizer(), CHAT)
    assert template.name == "tokenizer"
    assert template.render("Hi") == f"<system>{CHAT.system}<user>Hi<assistant>"
    assert not template.special_tokens


@pytest.mark.parametrize("chat_template", [NO_SYSTEM, DROPS_SYSTEM], ids=["refuses", "drops"])
def test_system_prompt_goes_into_the_user_turn(chat_template: str) -> None:
    template = choose_template("gpt2", byte_tokenizer(chat_template), CHAT)
    assert template.render("Hi") == f"<user>{CHAT.system}\n\nHi<assistant>"


@pytest.mark.parametrize("task", [CHAT, INSTRUCT])
def test_plain_roles_as_the_last_resort(task) -> None:  # type: ignore[no-untyped-def]
    template = choose_template("gpt2", byte_tokenizer(None), task)
    assert template.name == "plain"
    assert template.render("Hi").startswith(task.system + "\n\n")
    assert not any(template.render("Hi").endswith(stop) for stop in template.stop_strings)
    assert plain_template(task).stop_strings
