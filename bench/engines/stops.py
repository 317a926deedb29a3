"""What watches a `model.generate` from inside its loop: when each token came, bad logits, stop strings.

All of this runs inside the measured window, so it must cost next to nothing: nothing here waits for the device more often than the loop of
transformers already does (once a token), and text is only decoded where a template has stop strings.
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.streamers import BaseStreamer

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A token that stands for one byte; what it says depends on the bytes beside it."""


@dataclass
class StopText:
    """Says whether an answer that goes on token by token has come to a stop string. Asked after every token.

    Decoding the tail after each token holds a batch up: 10 µs a row and step. Where a tokenizer's decoder puts the texts of tokens one
    behind the other, a stop string can be complete only after a token whose text has the last character of one; only then the tail is
    decoded.
    """

    tokenizer: Any  # of transformers
    strings: tuple[str, ...]  # not empty

    def __post_init__(self) -> None:
        self._tail_tokens = max(len(string.encode()) for string in self.strings) + 1
        self._last = frozenset(string[-1] for string in self.strings)
        self._joins = joins_texts(self.tokenizer) and not any(last.isspace() for last in self._last)
        self._ends: dict[int, bool | None] = {}

    def decoding(self, tokens: list[int]) -> bool:
        """Whether one of the strings is in the tail of an answer's tokens, which is decoded."""
        text = self.tokenizer.decode(tokens[-self._tail_tokens :], skip_special_tokens=False)
        return any(string in text for string in self.strings)

    def __call__(self, tokens: list[int]) -> bool:
        """The same, of an answer that had not ended one token before; decodes only where it could have now."""
        if self._joins and not self._may_end(tokens):
            return False
        return self.decoding(tokens)

    def _may_end(self, tokens: list[int]) -> bool:
        """Whether the newest token can end a string, or one in the tail is a part of a character."""
        return any(self._ends_one(token) is not False for token in tokens[-1:]) or any(
            self._ends_one(token) is None for token in tokens[-self._tail_tokens :]
        )

    def _ends_one(self, token: int) -> bool | None:
        """Whether a token's text has the last character of a stop string; None: it depends on the tokens beside it."""
        if token not in self._ends:
            text = self.tokenizer.decode([token], skip_special_tokens=False)
            whole = "\ufffd" not in text and not _BYTE.fullmatch(str(self.tokenizer.convert_ids_to_tokens(token)))
            self._ends[token] = not self._last.isdisjoint(text) if whole else None
        return self._ends[token]


def joins_texts(tokenizer: Any) -> bool:
    """Whether a tokenizer's decoder puts the texts of tokens one behind the other, but for a space before the first.

    True of the byte-level decoder and of SentencePiece's with `▁` for a space; False where it is not known.
    """
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None or getattr(tokenizer, "clean_up_tokenization_spaces", False):
        return False
    told = json.loads(decoder.__getstate__())
    return all(_joins(part) for part in told.get("decoders", [told]))


def _joins(decoder: dict[str, Any]) -> bool:
    match decoder["type"]:
        case "Replace":
            return decoder["pattern"] == {"String": "▁"} and bool(decoder["content"] == " ")
        case "Strip":
            return (decoder["content"], decoder["stop"]) == (" ", 0)
        case kind:
            return kind in {"ByteLevel", "ByteFallback", "Fuse", "Metaspace"}


class Stamps(BaseStreamer):  # type: ignore[misc]
    """Notes the time of every token; decodes nothing.

    Attributes:
        times_s: monotonic time of each generated token.
        prompt_length: tokens that were there before the first generated one; for an encoder-decoder model its start token.
    """

    def __init__(self) -> None:
        self.times_s: list[float] = []
        self.prompt_length: int | None = None

    def put(self, value: Any) -> None:
        """Called with the prompt first, then with every token once it is on the host."""
        if self.prompt_length is None:
            self.prompt_length = int(value.shape[-1])
        else:
            self.times_s.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is held back."""


class FiniteLogits(LogitsProcessor):  # type: ignore[misc]
    """Sees NaN or infinite logits, and keeps them from the sampling, which on a GPU would end the process's CUDA context.

    What it notes stays on the device, so looking costs no wait, and it takes four kernels a step; `StopOnBadLogits` ends a request in
    the same step.

    Attributes:
        bad: (batch,) bool, whether a request's logits are bad in this step; None before the first.
    """

    def __init__(self) -> None:
        self.bad: Any = None
        self._steps: list[Any] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """`scores` (batch, vocabulary), float32, changed in place: rows that cannot be sampled become zeros."""
        top = scores.amax(dim=-1)
        self.bad = (top - top) != 0  # NaN or infinity less itself is not 0
        self._steps.append(self.bad)
        return scores.masked_fill_(self.bad[:, None], 0.0)

    def bad_at(self) -> list[int | None]:
        """For each request the first token (from 0) whose logits were bad; waits for the device."""
        if not self._steps:
            return []
        return [row.index(True) if any(row) else None for row in torch.stack(self._steps, dim=1).tolist()]


class StopOnBadLogits(StoppingCriteria):  # type: ignore[misc]
    """Ends the answer whose logits `FiniteLogits` found bad."""

    def __init__(self, seen: FiniteLogits) -> None:
        self._seen = seen

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """(batch,) bool, on the device."""
        return self._seen.bad


@dataclass(eq=False)
class StopStrings(StoppingCriteria):  # type: ignore[misc]
    """Ends an answer once a stop string appears in it. Decodes only the tail that can hold one, of requests not yet ended."""

    tokenizer: Any  # decodes the tail
    strings: tuple[str, ...]  # not empty
    stop_token_ids: frozenset[int]  # a request whose last token is one of these has ended already
    stamps: Stamps  # knows where the prompt ends: a stop string in the prompt does not count

    def __post_init__(self) -> None:
        self._tail_tokens = max(len(string.encode()) for string in self.strings) + 1
        # For each request the number of tokens after which it had ended, by a string or by a token; None while it runs.
        self.ended_at: list[int | None] = []

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """(batch,) bool."""
        prompt = self.stamps.prompt_length or 0
        start = max(prompt, input_ids.shape[1] - self._tail_tokens)
        self.ended_at = self.ended_at or [None] * input_ids.shape[0]
        for row, tail in enumerate(input_ids[:, start:].tolist()):
            if self.ended_at[row] is None and self._ends(tail):
                self.ended_at[row] = input_ids.shape[1] - prompt
        return torch.tensor([at is not None for at in self.ended_at], device=input_ids.device)

    def _ends(self, tail: list[int]) -> bool:
        if tail[-1] in self.stop_token_ids:
            return True
        text = self.tokenizer.decode(tail, skip_special_tokens=False)
        return any(string in text for string in self.strings)
