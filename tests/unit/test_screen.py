"""What a person sees on an 80-column screen: one line while loading, the reason without joules in full, each warning once."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from prompt_joules import command
from prompt_joules.bench import screen
from prompt_joules.bench.meter import devices
from prompt_joules.bench.meter.devices import Device
from prompt_joules.bench.run.progress import RunProgress

pytest.importorskip("torch", reason="needs the bench extra: make test installs it")

from prompt_joules.bench.engines.quiet import no_bars, warn_once
from tests.tiny_models import llama
from tests.warehouses import ROOT

REASON = "the driver of this GPU has no total-energy counter (Volta or newer has one); power is not integrated per prompt"


def drawn(width: int, reason: str | None, rows: int = 2, joules: float = 300.0) -> str:
    """What a bar of so many rows leaves on a terminal."""
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    with RunProgress(console, "instruct-concise", 0, rows, reason) as progress:
        for _ in range(rows):
            progress.add({"status": "ok", "output_tokens": 100, "latency_s": 2.0, "energy_j": None if reason else joules})
    return screen.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_reason_without_joules_is_not_cut(width: int) -> None:
    seen = drawn(width, REASON)
    assert seen.count(f"energy not measured: {REASON}") == 1


@pytest.mark.parametrize(("reason", "words"), [(None, "3,871,400 J"), (REASON, "no energy")])
def test_the_bar_fits_80_columns_with_all_its_figures(reason: str | None, words: str) -> None:
    last = [line for line in drawn(80, reason, rows=2978, joules=1300.0).splitlines() if "2978/2978" in line][-1]
    assert all(part in last for part in ("instruct-concise", "50.0 token/s", "0:00:00", words))
    assert "…" not in last


def test_answers_at_once_are_counted_by_the_clock() -> None:
    progress = RunProgress(Console(quiet=True), "chat", 0, 2, None, at_once=True)
    for _ in range(2):
        progress.add({"status": "ok", "output_tokens": 10, "latency_s": 1000.0, "energy_j": 1.0})
    assert 0 < progress.seconds < 100


def test_a_batch_is_as_fast_as_all_its_requests_together() -> None:
    """Two windows: two answers in 4 s, and one in 2 s after a failed one; 40 tokens in 6 s."""
    progress = RunProgress(Console(quiet=True), "chat", 0, 4, None)
    for window, latency_s, tokens in ((0, 2.0, 10), (0, 4.0, 20), (2, None, None), (2, 2.0, 10)):
        progress.add({"status": "ok" if tokens else "failed", "output_tokens": tokens, "latency_s": latency_s, "window_id": window})
    assert progress.seconds == 6.0
    assert progress.rate_words() == "0.50 prompt/s, 6.7 token/s"


def test_the_notes_of_devices_are_whole_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Device("GPU", "nvml-counter", 0.1, 0.001, 73.7), Device("CPU", "none", reason=REASON), Device("memory", "none", reason=REASON)]
    monkeypatch.setattr(devices, "find_devices", lambda: found)
    screen = io.StringIO()
    devices.print_devices(Console(file=screen, width=80))
    seen = screen.getvalue()
    assert f"CPU, memory: {REASON}" in seen.splitlines()
    assert all(part in seen for part in ("nvml-counter", "100.0", "73.7")) and seen.count("not measured") == 2


def test_a_run_prints_no_bars_of_libraries(tmp_path: Path) -> None:
    prompts = tmp_path / "one.jsonl"
    prompts.write_text(json.dumps({"id": "a", "prompt": "Hello"}))
    options = ["--model", llama(tmp_path / "tiny"), "--prompts", prompts, "--out", tmp_path / "out", "--device", "cpu", "--warmup", "3"]
    words = [sys.executable, "-m", "bench", "run", *map(str, options), "--max-new-tokens", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert "it/s" not in done.stderr and "Loading weights" not in done.stderr
    first, *rest = done.stderr.splitlines()
    assert first.startswith("Loading ") and first.endswith("(float32 on cpu) ...")
    assert "energy not measured: the model ran on a CPU: there is no GPU energy" in rest
    assert "Warming up, until two answers in a row cost the same, at most 3 times (--warmup) ..." in rest, "it may take minutes"


def test_bars_of_gguf_come_back_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import modeling_gguf_pytorch_utils as gguf_loading

    with no_bars():
        assert list(gguf_loading.tqdm(range(3), desc="x")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert list(gguf_loading.tqdm(range(3), desc="x")) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err


def test_a_warning_of_transformers_is_shown_once() -> None:
    import transformers

    warn_once()
    warn_once()
    (handler, *_) = transformers.utils.logging._get_library_root_logger().handlers
    assert len(handler.filters) == 1
    records = [logging.LogRecord("transformers", logging.WARNING, "", 0, text, (), None) for text in ("a 7d1", "a 7d1", "b 7d1")]
    assert [bool(handler.filter(record)) for record in records] == [True, False, True]


def test_words_in_brackets_are_words_everywhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that installs an extra has brackets, and so may names of models and files."""
    missing = Device("GPU [0]", "none", reason="Zeus is not here: pip install 'prompt-joules[bench]'")
    monkeypatch.setattr(devices, "find_devices", lambda: [missing])
    devices.print_devices()
    seen = capsys.readouterr().out
    assert "GPU [0]: Zeus is not here: pip install 'prompt-joules[bench]'" in seen.splitlines()
    assert "│ GPU [0] │" in seen
    console = screen.console(stderr=True)
    with RunProgress(console, "[bold]chat", 0, 1, None) as progress:
        progress.add({"status": "ok", "output_tokens": 1, "latency_s": 2.0, "energy_j": 1.0})
    assert "[bold]chat" in capsys.readouterr().err


def test_what_is_piped_is_not_broken_into_lines(capsys: pytest.CaptureFixture[str]) -> None:
    words = "word " * 500
    screen.console().print(words)
    assert capsys.readouterr().out == words + "\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("bench devices --jsn", "Print one JSON document to standard output instead of words and tables. (default: False)"),
        ("export x.csv --rows no", "invalid choice 'no' for argument '--rows'. Expected one of ('leaderboard', 'prompts')."),
        ("bench prompts sharegpt", "e.g. sg_90k_part1_html_cleaned.json, which was used in 2023. (required)"),
        ("measure --edges no -- true", "argument --edges: invalid choice: 'no' (choose from 'aligned', 'plain')"),
        ("ingest --help", "(what is read), rejects (which rows were refused, and why), check (compare with the files), export"),
    ],
)
def test_words_about_options_are_not_broken_where_they_are_piped(
    words: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with pytest.raises(SystemExit) as ended:
        command.main(words.split())
    assert ended.value.code == (0 if "--help" in words else 2)
    assert sentence in "".join(capsys.readouterr()) and "COLUMNS" not in os.environ


def test_every_console_takes_data_as_it_is() -> None:
    """Markup, emoji codes and lines of 80 characters are off in one place; a console made elsewhere would have them on."""
    made = [path for folder in ("bench", "ingest") for path in (ROOT / folder).rglob("*.py")]
    with_own = {str(path.relative_to(ROOT)) for path in made if re.search(r"\bConsole\(", path.read_text())}
    assert with_own == {"bench/screen.py"}
    columns = [call for path in made for call in re.findall(r"TextColumn\([^)]*\)", path.read_text())]
    assert columns
    assert all("markup=False" in call for call in columns)
