"""Is the harness the load? Its own share of the time between the first and the last token of an answer.

    python -m tests.perf.window_share [--model FOLDER --gguf-file FILE] [--prompts 3] [--tokens 48] [--stop-string TEXT]

Everything of ours that runs between two tokens is timed while answers are generated: on the eager engine the stamps, the look at the
logits and the stop strings, on the compiled one the bookkeeping of a request's token. What is ours on the device is counted by the time it
takes to launch. The clock's own cost is in the share, so the share is an upper estimate.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.perf.run_overhead import MODEL

AIM = 0.01


class Clock:
    """Adds up the seconds of the calls that it is put around."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            start_s = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - start_s

        return timed


@contextmanager
def timed(clock: Clock) -> Iterator[None]:
    """Within, all of our own code that runs between two tokens is timed."""
    from bench.engines import static_decode, watch

    places: list[tuple[Any, str]] = [
        (watch.Stamps, "put"),
        (watch.FiniteLogits, "__call__"),
        (watch.StopOnBadLogits, "__call__"),
        (watch.StopStrings, "__call__"),
        (static_decode, "_ends"),
    ]
    kept = [getattr(owner, name) for owner, name in places]
    for (owner, name), function in zip(places, kept, strict=True):
        setattr(owner, name, clock.around(function))
    try:
        yield
    finally:
        for (owner, name), function in zip(places, kept, strict=True):
            setattr(owner, name, function)


def share(engine: Any, prepared: list[Any], sampling: Any) -> float:
    """Seconds in our own code over the seconds between first and last tokens."""
    clock, between_s = Clock(), 0.0
    with timed(clock):
        for prompt in prepared:
            engine.ready([prompt], sampling)
            (answer,) = engine.generate([prompt], sampling)
            between_s += sum(later - earlier for earlier, later in pairwise(answer.stamps_s))
    return clock.seconds / between_s


def main(arguments: list[str] | None = None) -> None:
    """Print the share of both engines and the aim."""
    import dataclasses

    from bench.config import EngineName, RunConfig
    from bench.engines.compiled import CompiledEngine
    from bench.engines.loading import load, plan
    from bench.engines.transformers import TransformersEngine
    from bench.measure import prompt_seed
    from bench.prompts import load_prompts
    from bench.runner import sampling_of
    from bench.tasks import TASKS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--gguf-file", default="auto")
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--stop-string", help="look for this text too, as templates of FastChat ask")
    options = parser.parse_args(arguments)
    engines: tuple[tuple[EngineName, type[TransformersEngine]], ...] = (
        ("transformers-eager", TransformersEngine),
        ("transformers-compiled", CompiledEngine),
    )
    for name, kind in engines:
        config = RunConfig(model=str(options.model), gguf_file=options.gguf_file, engine=name, max_new_tokens=options.tokens)
        chosen = plan(config)
        engine = kind(chosen, *load(chosen))
        engine.use_task(TASKS["chat"])
        if options.stop_string and engine._template:
            engine._template = dataclasses.replace(engine._template, stop_strings=(options.stop_string,))
        sampling = sampling_of(config)
        prompts = load_prompts("default").prompts[: options.prompts]
        prepared = [engine.prepare(prompt.text, prompt_seed(0, prompt.id, 0), sampling) for prompt in prompts]
        share(engine, prepared[:1], sampling)
        print(
            f"{name:24}{100 * share(engine, prepared, sampling):.3f} % of the time between first and last token (aim {100 * AIM:.0f} %)",
            flush=True,
        )


if __name__ == "__main__":
    main()
