"""Methods: its texts. Definitions come from METRICS; no number is defined here."""

from datetime import date

import polars as pl

from prompt_joules.warehouse import create
from prompt_joules.warehouse.metrics import METRICS

SETUP = """
Prompt Joules asks: what does one answer of a language model cost in energy? It puts two kinds of results side by
side.

- **Published** results are averages from the [ML.ENERGY Leaderboard](https://ml.energy/leaderboard). Its first edition
  (v1, 2023) has up to 23 chat models on A40, A100 and V100 GPUs, the first turn of 2,978 ShareGPT conversations, one prompt at a
  time, 16-bit floating point, PyTorch. Its later editions (v2, v3) use serving engines with many prompts at once, other
  tasks and newer GPUs: compare within an edition and batch size.
- **Measured** results are our own runs. Every prompt is one row: its tokens, its time, its energy and how far that
  energy can be off.

In v1 and in our runs a response is generated alone on the GPU (batch size 1 unless the table says otherwise), by
sampling, until the model stops or reaches the length limit. Its energy is how far the GPU's own energy counter moves
meanwhile.

That counter moves in steps, ten a second on an H100. Our runs therefore wait for a step before the response and close
at a later one, and take off what the waiting GPU used (column *Window edges*: aligned). None of the waiting is in the
latency. A batch is measured as one window and its energy is divided among its requests by a rule; such rows are
marked *shared-gpu*. How this was tested, and how far it can be trusted, is in `docs/measurement.md` of the project;
what makes a row or a run valid, in `docs/verdicts.md`.
"""
# The address of each section and what it is called.
SECTIONS = {
    "setup": "Setup",
    "questions": "Questions",
    "tasks": "Tasks",
    "numbers": "Numbers",
    "limits": "What these numbers do not say",
    "licences": "Licences",
    "citation": "Citation",
}
QUESTIONS = {
    "Is this accurate?": """
Our own answers of 0.25 s and more, measured alone, are off by at most 0.3 % on average against the same answers in
one long window, and vary by 0.1 to 1.0 % (one standard deviation; four cards). Every answer has an error bar of its
own, and every run says how closely its answers and the gaps between them add up to the GPU's counter (*Runs*).
Whether that counter itself is right is the maker's word: a power meter at the socket was not used. How far two runs
of one setup lie apart is another matter: J/token agrees within some percent, what a word in the prompt saves does not
(*Compare*).
""",
    "Why is it null?": """
A number that was not measured is empty and never 0, and the column *Why energy is not measured* says why: there was
no GPU or no counter that could be read, the answer was too short for the counter's step, the server is on another
host, the source published none, or its own counter was reset. v3 of the leaderboard knows the energy of a token at
full load and estimates that of an answer: such numbers are marked ≈.
""",
    "Can I compare across GPUs?": """
Yes where all else is alike: model, precision of the weights, engine, batch size, prompts and length limit. *Compare*
lists what is not alike for any two results, and *Three years* starts with results that are. Do not compare one prompt
at a time on one card with many at once on another: the batch size moves a token more than the card does. Several GPUs
(4×H100) are summed.
""",
    "What do ÷ and ≈ mean?": """
÷ stands where a GPU answered several prompts at once: its energy is measured, the share of one answer is a rule. ≈
stands where the source estimates the energy of an answer from that of a token. A number without a mark is measured,
of one answer alone.
""",
    "Why do short answers of a big model cost less than long ones of a small one?": """
An answer costs its number of tokens times what a token costs. Size, engine and batch size move the cost of a token; the
question and the way the model writes move the number of tokens. *Concise or verbose?* splits a change into both.
""",
    "Does a token mean the same everywhere?": """
No: tokenizers cut text differently. Where lengths matter, choose J per word or per character (*How energy is shown*).
""",
}
# Tasks of published tables, whose system prompts, if any, the sources do not give.
PUBLISHED_TASKS = {
    "code": "ML.ENERGY v2 (2024): completion of code; the tables do not name the prompts.",
    "lm-arena-chat": "ML.ENERGY v3 (2026): conversations of people with chat models, from LMArena's human preference data (100k).",
    "gpqa": "ML.ENERGY v3 (2026): hard questions of science with four choices, GPQA Extended.",
    "sourcegraph-fim": "ML.ENERGY v3 (2026): code for a gap in code (fill in the middle), Sourcegraph's context-aware completions.",
}
LIMITS = """
- Energy is that of the GPU only. CPU, memory, cooling and power supply are not in it.
- It is read by software from a counter in the GPU, which moves in steps: for short answers the step matters, and
  the energy error says how much.
- Energy depends on GPU, software, batch size and length limit. Numbers from different setups are not a ranking of
  models.
- A token is not the same in every model: tokenizers differ. Compare words where lengths matter.
- Published throughput is a mean of ratios, ours is a ratio of sums. Published lengths leave out the stop token,
  ours count it.
- A number that was not measured is left empty, with the reason. It is never zero.
- Distributions need single prompts, so they show our own runs only.
"""
LICENCES = """
- This project: Apache License 2.0.
- Published figures: from the [ML.ENERGY Leaderboard repository](https://github.com/ml-energy/leaderboard), Apache
  License 2.0. Its authors call
  it a research preview, meant for non-commercial use only.
- Many of the models descend from LLaMA, whose weights have a licence of their own. This project ships no weights.
"""

CITATION = """
Name the project, its version, the question, the filters and the day; the header of a download has version, filters,
link and sources. For example:

> Prompt Joules {version}, Which model answers for the least energy?, GPU A40, task chat, seen on {day}.

For published figures name the ML.ENERGY Leaderboard (<https://ml.energy/leaderboard>) and the edition too.
"""


def citation() -> str:
    """How to name what is shown here, today."""
    return CITATION.format(version=create.project_version(), day=f"{date.today():%Y-%m-%d}")


def numbers() -> pl.DataFrame:
    """Every number of METRICS as a row: title, unit, meaning, which way is better, formula, column, source."""
    return pl.DataFrame(
        [
            {
                "number": metric.title,
                "meaning": metric.meaning,
                "better": metric.better or "",
                "formula": metric.formula,
                "column": metric.key,
                "source": metric.source,
            }
            for metric in METRICS.values()
        ]
    )
