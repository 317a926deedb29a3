"""The app as others serve it: a file system that is read-only, below a path of nginx; and the files of deploy/ agree with the code.

There is no Docker where this is written: what the Dockerfile copies and starts is checked, not built by the suite.
"""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from prompt_joules.warehouse import switches
from tests.servers import free_port, wait_for
from tests.warehouses import ROOT

DEPLOY = ROOT / "deploy"
START = "import sys; from prompt_joules.command import main; sys.exit(main(sys.argv[1:]))"
ONLY_THERE = 'mount -t tmpfs none "$1" && mount -o remount,bind,ro / && cd "$1" && shift && exec "$@"'
CAN_REMOUNT = (
    sys.platform == "linux"
    and subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-o", "remount,bind,ro", "/"], check=False, capture_output=True
    ).returncode
    == 0
)


def text_of(url: str) -> tuple[int, str]:
    """Status and text of an answer; an error is one, too."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


@contextmanager
def started(words: list[str], port: int, health: str, **environment: str) -> Iterator[str]:
    """A server that answers, and its address."""
    process = subprocess.Popen(words, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}{health}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.skipif(not CAN_REMOUNT, reason="this user may not make a read-only view of the file system")
def test_the_app_serves_from_a_read_only_file_system(tmp_path: Path, shipped_warehouse: Path) -> None:
    port, scratch = free_port(), tmp_path / "scratch"
    scratch.mkdir()
    shielded = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ONLY_THERE, "sh", str(scratch)]
    command = [*shielded, sys.executable, "-c", START, "app", "--port", str(port)]
    environment = {"PROMPT_JOULES_WAREHOUSE": str(shipped_warehouse), "TMPDIR": str(scratch), "HOME": str(tmp_path), "PYTHONPATH": ""}
    with started(command, port, "/_stcore/health", **environment) as address:
        assert json.loads(text_of(f"{address}/healthz")[1]) == {"status": "ok"}
        assert text_of(f"{address}/leaderboard")[0] == 200


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed here")
def test_nginx_serves_the_app_below_a_path(tmp_path: Path, shipped_warehouse: Path) -> None:
    port, front = free_port(), free_port()
    folders = "".join(f"{kind}_temp_path {tmp_path}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    locations = tmp_path / "locations.conf"
    locations.write_text((DEPLOY / "nginx.conf").read_text().replace("127.0.0.1:8501", f"127.0.0.1:{port}"))
    whole = f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
    whole += f"http {{ access_log off; {folders} server {{ listen 127.0.0.1:{front}; include {locations}; }} }}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    (path,) = re.findall(r"baseUrlPath (\w+)", (DEPLOY / "nginx.conf").read_text())
    app = [sys.executable, "-c", START, "app", "--port", str(port), "--server.baseUrlPath", path]
    with (
        started(app, port, f"/{path}/_stcore/health", PROMPT_JOULES_WAREHOUSE=str(shipped_warehouse), PROMPT_JOULES_METRICS="on"),
        started(["nginx", "-c", str(tmp_path / "nginx.conf")], front, f"/{path}/_stcore/health") as address,
    ):
        assert text_of(f"{address}/{path}/leaderboard")[0] == 200
        assert json.loads(text_of(f"{address}/{path}/healthz")[1]) == {"status": "ok"}
        assert text_of(f"{address}/{path}/metrics")[0] == 404, "figures are not for the public"
        assert text_of(f"{address}/{path}")[0] == 200, "a redirect to the page"


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with what stands behind them."""
    lines = [line for line in path.read_text().replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.lake", "huggingface/Dockerfile"])
def test_an_image_is_made_of_files_that_there_are(name: str) -> None:
    found = instructions(DEPLOY / name)
    sources = [word for kind, rest in found if kind == "COPY" and "--from" not in rest for word in rest.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    needed = {
        "bench",
        "ingest",
        "warehouse",
        "pages",
        "setup.py",
        "pyproject.toml",
        "streamlit_app.py",
        ".streamlit",
        "MANIFEST.in",
        "README.md",
    }
    assert needed <= set(sources)
    kept = {line[1:].split("/")[0] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source.split("/")[0] for source in sources} <= kept
    assert json.loads(dict(found)["CMD"])[:2] == ["prompt-joules", "app"]
    assert f"--uid {dict(found)['USER']} joules" in (DEPLOY / name).read_text(), "a number, which Kubernetes can tell from root"


def test_the_variables_of_deployments_are_those_of_the_code() -> None:
    texts = [path.read_text() for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"]  # tests import a script of it
    named = {name for text in texts for name in re.findall(r"PROMPT_JOULES_[A-Z]+", text)}
    assert named <= {"PROMPT_JOULES_WAREHOUSE", *(value for value in vars(switches).values() if isinstance(value, str))}
    assert "PROMPT_JOULES_SQL" in named


def test_compose_and_the_unit_are_whole() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert services["app"]["read_only"] is True and services["app"]["tmpfs"] == ["/tmp"]
    assert all((DEPLOY / one["build"]["context"] / one["build"]["dockerfile"]).exists() for one in services.values() if "build" in one)
    assert (
        services["app-lake"]["environment"]["PROMPT_JOULES_WAREHOUSE"] == services["first-load"]["environment"]["PROMPT_JOULES_WAREHOUSE"]
    )
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(DEPLOY / "prompt-joules.service")
    assert shlex.split(unit["Service"]["ExecStart"])[1] == "app" and unit["Service"]["DynamicUser"] == "yes"
    assert "Environment=HOME=/tmp" in (DEPLOY / "prompt-joules.service").read_text(), "a user without a home cannot start Streamlit"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    """Where the program lies elsewhere than the unit says: everything but that."""
    text = (DEPLOY / "prompt-joules.service").read_text()
    program = tmp_path / "prompt-joules"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    def said(unit: str) -> str:
        (tmp_path / "prompt-joules.service").write_text(unit.replace("/opt/prompt-joules/bin/prompt-joules", str(program)))
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "prompt-joules.service")]
        lines = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr.splitlines()
        return "\n".join(line for line in lines if "prompt-joules.service" in line)

    assert said(text) == ""
    assert "Unknown key" in said(text.replace("DynamicUser", "DynamicUsr")), "it reads the unit"


def test_the_space_serves_by_its_own_command(tmp_path: Path, shipped_warehouse: Path) -> None:
    """As a plain process: the command and the environment of its Dockerfile, the port of its README, in a folder of its own."""
    found = dict(instructions(DEPLOY / "huggingface" / "Dockerfile"))
    front = yaml.safe_load((DEPLOY / "huggingface" / "README.md").read_text().split("---\n")[1])
    _, *words = json.loads(found["CMD"])
    assert front["sdk"] == "docker" and words[words.index("--port") + 1] == str(front["app_port"]) == found["EXPOSE"]
    environment = dict(word.split("=", 1) for word in shlex.split(found["ENV"]))
    assert environment["PROMPT_JOULES_SQL"] == environment["PROMPT_JOULES_TEXTS"] == "off"
    port = free_port()
    words = ["127.0.0.1" if word == "0.0.0.0" else str(port) if word == str(front["app_port"]) else word for word in words]
    environment |= {"PROMPT_JOULES_WAREHOUSE": str(shipped_warehouse), "HOME": str(tmp_path)}
    with started([sys.executable, "-c", START, *words], port, "/_stcore/health", **environment) as address:
        assert json.loads(text_of(f"{address}/healthz")[1]) == {"status": "ok"}
        assert text_of(f"{address}/leaderboard")[0] == 200
