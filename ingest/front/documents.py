"""JSON: a whole document, or one object a line.

Keys are looked at without building what they hold, so that a large foreign file costs its bytes only.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from prompt_joules.ingest.front.unpack import Unreadable, content_of, lines_of, place

LARGEST_JSON = 64 * 1024 * 1024
# Bytes that the values of a document may take as Python objects, by what each mark in its text stands for at most.
LARGEST_VALUES = 640 * 1024 * 1024
COSTS = {",": 40, ":": 100, "[": 64, "{": 64}
SMALL = 1024 * 1024
BETWEEN = " \t\r\n,"
# What only Python reads as JSON: NaN, Infinity and halves of surrogate pairs are in no standard.
LOOSE = (b"NaN", b"Infinity", b"\\ud", b"\\uD")
OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
LIST = msgspec.json.Decoder(list[msgspec.Raw])


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= 19 else float(digits)


def parse_json(text: bytes | str) -> Any:
    """JSON; a whole number that is too large becomes infinite, which no check lets pass. Raises ValueError, RecursionError."""
    return json.loads(text, parse_int=_whole)


def refuse_vast(text: bytes | str) -> None:
    """Raise Unreadable for JSON whose values would take far more memory than its bytes, such as millions of empty lists."""
    if len(text) < SMALL:
        return
    counts = {mark: text.count(mark) if isinstance(text, str) else text.count(mark.encode()) for mark in COSTS}
    if sum(cost * counts[mark] for mark, cost in COSTS.items()) > LARGEST_VALUES:
        raise Unreadable(f"holds {counts[','] + 1:,} values in {len(text):,} bytes, more than a JSON document may have: split it")


def document_of(path: Path) -> bytes:
    """The bytes of a JSON document. Raises Unreadable for one that is too large, OSError."""
    content = content_of(path)
    if len(content) > LARGEST_JSON:
        raise Unreadable(f"has {len(content):,} bytes; a JSON document may have {LARGEST_JSON:,}")
    return content


def keys_of(content: bytes) -> frozenset[str]:
    """The keys of a JSON object, or of the first object of a list; nothing for other JSON. Raises Unreadable when it is no whole JSON."""
    try:
        return _keys(content)
    except msgspec.ValidationError:
        return frozenset()
    except RecursionError as error:
        raise Unreadable("is JSON that is nested too deeply") from error
    except msgspec.DecodeError as error:
        if not any(mark in content for mark in LOOSE):
            raise Unreadable(f"is no whole JSON: {_where(content, str(error))}") from error
    found = value_of(content)
    first = next(iter(found), None) if isinstance(found, list) else found
    return frozenset(first) if isinstance(first, Mapping) else frozenset()


def _keys(content: bytes) -> frozenset[str]:
    start = content.lstrip()[:1]
    if start == b"{":
        return frozenset(OBJECT.decode(content))
    items = LIST.decode(content)
    return _keys(bytes(items[0])) if items and bytes(items[0])[:1] == b"{" else frozenset()


def _where(content: bytes, said: str) -> str:
    """What a decoder says, with the line of the fault instead of the byte alone."""
    what, found, number = said.removeprefix("JSON is malformed: ").partition(" (byte ")
    if not found:
        return f"it is cut off ({place(content, len(content))})"
    return f"{what} ({place(content, int(number.removesuffix(')')))})"


def value_of(content: bytes) -> Any:
    """A whole JSON document. Raises Unreadable."""
    refuse_vast(content)
    try:
        return parse_json(content)
    except json.JSONDecodeError as error:
        raise Unreadable(f"is no whole JSON: {error.msg} (line {error.lineno:,}, column {error.colno:,})") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable("is JSON that is nested too deeply") from error


def is_object(line: str) -> bool:
    """Whether a line is a whole JSON object."""
    try:
        return line.lstrip().startswith("{") and bool(keys_of(line.encode("utf-8", "surrogatepass")))
    except Unreadable:
        return False


def objects_of_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The JSON objects of a file of lines, each with its line; None for a line that is no whole JSON object. Blank lines are left out."""
    for number, line in lines_of(path, LARGEST_JSON):
        if line is None or line.strip():
            yield number, _object_of(line)


def _object_of(line: str | None) -> dict[str, Any] | None:
    refuse_vast(line or "")
    try:
        found = None if line is None else parse_json(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def objects_of_list(content: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The objects of a JSON list that may end anywhere, each with its place from 1; None for an item that is no whole object."""
    refuse_vast(content)
    text = content.decode("utf-8")
    decoder = json.JSONDecoder(parse_int=_whole)
    place, number = text.index("[") + 1, 0
    while True:
        while place < len(text) and text[place] in BETWEEN:
            place += 1
        if place >= len(text) or text[place] == "]":
            return
        number += 1
        try:
            found, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            yield number, None
            return
        yield number, found if isinstance(found, dict) else None
