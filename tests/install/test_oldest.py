"""The oldest packages that pyproject.toml allows really do: the wheel with them loads results, exports, and serves every page.

uv finds them (`--resolution lowest-direct`); `make test-install` installs it.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.install.stranger import run
from tests.warehouses import ROOT, SHIPPED

pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(find_spec("uv") is None, reason="uv is not installed here: make test-install installs it"),
    pytest.mark.skipif(sys.version_info >= (3, 12), reason="the oldest packages have wheels for the oldest Python that they go with: 3.11"),
]

PAGES = Path(__file__).with_name("open_pages.py")
BOUND = re.compile(r'^    "([\w-]+)(?:\[\w+\])?>=([\d.]+)"', re.MULTILINE)


def uv(*words: object) -> str:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-m", "uv", *map(str, words)]
    done = subprocess.run(command, env=outside, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def oldest(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with the wheel and the oldest packages of the app."""
    folder = tmp_path_factory.mktemp("oldest")
    found = folder / "oldest.txt"
    uv("pip", "compile", "--quiet", "--resolution", "lowest-direct", "--python", sys.executable, ROOT / "pyproject.toml", "-o", found)
    uv("venv", "--quiet", "--python", sys.executable, folder / "env")
    python = folder / "env" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "-r", found)
    uv("pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    return folder / "env" / "bin"


def test_the_environment_has_the_lower_bounds(oldest: Path, tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text().split("dependencies = [", 1)[1].split("\n]", 1)[0]
    bounds = dict(BOUND.findall(text))
    assert len(bounds) > 10
    asked = f"from importlib.metadata import version; print([version(name) for name in {list(bounds)}])"
    there = re.findall(r"'([\d.]+)'", run(tmp_path, oldest / "python", "-c", asked))
    first = {name: (bound, found) for (name, bound), found in zip(bounds.items(), there, strict=True)}
    # A bound that is no release (3.15 → 3.15.1) means the first one behind it.
    wrong = {name: pair for name, pair in first.items() if not f"{pair[1]}.".startswith(f"{pair[0]}.")}
    assert not wrong


def test_it_loads_exports_and_shows_every_page(oldest: Path, tmp_path: Path) -> None:
    loaded = run(tmp_path, oldest / "prompt-joules", "ingest", SHIPPED, "--warehouse", "w.duckdb")
    assert ", 0 rejected" in loaded
    for kind in ("csv", "xlsx", "arrow", "parquet"):
        run(tmp_path, oldest / "prompt-joules", "export", f"rows.{kind}", "--gpu", "A40", "--warehouse", "w.duckdb")
    seen = run(tmp_path, oldest / "python", PAGES, tmp_path / "w.duckdb")
    counted = re.search(r"(\d+) of (\d+) pages with rows", seen)
    assert counted and counted[1] == counted[2], seen
