"""The loops that the compiled engine can run, and the choice among them by time or by joules.

The fastest kernel need not be the most frugal one. With `coordinate_descent_tuning` inductor turns a one-row matrix product into
products and sums on the plain cores, which draws more power for the same bytes: on an H200 a model of 8 billion parameters then
makes 205 token/s at 686 W, and 197 token/s at 508 W when cuBLAS multiplies stacked projections (docs/log.md, 2026-11-29).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from prompt_joules.bench import errors
from prompt_joules.bench.engines.compiled.attention import ALONE

Aim = Literal["speed", "energy"]


@dataclass(frozen=True)
class Loop:
    """One way to run a decode step."""

    name: str  # as stored with the rows
    compiled: bool  # layers go through `torch.compile`; without it only the CUDA graph saves launches
    coordinate_descent: bool = False  # inductor searches its kernels for speed, matrix products of one row among them
    stacked: bool = False  # projections of one input are one matrix, see `stacked.py`
    captures_prompts: bool = False  # short prompts are read in a CUDA graph, see `prefill.py`
    ahead: bool = False  # a step is launched before the host has seen the last one's tokens; the one after an answer's end is in vain
    alone: str = ALONE  # how one answer attends in a compiled layer, see `attention.py`


STACKED = Loop("stacked", compiled=True, stacked=True)
"""What runs in batches without `--tune`, and until December 2026 one answer at a time; the engine without a name of a loop."""
LOOPS = (
    Loop("searched", compiled=True, coordinate_descent=True),
    Loop("compiled", compiled=True),
    Loop("graph", compiled=False),
    STACKED,
    Loop("stacked-searched", compiled=True, coordinate_descent=True, stacked=True),
    Loop("stacked-graph", compiled=False, stacked=True),
    Loop("stacked-matmul", compiled=True, stacked=True, alone="matmul"),
    Loop("stacked-split", compiled=True, stacked=True, alone="split"),
    Loop("stacked-prefill", compiled=True, stacked=True, captures_prompts=True),
    Loop("stacked-ahead", compiled=True, stacked=True, captures_prompts=True, ahead=True),
    Loop("stacked-ahead-split", compiled=True, stacked=True, captures_prompts=True, ahead=True, alone="split"),
)


@dataclass(frozen=True)
class Trial:
    """What a loop did in its trial window."""

    loop: str  # its name
    tokens_per_s: float | None = None  # generated tokens over the window's time
    energy_per_token_j: float | None = None  # joules of the window over its tokens; None where there is no meter
    error_j: float | None = None  # half-width of the error bar of `energy_per_token_j`
    reason: str | None = None  # why the loop could not be tried, or has no joules


def engine_name(loop: str) -> str:
    """What the `engine` column says: loops differ in joules, so that each is an engine of its own."""
    return "transformers-compiled" if loop == STACKED.name else f"transformers-compiled:{loop}"


def by_name(name: str) -> Loop:
    """The loop of this name. Raises KeyError."""
    return {loop.name: loop for loop in LOOPS}[name]


def choose(trials: Sequence[Trial], aim: Aim, most_loss: float) -> Trial:
    """The best trial.

    Args:
        trials: one a loop.
        aim: `speed` takes the most token/s; `energy` the least J/token among those fast enough.
        most_loss: with `energy`, the share of the best speed that may be given up, e.g. 0.05.

    Raises:
        CannotTune: no loop ran, or none has joules when the aim is energy.
    """
    ran = [trial for trial in trials if trial.tokens_per_s is not None]
    if not ran:
        raise errors.CannotTune("; ".join(f"{trial.loop}: {trial.reason}" for trial in trials))
    fastest = max(ran, key=lambda trial: trial.tokens_per_s or 0.0)
    if aim == "speed":
        return fastest
    enough = (fastest.tokens_per_s or 0.0) * (1 - most_loss)
    metered = [trial for trial in ran if trial.energy_per_token_j is not None]
    if not metered:
        raise errors.CannotTune(f"no loop has joules ({ran[0].reason}); --tune speed needs none")
    fast = [trial for trial in metered if (trial.tokens_per_s or 0.0) >= enough]
    return min(fast or metered, key=lambda trial: trial.energy_per_token_j or 0.0)


def tune(attempt: Callable[[Loop], Trial], aim: Aim, most_loss: float, say: Callable[[str], None], batch: int = 1) -> dict[str, Any]:
    """Try every loop and choose one; what was tried is kept with the run. In a batch loops that differ for one answer alone are one.

    Loops that stack come last: stacking changes the loaded weights' layout.

    Returns:
        JSON values: `loop` (its name), `aim`, `most_loss`, `trials`.
    """
    trials = []
    for loop in (loop for loop in LOOPS if batch == 1 or loop.alone == ALONE):
        trials.append(attempt(loop))
        say(_words(trials[-1]))
    return {"loop": choose(trials, aim, most_loss).loop, "aim": aim, "most_loss": most_loss, "trials": [asdict(trial) for trial in trials]}


def _words(trial: Trial) -> str:
    if trial.tokens_per_s is None:
        return f"  {trial.loop}: {trial.reason}"
    joules = f"{trial.energy_per_token_j:.4g} J/token" if trial.energy_per_token_j is not None else f"no joules ({trial.reason})"
    return f"  {trial.loop}: {trial.tokens_per_s:.1f} token/s, {joules}"
