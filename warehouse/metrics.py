"""What every number means: label, unit, which way is better, formula, source.

Pages show these texts; none writes its own.
"""

from dataclasses import dataclass
from typing import Literal

V1 = "ML.ENERGY Leaderboard, 2023"
OURS = "Prompt Joules, docs/verdicts.md and warehouse/definitions"


@dataclass(frozen=True)
class Metric:
    """One number of the warehouse.

    Attributes:
        key: column in `results` or `prompts`.
        label: what people call it.
        unit: unit in storage, base SI; "" for a count.
        display_unit: unit on screen.
        display_factor: storage × factor = screen.
        better: which way is better, or None when neither.
        formula: how it is computed.
        source: who defined it.
        meaning: one or two sentences for the column help.
        decimals: digits after the point on screen.
    """

    key: str
    label: str
    unit: str
    display_unit: str
    display_factor: float
    better: Literal["lower", "higher"] | None
    formula: str
    source: str
    meaning: str
    decimals: int

    @property
    def title(self) -> str:
        """Label and display unit, e.g. "Energy (J)"."""
        return f"{self.label} ({self.display_unit})" if self.display_unit else self.label


def _plain(
    key: str,
    label: str,
    unit: str,
    better: Literal["lower", "higher"] | None,
    formula: str,
    *,
    meaning: str,
    decimals: int = 2,
    source: str = OURS,
) -> Metric:
    """A metric whose screen unit is its storage unit."""
    return Metric(key, label, unit, unit, 1.0, better, formula, source, meaning, decimals)


def _ms(key: str, label: str, formula: str, meaning: str) -> Metric:
    """A short time: seconds in storage, milliseconds on screen."""
    return Metric(key, label, "s", "ms", 1000.0, "lower", formula, OURS, meaning, 1)


_GPU_ONLY = "GPU only, from the GPU's own energy counter; CPU and memory are not in it."

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (
        _plain(
            "energy_j",
            "Energy",
            "J",
            "lower",
            "mean of the GPU energy of a response",
            meaning=f"What one response costs on average. {_GPU_ONLY}",
            source=V1,
        ),
        _plain(
            "energy_median_j",
            "Median energy",
            "J",
            "lower",
            "50th percentile of energy_j over prompts",
            meaning="Half of the responses cost less. Published tables give only the mean.",
        ),
        _plain(
            "energy_p90_j",
            "Energy p90",
            "J",
            "lower",
            "90th percentile of energy_j over prompts",
            meaning="One response in ten costs more.",
        ),
        _plain(
            "energy_p95_j",
            "Energy p95",
            "J",
            "lower",
            "95th percentile of energy_j over prompts",
            meaning="One response in twenty costs more.",
        ),
        _plain(
            "energy_p99_j",
            "Energy p99",
            "J",
            "lower",
            "99th percentile of energy_j over prompts",
            meaning="One response in a hundred costs more.",
        ),
        _plain(
            "energy_error_j",
            "Energy error",
            "J",
            "lower",
            "√((c · mean energy_j)² + Σ e² / n²)",
            meaning=(
                "How far the mean can be off because of the meter: c is the part that all responses have in common, e what each window is "
                "off by itself, which partly cancels out. Null without a counter."
            ),
        ),
        _plain(
            "estimated_energy_j",
            "Estimated energy",
            "J",
            "lower",
            "as modelled by the source",
            meaning="A modelled figure, not a measured one: length times one energy per token.",
        ),
        _plain(
            "energy_above_idle_j",
            "Energy above idle",
            "J",
            "lower",
            "mean of energy_j − idle_power_w × latency_s",
            meaning="What the response adds to a GPU that idled before the model was loaded. Null where idle power was not recorded.",
        ),
        _plain(
            "energy_above_active_idle_j",
            "Energy above active idle",
            "J",
            "lower",
            "mean of energy_j − active_idle_power_w × latency_s",
            meaning="What the response adds to a GPU that is loaded and waits: it draws more than an idle one. Since protocol 2.0.",
        ),
        _plain(
            "energy_per_token_j",
            "Energy per token",
            "J/token",
            "lower",
            "Σ energy_j / Σ output_tokens",
            meaning="A ratio of sums, so long answers weigh more. For ML.ENERGY v1: mean energy over mean length.",
            decimals=3,
        ),
        _plain(
            "energy_per_word_j",
            "Energy per word",
            "J/word",
            "lower",
            "energy_j / output_words",
            meaning="Tokenizers differ; words compare across models.",
        ),
        _plain(
            "throughput_tps",
            "Throughput",
            "token/s",
            "higher",
            "Σ output_tokens / Σ latency_s",
            meaning="Tokens generated in a second. ML.ENERGY v1 gives the mean of each prompt's ratio.",
            source=V1,
        ),
        _plain(
            "output_tokens",
            "Response length",
            "token",
            None,
            "mean of output_tokens",
            meaning="Tokens in a response by the model's tokenizer. Ours count the stop token, v1 did not.",
            decimals=1,
            source=V1,
        ),
        _plain(
            "input_tokens",
            "Prompt length",
            "token",
            None,
            "mean of input_tokens",
            meaning="Tokens in the prompt, role template included.",
            decimals=1,
        ),
        _plain(
            "latency_s",
            "Latency",
            "s",
            "lower",
            "mean of latency_s",
            meaning="Time of a whole response.",
            source=V1,
        ),
        _ms("ttft_s", "TTFT", "mean of ttft_s", "Time to first token."),
        _ms(
            "tpot_s",
            "TPOT",
            "(latency_s − ttft_s) / (output_tokens − 1)",
            "Time per output token after the first; null under two tokens.",
        ),
        _ms("itl_p50_s", "ITL p50", "median of the gaps between tokens", "Half of the gaps are shorter. Null where tokens come in bursts."),
        _ms(
            "itl_p99_s",
            "ITL p99",
            "99th percentile of the gaps between tokens",
            "One gap in a hundred is longer.",
        ),
        _plain(
            "power_w",
            "Power",
            "W",
            None,
            "Σ energy_j / Σ latency_s",
            meaning=f"Mean power while answering. {_GPU_ONLY}",
            decimals=1,
        ),
        _plain(
            "idle_power_w",
            "Idle power",
            "W",
            "lower",
            "measured before the run",
            meaning="GPU power with no model loaded.",
            decimals=1,
        ),
        _plain(
            "params_total_b",
            "Parameters",
            "billion",
            None,
            "all parameters",
            meaning="Size of the model in billions of parameters.",
            source=V1,
        ),
        _plain(
            "params_active_b",
            "Active parameters",
            "billion",
            None,
            "parameters used for one token",
            meaning="Smaller than all parameters for a mixture of experts.",
        ),
        _plain(
            "arc",
            "ARC",
            "%",
            "higher",
            "as published",
            meaning="AI2 Reasoning Challenge: grade-school science questions.",
            decimals=1,
            source=V1,
        ),
        _plain(
            "hellaswag",
            "HellaSwag",
            "%",
            "higher",
            "as published",
            meaning="Which ending fits an everyday situation.",
            decimals=1,
            source=V1,
        ),
        _plain(
            "truthfulqa",
            "TruthfulQA",
            "%",
            "higher",
            "as published",
            meaning="Whether the model repeats common falsehoods.",
            decimals=1,
            source=V1,
        ),
        _plain(
            "quality_mean",
            "Mean quality",
            "%",
            "higher",
            "(arc + hellaswag + truthfulqa) / 3",
            meaning="Mean of the three scores; empty when one is missing.",
            decimals=1,
        ),
        _plain(
            "truncated_share",
            "Truncated",
            "",
            "lower",
            "truncated / ok",
            meaning="Share of the answers that hit the length limit.",
        ),
        _plain(
            "power_capped_share",
            "At the power limit",
            "",
            "lower",
            "power-capped / ok",
            meaning="Share of the answers during which the GPU kept to its power limit; empty where that was not recorded.",
        ),
        _plain("prompts", "Prompts", "", None, "count", meaning="Prompts behind the averages.", decimals=0),
    )
}

# Metrics that one prompt has: what the distribution queries take as $metric.
PROMPT_METRICS: tuple[str, ...] = (
    "energy_j",
    "energy_per_token_j",
    "output_tokens",
    "input_tokens",
    "latency_s",
    "ttft_s",
    "tpot_s",
    "throughput_tps",
    "energy_per_word_j",
    "power_w",
)
