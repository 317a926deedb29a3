"""`prompt-joules measure -- program`: numbers of a recorded GPU, exit statuses, and programs that cannot be run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prompt_joules.bench.meter import opening, process
from tests.timed_meter import assert_power, timed

SLEEP = [sys.executable, "-c", "import time; print('hello'); time.sleep(0.4)"]
PLAIN = ["--device", "cpu"]


@pytest.fixture
def recording(tmp_path: Path) -> list[str]:
    """A recording of a GPU that uses 100 W all the time, as an option."""
    path = tmp_path / "trace.json"
    path.write_text(json.dumps({"gpu_models": ["Recorded GPU"], "traces": [[[n / 50, 2000 * n] for n in range(500)]]}))
    return ["--replay", str(path)]


def test_joules_of_a_program_with_an_error_bar(
    tmp_path: Path, recording: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    meters, file = timed(monkeypatch, opening), tmp_path / "numbers.json"
    assert process.main([*recording, "--json", str(file), "--", *SLEEP]) == 0
    said = capfd.readouterr()
    assert said.out == "hello\n", "standard output is the program's alone"
    assert "GPU: " in said.err and " ± " in said.err and "Recorded GPU, replay" in said.err
    assert re.search(r"\((99|100|101) W before\)", said.err)
    numbers = json.loads(file.read_text())
    assert numbers["command"] == SLEEP and numbers["exit_status"] == 0
    assert numbers["latency_s"] > 0.4
    assert_power(100, [(meters[0].spans()[0], numbers["energy_j"], numbers["error_j"])])
    assert numbers["energy_j"] >= 100 * numbers["latency_s"] - numbers["error_j"], "the whole program is in the window"
    assert numbers["reason"] is None and numbers["cpu_energy_j"] is None and numbers["host_reason"]


def test_without_a_counter_the_reason_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    assert process.main([*PLAIN, "--", *SLEEP]) == 0
    assert "GPU: not measured: the model ran on a CPU" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("code", "status"), [("raise SystemExit(7)", 7), ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 128 + signal.SIGTERM)]
)
def test_the_exit_status_is_that_of_the_program(code: str, status: int) -> None:
    assert process.main([*PLAIN, "--", sys.executable, "-c", code]) == status


def test_options_of_the_program_are_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    program = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "--device", "--", "--json"]
    assert process.main([*PLAIN, "--", *program]) == 0
    assert capfd.readouterr().out == "['--device', '--', '--json']\n"


def test_what_cannot_be_run_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert process.main([*PLAIN, "--", "no-such-program-here"]) == 127
    assert "error: no-such-program-here: No such file" in capfd.readouterr().err
    (tmp_path / "data").write_text("data")
    assert process.main([*PLAIN, "--", str(tmp_path / "data")]) == 126
    for nothing in ([], PLAIN, [*PLAIN, "--"]):
        assert process.main(nothing) == 2
        assert "Name the program after two dashes" in capfd.readouterr().err
    assert process.main(["--replay", str(tmp_path / "data"), "--", "true"]) == 2
    assert "not a recorded counter" in capfd.readouterr().err
    assert process.main([*PLAIN, "--json", str(tmp_path / "none" / "x.json"), "--", "true"]) == 2
    assert "x.json cannot be written" in capfd.readouterr().err


def test_ctrl_c_ends_the_program_and_its_joules_are_told(tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    words = [sys.executable, "-c", "import sys; from prompt_joules.bench.meter.process import main; sys.exit(main(sys.argv[1:]))"]
    words += [*PLAIN, "--", sys.executable, "-c", code]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as measuring:
        deadline_s = time.monotonic() + 60
        while not started.exists() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        os.killpg(measuring.pid, signal.SIGINT)
        _, said = measuring.communicate(timeout=60)
    assert measuring.returncode == 128 + signal.SIGINT
    assert "GPU: not measured" in said
