"""`kill -9` in the middle of a whole run: at most the rows since the last part are lost, and the same command makes the run whole."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.run.folder import read_run
from tests.tiny_models import llama

PROMPTS, PER_PART = 200, 64
TASKS = ("chat", "instruct")


def test_kill_9_costs_at_most_the_rows_since_the_last_part(tmp_path: Path) -> None:
    prompts, out = tmp_path / "many.jsonl", tmp_path / "out"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(PROMPTS)))
    options = ["--model", llama(tmp_path / "tiny"), "--prompts", prompts, "--out", out, "--device", "cpu"]
    options += [word for task in TASKS for word in ("--task", task)]
    words = [sys.executable, "-m", "prompt_joules.bench", "run", *map(str, options), "--warmup", "0", "--max-new-tokens", "3"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        deadline_s = time.monotonic() + 120
        while len(list(out.glob("*/part-*.parquet"))) < 3 and process.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    parts = {path: path.read_bytes() for path in out.glob("*/part-*.parquet")}
    before = pl.concat([pl.read_parquet(path) for path in parts])
    assert before.height >= 3 * PER_PART and before.height % PER_PART == 0
    folders = sorted({path.parent for path in parts})
    assert len(folders) == len(TASKS) and not any(read_run(folder).finished for folder in folders)

    done = subprocess.run(words, capture_output=True, text=True, check=False)
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
