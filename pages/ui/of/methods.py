"""Methods: its texts. Definitions come from METRICS; no number is defined here."""

from datetime import date

from prompt_joules.warehouse import create
from prompt_joules.warehouse.metrics import METRICS, Metric

SETUP = """
Prompt Joules asks: what does one answer of a language model cost in energy? It puts two kinds of results side by
side.

- **Published** results are averages from the [ML.ENERGY Leaderboard](https://ml.energy/leaderboard). Its first edition
  (v1, 2023) has 22 chat models on A40, A100 and V100 GPUs, the first turn of 2,978 ShareGPT conversations, one prompt at a
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


def definitions() -> str:
    """Every number of METRICS as one line of a list: meaning, formula, which way is better, source."""
    return "\n".join(_definition(metric) for metric in METRICS.values())


def _definition(metric: Metric) -> str:
    better = f" {metric.better.capitalize()} is better." if metric.better else ""
    formula = f"Column `{metric.key}`, formula `{metric.formula}`"
    return f"- **{metric.title}**: {metric.meaning}{better} {formula}. Source: {metric.source}."
