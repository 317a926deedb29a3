"""Several processes and one run: what `kill -9` costs, and that two commands at once make no two runs.

A kill in the middle costs at most the rows since the last part, and the same command makes the run whole.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.run.folder import read_run
from tests.tiny_models import llama

PROMPTS, PER_PART = 100, 16
# The command with smaller parts, which a thread of its own kills soon after the third: another process might be late, and find it done.
KILLED = f"""
import os, signal, sys, threading, time
from prompt_joules.bench import __main__ as command
from prompt_joules.bench.run import sink
write, parts = sink.write_atomically, []
def counted(path, data):
    write(path, data)
    parts.append(path)
    if len(parts) == 3:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
sink.write_atomically = counted
sink.PartSink.__init__.__defaults__ = ({PER_PART}, 60.0, time.monotonic)
sys.exit(command.main(sys.argv[1:]))
"""
TASKS = ("chat", "instruct")


def test_kill_9_costs_at_most_the_rows_since_the_last_part(tmp_path: Path) -> None:
    prompts, out = tmp_path / "many.jsonl", tmp_path / "out"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(PROMPTS)))
    options = ["--model", llama(tmp_path / "tiny"), "--prompts", prompts, "--out", out, "--device", "cpu"]
    options += [word for task in TASKS for word in ("--task", task)]
    asked = ["run", *map(str, options), "--warmup", "0", "--max-new-tokens", "3"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *asked], stderr=subprocess.DEVNULL, check=False)
    assert killed.returncode == -signal.SIGKILL, "it ended before it was killed"
    parts = {path: path.read_bytes() for path in out.glob("*/part-*.parquet")}
    before = pl.concat([pl.read_parquet(path) for path in parts])
    assert before.height >= 3 * PER_PART and before.height % PER_PART == 0
    folders = sorted({path.parent for path in parts})
    assert len(folders) == len(TASKS) and not any(read_run(folder).finished for folder in folders)

    done = subprocess.run([sys.executable, "-m", "prompt_joules.bench", *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for folder in folders:
        frame = pl.read_parquet(folder / "part-*.parquet").sort("sequence")
        assert sorted(frame["prompt_id"]) == sorted(f"p{n}" for n in range(PROMPTS))
        assert frame["sequence"].to_list() == list(range(PROMPTS))
        run = read_run(folder)
        kept = before.filter(pl.col("run_id") == folder.name).height
        assert run.finished and [session["rows"] for session in run.sessions] == [PROMPTS - kept]
    assert len(list(out.glob("*/run.json"))) == len(TASKS)
    assert all(path.read_bytes() == content for path, content in parts.items()), "a part is never written twice"


def test_two_commands_started_at_once_make_one_run(tmp_path: Path) -> None:
    model, out = llama(tmp_path / "tiny"), tmp_path / "out"
    words = [sys.executable, "-m", "prompt_joules.bench", "run", "--model", str(model), "--out", str(out), "--device", "cpu"]
    words += ["--warmup", "0", "--max-new-tokens", "3", "--limit", "5"]
    both = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    statuses = sorted(process.returncode for process in both)
    (folder,) = {path.parent for path in out.glob("*/run.json")}
    assert pl.read_parquet(folder / "part-*.parquet").height == 5
    if statuses == [0, 2]:
        assert any("Another process is at work on this run" in words for words in said)
    else:
        assert statuses == [0, 0] and any("Nothing to do" in words for words in said), "one came when the other was done"
    assert not list(out.glob(".*.lock"))
