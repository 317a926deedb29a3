"""The figures of docs/findings.md about runs of one setup: how far runs, cards and compiled kernels move J/token."""

import statistics

import numpy as np
import polars as pl

import prompt_joules as pj
from tests.figures.marked import Figure
from tests.figures.readme import SMOLLM, listed, protocol, signed


def answers(results: pj.Results) -> pl.DataFrame:
    """Answers of the 135M model on H200s one at a time by protocol 2.x, with the kernels of the run and how many `tasks` its pass took."""
    rows = results.sql(
        "select runs.experiment_id, runs.pass_id, runs.harness_version, runs.engine, repetitions.card, runs.seed, runs.task, prompt_id, "
        "try_cast(runs.environment as json) ->> '$.kernels.hash' as kernels, energy_j, output_tokens, latency_s "
        "from requests join runs using (run_number) join repetitions using (run_number) where "
        "runs.model_id = $model and runs.gpu = 'H200' and runs.batch_size = 1 and requests.valid and runs.harness_version like '2.%' "
        "order by runs.pass_id, runs.task, prompt_id",
        model=SMOLLM,
    )
    return rows.with_columns(pl.col("task").n_unique().over("pass_id").alias("tasks"))


def answers_of_four_tasks(results: pj.Results) -> pl.DataFrame:
    """Those of passes that took all four tasks in turns."""
    return answers(results).filter(pl.col("tasks") == 4)


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


def of_length(rows: pl.DataFrame, number: str, lengths: np.ndarray) -> float:
    """What a token takes (J or s) in answers of these lengths: least squares of what each answer took by 1, its tokens and their square."""
    tokens, taken = (rows[name].to_numpy().astype(float) for name in ("output_tokens", number))
    terms = np.linalg.lstsq(np.vander(tokens, 3), taken, rcond=None)[0]
    return float((np.vander(lengths.astype(float), 3) @ terms).sum() / lengths.sum())


def error_of_length(rows: pl.DataFrame, lengths: np.ndarray) -> float:
    """The standard error of J/token in answers of these lengths, relative: a jackknife that leaves out each prompt in turn."""
    prompts = rows["prompt_id"].unique(maintain_order=True)
    without = np.array([of_length(rows.filter(pl.col("prompt_id") != prompt), "energy_j", lengths) for prompt in prompts])
    return float(np.sqrt((len(prompts) - 1) * without.var()) / without.mean())


def spread_of(values: list[float]) -> float:
    """How much the largest is above the smallest, in percent."""
    return 100 * (max(values) / min(values) - 1)


def kernels(results: pj.Results) -> list[str]:
    """J/token and token/s, at one length, of runs on one card with other compiled kernels, and of two cards in both experiments."""
    named = answers_of_four_tasks(results).drop_nulls("kernels")
    one = named.filter(pl.col("kernels").n_unique().over("card") == pl.col("kernels").n_unique().over("card").max())
    each = one.partition_by("pass_id", maintain_order=True)
    assert one["card"].n_unique() == 1
    assert one["kernels"].n_unique() == len(each)
    mixed, short, long = one["output_tokens"].to_numpy(), np.array([SHORT]), np.array([LONG])
    joules, errors = [of_length(run, "energy_j", mixed) for run in each], [error_of_length(run, mixed) for run in each]
    at = [spread_of([of_length(run, "energy_j", length) for run in each]) for length in (short, long)]
    speeds = [1 / of_length(run, "latency_s", mixed) for run in each]
    assert speeds.index(max(speeds)) == joules.index(max(joules))
    two = answers(results).filter(pl.col("experiment_id").is_in(["smollm2-shipped-102-h200-2.1", "smollm2-sharegpt-200-h200-2.1"]))
    two = two.filter(pl.col("experiment_id").n_unique().over("card") == 2)
    took = {key: of_length(part, "energy_j", short) for key, part in two.group_by("experiment_id", "card")}
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
    rows = answers_of_four_tasks(results).filter(pl.col("kernels").is_null())
    groups = rows.group_by("harness_version", "experiment_id", "engine", "card", maintain_order=True)
    said = {}
    for (version, *_), part in groups:
        runs_of_it = part.partition_by("pass_id", maintain_order=True)
        if len(runs_of_it) > 1:
            mixed = part["output_tokens"].to_numpy()
            equal = spread_of([of_length(run, "energy_j", mixed) for run in runs_of_it])
            spent = spread_of([run["energy_j"].sum() / run["output_tokens"].sum() for run in runs_of_it])
            assert version not in said, "two such groups: the sentence must name them"
            of = f"{len(runs_of_it)} runs of protocol {version} on one card"
            said[version] = f"{of} differ by {equal:.1f} % at equal lengths ({spent:.1f} % as spent)"
    return [said[version] for version in sorted(said)]


PROCESSES = "aa-stacked-h200", "aa-searched-h200"
"""Experiments of one shape, a process a run: in the loop whose kernels are alike every time, and in the one that searches them."""


def processes(results: pj.Results) -> list[str]:
    """J/token and token/s of processes on one card, with answers of one length: those with the same kernels, and those with others each."""
    rows = results.sql(
        "select runs.experiment_id, runs.seed, try_cast(runs.environment as json) ->> '$.kernels.hash' as kernels, repetitions.card, "
        "count(*) as answers, any_value(output_tokens) as each, count(distinct output_tokens) as lengths, "
        "sum(energy_j) / sum(output_tokens) as joules, sum(output_tokens) / sum(latency_s) as speed, "
        "stddev(energy_j / output_tokens) / sqrt(count(*)) / avg(energy_j / output_tokens) as error "
        "from requests join runs using (run_number) join repetitions using (run_number) "
        "where runs.experiment_id in (select unnest($names)) and requests.valid group by all order by runs.seed",
        names=list(PROCESSES),
    )
    same, other = (rows.filter(experiment_id=name) for name in PROCESSES)
    assert rows["card"].n_unique() == 1
    assert rows["lengths"].unique().to_list() == [1]
    assert (same["kernels"].n_unique(), other["kernels"].n_unique()) == (1, other.height)
    assert (other["joules"].arg_min(), other["joules"].arg_max()) == (other["speed"].arg_max(), other["speed"].arg_min())
    said = [f"{part['joules'].min():.4f} to {part['joules'].max():.4f} J per token" for part in (same, other)]
    return [
        f"answers of {same['each'][0]:,} tokens, {same['answers'][0]} a run",
        f"{same.height} processes that compiled the same kernels took {said[0]} (+{spread_of(same['joules'].to_list()):.1f} %)",
        f"{other.height} that searched theirs, each with kernels of its own, {said[1]} (+{spread_of(other['joules'].to_list()):.1f} %) at "
        f"{other['speed'].min():.0f} to {other['speed'].max():.0f} token/s",
        f"standard error of a run is at most {100 * rows['error'].max():.1f} %",
    ]


def one_process(results: pj.Results) -> list[str]:
    """J/token, at one mix of lengths, of whole runs that one process asked one after another with the kernels that it had searched."""
    rows = answers(results).filter(experiment_id="smollm2-sharegpt-200-h200-2.1").filter(pl.col("task").str.starts_with("chat"))
    asked, *others = rows.partition_by("kernels", maintain_order=True)
    each, mixed = asked.partition_by("seed"), asked["output_tokens"].to_numpy()
    assert asked["card"].n_unique() == pl.concat(others)["seed"].n_unique() == 1
    rest = listed(f"{of_length(other, 'energy_j', mixed):.4f}" for other in others)
    joules, errors = [of_length(run, "energy_j", mixed) for run in each], [error_of_length(run, mixed) for run in each]
    return [
        f"the {len(each)} runs of the ShareGPT prompts as chat and chat-concise took {min(joules):.4f} to {max(joules):.4f} J per token at "
        f"one mix of lengths (+{spread_of(joules):.1f} %, standard errors {100 * min(errors):.1f} to {100 * max(errors):.1f} %)",
        f"the rest of the third, by two other processes with kernels of their own on other cards, {rest}",
    ]


FIGURES = tuple(Figure(say, "docs/findings.md") for say in (runs, cards, alike, kernels, processes, one_process))
