"""Our loops beside vLLM on shapes with random weights: one at a time on one card, in batches, and what `--tune energy` tried."""

import json

import polars as pl

import prompt_joules as pj
from tests.figures.documents import EIGHT, ENGINES, POINTS, SHAPES, points_of
from tests.figures.marked import Figure
from tests.figures.readme import SHAPE, listed, on_one_card, one_at_a_time, percent, protocol, signed, tenths


def ours_against_vllm(results: pj.Results) -> list[str]:
    """The loop `stacked` against vLLM, one at a time, on the cards that ran both; at 8B also from card to card: J/token and token/s."""
    ours, vllm = one_at_a_time(results)
    both, said = on_one_card(ours, vllm), []
    for shape, size in sorted({**SHAPES, EIGHT: "8B"}.items(), key=lambda pair: float(pair[1][:-1])):
        changes = sorted(both.filter(shape=shape)["change"])
        said += [f"{listed(map(signed, changes))} % at {size}"] if changes else []
    of_8b = [some.filter(shape=EIGHT)["joules"] for some in (ours, vllm)]
    spans = [f"{some.min():.2f} to {some.max():.2f} J/token" for some in of_8b]
    speeds = both["faster"]
    return [
        f"J/token of `stacked` against vLLM's on one card: {', '.join(said)}, at {speeds.min():.2f} to {speeds.max():.2f} of its token/s",
        f"the 8B shape took {spans[0]} in `stacked` and {spans[1]} on vLLM",
    ]


NEW_ATTENTION, SOONER = ("split", "matmul"), ("prefill", "ahead")
"""Loops that differ from `stacked` in one thing: in how one answer attends, or in what waits for the host."""
USUAL = "transformers-compiled:stacked-ahead-split"
"""The loop that answers one prompt at a time where no other is asked for."""


def runs_of_shapes(results: pj.Results) -> pl.DataFrame:
    """Runs of shapes one at a time, in our loops and on vLLM: J/token, token/s, medians of a step and of TTFT, tokens of the cache."""
    return results.sql(
        "select regexp_replace(runs.model_id, '-vocab-49k$', '') as shape, runs.card, runs.engine, runs.run_number, count(*) as answers, "
        "sum(energy_j) / sum(output_tokens) as joules, any_value(ratio(runs.output_tokens_total, runs.busy_s_total)) as speed, "
        "1000 * median((latency_s - ttft_s) / (output_tokens - 1)) as step_ms, 1000 * median(ttft_s) as ttft_ms, "
        "any_value((runs.environment->>'$.server_setup.kv_cache_tokens')::bigint) as cache_tokens "
        "from requests join runs using (run_number) where runs.gpu = 'H200' and runs.harness_version > '2.0' and runs.batch_size = 1 and "
        "runs.concurrency = 1 and runs.dtype = 'float16' and runs.model_id like '%-vocab-49k' and requests.valid and "
        "runs.engine not in ('transformers-eager', 'sglang', 'llama.cpp') group by all"
    )


def runs_beside_vllm(results: pj.Results) -> pl.DataFrame:
    """Those on the cards on which the usual loop and vLLM answered the shape."""
    rows = runs_of_shapes(results)
    used = [pl.col("engine") == engine for engine in (USUAL, "vllm")]
    return rows.filter(pl.all_horizontal(one.any().over("shape", "card") for one in used))


def usual_beside_vllm(results: pj.Results) -> pl.DataFrame:
    """By shape: the least and the most change of J/token, each run of the usual loop beside each of vLLM, and token/s over vLLM's."""
    rows = runs_beside_vllm(results)
    both = rows.filter(engine=USUAL).join(rows.filter(engine="vllm"), on=("shape", "card"), suffix="_vllm")
    change, runs = pl.col("joules") / pl.col("joules_vllm") - 1, pl.struct("card", "engine", "run_number").n_unique()
    return both.group_by("shape").agg(
        low=change.min(),
        high=change.max(),
        faster=pl.col("speed").mean() / pl.col("speed_vllm").mean(),
        runs=runs,
        answers=pl.min("answers"),
    )


def usual_against_vllm(results: pj.Results) -> list[str]:
    """The usual loop against vLLM by shape, two runs each on one card: J/token, and token/s. What rounds to nothing is said to a tenth."""
    of = {row["shape"]: row for row in usual_beside_vllm(results).iter_rows(named=True)}
    said = []
    for shape, size in sorted({**SHAPES, EIGHT: "8B"}.items(), key=lambda pair: float(pair[1][:-1])):
        if row := of.get(shape):
            assert row["high"] < 0 and row["runs"] == 2
            tell = tenths if round(row["high"], 2) == 0 else signed
            low, high = tell(row["low"]), tell(row["high"])
            said.append(f"{low} % at {size}" if low == high else f"{low} to {high} % at {size}")
    faster = [row["faster"] for row in of.values()]
    cards = runs_beside_vllm(results).group_by("shape").agg(pl.n_unique("card"))
    assert set(cards["card"]) == {1}
    return [f"changes J/token by {', '.join(said[:-1])} and {said[-1]}, at {min(faster):.2f} to {max(faster):.2f} of its token/s"]


def usual_at_14b(results: pj.Results) -> list[str]:
    """The usual loop at 14B on the card that did not run vLLM: J/token and token/s of its two runs."""
    rows = runs_of_shapes(results).filter(shape="qwen3-14b", engine=USUAL).join(runs_beside_vllm(results), on="card", how="anti")
    (joules,), (speed,) = {f"{one:.1f}" for one in rows["joules"]}, {f"{one:.0f}" for one in rows["speed"]}
    return [f"({rows.height} runs) took {joules} J/token at {speed} token/s"]


def cache_at_70b(results: pj.Results) -> list[str]:
    """What one H200 leaves vLLM for keys and values beside 70B weights of 16 bits."""
    (tokens,) = runs_of_shapes(results).filter(shape="llama-3.1-70b", engine="vllm")["cache_tokens"].unique()
    return [f"At 70B vLLM has room for {tokens:,} tokens beside the weights"]


def table_beside_vllm(results: pj.Results) -> list[str]:
    """Our loops and vLLM on the card that ran the usual one: medians of steps and TTFT, mean power while answering."""
    rows = runs_beside_vllm(results)
    lines = []
    for shape, size in sorted({**SHAPES, EIGHT: "8B"}.items(), key=lambda pair: float(pair[1][:-1])):
        each = rows.filter(shape=shape).group_by("engine").agg(pl.len(), pl.mean("answers", "joules", "speed", "step_ms", "ttft_ms"))
        for row in each.sort("joules").iter_rows(named=True):
            loop = row["engine"].partition(":")[2] or "stacked"
            name = "vLLM 0.22.1" if row["engine"] == "vllm" else f"`{loop}`"
            lines.append(
                f"| {size} | {name} | {row['len']} | {row['answers']:.0f} | {row['step_ms']:.2f} | {row['ttft_ms']:.0f} "
                f"| {row['speed']:.0f} | {row['joules'] * row['speed']:.0f} | {row['joules']:.3f} |"
            )
    return lines


def saved_at_8b(results: pj.Results) -> list[str]:
    """What each of the newer loops saves against `stacked` on the card that ran the usual one, at 8B: J/token, and TTFT."""
    rows = runs_beside_vllm(results).filter(shape=EIGHT).group_by("engine").agg(pl.mean("joules", "ttft_ms"))
    of = {row["engine"].partition(":")[2]: row for row in rows.iter_rows(named=True) if row["engine"] != "vllm"}
    attention, sooner = ([1 - of[f"stacked-{way}"]["joules"] / of[""]["joules"] for way in ways] for ways in (NEW_ATTENTION, SOONER))
    whole = {percent(share) for share in attention}
    assert len(whole) == 1 and all(0 < share < 0.01 for share in sooner)
    return [f"the runs with `split` or `matmul` take {whole.pop()} % less than `stacked`, those with a graph of the prompt alone, or ahead"]


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
    Figure(table_beside_vllm, ENGINES, "| shape | loop | runs |"),
    Figure(saved_at_8b, ENGINES),
    Figure(usual_against_vllm),
    Figure(usual_at_14b, ENGINES),
    Figure(cache_at_70b, ENGINES),
    Figure(table_of_trials, ENGINES, "| loop | token/s | of the fastest |"),
    Figure(batches_against_vllm, ENGINES, "| shape | static batch |"),
)
