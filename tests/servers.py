"""A real server of the app, for the browser tests and the benchmark of the pages."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
STREAMLIT = ("-m", "streamlit")


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        address: `http://host:port`, without a slash at the end.
        pid: its process.
    """

    address: str
    pid: int


@contextmanager
def served(
    warehouse: Path, entry: str = "streamlit_app.py", program: Sequence[str] = STREAMLIT, more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server on a free port, wait until it answers, and end it at last.

    Args:
        warehouse: the file that it reads.
        entry: the script, from the root of the repository.
        program: what Python runs; `streamlit` itself, or a program around it.
        more: environment variables beside PROMPT_JOULES_WAREHOUSE.
    """
    port = free_port()
    command = [
        sys.executable,
        *program,
        "run",
        entry,
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
        "--logger.level",
        "error",
    ]
    environment = os.environ | {"PROMPT_JOULES_WAREHOUSE": str(warehouse), **(more or {})}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/_stcore/health", process)
        yield Server(address, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[Any], seconds: float = 180) -> None:
    """Wait until a server answers. Raises TimeoutError after so many seconds, AssertionError when it ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it answered"
        try:
            with urllib.request.urlopen(url, timeout=10):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError(url)
