"""`vllm bench serve --save-result --save-detailed`: one JSON object per run with a list per request metric.

With --append-result a file holds several runs, one a line. A request's latency is not in the file; it is time to first token plus
all gaps. vLLM measures no energy: null, with the reason.
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source, Unreadable
from prompt_joules.ingest.formats.fields import between, failed, first_text, positive
from prompt_joules.ingest.formats.foreign import Row, environment, format_of, is_number, run_name, to_server, words

LISTS = ("input_lens", "output_lens", "ttfts", "itls", "errors")
KEYS = {"model_id", "num_prompts", *LISTS}
LONGEST_S = 366 * 86_400
# A request whose tokens are no text: the tool waits for text, and takes no time.
SILENT = "wrote tokens but no text, so that no time was taken"
# Two chunks arrived together when their gap is this part of the usual one.
AT_ONCE = 0.05
FACTS = (
    *("backend", "endpoint_type", "label", "tokenizer_id", "request_rate", "burstiness", "max_concurrency"),
    *("max_concurrent_requests", "duration"),
)
UNLIMITED = "sent at a rate without a limit; max_concurrent_requests is the most that were in flight at one moment"


def setup_of(content: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """The columns that are equal in all requests of a run.

    Of requests that were sent at a rate without a limit the concurrency is not known: the most that were in flight at one moment say how
    uneven their times were, not how many the server answered at once. Without a rate all were sent together, and that many were in flight.
    """
    limit, at_most = (positive(content.get(name)) for name in ("max_concurrency", "max_concurrent_requests"))
    rate = content.get("request_rate")
    at_a_rate = isinstance(rate, int | float) and math.isfinite(rate)
    return to_server(
        "vllm bench serve does not measure energy",
        run_id=run_id,
        task="vllm-bench",
        model_id=content["model_id"],
        engine=first_text(content, "backend", "endpoint_type") or "vllm",
        harness_version="vllm-bench-serve",
        gpu_model=first_text(content, "gpu_model", "gpu"),
        concurrency=limit if limit or at_a_rate else at_most,
        environment=environment(
            **{name: content.get(name) for name in FACTS}, concurrency_reason=UNLIMITED if at_a_rate and not limit else None
        ),
    )


def starts_of(content: Mapping[str, Any]) -> list[datetime | None]:
    """When each request started: `date` is the end of the run in the clock of its machine; `start_times` are s of no epoch.

    Without a date None for all; without start times or the run's `duration` the date for all.
    """
    count = len(content["ttfts"])
    try:
        ended = datetime.strptime(str(content.get("date")), "%Y%m%d-%H%M%S")
    except ValueError:
        return [None] * count
    clock, length = content.get("start_times"), content.get("duration")
    if not isinstance(clock, list) or len(clock) != count or not all(is_number(value) for value in (*clock, length)):
        return [ended] * count
    left = [length - (value - min(clock)) for value in clock]
    return [ended - timedelta(seconds=seconds) if 0 <= seconds < LONGEST_S else ended for seconds in left]


def row_of(content: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The columns of one request; times in s."""
    error = content["errors"][index]
    row = {"sequence": index, "prompt_id": f"request-{index:06d}", "input_tokens": content["input_lens"][index]}
    if error:
        return row | failed(str(error).strip().splitlines()[-1])
    tokens = content["output_lens"][index]
    if content["ttfts"][index] == 0 and not content["itls"][index] and tokens:
        return row | {"output_tokens": tokens} | failed(SILENT)
    texts = content.get("generated_texts")
    text = words(texts[index]) if isinstance(texts, list) and index < len(texts) else {}
    # The first chunk of a chat names the role, and holds no token.
    chat = any("chat" in str(content.get(key)) for key in ("backend", "endpoint_type"))
    return row | text | {"output_tokens": tokens} | times_of(content["ttfts"][index], content["itls"][index], tokens, chat)


def times_of(ttft: Any, gaps: Any, tokens: Any, chat: bool = False) -> dict[str, Any]:
    """Latency, time to first token and gaps (s) out of the arrival of chunks, which need not hold one token each.

    Some servers send an empty chunk before they compute. That was so when there are more chunks than tokens and the second took longer than
    the first: the time to first token is then unknown. vLLM sends the role of a chat together with the first token: that gap is none
    between tokens.
    """
    if not (is_number(ttft) and isinstance(gaps, list) and all(is_number(gap) for gap in gaps) and isinstance(tokens, int)):
        return {"ttft_s": ttft, "latency_s": None, "itl_s": None}
    empty_first = len(gaps) >= tokens and bool(gaps) and gaps[0] > ttft
    kept = gaps[1:] if chat and len(gaps) > 1 and gaps[0] < AT_ONCE * statistics.median(gaps[1:]) else gaps
    return {"ttft_s": None if empty_first else ttft, "latency_s": ttft + sum(gaps), "itl_s": between(kept, tokens)}


def refuse_torn(run: Mapping[str, Any], tool: str) -> None:
    """Raise Unreadable unless a run's lists are lists of one length."""
    if not all(isinstance(run.get(name), list) for name in LISTS):
        raise Unreadable(f"is a result of {tool} whose per-request lists are not lists")
    lengths = {len(run[name]) for name in LISTS}
    if len(lengths) != 1:
        raise Unreadable(f"is a result of {tool} whose per-request lists have different lengths ({min(lengths)} to {max(lengths)})")


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[Row]:
    """The requests of all runs of a file, numbered through; lines that are no run are added to `rejects`."""
    number = 0
    for place, (line, run) in enumerate(content.objects()):
        if run is None or not run.keys() >= KEYS:
            rejects.append(Reject(line, None, "is no whole run with details"))
            continue
        refuse_torn(run, "vLLM")
        setup = setup_of(run, run_name("vllm-bench", source) + (f":{place}" if place else ""))
        for index, start in enumerate(starts_of(run)):
            number += 1
            yield Row(number, setup | row_of(run, index) | ({"started_at": start} if start else {}))


FORMAT = format_of(
    Facts(
        "vllm-bench",
        "vllm bench serve --save-result --save-detailed",
        "0.22.1 and 0.26.0 (real files), 0.6 to 0.26 (structure from its source)",
        source="vLLM",
    ),
    recognises=lambda content: not content.is_list and content.keys >= KEYS,
    rows_of=rows_of,
)
