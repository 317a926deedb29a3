"""What the page says of itself before any script runs: title, description and preview picture, for search engines and for links in chats.

Streamlit sends one HTML page for all addresses, called “Streamlit”. This names it by its address, tells Streamlit's browser code where
the server is, and leaves the rest as it is.
"""

import gzip
import re
from functools import partial
from html import escape
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prompt_joules.pages.ui import delivery, site

PICTURE = Path(__file__).parent / "preview.png"
PICTURE_SIZE = (1200, 630)
TITLE = b"<title>Streamlit</title>"
# Streamlit compresses the page before it comes here, for whoever takes that: every browser.
PACKED, LEVEL = "gzip", 6
ABOUT = "What one answer of a language model costs in energy: measured prompt by prompt, with error bars, to compare and export."
# A name or address of a host, with a port; anything else in the header Host is not written into a page.
HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-fA-F:]+\](:\d+)?")


class Named:
    """Writes the head of the HTML page of an address; all other responses go on as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_whole = scope["type"] == "http" and scope["method"] == "GET" and "http.response.pathsend" not in scope.get("extensions", {})
        await self.app(scope, receive, delivery.whole(send, _is_page, partial(_named, scope)) if is_whole else send)


async def _named(scope: Scope, start: Message, content: bytes) -> tuple[delivery.RawHeaders, bytes]:
    headers = MutableHeaders(raw=list(start["headers"]))
    is_packed = headers.get("content-encoding") == PACKED
    page = gzip.decompress(content) if is_packed else content
    body = page.replace(TITLE, head(scope).encode(), 1)
    body = gzip.compress(body, LEVEL) if is_packed else body
    headers["content-length"] = str(len(body))
    # These headers are about the file on disk: a browser would keep an old head.
    del headers["etag"], headers["last-modified"]
    return headers.raw, body


def _is_page(start: Message) -> bool:
    headers = Headers(raw=list(start["headers"]))
    is_html = headers.get("content-type", "").startswith("text/html")
    return bool(start["status"] == 200 and is_html and headers.get("content-encoding", PACKED) == PACKED)


# Streamlit's browser code asks below the address first (/prompts/_stcore/health), is told 404, and waits for 0.1 s before it asks above.
SERVER = '<script>window.__streamlit = {BACKEND_BASE_URL: new URL(".", window.location.href).href}</script>'


def head(scope: Scope) -> str:
    """HTML: the title and description of the page at an address, the preview picture where the host is known, and where the server is.

    Args:
        scope: of the request.
    """
    title, question = _page(scope["path"])
    about = f"{question} {ABOUT}" if question else ABOUT
    told = {"og:title": title, "og:description": about, "og:type": "website", "og:site_name": "Prompt Joules"}
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if HOST.fullmatch(host):
        scheme = "https" if headers.get("x-forwarded-proto", scope.get("scheme")) == "https" else "http"
        picture = f"{scheme}://{host}{scope.get('root_path', '')}/preview.png"
        told |= {"og:image": picture, "og:image:width": str(PICTURE_SIZE[0]), "og:image:height": str(PICTURE_SIZE[1])}
        told |= {"og:image:alt": "Bar chart: J of one answer by model", "twitter:card": "summary_large_image"}
    tags = [f'<meta name="description" content="{escape(about)}" />']
    tags += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in told.items()]
    if question:  # a page has an address below the server's
        tags.append(SERVER)
    return f"<title>{escape(title)}</title>\n    " + "\n    ".join(tags)


def _page(path: str) -> tuple[str, str]:
    """Title and question of the page at a path; those of the app where no page has it."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    for file, title, question in (*(entry for entries in site.SECTIONS.values() for entry in entries), site.LIVE):
        if file == name:
            return f"{title} · Prompt Joules", question
    return "Prompt Joules: what does one answer of a language model cost in energy?", ""


async def picture(_: Request) -> Response:
    """The preview picture."""
    return FileResponse(PICTURE, headers={"cache-control": "public, max-age=86400"})


ROUTES = (Route("/preview.png", picture),)
