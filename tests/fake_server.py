"""A real HTTP server with an OpenAI-compatible face whose behaviour a test chooses: what it says, how fast, and how it fails."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

Behaviour = Callable[[dict[str, Any], int], Response]
"""From a request's body and its number (from 0) to the response."""


def event(
    content: str | None = None,
    finish: str | None = None,
    usage: tuple[int, int] | None = None,
    choices: bool = True,
    model: str | None = None,
) -> str:
    """One server-sent event, as vLLM writes it."""
    chunk: dict[str, Any] = {"object": "chat.completion.chunk", "choices": []}
    if model:
        chunk["model"] = model
    if choices:
        chunk["choices"] = [{"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}]
    if usage:
        chunk["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return f"data: {json.dumps(chunk)}\n\n"


def whole(words: int = 5, finish: str = "stop", usage: bool = True) -> list[str]:
    """The events of a good answer of so many words; a stop token without text is counted too."""
    tokens = words + (finish == "stop")
    end = [event(usage=(7, tokens), choices=False)] if usage else []
    return [event(""), *(event(f"word{n} ") for n in range(words)), event(finish=finish), *end, "data: [DONE]\n\n"]


def stream(
    events: list[str],
    pause_s: float = 0.0,
    then: Callable[[], None] | None = None,
    before: Callable[[int], Awaitable[object]] | None = None,
) -> StreamingResponse:
    """Send events with a pause before each; `then` happens at the end and may raise, which breaks the connection.

    `before` is awaited before each event, with its number: for what no pause is sure to be long enough.
    """

    async def send() -> AsyncIterator[str]:
        for number, text in enumerate(events):
            await asyncio.sleep(pause_s)
            if before is not None:
                await before(number)
            yield text
        if then:
            then()

    return StreamingResponse(send(), media_type="text/event-stream")


class FakeServer:
    """Runs in a thread of this process.

    Attributes:
        behaviour: answers every request except those of one token, which first contact sends; those get a good answer.
        bodies: what was asked, first contact left out.
        most_at_once: most requests that were open together.
    """

    def __init__(self, behaviour: Behaviour, port: int = 0, name: str = "fake-1b", owner: str = "fake") -> None:
        self.behaviour = behaviour
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.arrived_s: list[float] = []
        self.most_at_once = self._open = 0
        self.first: Callable[[dict[str, Any]], Response] = lambda body: stream(whole(1, "length"))
        routes = [
            Route("/v1/models", lambda request: JSONResponse({"data": [{"id": name, "owned_by": owner}]})),
            Route("/version", lambda request: JSONResponse({"version": "9.9"})),
            Route("/health", lambda request: JSONResponse({})),
            Route("/metrics", lambda request: PlainTextResponse(self.metrics())),
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
        ]
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(Starlette(routes=routes), log_level="critical", timeout_graceful_shutdown=0, ws="none", lifespan="off")
        )
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def metrics(self) -> str:
        """Its figures in Prometheus' text format, named as vLLM names them."""
        answered = len(self.bodies)
        return (
            f'vllm:num_requests_running{{engine="0"}} {self._open}\nvllm:num_requests_waiting{{engine="0"}} 0\n'
            f'# TYPE vllm:generation_tokens_total counter\nvllm:generation_tokens_total{{engine="0"}} {6 * answered}\n'
            f'# TYPE vllm:num_preemptions_total counter\nvllm:num_preemptions_total{{engine="0"}} {answered // 2}\n'
        )

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        if body["max_tokens"] == 1:
            return self.first(body)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self.arrived_s.append(time.perf_counter())
        response = self.behaviour(body, len(self.bodies) - 1)
        if isinstance(response, StreamingResponse):
            response.body_iterator = self._counted(response.body_iterator)
        return response

    async def _counted(self, events: Any) -> AsyncIterator[Any]:
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        try:
            async for text in events:
                yield text
        finally:
            self._open -= 1

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(60)
        self._socket.close()


@contextlib.contextmanager
def serving(behaviour: Behaviour, port: int = 0) -> Iterator[FakeServer]:
    """A running server with this behaviour, on a free port or the one given."""
    server = FakeServer(behaviour, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def together(number: int) -> Callable[[int], Awaitable[object]]:
    """For `stream(before=…)`: so many answers begin at once, however late a request comes."""
    barrier = asyncio.Barrier(number)

    async def all_are_here(event: int) -> None:
        if event == 0:
            await barrier.wait()

    return all_are_here


def refuse(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error in OpenAI's shape."""
    return JSONResponse({"error": {"message": message, "type": "error", "code": status}}, status, headers=headers)


def text(content: str, status: int = 200) -> PlainTextResponse:
    """A page that is no answer at all, as a proxy sends it."""
    return PlainTextResponse(content, status)
