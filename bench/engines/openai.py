"""Any OpenAI-compatible server, one streamed chat completion at a time: what is sent, and what can go wrong on the way.

`answer_stream` reads what comes back. This module knows neither energy nor rows.

Source: OpenAI API reference, chat completions; the extensions `top_k`, `repetition_penalty` and `ignore_eos` as vLLM and SGLang name them.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from prompt_joules.bench.engines.answer_stream import Answer, AnswerStream, RequestFailed, said, words
from prompt_joules.bench.engines.base import Sampling
from prompt_joules.bench.tasks import Task

RETRIED = (429, 500, 502, 503, 504, 529)
"""HTTP statuses that a server may answer differently a moment later."""
_LONGEST_WAIT_S = 30.0
_CONNECT_S = 10.0
_LOOKS = 5
"""How often a server whose stream broke is asked whether it is still there."""


SWITCHED_OFF: dict[str, dict[str, Any]] = {
    "vllm": {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0},
    "sglang": {"top_k": -1, "repetition_penalty": 1.0, "min_p": 0.0},
    "llama.cpp": {"top_k": 0, "repeat_penalty": 1.0, "min_p": 0.0, "cache_prompt": False},
}
"""What a known server must be told so that none of its own or the model's defaults is added to the sampling."""


def request_body(
    model: str,
    task: Task,
    prompt: str,
    seed: int | None,
    sampling: Sampling,
    *,
    fixed_length: bool = False,
    dialect: str | None = None,
    place: int | None = None,
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
        place: the place (slot) of llama.cpp's server that is to answer, from 0. None: the server chooses.
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
    if place is not None:
        body["id_slot"] = place
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
    stream = AnswerStream(heard=heard)
    try:
        async with asyncio.timeout(timeout_s):
            limits = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
            async with client.stream("POST", "chat/completions", json=body, timeout=limits) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(response, await response.aread())
                async for block in response.aiter_bytes():
                    stream.feed(block)
                stream.feed(b"\n")
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise RequestFailed(f"no connection: {words(error)}", again=True, unreachable=True) from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise RequestFailed(f"no whole answer within {timeout_s:g} s", stamps_s=tuple(stream.stamps_s)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        broke = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError)
        again = broke and (not stream.begun or await _is_gone(client))
        raise RequestFailed(f"the stream broke: {words(error)}", again=again, broke=broke, stamps_s=tuple(stream.stamps_s)) from error
    return stream.answer()


async def _is_gone(client: httpx.AsyncClient) -> bool:
    """Whether nobody listens at the address any more: then the stream broke because the server ended, not because of this answer."""
    for _ in range(_LOOKS):  # the first may meet a connection that died with the server
        try:
            await client.get("models", timeout=5.0)
        except httpx.ConnectError:
            return True
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
        else:
            return False
    return False


def _refused(response: httpx.Response, content: bytes) -> RequestFailed:
    wait_s: float | None
    try:
        wait_s = min(max(float(response.headers["retry-after"]), 0.0), _LONGEST_WAIT_S)
    except (KeyError, ValueError):
        wait_s = None
    return RequestFailed(f"HTTP {response.status_code}: {said(content)}", again=response.status_code in RETRIED, wait_s=wait_s)
