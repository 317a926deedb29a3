"""What does the harness cost? Tokens/s of a measured run against a bare `model.generate` loop on the same prompts.

    python -m tests.perf.run_overhead [--rounds 3] [--prompts 6] [--tokens 48]

Both sides use the same loaded model, the same prompts and seeds, and answers of exactly `--tokens` tokens; they take turns, so that a busy
machine slows both. The harness's side is `window.measure`: template, tokens, window, stamps, decoding and the row. The ratio is over
the time between the first request and the last row, so everything outside the window counts too.
"""

import argparse
import dataclasses
import statistics
import time
from pathlib import Path
from typing import Any

MODEL = Path(__file__).parents[2] / "models" / "smollm2-135m"


def bare(engine: Any, prepared: list[Any], sampling: Any) -> float:
    """Seconds of a plain loop: no stamps, no checks, no rows."""
    import torch

    config = engine._generation_config(sampling, [])
    config.eos_token_id = None
    start_s = time.perf_counter()
    for prompt in prepared:
        torch.manual_seed(prompt.seed)
        engine._model.generate(prompt.inputs, attention_mask=torch.ones_like(prompt.inputs), generation_config=config)
    return time.perf_counter() - start_s


def measured(engine: Any, items: list[Any], sampling: Any) -> tuple[float, int]:
    """Seconds and tokens of the harness over the same prompts."""
    from prompt_joules.bench.meter.opening import AbsentMeter
    from prompt_joules.bench.run.window import measure

    start_s = time.perf_counter()
    rows = [measure(engine, AbsentMeter("a benchmark of the harness"), [item], 0, sampling)[0][0] for item in items]
    seconds = time.perf_counter() - start_s
    failed = [row["reason"] for row in rows if row["status"] != "ok"]
    if failed:
        raise SystemExit(f"a prompt failed: {failed[0]}")
    return seconds, sum(row["output_tokens"] for row in rows)


def main(arguments: list[str] | None = None) -> None:
    """Print tokens/s of both sides and the ratio (median of the rounds)."""
    from prompt_joules.bench.config import RunConfig
    from prompt_joules.bench.engines.loading import load, plan
    from prompt_joules.bench.engines.transformers import TransformersEngine
    from prompt_joules.bench.prompts.sets import load_prompts
    from prompt_joules.bench.run.window import prompt_seed
    from prompt_joules.bench.tasks import TASKS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=48)
    options = parser.parse_args(arguments)
    if not MODEL.is_dir():
        raise SystemExit(f"{MODEL} is not there; run: make bench")
    config = RunConfig(model=str(MODEL), gguf_file="auto", max_new_tokens=options.tokens)
    chosen = plan(config)
    # "dummy" only switches the stop tokens off, so that both sides write the same number of tokens; the weights are the real ones.
    engine = TransformersEngine(dataclasses.replace(chosen, weights="dummy"), *load(chosen))
    engine.use_task(TASKS["chat"])
    sampling = config.sampling
    items = [(prompt, 0) for prompt in load_prompts("default").prompts[: options.prompts]]
    prepared = [engine.prepare(prompt.text, prompt_seed(0, prompt.id, 0), sampling) for prompt, _ in items]
    bare(engine, prepared[:1], sampling)
    ratios = []
    for _ in range(options.rounds):
        bare_s = bare(engine, prepared, sampling)
        harness_s, tokens = measured(engine, items, sampling)
        ratios.append(bare_s / harness_s)
        print(f"bare {tokens / bare_s:6.2f} token/s   bench {tokens / harness_s:6.2f} token/s   ratio {ratios[-1]:.3f}", flush=True)
    print(f"bench run against bare generate: {statistics.median(ratios):.3f} (median of {options.rounds}; aim 0.98)")


if __name__ == "__main__":
    main()
