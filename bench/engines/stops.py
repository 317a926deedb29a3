"""What watches a `model.generate` from inside its loop: when each token came, bad logits, stop strings.

All of this runs inside the measured window, so it must cost next to nothing: nothing here waits for the device more often than the loop of
transformers already does (once a token), and text is only decoded where a template has stop strings.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria
from transformers.generation.streamers import BaseStreamer


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


class StopStrings(StoppingCriteria):  # type: ignore[misc]
    """Ends an answer once a stop string appears in it. Decodes only the tail that can hold one, of requests not yet ended.

    Args:
        tokenizer: decodes the tail.
        strings: not empty.
        stop_token_ids: a request whose last token is one of these has ended already.
        stamps: knows where the prompt ends: a stop string in the prompt does not count.

    Attributes:
        ended_at: for each request the number of tokens after which it had ended, by a string or by a token; None while it runs.
    """

    def __init__(self, tokenizer: Any, strings: tuple[str, ...], stop_token_ids: Sequence[int], stamps: Stamps) -> None:
        self._tokenizer = tokenizer
        self._strings = strings
        self._stop_token_ids = frozenset(stop_token_ids)
        self._stamps = stamps
        self._tail_tokens = max(len(string.encode()) for string in strings) + 1
        self.ended_at: list[int | None] = []

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """(batch,) bool."""
        prompt = self._stamps.prompt_length or 0
        start = max(prompt, input_ids.shape[1] - self._tail_tokens)
        self.ended_at = self.ended_at or [None] * input_ids.shape[0]
        for row, tail in enumerate(input_ids[:, start:].tolist()):
            if self.ended_at[row] is None and self._ends(tail):
                self.ended_at[row] = input_ids.shape[1] - prompt
        return torch.tensor([at is not None for at in self.ended_at], device=input_ids.device)

    def _ends(self, tail: list[int]) -> bool:
        if tail[-1] in self._stop_token_ids:
            return True
        text = self._tokenizer.decode(tail, skip_special_tokens=False)
        return any(string in text for string in self._strings)
