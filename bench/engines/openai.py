"""Any OpenAI-compatible server, one streamed chat completion at a time: what is sent, and what is made of what comes back.

Token counts are the server's own (`usage`); where it gives none they are None, never guessed. This module knows neither energy nor rows.

Source: OpenAI API reference, chat completions; the extensions `top_k`, `repetition_penalty` and `ignore_eos` as vLLM and SGLang name them.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx

from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.tasks import Task

RETRIED = (429, 500, 502, 503, 504, 529)
"""HTTP statuses that a server may answer differently a moment later."""
_STOPS = ("stop", "eos_token", "stop_sequence")
_LONGEST_WAIT_S = 30.0
_CONNECT_S = 10.0
_LINE_ENDS = re.compile(rb"\r\n|\n|\r(?!$)")
"""A CR at the end of a block may be the first half of CR LF: it waits for the next."""
_MOST_STRAY = 4000


class RequestFailed(Exception):
    """One request gave no whole answer. `str(error)` is the row's reason.

    Attributes:
        again: whether it is worth sending once more.
        wait_s: how long the server asked us to wait, or None.
        unreachable: there was no connection.
        stamps_s: when pieces of the answer came before it broke.
    """

    def __init__(
        self,
        reason: str,
        *,
        again: bool = False,
        wait_s: float | None = None,
        unreachable: bool = False,
        stamps_s: tuple[float, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.again = again
        self.wait_s = wait_s
        self.unreachable = unreachable
        self.stamps_s = stamps_s


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        text: the answer, reasoning included.
        stamps_s: monotonic time at which each piece of text arrived; a piece is usually one token.
        finished_s: monotonic time at which the server said that it was done.
        finish_reason: stop or length.
        input_tokens, output_tokens: the server's count; None if it gave none.
        model: what the server calls the model that answered; None if it does not say.
        cached_tokens: prompt tokens that it took from its cache of prefixes; None if it does not say.
        fingerprint: `system_fingerprint`: which build or setup answered; None if it does not say.
    """

    text: str
    stamps_s: tuple[float, ...]
    finished_s: float
    finish_reason: str
    input_tokens: int | None
    output_tokens: int | None
    model: str | None = None
    cached_tokens: int | None = None
    fingerprint: str | None = None

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


@dataclass(frozen=True)
class ServerFacts:
    """What a server says of itself; what it does not say is empty or None.

    Attributes:
        models: those it lists.
        version: its name and version.
        answered_as: what it called the model of its first answer.
        owner: who owns the model, by its list: with vLLM "vllm", with llama.cpp "llamacpp", ...
        fingerprint: of the build or setup that gave the first answer.
    """

    models: tuple[str, ...]
    version: str | None
    answered_as: str | None = None
    owner: str | None = None
    fingerprint: str | None = None

    def other_model(self, asked: str) -> str | None:
        """The model that answered, if it is not the one asked for. A path and its last part are one name; `@revision` does not count."""
        if self.answered_as is None:
            return None
        names = {self.answered_as, self.answered_as.split("@")[0]}
        names |= {name.rstrip("/").rsplit("/", 1)[-1] for name in names}
        return None if {asked, asked.rstrip("/").rsplit("/", 1)[-1]} & names else self.answered_as


SWITCHED_OFF: dict[str, dict[str, Any]] = {
    "vllm": {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0},
    "sglang": {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0},
    "llama.cpp": {"top_k": 0, "repeat_penalty": 1.0, "min_p": 0.0, "cache_prompt": False},
}
"""What a known server must be told so that none of its own or the model's defaults is added to the sampling."""
VERSIONS = (("../version", "version"), ("../info", "version"), ("../server_info", "version"), ("../props", "build_info"))
"""Where a server says its version, and under which name: vLLM, TGI, SGLang, llama.cpp."""
_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp"}


def dialect_of(owner: str | None) -> str | None:
    """The server whose extensions are understood, by who owns its models; None where only OpenAI's own fields are safe."""
    return _OWNERS.get(owner or "")


def request_body(
    model: str, task: Task, prompt: str, seed: int | None, sampling: Sampling, *, fixed_length: bool = False, dialect: str | None = None
) -> dict[str, Any]:
    """What is sent for one prompt.

    Args:
        model: as the server names it.
        task: its system prompt becomes the system message.
        prompt: the user's message.
        seed: 31 bits of it are sent: not every server takes more. None: the server draws as it does for everybody.
        sampling: `top_k` and `repetition_penalty` are sent when they are on, and when off to a server whose `dialect` is known: OpenAI's
            own API does not have them.
        fixed_length: go on after a stop token, up to `max_new_tokens` (for random weights).
        dialect: `vllm`, `sglang` or `llama.cpp`.
    """
    messages = [{"role": "system", "content": task.system}, {"role": "user", "content": prompt}]
    body: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
        **SWITCHED_OFF.get(dialect or "", {}),
    }
    if seed is not None:
        body["seed"] = seed & 0x7FFFFFFF
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        body["repeat_penalty" if dialect == "llama.cpp" else "repetition_penalty"] = sampling.repetition_penalty
    if fixed_length:
        body["ignore_eos"] = True
    return body


async def ask(client: httpx.AsyncClient, body: dict[str, Any], timeout_s: float, heard: Callable[[str], object] | None = None) -> Answer:
    """Send one request and read its stream to the end.

    Args:
        client: its base URL is the server's, with a slash at the end.
        body: see `request_body`.
        timeout_s: for the whole answer.
        heard: gets every piece of text as it comes.

    Raises:
        RequestFailed: no connection, an HTTP error, too slow, or a stream that is broken or incomplete.
    """
    stream = _Stream(heard=heard)
    try:
        async with asyncio.timeout(timeout_s):
            limits = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
            async with client.stream("POST", "chat/completions", json=body, timeout=limits) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(response, await response.aread())
                async for block in response.aiter_bytes():
                    stream.feed(block)
                stream.feed(b"\n")
    except TimeoutError as error:
        raise RequestFailed(f"no whole answer within {timeout_s:g} s", stamps_s=tuple(stream.stamps_s)) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise RequestFailed(f"no connection: {_words(error)}", again=True, unreachable=True) from error
    except httpx.TimeoutException as error:
        raise RequestFailed(f"no whole answer within {timeout_s:g} s", stamps_s=tuple(stream.stamps_s)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        again = not stream.begun and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        raise RequestFailed(f"the stream broke: {_words(error)}", again=again, stamps_s=tuple(stream.stamps_s)) from error
    return stream.answer()


@dataclass
class _Stream:
    """Server-sent events as they come in."""

    pieces: list[str] = field(default_factory=list)
    stamps_s: list[float] = field(default_factory=list)
    finish: str | None = None
    finished_s: float = 0.0
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
            raise self.broken(f"it ended without a finish reason; the server said: {_said(self.stray)}")
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
        return Answer(text, stamps_s, self.finished_s, finish, input_tokens, output_tokens, self.model, cached, self.fingerprint)


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


def _refused(response: httpx.Response, content: bytes) -> RequestFailed:
    wait_s: float | None
    try:
        wait_s = min(max(float(response.headers["retry-after"]), 0.0), _LONGEST_WAIT_S)
    except (KeyError, ValueError):
        wait_s = None
    return RequestFailed(f"HTTP {response.status_code}: {_said(content)}", again=response.status_code in RETRIED, wait_s=wait_s)


def _said(content: bytes | str) -> str:
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


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


async def describe(client: httpx.AsyncClient) -> ServerFacts:
    """Ask a server for its models and its version; what it does not say is left out. Raises RequestFailed: it is not there."""
    try:
        listed = await _get(client, "models")
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise RequestFailed(f"no connection: {_words(error)}", unreachable=True) from error
    data = listed.get("data")
    models = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    owner = next((str(entry["owned_by"]) for entry in models if entry.get("owned_by")), None)
    version = None
    for path, key in VERSIONS:
        version = version or (await _get(client, path)).get(key)
    version = version if isinstance(version, str) else None
    named = " ".join(str(part) for part in (owner, version) if part)
    return ServerFacts(tuple(str(entry["id"]) for entry in models if "id" in entry), named if version else None, owner=owner)


async def _get(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """A JSON object, or {} if the server has none there. Raises httpx.ConnectError, httpx.ConnectTimeout."""
    try:
        response = await client.get(path, timeout=_CONNECT_S)
        content = response.json() if response.status_code == httpx.codes.OK else {}
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise
    except (httpx.HTTPError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
