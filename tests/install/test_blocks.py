"""Code blocks of README and docs, run as printed in a fresh environment of the right kind: the built wheel and no checkout.

Most need the app alone. A page or a block says otherwise in a comment, `<!-- needs: bench -->`. What cannot be run here is listed with its
reason (tests/unit/test_guides.py); `make test-install` prints that list.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import blocks, commands, needs
from tests.install.stranger import run
from tests.unit.test_guides import DOCUMENTS, NOT_RUN, ONLY_READ, filled, reason, shell_blocks
from tests.unit.test_guides import NOT_ASKED as NO_PYTHON
from tests.unit.test_guides import stand_in as stand_in
from tests.warehouses import ROOT

pytestmark = pytest.mark.install

KINDS = {"app": "", "bench": "[bench]"}
# What docs/library.md supposes to be there, as a program.
YOURS = """
import prompt_joules as pj
question, search = "Why?", lambda question: [question]
my_agent, count = (lambda question, found=None: "I do not know."), (lambda text: len(text.split()))
"""
# A command of a checkout is the same program where the project is installed.
INSTALLED = {"python -m bench": "prompt-joules bench", "python -m ingest": "prompt-joules ingest", "warehouse/data": "shipped"}
# The reason why a command is not run in a fresh environment, beside those for every environment.
A_LAKE = {"export ": "sets what a lake needs; tests/lake has one"}


def kind_of(path: Path, line: int) -> str:
    """The environment that a block needs: its own word, else that of its page, else the app."""
    kind = needs(path, line) or "app"
    assert kind in KINDS, f"{path.name}, line {line}: there is no environment {kind!r}"
    return kind


def chosen(path: Path, kind: str) -> list[str]:
    """The commands of a page that a kind of environment runs."""
    every = [text for line, block in shell_blocks(path) if kind_of(path, line) == kind for text in commands(block)]
    return [text for text in every if not reason(text, NOT_RUN | ONLY_READ | A_LAKE)]


def python_of(path: Path, kind: str) -> str:
    """The blocks of Python of a page that a kind of environment runs, as one program."""
    found = [text for line, text in blocks(path, "python") if kind_of(path, line) == kind and reason(text, NO_PYTHON) is None]
    return YOURS + "\n".join(found) if found else ""


COMMANDS = [(path, kind) for path in DOCUMENTS for kind in KINDS if chosen(path, kind)]
PYTHON = [(path, kind) for path in DOCUMENTS for kind in KINDS if python_of(path, kind)]
LISTED = {
    text: why
    for path in DOCUMENTS
    for _, block in shell_blocks(path)
    for text in commands(block)
    if (why := reason(text, NOT_RUN | ONLY_READ | A_LAKE))
}


def name(one: tuple[Path, str]) -> str:
    return f"{one[0].relative_to(ROOT)}-{one[1]}"


@pytest.fixture(scope="module")
def environments(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of the programs of each kind of environment, made where it is first asked for."""

    class Made(dict[str, Path]):
        def __missing__(self, kind: str) -> Path:
            self[kind] = made = install(wheel, KINDS[kind], tmp_path_factory.mktemp(kind))
            return made

    return Made()


def install(wheel: Path, extra: str, folder: Path) -> Path:
    """A fresh environment with the wheel and an extra; the folder of its programs."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", str(folder)], env=outside, check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--no-compile", "--constraint", str(ROOT / "constraints.txt")]
    done = subprocess.run([*pip, f"{wheel}{extra}"], cwd=folder, env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture
def desk(stand_in: Path, tmp_path: Path) -> Path:
    """A folder with small results and a warehouse, and nothing of the checkout."""
    folder = tmp_path / "desk"
    shutil.copytree(stand_in, folder, ignore=shutil.ignore_patterns("models"))
    return folder


def printed(text: str) -> str:
    """A command as it is written where the project is installed."""
    for checkout, installed in INSTALLED.items():
        text = text.replace(checkout, installed)
    return filled(text)


@pytest.mark.parametrize("one", COMMANDS, ids=name)
def test_every_command_runs_in_a_fresh_environment(one: tuple[Path, str], environments: dict[str, Path], desk: Path) -> None:
    path, kind = one
    programs = environments[kind]
    for text in chosen(path, kind):
        line = f'export PATH="{programs}:$PATH"; {printed(text)}'
        # `rejects` says with status 1 that there is something to see.
        run(desk, "bash", "-c", f"{line} || [ $? = 1 ]" if " rejects " in text else line)


@pytest.mark.parametrize("one", PYTHON, ids=name)
def test_every_block_of_python_runs_in_a_fresh_environment(one: tuple[Path, str], environments: dict[str, Path], desk: Path) -> None:
    path, kind = one
    (desk / "block.py").write_text(python_of(path, kind))
    run(desk, environments[kind] / "python", "block.py")


@pytest.mark.parametrize("text", [pytest.param(text, marks=pytest.mark.skip(reason=why)) for text, why in LISTED.items()])
def test_what_is_not_run_is_listed(text: str) -> None:
    raise AssertionError("it stands in the list, with its reason")


def test_a_word_about_the_environment_stands_where_it_is_read() -> None:
    said = [(path.name, word) for path in DOCUMENTS for word in re.findall(r"<!-- needs: (\S+) -->", path.read_text())]
    assert said and {word for _, word in said} <= set(KINDS)
    assert {kind for _, kind in [*COMMANDS, *PYTHON]} == set(KINDS)
