"""`vllm bench serve --save-result --save-detailed`: one JSON file per run with a list per request metric.

A request's latency is not in the file; it is time to first token plus all gaps. vLLM measures no energy: null, with the reason.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from ingest.formats.base import Format, Head, Loaded, Source, Unreadable
from ingest.formats.foreign import NO_ENERGY, Row, environment, file_time, is_number, run_name, store_requests, words

LISTS = ("input_lens", "output_lens", "ttfts", "itls", "errors")
KEYS = {"model_id", "num_prompts", *LISTS}
REASON = "vllm bench serve does not measure energy"
FACTS = ("backend", "endpoint_type", "label", "tokenizer_id", "request_rate", "burstiness", "max_concurrency", "duration")


def setup_of(content: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The columns that are equal in all requests."""
    backend = content.get("backend") or content.get("endpoint_type")
    limit = content.get("max_concurrency")
    requests = len(content["ttfts"])
    return NO_ENERGY | {
        "run_id": run_name("vllm-bench", source),
        "task": "vllm-bench",
        "model_id": content["model_id"],
        "engine": backend if isinstance(backend, str) else "vllm",
        "harness_version": "vllm-bench-serve",
        "concurrency": limit if isinstance(limit, int) else max(1, min(requests, 32_767)),
        "started_at": _began(content.get("date")) or file_time(source),
        "prompt_template": "server",
        "energy_reason": REASON,
        "environment": environment(**{name: content.get(name) for name in FACTS}),
    }


def _began(date: Any) -> datetime | None:
    """The file's date, e.g. 20251120-093210, in the clock of its machine, taken as UTC."""
    try:
        return datetime.strptime(date, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def row_of(content: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    error = content["errors"][index]
    row = {"sequence": index, "prompt_id": f"request-{index:06d}", "input_tokens": content["input_lens"][index]}
    if error:
        return row | {"status": "failed", "finish_reason": "error", "reason": str(error).strip().splitlines()[-1]}
    ttft, gaps = content["ttfts"][index], content["itls"][index]
    tokens = content["output_lens"][index]
    known = is_number(ttft) and isinstance(gaps, list) and all(is_number(gap) for gap in gaps)
    texts = content.get("generated_texts")
    text = words(texts[index]) if isinstance(texts, list) and index < len(texts) else {}
    return (
        row
        | text
        | {
            "output_tokens": tokens,
            "ttft_s": ttft,
            "latency_s": ttft + sum(gaps) if known else None,
            "itl_s": gaps if isinstance(gaps, list) and isinstance(tokens, int) and len(gaps) + 1 == tokens else None,
        }
    )


def _recognises(head: Head) -> bool:
    content = head.json if head.path.suffix == ".json" else None
    return isinstance(content, dict) and content.keys() >= KEYS


def _load(connection: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> list[Loaded]:
    loaded = []
    for source in sources:
        content = Head.of(source.path).json
        if not isinstance(content, dict) or not all(isinstance(content.get(name), list) for name in LISTS):
            raise Unreadable("is a vLLM result whose per-request lists are not lists")
        lengths = {len(content[name]) for name in LISTS}
        if len(lengths) != 1:
            raise Unreadable(f"is a vLLM result whose per-request lists have different lengths ({min(lengths)} to {max(lengths)})")
        setup = setup_of(content, source)
        rows = [Row(index + 1, setup | row_of(content, index)) for index in range(len(content["ttfts"]))]
        loaded.append(store_requests(connection, source, rows))
    return loaded


FORMAT = Format(
    name="vllm-bench",
    meaning="vllm bench serve --save-result --save-detailed",
    recognises=_recognises,
    load=_load,
    into="requests",
)
