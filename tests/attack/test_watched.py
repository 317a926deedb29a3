"""What whoever runs the server can watch, and what it does not give away."""

import http.client
import json
import logging
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connected

from prompt_joules.pages.ui import watched
from prompt_joules.warehouse import connect, switches
from tests import factories, warehouses
from tests.app.conftest import open_app
from tests.perf import crowd, load
from tests.servers import Server, served


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    name = f"{load.MARK}007"
    factories.write(factories.records(20, model_id=f"load/{name}", model_name=name), folder / "in" / "a.parquet")
    path = folder / "secret-folder" / "w.duckdb"
    warehouses.ingest(folder / "in", into=path)
    return path


@pytest.fixture(scope="module")
def server(warehouse: Path) -> Iterator[Server]:
    with served(warehouse, more={switches.METRICS: "on"}) as started:
        yield started


def get(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{server.address}{path}", timeout=120) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_health_opens_the_warehouse(server: Server, warehouse: Path) -> None:
    assert get(server, "/healthz") == (200, '{"status":"ok"}')
    kept = warehouse.with_name("kept.duckdb")
    warehouse.rename(kept)
    for make, fault in (
        (lambda: None, "NoWarehouse"),
        (lambda: warehouse.write_bytes(b"no warehouse" * 100), "NotAWarehouse"),
        (lambda: os.mkfifo(warehouse), "NotAWarehouse"),
    ):
        make()
        status, text = get(server, "/healthz")
        assert (status, json.loads(text)) == (503, {"status": "fault", "fault": fault})
        assert "secret-folder" not in text
        warehouse.unlink(missing_ok=True)
    kept.rename(warehouse)
    assert get(server, "/healthz")[0] == 200


def test_pages_are_counted_with_their_times(server: Server) -> None:
    crowd.crowd(server.address, ["", "runs"], 1, thinking=False)
    status, text = get(server, "/metrics")
    assert status == 200
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['prompt_joules_page_seconds_count{outcome="ok",page="runs"}']) >= 1
    assert values["prompt_joules_warehouse_readable"] == "1.0"
    assert 0 < time.time() - float(values["prompt_joules_warehouse_changed_seconds"]) < 3_600
    assert any(name.startswith("prompt_joules_page_seconds_bucket") for name in values)


def test_the_load_finds_its_marks_in_the_filters_and_in_the_table(server: Server) -> None:
    """`tests.perf.load` calls a page torn when they differ; it is run by hand, so its reading of a page is tested here."""
    marks = load.Marks({})
    with connected(f"{server.address.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:
        crowd.visit(socket, "runs", crowd.Session(), marks.hear)
    assert marks.filters == marks.table == {"007"}


def test_figures_are_off_by_default(warehouse: Path) -> None:
    with served(warehouse) as started:
        assert get(started, "/metrics")[0] == 404


def test_only_reading_is_possible(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    for path in ("/healthz", "/metrics"):
        connection = http.client.HTTPConnection(host, int(port), timeout=120)
        connection.request("POST", path)
        assert connection.getresponse().status == 405
        connection.close()


def test_nothing_can_be_left_on_the_server(server: Server) -> None:
    """Streamlit keeps a file of anybody who has a session and its cookie, in memory, whether a page asks for one or not."""
    host, port = server.address.removeprefix("http://").split(":")
    http_ = http.client.HTTPConnection(host, int(port), timeout=120)
    http_.request("GET", "/_stcore/health")
    answer = http_.getresponse()
    answer.read()
    cookie = (answer.getheader("set-cookie") or "").split(";")[0]
    sessions: list[str] = []

    def hear(message: ForwardMsg) -> None:
        if message.WhichOneof("type") == "new_session":
            sessions.append(message.new_session.initialize.session_id)

    with connected(f"{server.address.replace('http', 'ws', 1)}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as socket:
        crowd.visit(socket, "runs", crowd.Session(), hear)
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"y" * 100_000 + b"\r\n--x--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]}
        http_.request("PUT", f"/_stcore/upload_file/{sessions[0]}/file", body, headers)
        assert (http_.getresponse().status, bool(cookie)) == (405, True)


@pytest.mark.parametrize("size", [40_000_000, 100], ids=["large", "nonsense"])
def test_a_message_that_no_browser_sends_ends_its_own_session_alone(server: Server, size: int) -> None:
    def held() -> int:
        lines = Path(f"/proc/{server.pid}/status").read_text().splitlines() if sys.platform == "linux" else []
        return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)

    before = held()
    address = f"{server.address.replace('http', 'ws', 1)}/_stcore/stream"
    with pytest.raises(ConnectionClosed), connected(address, subprotocols=["streamlit"], max_size=None) as socket:
        socket.send(b"\xff" * size)
        while True:
            socket.recv(timeout=120)
    assert get(server, "/healthz")[0] == 200 and held() - before < 60_000


def test_a_line_for_each_page_and_nothing_of_the_visitor(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(connect.VARIABLE, str(warehouse))
    monkeypatch.setattr(watched.LOG, "propagate", True)
    with caplog.at_level(logging.INFO, watched.LOG.name):
        open_app("runs", gpu="H100", search="something private")
        monkeypatch.setenv(connect.VARIABLE, str(warehouse.with_name("none.duckdb")))
        open_app("leaderboard")
    lines = [record.getMessage() for record in caplog.records if record.name == watched.LOG.name]
    assert any(line.startswith("page=runs seconds=") and "outcome=ok" in line for line in lines)
    assert any("outcome=no-warehouse" in line for line in lines)
    assert not [line for line in lines if "private" in line or "H100" in line]
