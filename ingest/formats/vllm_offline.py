"""`vllm bench latency` and `vllm bench throughput`, as `NAME.pytorch.json` → `published`.

The plain result names neither the model, which `--model` can say, nor its arguments. vLLM writes both into `NAME.pytorch.json` beside it
when `SAVE_TO_PYTORCH_BENCHMARK_FORMAT=1` is set. Latency is that of a whole batch of random tokens; throughput counts tokens of prompts
and answers together, so it is a figure only where all prompts and all answers have one length.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from prompt_joules.ingest.formats.base import Content, Facts, Source, Unreadable
from prompt_joules.ingest.formats.fields import measured
from prompt_joules.ingest.formats.figures import Run, format_of
from prompt_joules.ingest.formats.foreign import dug, is_number

LATENCY = {"avg_latency", "latencies", "percentiles"}
THROUGHPUT = {"elapsed_time", "num_requests", "total_num_tokens", "tokens_per_second"}
OURS = {"source": "vLLM", "generation": "vllm", "engine": "vllm"}
RECORD = {"benchmark", "model", "metric"}
BESIDE = "run vLLM with SAVE_TO_PYTORCH_BENCHMARK_FORMAT=1 and load the NAME.pytorch.json that it writes beside this file"
PLAIN = f"names no model: load it with --model ORGANISATION/NAME, or {BESIDE}"
MIXED = f"counts tokens of prompts and answers together and says no length: {BESIDE}"
VARIES = "counts tokens of prompts and answers together, and their lengths vary or are not said"


def figure_of(record: Mapping[str, Any]) -> Mapping[str, Any] | str | None:
    """The figure of one record, or why it is none; None for a record that says a part of another one again."""
    name, said = dug(record, "metric", "name"), dug(record, "metric", "extra_info")
    arguments = dug(record, "benchmark", "extra_info", "args")
    if not isinstance(said, Mapping) or not isinstance(arguments, Mapping) or name not in ("latency", "requests_per_second"):
        return None
    model = dug(record, "model", "name")
    if not isinstance(model, str):
        return "names no model"
    lengths = arguments.get("input_len"), arguments.get("output_len")
    spread = arguments.get("tensor_parallel_size")
    common = OURS | {
        "published_model_id": model,
        "parallelism": f"tp{spread}" if is_number(spread) else None,
        "task": f"vllm-bench-{'latency' if name == 'latency' else 'throughput'}",
        "dtype": said_type(arguments),
        "input_tokens": lengths[0],
        "output_tokens": lengths[1],
        "harness_version": "vllm-bench",
    }
    values = latency_of(record, said, arguments) if name == "latency" else throughput_of(said, *lengths)
    return values if isinstance(values, str) else {**common, **values}


def said_type(arguments: Mapping[str, Any]) -> str | None:
    """The format of the weights, where it was chosen."""
    named = [arguments.get(key) for key in ("quantization", "dtype")]
    return next((name for name in named if isinstance(name, str) and name != "auto"), None)


def latency_of(record: Mapping[str, Any], said: Mapping[str, Any], arguments: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """The figure of a batch: every answer lasts as long as the batch (s), and has its length exactly."""
    mean: Any = said.get("avg_latency")
    batch: Any = arguments.get("batch_size")
    tokens: Any = arguments.get("output_len")
    if not (is_number(mean) and mean > 0 and is_number(batch) and is_number(tokens)):
        return "says no mean latency, no batch or no length of the answers"
    times = dug(record, "metric", "benchmark_values")
    return {
        "batch_size": batch,
        "concurrency": 1,
        "prompts": batch * len(times) if isinstance(times, list) else None,
        "throughput_tps": batch * tokens / mean,
        "latency_s": mean,
    }


def throughput_of(said: Mapping[str, Any], prompt: Any, answer: Any) -> Mapping[str, Any] | str:
    """Output tokens per s, where the total shows that every prompt and every answer has the length that was asked for."""
    figures: list[Any] = [said.get(key) for key in ("elapsed_time", "num_requests", "total_num_tokens")]
    time, count, total = figures
    if not all(is_number(value) for value in (time, count, total, prompt, answer)) or time <= 0 or total != count * (prompt + answer):
        return VARIES
    return {"prompts": count, "throughput_tps": count * answer / time}


def plain(result: Mapping[str, Any], model: str) -> Mapping[str, Any] | str:
    """The figure of a plain result of latency: its batch and its lengths are not known."""
    mean = measured(result["avg_latency"])
    if not is_number(mean):
        return "says no mean latency"
    return OURS | {
        "published_model_id": model,
        "task": "vllm-bench-latency",
        "latency_s": mean,
        "harness_version": "vllm-bench, batches of unknown size",
    }


def _read(source: Source, content: Content) -> Iterator[Run]:
    if content.keys >= LATENCY or content.keys >= THROUGHPUT:
        if source.model is None or content.keys >= THROUGHPUT:
            raise Unreadable(PLAIN if content.keys >= LATENCY else MIXED)
        yield 1, plain(content.first, source.model)
        return
    for number, record in content.objects():
        values = "is no whole record" if record is None or not record.keys() >= RECORD else figure_of(record)
        if values is not None:
            yield number, values


def _recognises(content: Content) -> bool:
    if content.kind not in ("document", "lines"):
        return False
    if content.keys >= LATENCY or content.keys >= THROUGHPUT:
        return True
    if not content.keys >= RECORD:
        return False
    return dug(content.first, "metric", "name") in ("latency", "requests_per_second") and isinstance(
        dug(content.first, "benchmark", "extra_info", "args"), Mapping
    )


FORMAT = format_of(
    Facts(
        "vllm-bench-offline",
        "vllm bench latency and throughput, NAME.pytorch.json",
        "0.22.1 (real files), NAME.pytorch.json of 0.10 to 0.26 (structure from its source)",
    ),
    recognises=_recognises,
    read=_read,
)
