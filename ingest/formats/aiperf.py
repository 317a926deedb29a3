"""AIPerf: `profile_export.jsonl`, one request a line, with the summary beside it, which says model and load.

AIPerf measures time, not the energy of a request: energy is null, with the reason. Lengths are those that the server
counted when it reports usage (template included), else AIPerf's own count. Each phase is a run of its own: sessions are
numbered from 0 in each, and each has its own concurrency.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source, Unreadable
from prompt_joules.ingest.formats.fields import between, failed, first_text, in_base, moment, positive
from prompt_joules.ingest.formats.foreign import (
    Row,
    companion,
    count_of,
    dug,
    environment,
    format_of,
    is_number,
    run_name,
    to_server,
    whole,
)
from prompt_joules.ingest.front.content import beside

DEFAULT = "profile_export_aiperf.json"
MEASURED = "profiling"


@dataclass(frozen=True)
class Load:
    """What the summary says about the load: requests at once by phase (None: at a rate), and how many phases were measured."""

    concurrency: Mapping[str, int | None]
    measured: int


def model_of(summary: Mapping[str, Any]) -> str | None:
    """The first model that the run names: since 0.9 under `models`, before under `endpoint`."""
    config = summary.get("input_config")
    return first_text(config, "models.items.0.name", "endpoint.model_names.0")


def load_of(summary: Mapping[str, Any]) -> Load:
    """The load of a run."""
    listed = dug(summary, "input_config", "phases")
    phases = [phase for phase in listed if isinstance(phase, dict)] if isinstance(listed, list) else []
    measured = [phase for phase in phases if (phase.get("kind") or phase.get("name")) != "warmup"]
    if not phases:
        return Load({MEASURED: positive(dug(summary, "input_config", "loadgen", "concurrency"))}, 1)
    effective = dug(summary, "effective_concurrency", "avg")
    mean = count_of(effective)
    reached = max(1, mean) if mean is not None and len(measured) == 1 else None
    known = {str(phase.get("name")): positive(phase.get("concurrency")) for phase in phases}
    return Load({name: count or (reached if name == measured[0].get("name") else None) for name, count in known.items()}, len(measured))


def setup_of(summary: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The columns that are equal in all requests of a run, but for the id of the run. Raises Unreadable when no model is named."""
    model, run_id = model_of(summary), summary.get("benchmark_id")
    if model is None:
        raise Unreadable("has beside it an AIPerf summary that names no model")
    return to_server(
        "AIPerf does not measure the energy of a request",
        run_id=f"aiperf:{run_id}" if isinstance(run_id, str) else run_name("aiperf", source),
        prompt_set=dug(summary, "input_config", "datasets", 0, "type"),
        task="aiperf",
        model_id=model,
        engine=engine_of(summary),
        harness_version=version_of(summary),
        environment=environment(
            cli_command=dug(summary, "run_info", "cli_command") or dug(summary, "input_config", "cli_command"),
            input_tokens_mean=dug(summary, "input_sequence_length", "avg"),
        ),
    )


def engine_of(summary: Mapping[str, Any]) -> str:
    """How the server was asked."""
    return f"openai-{dug(summary, 'input_config', 'endpoint', 'type') or 'unknown'}"


def version_of(summary: Mapping[str, Any]) -> str:
    """The version of AIPerf; those before 0.6 did not write it."""
    return f"aiperf-{summary.get('aiperf_version') or 'unknown'}"


def phase_of(line: Mapping[str, Any], run_id: str, load: Load) -> dict[str, Any]:
    """The run and the concurrency of a request. Where one phase was measured its run has the plain id."""
    kind = dug(line, "metadata", "phase_kind") or dug(line, "metadata", "benchmark_phase") or MEASURED
    name = dug(line, "metadata", "phase_name") or kind
    own = kind != MEASURED or load.measured > 1
    return {"run_id": f"{run_id}:{name}" if own else run_id, "concurrency": load.concurrency.get(str(name))}


def row_of(line: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    metrics = line.get("metrics")

    def metric(name: str) -> Any:
        return in_base(dug(metrics, name), "value")

    session, turn = dug(line, "metadata", "session_num"), dug(line, "metadata", "turn_index")
    started = dug(line, "metadata", "request_start_ns")
    output = whole(metric("usage_completion_tokens") or metric("output_sequence_length"))
    error = line.get("error")
    cancelled = dug(line, "metadata", "was_cancelled") is True
    unanswered = error is not None or cancelled
    row = {
        "sequence": sequence,
        "prompt_id": f"session-{session}-turn-{turn or 0}" if session is not None else f"request-{sequence}",
        "started_at": moment(started / 1e9 if is_number(started) else None),
        "input_tokens": whole(metric("usage_prompt_tokens") or metric("input_sequence_length")),
    }
    if unanswered:
        return row | failed("was cancelled" if error is None else dug(error, "message") or error)
    return row | {
        "output_tokens": output,
        "ttft_s": metric("time_to_first_token"),
        "latency_s": metric("request_latency"),
        "itl_s": between(gaps_of(dug(metrics, "inter_chunk_latency")), output),
    }


def gaps_of(metric: Any) -> list[Any] | None:
    """The gaps between chunks, in s."""
    gaps, unit = dug(metric, "value"), dug(metric, "unit")
    return [in_base({"value": gap, "unit": unit}, "value") for gap in gaps] if isinstance(gaps, list) else None


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[Row]:
    """The requests of a JSONL file; lines that are no request are added to `rejects`. Raises Unreadable without the summary beside it."""
    summary = companion(summary_beside(source.path), "the model and the load")
    setup, load = setup_of(summary, source), load_of(summary)
    for sequence, (number, line) in enumerate(content.objects()):
        if line is None:
            rejects.append(Reject(number, None, "is not a whole JSON object"))
        else:
            yield Row(number, {**setup, **phase_of(line, setup["run_id"], load), **row_of(line, sequence)})


def summary_beside(path: Path) -> Path:
    """Where the summary of a file of requests lies: under the same name when the user chose one, else under AIPerf's own."""
    stem = path.name.split(".jsonl")[0]
    own = (path.with_name(f"{stem}{end}") for end in (".json", "_aiperf.json"))
    return next((name for name in own if beside(name).exists()), path.with_name(DEFAULT))


FORMAT = format_of(
    Facts(
        "aiperf",
        "AIPerf profile_export.jsonl: one request a line",
        "0.5.0 and 0.13.0 (real files), 0.2 and 0.8 (structure from its source)",
        source="AIPerf",
    ),
    recognises=lambda content: content.keys >= {"metadata", "metrics"} and dug(content.first, "metadata", "request_start_ns") is not None,
    rows_of=rows_of,
)
