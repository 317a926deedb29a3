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
    template = choose_template(model, byte_tokenizer(None), task)
    text = template.render("Why {is} the sky blue?")
    assert template.name == name
    assert text.count(task.system) == 1
    assert text.count("Why {is} the sky blue?") == 1
    assert template.special_tokens


def test_vicuna_text_is_exact() -> None:
    text = choose_template("lmsys/vicuna-7b-v1.5", byte_tokenizer(None), CHAT).render("Hi")
    assert text == f"{CHAT.system} USER: Hi ASSISTANT:"


@pytest.mark.parametrize("model", ["gpt2", "HuggingFaceTB/SmolLM2-135M-Instruct", "google/flan-t5-small", "smollm2-135m"])
def test_catch_all_of_fastchat_does_not_count(model: str) -> None:
    assert fastchat_template(model, CHAT) is None


NEWER = [
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
    "NousResearch/Hermes-2-Pro-Mistral-7B",
    "mistralai/Mistral-Small-24B-Instruct-2501",
    "tiiuae/Falcon3-7B-Instruct",
    "stabilityai/stablelm-2-1_6b-chat",
    "01-ai/Yi-1.5-9B-Chat",
    "deepseek-ai/deepseek-coder-6.7b-instruct",
    "meta-llama/Llama-3.1-8B-Instruct",
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-2-7b-hf",
    "mistralai/Mistral-7B-v0.1",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-30B-A3B",
    "google/gemma-2-9b-it",
    "google/gemma-3-4b-it",
    "microsoft/Phi-3-mini-4k-instruct",
    "microsoft/phi-4",
    "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    "HuggingFaceTB/SmolLM3-3B",
    "allenai/OLMo-2-1124-7B-Instruct",
    "ibm-granite/granite-3.1-8b-instruct",
    "CohereForAI/c4ai-command-r7b-12-2024",
    "databricks/dbrx-instruct",
    "bigcode/starcoder2-15b",
    "codellama/CodeLlama-7b-Instruct-hf",
    "Salesforce/xgen-small-9B",
    "deepseek-ai/DeepSeek-V2-Lite-Chat",
    "zai-org/GLM-4-9B-0414",
    "openai/gpt-oss-20b",
    "tiiuae/falcon-mamba-7b-instruct",
    "EleutherAI/pythia-6.9b",
    "bigscience/bloomz-7b1",
    "google/flan-t5-xl",
    "RWKV/rwkv-raven-7b",
    "h2oai/h2o-danube2-1.8b-chat",
    "upstage/SOLAR-10.7B-Instruct-v1.0",
    "teknium/OpenHermes-2.5-Mistral-7B",
    "internlm/internlm2_5-7b-chat",
    "baichuan-inc/Baichuan2-7B-Chat",
]


@pytest.mark.parametrize("model", NEWER)
@pytest.mark.parametrize("template", [CHAT_TEMPLATE, None], ids=["with a template", "without"])
def test_no_newer_or_base_model_gets_a_namesakes_conversation(model: str, template: str | None) -> None:
    chosen = choose_template(model, byte_tokenizer(template), CHAT)
    assert chosen.name == ("tokenizer" if template else "plain")
    assert chosen.stop_token_ids == ()
    assert CHAT.system in chosen.render("Hi")


def test_whatever_fastchat_renders_is_taken_only_with_the_system_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its conversations, as if a model of 2023 had each: some drop the system prompt, and chat would equal chat-concise."""
    from fastchat.conversation import conv_templates
    from fastchat.model.model_adapter import VicunaAdapter

    dropped = 0
    for name, conversation in conv_templates.items():
        monkeypatch.setattr(VicunaAdapter, "get_default_conv_template", lambda self, path, known=conversation: known)
        texts = {task: choose_template("vicuna-7b", byte_tokenizer(None), TASKS[task]).render("Hi") for task in ("chat", "chat-concise")}
        assert all(TASKS[task].system in text for task, text in texts.items()), name
        assert texts["chat"] != texts["chat-concise"], name
        dropped += choose_template("vicuna-7b", byte_tokenizer(None), CHAT).name == "plain"
    assert 0 < dropped < len(conv_templates)


def test_the_models_of_2023_keep_their_conversations() -> None:
    names = {
        "koala-13b": "koala_v1",
        "dolly-v2-12b": "dolly_v2",
        "oasst-sft-1-pythia-12b": "oasst_pythia",
        "stablelm-tuned-alpha-7b": "stablelm",
        "RedPajama-INCITE-7B-Chat": "redpajama-incite",
        "RedPajama-INCITE-Chat-3B-v1": "redpajama-incite",
        "xgen-7b-8k-inst": "xgen",
        "baize-v2-7B": "baize",
    }
    for model, name in names.items():
        template = fastchat_template(model, CHAT)
        assert template is not None and template.name == f"fastchat:{name}"


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


BROKEN = {
    "several without a default": {"rag": CHAT_TEMPLATE, "tool_use": CHAT_TEMPLATE},
    "wrong types": "{{ 'a' + 1 }}",
    "wrong syntax": "{% for %}",
    "refuses everything": "{{ raise_exception('no') }}",
    "divides by zero": "{{ 1 / 0 }}",
}


@pytest.mark.parametrize("template", BROKEN.values(), ids=BROKEN)
def test_a_tokenizers_template_that_breaks_is_passed_over(template: object) -> None:
    assert choose_template("org/new", byte_tokenizer(template), CHAT).name == "plain"  # type: ignore[arg-type]
    assert choose_template("vicuna-7b", byte_tokenizer(template), CHAT).name == "fastchat:vicuna_v1.1"  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [CHAT, INSTRUCT])
def test_plain_roles_as_the_last_resort(task) -> None:  # type: ignore[no-untyped-def]
    template = choose_template("gpt2", byte_tokenizer(None), task)
    assert template.name == "plain"
    assert template.render("Hi").startswith(task.system + "\n\n")
    assert not any(template.render("Hi").endswith(stop) for stop in template.stop_strings)
    assert plain_template(task).stop_strings
