"""Prompt sets: the shipped default, or any JSONL of `{id, prompt}`.

A prompt's id is the key on which two tasks are paired, so it is stable and unique within its set. A broken file is
refused with its line. Nothing is repaired or skipped without a word.
"""

import codecs
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompt_joules.bench.errors import BenchError

DEFAULT_PATH = Path(__file__).with_name("default_prompts.jsonl")
FORMAT = 'one JSON object a line, such as {"id": "tides-01", "prompt": "Why are there two tides a day?"}'


class PromptError(BenchError):
    """Base of what can be wrong with prompts; the text names file, line and remedy."""


class PromptFileMissing(PromptError):
    """The prompt file is not there or cannot be read."""


class PromptFileEmpty(PromptError):
    """The prompt file holds no prompts."""


class PromptLineBroken(PromptError):
    """A line is not a prompt. Attributes: `path`, and `line` counted from 1."""

    def __init__(self, path: Path, line: int, what: str) -> None:
        super().__init__(f"{path}, line {line}: {what}. A prompt file has {FORMAT}")
        self.path, self.line = path, line


class DuplicatePromptId(PromptLineBroken):
    """Two prompts have one id; tasks could not be paired."""


@dataclass(frozen=True)
class Prompt:
    """One prompt: a stable id and its text."""

    id: str
    text: str


@dataclass(frozen=True)
class PromptSet:
    """Prompts in the order of their file."""

    name: str  # `default`, or the file's name without its ending
    sha256: str  # hash of all ids and texts, in order; the same prompts give the same hash whatever the file looks like
    prompts: tuple[Prompt, ...]  # at least one


def load_prompts(name_or_path: str) -> PromptSet:
    """Read a prompt set: `default`, or the path of a JSONL file.

    Blank lines and a byte order mark are passed over, further keys are ignored.

    Raises:
        PromptFileMissing, PromptFileEmpty: no such file, nothing in it.
        PromptLineBroken: a line is not UTF-8, not JSON, has a key missing, of the wrong type or empty, or text that a
            tokenizer or a Parquet file cannot hold (NUL, lone surrogates).
        DuplicatePromptId: names both lines.
    """
    path = DEFAULT_PATH if name_or_path == "default" else Path(name_or_path)
    try:
        raw = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise PromptFileMissing(
            f"{path}: cannot read prompts ({error.strerror}). Use --prompts default, or a file with {FORMAT}"
        ) from error
    prompts: list[Prompt] = []
    lines: dict[str, int] = {}
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        prompt = _parse_line(path, number, line)
        if prompt.id in lines:
            raise DuplicatePromptId(path, number, f'id "{prompt.id}" was used in line {lines[prompt.id]} already')
        lines[prompt.id] = number
        prompts.append(prompt)
    if not prompts:
        raise PromptFileEmpty(f"{path}: no prompts in this file. It should have {FORMAT}")
    return PromptSet("default" if path == DEFAULT_PATH else path.stem, prompts_sha256(prompts), tuple(prompts))


def prompts_sha256(prompts: list[Prompt]) -> str:
    """Hash of ids and texts in order, in hexadecimal."""
    digest = hashlib.sha256()
    for prompt in prompts:
        digest.update(json.dumps([prompt.id, prompt.text]).encode() + b"\n")
    return digest.hexdigest()


def _parse_line(path: Path, number: int, line: bytes) -> Prompt:
    try:
        value = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PromptLineBroken(path, number, f"not UTF-8 (byte {error.start + 1})") from error
    except ValueError as error:
        raise PromptLineBroken(path, number, f"not JSON ({error})") from error
    except RecursionError as error:
        raise PromptLineBroken(path, number, "JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise PromptLineBroken(path, number, f"a JSON {type(value).__name__}, not an object")
    texts = {}
    for key in ("id", "prompt"):
        if key not in value:
            raise PromptLineBroken(path, number, f'no key "{key}"')
        fault = text_fault(value[key])
        if fault:
            raise PromptLineBroken(path, number, f'"{key}" {fault}')
        texts[key] = value[key]
    return Prompt(texts["id"], texts["prompt"])


def text_fault(value: Any) -> str | None:
    """What makes this value unfit to be an id or a prompt; None if it is fit."""
    if not isinstance(value, str):
        return f"is a {type(value).__name__}, not a string"
    if not value.strip():
        return "is empty"
    if "\0" in value:
        return "holds a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half a surrogate pair, which is no character"
    return None
