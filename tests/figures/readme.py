"""The figures of the README and of docs/findings.md, which has what the README has no room for."""

import statistics

import polars as pl

import prompt_joules as pj
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
    return [f"span {min(answer):.0f} to {max(answer):.0f} J per answer, but only {min(token):.1f} to {max(token):.1f} J per token"]


def published_concise(results: pj.Results) -> list[str]:
    """What asking for a concise chat answer changed in the published tables of 2023, on an A40."""
    rows = results.sql("from results").filter(pl.col("source") == "ML.ENERGY v1", pl.col("gpu_model") == "A40")
    pairs = rows.pivot(on="task", index="model_id", values="energy_j")
    change = (pairs["chat-concise"] / pairs["chat"] - 1).to_list()
    more = sum(value > 0 for value in change)
    median = abs(statistics.median(change)) * 100
    return [f"saved a median of only {median:.1f} % on an A40 in 2023, and {more} of {len(change)} models used more"]


def concise(results: pj.Results) -> list[str]:
    """What asking for a concise instruction changed on 200 ShareGPT prompts, as spent, with both intervals of the page."""
    pairs = results.pairs("instruct", "instruct-concise").filter(pl.col("prompt_set") == "sharegpt-200", pl.col("harness_version") == "1.1")
    first, second = (pairs.filter(pl.col("gpu_model") == gpu).row(0, named=True) for gpu in ("H100", "H200"))
    within = [f"{percent(row['median_change_within_high'])} to {percent(row['median_change_within_low'])}" for row in (first, second)]
    known = [f"{signed(row['median_change_low'])} to {signed(row['median_change_high'])} %" for row in (first, second)]
    return [
        f"a median of {percent(first['median_change'])} % less",
        f"({within[0]} % within the run)",
        f"{percent(second['median_change'])} % less on an H200 ({within[1]} %)",
        f"{percent(first['more_share'])} and {percent(second['more_share'])} % of the prompts cost more",
        f"the intervals are {known[0]} and {known[1]}",
    ]


def runs(results: pj.Results) -> list[str]:
    """How three whole runs of one experiment agree."""
    rows = results.sql(
        "select runs.seed, runs.task, sum(energy_j) as joules, sum(output_tokens) as tokens from requests join runs using (run_number) "
        "where runs.experiment_id = 'smollm2-shipped-h200' group by all"
    )
    each = rows.group_by("seed").agg(pl.col("joules").sum() / pl.col("tokens").sum()).sort("seed")["joules"].to_list()
    tasks = rows.pivot(on="task", index="seed", values="joules")
    said = [signed(change) for change in sorted((tasks["chat-concise"] / tasks["chat"] - 1).to_list())]
    spread = statistics.stdev(each) / statistics.mean(each) * 100
    return [f"J/token agrees within {spread:.1f} %", f"by {said[0]}, {said[1]} and {said[2]} %"]


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
    """The 8B shape in three loops and on a server."""
    rows = results.sql(
        "select runs.engine, sum(energy_j) / sum(output_tokens) as joules, sum(output_tokens) / sum(latency_s) as speed, "
        "count(*) as answers from requests join runs using (run_number) where runs.model_id = $shape and runs.harness_version = '2.0' and "
        "runs.gpu = 'H200' and coalesce(runs.batch_size, 1) = 1 and requests.valid group by all",
        shape=SHAPE,
    )
    of = {engine: numbers for engine, *numbers in rows.iter_rows()}
    order = ("transformers-eager", "transformers-compiled:searched", "transformers-compiled", "vllm")
    joules, speeds = [f"{of[engine][0]:.1f}" for engine in order], [f"{of[engine][1]:.0f}" for engine in order]
    return [
        f"costs {joules[0]} J per token in an eager loop",
        f"{joules[1]} with the fastest kernels that inductor finds, {joules[2]} in our default loop",
        f"and {joules[3]} on vLLM",
        f"at {speeds[0]}, {speeds[1]}, {speeds[2]} and {speeds[3]} token/s ({rows['answers'].min()} to {rows['answers'].max()} answers",
    ]


def shipped(results: pj.Results) -> list[str]:
    """How many published results there are."""
    return [f"tables of three years ({results.sql('select count(*) from published').item():,} results)"]


def runtimes(results: pj.Results) -> list[str]:
    """The 135M model on an H200, one at a time on the same 20 prompts, and 128 at once on vLLM in its steady state."""
    rows = results.sql(
        "select runs.engine, runs.concurrency, runs.seed, sum(energy_j) / sum(output_tokens) as joules, "
        "sum(output_tokens) / sum(latency_s) as speed, "
        "any_value(steady_energy_j / steady_output_tokens) as steady from requests join runs using (run_number) "
        "left join run_notes on run_notes.run_id = runs.run_id "
        "where runs.model_id = $model and runs.harness_version = '2.1' and runs.gpu = 'H200' and "
        "runs.task = 'instruct' and requests.valid and runs.concurrency in (1, 128) group by all order by runs.seed",
        model=SMOLLM,
    )
    alone = rows.filter(concurrency=1)
    of = {engine: alone.filter(engine=engine)["joules"].to_list() for engine in alone["engine"].unique()}
    ours = of["transformers-compiled:searched"]
    speeds = alone.filter(engine="transformers-compiled:searched")["speed"].to_list()
    (steady,) = rows.filter(concurrency=128)["steady"]
    return [
        f"takes {ours[0]:.2f} and {ours[1]:.2f} J per token in our loop (two runs, at {speeds[0]:.0f} and {speeds[1]:.0f} token/s)",
        f"{of['vllm'][0]:.2f} on vLLM 0.22.1 and {of['llama.cpp'][0]:.2f} on llama.cpp",
        f"With 128 requests at once vLLM takes {steady:.3f}",
    ]


FIGURES = (
    *(Figure(say) for say in (lengths_and_costs, shipped, published_concise, batches, loops)),
    *(Figure(say, "docs/findings.md") for say in (concise, runs, runtimes)),
)
