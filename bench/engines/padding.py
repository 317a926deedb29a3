"""Prompts of several lengths, padded to one length."""

from collections.abc import Sequence
from typing import Any, Literal

import torch

from prompt_joules.bench import errors


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
