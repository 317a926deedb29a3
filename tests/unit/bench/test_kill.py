"""Several processes and one run: what `kill -9` costs, and that two commands at once make no two runs.

A kill in the middle costs at most the rows since the last part, and the same command makes the run whole.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.run.folder import read_run

PROMPTS, PER_PART = 100, 16
# Imports everything once, 4 s of CPU. For each line of its input it starts commands at once, each in a process of its own, and answers
# with how they ended. Nothing has run before the fork, so a child is as good as a new process. One that is to be killed writes smaller
# parts, and a thread of its own kills it soon after the third: another process might be late, and find it done.
COMMANDS = f"""
import json, os, signal, sys, threading, time
import transformers
from prompt_joules.bench import __main__ as command
from prompt_joules.bench.run import local, sink
transformers.LlamaForCausalLM

def killed_soon():
    write, parts = sink.write_atomically, []
    def counted(path, data):
        write(path, data)
        parts.append(path)
        if len(parts) == 3:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
    sink.write_atomically = counted
    sink.PartSink.__init__.__defaults__ = ({PER_PART}, 60.0, time.monotonic)

def started(words, killed, said):
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        status = 70
        try:
            killed_soon() if killed else None
            status = command.main(words)
        finally:
            os._exit(status)
    return pid

for line in sys.stdin:
    pids = [started(*asked) for asked in json.loads(line)]
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)
"""
Ended = tuple[int, str]
Run = Callable[..., list[Ended]]
TASKS = ("chat", "instruct")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run commands at once, each a list of words; status and words of each."""
    folder = tmp_path_factory.mktemp("said")
    with subprocess.Popen([sys.executable, "-c", COMMANDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def together(*commands: Sequence[str], killed: bool = False) -> list[Ended]:
            assert process.stdin is not None and process.stdout is not None
            said = [folder / f"{len(list(folder.iterdir()))}-{place}" for place in range(len(commands))]
            asked = [(words, killed, str(path)) for words, path in zip(commands, said, strict=True)]
            print(json.dumps(asked), file=process.stdin, flush=True)
            statuses = json.loads(process.stdout.readline())
            return [(status, path.read_text()) for status, path in zip(statuses, said, strict=True)]

        yield together


def test_kill_9_costs_at_most_the_rows_since_the_last_part(run: Run, model: Path, tmp_path: Path) -> None:
    prompts, out = tmp_path / "many.jsonl", tmp_path / "out"
    prompts.write_text("".join(json.dumps({"id": f"p{n}", "prompt": f"Question {n}?"}) + "\n" for n in range(PROMPTS)))
    options = ["--model", model, "--prompts", prompts, "--out", out, "--device", "cpu"]
    options += [word for task in TASKS for word in ("--task", task)]
    asked = ["run", *map(str, options), "--warmup", "0", "--max-new-tokens", "3"]
    ((status, said),) = run(asked, killed=True)
    assert status == -signal.SIGKILL, f"it ended before it was killed: {said}"
    parts = {path: path.read_bytes() for path in out.glob("*/part-*.parquet")}
    before = pl.concat([pl.read_parquet(path) for path in parts])
    assert before.height >= 3 * PER_PART and before.height % PER_PART == 0
    folders = sorted({path.parent for path in parts})
    assert len(folders) == len(TASKS) and not any(read_run(folder).finished for folder in folders)

    ((status, said),) = run(asked)
    assert status == 0, said
    for folder in folders:
        frame = pl.read_parquet(folder / "part-*.parquet").sort("sequence")
        assert sorted(frame["prompt_id"]) == sorted(f"p{n}" for n in range(PROMPTS))
        assert frame["sequence"].to_list() == list(range(PROMPTS))
        run = read_run(folder)
        kept = before.filter(pl.col("run_id") == folder.name).height
        assert run.finished and [session["rows"] for session in run.sessions] == [PROMPTS - kept]
    assert len(list(out.glob("*/run.json"))) == len(TASKS)
    assert all(path.read_bytes() == content for path, content in parts.items()), "a part is never written twice"


def test_two_commands_started_at_once_make_one_run(run: Run, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", "--model", str(model), "--out", str(out), "--device", "cpu"]
    words += ["--warmup", "0", "--max-new-tokens", "3", "--limit", "5"]
    both = run(words, words)
    statuses = sorted(status for status, _ in both)
    (folder,) = {path.parent for path in out.glob("*/run.json")}
    assert pl.read_parquet(folder / "part-*.parquet").height == 5
    if statuses == [0, 2]:
        assert any("Another process is at work on this run" in words for _, words in both)
    else:
        assert statuses == [0, 0] and any("Nothing to do" in words for _, words in both), "one came when the other was done"
    assert not list(out.glob(".*.lock"))
