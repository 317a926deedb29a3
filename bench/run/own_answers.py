"""What your own code may be, and what it may return, for `own.py`."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prompt_joules.bench import errors

Ask = Callable[[str], Any]


class UnknownAnswer(errors.BenchError):
    """The code returned something whose text or number of tokens is not known."""


class NotCallable(errors.BenchError):
    """`answer` is neither callable nor a vLLM LLM."""


@dataclass(frozen=True)
class Answer:
    """One answer, as far as its maker knows it.

    Attributes:
        text: the answer.
        output_tokens: tokens generated, the stop token included; None: `count` tells.
        input_tokens: length of the prompt, template included (tokens); None where it is not known.
        finish_reason: stop or length; None where it is not known.
        first_token_s: from the call to the first token (TTFT), s; None where it is not known.
    """

    text: str
    output_tokens: int | None = None
    input_tokens: int | None = None
    finish_reason: str | None = None
    first_token_s: float | None = None


def asking(answer: Any, system: str) -> Ask:
    """How to ask: a function of a prompt.

    Args:
        answer: a callable, a text-generation pipeline of transformers, or a vLLM `LLM`.
        system: the system prompt of the task, for those that take one.

    Raises:
        NotCallable.
    """
    if getattr(answer, "task", None) == "text-generation" and hasattr(answer, "tokenizer"):
        return lambda prompt: _ask_pipeline(answer, _messages(system, prompt))
    if callable(answer):
        named = _parameters(answer)
        return (lambda prompt: answer(prompt, system=system)) if "system" in named else answer
    if hasattr(answer, "chat") and hasattr(answer, "generate"):
        return lambda prompt: answer.chat(_messages(system, prompt), use_tqdm=False)
    raise NotCallable(f"{type(answer).__name__} cannot be asked: give a function of a prompt, a transformers pipeline or a vLLM LLM.")


def _messages(system: str, prompt: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}, {"role": "user", "content": prompt}]


def _parameters(function: Callable[..., Any]) -> set[str]:
    try:
        return set(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # built in, without a signature
        return set()


@dataclass(frozen=True)
class _Generated:
    """What a pipeline generated: token ids, those of the prompt in front. They become text after the window has ended."""

    pipeline: Any
    messages: list[dict[str, str]]
    ids: list[int]

    def answer(self) -> Answer:
        """The new tokens, the stop token included, and their text. Its finish reason is known only where a stop token ended it."""
        tokenizer = self.pipeline.tokenizer
        asked = tokenizer.apply_chat_template(self.messages, add_generation_prompt=True, return_dict=True)["input_ids"]
        new = self.ids[len(asked) :]
        ends = getattr(self.pipeline.model.generation_config, "eos_token_id", None)
        stopped = bool(new) and new[-1] in (ends if isinstance(ends, list) else [ends])
        return Answer(tokenizer.decode(new, skip_special_tokens=True), len(new), len(asked), "stop" if stopped else None)


def _ask_pipeline(pipeline: Any, messages: list[dict[str, str]]) -> _Generated:
    """Source: transformers 5.24, TextGenerationPipeline: with return_tensors a record has the ids of the whole sequence."""
    return _Generated(pipeline, messages, list(pipeline(messages, return_tensors=True)[0]["generated_token_ids"]))


def answer_of(found: Any, count: Callable[[str], int] | None) -> Answer:
    """What the code returned, as an answer with its tokens.

    Args:
        found: an `Answer`, a text, a vLLM RequestOutput (or a list of one), or an OpenAI ChatCompletion.
        count: text → tokens, for answers that do not say it.

    Raises:
        UnknownAnswer: it is none of these, or nobody knows how many tokens it has.
    """
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    answer = _read(found)
    if answer.output_tokens is not None:
        return answer
    if count is None:
        raise UnknownAnswer(
            "The answer does not say how many tokens it has. Give count=, a function of a text that counts tokens as the model does, "
            "or return prompt_joules.Answer(text, output_tokens=…)."
        )
    return Answer(answer.text, int(count(answer.text)), answer.input_tokens, answer.finish_reason, answer.first_token_s)


def _read(found: Any) -> Answer:
    if isinstance(found, Answer):
        return found
    if isinstance(found, _Generated):
        return found.answer()
    if isinstance(found, str):
        return Answer(found)
    if hasattr(found, "outputs") and hasattr(found, "prompt_token_ids"):
        one = found.outputs[0]
        return Answer(str(one.text), len(one.token_ids), len(found.prompt_token_ids or ()) or None, one.finish_reason)
    if hasattr(found, "choices") and hasattr(found, "usage"):
        one, usage = found.choices[0], found.usage
        return Answer(str(one.message.content or ""), usage.completion_tokens, usage.prompt_tokens, one.finish_reason)
    raise UnknownAnswer(f"The code returned {type(found).__name__}; return a text, or prompt_joules.Answer(text, output_tokens=…).")
