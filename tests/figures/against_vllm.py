"""Our loops beside vLLM on shapes with random weights: one at a time on one card, in batches, and what `--tune energy` tried."""

import json

import polars as pl

import prompt_joules as pj
from tests.figures.documents import EIGHT, ENGINES, POINTS, SHAPES, points_of
from tests.figures.marked import Figure
from tests.figures.readme import SHAPE, on_one_card, one_at_a_time, protocol, signed


def ours_against_vllm(results: pj.Results) -> list[str]:
    """Our default loop against vLLM, one at a time, on the cards that ran both; at 8B also from card to card: J/token and token/s."""
    ours, vllm = one_at_a_time(results)
    both, said = on_one_card(ours, vllm), []
    for shape, size in sorted({**SHAPES, EIGHT: "8B"}.items(), key=lambda pair: float(pair[1][:-1])):
        changes = sorted(both.filter(shape=shape)["change"])
        said += [f"{' and '.join(map(signed, changes))} % at {size}"] if changes else []
    of_32b = [some.filter(shape="qwen3-32b")["joules"].item() for some in (ours, vllm)]
    of_8b = [some.filter(shape=EIGHT)["joules"] for some in (ours, vllm)]
    spans = [f"{some.min():.2f} to {some.max():.2f} J/token" for some in of_8b]
    speeds = both["faster"]
    return [
        f"J/token of our loop against vLLM's on one card: {', '.join(said)}, at {speeds.min():.2f} to {speeds.max():.2f} of its token/s",
        f"at 32B, a card each, {signed(of_32b[0] / of_32b[1] - 1)} %",
        f"the 8B shape took {spans[0]} in our loop and {spans[1]} on vLLM",
    ]


def time_against_vllm(results: pj.Results) -> list[str]:
    """The 8B shape one at a time on the newest card that ran our loop and vLLM: medians of power, of a step and of TTFT."""
    rows = results.sql(
        "select runs.engine = 'vllm' as served, runs.card, max(runs.started_at) as began, median(energy_j / latency_s) as power_w, "
        "1000 * median((latency_s - ttft_s) / (output_tokens - 1)) as step_ms, 1000 * median(ttft_s) as ttft_ms "
        "from requests join runs using (run_number) where runs.model_id = $model and runs.gpu = 'H200' and "
        "runs.harness_version > '2.0' and "
        "runs.batch_size = 1 and runs.concurrency = 1 and runs.dtype = 'float16' and runs.engine in ('vllm', 'transformers-compiled') "
        "group by all",
        model=SHAPE,
    ).filter(pl.len().over("card") == 2)
    (ours, vllm), asked = (
        rows.sort("began").tail(2).sort("served").rows(named=True),
        "{step_ms:.2f} ms a step and {ttft_ms:.0f} to the first token at {power_w:.0f} W",
    )
    assert ours["card"] == vllm["card"]
    return [f"ours took {asked.format(**ours)}, vLLM {asked.format(**vllm)}"]


def table_of_trials(results: pj.Results) -> list[str]:
    """What `--tune energy` tried at the 8B shape, in the order of J/token: one window each, in one process."""
    said = results.sql(
        "select environment->'loop' as loop, card from runs where model_id = $model and environment->>'$.loop.aim' = 'energy'", model=SHAPE
    )
    trials = sorted(json.loads(said["loop"].item())["trials"], key=lambda trial: trial["energy_per_token_j"])
    fastest = max(trial["tokens_per_s"] for trial in trials)
    return [
        f"| `{trial['loop']}` | {trial['tokens_per_s']:.0f} | {trial['tokens_per_s'] / fastest:.2f} | {trial['energy_per_token_j']:.2f} "
        f"± {trial['error_j']:.2f} | {trial['energy_per_token_j'] * trial['tokens_per_s']:.0f} |"
        for trial in trials
    ]


def batches_against_vllm(results: pj.Results) -> list[str]:
    """Our static batches against vLLM with as many in flight, on every shape that both ran by 2.2 or later: J/token and token/s."""
    lines = []
    for shape, size in sorted({**SHAPES, EIGHT: "8B"}.items(), key=lambda pair: float(pair[1][:-1])):
        rows = points_of(results, f"{shape}-vocab-49k", POINTS).filter(pl.col("dtype") == "float16", pl.col("batch_size") > 1)
        for at_once in sorted(rows["batch_size"].unique()):
            new = rows.filter(pl.col("batch_size") == at_once, protocol() >= 2.002)
            of = {row["engine"]: row for row in new.iter_rows(named=True)}
            ours, vllm = of.get("transformers-compiled"), of.get("vllm")
            if ours and vllm:
                joules, speed = ours["joules"] / vllm["joules"] - 1, ours["speed"] / vllm["speed"]
                lines.append(f"| {size} | {at_once} | {ours['joules']:.4f} | {vllm['joules']:.4f} | {signed(joules)} % | {speed:.2f} |")
    return lines


FIGURES = (
    Figure(ours_against_vllm, ENGINES),
    Figure(time_against_vllm, ENGINES),
    Figure(table_of_trials, ENGINES, "| loop | token/s | of the fastest |"),
    Figure(batches_against_vllm, ENGINES, "| shape | static batch |"),
)
