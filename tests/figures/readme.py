"""The figures of the README and of docs/findings.md, which has what the README has no room for."""

from collections.abc import Iterable
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


def tenths(share: float) -> str:
    """A share in percent with its sign and one digit after the point."""
    return f"{share * 100:+.1f}".replace("-", "−")


def listed(words: Iterable[str]) -> str:
    """Words as a sentence has them: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


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
    chats = [newest_pairs(results, name, "chat", "chat-concise") for name in ("default", "sharegpt-200")]
    assert all(chat["median_change_low"] < 0 < chat["median_change_high"] for chat in chats)
    asked, asked_sharegpt = (f"{signed(chat['median_change_low'])} to {signed(chat['median_change_high'])} %" for chat in chats)
    each = results.sql(
        "select runs.seed, count(distinct prompt_id) as asked from requests join runs using (run_number) where runs.model_id = $model and "
        "runs.gpu = 'H200' and runs.task = 'chat' and runs.prompt_set = 'sharegpt-200' and runs.batch_size = 1 and "
        "runs.harness_version = '2.1' group by all order by asked",
        model=SMOLLM,
    )["asked"]
    assert each.n_unique() == 1
    seeds = results.sql(
        "select distinct seed from runs where model_id = $model and gpu = 'H200' and task = 'instruct' and prompt_set = 'default' and "
        "engine = $engine and harness_version = $protocol and batch_size = 1",
        model=SMOLLM,
        engine=own["engine"],
        protocol=own["harness_version"],
    )
    return [
        f"took a median of {saved(own)}; runs: {own['runs_a']}, of {seeds.height} seeds) for the same shipped prompt",
        f"{saved(sharegpt)}; runs: {sharegpt['runs_a']}, each of a part of 200) for a ShareGPT prompt",
        f"changed nothing that could be seen: {asked} for a shipped prompt, {asked_sharegpt} for a ShareGPT prompt "
        f"(runs: {chats[1]['runs_a']}, of {each.len()} seeds, each of which asked all {each[0]} prompts)",
    ]


def lengths_of_pairs(results: pj.Results) -> list[str]:
    """Whether a wish for a short answer saved by length or by cost per token, and in how many pairs it cost more."""
    own, sharegpt = (newest_pairs(results, name, "instruct", "instruct-concise") for name in ("default", "sharegpt-200"))
    chat = newest_pairs(results, "sharegpt-200", "chat", "chat-concise")
    parts = [
        f"{row['pairs']} pairs: {signed(row['total_change'])} % of the energy of all ({signed(row['total_change_low'])} to "
        f"{signed(row['total_change_high'])} %), {signed(row['length_change'])} % of the tokens, {percent(row['more_share'])} % cost more"
        for row in (own, sharegpt, chat)
    ]
    assert chat["total_change_low"] < 0 < chat["total_change_high"]
    return parts


def whole_pairs(results: pj.Results) -> list[str]:
    """In how many ShareGPT pairs an answer was cut at the limit, and what asking for a short answer changed where none was."""

    def change(row: dict[str, Any]) -> str:
        low, high = signed(row["whole_change_low"]), signed(row["whole_change_high"])
        return f"{signed(row['whole_change'])} % ({low} to {high} %)"

    chat, instruct = (newest_pairs(results, "sharegpt-200", task, f"{task}-concise") for task in ("chat", "instruct"))
    cut, looped = results.sql(
        "select count(*), count_if(list_contains(requests.reasons, 'looped')) from requests join runs using (run_number) where "
        "runs.model_id = $model and runs.gpu = 'H200' and runs.batch_size = 1 and runs.harness_version = '2.1' and "
        "runs.prompt_set = 'sharegpt-200' and finish_reason = 'length'",
        model=SMOLLM,
    ).row(0)
    return [
        f"{looped} of {cut} such answers repeat themselves",
        f"{chat['cut_either']} of {chat['pairs']} pairs of chats and {instruct['cut_either']} of {instruct['pairs']} of instructions",
        f"where both answers ended by themselves, the median pair of chats changed by {change(chat)}, of instructions by "
        f"{change(instruct)}",
    ]


def parts_of_sharegpt(results: pj.Results) -> list[str]:
    """The median change of a pair among the ShareGPT prompts that were asked first, and among those of later runs; by 1.1 too."""
    rows = results.sql(
        "with last as (select distinct prompt_id from requests join runs using (run_number) where runs.task like 'instruct%' and "
        "requests.prompt_set_sha256 != set_of(requests.prompt_set_sha256)), "
        "answers as (select runs.harness_version, runs.pass_id, runs.seed, runs.task, prompt_id not in (from last) as first, prompt_id, "
        "energy_j, input_tokens from requests join runs using (run_number) where runs.model_id = $model and "
        "runs.prompt_set = 'sharegpt-200' and runs.batch_size = 1 and "
        "(runs.harness_version, runs.gpu) in (('2.1', 'H200'), ('1.1', 'H100'))) "
        "select harness_version, first, count(distinct prompt_id) as prompts, median(b.energy_j / a.energy_j - 1) as change, "
        "median(a.input_tokens) as tokens from answers as a join answers as b using (harness_version, seed, first, prompt_id) "
        "where a.task = 'instruct' and b.task = 'instruct-concise' group by all order by harness_version desc, first desc",
        model=SMOLLM,
    )
    first, last, old_first, old_last = rows.iter_rows(named=True)
    return [
        f"it is {signed(first['change'])} % for the first {first['prompts']} of the {first['prompts'] + last['prompts']} and "
        f"{signed(last['change'])} % for the last {last['prompts']}",
        f"half of the first have more than {first['tokens']:.0f} tokens, half of the last more than {last['tokens']:.0f}",
        f"{signed(old_first['change'])} and {signed(old_last['change'])} % by 1.1 on the H100",
    ]


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


def batches(results: pj.Results) -> list[str]:
    """ShareGPT prompts in static batches of 128 on an H200: instructions in turns by 2.4, chats by 1.1; and on a server."""
    rows = results.sql(
        "select runs.harness_version as protocol, runs.task, run_number, requests.window_id, list_sort(list(prompt_id)) as prompts, "
        "sum(energy_j) / 1000 as kj, sum(output_tokens) as tokens, max(output_tokens) = any_value(runs.max_new_tokens) as to_the_limit, "
        "any_value(runs.max_new_tokens) as most from requests join runs using (run_number) where runs.gpu = 'H200' and "
        "runs.batch_size = 128 and runs.model_id = $model and runs.prompt_set = 'sharegpt' group by all",
        model=SMOLLM,
    )
    verbose, concise = (rows.filter(protocol="2.4", task=task) for task in ("instruct", "instruct-concise"))
    pairs_of_batches = verbose.join(concise, on="prompts", suffix="_concise")
    count = pairs_of_batches.height
    assert count == verbose.height == concise.height and rows.filter(protocol="2.4")["to_the_limit"].all()
    change = pairs_of_batches["kj_concise"] / pairs_of_batches["kj"] - 1
    low, high = tenths(change.min()), tenths(change.max())
    chats, short_chats = (rows.filter(protocol="1.1", task=task) for task in ("chat", "chat-concise"))
    (asked,) = {sum(map(len, some["prompts"])) for some in (chats, short_chats)}
    (most,), (most_of_chats,) = verbose["most"].unique(), chats["most"].unique()
    return [
        f"{count} batches of ShareGPT prompts took {verbose['kj'].sum():.1f} kJ as instruct and",
        f"{concise['kj'].sum():.1f} as instruct-concise",
        f"{low} to {high} % a batch, for {signed(concise['tokens'].sum() / verbose['tokens'].sum() - 1)} % tokens",
        f"protocol 2.4, at most {most:,} tokens",
        f"Chats: {chats['kj'].sum():.1f} and {short_chats['kj'].sum():.1f} kJ for {asked:,} prompts",
        f"{signed(short_chats['tokens'].sum() / chats['tokens'].sum() - 1)} % tokens (protocol 1.1, at most {most_of_chats})",
        *served(results),
    ]


def served(results: pj.Results) -> list[str]:
    """All ShareGPT prompts on vLLM with 128 in flight: what the GPU took for each of two tasks, asked as an instruction and as a chat."""
    rows = results.sql(
        "select runs.task, sum(energy_j) as joules, sum(output_tokens) as tokens, count(*) as prompts, any_value(runs.harness_version) as "
        "protocol, any_value(runs.max_new_tokens) as most from requests join runs using (run_number) where runs.gpu = 'H200' and "
        "runs.engine = 'vllm' and runs.concurrency = 128 and runs.model_id = $model and runs.prompt_set = 'sharegpt' group by runs.task",
        model=SMOLLM,
    )
    of = {row["task"]: row for row in rows.iter_rows(named=True)}
    assert rows.height == 4
    (prompts,), (protocol_of_all,), (most,) = (rows[name].unique() for name in ("prompts", "protocol", "most"))
    said = {}
    for task in ("instruct", "chat"):
        verbose, concise = of[task], of[f"{task}-concise"]
        joules, tokens = (signed(concise[name] / verbose[name] - 1) for name in ("joules", "tokens"))
        took = f"{verbose['joules'] / 1000:.1f}", f"{concise['joules'] / 1000:.1f}"
        said[task] = took, f"{joules} % for {tokens} % tokens"
    (verbose_kj, concise_kj), change = said["instruct"]
    (chat_kj, short_chat_kj), of_chats = said["chat"]
    return [
        f"protocol {protocol_of_all}, at most {most:,} tokens, one run each",
        f"took {verbose_kj} kJ for all {prompts:,} as instruct and {concise_kj} as instruct-concise: {change}",
        f"took {chat_kj} and {short_chat_kj} kJ as chat and chat-concise: {of_chats}",
    ]


def searched_beside_default(results: pj.Results) -> tuple[float, float]:
    """How much more J/token, and how much less token/s, the searched loop takes than `stacked` on the card that ran both."""
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


def one_at_a_time(results: pj.Results) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Shapes one at a time by 2.1 or later in the loop `stacked`, and on vLLM: of each card the newest run, J/token and token/s."""
    rows = results.sql(
        "select regexp_replace(model_id, '-vocab-49k$', '') as shape, card, engine, max(prompts) as answers, "
        "max_by(ratio(energy_j_total, measured_output_tokens_total), started_at) as joules, "
        "max_by(ratio(output_tokens_total, busy_s_total), started_at) as speed from runs "
        "where gpu = 'H200' and harness_version > '2.0' and batch_size = 1 and concurrency = 1 and dtype = 'float16' and "
        "model_id like '%-vocab-49k' and model_id not like 'smollm%' and engine in ('vllm', 'transformers-compiled') group by all"
    )
    ours, vllm = (rows.filter(engine=engine) for engine in ("transformers-compiled", "vllm"))
    return ours, vllm


def on_one_card(ours: pl.DataFrame, vllm: pl.DataFrame) -> pl.DataFrame:
    """Our loop over vLLM where one card ran a shape with both: `change` in J/token, `faster` in token/s."""
    both = ours.join(vllm, on=("shape", "card"), suffix="_vllm")
    return both.with_columns(change=pl.col("joules") / pl.col("joules_vllm") - 1, faster=pl.col("speed") / pl.col("speed_vllm"))


def loops(results: pj.Results) -> list[str]:
    """The 8B shape in three loops and on a server, one at a time, and on the server with weights in FP8."""
    all_rows = setups(results, model_id=SHAPE, gpu_model="H200", batch_size=1)
    rows, fp8 = newest(all_rows, "engine"), all_rows.filter(dtype="fp8", engine="vllm").row(0, named=True)
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    eager, searched = of["transformers-eager"], of["transformers-compiled:searched"]
    assert searched["power_capped_share"] == 1
    dearer, slower = searched_beside_default(results)
    each = [some.filter(shape=SHAPE.removesuffix("-vocab-49k")) for some in one_at_a_time(results)]
    spans = [f"{some['joules'].min():.2f} to {some['joules'].max():.2f}" for some in each]
    speeds = [f"{some['speed'].min():.0f} to {some['speed'].max():.0f}" for some in each]
    answers = [eager["prompts"], searched["prompts"], *each[0]["answers"], *each[1]["answers"]]
    both = on_one_card(*each)
    changes = listed(signed(change) for change in sorted(both["change"]))
    dear = [percent(both[name].max() / both[name].min() - 1) for name in ("joules_vllm", "joules")]
    return [
        f"costs {eager['energy_per_token_j']:.1f} J per token in an eager loop ({between(eager, '.1f')})",
        f"{searched['energy_per_token_j']:.1f} with kernels that inductor chose by timing them ({between(searched, '.1f')}",
        f"{spans[0]} in our loop `stacked` (cards: {each[0].height}) and {spans[1]} on vLLM (cards: {each[1].height})",
        f"at {eager['throughput_tps']:.0f}, {searched['throughput_tps']:.0f}, {speeds[0]} and {speeds[1]} token/s ({min(answers)} to "
        f"{max(answers)} answers a run",
        f"the kernels that were timed took {percent(dearer)} % more joules than `stacked` and were {percent(slower)} % slower",
        f"of {both.height} cards that ran both one takes {dear[0]} % more than another on vLLM and {dear[1]} % more in `stacked` "
        f"(against vLLM {changes} % there)",
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
        *(
            f"{row['energy_per_token_j']:.2f} on {name} (runs: {row['runs']})"
            for name, row in {"vLLM": vllm, "SGLang": sglang, "llama.cpp": llama}.items()
        ),
        f"With 128 requests at once vLLM takes {steady['joules']:.3f} (runs: {steady['runs']})",
    ]


FIGURES = (
    *(Figure(say) for say in (lengths_and_costs, shipped, published_concise, concise, batches, loops)),
    *(Figure(say, "docs/findings.md") for say in (lengths_of_pairs, whole_pairs, parts_of_sharegpt, runtimes)),
)
