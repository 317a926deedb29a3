"""Is the harness the load? Its own share of the time between the first and the last token of an answer.

    python -m tests.perf.window_share [--model FOLDER --gguf-file FILE] [--prompts 3] [--tokens 48] [--stop-string TEXT]

Everything of ours that runs between two tokens is timed while answers are generated: on the eager engine the stamps, the look at the
logits and the stop strings, on the compiled one the bookkeeping of a request's token. On a GPU two shares are given: of the host, what our
code takes to run and to launch its kernels; of the GPU, what lies between an event before those kernels and one after them, waiting for
their launches included. The clocks' own cost is in the shares, so both are upper estimates. Sampling inside the graph of the compiled
step is not taken apart.
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


class HostClock:
    """Adds up the host's seconds in the calls that it is put around."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def seconds(self) -> float:
        """So far."""
        return self._seconds

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            start_s = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self._seconds += time.perf_counter() - start_s

        return timed


class GpuClock:
    """Adds up the GPU's seconds between the first and the last kernel of the calls that it is put around.

    Args:
        event: makes a CUDA event that can be timed.
    """

    def __init__(self, event: Callable[[], Any]) -> None:
        self._event = event
        self._pairs: list[tuple[Any, Any]] = []

    def seconds(self) -> float:
        """So far; waits for the GPU."""
        for _, last in self._pairs[-1:]:
            last.synchronize()
        return sum(float(first.elapsed_time(last)) for first, last in self._pairs) / 1000

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, between two events."""

        def timed(*arguments: Any, **options: Any) -> Any:
            first, last = self._event(), self._event()
            first.record()
            try:
                return function(*arguments, **options)
            finally:
                last.record()
                self._pairs.append((first, last))

        return timed


def our_places() -> list[tuple[Any, str]]:
    """All of our own code that runs between two tokens, as (owner, name of the function)."""
    from prompt_joules.bench.engines import stops
    from prompt_joules.bench.engines.compiled import decode

    return [
        (stops.Stamps, "put"),
        (stops.FiniteLogits, "__call__"),
        (stops.StopOnBadLogits, "__call__"),
        (stops.StopStrings, "__call__"),
        (decode, "_ends"),
    ]


@contextmanager
def timed(clock: HostClock | GpuClock) -> Iterator[None]:
    """Within, our own code is timed."""
    kept = [(owner, name, getattr(owner, name)) for owner, name in our_places()]
    for owner, name, function in kept:
        setattr(owner, name, clock.around(function))
    try:
        yield
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def share(engine: Any, prepared: list[Any], sampling: Any, clock: HostClock | GpuClock) -> float:
    """Seconds in our own code over the seconds between first and last tokens."""
    between_s = 0.0
    with timed(clock):
        for prompt in prepared:
            engine.ready([prompt], sampling)
            (answer,) = engine.generate([prompt], sampling)
            between_s += sum(later - earlier for earlier, later in pairwise(answer.stamps_s))
    return clock.seconds() / between_s


def clocks(device: str) -> dict[str, Callable[[], HostClock | GpuClock]]:
    """What can be timed on a device, by name: the host always, a CUDA GPU as well."""
    import torch

    found: dict[str, Callable[[], HostClock | GpuClock]] = {"host": HostClock}
    if device == "cuda":
        found["GPU"] = lambda: GpuClock(lambda: torch.cuda.Event(enable_timing=True))
    return found


def device_name(device: str) -> str:
    """The GPU's name, or what the CPU is."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def main(arguments: list[str] | None = None) -> None:
    """Print the device, and the shares of both engines with the aim."""
    import dataclasses

    from prompt_joules.bench.config import EngineName, RunConfig
    from prompt_joules.bench.engines.compiled.engine import CompiledEngine
    from prompt_joules.bench.engines.loading import load, plan
    from prompt_joules.bench.engines.transformers import TransformersEngine
    from prompt_joules.bench.prompts.sets import load_prompts
    from prompt_joules.bench.run.window import prompt_seed
    from prompt_joules.bench.tasks import TASKS

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
        sampling = config.sampling
        prompts = load_prompts("default").prompts[: options.prompts]
        prepared = [engine.prepare(prompt.text, prompt_seed(0, prompt.id, 0), sampling) for prompt in prompts]
        share(engine, prepared[:1], sampling, HostClock())
        for what, make in clocks(chosen.device).items():
            percent = 100 * share(engine, prepared, sampling, make())
            where = f"{name} on {device_name(chosen.device)}, {what}"
            print(f"{where}: {percent:.3f} % of the time between first and last token (aim {100 * AIM:.0f} %)", flush=True)


if __name__ == "__main__":
    main()
