"""Hugging Face transformers, eager: `model.generate` with a stamp per token, one prompt or a static batch.

Source: huggingface/transformers, `generation/utils.py` (`_sample`: where the streamer, the logits processors and the criteria are called).
"""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from prompt_joules.bench import errors
from prompt_joules.bench.engines import loading
from prompt_joules.bench.engines.base import Generation, ModelFacts, Prepared, PromptFailed, Sampling
from prompt_joules.bench.engines.stops import FiniteLogits, Stamps, StopOnBadLogits, StopStrings
from prompt_joules.bench.prompts.templates import Template, choose_template
from prompt_joules.bench.tasks import Task

_KEPT = ("bos_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id")
"""What a model cannot do without; everything else in its generation config is a default of sampling and is not used."""


class TransformersEngine:
    """A loaded transformers model; see `prompt_joules.bench.engines.base.Engine`.

    Args:
        plan: what was loaded.
        model: on its device.
        tokenizer: None for random weights without one.
        random_prompt_tokens: length of a prompt where there is no tokenizer (tokens).
    """

    def __init__(self, plan: loading.Plan, model: Any, tokenizer: Any, random_prompt_tokens: int = 128) -> None:
        self.facts: ModelFacts = loading.model_facts(model, plan)
        self._plan = plan
        self._model = model
        self._tokenizer = tokenizer
        self._random_prompt_tokens = random_prompt_tokens
        self._template: Template | None = None
        self._own = model.generation_config
        model.generation_config = GenerationConfig(**{key: getattr(self._own, key, None) for key in _KEPT})
        torch.backends.cuda.enable_cudnn_sdp(False)  # cuDNN makes a plan for every new length
        self._scratch = torch.zeros(1, device=plan.device)

    def use_task(self, task: Task) -> str | None:
        """Choose the template of a task; its name."""
        self._template = choose_template(self._plan.model_id, self._tokenizer, task) if self._tokenizer else None
        return self._template.name if self._template else None

    def prepare(self, text: str, seed: int, sampling: Sampling) -> Prepared:
        """Render, tokenize, check the length, move to the device.

        Raises:
            PromptFailed: prompt and longest answer do not fit the context, or the text breaks template or tokenizer.
        """
        with self._faults(None):
            ids = self._tokenize(text, seed)
            self._require_room(ids.shape[1], sampling.max_new_tokens)
            return Prepared(ids.to(self._plan.device), ids.shape[1], seed)

    def _tokenize(self, text: str, seed: int) -> Any:
        """(1, tokens) int64 on the CPU."""
        if self._tokenizer is None:
            vocabulary = self._model.config.get_text_config().vocab_size
            generator = torch.Generator().manual_seed(seed)
            return torch.randint(vocabulary, (1, self._random_prompt_tokens), generator=generator)
        if self._template is None:
            raise AssertionError("use_task comes before prepare")
        rendered = self._template.render(text)
        return self._tokenizer(rendered, add_special_tokens=self._template.special_tokens, return_tensors="pt")["input_ids"]

    def settings(self, batch: int) -> dict[str, Any]:
        """Which attention runs at any batch, and a quantised checkpoint's own config."""
        quantised = loading.quantization_of(self._plan.model_config)
        return {
            "attention": self._model.config._attn_implementation,
            "cudnn_attention": torch.backends.cuda.cudnn_sdp_enabled(),
            **({"quantization_config": quantised} if quantised else {}),
        }

    def reserve(self, longest: int, sampling: Sampling) -> None:
        """Nothing: the cache of `model.generate` grows with the answer."""

    def tick(self) -> None:
        """One kernel on one number, waited for."""
        self._scratch.add_(1)
        if self._plan.device == "cuda":
            torch.cuda.synchronize()
        else:
            time.sleep(0.001)

    def ready(self, prompts: Sequence[Prepared], sampling: Sampling) -> None:
        """Nothing: `model.generate` makes what it needs as it goes."""

    def synchronize(self) -> None:
        """Wait for the device. Raises PromptFailed with the fault of an earlier kernel."""
        if self._plan.device == "cuda":
            with self._faults(None):
                torch.cuda.synchronize()

    def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
        """Answer one static batch; the draws of a batch are seeded by its first prompt.

        Raises:
            PromptFailed: it does not fit the memory, or the model broke on it.
        """
        stop_token_ids = self._stop_token_ids()
        stamps, finite = Stamps(), FiniteLogits()
        criteria: list[Any] = [StopOnBadLogits(finite)]
        strings = self._stop_strings()
        stop_strings = StopStrings(self._tokenizer, strings, frozenset(stop_token_ids), stamps) if strings else None
        if stop_strings:
            criteria.append(stop_strings)
        with self._faults(max(prompt.input_tokens for prompt in prompts)):
            ids, mask = padded([prompt.inputs for prompt in prompts], "right" if self._model.config.is_encoder_decoder else "left")
            torch.manual_seed(prompts[0].seed)
            sequences = self._model.generate(
                ids,
                attention_mask=mask,
                generation_config=self._generation_config(sampling, stop_token_ids),
                logits_processor=LogitsProcessorList([finite]),
                stopping_criteria=StoppingCriteriaList(criteria),
                streamer=stamps,
            )
            answers = sequences[:, stamps.prompt_length :].tolist()
            bad_at = finite.bad_at()
        ended_at = stop_strings.ended_at if stop_strings else [None] * len(answers)
        return [
            _generation(answer, stamps.times_s, stop_token_ids, ended, bad)
            for answer, ended, bad in zip(answers, ended_at, bad_at, strict=True)
        ]

    def decode(self, generation: Generation) -> str | None:
        """The answer's text, special tokens and stop string taken off."""
        if self._tokenizer is None:
            return None
        text = str(self._tokenizer.decode(list(generation.token_ids), skip_special_tokens=True))
        cuts = [at for string in self._stop_strings() if (at := text.find(string)) >= 0]
        return text[: min(cuts)] if cuts else text

    def _stop_strings(self) -> tuple[str, ...]:
        return self._template.stop_strings if self._template and self._plan.weights != "dummy" else ()

    def _stop_token_ids(self) -> list[int]:
        """Token ids that end an answer: the model's, the tokenizer's, the template's. None with random weights."""
        if self._plan.weights == "dummy":
            return []
        own = self._own.eos_token_id
        ids = set(own if isinstance(own, list) else [own])
        ids.add(getattr(self._tokenizer, "eos_token_id", None))
        ids.update(self._template.stop_token_ids if self._template else ())
        return sorted(token for token in ids if token is not None)

    def _generation_config(self, sampling: Sampling, stop_token_ids: list[int]) -> Any:
        greedy = sampling.temperature == 0
        drawn = {} if greedy else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        pad = self._own.pad_token_id
        return GenerationConfig(
            do_sample=not greedy,
            **drawn,
            repetition_penalty=sampling.repetition_penalty,
            max_new_tokens=sampling.max_new_tokens,
            eos_token_id=stop_token_ids or None,
            pad_token_id=pad if pad is not None else (stop_token_ids or [0])[0],
            use_cache=True,
            **{key: getattr(self._own, key, None) for key in _KEPT},
        )

    def _require_room(self, input_tokens: int, max_new_tokens: int) -> None:
        """Refuse a prompt that, with its longest answer, is longer than the positions the model has; never cut it."""
        room = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        apart = self._model.config.is_encoder_decoder
        needed = max(input_tokens, max_new_tokens) if apart else input_tokens + max_new_tokens
        if room is not None and needed > room:
            reason = f"context too long: {input_tokens} prompt tokens and up to {max_new_tokens} new ones, the model has room for {room}"
            raise PromptFailed(reason, input_tokens=input_tokens)

    @contextlib.contextmanager
    def _faults(self, input_tokens: int | None) -> Iterator[None]:
        """Turn whatever a model, template or tokenizer raises on one prompt into that prompt's reason."""
        try:
            yield
        except (PromptFailed, AssertionError, errors.EngineUnsuited):
            raise
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            raise PromptFailed("out of memory on the GPU", input_tokens=input_tokens) from error
        except Exception as error:  # a model's own code can raise anything; the run must go on
            text = " ".join(str(error).split())[:300]
            if "can't allocate memory" in text:
                raise PromptFailed("out of memory", input_tokens=input_tokens) from error
            fatal = "CUDA error" in text or isinstance(error, getattr(torch, "AcceleratorError", ()))
            raise PromptFailed(f"{type(error).__name__}: {text}", input_tokens=input_tokens, fatal=fatal) from error


def _generation(
    tokens: list[int], stamps_s: list[float], stop_token_ids: list[int], ended_at: int | None, bad_at: int | None
) -> Generation:
    """One request's answer out of its row of a batch, the padding after its end left out.

    Args:
        tokens: as many as the longest answer of the batch.
        stamps_s: when the tokens of each step had reached the host.
        stop_token_ids: the first of them ends the answer.
        ended_at: tokens after which a stop string had ended it.
        bad_at: the token, from 0, whose logits were bad; it counts only before the end.
    """
    by_token = next((place + 1 for place, token in enumerate(tokens) if token in stop_token_ids), None)
    end = min((at for at in (by_token, ended_at) if at is not None), default=None)
    if bad_at is not None and (end is None or bad_at < end):
        return Generation(tuple(tokens[:bad_at]), tuple(stamps_s[:bad_at]), "error", f"NaN logits at token {bad_at + 1}")
    return Generation(tuple(tokens[:end]), tuple(stamps_s[: end or len(tokens)]), "length" if end is None else "stop")


def padded(prompts: Sequence[Any], side: Literal["left", "right"] = "left") -> tuple[Any, Any]:
    """Token ids and mask, each (batch, tokens), of prompts that are each (1, tokens).

    Args:
        prompts: token ids.
        side: where the padding stands. Left, so that every answer begins at the same place; right for the input of an encoder.
    """
    longest = max(prompt.shape[1] for prompt in prompts)

    def fill(prompt: Any) -> Any:
        missing = longest - prompt.shape[1]
        return torch.nn.functional.pad(prompt, (missing, 0) if side == "left" else (0, missing))

    return torch.cat([fill(prompt) for prompt in prompts]), torch.cat([fill(torch.ones_like(prompt)) for prompt in prompts])


def require_mask(model: Any, model_id: str) -> None:
    """Refuse batches for a model that takes no notice of its mask (RWKV): padding would be read as text.

    Raises:
        EngineUnsuited: hiding the first of three tokens changes nothing.
    """
    if model.config.is_encoder_decoder:
        return
    ids = torch.arange(3, device=next(model.parameters()).device).unsqueeze(0)
    hidden = torch.ones_like(ids)
    hidden[0, 0] = 0
    with torch.inference_mode():
        shown, masked = (model(input_ids=ids, attention_mask=mask).logits[0, -1] for mask in (torch.ones_like(ids), hidden))
    if torch.equal(shown, masked):
        raise errors.EngineUnsuited(model_id, "it reads the padding of a batch as text; leave --batch-size at 1")
