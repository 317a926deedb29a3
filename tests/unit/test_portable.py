"""Nothing is needed that macOS or Windows lack, and no file of text is read in whatever encoding a machine happens to have."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import factories, warehouses

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for folder in ("bench", "ingest", "warehouse", "pages") for path in (ROOT / folder).rglob("*.py"))
# Python's own modules are loaded first: on those systems they are other ones.
ELSEWHERE = """
import logging, multiprocessing, os, shutil, signal, subprocess, sys, tempfile
from pathlib import Path
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in "copy_file_range killpg getuid geteuid getloadavg sched_getaffinity nice fork O_NONBLOCK O_NOFOLLOW".split():
    vars(os).pop(name, None)
# Python 3.13 and newer count the processors of this process by sched_getaffinity where there is one, and all of them elsewhere.
os.process_cpu_count = os.cpu_count
for name in ("SIGKILL", "SIGALRM", "SIGXCPU", "setitimer", "ITIMER_REAL"):
    vars(signal).pop(name, None)
real_open = os.open
def no_folders(path, *more, **named):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return real_open(path, *more, **named)
os.open = no_folders
shutil._use_fd_functions = False
shutil._rmtree_impl = getattr(shutil, "_rmtree_unsafe", None)  # Python 3.14 chooses when it is imported
os.register_at_fork = lambda **named: None
"""
LOADS = """
from prompt_joules.ingest.__main__ import main
first, second, warehouse = sys.argv[1:]
for path in (first, second):
    assert main([path, "--warehouse", warehouse]) == 0
assert main(["check", "--warehouse", warehouse]) == 0
assert main(["export", warehouse + ".csv", "--rows", "prompts", "--warehouse", warehouse]) == 0
print("LOADED")
"""
RUNS = """
from rich.console import Console
from prompt_joules.bench import errors
from prompt_joules.bench.engines import servers
from prompt_joules.bench.run.folder import Run, claimed, locked, read_run
from prompt_joules.bench.interrupt import Interrupt
out = Path(sys.argv[1])
run = Run(out / "run", "f", {}, {}, 1)
with Interrupt(Console()), claimed(out, "f" * 64), locked(out):
    run.save()
    for again in (claimed(out, "f" * 64), locked(out)):
        try:
            with again:
                raise SystemExit("the lock was taken twice")
        except errors.RunInUse:
            pass
assert read_run(run.folder) == run
server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
servers._end(server)
assert server.poll() is not None
print("LEFT", sorted(path.name for path in out.iterdir()))
"""


def elsewhere(program: str, *words: str | Path) -> str:
    """What a program prints where nothing is that Linux alone has."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE + program, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_are_loaded_twice_checked_and_exported_without_what_linux_alone_has(tmp_path: Path) -> None:
    for name in ("one", "two"):
        factories.write(factories.records(3, f"run-{name}"), tmp_path / name / "a.parquet")
    assert "LOADED" in elsewhere(LOADS, tmp_path / "one", tmp_path / "two", tmp_path / "w.duckdb")
    assert warehouses.rows(tmp_path / "w.duckdb", "select count(*) from requests").item() == 6
    assert len((tmp_path / "w.duckdb.csv").read_text(encoding="utf-8").splitlines()) == 7


def test_a_run_is_held_saved_and_its_server_ended_without_what_linux_alone_has(tmp_path: Path) -> None:
    pytest.importorskip("psutil")
    assert "LEFT ['run']" in elsewhere(RUNS, tmp_path)


def test_what_is_simulated_is_really_gone() -> None:
    said = elsewhere(
        "print([hasattr(os, 'copy_file_range'), hasattr(signal, 'SIGKILL')])\ntry:\n import fcntl\nexcept ImportError:\n print('none')"
    )
    assert said.split("\n")[:2] == ["[False, False]", "none"]
    assert hasattr(os, "copy_file_range")


def lacks_encoding(call: ast.Call) -> bool:
    """Whether a call opens text, or talks to a process in text, without naming the encoding."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = {word.arg for word in call.keywords}
    if "encoding" in named:
        return False
    constants = [
        part.value for part in (*call.args, *(word.value for word in call.keywords if word.arg == "mode")) if isinstance(part, ast.Constant)
    ]
    match name:
        case "read_text":
            return not call.args
        case "write_text":
            return len(call.args) < 2
        case "open" if isinstance(call.func, ast.Name) or constants:
            return not any(isinstance(mode, str) and "b" in mode for mode in constants)
        case "run" | "Popen" | "check_output":
            return bool(named & {"text", "universal_newlines"})
    return False


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.write_text(words)", True),
        ("path.open('w')", True),
        ("path.open('wb')", False),
        ("open(path)", True),
        ("open(path, mode='rb')", False),
        ("run.open()", False),
        ("subprocess.run(words, text=True)", True),
    ],
)
def test_the_search_for_encodings_finds_what_it_should(source: str, wrong: bool) -> None:
    assert lacks_encoding(ast.parse(source, mode="eval").body) is wrong  # type: ignore[arg-type]


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    calls = [
        (path, node) for path in MODULES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    assert len(calls) > 3000
    assert not [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in calls if lacks_encoding(node)]
