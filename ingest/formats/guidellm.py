"""GuideLLM's `benchmarks.json`: several benchmarks, each with its requests → `requests`; each benchmark is a run.

GuideLLM keeps when the first and the last token came, not the gaps between, and measures no energy: null, with the reason. With a sample
size it keeps only some of the requests. Times are s since 1970 (UTC), lengths those that the server counted. Requests that ended before
the measured time or began after it are in the file, but in none of GuideLLM's means: they are runs of their own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source, Unreadable
from prompt_joules.ingest.formats.fields import failed, first_text, measured, moment, positive
from prompt_joules.ingest.formats.foreign import Row, dug, environment, format_of, is_number, run_name, to_server, whole, words

STATES = ("successful", "incomplete", "errored")
UNFINISHED = "was not finished when the run ended"


def model_of(report: Mapping[str, Any], benchmark: Mapping[str, Any]) -> str | None:
    """The model of a benchmark: since 0.4 in its backend, before in its worker, else among the arguments of the report."""
    own = first_text(benchmark, "config.backend.model", "config.backend.attributes.model", "worker.backend_model")
    return own or first_text(report, "args.model", "config.model", "config.backend.model")


def concurrency_of(benchmark: Mapping[str, Any]) -> int | None:
    """How many requests were kept in flight; at a rate the rounded mean of those that were."""
    strategy = dug(benchmark, "config", "strategy") or dug(benchmark, "args", "strategy")
    if dug(strategy, "type_") == "synchronous":
        return 1
    streams = dug(strategy, "streams")
    if positive(streams):
        return positive(streams)
    reached = dug(benchmark, "metrics", "request_concurrency", "successful", "mean")
    return max(1, round(reached)) if is_number(reached) and 0 < reached < 1e6 else None


def setup_of(report: Mapping[str, Any], benchmark: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The columns that are equal in all requests of a benchmark."""
    strategy = dug(benchmark, "config", "strategy") or dug(benchmark, "args", "strategy")
    version = dug(report, "metadata", "guidellm_version")
    name = dug(benchmark, "config", "id_") or benchmark.get("id_")
    return to_server(
        "GuideLLM does not measure energy",
        run_id=f"guidellm:{name}" if isinstance(name, str) else run_id,
        task="guidellm",
        model_id=model_of(report, benchmark),
        engine="openai",
        harness_version=f"guidellm-{version if isinstance(version, str) else 'unknown'}",
        concurrency=concurrency_of(benchmark),
        environment=environment(strategy=dug(strategy, "type_"), rate=dug(strategy, "rate")),
    )


def row_of(request: Mapping[str, Any], state: str, sequence: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    row = {
        "sequence": sequence,
        "prompt_id": f"request-{sequence:06d}",
        "started_at": moment(request.get("request_start_time") or request.get("start_time")),
        "input_tokens": whole(request.get("prompt_tokens")),
        "cached_tokens": whole(request.get("cached_tokens")),
    }
    if state != "successful":
        said = request.get("error") or dug(request, "info", "error")
        return row | failed(said if isinstance(said, str) else UNFINISHED)
    times = {"ttft_s": measured(request.get("time_to_first_token_ms"), 1e-3), "latency_s": request.get("request_latency")}
    return row | words(request.get("output")) | {"output_tokens": whole(request.get("output_tokens"))} | times


def phase_of(request: Mapping[str, Any], benchmark: Mapping[str, Any]) -> str:
    """What to add to the id of the run for a request outside the measured time; nothing for one that overlaps it."""
    began, ended = request.get("request_start_time"), request.get("request_end_time")
    start, end = (dug(benchmark, "scheduler_metrics", f"measure_{edge}_time") for edge in ("start", "end"))
    if is_number(ended) and is_number(start) and ended < start:
        return ":warmup"
    return ":cooldown" if is_number(began) and is_number(end) and began > end else ""


def _requests(benchmark: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for state in STATES:
        listed = dug(benchmark, "requests", state)
        yield from ((state, request) for request in (listed if isinstance(listed, list) else ()))


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[Row]:
    """The requests of all benchmarks of a report, numbered through; what is none is added to `rejects`. Raises Unreadable."""
    report, number = content.json, 0
    if not isinstance(dug(report, "benchmarks"), list):
        raise Unreadable("is no report of GuideLLM with a list of benchmarks")
    for place, benchmark in enumerate(report["benchmarks"]):
        if not isinstance(benchmark, dict) or model_of(report, benchmark) is None:
            rejects.append(Reject(None, "benchmarks", f"holds no benchmark that names a model in place {place + 1}"))
            continue
        setup = setup_of(report, benchmark, f"{run_name('guidellm', source)}:{place}")
        before = number
        for number, (state, request) in enumerate(_requests(benchmark), before + 1):
            if isinstance(request, dict):
                run = {"run_id": setup["run_id"] + phase_of(request, benchmark)}
                yield Row(number, setup | run | row_of(request, state, number - before - 1))
            else:
                rejects.append(Reject(number, None, "is no request"))
        if number == before:
            rejects.append(Reject(None, "requests", f"are not kept in the benchmark in place {place + 1} (sample size 0)"))


def _recognises(content: Content) -> bool:
    if content.kind != "document" or "benchmarks" not in content.keys:
        return False
    first = dug(content.json, "benchmarks", 0)
    return isinstance(first, dict) and first.keys() >= {"type_", "metrics", "requests"}


FORMAT = format_of(
    Facts(
        "guidellm",
        "GuideLLM benchmarks.json: the requests of its benchmarks",
        "0.3.1, 0.5 and 0.8.1 (real files), 0.2 and 0.7 (structure from its source)",
        source="GuideLLM",
    ),
    recognises=_recognises,
    rows_of=rows_of,
)
