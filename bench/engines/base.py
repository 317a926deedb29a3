"""What a run needs from an engine, a way to run a model. Each engine is a module of its own; none is imported here.

A prompt goes through `prepare` (before the clock), `generate` (inside the window), `decode` (after it). All three take or give one item per
prompt of a batch, so one prompt is a batch of one.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol

from prompt_joules.bench.tasks import Task


@dataclass(eq=False)
class PromptFailed(Exception):
    """One prompt could not be answered. `str(error)` is the row's reason."""

    reason: str
    _: KW_ONLY
    input_tokens: int | None = None  # prompt length, where it was known
    fatal: bool = False  # the device cannot be used again in this process


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn, as it is applied: nothing is taken over from the model's own defaults."""

    temperature: float = 0.7  # 0 takes the likeliest token
    top_p: float = 1.0  # 1 is off
    top_k: int = 0  # 0 is off
    repetition_penalty: float = 1.0  # 1 is off
    max_new_tokens: int = 512  # longest answer (tokens)

    @property
    def draw(self) -> tuple[float, float, int, float]:
        """What decides one draw: everything but the length."""
        return self.temperature, self.top_p, self.top_k, self.repetition_penalty


@dataclass(frozen=True)
class ModelFacts:
    """What a loaded model says of itself."""

    params_total_b: float  # parameters, tied ones counted once (1e9)
    params_active_b: float | None  # parameters used per token (1e9); None for a mixture whose routing is not known
    weights_format: str | None = None  # what the weights were loaded from; None where it is not known
    dtype: str | None = None  # number format in which the weights are kept; None where it is that of the plan


@dataclass(frozen=True)
class Prepared:
    """A prompt ready to run: on the device, and the sampling seeded."""

    inputs: Any  # what the engine's own `generate` takes
    input_tokens: int  # prompt length, template included (tokens)
    seed: int  # of this prompt's sampling


@dataclass(frozen=True)
class Generation:
    """One answer."""

    token_ids: tuple[int, ...]  # generated tokens, the stop token included
    stamps_s: tuple[float, ...]  # monotonic time at which each token reached the host; as many as `token_ids`
    finish_reason: str  # stop, length or error
    error: str | None = None  # why, for `error`


class Engine(Protocol):
    """A loaded model."""

    facts: ModelFacts

    def use_task(self, task: Task) -> str | None:
        """Take the task's template; its name for the `prompt_template` column (None: no tokenizer, no template)."""

    def prepare(self, text: str, seed: int, sampling: Sampling) -> Prepared:
        """Render, tokenize, move to the device. Raises PromptFailed (the context is too long, the text breaks the tokenizer)."""

    def settings(self, batch: int) -> dict[str, Any]:
        """What the engine has set that can move joules of `batch` answers at once, for the `environment` column. JSON values only."""

    def reserve(self, longest: int, sampling: Sampling) -> None:
        """Fix, once for a run, the room of one prompt and its answer together: `longest` (tokens). Raises EngineUnsuited."""

    def tick(self) -> None:
        """Launch the device once without work and wait for it: the cost of a loop that only waits."""

    def ready(self, prompts: Sequence[Prepared], sampling: Sampling) -> None:
        """Make whatever must not be measured: buffers, compiled code. Called before the window. Raises PromptFailed."""

    def synchronize(self) -> None:
        """Wait until the device has done all it was given. Raises PromptFailed."""

    def generate(self, prompts: Sequence[Prepared], sampling: Sampling) -> list[Generation]:
        """Answer; the only call inside the window. Raises PromptFailed."""

    def decode(self, generation: Generation) -> str | None:
        """The answer as text, without its stop string; None without a tokenizer."""
