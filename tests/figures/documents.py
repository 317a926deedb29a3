"""The figures of docs/ and of warehouse/data/README.md that follow from the rows that ship."""

import math
from typing import Any

import polars as pl

import prompt_joules as pj
from prompt_joules.pages.ui.pure import naming
from tests.figures.marked import Figure
from tests.figures.readme import SHAPE, SMOLLM, protocol, signed

ENGINES, MEASUREMENT, DATA = "docs/engines.md", "docs/measurement.md", "warehouse/data/README.md"
LOOPS = {
    "transformers-eager": "`transformers-eager`",
    "transformers-compiled:searched": "`transformers-compiled:searched`",
    "transformers-compiled": "`transformers-compiled` (`stacked`)",
    "vllm": "vLLM 0.22.1, one request at a time",
}


def table_of_loops(results: pj.Results) -> list[str]:
    """The rows of the table of loops: answers, tokens of each, token/s, J/token, answers at the power cap."""
    rows = results.sql(
        "select runs.engine, count(*) as answers, round(avg(output_tokens))::integer as each, "
        "sum(output_tokens) / sum(latency_s) as speed, "
        "sum(energy_j) / sum(output_tokens) as joules, count_if(requests.power_capped) as capped, count(requests.power_capped) as told "
        "from requests join runs using (run_number) where runs.model_id = $shape and runs.harness_version = '2.0' and "
        "runs.gpu = 'H200' and coalesce(runs.batch_size, 1) = 1 and requests.valid group by all",
        shape=SHAPE,
    )
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    lines = []
    for engine, name in LOOPS.items():
        row = of[engine]
        capped = f"{row['capped']} of {row['answers']}" if row["told"] == row["answers"] else "not known"
        lines.append(f"| {name} | {row['answers']} | {row['each']} | {row['speed']:.1f} | {row['joules']:.2f} | {capped} |")
    return lines


def loops_of_135m(results: pj.Results) -> list[str]:
    """J/token of the 135M model one at a time on an H200: its default loop by 2.0, and each run of the searched loop by 2.1."""
    rows = results.sql(
        "select runs.harness_version as protocol, split_part(runs.engine, ':', 2) as loop, runs.experiment_id, runs.prompt_set_sha256, "
        "runs.seed, left(runs.task, 4) as task, sum(energy_j) / sum(output_tokens) as joules from requests join runs using (run_number) "
        "where runs.model_id = $model and runs.gpu = 'H200' and runs.engine like 'transformers-compiled%' and runs.batch_size = 1 and "
        "requests.valid and runs.prompt_set in ('default', 'sharegpt-200') group by all",
        model=SMOLLM,
    )
    stacked = rows.filter(protocol="2.0", loop="")["joules"].mean()
    searched = rows.filter(protocol="2.1", loop="searched")["joules"]
    return [f"{stacked:.2f} J/token over three runs of", f"`searched` takes {searched.min():.2f} to {searched.max():.2f}"]


SERVERS = {"vllm": "vLLM", "sglang": "SGLang", "llama.cpp": "llama.cpp"}
NO_NUMBER = "b0-unknown"
"""What llama-server calls a build outside of its repository, which is not told its number."""
POINTS = (
    "select runs.run_id, runs.card, runs.engine, runs.engine_version, runs.weights_format, runs.dtype, coalesce(runs.top_k, 0) as top_k, "
    "list_contains(runs.reasons, 'seeded-requests') as seeded, runs.harness_version, runs.batch_size, runs.concurrency, runs.seed, "
    "count(*) as answers, avg(output_tokens) as each, any_value(ratio(runs.output_tokens_total, runs.busy_s_total)) as speed, "
    "sum(energy_j) / sum(output_tokens) as joules, any_value(steady_energy_j / steady_output_tokens) as steady, "
    "bool_or(list_contains(runs.reasons, 'unfinished')) or avg(list_contains(requests.reasons, 'busy-host')::integer) > 0.1 as disturbed "
    "from requests join runs using (run_number) left join run_notes on run_notes.run_id = runs.run_id "
    "where runs.model_id = $model and runs.harness_version like '2.%' and runs.gpu = 'H200' and requests.valid group by all"
)


def name_of_runtime(row: dict[str, Any]) -> str:
    """A server with its version, one of our loops as it is called in code; precision, top-k and seeds are said where they are not usual."""
    number = (row["engine_version"] or "").rpartition(" ")[2].removeprefix(NO_NUMBER)
    named = f"{SERVERS[row['engine']]} {number}".rstrip() if row["engine"] in SERVERS else f"`{row['engine']}`"
    usual = row["dtype"] in (None, "float16", "unknown")
    parts = [named] if usual else [named, naming.PRECISIONS.get(row["dtype"], row["dtype"])]
    parts += [f"top-k {row['top_k']}"] if row["top_k"] else []
    parts += ["seeds"] if row["seeded"] else []
    return ", ".join(parts)


def points_of(results: pj.Results, model: str, asked: str, *first: pl.Expr) -> pl.DataFrame:
    """Each run of protocol 2.x on an H200 with the name of its runtime; of each runtime and number at once those of the newest protocol.

    A runtime is one whatever its version: some early runs do not know theirs. A protocol by which every run was stopped or had a
    busy host counts where no other does.

    Args:
        asked: POINTS, or POINTS with a condition.
        first: what the lines are sorted by.
    """
    rows = results.sql(asked, model=model)
    named = rows.with_columns(pl.Series("name", [name_of_runtime(row) for row in rows.iter_rows(named=True)], dtype=pl.String))
    runtime = [name_of_runtime(row | {"engine_version": None}) for row in rows.iter_rows(named=True)]
    named = named.with_columns(pl.Series("runtime", runtime, dtype=pl.String))
    one = "runtime", "batch_size"
    best = pl.when(pl.col("disturbed") == pl.col("disturbed").min().over(one)).then(protocol())
    newest = named.filter(protocol() == best.max().over(one)).drop("runtime", "disturbed")
    return newest.sort(*first, "name", "batch_size", "seed", "answers", "run_id")


def numbers_of(row: dict[str, Any]) -> str:
    """The last five cells of a line: answers, tokens of each, token/s, J/token as spent and in the steady state (empty without one)."""
    steady = "" if row["steady"] is None else f"{row['steady']:.4f}"
    return f"{row['answers']:,} | {row['each']:.0f} | {row['speed']:,.0f} | {row['joules']:.4f} | {steady}"


def table_of_runtimes(results: pj.Results) -> list[str]:
    """Each runtime with the 135M model at each number of requests at once: token/s, J/token as spent and steady."""
    ours, last = pl.col("engine").str.starts_with("transformers"), pl.col("engine") == "llama.cpp"
    asked = f"{POINTS} having any_value(runs.task) = 'instruct' and any_value(runs.engine) != 'transformers-compiled'"
    rows = points_of(results, SMOLLM, asked, ~ours, last)
    return [
        f"| {row['name']} | {row['batch_size']} | {row['harness_version']} | {row['seed']} | {numbers_of(row)} |"
        for row in rows.iter_rows(named=True)
    ]


def table_of_the_8b_shape(results: pj.Results) -> list[str]:
    """Each way to run the 8B shape by protocol 2.1 or a later one at each number of answers at once: token/s, J/token as spent, steady."""
    every = pl.concat([points_of(results, model, POINTS) for model in (SHAPE, f"{SHAPE}-awq")])
    rows = every.filter(protocol() >= 2.001).sort("batch_size", "name", "seed", "answers", "run_id")
    return [f"| {row['name']} | {row['batch_size']} | {row['harness_version']} | {numbers_of(row)} |" for row in rows.iter_rows(named=True)]


SHAPES = {
    "smollm2-135m": "0.1B",
    "llama-3.2-1b": "1B",
    "llama-3.2-3b": "3B",
    "qwen3-14b": "14B",
    "qwen3-32b": "32B",
    "llama-3.1-70b": "70B",
}
"""Shapes with a vocabulary of 49,152, as they are called in the table; the 8B one has a table of its own."""
EIGHT = SHAPE.removesuffix("-vocab-49k")
LONGEST = 256
"""Tokens of an answer in that table. Longer answers of a shape compare runs with each other (`repeated.processes`)."""


def table_of_shapes(results: pj.Results) -> list[str]:
    """The other shapes by protocol 2.x: J/token and token/s of the eager loop, ours and vLLM."""
    lines = []
    for shape, size in SHAPES.items():
        rows = points_of(results, f"{shape}-vocab-49k", POINTS, pl.col("batch_size")).filter(pl.col("each") <= LONGEST)
        lines += [f"| {size} | {row['name']} | {row['batch_size']} | {numbers_of(row)} |" for row in rows.iter_rows(named=True)]
    return lines


def quantised(results: pj.Results) -> list[str]:
    """The 8B shape on vLLM without seeds in 16, 8 and 4 bits, one at a time and 32 at once, and in llama.cpp's formats: J/token."""
    asked = f"{POINTS} having any_value(runs.harness_version) > '2.0'"
    rows = pl.concat([results.sql(asked, model=model) for model in (SHAPE, f"{SHAPE}-awq")])
    rows = rows.filter((pl.col("engine") == "vllm") & (~pl.col("seeded") | (pl.col("batch_size") == 1)))
    of = {(row["dtype"], row["batch_size"]): row["joules"] for row in rows.sort(protocol(), "run_id").iter_rows(named=True)}
    plain = rows.filter(dtype="float16", batch_size=1)
    llama = _of_8b(results)
    lines = [[llama["llama.cpp", form, at_once] for form in ("float16", "Q8_0", "Q4_K_M")] for at_once in (1, 8, 32)]
    return [
        f"takes {plain['joules'].min():.2f} to {plain['joules'].max():.2f} J per token in float16 (cards: {plain['card'].n_unique()})",
        f"{of['fp8', 1]:.2f} in FP8 and {of['awq-4bit', 1]:.2f} with 4-bit AWQ weights one at a time",
        "and {:.3f}, {:.3f} and {:.3f} with 32 at once".format(*(of[dtype, 32] for dtype in ("float16", "fp8", "awq-4bit"))),
        "takes {:.2f}, {:.2f} and {:.2f} in float16, Q8_0 and Q4_K_M one at a time".format(*lines[0]),
        "{:.2f}, {:.2f} and {:.2f} with 8 and {:.2f}, {:.2f} and {:.2f} with 32 at once".format(*lines[1], *lines[2]),
    ]


def batches_of_1b(results: pj.Results) -> list[str]:
    """The 1B shape, 32 answers at once: our static batch by the newest protocol and vLLM."""
    rows = points_of(results, "llama-3.2-1b-vocab-49k", POINTS).filter(batch_size=32)
    of = {row["engine"]: row for row in rows.iter_rows(named=True)}
    ours, vllm = of["transformers-compiled"], of["vllm"]
    said = f"took {ours['joules']:.3f} J per token at {ours['speed']:,.0f} token/s (protocol {ours['harness_version']})"
    more = []
    for shape in ("llama-3.2-3b", "llama-3.1-8b", "qwen3-32b"):
        some = points_of(results, f"{shape}-vocab-49k", POINTS).filter(batch_size=32, dtype="float16", seeded=False)
        at_32 = {row["engine"]: row["joules"] for row in some.iter_rows(named=True)}
        more.append(100 * (at_32["transformers-compiled"] / at_32["vllm"] - 1))
    rest = "At 3B, 8B and 32B it takes {:.0f}, {:.0f} and {:.0f} % more than vLLM with 32 at once".format(*more)
    return [f"{said}, vLLM {vllm['joules']:.3f} at {vllm['speed']:,.0f}", rest]


def batches_of_8b(results: pj.Results) -> list[str]:
    """The 8B shape, our static batch by the newest protocol against the servers in float16 without seeds: J/token."""
    of = _of_8b(results)
    times = {
        (at_once, server): of["transformers-compiled", "float16", at_once] / of[server, "float16", at_once]
        for at_once in (8, 32, 128)
        for server in ("vllm", "sglang")
    }
    least, most = sorted(100 * (times[32, server] - 1) for server in ("vllm", "sglang"))
    eight = [of[engine, "float16", 8] for engine in ("transformers-compiled", "vllm", "sglang")]
    return [
        f"the two servers and our static batch lie within {math.ceil(100 * (max(eight) / min(eight) - 1))} %",
        f"with 32 the batch takes {least:.0f} to {most:.0f} % more than they do",
        f"with 128 {100 * (times[128, 'sglang'] - 1):.0f} % more than SGLang and {100 * (times[128, 'vllm'] - 1):.0f} % more than vLLM",
    ]


def four_bits_of_llama_cpp(results: pj.Results) -> list[str]:
    """The 8B shape on llama.cpp in Q4_K_M and Q8_0 against its own float16, and against vLLM with AWQ and in float16: J/token."""
    of = _of_8b(results)
    alone, several = of["llama.cpp", "Q4_K_M", 1], sorted(of["llama.cpp", "Q4_K_M", n] / of["vllm", "awq-4bit", n] for n in (8, 32))
    to_awq = alone / of["vllm", "awq-4bit", 1] - 1
    saved = {n: [signed(of["llama.cpp", form, n] / of["llama.cpp", "float16", n] - 1) for form in ("Q8_0", "Q4_K_M")] for n in (1, 8, 32)}
    plain = [of["llama.cpp", "float16", n] / of["vllm", "float16", n] for n in (1, 8, 32)]
    return [
        "Q8_0 and Q4_K_M change J/token by {} and {} % one at a time, by {} and {} % with 8 at once, by {} and {} % with 32".format(
            *saved[1], *saved[8], *saved[32]
        ),
        "In float16 it takes {:.1f}, {:.1f} and {:.1f} times what vLLM takes with 1, 8 and 32 at once".format(*plain),
        f"Q4_K_M takes {100 * to_awq:.0f} % more joules per token than vLLM's AWQ one at a time",
        "{:.1f} to {:.1f} times as much with 8 and 32".format(*several),
    ]


def steps_of_llama_cpp(results: pj.Results) -> list[str]:
    """The median step with 32 answers at once of the smallest and of the 8B model, on llama.cpp and vLLM (float16): newest protocols."""
    rows = results.sql(
        "select runs.engine, runs.model_id, 1000 * median((latency_s - ttft_s) / (output_tokens - 1)) as step_ms from requests "
        "join runs using (run_number) where runs.gpu = 'H200' and runs.concurrency = 32 and runs.model_id in ($small, $large) and "
        "output_tokens > 1 and runs.engine in ('llama.cpp', 'vllm') and runs.weights_format not ilike '%fp8%' and "
        "not list_contains(runs.reasons, 'seeded-requests') group by runs.engine, runs.model_id, runs.harness_version "
        "qualify runs.harness_version = max(runs.harness_version) over (partition by runs.engine, runs.model_id)",
        small=SMOLLM,
        large=SHAPE,
    )
    of = {(row["engine"], row["model_id"]): row["step_ms"] for row in rows.iter_rows(named=True)}
    llama, vllm = ([of[engine, model] for model in (SMOLLM, SHAPE)] for engine in ("llama.cpp", "vllm"))
    assert len(of) == 4
    return [
        f"a step of 32 answers took {llama[0]:.0f} ms with 0.1 billion parameters and {llama[1]:.0f} with 8, where vLLM took "
        f"{vllm[0]:.1f} and {vllm[1]:.1f}"
    ]


def left_out_of_the_runtimes(results: pj.Results) -> list[str]:
    """Runs that `table_of_runtimes` leaves out: llama.cpp with 8 at once by older protocols beside 2.6, and SGLang's of 2.1 beside 2.2."""
    rows = results.sql(
        "select runs.engine, runs.harness_version, runs.concurrency, 1000 * median((latency_s - ttft_s) / (output_tokens - 1)) as step_ms, "
        "sum(energy_j) / sum(output_tokens) as joules, any_value(ratio(runs.output_tokens_total, runs.busy_s_total)) as speed, "
        "count(*) as answers from requests join runs using (run_number) where runs.model_id = $model and runs.gpu = 'H200' and "
        "runs.engine in ('llama.cpp', 'sglang') and runs.concurrency in (8, 32) group by all",
        model=SMOLLM,
    )
    of = {(row["engine"], row["harness_version"], row["concurrency"]): row for row in rows.iter_rows(named=True)}
    llama = [of["llama.cpp", protocol, 8] for protocol in ("2.1", "2.5", "2.6")]
    full = [of["llama.cpp", protocol, 32]["step_ms"] for protocol in ("2.5", "2.6")]
    sglang = [of["sglang", protocol, 8] for protocol in ("2.1", "2.2")]
    return [
        "took {:.1f}, {:.1f} and {:.1f} ms by 2.1, 2.5 and 2.6".format(*(row["step_ms"] for row in llama)),
        "and {:.2f}, {:.2f} and {:.2f} J/token".format(*(row["joules"] for row in llama)),
        f"stopped after {llama[1]['answers']} of {llama[0]['answers']} answers",
        "with 32 at once a step took {:.0f} and {:.0f} ms by 2.5 and 2.6".format(*full),
        "{:.4f} J/token at {:,.0f} token/s by 2.1 and {:.4f} at {:,.0f} by 2.2".format(
            *(row[key] for row in sglang for key in ("joules", "speed"))
        ),
    ]


def _of_8b(results: pj.Results) -> dict[tuple[str, str, int], float]:
    """J/token of the 8B shape by engine, number format and answers at once: of the newest protocol, without seeds."""
    rows = pl.concat([points_of(results, model, POINTS) for model in (SHAPE, f"{SHAPE}-awq")]).filter(seeded=False)
    newest = rows.sort(protocol(), "answers", "run_id").iter_rows(named=True)
    return {(row["engine"], row["dtype"], row["batch_size"]): row["joules"] for row in newest}


def price_of_a_seed(results: pj.Results) -> list[str]:
    """vLLM with a seed in every request against none: J/token in the steady state and token/s, by the newest protocol that has both."""
    rows = points_of(results, SMOLLM, f"{POINTS} having any_value(runs.task) = 'instruct' and any_value(runs.engine) = 'vllm'")
    parts = []
    for at_once in (32, 128):
        some = rows.filter(concurrency=at_once, harness_version="2.2")
        with_seed, without = (some.filter(seeded=seeded).row(0, named=True) for seeded in (True, False))
        dearer, slower = with_seed["steady"] / without["steady"] - 1, 1 - with_seed["speed"] / without["speed"]
        parts.append(f"{100 * dearer:.0f} % more J/token and {100 * slower:.0f} % fewer token/s at {at_once} at once")
    return parts


def first_of_a_length(results: pj.Results) -> list[str]:
    """TTFT where a prompt length was new in its run and where it was not, in protocol 1.1."""
    rows = results.sql(
        "select round(1000 * median(ttft_s) filter (where is_new))::integer as new, "
        "round(1000 * median(ttft_s) filter (where not is_new))::integer as known "
        "from (select ttft_s, row_number() over (partition by runs.run_number, input_tokens order by sequence) = 1 as is_new "
        "from requests join runs using (run_number) where runs.model_id = $model and runs.engine = 'transformers-compiled' and "
        "runs.batch_size = 1 and runs.prompt_set = 'sharegpt-200' and runs.harness_version = '1.1' and runs.gpu = 'H100')",
        model=SMOLLM,
    )
    new, known = rows.row(0)
    return [f"median TTFT {new} instead of {known} ms on an H100"]


def waiting(results: pj.Results) -> list[str]:
    """Power of eager loops with small models one at a time, of the idle cards, and of loaded cards that only waited."""
    rows = results.sql(
        "select runs.model_id, sum(energy_j) / sum(latency_s) as watts, any_value(runs.idle_power_w) as idle from requests "
        "join runs using (run_number) where runs.engine = 'transformers-eager' and runs.batch_size = 1 and energy_j is not null "
        "and runs.source = own_source() and runs.params_total_b < 1.5 group by runs.run_number, runs.model_id"
    )
    awake = results.sql("select min(active_idle_power_w), max(active_idle_power_w) from runs where source = own_source()").row(0)
    return [
        f"that mostly waited drew {rows['watts'].min():.0f} to {rows['watts'].max():.0f} W on cards that drew {rows['idle'].min():.0f} to "
        f"{rows['idle'].max():.0f} W idle",
        f"loaded cards without work {awake[0]:.0f} to {awake[1]:.0f} W",
    ]


def published(results: pj.Results) -> list[str]:
    """How many figures of which models the tables have."""
    rows = results.sql(
        "select generation, count(*) as figures, count(distinct published_model_id) as models, "
        "count(distinct published_model_id) filter (where gpu_model = 'A40') as on_a40, "
        "count(distinct published_model_id) filter (where gpu_model = 'A100') as on_a100, "
        "count(distinct published_model_id) filter (where gpu_model = 'V100') as on_v100 from published group by generation"
    )
    of = {row["generation"]: row for row in rows.iter_rows(named=True)}
    scores, scored = results.sql("select count(*), count(distinct model_id) from quality").row(0)
    first = of["v1"]
    assert first["on_a100"] == first["on_v100"]
    return [
        f"{first['figures']} aggregates (chat, chat-concise",
        f"× {first['on_a40']} models on A40, {first['on_a100']} on A100",
        f"{scores} quality scores of {scored} models",
        f"{of['v2']['figures']} aggregates of {of['v2']['models']} models",
        f"{of['v3']['figures']} aggregates of {of['v3']['models']} spellings of models",
    ]


FIGURES = (
    Figure(table_of_loops, ENGINES, "| loop | answers |"),
    Figure(loops_of_135m, ENGINES),
    Figure(table_of_the_8b_shape, ENGINES, "| the 8B shape | at once |"),
    Figure(table_of_shapes, ENGINES, "| a shape | runtime |"),
    Figure(quantised, "docs/findings.md"),
    Figure(batches_of_1b, "docs/findings.md"),
    Figure(batches_of_8b, ENGINES),
    Figure(four_bits_of_llama_cpp, ENGINES),
    Figure(steps_of_llama_cpp, ENGINES),
    Figure(table_of_runtimes, ENGINES, "| runtime | at once |"),
    Figure(left_out_of_the_runtimes, ENGINES),
    Figure(price_of_a_seed, MEASUREMENT),
    Figure(first_of_a_length, MEASUREMENT),
    Figure(waiting, MEASUREMENT),
    Figure(published, DATA),
)
