"""SGLang's `bench_serving`: JSON lines, a run each. With `--output-details` the requests → `requests`, without the means → `published`.

The lists are those of vLLM's benchmark, from which this one came. A chunk of several tokens is one gap there; SGLang divides it over the
tokens, and such gaps were not measured. SGLang measures no energy: null, with the reason.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats import vllm_bench
from prompt_joules.ingest.formats.base import Format, Reject, Source, content_of
from prompt_joules.ingest.formats.figures import format_of_runs, measured, number, share
from prompt_joules.ingest.formats.foreign import NO_ENERGY, Row, count_of, dug, each_request, environment, is_number, run_name

KEYS = {"backend", "dataset_name", "duration", "completed", "total_output_tokens"}
REASON = "SGLang bench_serving does not measure energy"
NAMELESS = "names no model (SGLang before 0.5.5 wrote none, nor do other backends): load it with --model ORGANISATION/NAME"
FACTS = ("tag", "backend", "dataset_name", "request_rate", "max_concurrency", "random_input_len", "random_output_len", "duration")
MS = 1e-3
TRIED = "0.5 (real files, of a vLLM server), 0.4 to 0.5 (structure from its source)"


def model_of(run: Mapping[str, Any]) -> str | None:
    """The model that the server said, or that the user added."""
    named = (run.get("model_id"), dug(run, "server_info", "model_path"), dug(run, "server_info", "served_model_name"))
    return next((name for name in named if isinstance(name, str) and name), None)


def concurrency_of(run: Mapping[str, Any]) -> int | None:
    """The limit of requests at once; null without one."""
    limit = run.get("max_concurrency")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else None


def version_of(run: Mapping[str, Any]) -> str:
    """The version of the server, since it is written."""
    version = dug(run, "server_info", "version")
    return f"sglang-bench-serving{f' {version}' if isinstance(version, str) else ''}"


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a run without details, or why it is none."""
    model, answered = model_of(run), count_of(number(run.get("completed")))
    if model is None:
        return NAMELESS
    if not answered:
        return "has no answered request"
    rate: Any = run.get("request_rate")
    spread = dug(run, "server_info", "tp_size")
    return {
        "source": "SGLang",
        "generation": "sglang",
        "published_model_id": model,
        "parallelism": f"tp{spread}" if is_number(spread) else None,
        "task": "sglang-bench",
        "engine": run["backend"],
        "dtype": dug(run, "server_info", "quantization"),
        "batch_size": concurrency_of(run),
        "concurrency": concurrency_of(run),
        "mean_batch_size": measured(run.get("concurrency")),
        "prompts": answered,
        "throughput_tps": measured(run.get("output_throughput")) or share(run.get("total_output_tokens"), run.get("duration")),
        "output_tokens": share(run.get("total_output_tokens"), answered),
        "input_tokens": share(run.get("total_input_tokens"), answered),
        "latency_s": measured(run.get("mean_e2e_latency_ms"), MS),
        "ttft_s": measured(run.get("mean_ttft_ms"), MS),
        "tpot_s": measured(run.get("mean_tpot_ms"), MS),
        "itl_p50_s": measured(run.get("median_itl_ms"), MS),
        "itl_p99_s": measured(run.get("p99_itl_ms"), MS),
        "harness_version": version_of(run) + (f", {rate:g} requests/s" if is_number(rate) and rate < 1e9 else ""),
    }


def setup_of(run: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The columns that are equal in all requests of a run."""
    return NO_ENERGY | {
        "run_id": run_id,
        "prompt_set": run["dataset_name"],
        "task": "sglang-bench",
        "model_id": model_of(run),
        "engine": run["backend"],
        "harness_version": version_of(run),
        "concurrency": concurrency_of(run),
        "prompt_template": "server",
        "energy_reason": REASON,
        "environment": environment(**{name: run.get(name) for name in FACTS}, tp_size=dug(run, "server_info", "tp_size")),
    }


def row_of(run: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The columns of one request; times in s. Neighbouring gaps that are equal to the last digit were divided: then no gap is kept."""
    if not run["errors"][index] and run["output_lens"][index] == 0:
        return vllm_bench.row_of({**run, "errors": {index: "no answer"}}, index)
    row = vllm_bench.row_of(run, index)
    gaps = row.get("itl_s") or []
    divided = any(one == other for one, other in itertools.pairwise(gaps))
    cached = run.get("cached_tokens")
    known = {"cached_tokens": cached[index]} if isinstance(cached, list) and index < len(cached) else {}
    return row | known | ({"itl_s": None} if divided else {})


def rows_of(source: Source, rejects: list[Reject]) -> Iterator[Row]:
    """The requests of all runs of a file, numbered through; lines that are no run are added to `rejects`."""
    number = 0
    for place, (line, said) in enumerate(content_of(source).objects()):
        run = None if said is None else source.named(said)
        if run is None or not run.keys() >= {*KEYS, *vllm_bench.LISTS} or model_of(run) is None:
            nameless = run is not None and model_of(run) is None
            rejects.append(Reject(line, None, NAMELESS if nameless else "is no whole run with details"))
            continue
        vllm_bench.refuse_torn(run, "SGLang")
        setup = setup_of(run, run_name("sglang-bench", source) + (f":{place}" if place else ""))
        for index in range(len(run["ttfts"])):
            number += 1
            yield Row(number, setup | row_of(run, index))


FORMAT = Format(
    name="sglang-bench",
    meaning="SGLang bench_serving --output-details: one run a line, with its requests",
    tried=TRIED,
    recognises=lambda content: content.keys >= {*KEYS, *vllm_bench.LISTS},
    load=each_request(rows_of),
    into="requests",
)
RUNS = format_of_runs(
    name="sglang-bench-runs",
    meaning="SGLang bench_serving: one run a line, its means",
    tried=TRIED,
    keys=KEYS,
    figure_of=figure_of,
)
