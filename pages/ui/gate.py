"""What the server takes from outside: requests that read.

Streamlit would keep files of anybody who has a session, although no page asks for any.
"""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

READING = ("GET", "HEAD", "OPTIONS")


class Reading:
    """Refuses every HTTP request that would change something, before its body is read. Pages talk over their websocket."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING:
            refused = PlainTextResponse("This server is only read.", 405, {"allow": ", ".join(READING), "connection": "close"})
            await refused(scope, receive, send)
        else:
            await self.app(scope, receive, send)
