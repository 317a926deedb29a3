"""One rectangle out of prompts of several lengths."""

from collections.abc import Sequence
from typing import Any, Literal

import torch


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
