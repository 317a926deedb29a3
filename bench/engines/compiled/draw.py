"""Drawing the next token on the device, inside a captured step."""

import torch
from torch import Tensor

from prompt_joules.bench.engines.base import Sampling


def choose(logits: Tensor, sampling: Sampling, seen: Tensor | None) -> Tensor:
    """Draw one token a row from the multinomial, on the device and without waiting for it.

    Args:
        logits: [batch, vocabulary]; seen: [batch, vocabulary], True where a token stands in the context, for the
        repetition penalty.

    Returns:
        [batch] int64; -1 where a logit is NaN or infinite, or no token can come (all minus infinity).
    """
    scores = logits.float()
    if seen is not None:
        penalty = sampling.repetition_penalty
        scores = torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)
    if sampling.temperature != 0:
        scores = _noised(scores / sampling.temperature, sampling)
    best, token = scores.max(-1)  # NaN where a row has one, so a single check finds NaN and infinity
    return torch.where(torch.isfinite(best), token, -1)


def _noised(scores: Tensor, sampling: Sampling) -> Tensor:
    """Scores whose greatest is a draw from their softmax, within top-k and top-p."""
    if sampling.top_k:
        kth = scores.topk(min(sampling.top_k, scores.shape[-1])).values[:, -1:]
        scores = scores.masked_fill(scores < kth, float("-inf"))
    if sampling.top_p < 1:
        ordered, order = scores.sort(-1, descending=True)
        shares = ordered.softmax(-1)
        cut = shares.cumsum(-1) - shares >= sampling.top_p
        scores = scores.scatter(-1, order, ordered.masked_fill(cut, float("-inf")))
    # Of exponential waiting times with rates p the smallest is a draw from p (torch.multinomial without its waits); in logarithms
    # it is the greatest of log p less the log of a waiting time of rate 1, and the sum under the softmax cancels.
    waiting = torch.empty_like(scores).exponential_().clamp_(min=torch.finfo(scores.dtype).tiny)
    return scores - waiting.log_()
