"""The stream of one answer: from the bytes of server-sent events to text, times and token counts.

Token counts are the server's own (`usage`); where it gives none they are None, never guessed.

Source: OpenAI API reference, chat completions; HTML standard, server-sent events.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from typing import Any

_STOPS = ("stop", "eos_token", "stop_sequence")
_LINE_ENDS = re.compile(rb"\r\n|\n|\r(?!$)")
"""A CR at the end of a block may be the first half of CR LF: it waits for the next."""
_MOST_STRAY = 4000


@dataclass(eq=False)
class RequestFailed(Exception):
    """One request gave no whole answer. `str(error)` is the row's reason."""

    reason: str
    _: KW_ONLY
    again: bool = False  # whether it is worth sending once more
    wait_s: float | None = None  # how long the server asked us to wait, or None
    unreachable: bool = False  # there was no connection
    broke: bool = False  # there was one, and it broke
    stamps_s: tuple[float, ...] = ()  # when pieces of the answer came before it broke


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    text: str  # the answer, reasoning included
    stamps_s: tuple[float, ...]  # monotonic time at which each piece of text arrived; a piece is usually one token
    finished_s: float  # monotonic time at which the server said that it was done
    finish_reason: str  # stop or length
    # input_tokens, output_tokens: the server's count; None if it gave none.
    input_tokens: int | None
    output_tokens: int | None
    model: str | None = None  # what the server calls the model that answered; None if it does not say
    cached_tokens: int | None = None  # prompt tokens that it took from its cache of prefixes; None if it does not say
    fingerprint: str | None = None  # `system_fingerprint`: which build or setup answered; None if it does not say
    done_s: float | None = None  # monotonic time of `[DONE]`, which ends the stream after the last text; None if none came

    @property
    def last_s(self) -> float:
        """Monotonic time of the last token: of the last text, or of the word that the answer was done, which is when a stop token came."""
        return self.finished_s if self.finish_reason == "stop" or not self.stamps_s else self.stamps_s[-1]

    def token_gaps_s(self) -> list[float] | None:
        """Seconds between tokens; None if the pieces are not the tokens, so that nothing is known between them."""
        stamps_s = self.stamps_s
        if self.finish_reason == "stop" and self.output_tokens == len(stamps_s) + 1:
            stamps_s = (*stamps_s, self.finished_s)  # the stop token has no text
        if not stamps_s or len(stamps_s) != self.output_tokens:
            return None
        return [later - earlier for earlier, later in pairwise(stamps_s)]


@dataclass
class AnswerStream:
    """Server-sent events as they come in."""

    pieces: list[str] = field(default_factory=list)
    stamps_s: list[float] = field(default_factory=list)
    finish: str | None = None
    finished_s: float = 0.0
    done_s: float | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    model: str | None = None
    fingerprint: str | None = None
    begun: bool = False
    rest: bytes = b""
    stray: str = ""
    heard: Callable[[str], object] | None = None

    def feed(self, block: bytes) -> None:
        """Bytes as they come. Lines of server-sent events end at LF, CR or both and nowhere else: U+2028 is text. Raises as `take`."""
        self.begun = self.begun or bool(block.strip())
        *lines, self.rest = _LINE_ENDS.split(self.rest + block)
        for line in lines:
            self.take(line.decode("utf-8", "replace"))

    def take(self, line: str) -> None:
        """One line. Raises RequestFailed when it is not what the protocol allows, or says that the server failed."""
        now_s = time.perf_counter()
        if not line.startswith("data:"):
            if not line.startswith((":", "event:", "id:", "retry:")):
                self.stray = (self.stray + line)[:_MOST_STRAY]
            return
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            self.done_s = now_s
        if data == "[DONE]" or not data:
            return
        try:
            chunk = json.loads(data)
        except ValueError as error:
            raise self.broken(f"not JSON: {data[:80]!r}") from error
        if not isinstance(chunk, dict):
            raise self.broken(f"not an object: {data[:80]!r}")
        if chunk.get("error"):
            raise RequestFailed(f"the server failed: {_message(chunk)}", stamps_s=tuple(self.stamps_s))
        if isinstance(chunk.get("model"), str):
            self.model = chunk["model"]
        if isinstance(chunk.get("system_fingerprint"), str):
            self.fingerprint = chunk["system_fingerprint"]
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        choices = chunk.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._take_choice(choices[0], now_s)

    def _take_choice(self, choice: dict[str, Any], now_s: float) -> None:
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        names = ("reasoning_content", "reasoning", "content")
        text = "".join(dict.fromkeys(value for name in names if (value := _text_of(delta.get(name)))))
        if text:
            self.pieces.append(text)
            self.stamps_s.append(now_s)
            if self.heard is not None:
                self.heard(text)
        if choice.get("finish_reason"):
            self.finish, self.finished_s = str(choice["finish_reason"]), now_s

    def broken(self, why: str) -> RequestFailed:
        """The error for a stream that cannot be used."""
        return RequestFailed(f"the stream broke: {why}", stamps_s=tuple(self.stamps_s))

    def answer(self) -> Answer:
        """The whole answer. Raises RequestFailed: it ended without a finish reason, or for a reason that is no end of an answer."""
        if self.finish is None and not self.pieces and self.stray.strip():
            raise self.broken(f"it ended without a finish reason; the server said: {said(self.stray)}")
        if self.finish is None:
            raise self.broken("it ended without a finish reason")
        if self.finish not in (*_STOPS, "length"):
            raise RequestFailed(f"the server ended with finish_reason={self.finish}", stamps_s=tuple(self.stamps_s))
        text = "".join(self.pieces)
        output_tokens = _count(self.usage.get("completion_tokens"))
        if text and not output_tokens:
            output_tokens = None  # it cannot have written text without a token
        finish = "length" if self.finish == "length" else "stop"
        input_tokens = _count(self.usage.get("prompt_tokens"))
        details = self.usage.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
        stamps_s = tuple(self.stamps_s)
        told = (self.model, cached, self.fingerprint, self.done_s)
        return Answer(text, stamps_s, self.finished_s, finish, input_tokens, output_tokens, *told)


def _text_of(value: object) -> str:
    """Text of a piece: a string, or a list of parts with texts (as Mistral's reasoning models send)."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def _count(value: object) -> int | None:
    """A token count, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def said(content: bytes | str) -> str:
    """What an answer that is no stream says, JSON or not, in at most 300 characters."""
    try:
        said = _message(json.loads(content))
    except ValueError:
        said = content if isinstance(content, str) else content.decode("utf-8", "replace")
    return " ".join(said.split())[:300]


def _message(content: Any) -> str:
    """The sentence in an error, in any of the shapes that servers use."""
    found = content
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    return found if isinstance(found, str) else json.dumps(found)


def words(error: BaseException) -> str:
    """An exception in one line; its kind where it has no words."""
    return " ".join(str(error).split()) or type(error).__name__
