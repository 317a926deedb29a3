"""What a benchmark's score is a share of, by task and metric, as the tools that write it define it.

A share of one becomes percent. What is percent already, or has a unit of its own, stays. Of any other metric nobody here
knows the scale: it stays as it was written, and its name says so.
"""

import re
from typing import Any

from prompt_joules.ingest.formats.foreign import is_number

UNKNOWN = ", scale not stated"
# Means of 0 and 1 over the items of a task, and what else lies between 0 and 1.
SHARE = re.compile(
    r"acc|acc_.+|accuracy|.+_accuracy|em|qem|pem|pqem|exact_match.*|quasi_exact_match|prefix_exact_match|quasi_prefix_exact_match"
    r"|f1|f1_score|qa_f1_score|qa_f1_zh_score|precision|recall|mcc|mc1|mc2|truthfulqa_mc1|truthfulqa_mc2"
    r"|pass@\d+|pass_at_\d+|maj@.+|prompt_level_.+_acc|inst_level_.+_acc|.+_acc|extractive_match|math_verify|pct_stereotype"
    r"|(?:[\w-]+[_-])?(?:pass@k|avg@n)(?::.+)?|loglikelihood_f1|mf1|mrr"
    r"|classification_score|retrieval_score|retrieval_zh_score|count_score|code_sim_score|rouge_score|rouge_zh_score"
)
# Already percent, or in a unit of their own.
AS_WRITTEN = re.compile(
    r".*perplexity|ppl|bits_per_byte|.*likelihood.*|.+_diff|.+_max|bleu|bleu_\d|chrf|chrf\+\+|chrf_plus|ter|wer|brier_score"
    r"|eqbench|percent_parseable"
)
# Scores of the SQuAD script are percent, those of the same names elsewhere are shares.
OF_SQUAD = re.compile(r"(?:\w+_)?(?:exact|f1)")
# Tasks whose metrics are named after the length of the context; -1 is a length that was not run.
BY_LENGTH = re.compile(r"(?:ruler|niah)\w*")


def factor(task: str, metric: str) -> float | None:
    """What to multiply a score with so that a share becomes percent; None when the scale of the metric is not known."""
    if task.startswith(("squad", "scrolls")) and OF_SQUAD.fullmatch(metric):
        return 1.0
    if BY_LENGTH.fullmatch(task) and metric.isdecimal():
        return 100.0
    # bleu_acc is a share, although what begins with bleu is not.
    if SHARE.fullmatch(metric):
        return 100.0
    return 1.0 if AS_WRITTEN.fullmatch(metric) else None


def scaled(task: str, metric: str, score: Any, stderr: Any) -> tuple[str, Any, Any]:
    """The name, score and standard error to store. A share that is larger than 1 is none: its scale is not known."""
    times = factor(task, metric)
    if times == 100.0 and is_number(score) and abs(score) > 1.0:
        times = None
    name = metric if times is not None else metric + UNKNOWN
    return name, _times(score, times), _times(stderr, times) if is_number(stderr) else None


def _times(value: Any, times: float | None) -> Any:
    return value * times if is_number(value) and times is not None else value


def was_run(task: str, metric: str, score: Any) -> bool:
    """Whether there is a score at all."""
    return not (BY_LENGTH.fullmatch(task) and metric.isdecimal() and score == -1)
