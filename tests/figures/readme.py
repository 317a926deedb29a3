"""The figures of the README and of docs/findings.md, which has what the README has no room for."""

import statistics
from typing import Any

import polars as pl

import prompt_joules as pj
from prompt_joules.warehouse import query
from prompt_joules.warehouse.selection import Selection
from prompt_joules.warehouse.statistics import pairs, pooled
from tests.figures.marked import Figure

SAME_ARCHITECTURE = ("LLaMA", "Llama 2", "OpenLLaMA", "XGen")
SHAPE = "llama-3.1-8b-vocab-49k"
SMOLLM = "HuggingFaceTB/SmolLM2-135M-Instruct"


def percent(share: float) -> str:
    """A share in whole percent, its sign left out: 0.323 is 32."""
    return f"{abs(share) * 100:.0f}"


def signed(share: float) -> str:
    """A share in whole percent with its sign; nothing stands before 0."""
    whole = round(share * 100)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def lengths_and_costs(results: pj.Results) -> list[str]:
    """Answers of 7B models of one architecture on an A40: J per answer and per token."""
    rows = results.sql("from results").filter(
        pl.col("source") == "ML.ENERGY v1",
        pl.col("gpu_model") == "A40",
        pl.col("task") == "chat",
        pl.col("params_total_b") == 7,
        pl.col("family").is_in(SAME_ARCHITECTURE),
    )
    answer, token = rows["energy_j"].to_list(), rows["energy_per_token_j"].to_list()
    return [
        f"the {rows.height} chat models of 7B",
        f"span {min(answer):.0f} to {max(answer):.0f} J per answer, but only {min(token):.1f} to {max(token):.1f} J per token",
    ]


def published_concise(results: pj.Results) -> list[str]:
    """What asking for a concise chat answer changed in the published tables of 2023, on an A40."""
    asked = {"contrast": "task", "a": "chat", "b": "chat-concise"}
    rows = query.load("contrast_published", Selection(sources=("ML.ENERGY v1",), gpus=("A40",)), results.warehouse, **asked)
    row = pairs.change_of_means(rows).row(0, named=True)
    low, high = (f"{abs(row[end]) * 100:.1f}" for end in ("change_high", "change_low"))
    return [
        f"saved a median of only {abs(row['median_change']) * 100:.1f} % ({low} to {high}) on an A40 in 2023, and {row['more']} of "
        f"{row['count']} models used more"
    ]


def concise(results: pj.Results) -> list[str]:
    """What asking for a concise instruction changed on 200 ShareGPT prompts, as spent, with both intervals of the page."""
    found = results.pairs("instruct", "instruct-concise").filter(pl.col("prompt_set") == "sharegpt-200", pl.col("harness_version") == "1.1")
    first, second = (found.filter(pl.col("gpu_model") == gpu).row(0, named=True) for gpu in ("H100", "H200"))
    within = [f"{percent(row['median_change_within_high'])} to {percent(row['median_change_within_low'])}" for row in (first, second)]
    known = [f"{signed(row['median_change_low'])} to {signed(row['median_change_high'])} %" for row in (first, second)]
    return [
        f"a median of {percent(first['median_change'])} % less",
        f"({within[0]} % within the run)",
        f"{percent(second['median_change'])} % less on an H200 ({within[1]} %)",
        f"{percent(first['more_share'])} and {percent(second['more_share'])} % of the prompts cost more",
        f"the intervals are {known[0]} and {known[1]}",
    ]


def setups(results: pj.Results, **alike: object) -> pl.DataFrame:
    """The setups of ours that are so, their runs taken together, with the 95 % interval of J/token: rows of the Leaderboard."""
    rows = pooled.pooled(query.load("leaderboard", Selection(weights=()), results.warehouse)).filter(**alike)
    asked = {"per": "response", "above_idle": False}
    spread = pooled.spreads(query.load("spreads", Selection(weights=()), results.warehouse, **asked))
    return pooled.with_intervals(rows, spread, "energy_j", query.load("repetitions", None, results.warehouse))


def newest(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Of each group the setups of the newest protocol; of these the one with most answers."""
    number = pl.col("harness_version").str.split(".").list.eval(pl.element().cast(pl.Int64))
    ordered = rows.sort(number, "prompts", "result_id", descending=[True, True, False])
    return ordered.unique(by, keep="first", maintain_order=True)


def between(row: dict[str, Any], digits: str = ".2f") -> str:
    """The interval of J/token of a setup."""
    return f"{row['token_low_j']:{digits}} to {row['token_high_j']:{digits}}"


def runs(results: pj.Results) -> list[str]:
    """How the whole runs of one experiment agree: that of the newest protocol with several runs of all four tasks."""
    rows = results.sql(
        "select runs.experiment_id, runs.harness_version, runs.seed, runs.task, sum(energy_j) as joules, sum(output_tokens) as tokens, "
        "count(distinct prompt_id) as prompts from requests join runs using (run_number) where runs.model_id = $model and "
        "runs.gpu = 'H200' and runs.batch_size = 1 and requests.valid and runs.experiment_id is not null group by all",
        model=SMOLLM,
    ).filter(pl.col("task").n_unique().over("experiment_id") == 4, pl.col("seed").n_unique().over("experiment_id") > 1)
    rows = rows.filter(pl.col("harness_version") == rows["harness_version"].max())
    each = rows.group_by("seed").agg(pl.col("joules").sum() / pl.col("tokens").sum()).sort("seed")["joules"].to_list()
    tasks = rows.pivot(on="task", index="seed", values="joules")
    changes = sorted((tasks["chat-concise"] / tasks["chat"] - 1).to_list())
    spread = statistics.stdev(each) / statistics.mean(each) * 100
    prompts, protocol = rows["prompts"].unique().item(), rows["harness_version"].unique().item()
    return [
        f"in {len(each)} whole runs of {prompts} prompts and four tasks (protocol {protocol}, one H200) J/token varies by {spread:.1f} %",
        f"changed the energy of all {prompts} together by {signed(changes[0])} to {signed(changes[-1])} %",
    ]


def cards(results: pj.Results) -> list[str]:
    """J/token of the 135M model on two cards of one kind, on the prompts that both answered, the card with most runs first."""
    rows = results.sql(
        "with answers as (select repetitions.card, runs.seed, requests.task, prompt_id, energy_j, output_tokens from requests "
        "join runs using (run_number) join repetitions using (run_number) where runs.model_id = $model and runs.gpu = 'H200' and "
        "runs.harness_version = '2.1' and runs.engine = 'transformers-compiled:searched' and runs.batch_size = 1 and requests.valid), "
        "common as (select task, prompt_id from answers group by all having count(distinct card) = 2) "
        "select card, count(distinct seed) as runs, count(distinct prompt_id) as prompts, sum(energy_j) / sum(output_tokens) as joules, "
        "avg(output_tokens) as length from answers join common using (task, prompt_id) group by card order by runs desc",
        model=SMOLLM,
    )
    first, second = rows.iter_rows(named=True)
    return [
        f"on the same {second['prompts']} prompts and four tasks a second H200 took {second['joules']:.3f} J per token in place of "
        f"{first['joules']:.3f} ({signed(second['joules'] / first['joules'] - 1)} %; answers of {second['length']:.0f} and "
        f"{first['length']:.0f} tokens)"
    ]


def batches(results: pj.Results) -> list[str]:
    """All ShareGPT prompts in static batches of 128 on an H200."""
    rows = results.sql(
        "select runs.task, sum(energy_j) / 1000 as kj, sum(output_tokens) as tokens, count(*) as prompts from requests "
        "join runs using (run_number) where runs.gpu = 'H200' and runs.batch_size = 128 and runs.model_id = $model and "
        "runs.prompt_set = 'sharegpt' and runs.harness_version = '1.1' group by all",
        model=SMOLLM,
    )
    tokens = dict(rows.select("task", "tokens").iter_rows())
    fewer = 1 - tokens["instruct-concise"] / tokens["instruct"]
    prompts = rows["prompts"].unique().item()
    return [
        f"all four tasks of the same {prompts:,} prompts took {rows['kj'].min():.0f} to {rows['kj'].max():.0f} kJ",
        f"wrote {percent(fewer)} % fewer tokens than its twin",
    ]


def loops(results: pj.Results) -> list[str]:
    """The 8B shape in three loops and on a server, one at a time."""
    rows = newest(setups(results, model_id=SHAPE, gpu_model="H200", batch_size=1), "engine")
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    order = ("transformers-eager", "transformers-compiled:searched", "transformers-compiled", "vllm")
    eager, searched, stacked, vllm = (of[engine] for engine in order)
    speeds = [f"{of[engine]['throughput_tps']:.0f}" for engine in order]
    counts = [of[engine]["prompts"] for engine in order]
    return [
        f"costs {eager['energy_per_token_j']:.1f} J per token in an eager loop ({between(eager, '.1f')})",
        f"{searched['energy_per_token_j']:.1f} with the fastest kernels that inductor finds ({between(searched, '.1f')})",
        f"{stacked['energy_per_token_j']:.1f} in our default loop ({between(stacked, '.1f')})",
        f"and {vllm['energy_per_token_j']:.1f} on vLLM",
        f"at {speeds[0]}, {speeds[1]}, {speeds[2]} and {speeds[3]} token/s ({min(counts)} to {max(counts)} answers",
    ]


def shipped(results: pj.Results) -> list[str]:
    """How many published results there are."""
    return [f"tables of three years ({results.sql('select count(*) from published').item():,} results)"]


def runtimes(results: pj.Results) -> list[str]:
    """The 135M model on an H200: one at a time, and 128 at once on vLLM in its steady state."""
    alike = {"model_id": SMOLLM, "gpu_model": "H200", "task": "instruct"}
    rows = setups(results, **alike).filter(pl.col("harness_version").str.starts_with("2."), pl.col("engine") != "transformers-compiled")
    of = {row["engine"]: row for row in newest(rows.filter(batch_size=1), "engine").iter_rows(named=True)}
    ours, vllm, sglang, llama = (of[engine] for engine in ("transformers-compiled:searched", "vllm", "sglang", "llama.cpp"))
    steady = results.sql(
        "select avg(steady_energy_j / steady_output_tokens) as joules, count(*) as runs from runs join run_notes using (run_id) "
        "where runs.model_id = $model and runs.gpu = 'H200' and runs.task = 'instruct' and runs.engine = 'vllm' and runs.concurrency = 128 "
        "and steady_energy_j > 0 group by runs.harness_version order by runs.harness_version desc limit 1",
        model=SMOLLM,
    ).row(0, named=True)
    return [
        f"takes {ours['energy_per_token_j']:.2f} J per token in our loop (runs: {ours['runs']}; 95 % interval {between(ours)}; "
        f"{ours['throughput_tps']:.0f} token/s)",
        f"{vllm['energy_per_token_j']:.2f} on vLLM (runs: {vllm['runs']}), {sglang['energy_per_token_j']:.2f} "
        f"on SGLang (runs: {sglang['runs']}) "
        f"and {llama['energy_per_token_j']:.2f} on llama.cpp",
        f"With 128 requests at once vLLM takes {steady['joules']:.3f} (runs: {steady['runs']})",
    ]


FIGURES = (
    *(Figure(say) for say in (lengths_and_costs, shipped, published_concise, batches, loops)),
    *(Figure(say, "docs/findings.md") for say in (concise, runs, cards, runtimes)),
)
