"""A bench whose disk is full, whose folder is closed, whose server or engine dies: what was measured stays, and the same command goes on.

Real disks and real permissions, on runs against a made-up server, which need no torch. Faults of engines in this process and of the meter:
`tests/unit/bench/test_failures.py`, `test_sink.py`, `test_kill.py`, `test_meter.py`; of servers: `tests/unit/serving/test_faults.py`.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("uvicorn", reason="needs the test extra: make test installs it")

from prompt_joules.bench.run.folder import read_run
from tests.attack.test_no_room import OWN_MOUNTS, can_mount
from tests.attack.test_warehouse_files import as_ordinary_user
from tests.fake_server import FakeServer, serving, stream, whole

PROMPTS = 200
WORDS = ("--engine", "openai", "--model", "fake-1b", "--task", "chat", "--warmup", "0", "--no-idle", "--concurrency", "8")
# Runs twice: on a small disk, and again after room was made. The mount is gone with the process, so its rows are kept beside it.
PROGRAM = """
import shutil, subprocess, sys
from pathlib import Path
from prompt_joules.bench.__main__ import main
disk, kept, size, *words = sys.argv[1:]
mount = lambda options: subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)
mount(f"size={size},mode=777")
def run(name):
    code = main(words)
    shutil.copytree(Path(disk) / "out", Path(kept) / name, dirs_exist_ok=True)
    print("CODE", code, flush=True)
run("full")
mount("remount,size=8m")
run("room")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with serving(lambda body, n: stream(whole())) as started:
        yield started


@pytest.fixture
def prompts(entered: Path) -> Path:
    path = entered / "prompts.jsonl"
    path.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(PROMPTS)))
    return path


def rows(folder: Path) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted(folder.glob("*/part-*.parquet"))])


@pytest.mark.parametrize("size_kib", [16, 48])
def test_a_disk_that_is_really_full_keeps_whole_parts_and_the_same_command_goes_on(
    tmp_path: Path, server: FakeServer, prompts: Path, size_kib: int
) -> None:
    """There is room for run.json, or for some parts of 64 rows."""
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("no mount of one's own is allowed here")
    words = ["run", *WORDS, "--base-url", server.url, "--prompts", str(prompts), "--out", str(disk / "out")]
    command = [*OWN_MOUNTS, sys.executable, "-c", PROGRAM, str(disk), str(kept), f"{size_kib}k", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"COLUMNS": "300"})
    told = done.stdout + done.stderr
    assert done.stdout.split() == ["CODE", "2", "CODE", "0"] and "Traceback" not in told, told
    assert "same command again" in told and not list((kept / "full").rglob("*.tmp"))
    before = {path.name: path.read_bytes() for path in kept.glob("full/*/part-*.parquet")}
    after = {path.name: path.read_bytes() for path in kept.glob("room/*/part-*.parquet")}
    assert len(list(kept.glob("room/*/run.json"))) == 1, "one run, not two"
    assert bool(before) == (size_kib == 48) and before.items() <= after.items(), "what was written stays as it was"
    assert Counter(rows(kept / "room")["prompt_id"]) == {f"p{n}": 1 for n in range(PROMPTS)}
    sessions = [session["rows"] for session in read_run(next(kept.glob("room/*"))).sessions]
    assert sum(sessions) == PROMPTS and len(sessions) <= 2


# Measures, closes something, and does it again as an ordinary user; the first time imports all that the second needs.
CLOSED = """
import sys
from pathlib import Path
from prompt_joules.bench.__main__ import main
closed, out, *words = sys.argv[1:]
main(words)
for path in [Path(out), *Path(out).rglob("*")]:
    path.chmod(0o777 if path.is_dir() and closed != "folder" else 0o755)
if closed == "part":
    part = next(Path(out).rglob("part-*"))
    part.chmod(0)
    run = part.with_name("run.json")
    run.write_text(run.read_text().replace('"finished": true', '"finished": false'))
drop()
print("CODE", main(words), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permissions are of another kind here")
@pytest.mark.parametrize(
    ("closed", "words"), [("folder", "Cannot write to"), ("part", "part-00000.parquet"), ("nothing", "finished before")]
)
def test_a_run_in_a_closed_place_is_one_sentence(server: FakeServer, prompts: Path, closed: str, words: str) -> None:
    """A results folder that may not be written, and a run whose part may not be read: nothing is measured twice into it."""
    out = prompts.parent / "out"
    asked = ["run", *WORDS, "--base-url", server.url, "--prompts", str(prompts), "--out", str(out), "--limit", "3"]
    done = as_ordinary_user(CLOSED, closed, str(out), *asked)
    told = done.stdout + done.stderr
    assert ("CODE 0" if closed == "nothing" else "CODE 2") in done.stdout and "Traceback" not in told, told
    assert words in told and (closed == "nothing" or "Permission denied" in told)
    assert rows(out).height == 3
