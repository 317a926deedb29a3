"""How Streamlit's browser code reaches the browser: compressed once, then from memory. Streamlit itself sends it as it is on disk.

It knows nothing of how Streamlit arranges its files: what it compresses is what a response says it is.
"""

import asyncio
import ctypes
import gzip
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib import import_module

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.starlette import App

RawHeaders = list[tuple[bytes, bytes]]
M_ARENA_MAX, POOLS = -8, 2
KINDS = ("text/javascript", "application/javascript", "text/css")


# Keep glibc from making more pools of memory; a server imports this module before all others of ours. It makes up to eight a core, and
# what a script has freed stays in the pool of its thread, which ends with it: 60 MB after minutes. Few are enough where Python runs one
# thread at a time.
if "MALLOC_ARENA_MAX" not in os.environ:
    with suppress(AttributeError, OSError, TypeError):  # other C libraries have no such call, and Windows none to open
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, POOLS)
# Keep OpenBLAS to one thread, before anything imports NumPy. The sums of a page are small: a second thread saves a millisecond of each,
# then waits for more work without sleeping, on a core that another visitor or DuckDB could use.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@asynccontextmanager
async def ready(_: App) -> AsyncIterator[None]:
    """Get ready before the first visitor, so that nobody has to wait for what all need. It imports by name, because the caches of the pages
    exist only once the server runs.
    """
    import_module("prompt_joules.pages.ui.start").ready()
    yield


class Compressed:
    """Compresses files that never change (`immutable` JavaScript and CSS) and keeps them; the rest goes on as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.kept: dict[str, tuple[RawHeaders, bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _takes_gzip(scope):
            await self.app(scope, receive, send)
        elif scope["path"] in self.kept:
            await _answer(send, *self.kept[scope["path"]])
        else:
            await self.app(scope, receive, whole(send, _never_changes, partial(self._compressed, scope["path"])))

    async def _compressed(self, path: str, start: Message, content: bytes) -> tuple[RawHeaders, bytes]:
        headers = MutableHeaders(raw=list(start["headers"]))
        body = await asyncio.to_thread(gzip.compress, content, 6)
        headers.update({"content-encoding": "gzip", "content-length": str(len(body))})
        headers.add_vary_header("accept-encoding")
        self.kept[path] = (headers.raw, body)
        return self.kept[path]


def whole(send: Send, wanted: Callable[[Message], bool], changed: Callable[[Message, bytes], Awaitable[tuple[RawHeaders, bytes]]]) -> Send:
    """A `send` that holds a response back until it is whole, where its start is `wanted`; then headers and body are those of `changed`."""
    held: list[Message] = []
    parts: list[bytes] = []

    async def hold(message: Message) -> None:
        if message["type"] == "http.response.start" and wanted(message):
            held.append(message)
        elif not held:
            await send(message)
        else:
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await _answer(send, *await changed(held[0], b"".join(parts)))

    return hold


def _takes_gzip(scope: Scope) -> bool:
    """Whether a whole compressed file may answer the request. A server that sends files by their path (`pathsend`) is left to do so."""
    if scope["type"] != "http" or scope["method"] != "GET" or "http.response.pathsend" in scope.get("extensions", {}):
        return False
    headers = Headers(scope=scope)
    return "gzip" in headers.get("accept-encoding", "") and "range" not in headers and "if-none-match" not in headers


def _never_changes(start: Message) -> bool:
    headers = Headers(raw=list(start["headers"]))
    plain = headers.get("content-type", "").split(";")[0] in KINDS and "content-encoding" not in headers
    return start["status"] == 200 and plain and "immutable" in headers.get("cache-control", "")


async def _answer(send: Send, headers: RawHeaders, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
