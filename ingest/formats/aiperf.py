"""AIPerf: `profile_export.jsonl`, one request a line, with `profile_export_aiperf.json` beside it, which says model and load.

AIPerf measures time, not the energy of a request: energy is null, with the reason. Lengths are those that the server
counted when it reports usage (template included), else AIPerf's own count.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from prompt_joules.ingest.formats.base import Content, Format, Loaded, Reject, Source, Unreadable, content_of
from prompt_joules.ingest.formats.foreign import NO_ENERGY, Row, companion, dug, environment, is_number, scaled, store_requests, whole

SUMMARY = "profile_export_aiperf.json"
REASON = "AIPerf does not measure the energy of a request"


def setup_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that are equal in all requests of a run. Raises Unreadable when no model is named."""
    model = dug(summary, "input_config", "models", "items", 0, "name")
    run_id = summary.get("benchmark_id")
    if not isinstance(model, str) or not isinstance(run_id, str):
        raise Unreadable(f"has beside it a {SUMMARY} that names no model or no benchmark_id")
    phases = dug(summary, "input_config", "phases")
    loads = [phase.get("concurrency") for phase in phases if isinstance(phase, dict)] if isinstance(phases, list) else []
    concurrency = next((load for load in loads if isinstance(load, int)), None)
    effective = dug(summary, "effective_concurrency", "avg")
    if concurrency is None and is_number(effective):
        concurrency = max(1, round(effective))
    return NO_ENERGY | {
        "run_id": f"aiperf:{run_id}",
        "prompt_set": dug(summary, "input_config", "datasets", 0, "type"),
        "task": "aiperf",
        "model_id": model,
        "engine": f"openai-{dug(summary, 'input_config', 'endpoint', 'type') or 'unknown'}",
        "harness_version": f"aiperf-{summary.get('aiperf_version')}",
        "concurrency": concurrency,
        "prompt_template": "server",
        "energy_reason": REASON,
        "environment": environment(
            cli_command=dug(summary, "run_info", "cli_command"), input_tokens_mean=dug(summary, "input_sequence_length", "avg")
        ),
    }


def row_of(line: Mapping[str, Any], sequence: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    metrics = line.get("metrics")

    def metric(name: str) -> Any:
        return dug(metrics, name, "value")

    session, turn = dug(line, "metadata", "session_num"), dug(line, "metadata", "turn_index")
    started = dug(line, "metadata", "request_start_ns")
    output = whole(metric("usage_completion_tokens") or metric("output_sequence_length"))
    gaps = metric("inter_chunk_latency")
    error = line.get("error")
    cancelled = dug(line, "metadata", "was_cancelled") is True
    failed = error is not None or cancelled
    row = {
        "sequence": sequence,
        "prompt_id": f"session-{session}-turn-{turn or 0}" if session is not None else f"request-{sequence}",
        "started_at": datetime.fromtimestamp(started / 1e9, UTC) if is_number(started) and 0 <= started < 4e18 else None,
        "input_tokens": whole(metric("usage_prompt_tokens") or metric("input_sequence_length")),
        "status": "failed" if failed else "ok",
    }
    if failed:
        why = "was cancelled" if error is None else str(dug(error, "message") or error)
        return row | {"reason": why, "finish_reason": "error"}
    return row | {
        "output_tokens": output,
        "ttft_s": scaled(metric("time_to_first_token"), 1e-3),
        "latency_s": scaled(metric("request_latency"), 1e-3),
        "itl_s": [scaled(gap, 1e-3) for gap in gaps] if isinstance(gaps, list) and len(gaps) + 1 == output else None,
    }


def rows_of(content: Content, setup: Mapping[str, Any]) -> tuple[list[Row], list[Reject]]:
    """The requests of a JSONL file, and the lines that are no request. Warm-up requests are a run of their own."""
    rows, rejects = [], []
    for number, line in content.objects():
        if line is None:
            rejects.append(Reject(number, None, "is not a whole JSON object"))
            continue
        phase = dug(line, "metadata", "benchmark_phase")
        other = {"run_id": f"{setup['run_id']}:{phase}"} if isinstance(phase, str) and phase != "profiling" else {}
        rows.append(Row(number, {**setup, **other, **row_of(line, number - 1)}))
    return rows, rejects


def _recognises(content: Content) -> bool:
    return content.keys >= {"metadata", "metrics"} and dug(content.first, "metadata", "request_start_ns") is not None


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded = []
    for source in sources:
        summary = companion(source.path.with_name(SUMMARY), "the model and the load")
        rows, rejects = rows_of(content_of(source), setup_of(summary))
        loaded.append(store_requests(connection, source, rows, rejects))
    return loaded


def _is_summary(content: Content) -> bool:
    return content.keys >= {"aiperf_version", "input_config"}


def _load_summary(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    """Nothing of its own: its facts are in the rows of the JSONL beside it. Its hash is kept."""
    return [Loaded(source, 0, 0) for source in sources]


FORMAT = Format(
    name="aiperf",
    meaning="AIPerf profile_export.jsonl: one request a line",
    recognises=_recognises,
    load=_load,
    into="requests",
)
SUMMARY_FORMAT = Format(
    name="aiperf-summary",
    meaning="AIPerf profile_export_aiperf.json: read with the requests beside it",
    recognises=_is_summary,
    load=_load_summary,
)
