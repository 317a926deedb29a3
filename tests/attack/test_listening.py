"""The app listens on this machine alone unless somebody says otherwise."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, free_port, wait_for

# Another address of this machine: who listens on all of them answers there too.
OTHER = "127.0.0.2"


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=30):
            return True
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address of this machine on Linux only")
@pytest.mark.parametrize(
    "start",
    [["-m", "streamlit", "run", "streamlit_app.py", "--server.port"], ["-m", "prompt_joules.command", "app", "--port"]],
    ids=["streamlit", "command"],
)
def test_only_this_machine_is_answered(tmp_path: Path, start: list[str]) -> None:
    port = free_port()
    code = (
        ["-c", "import sys; from prompt_joules.command import main; sys.exit(main(sys.argv[1:]))", *start[2:]] if "app" in start else start
    )
    environment = os.environ | {
        "HOST": "0.0.0.0",
        "XDG_CACHE_HOME": str(tmp_path),
        "PROMPT_JOULES_WAREHOUSE": str(tmp_path / "none.duckdb"),
    }
    process = subprocess.Popen([sys.executable, *code, str(port)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        assert answers("127.0.0.1", port) and not answers(OTHER, port)
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.parametrize("target", ["app", "demo"])
def test_make_says_where(target: str) -> None:
    def said(*words: str) -> str:
        command = ["make", "-n", "--always-make", target, *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | {"HOST": "0.0.0.0"}).stdout

    assert "--server.address 127.0.0.1" in said()
    assert "--server.address 0.0.0.0" in said("HOST=0.0.0.0")
