"""Before the first window: every shape of prompt run once, then a text that is no prompt answered until two answers in a row cost the same.

The first run of a length, of a batch, of a kernel costs what no later one does: code is compiled, plans are made, memory is taken, clocks
rise. None of it belongs to the answer that happens to come first.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console

from prompt_joules.bench.engines.base import Engine, Prepared, PromptFailed, Sampling
from prompt_joules.bench.meter.reading import Meter
from prompt_joules.bench.run.window import Row, prompt_seed

AGREE = 0.03
"""Two answers agree when their J/token (s/token without a counter) differ by no more than this share of the larger."""
LEAST = 3
"""Answers of a warm-up, at least."""
WINDOW_S = 1.0
"""A warm-up answer takes about this time, which is enough for the counter to resolve it."""
FIRST_TOKENS = 32
"""Length of the very first answer, which tells the speed and pays for most of what is paid once."""
TEXTS = (
    "Tell the story of a lighthouse keeper's longest night, hour by hour, from dusk to dawn.",
    "Describe how a wooden boat is built, from choosing the trees to the day it is launched, with every step in between.",
    "Walk through a year on a small farm, month by month: what is sown, what is mended, what is eaten.",
    "Explain to a curious child how a letter travels from one country to another, and everyone who touches it on its way.",
)
"""Texts of no prompt set that ask for long answers."""


@dataclass(frozen=True)
class WarmUp:
    """How a warm-up ended."""

    costs: tuple[float, ...] = ()  # J/token of each answer after the first, s/token without a counter
    answers: int = 0  # how many there were
    warm: bool = False  # whether the last two agreed

    @property
    def columns(self) -> Row:
        """What every row of the session says of it."""
        return {"warm": self.warm, "warmup_answers": self.answers}

    def after(self, cost: float, agree: float = AGREE) -> "WarmUp":
        """The same after one answer more; two costs agree when they differ by no more than the share `agree` of the larger."""
        costs = (*self.costs, cost) if self.answers else ()
        return WarmUp(costs, self.answers + 1, is_steady(costs, self.answers + 1, agree))


def is_steady(costs: Sequence[float], answers: int, agree: float = AGREE) -> bool:
    """Whether the last two costs agree, after enough answers."""
    if answers < LEAST or len(costs) < 2:
        return False
    before, last = costs[-2:]
    return abs(last - before) <= agree * max(last, before)


def run_shapes(engine: Engine, batches: Iterable[Sequence[Prepared]], sampling: Sampling, stop: Callable[[], bool]) -> int:
    """Prefill one batch of every shape (prompts, longest prompt in tokens), unmeasured. Returns how many shapes there were."""
    once = dataclasses.replace(sampling, max_new_tokens=1)
    seen: set[tuple[int, int]] = set()
    for batch in batches:
        if stop():
            break
        shape = len(batch), max((prompt.input_tokens for prompt in batch), default=0)
        if batch and shape not in seen:
            seen.add(shape)
            try:
                engine.ready(batch, once)
                engine.generate(batch, once)
                engine.synchronize()
            except PromptFailed as failure:
                if failure.fatal:
                    raise  # else the run itself records it
    return len(seen)


def announce(console: Console, most: int) -> None:
    """Say that a warm-up begins: on a slow machine it takes minutes, in which nothing else is printed."""
    if most:
        console.print(f"Warming up, until two answers in a row cost the same, at most {most} times (--warmup) ...", soft_wrap=True)


def warm_up(engine: Engine, meter: Meter, size: int, sampling: Sampling, most: int, stop: Callable[[], bool]) -> WarmUp:
    """Answer batches of `size` texts, unrecorded, until two in a row agree, or `most` times.

    The same text is answered again and again with the same draws, so that two costs can be compared; one whose answer is too short to be
    resolved gives way to the next.
    """
    done, place, length = WarmUp(), 0, min(FIRST_TOKENS, sampling.max_new_tokens)
    while done.answers < most and not done.warm and not stop():
        asked = dataclasses.replace(sampling, max_new_tokens=length)
        try:
            tokens, seconds, joules = _answer(engine, meter, [TEXTS[(place + n) % len(TEXTS)] for n in range(size)], asked)
        except PromptFailed:
            break
        if done.answers == 0:
            speed = tokens / size / seconds
            length = int(min(max(speed * WINDOW_S, FIRST_TOKENS), sampling.max_new_tokens))
        done = done.after((seconds if joules is None else joules) / tokens)
        if done.answers > 1 and not done.warm and tokens < size * length / 2 and place < len(TEXTS) - 1:
            place, done = place + 1, dataclasses.replace(done, costs=())
    return done


def _answer(engine: Engine, meter: Meter, texts: Sequence[str], sampling: Sampling) -> tuple[int, float, float | None]:
    """Tokens, seconds and joules of one batch. Raises PromptFailed."""
    prepared = [engine.prepare(text, prompt_seed(0, text, 0), sampling) for text in texts]
    engine.ready(prepared, sampling)
    meter.begin()
    try:
        engine.synchronize()
        start_s = time.perf_counter()
        answers = engine.generate(prepared, sampling)
        engine.synchronize()
        seconds = time.perf_counter() - start_s
    finally:
        reading = meter.end()
    if broken := next((answer.error for answer in answers if answer.error is not None), None):
        raise PromptFailed(broken)
    return sum(len(answer.token_ids) for answer in answers), seconds, reading.energy_j


def longest_text(engine: Engine, sampling: Sampling) -> int:
    """The length of the longest warm-up text in tokens, by the task in use; 0 where none fits the model."""
    lengths = [0]
    for text in TEXTS:
        try:
            lengths.append(engine.prepare(text, 0, sampling).input_tokens)
        except PromptFailed:
            continue
    return max(lengths)
