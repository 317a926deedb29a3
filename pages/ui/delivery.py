"""How Streamlit's browser code reaches the browser: compressed, from memory, and before a page asks for it.

Streamlit's own index names the code of its frame; the code of tables and charts, 2 MB of it, is fetched only when the first messages of a
script name such an element, and below any page but the first the browser looks for the server in two places, one after the other.
The index that is served here names the code that the page starts with, has the rest fetched when the browser has nothing else to do, and
says where the server is. What is not known here, a file or a request, goes on to Streamlit: a version that arranges its files differently
is served as it would be without this module.
"""

import gzip
import json
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.starlette import App

from prompt_joules.pages.ui import site

STATIC = Path(st.__file__).parent / "static"
# Names in Streamlit's manifest: the code of the elements that most pages have.
FRAME = "index"
CHART, TABLE = ("ArrowVegaLiteChart", "embed"), ("DataFrame", "DownloadButton")
ELEMENTS = (*CHART, *TABLE, "Html", "Multiselect", "Selectbox", "ButtonGroup", "TextInput", "NumberInput", "Checkbox", "Slider")
# What a page has only after a click.
LATER = {
    **dict.fromkeys(("energy_vs_parameters", "distributions", "verbosity", "cost_of_a_token"), TABLE),
    **dict.fromkeys(("leaderboard", "planner", "runs", "export_sql"), CHART),
    "methods": (*CHART, *TABLE),
}
# From when all files of a page have come to when the rest is fetched: the messages of the first script lie in between.
IDLE_MS = 500
KINDS = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
# The name of a file changes with what is in it.
FOREVER = "public, immutable, max-age=31536000"
# Streamlit's index asks for the font of a theme that we do not use; the icons come much later, though every page has some.
UNUSED_FONT = re.compile(r"\./static/media/SourceSansVF-Upright[^\"]*")
ICONS = "MaterialSymbols-Rounded.woff2"


@asynccontextmanager
async def ready(_: App) -> AsyncIterator[None]:
    """Import what pages are made of when the server starts, so that its first visitor need not wait for it."""
    import_module("prompt_joules.pages.ui.frame")
    import_module("prompt_joules.pages.ui.pick")
    import_module("prompt_joules.pages.ui.controls")
    yield


@dataclass(frozen=True)
class Answer:
    """A whole response, gzip-compressed."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]


class Delivery:
    """ASGI middleware that answers for the index of every page and for the code; all else goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.answers = answers(STATIC, st.get_option("server.baseUrlPath"), st.get_option("client.allowedOrigins"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self.answers.get(scope["path"]) if _can_be_answered(scope) else None
        if answer is None:
            await self.app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


def _can_be_answered(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    headers = dict(scope["headers"])
    return b"gzip" in headers.get(b"accept-encoding", b"") and b"range" not in headers


def answers(static: Path, base: str, origins: list[str]) -> dict[str, Answer]:
    """Responses by path: the index of every page and the files that it names. Empty without a manifest.

    Args:
        static: the folder of Streamlit's browser code.
        base: the path below which the app is served; empty for the root.
        origins: pages of which origins may embed the app (`client.allowedOrigins`).
    """
    if not (static / "manifest.json").exists():
        return {}
    manifest: dict[str, dict[str, Any]] = json.loads((static / "manifest.json").read_text())
    root = f"/{base.strip('/')}/" if base.strip("/") else "/"
    files = [file for file in code(manifest, (FRAME, *ELEMENTS)) if (static / file).exists()]
    found = {root + file: _answer((static / file).read_bytes(), KINDS[Path(file).suffix], FOREVER) for file in files}
    pages = {file: file for entries in site.SECTIONS.values() for file, _, _ in entries} | {"": site.HOME}
    indexes = {later: index(static, manifest, origins, later) for later in {LATER.get(file, ()) for file in pages.values()}}
    packed = {later: _answer(text.encode(), "text/html; charset=utf-8", "no-cache") for later, text in indexes.items()}
    return found | {root + path: packed[LATER.get(file, ())] for path, file in pages.items()}


def _answer(body: bytes, kind: str, cache: str) -> Answer:
    packed = gzip.compress(body, 6)
    headers = {"content-type": kind, "content-encoding": "gzip", "content-length": str(len(packed)), "cache-control": cache}
    fields = {**headers, "vary": "accept-encoding", "x-content-type-options": "nosniff"}
    return Answer(packed, tuple((key.encode(), value.encode()) for key, value in fields.items()))


def code(manifest: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """The files that the named parts consist of, with all that they import, in the order of need.

    Args:
        manifest: Streamlit's: files by source, with their imports.
        names: of parts; unknown ones are left out.
    """
    by_name = {part["name"]: source for source, part in manifest.items() if "name" in part}
    found: dict[str, None] = {}
    wanted = [by_name[name] for name in names if name in by_name][::-1]
    while wanted:
        part = manifest[wanted.pop()]
        if part["file"] not in found:
            found |= dict.fromkeys((part["file"], *part.get("css", ())))
            wanted += part.get("imports", ())[::-1]
    return [file for file in found if Path(file).suffix in KINDS]


def index(static: Path, manifest: Mapping[str, Mapping[str, Any]], origins: list[str], later: Collection[str] = ()) -> str:
    """Streamlit's index with our additions at the end of its head: where the server is, all code at once, and its evaluation.

    Evaluated early, the code of an element is ready when the script's first message names it: the browser has nothing to do until then.

    Args:
        later: the elements whose code is only fetched once the page stands.
    """
    text = (static / "index.html").read_text()
    first = [name for name in ELEMENTS if name not in later]
    more = [file for file in code(manifest, first) if f'"./{file}"' not in text]
    icons = next((part["file"] for source, part in manifest.items() if source.endswith(ICONS)), None)
    if icons:
        text = UNUSED_FONT.sub(f"./{icons}", text)
    now, then = ([file for name in names for file in code(manifest, (name,))[:1]] for names in (first, later))
    additions = [_server(origins), *map(_link, more), _module(now, then)]
    return text.replace("</head>", "\n".join([*additions, "</head>"]), 1)


def _server(origins: list[str]) -> str:
    """Every page is one level below the server's root, so the root is the folder of the page's address."""
    host = json.dumps({"allowedOrigins": origins, "useExternalAuthToken": False})
    return f'<script>window.__streamlit = {{BACKEND_BASE_URL: new URL(".", location.href).href, HOST_CONFIG: {host}}}</script>'


def _link(file: str) -> str:
    return f'<link rel="{"stylesheet" if file.endswith(".css") else "modulepreload"}" crossorigin href="./{file}">'


def _module(now: list[str], then: list[str]) -> str:
    imports, rest = (" ".join(f'import("./{file}");' for file in files) for files in (now, then))
    wait = f"const rest = () => {{ {rest} }}; addEventListener('load', () => setTimeout(() => requestIdleCallback(rest), {IDLE_MS}));"
    return f'<script type="module">{imports} {wait if then else ""}</script>'
