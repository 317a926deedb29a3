"""The code of the browser: all of it is named by the index, and comes as it is on disk."""

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prompt_joules.pages.ui import delivery
from prompt_joules.pages.ui.site import HOME, SECTIONS
from tests.app.conftest import Open

ORIGINS = ["https://*.example.org"]
Ask = Callable[..., tuple[int, dict[str, str], bytes]]


@pytest.fixture(scope="module")
def ask() -> Ask:
    """Ask for a path through the middleware; a request that goes on to Streamlit gets status 418."""

    async def streamlit(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    served = delivery.Delivery(streamlit)

    def asked(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        fields = {"accept_encoding": "gzip, br", **headers}
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        asyncio.run(served({"type": "http", "method": method, "path": path, "headers": raw}, None, send))  # type: ignore[arg-type]
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, sent[1]["body"]

    return asked


def test_streamlit_has_all_parts_that_are_named() -> None:
    manifest = json.loads((delivery.STATIC / "manifest.json").read_text())
    for name in (delivery.FRAME, *delivery.ELEMENTS):
        assert delivery.code(manifest, (name,)), name
    assert "SourceSansVF-Upright" in (delivery.STATIC / "index.html").read_text()


@pytest.mark.parametrize("path", ["/", *(f"/{file}" for entries in SECTIONS.values() for file, _, _ in entries)])
def test_every_page_names_the_code_of_tables_and_charts(ask: Ask, path: str) -> None:
    status, headers, body = ask(path)
    assert (status, headers["cache-control"], headers["content-encoding"]) == (200, "no-cache", "gzip")
    text = gzip.decompress(body).decode()
    named = re.findall(r'(?:href|src)="\./(static/[^"]+)"', text)
    assert len(named) == len(set(named))
    later = delivery.LATER.get(path[1:] or HOME, ())
    imported = re.findall(r'import\("\./([^"]+)"\)', text)
    for part in ("DataFrame", "embed", "ArrowVegaLiteChart"):
        assert any(f"/{part}." in file for file in named) == (part not in later), part
        assert any(f"/{part}." in file for file in imported), part
    assert all((delivery.STATIC / file).is_file() for file in {*named, *imported})
    assert len(imported) == len(delivery.ELEMENTS)
    assert set(imported[: len(imported) - len(later)]) <= set(named)


@pytest.mark.parametrize("page", [file for entries in SECTIONS.values() for file, _, _ in entries])
def test_what_a_page_starts_with_comes_at_once(open_page: Open, page: str) -> None:
    app = open_page(page)
    drawn = {delivery.TABLE: len(app.dataframe), delivery.CHART: len(app.get("vega_lite_chart"))}
    later = {kind for kind in drawn if {*kind} <= {*delivery.LATER.get(page, ())}}
    assert later == {kind for kind, count in drawn.items() if not count}


def test_a_file_is_that_on_disk_and_may_be_kept(ask: Ask) -> None:
    for file in (*delivery.STATIC.glob("static/js/DataFrame.*.js"), *delivery.STATIC.glob("static/css/DataFrame.*.css")):
        status, headers, body = ask(f"/{file.relative_to(delivery.STATIC)}")
        assert status == 200
        assert int(headers["content-length"]) == len(body) < file.stat().st_size / 2
        assert gzip.decompress(body) == file.read_bytes()
        assert "immutable" in headers["cache-control"]


def test_what_is_not_known_goes_on_to_streamlit(ask: Ask) -> None:
    assert ask("/_stcore/health")[0] == 418
    assert ask("/static/../secrets.toml")[0] == 418
    assert ask("/leaderboard", method="POST")[0] == 418
    assert ask("/leaderboard", accept_encoding="identity")[0] == 418
    assert ask("/leaderboard", range="bytes=0-10")[0] == 418


def test_below_a_path_and_without_a_manifest(tmp_path: Path) -> None:
    found = delivery.answers(delivery.STATIC, "/energy/", ORIGINS)
    assert {"/energy/", "/energy/leaderboard"} <= set(found)
    assert all(path.startswith("/energy/") for path in found)
    assert b"https://*.example.org" in gzip.decompress(found["/energy/"].body)
    assert delivery.answers(tmp_path, "", ORIGINS) == {}


def test_parts_of_another_streamlit_are_left_out() -> None:
    manifest = {
        "a.ts": {"name": "DataFrame", "file": "a.js", "imports": ["b.ts"], "css": ["a.css"]},
        "b.ts": {"file": "b.js", "imports": ["a.ts"]},
    }
    assert delivery.code(manifest, ("Html", "DataFrame")) == ["a.js", "a.css", "b.js"]
