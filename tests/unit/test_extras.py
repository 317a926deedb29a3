"""A machine without the extras: each command that needs one says which, and the line that installs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prompt_joules.bench import errors, extras

BLOCKER = """
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Blocked())
"""


@pytest.fixture(scope="module")
def app_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, on PYTHONPATH, hides all packages of extras from a Python."""
    folder = tmp_path_factory.mktemp("app-only")
    (folder / "sitecustomize.py").write_text(BLOCKER.format(modules=set(extras.EXTRAS)))
    return folder


def run(app_only: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(app_only)}
    return subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("engine", [["--engine", "transformers-eager"], ["--engine", "openai", "--base-url", "http://localhost:1"]])
def test_measuring_without_its_packages_is_one_sentence(app_only: Path, tmp_path: Path, engine: list[str]) -> None:
    done = run(app_only, "prompt_joules.bench", "run", "--model", "org/x", "--out", str(tmp_path), *engine)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert done.stderr.endswith("-m pip install 'prompt-joules[bench]'\n")
    assert sys.executable in done.stderr


def test_joules_of_own_code_are_none_with_the_line_as_reason(app_only: Path) -> None:
    code = "import prompt_joules as pj\nwith pj.Meter('cuda:0') as meter, meter.window('x') as w: pass\nprint(w.energy_j, w.reason)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(app_only)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.startswith("None Zeus cannot be imported") and "pip install 'prompt-joules[bench]'" in done.stdout


def test_a_module_of_no_extra_is_a_fault() -> None:
    assert extras.sentence(ModuleNotFoundError("No module named 'duckdb'", name="duckdb")) is None
    assert "prompt-joules[sweep]" in str(errors.MissingPackage("ray", "sweep"))
