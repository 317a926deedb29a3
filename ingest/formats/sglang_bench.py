"""SGLang's `bench_serving`: JSON lines, a run each. With `--output-details` the requests → `requests`, without the means → `published`.

The lists are those of vLLM's benchmark, from which this one came. A chunk of several tokens is one gap there; SGLang divides it over the
tokens, and such gaps were not measured. SGLang measures no energy: null, with the reason.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats import vllm_bench, vllm_runs
from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source
from prompt_joules.ingest.formats.fields import Fields, at, at_rate, first_text, number, positive, spread, taken
from prompt_joules.ingest.formats.figures import format_of_runs
from prompt_joules.ingest.formats.foreign import Row, count_of, dug, environment, format_of, is_number, run_name, to_server

KEYS = {"backend", "dataset_name", "duration", "completed", "total_output_tokens"}
REASON = "SGLang bench_serving does not measure energy"
NAMELESS = "names no model (SGLang before 0.5.5 wrote none, nor do other backends): load it with --model ORGANISATION/NAME"
FACTS = ("tag", "backend", "dataset_name", "request_rate", "max_concurrency", "random_input_len", "random_output_len", "duration")
# The fields of vLLM's benchmark, from which this one came, and those with names of their own.
FIELDS: Fields = {
    **vllm_runs.FIELDS,
    "engine": at("backend"),
    "dtype": at("server_info.quantization"),
    "mean_batch_size": at("concurrency", unit="requests"),
    "latency_s": at("mean_e2e_latency_ms", unit="ms"),
}


def model_of(run: Mapping[str, Any]) -> str | None:
    """The model that the server said, or that the user added."""
    return first_text(run, "model_id", "server_info.model_path", "server_info.served_model_name")


def version_of(run: Mapping[str, Any]) -> str:
    """The version of the server, since it is written."""
    version = dug(run, "server_info", "version")
    return f"sglang-bench-serving{f' {version}' if isinstance(version, str) else ''}"


def figure_of(run: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a run without details, or why it is none."""
    answered, limit = count_of(number(run.get("completed"))), positive(run.get("max_concurrency"))
    if model_of(run) is None:
        return NAMELESS
    if not answered:
        return "has no answered request"
    figures = taken(FIELDS, run)
    if run.get("mean_ttft_ms") == run.get("mean_e2e_latency_ms") and count_of(number(run.get("total_output_tokens"))) != answered:
        figures["ttft_s"] = None
    return figures | {
        "source": "SGLang",
        "generation": "sglang",
        "published_model_id": model_of(run),
        "parallelism": spread(dug(run, "server_info", "tp_size")),
        "task": "sglang-bench",
        "batch_size": limit,
        "concurrency": limit,
        "prompts": answered,
        "harness_version": version_of(run) + at_rate(run.get("request_rate")),
    }


def is_streamed(run: Mapping[str, Any]) -> bool:
    """Whether answers came in chunks. With `--disable-stream` SGLang writes the latency as the time to first token.

    A stream of one chunk holds a token, and perhaps the one that stops.
    """
    return any(run["itls"]) or not any(is_number(tokens) and tokens > 2 for tokens in run["output_lens"])


def setup_of(run: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The columns that are equal in all requests of a run."""
    return to_server(
        REASON,
        run_id=run_id,
        prompt_set=run["dataset_name"],
        task="sglang-bench",
        model_id=model_of(run),
        engine=run["backend"],
        harness_version=version_of(run),
        concurrency=positive(run.get("max_concurrency")),
        environment=environment(**{name: run.get(name) for name in FACTS}, tp_size=dug(run, "server_info", "tp_size")),
    )


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


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[Row]:
    """The requests of all runs of a file, numbered through; lines that are no run are added to `rejects`."""
    number = 0
    for place, (line, said) in enumerate(content.objects()):
        run = None if said is None else source.named(said)
        if run is None or not run.keys() >= {*KEYS, *vllm_bench.LISTS} or model_of(run) is None:
            nameless = run is not None and model_of(run) is None
            rejects.append(Reject(line, None, NAMELESS if nameless else "is no whole run with details"))
            continue
        vllm_bench.refuse_torn(run, "SGLang")
        setup = setup_of(run, run_name("sglang-bench", source) + (f":{place}" if place else ""))
        untimed = {} if is_streamed(run) else {"ttft_s": None}
        for index in range(len(run["ttfts"])):
            number += 1
            yield Row(number, setup | row_of(run, index) | untimed)


FORMAT = format_of(
    Facts(
        "sglang-bench",
        "SGLang bench_serving --output-details: one run a line, with its requests",
        "0.5 (real files, of a vLLM server), 0.4 to 0.5 (structure from its source)",
        source="SGLang",
    ),
    recognises=lambda content: content.keys >= {*KEYS, *vllm_bench.LISTS},
    rows_of=rows_of,
)
RUNS = format_of_runs(
    Facts(
        "sglang-bench-runs",
        "SGLang bench_serving: one run a line, its means",
        "0.5 (real files, of a vLLM server), 0.4 to 0.5 (structure from its source)",
    ),
    keys=KEYS,
    figure_of=figure_of,
)
