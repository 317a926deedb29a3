"""A newcomer's walk: an empty environment outside the checkout, the wheel with its packages from PyPI, and what the README says to do next.

`make test-install` runs it; the suite does not, because it installs packages. `PYTHON=python3.13` walks with another Python.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.stranger import FIRST_START, environment, run
from tests.notebook import NOTEBOOK, cells, keep
from tests.servers import free_port, wait_for
from tests.warehouses import ROOT

pytestmark = pytest.mark.install

JUPYTER = ("nbclient==0.11.0", "ipykernel==7.4.0", "vl-convert-python==1.9.0.post1")
EXECUTED = ROOT / "build" / "notebook.ipynb"
RECORD = """
import prompt_joules as pj
answer = lambda prompt: pj.Answer(f"It depends on {len(prompt)} things.", output_tokens=6, finish_reason="stop")
pj.record(answer, model_id="you/model", prompts="default", task="chat", limit=20, out="results")
"""


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has the wheel and what pip brings with it, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", str(folder)], env=outside, check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), str(wheel), *JUPYTER]
    done = subprocess.run(pip, cwd=folder, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder to work in, of a user who has no cache yet."""
    return tmp_path_factory.mktemp("home")


def test_nothing_of_the_checkout_is_in_reach(programs: Path, home: Path) -> None:
    found = run(home, programs / "python", "-c", "import prompt_joules, sys; print(prompt_joules.__file__); print(sys.path)")
    assert str(ROOT) not in found and str(programs.parent) in found
    assert "ModuleNotFoundError" in run(home, programs / "python", "-c", "import torch", status=1)


def test_it_says_its_version(programs: Path, home: Path) -> None:
    wanted = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    assert run(home, programs / "prompt-joules", "--version").split() == ["prompt-joules", wanted.split('"')[1]]


def test_the_app_answers(programs: Path, home: Path) -> None:
    port = free_port()
    command = [str(programs / "prompt-joules"), "app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=home, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", process, FIRST_START)
        wait_for(f"http://127.0.0.1:{port}/healthz", process)
        wait_for(f"http://127.0.0.1:{port}/leaderboard", process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_another_program_is_measured(programs: Path, home: Path) -> None:
    """Without a GPU the joules are null with the reason, the time is there, and the program's words and status are its own."""
    program = (programs / "python", "-c", "import sys; print('hello'); sys.exit(3)")
    said = run(home, programs / "prompt-joules", "measure", "--device", "cpu", "--json", "numbers.json", "--", *program, status=3)
    numbers = json.loads((home / "numbers.json").read_text())
    assert "hello" in said and numbers["exit_status"] == 3 and numbers["latency_s"] > 0
    assert numbers["energy_j"] is None and numbers["reason"]


def test_a_missing_extra_is_one_sentence(programs: Path, home: Path) -> None:
    said = run(home, programs / "prompt-joules", "bench", "run", "--model", "org/x", "--out", "results", status=2)
    assert said.count("\n") == 1 and said.endswith("-m pip install 'prompt-joules[bench]'\n")


def test_a_result_is_recorded_bundled_and_loaded_again(programs: Path, home: Path) -> None:
    command = programs / "prompt-joules"
    run(home, programs / "python", "-c", RECORD)
    run(home, command, "bundle", "results", "--by", "A. Newcomer", "--out", "run.zip")
    run(home, command, "bundle", "--check", "run.zip")
    shutil.rmtree(home / "results")
    run(home, command, "ingest", "run.zip", "--warehouse", "own.duckdb")
    asked = "import prompt_joules as pj; r = pj.open('own.duckdb'); print(r.leaderboard(model='you/model')['output_tokens'].item())"
    assert run(home, programs / "python", "-c", asked).split() == ["6.0"]
    exported = json.loads(run(home, command, "export", "own.csv", "--warehouse", "own.duckdb", "--json", "--quiet"))
    assert exported["rows"] == 1 and (home / "own.csv").exists()


def test_the_notebook_runs_and_says_what_it_said(programs: Path, home: Path) -> None:
    shutil.copyfile(NOTEBOOK, home / "notebook.ipynb")
    run(home, programs / "jupyter-execute", "--inplace", "notebook.ipynb")
    keep(home / "notebook.ipynb", EXECUTED)
    now, kept = cells(EXECUTED), cells()
    assert {kind for cell in now for kind in cell.kinds} == {"text/plain", "text/html", "image/png"}
    assert [cell.source for cell in now] == [cell.source for cell in kept]
    assert [cell.said for cell in now if cell.is_frame] == [cell.said for cell in kept if cell.is_frame], f"cp {EXECUTED} {NOTEBOOK}"
