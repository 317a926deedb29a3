"""Role templates: how a task's system prompt and a user's prompt become the text that a model reads.

The tokenizer's own chat template where there is one; FastChat's conversation for models of 2023, whose tokenizers have none; else
plain roles. The task's system prompt replaces the template's own, so that all models get the same one; a template that would
drop it, or that breaks, is not used. Chat and instruct tasks go through the same template.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prompt_joules.bench import errors
from prompt_joules.bench.tasks import Task

_CATCH_ALL = ("one_shot", "zero_shot", "raw")
"""FastChat conversations that are given to models FastChat does not know."""
_OF_2023 = re.compile(
    r"""(vicuna|koala|alpaca|baize|longchat|guanaco|wizardlm|oasst-sft|gpt4all|manticore|billa|phoenix-inst-chat|fastchat-t5)-
    | camel-13b | dolly-v2- | h2ogpt-gm-oasst1 | stablelm-tuned-alpha- | redpajama-incite-(.*-)?(chat|instruct) | xgen-7b-8k-inst
    | (metaai-)?llama-2-\d+b-chat | qwen-\d+b-chat | falcon-\d+b-(instruct|chat) | mpt-\d+b-(chat|instruct) | mistral-7b-instruct-v0\.1""",
    re.VERBOSE,
)
"""Names of models that FastChat's conversations were made for. It matches newer models to a namesake's (DeepSeek-R1-Distill-Qwen to
Qwen's of 2023, Falcon 3 to Falcon's) and base models to a chat's: for those it is not asked."""


_PROBE = "Why is the sea salt?"


@dataclass(frozen=True)
class Template:
    """A way to write a prompt for one model and one task."""

    name: str  # as recorded: fastchat:NAME, tokenizer, or plain
    render: Callable[[str], str]  # the user's prompt → the whole text
    special_tokens: bool = True  # the tokenizer adds its own (BOS, or EOS for an encoder); False where the text has them
    stop_strings: tuple[str, ...] = ()  # an answer ends when one of these appears in it
    stop_token_ids: tuple[int, ...] = ()  # or with one of these tokens, besides the model's own


def choose_template(model_name: str, tokenizer: Any, task: Task) -> Template:
    """The template for a model and a task.

    Args:
        model_name: hub id, or the name of the model's folder (not its path: a parent folder must not decide).
        tokenizer: a transformers tokenizer.
        task: whose system prompt is used.

    Raises:
        MissingPackage: FastChat is not installed. It is not passed over, because that would change what is measured.
    """
    for template in (tokenizer_template(tokenizer, task), fastchat_template(model_name, task)):
        if template is not None and _says(template, task):
            return template
    return plain_template(task)


def _says(template: Template, task: Task) -> bool:
    """Whether the model would read the task's system prompt and the user's words."""
    text = _rendered(template.render, _PROBE)
    return task.system in text and _PROBE in text


def _rendered(render: Callable[[str], str], prompt: str) -> str:
    """The text that the model would read; empty where the template, which is another's code, breaks."""
    from jinja2 import TemplateError

    broken = (TemplateError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, NotImplementedError)
    try:
        return render(prompt)
    except broken:
        return ""


def fastchat_template(model_name: str, task: Task) -> Template | None:
    """FastChat's conversation for a model of 2023, or None for any other.

    Raises:
        MissingPackage: FastChat, or a package that it needs, is not installed.
    """
    try:
        from fastchat.model.model_adapter import BaseModelAdapter, get_model_adapter
    except ImportError as error:
        raise errors.MissingPackage(error.name or "fschat") from error

    if not _OF_2023.match(model_name.rstrip("/").rsplit("/", 1)[-1].lower()):
        return None
    adapter = get_model_adapter(model_name)
    if type(adapter) is BaseModelAdapter:
        return None
    known = adapter.get_default_conv_template(model_name)
    if known.name in _CATCH_ALL:
        return None

    def render(prompt: str) -> str:
        conversation = known.copy()
        conversation.set_system_message(task.system)
        conversation.append_message(conversation.roles[0], prompt)
        conversation.append_message(conversation.roles[1], None)
        return str(conversation.get_prompt())

    stops = [known.stop_str] if isinstance(known.stop_str, str) else list(known.stop_str or [])
    return Template(
        f"fastchat:{known.name}",
        render,
        stop_strings=tuple(stop for stop in stops if stop),
        stop_token_ids=tuple(known.stop_token_ids or ()),
    )


def tokenizer_template(tokenizer: Any, task: Task) -> Template | None:
    """The tokenizer's own chat template, or None if it has none.

    A template that refuses or drops a system role gets the system prompt at the start of the user's turn.
    """
    if not getattr(tokenizer, "chat_template", None):
        return None

    def with_role(prompt: str) -> str:
        messages = [{"role": "system", "content": task.system}, {"role": "user", "content": prompt}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def in_user_turn(prompt: str) -> str:
        messages = [{"role": "user", "content": f"{task.system}\n\n{prompt}"}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    has_role = task.system in _rendered(with_role, _PROBE)
    return Template("tokenizer", with_role if has_role else in_user_turn, special_tokens=False)


def plain_template(task: Task) -> Template:
    """Roles in plain words, for a model that has no template at all."""
    if task.style == "instruct":
        opening, closing, stop = "### Instruction:\n", "\n\n### Response:\n", "### Instruction:"
    else:
        opening, closing, stop = "User: ", "\nAssistant:", "\nUser:"
    return Template("plain", lambda prompt: f"{task.system}\n\n{opening}{prompt}{closing}", stop_strings=(stop,))
