"""The code of the browser comes compressed, once packed and then from memory; everything else is Streamlit's own answer."""

import asyncio
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from prompt_joules.pages.ui import delivery

STATIC = Path(st.__file__).parent / "static"
CODE = sorted([*STATIC.glob("static/js/DataFrame.*.js"), *STATIC.glob("static/css/DataFrame.*.css")])
Answer = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Answer]


class Streamlit:
    """The files of Streamlit itself, and how often they were asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.app = create_streamlit_static_handler(str(STATIC), None)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        await self.app(scope, receive, send)


@pytest.fixture
def streamlit() -> Streamlit:
    return Streamlit()


@pytest.fixture
def ask(streamlit: Streamlit) -> Ask:
    """Ask for a path through the middleware."""
    served = delivery.Compressed(streamlit)

    def asked(path: str, method: str = "GET", **headers: str) -> Answer:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        fields = {"accept_encoding": "gzip, br", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items() if value]
        scope = {"type": "http", "method": method, "path": path, "headers": raw, "asgi": {"spec_version": "2.4"}}
        asyncio.run(served(scope, None, send))  # type: ignore[arg-type]
        found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])

    return asked


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.suffix))
def test_a_file_is_that_on_disk_and_is_packed_once(ask: Ask, streamlit: Streamlit, file: Path) -> None:
    path = f"/{file.relative_to(STATIC)}"
    first = ask(path)
    status, headers, body = first
    assert status == 200
    assert int(headers["content-length"]) == len(body) < file.stat().st_size / 2
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "accept-encoding"
    assert "immutable" in headers["cache-control"]
    assert gzip.decompress(body) == file.read_bytes()
    assert ask(path) == first
    assert streamlit.asked == 1


@pytest.mark.parametrize("headers", [{"accept_encoding": ""}, {"range": "bytes=0-10"}, {"if_none_match": "x"}])
def test_who_cannot_take_a_whole_packed_file_gets_streamlits_own_answer(ask: Ask, headers: dict[str, str]) -> None:
    path = f"/{CODE[0].relative_to(STATIC)}"
    ask(path)
    _, found, body = ask(path, **headers)
    assert "content-encoding" not in found
    assert CODE[0].read_bytes().startswith(body[:11])


def test_pages_pictures_and_what_is_not_there_go_on_as_they_are(ask: Ask, streamlit: Streamlit) -> None:
    index = (STATIC / "index.html").read_bytes()
    for path in ("/", "/leaderboard", "/leaderboard"):
        status, headers, body = ask(path)
        assert (status, body) == (200, index)
        assert "content-encoding" not in headers
    assert ask("/favicon.png")[2] == (STATIC / "favicon.png").read_bytes()
    assert ask(f"/{CODE[0].relative_to(STATIC)}", method="HEAD")[2] == b""
    assert streamlit.asked == 5


def test_a_script_that_may_change_is_not_kept() -> None:
    async def changing(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/javascript"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        await send({"type": "http.response.body", "body": b"2"})

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    served = delivery.Compressed(changing)
    scope = {"type": "http", "method": "GET", "path": "/x.js", "headers": [(b"accept-encoding", b"gzip")]}
    asyncio.run(served(scope, None, send))  # type: ignore[arg-type]
    assert b"".join(message.get("body", b"") for message in sent) == b"12"
    assert not served.kept


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
@pytest.mark.parametrize("chosen", [None, "2"])
def test_algebra_has_one_thread_in_the_server_unless_somebody_chose_more(chosen: str | None) -> None:
    """What `streamlit run` imports before the app must not import NumPy: its threads start with it."""
    program = (
        "import os, streamlit.web.cli, streamlit.starlette; from prompt_joules.pages.ui import delivery; "
        "before = len(os.listdir('/proc/self/task')); import numpy; print(len(os.listdir('/proc/self/task')) - before)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    if chosen:
        environment["OPENBLAS_NUM_THREADS"] = chosen
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 0) == (chosen is not None and len(os.sched_getaffinity(0)) > 1)
