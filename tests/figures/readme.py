"""The figures of the README and of docs/findings.md, which has what the README has no room for."""

import statistics
from typing import Any

import numpy as np
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


def newest_pairs(results: pj.Results, prompt_set: str, a: str, b: str) -> dict[str, Any]:
    """What asking for a concise answer changed on the same prompts of an H200, one at a time, by the newest protocol that has both."""
    found = results.pairs(a, b).filter(gpu_model="H200", batch_size=1, prompt_set=prompt_set, shared=False)
    return found.sort(protocol(), "pairs", descending=True).row(0, named=True)


def saved(row: dict[str, Any]) -> str:
    """The median change of a pair with its interval across runs, for a saving that the interval holds."""
    assert row["basis"] == "across runs"
    assert row["median_change_high"] < 0
    return f"{percent(row['median_change'])} % less ({percent(row['median_change_high'])} to {percent(row['median_change_low'])}"


def concise(results: pj.Results) -> list[str]:
    """What asking for a concise answer changed for the 135M model, as spent, across whole runs."""
    own, sharegpt = (newest_pairs(results, name, "instruct", "instruct-concise") for name in ("default", "sharegpt-200"))
    chat = newest_pairs(results, "default", "chat", "chat-concise")
    low, high = signed(chat["median_change_low"]), signed(chat["median_change_high"])
    assert chat["median_change_low"] < 0 < chat["median_change_high"]
    seeds = results.sql(
        "select distinct seed from runs where model_id = $model and gpu = 'H200' and task = 'instruct' and prompt_set = 'default' and "
        "engine = $engine and harness_version = $protocol and batch_size = 1",
        model=SMOLLM,
        engine=own["engine"],
        protocol=own["harness_version"],
    )
    return [
        f"took a median of {saved(own)}; runs: {own['runs_a']}, of {seeds.height} seeds) for the same shipped prompt",
        f"{saved(sharegpt)}; runs: {sharegpt['runs_a']}) for a ShareGPT prompt",
        f"changed nothing that could be seen: {low} to {high} %",
    ]


def lengths_of_pairs(results: pj.Results) -> list[str]:
    """Whether a concise instruction saved by length or by cost per token, and in how many pairs it cost more."""
    own, sharegpt = (newest_pairs(results, name, "instruct", "instruct-concise") for name in ("default", "sharegpt-200"))
    parts = [
        f"{row['pairs']} pairs: {signed(row['total_change'])} % of the energy of all ({signed(row['total_change_low'])} to "
        f"{signed(row['total_change_high'])} %), {signed(row['length_change'])} % of the tokens, {percent(row['more_share'])} % cost more"
        for row in (own, sharegpt)
    ]
    return [f"{parts[0]}", f"{parts[1]}"]


def setups(results: pj.Results, **alike: object) -> pl.DataFrame:
    """The setups of ours that are so, their runs taken together, with the 95 % interval of J/token: rows of the Leaderboard."""
    each = query.load("leaderboard", Selection(weights=()), results.warehouse)
    evened = query.load("evened", None, results.warehouse)
    rows = pooled.pooled(each.join(evened, on="result_id", how="left", maintain_order="left")).filter(**alike)
    asked = {"per": "response", "idle": "gross"}
    spread = pooled.spreads(query.load("spreads", Selection(weights=()), results.warehouse, **asked))
    return pooled.with_intervals(rows, spread, "energy_j", query.load("repetitions", None, results.warehouse))


def protocol() -> pl.Expr:
    """A version of the protocol as a number that grows with it: 2.1 is 2.001, 2.10 is 2.010."""
    parts = pl.col("harness_version").str.split(".").list
    return parts.get(0).cast(pl.Float64) + parts.get(1).cast(pl.Float64) / 1000


def newest(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Of each group the setups of the newest protocol, no quantised copies of 16-bit weights; of these the one with most answers."""
    usual = rows.filter(pl.col("dtype").is_in(["float16", "bfloat16", "Q4_1"]))
    ordered = usual.sort(protocol(), "prompts", "result_id", descending=[True, True, False])
    return ordered.unique(by, keep="first", maintain_order=True)


def between(row: dict[str, Any], digits: str = ".2f") -> str:
    """The interval of J/token of a setup."""
    return f"{row['token_low_j']:{digits}} to {row['token_high_j']:{digits}}"


def answers_of_four_tasks(results: pj.Results) -> pl.DataFrame:
    """Answers of the 135M model on H200s one at a time by protocol 2.x, of passes that took all four tasks in turns."""
    rows = results.sql(
        "select runs.experiment_id, runs.pass_id, runs.harness_version, runs.engine, repetitions.card, runs.seed, runs.task, prompt_id, "
        "energy_j, output_tokens from requests join runs using (run_number) join repetitions using (run_number) where "
        "runs.model_id = $model and runs.gpu = 'H200' and runs.batch_size = 1 and requests.valid and runs.harness_version like '2.%'",
        model=SMOLLM,
    )
    return rows.filter(pl.col("task").n_unique().over("pass_id") == 4)


def common(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """The answers to the tasks of a prompt that every group has."""
    return rows.filter(pl.col(by).n_unique().over("task", "prompt_id") == pl.col(by).n_unique())


def first_of(rows: pl.DataFrame, group: str, of: str) -> pl.DataFrame:
    """The rows of the group with the newest protocol, of these with most answers to prompts that all values share, then most values."""
    groups = [part for _, part in rows.drop_nulls([group, of]).group_by(group, maintain_order=True) if part[of].n_unique() > 1]
    if not groups:
        raise LookupError(f"no {group} has two {of}s")

    def rank(part: pl.DataFrame) -> tuple[float, int, int]:
        return part.select(protocol().max()).item(), common(part, of).height, part[of].n_unique()

    return max(groups, key=rank)


def runs(results: pj.Results) -> list[str]:
    """How the whole runs of one experiment agree, on the prompts that all of them answered."""
    rows = first_of(answers_of_four_tasks(results), "experiment_id", "seed")
    rows, cards = common(rows, "seed"), rows["card"].n_unique()
    sums = rows.group_by("seed", "task").agg(pl.col("energy_j", "output_tokens").sum())
    each = sums.group_by("seed").agg(pl.col("energy_j").sum() / pl.col("output_tokens").sum())["energy_j"].to_list()
    tasks = sums.pivot(on="task", index="seed", values="energy_j")
    changes = sorted((tasks["chat-concise"] / tasks["chat"] - 1).to_list())
    spread, prompts = statistics.stdev(each) / statistics.mean(each) * 100, rows["prompt_id"].n_unique()
    return [
        f"in {len(each)} whole runs of {prompts} prompts and four tasks (protocol {rows['harness_version'][0]}, H200s: {cards}) J/token "
        f"varies by {spread:.1f} %",
        f"changed the energy of all {prompts} together by {signed(changes[0])} to {signed(changes[-1])} %",
    ]


def cards(results: pj.Results) -> list[str]:
    """J/token of the 135M model on several cards of one kind, in the loop that ran on most, on the prompts that all answered: by card, by
    card within each experiment, and by run on the card with most runs."""
    rows = answers_of_four_tasks(results).with_columns(pl.format("{} {}", "harness_version", "engine").alias("way"))
    rows = common(first_of(rows, "way", "card"), "card")
    each = per_token(rows, "card")
    low, high = each.row(0, named=True), each.row(-1, named=True)
    said = [
        f"on the same {rows['prompt_id'].n_unique()} prompts and four tasks the H200s that we had (cards: {each.height}) took "
        f"{low['joules']:.3f} to {high['joules']:.3f} J per token (+{100 * (high['joules'] / low['joules'] - 1):.0f} %; answers of "
        f"{low['length']:.0f} and {high['length']:.0f} tokens)"
    ]
    several = rows.filter(pl.col("pass_id").n_unique().over("card") == pl.col("pass_id").n_unique().over("card").max())
    if several["card"].n_unique() == 1:
        one = per_token(several, "pass_id")["joules"]
        said.append(f"{len(one)} runs on one card took {one[0]:.3f} to {one[-1]:.3f}")
    experiments = [per_token(part, "card")["joules"] for _, part in rows.group_by("experiment_id") if part["card"].n_unique() > 1]
    dear, cheap = max(experiments, key=lambda part: part[0]), min(experiments, key=lambda part: part[-1])
    if len(dear) + len(cheap) == each.height and cheap[-1] < dear[0]:
        of_dear, of_cheap = (f"{part[0]:.3f} to {part[-1]:.3f}" for part in (dear, cheap))
        said.append(
            f"The dearer cards ({len(dear)}) ran one experiment with {of_dear}, the cheaper ones ({len(cheap)}) another with {of_cheap}"
        )
    return said


def per_token(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """J/token and mean length by a column, the cheapest first."""
    sums = (pl.col("energy_j").sum() / pl.col("output_tokens").sum()).alias("joules"), pl.col("output_tokens").mean().alias("length")
    return rows.group_by(by).agg(*sums).sort("joules")


SHORT, LONG = 600, 1500
"""Tokens of answers at which runs are compared: they drew answers of other lengths, and a token of a longer answer costs more."""


def of_length(answers: pl.DataFrame, number: str, lengths: np.ndarray) -> float:
    """What a token takes (J or s) in answers of these lengths: least squares of what each answer took by 1, its tokens and their square."""
    tokens, taken = (answers[name].to_numpy().astype(float) for name in ("output_tokens", number))
    terms = np.linalg.lstsq(np.vander(tokens, 3), taken, rcond=None)[0]
    return float((np.vander(lengths.astype(float), 3) @ terms).sum() / lengths.sum())


def error_of_length(answers: pl.DataFrame, lengths: np.ndarray) -> float:
    """The standard error of J/token in answers of these lengths, relative: a jackknife that leaves out each prompt in turn."""
    prompts = answers["prompt_id"].unique(maintain_order=True)
    without = np.array([of_length(answers.filter(pl.col("prompt_id") != prompt), "energy_j", lengths) for prompt in prompts])
    return float(np.sqrt((len(prompts) - 1) * without.var()) / without.mean())


def whole_runs(results: pj.Results) -> pl.DataFrame:
    """Answers of the 135M model one at a time on H200s by protocol 2.x, with the kernels of each run and how many tasks it had in turns."""
    rows = results.sql(
        "select runs.experiment_id as experiment, runs.pass_id as run, runs.harness_version, runs.engine, repetitions.card, "
        "try_cast(runs.environment as json) ->> '$.kernels.hash' as kernels, prompt_id, runs.task, energy_j, output_tokens, latency_s "
        "from requests join runs using (run_number) join repetitions using (run_number) where requests.valid and "
        "runs.model_id = $model and runs.gpu = 'H200' and runs.batch_size = 1 and runs.harness_version like '2.%' "
        "order by runs.pass_id, runs.task, prompt_id",
        model=SMOLLM,
    )
    return rows.with_columns(pl.col("task").n_unique().over("run").alias("tasks"))


def spread_of(values: list[float]) -> float:
    """How much the largest is above the smallest, in percent."""
    return 100 * (max(values) / min(values) - 1)


def kernels(results: pj.Results) -> list[str]:
    """J/token and token/s, at one length, of runs on one card with other compiled kernels, and of two cards in both experiments."""
    rows = whole_runs(results)
    named = rows.filter(pl.col("tasks") == 4).drop_nulls("kernels")
    one = named.filter(pl.col("kernels").n_unique().over("card") == pl.col("kernels").n_unique().over("card").max())
    each = one.partition_by("run", maintain_order=True)
    assert one["card"].n_unique() == 1
    assert one["kernels"].n_unique() == len(each)
    mixed, short, long = one["output_tokens"].to_numpy(), np.array([SHORT]), np.array([LONG])
    joules, errors = [of_length(run, "energy_j", mixed) for run in each], [error_of_length(run, mixed) for run in each]
    at = [spread_of([of_length(run, "energy_j", length) for run in each]) for length in (short, long)]
    speeds = [1 / of_length(run, "latency_s", mixed) for run in each]
    assert speeds.index(max(speeds)) == joules.index(max(joules))
    two = rows.filter(pl.col("experiment").is_in(["smollm2-shipped-102-h200-2.1", "smollm2-sharegpt-200-h200-2.1"]))
    two = two.filter(pl.col("experiment").n_unique().over("card") == 2)
    took = {key: of_length(part, "energy_j", short) for key, part in two.group_by("experiment", "card")}
    shipped, sharegpt = (
        {card: joules for (experiment, card), joules in took.items() if name in experiment} for name in ("shipped-102", "sharegpt")
    )
    first, second = sorted(shipped, key=lambda card: shipped[card])
    return [
        f"{len(each)} runs on one card with as many sets of kernels took {min(joules):.3f} to {max(joules):.3f} J per token "
        f"(+{spread_of(joules):.0f} %, standard errors {100 * min(errors):.1f} to {100 * max(errors):.1f} %) at {min(speeds):.0f} to "
        f"{max(speeds):.0f} token/s (+{spread_of(speeds):.0f} %)",
        f"+{at[0]:.0f} % in answers of {SHORT} tokens, +{at[1]:.0f} % in answers of {LONG:,}",
        f"two cards took {shipped[first]:.3f} and {shipped[second]:.3f} for the shipped prompts, "
        f"{sharegpt[first]:.3f} and {sharegpt[second]:.3f} for ShareGPT's",
    ]


def alike(results: pj.Results) -> list[str]:
    """How far runs of one command on one card are apart in J/token, at equal lengths and as spent, in rows that name no kernels."""
    rows = whole_runs(results).filter(pl.col("tasks") == 4, pl.col("kernels").is_null())
    groups = rows.group_by("harness_version", "experiment", "engine", "card", maintain_order=True)
    said = {}
    for (version, *_), part in groups:
        runs_of_it = part.partition_by("run", maintain_order=True)
        if len(runs_of_it) > 1:
            mixed = part["output_tokens"].to_numpy()
            equal = spread_of([of_length(run, "energy_j", mixed) for run in runs_of_it])
            spent = spread_of([run["energy_j"].sum() / run["output_tokens"].sum() for run in runs_of_it])
            of = f"{len(runs_of_it)} runs of protocol {version} on one card"
            said[str(version)] = f"{of} differ by {equal:.1f} % at equal lengths ({spent:.1f} % as spent)"
    return [said[version] for version in sorted(said)]


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
        *served(results),
    ]


def served(results: pj.Results) -> list[str]:
    """All ShareGPT prompts on vLLM with 128 in flight: what the GPU took for each of two tasks."""
    rows = results.sql(
        "select runs.task, sum(energy_j) as joules, sum(output_tokens) as tokens, count(*) as prompts, any_value(runs.harness_version) as "
        "protocol, any_value(runs.max_new_tokens) as most from requests join runs using (run_number) where runs.gpu = 'H200' and "
        "runs.engine = 'vllm' and runs.concurrency = 128 and runs.model_id = $model and runs.prompt_set = 'sharegpt' group by runs.task",
        model=SMOLLM,
    )
    of = {row["task"]: row for row in rows.iter_rows(named=True)}
    verbose, concise = of["instruct"], of["instruct-concise"]
    assert verbose["prompts"] == concise["prompts"]
    joules, tokens = (signed(concise[name] / verbose[name] - 1) for name in ("joules", "tokens"))
    return [
        f"protocol {verbose['protocol']}, at most {verbose['most']:,} tokens, one run each",
        f"took {verbose['joules'] / 1000:.1f} kJ for all {verbose['prompts']:,} as instruct and {concise['joules'] / 1000:.1f} as "
        f"instruct-concise: {joules} % for {tokens} % tokens",
    ]


def searched_beside_default(results: pj.Results) -> tuple[float, float]:
    """How much more J/token, and how much less token/s, the searched loop takes than the default one on the card that ran both."""
    rows = results.sql(
        "select repetitions.card, runs.engine, runs.harness_version, ratio(energy_j_total, measured_output_tokens_total) as joules, "
        "ratio(output_tokens_total, busy_s_total) as speed from runs join repetitions using (run_number) where runs.model_id = $shape and "
        "runs.gpu = 'H200' and runs.batch_size = 1 and runs.engine in ('transformers-compiled', 'transformers-compiled:searched')",
        shape=SHAPE,
    ).filter(pl.col("engine").n_unique().over("card", "harness_version") == 2)
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    assert rows.height == 2
    searched, default = of["transformers-compiled:searched"], of["transformers-compiled"]
    return searched["joules"] / default["joules"] - 1, 1 - searched["speed"] / default["speed"]


def loops(results: pj.Results) -> list[str]:
    """The 8B shape in three loops and on a server, one at a time, and on the server with weights in FP8."""
    all_rows = setups(results, model_id=SHAPE, gpu_model="H200", batch_size=1)
    rows, fp8 = newest(all_rows, "engine"), all_rows.filter(dtype="fp8", engine="vllm").row(0, named=True)
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    order = ("transformers-eager", "transformers-compiled:searched", "transformers-compiled", "vllm")
    eager, searched, stacked, vllm = (of[engine] for engine in order)
    speeds = [f"{of[engine]['throughput_tps']:.0f}" for engine in order]
    counts = [of[engine]["prompts"] for engine in order]
    protocols = sorted({of[engine]["harness_version"] for engine in order})
    own = results.sql(
        "select setup, card from repetitions where list_contains($setups, setup)", setups=[of[engine]["setup"] for engine in order]
    )
    capped = of["transformers-compiled:searched"]["power_capped_share"]
    assert capped == 1
    dearer, slower = searched_beside_default(results)
    return [
        f"costs {eager['energy_per_token_j']:.1f} J per token in an eager loop ({between(eager, '.1f')})",
        f"{searched['energy_per_token_j']:.1f} with kernels that inductor chose by timing them ({between(searched, '.1f')}",
        f"{stacked['energy_per_token_j']:.1f} in our default loop ({between(stacked, '.1f')})",
        f"and {vllm['energy_per_token_j']:.1f} on vLLM",
        f"at {speeds[0]}, {speeds[1]}, {speeds[2]} and {speeds[3]} token/s ({min(counts)} to {max(counts)} answers",
        f"one run each, H200s: {own['card'].n_unique()}, protocols {protocols[0]} to {protocols[-1]}",
        f"the kernels that were timed took {percent(dearer)} % more joules than our default loop and were {percent(slower)} % slower",
        f"With weights in FP8 vLLM takes {fp8['energy_per_token_j']:.1f} at {fp8['throughput_tps']:.0f} token/s",
    ]


def shipped(results: pj.Results) -> list[str]:
    """How many published results there are."""
    return [f"tables of three years ({results.sql('select count(*) from published').item():,} results)"]


def runtimes(results: pj.Results) -> list[str]:
    """The 135M model on an H200: one at a time, and 128 at once on vLLM in its steady state."""
    alike = {"model_id": SMOLLM, "gpu_model": "H200", "task": "instruct"}
    own = results.sql("select result_id from results where prompt_set = 'default'")["result_id"].implode()
    rows = setups(results, **alike).filter(
        pl.col("harness_version").str.starts_with("2."), pl.col("engine") != "transformers-compiled", pl.col("result_id").is_in(own)
    )
    of = {row["engine"]: row for row in newest(rows.filter(batch_size=1), "engine").iter_rows(named=True)}
    ours, vllm, sglang, llama = (of[engine] for engine in ("transformers-compiled:searched", "vllm", "sglang", "llama.cpp"))
    steady = results.sql(
        "select avg(steady_energy_j / steady_output_tokens) as joules, count(*) as runs from runs join run_notes using (run_id) "
        "where runs.model_id = $model and runs.gpu = 'H200' and runs.task = 'instruct' and runs.engine = 'vllm' and runs.concurrency = 128 "
        "and runs.prompt_set = 'default' and steady_energy_j > 0 "
        "group by runs.harness_version, list_contains(runs.reasons, 'seeded-requests') order by "
        "try_cast(split_part(runs.harness_version, '.', 2) as integer) desc, list_contains(runs.reasons, 'seeded-requests') limit 1",
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
    *(Figure(say) for say in (lengths_and_costs, shipped, published_concise, concise, batches, loops)),
    *(Figure(say, "docs/findings.md") for say in (lengths_of_pairs, runs, cards, alike, kernels, runtimes)),
)
