"""The per-prompt JSON that the ML.ENERGY v1 script wrote, with its `config*.json` beside it. A run that was stopped has no closing bracket.

Energy is Zeus's window around one answer. Its length is that of the
answer encoded again: without the stop token, with a first special token where the tokenizer adds one, so that it can be
above the limit, which is only kept in `environment`. The script did not note the time; its
throughput is length over latency and is computed again here. With a batch the energy is one of several requests' share.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from prompt_joules.bench.tasks import TASKS
from prompt_joules.ingest.formats.base import Content, Facts, Reject, Source, Unreadable
from prompt_joules.ingest.formats.foreign import Row, environment, format_of, run_name, whole, words
from prompt_joules.ingest.front.content import beside, ending

KEYS = {"model", "throughput", "response_length", "latency"}
# What a concise task's system prompt adds to that of its verbose twin, in our wording and in that of 2023.
CONCISE = re.compile(r" ?The (?:\w+'s answers are|response should be)[^.]*concise[^.]*\.")
# The script's own spelling of the option, which never reached generation.
PENALTY = "repitition_penalty"


def answers(content: Content) -> tuple[list[tuple[int, dict[str, Any]]], list[Reject]]:
    """The objects of a JSON list that may end anywhere, each with its number from 1; a torn last one is refused."""
    found = list(content.objects())
    torn = [
        Reject(number, None, "is no whole JSON object; where a list is cut off, nothing more is read")
        for number, answer in found
        if answer is None
    ]
    return [(number, answer) for number, answer in found if answer is not None], torn


def config_beside(path: Path) -> dict[str, Any]:
    """The settings of a run: the config of the same ending, or the only config in the folder. Raises Unreadable."""
    same = beside(path.with_name("config" + path.name.removeprefix("benchmark").split(".json")[0] + ".json"))
    others = sorted(other for other in path.parent.glob("config*.json*") if ending(other) == ".json")
    chosen = same if same in others else others[0] if len(others) == 1 else None
    try:
        content = Content.of(chosen).json if chosen else {}
    except (Unreadable, OSError):
        content = {}
    if not isinstance(content, dict):
        content = {}
    task = content.get("task") or next((part for part in reversed(path.parts[:-1]) if part in TASKS), None)
    if not isinstance(task, str):
        raise Unreadable("needs its config*.json beside it, which says the task")
    return content | {"task": task}


def setup_of(config: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The columns that are equal in all answers. The penalty was never applied, so it is 1."""
    batch = config.get("batch_size", 1)
    return {
        "run_id": run_name("mlenergy-v1", source),
        "prompt_set": Path(config["input_file"]).name if isinstance(config.get("input_file"), str) else None,
        "task": config["task"],
        "dtype": "int8" if config.get("load_8bit") is True else "float16",
        "engine": "transformers-eager",
        "harness_version": "mlenergy-v1",
        "device": "cuda",
        "num_gpus": 1,
        "gpu_model": config.get("gpu_model") or "unknown",
        "batch_size": batch,
        "concurrency": 1,
        "temperature": config.get("temperature"),
        "repetition_penalty": 1.0,
        "prompt_template": "fastchat",
        "energy_source": "zeus",
        "energy_attribution": "exclusive" if batch == 1 else "shared",
        "environment": environment(
            repetition_penalty_asked=config.get(PENALTY),
            max_new_tokens_asked=config.get("max_new_tokens"),
            model_path=config.get("model_path"),
        ),
    }


def row_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of one answer; `prompt_id` is left to the caller."""
    energy = answer.get("energy")
    model = answer.get("model")
    return {
        "model_id": model.replace("--", "/") if isinstance(model, str) else model,
        "output_tokens": whole(answer.get("response_length")),
        "latency_s": answer.get("latency"),
        "energy_j": energy,
        "energy_reason": "the script wrote no energy" if energy is None else None,
        "prompt_text": plain(answer.get("input")),
        **words(plain(answer.get("output"))),
    }


def plain(text: Any) -> str | None:
    """A prompt or an answer as text; the turns of a list become lines."""
    if isinstance(text, list):
        return "\n".join(part if isinstance(part, str) else json.dumps(part) for part in text)
    return text if isinstance(text, str) else None


def prompt_name(text: str | None, number: int) -> str:
    """An id that is equal for the same question under another task's system prompt, so that tasks can be paired."""
    if text is None:
        return f"answer-{number:06d}"
    text = CONCISE.sub("", text, count=1)
    for task in TASKS.values():
        text = text.replace(task.system, "")
    return sha256(text.strip().encode("utf-8", "replace")).hexdigest()[:16]


def rows_of(source: Source, content: Content, rejects: list[Reject]) -> Iterator[Row]:
    """The answers of a file, in order; a torn one is added to `rejects`. Raises Unreadable without the config beside it."""
    setup = setup_of(config_beside(source.path), source)
    found, torn = answers(content)
    rejects += torn
    seen: Counter[str] = Counter()
    for index, (number, answer) in enumerate(found):
        row = row_of(answer)
        name = prompt_name(row["prompt_text"], index)
        yield Row(number, setup | row | {"sequence": index, "prompt_id": name, "repetition": seen[name]})
        seen[name] += 1


FORMAT = format_of(
    Facts(
        "mlenergy-v1-prompts",
        "ML.ENERGY v1 per-prompt JSON, whole or cut off, beside its config*.json",
        "the script of 2023 (structure from its source)",
        source="ML.ENERGY v1",
    ),
    recognises=lambda content: content.is_list and content.keys >= KEYS,
    rows_of=rows_of,
)
