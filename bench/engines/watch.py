"""What watches a `model.generate` from inside its loop: when each token came, bad logits, stop strings.

All of this runs inside the measured window, so it must cost next to nothing: nothing here waits for the device more often than the loop of
transformers already does (once a token), and text is only decoded where a template has stop strings.
"""

import time
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

    `bad` stays on the device, so looking costs no wait; `StopOnBadLogits` ends the loop in the same step.
    """

    def __init__(self) -> None:
        self.bad: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """`scores` (batch, vocabulary), float32; rows that cannot be sampled come back as zeros."""
        top = scores.amax(dim=-1, keepdim=True)
        bad = ~(top.abs() < torch.inf)
        self.bad = bad[:, 0] if self.bad is None else self.bad | bad[:, 0]
        return scores.masked_fill(bad, 0.0)


class StopOnBadLogits(StoppingCriteria):  # type: ignore[misc]
    """Ends the answer whose logits `FiniteLogits` found bad."""

    def __init__(self, seen: FiniteLogits) -> None:
        self._seen = seen

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """(batch,) bool, on the device."""
        return self._seen.bad


class StopStrings(StoppingCriteria):  # type: ignore[misc]
    """Ends an answer once a stop string appears in it. Decodes only the tail that can hold one.

    Args:
        tokenizer: decodes the tail.
        strings: not empty.
        stamps: knows where the prompt ends: a stop string in the prompt does not count.
    """

    def __init__(self, tokenizer: Any, strings: tuple[str, ...], stamps: Stamps) -> None:
        self._tokenizer = tokenizer
        self._strings = strings
        self._stamps = stamps
        self._tail_tokens = max(len(string.encode()) for string in strings) + 1
        self.hit = False

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """(batch,) bool; batch is 1."""
        start = max(self._stamps.prompt_length or 0, input_ids.shape[1] - self._tail_tokens)
        tail = self._tokenizer.decode(input_ids[0, start:].tolist(), skip_special_tokens=False)
        self.hit = any(string in tail for string in self._strings)
        return torch.full((input_ids.shape[0],), self.hit, dtype=torch.bool, device=input_ids.device)
