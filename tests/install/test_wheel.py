"""The project as a stranger installs it: sdist and wheel are whole, and the wheel alone works where there is no checkout."""

import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.install.stranger import FIRST_START, FOLDERS, environment, run
from tests.servers import free_port, wait_for
from tests.warehouses import ROOT

# Results that ship are 26 MB of it; a package index takes 100.
MOST_BYTES = 30_000_000
PAGES = Path(__file__).with_name("open_pages.py")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has the wheel, and what it needs from the environment of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "tests.pth").write_text("\n".join(others))
    return folder / "bin"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder to work in, of a user who has no cache yet."""
    return tmp_path_factory.mktemp("home")


def test_the_wheel_holds_every_file_of_every_folder(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    here = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {f"prompt_joules/{path.relative_to(ROOT)}".replace("/pages/front/", "/") for path in here}
    wanted |= {"prompt_joules/streamlit_app.py", "prompt_joules/.streamlit/config.toml"}
    assert wanted - names == set()
    assert {name for name in names - wanted if ".dist-info/" not in name} == set()
    assert wheel.stat().st_size < MOST_BYTES


def test_the_installed_wheel_serves_the_shipped_results_anywhere(installed: Path, home: Path) -> None:
    port = free_port()
    command = [str(installed / "prompt-joules"), "app", "--port", str(port), "--server.address", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=home, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, FIRST_START)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert "Loading the results that ship with Prompt Joules" in said
    (warehouse,) = (home / "cache").rglob("shipped-*.duckdb")
    loaded = " ".join(run(home, installed / "prompt-joules", "ingest", "shipped", "--warehouse", warehouse).split())
    assert "is up to date: 0 rows accepted, 0 rejected" in loaded, "the app has loaded every file that `shipped` names"
    run(home, installed / "prompt-joules", "export", "rows.csv", "--warehouse", warehouse)
    assert len((home / "rows.csv").read_text().splitlines()) > 1000
    seen = run(home, installed / "python", PAGES, warehouse)
    counted = re.search(r"(\d+) of (\d+) pages with rows", seen)
    assert counted and counted[1] == counted[2] and int(counted[2]) >= 13, seen


def test_the_installed_commands_say_what_they_are_called_here(installed: Path, home: Path) -> None:
    command = installed / "prompt-joules"
    assert run(home, command, "--version").startswith("prompt-joules ")
    assert "Name at least one file or folder, e.g. prompt-joules ingest shipped" in run(home, command, "ingest", status=2)
    missing = " ".join(run(home, command, "app", "--warehouse", "none.duckdb", status=2).split())
    assert "There is no warehouse at none.duckdb. Make one: prompt-joules ingest shipped --warehouse none.duckdb" in missing
    assert "usage: prompt-joules bench" in run(home, command, "bench", "--help")
