"""What a page says of itself before any script runs."""

import asyncio
import gzip
import re
import struct
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.middleware.gzip import GZipMiddleware
from streamlit.web.server.starlette.starlette_static_routes import create_streamlit_static_handler

from prompt_joules.pages.ui import head, site

STATIC = Path(st.__file__).parent / "static"
INDEX = (STATIC / "index.html").read_text()


def ask(
    path: str, method: str = "GET", host: str = "joules.example:8501", *, packed: bool = False, **headers: str
) -> tuple[dict[str, str], str]:
    """Headers and body of a path, through the middleware; `packed` as Streamlit sends a page to a browser."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(b"host", host.encode()), *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "scheme": "http", "asgi": {"spec_version": "2.4"}}
    streamlit: Any = create_streamlit_static_handler(str(STATIC), None)
    app = GZipMiddleware(streamlit) if packed else streamlit
    asyncio.run(head.Named(app)(scope, None, send))  # type: ignore[arg-type]
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    body = b"".join(message.get("body", b"") for message in sent[1:])
    if packed:
        assert found["content-encoding"] == "gzip" and int(found["content-length"]) == len(body)
        body = gzip.decompress(body)
    return found, body.decode("utf-8", "replace")


def told(body: str) -> dict[str, str]:
    """The names and contents of the tags."""
    return dict(re.findall(r'<meta (?:name|property)="([\w:]+)" content="([^"]*)" />', body))


@pytest.mark.parametrize("entry", [entry for entries in site.SECTIONS.values() for entry in entries], ids=lambda entry: str(entry[0]))
def test_every_page_has_a_title_a_description_and_a_picture(entry: tuple[str, str, str]) -> None:
    file, title, question = entry
    headers, body = ask(f"/{file}")
    assert int(headers["content-length"]) == len(body.encode()) and "etag" not in headers
    assert body.count("<title>") == 1 and f"<title>{title} · Prompt Joules</title>" in body.replace("&#x27;", "'")
    tags = told(body)
    assert tags["description"].startswith(question) and tags["og:title"] == f"{title} · Prompt Joules"
    assert tags["og:image"] == "http://joules.example:8501/preview.png"
    assert re.sub(r"<title>.*?(?=\n\n)", "<title>Streamlit</title>", body, flags=re.DOTALL) == INDEX, "the rest is Streamlit's own page"


def test_a_browser_that_takes_gzip_gets_the_same_page() -> None:
    assert ask("/prompts", packed=True, accept_encoding="gzip, deflate, br")[1] == ask("/prompts")[1]


def test_a_page_knows_the_address_of_its_server_and_the_root_needs_none() -> None:
    assert ask("/prompts")[1].count('BACKEND_BASE_URL: new URL(".", window.location.href).href') == 1
    assert "BACKEND_BASE_URL" not in ask("/")[1] + ask("/nothing")[1], "where the server is below is not known there"


def test_the_root_and_unknown_addresses_are_the_app() -> None:
    for path in ("/", "/nothing", "/start"):
        assert "<title>Prompt Joules: what does one answer" in ask(path)[1]


def test_behind_a_proxy_the_picture_has_its_scheme_and_a_strange_host_none() -> None:
    assert told(ask("/", x_forwarded_proto="https")[1])["og:image"].startswith("https://joules.example")
    for host in ('x"><script>', "a b", ""):
        body = ask("/", host=host)[1]
        assert "og:image" not in body and "<script>alert" not in body and 'x"><script>' not in body


def test_other_files_go_on_as_they_are() -> None:
    script = next(STATIC.glob("static/js/DataFrame.*.js"))
    assert ask(f"/{script.relative_to(STATIC)}")[1] == script.read_text()


def test_the_picture_has_the_size_that_is_said() -> None:
    assert struct.unpack(">II", head.PICTURE.read_bytes()[16:24]) == head.PICTURE_SIZE
    assert head.PICTURE.stat().st_size < 300_000
